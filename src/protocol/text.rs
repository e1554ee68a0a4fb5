//! A piece of text as a reader means it, and the way back to the bytes it came from.
//!
//! Promises: clean text borrows from the body; a range of the decoded text maps to the smallest range
//! of raw bytes that holds it whole (escapes and code points are never split); an edit made here and
//! applied with [`patch`] gives a body that decodes to the edited text and differs nowhere else.
//! The way back costs a pair of numbers for every 4 KiB, not one for every escape.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Decoded bytes between two marks.
const MARK_EVERY: usize = 4096;

/// How a text stands in its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// The content of a JSON string.
    Json,
}

/// A text with the way back to its bytes. Bodies have many, so it is small: what was escaped is kept apart.
#[derive(Clone, Debug)]
pub struct Text<'b> {
    place: Place<'b>,
    /// What it means, where that differs from how it is written.
    unescaped: Option<Box<Unescaped>>,
    form: Form,
}

/// Where the content stands, without quotes.
#[derive(Clone, Debug)]
enum Place<'b> {
    /// In a body or the data of a stream event: as written, and where that begins.
    Body(&'b str, usize),
    /// In another text's decoded form.
    Outer(&'b Text<'b>, Range<usize>),
    /// The same, owned.
    Shared(Arc<Text<'b>>, Range<usize>),
    /// Nowhere that could be changed.
    Loose(Cow<'b, str>),
}

#[derive(Clone, Debug)]
struct Unescaped {
    text: String,
    /// Decoded and raw offsets of atoms, every [`MARK_EVERY`] bytes.
    marks: Vec<(usize, usize)>,
}

/// A change of raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The raw bytes to replace.
    pub at: Range<usize>,
    /// What stands there afterwards, already escaped.
    pub with: String,
}

impl<'b> Text<'b> {
    /// Text that stands as it is at `at` of `body`. Without the bytes being UTF-8 there the text is empty.
    pub fn plain(body: &'b [u8], at: Range<usize>) -> Self {
        let written = body.get(at.clone()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default();
        Self { place: Place::Body(written, at.start), unescaped: None, form: Form::Plain }
    }

    /// The content of a JSON string at `at` of `body`, which the walk has found to be well formed.
    /// Halves of surrogate pairs read as U+FFFD.
    pub fn json(body: &'b [u8], at: Range<usize>) -> Self {
        let text = Self::unescaped(body, at);
        Self { unescaped: Unescaped::of(text.written()), ..text }
    }

    /// The content of a JSON string in which nothing is escaped.
    pub(super) fn unescaped(body: &'b [u8], at: Range<usize>) -> Self {
        Self { form: Form::Json, ..Self::plain(body, at) }
    }

    /// Text without a way back, such as a transcoded body.
    pub fn opaque(text: impl Into<Cow<'b, str>>) -> Self {
        Self { place: Place::Loose(text.into()), unescaped: None, form: Form::Plain }
    }

    /// The JSON string content at `at` of another text's decoded form.
    pub(super) fn inside(outer: &'b Text<'b>, at: Range<usize>) -> Self {
        Self::within(Place::Outer(outer, at))
    }

    /// The same for a text that is kept alive by its parts.
    pub(super) fn inside_shared(outer: &Arc<Text<'b>>, at: Range<usize>) -> Self {
        Self::within(Place::Shared(Arc::clone(outer), at))
    }

    fn within(place: Place<'b>) -> Self {
        let text = Self { place, unescaped: None, form: Form::Json };
        Self { unescaped: Unescaped::of(text.written()), ..text }
    }

    /// The text as a reader means it.
    pub fn as_str(&self) -> &str {
        self.unescaped.as_ref().map_or_else(|| self.written(), |unescaped| &unescaped.text)
    }

    /// The text as it is written in its container.
    fn written(&self) -> &str {
        match &self.place {
            Place::Body(written, _) => written,
            Place::Outer(outer, at) => outer.as_str().get(at.clone()).unwrap_or_default(),
            Place::Shared(outer, at) => outer.as_str().get(at.clone()).unwrap_or_default(),
            Place::Loose(text) => text,
        }
    }

    /// The raw bytes of the whole content in the body (or in the event's data), if there is a way back.
    pub fn raw(&self) -> Option<Range<usize>> {
        self.raw_of(0..self.as_str().len())
    }

    /// The raw bytes that hold `range` of the decoded text.
    pub fn raw_of(&self, range: Range<usize>) -> Option<Range<usize>> {
        let here = self.in_container(range);
        match &self.place {
            Place::Body(..) => Some(here),
            Place::Outer(outer, _) => outer.raw_of(here),
            Place::Shared(outer, _) => outer.raw_of(here),
            Place::Loose(_) => None,
        }
    }

    /// The change of raw bytes that puts `with` where `range` of the decoded text is. `None` when
    /// there is no way back.
    pub fn edit(&self, range: Range<usize>, with: &str) -> Option<Edit> {
        let here = self.in_container(range);
        let with = match self.form {
            Form::Plain => Cow::Borrowed(with),
            Form::Json => escape(with),
        };
        match &self.place {
            Place::Body(..) => Some(Edit { at: here, with: with.into_owned() }),
            Place::Outer(outer, _) => outer.edit(here, &with),
            Place::Shared(outer, _) => outer.edit(here, &with),
            Place::Loose(_) => None,
        }
    }

    /// Whether the text can be changed at all.
    pub fn has_way_back(&self) -> bool {
        match &self.place {
            Place::Body(..) => true,
            Place::Outer(outer, _) => outer.has_way_back(),
            Place::Shared(outer, _) => outer.has_way_back(),
            Place::Loose(_) => false,
        }
    }

    /// `range` of the decoded text as a range of the container, widened to whole atoms.
    fn in_container(&self, range: Range<usize>) -> Range<usize> {
        let text = self.as_str();
        let start = floor(text, range.start.min(text.len()));
        let end = ceil(text, range.end.min(text.len())).max(start);
        let from = match &self.place {
            Place::Body(_, from) => *from,
            Place::Outer(_, at) | Place::Shared(_, at) => at.start,
            Place::Loose(_) => 0,
        };
        let Some(unescaped) = &self.unescaped else { return from + start..from + end };
        let source = self.written().as_bytes();
        let first = unescaped.locate(source, start, start == end).0;
        let last = if end > start { unescaped.locate(source, end - 1, false).1 } else { first };
        from + first..from + last
    }
}

impl Unescaped {
    /// What `source` means, where anything in it is escaped.
    fn of(source: &str) -> Option<Box<Self>> {
        match decode(source) {
            (Cow::Borrowed(_), _) => None,
            (Cow::Owned(text), marks) => Some(Box::new(Self { text, marks })),
        }
    }

    /// Raw start and end of the atom that holds decoded byte `offset`.
    fn locate(&self, source: &[u8], offset: usize, boundary: bool) -> (usize, usize) {
        let mark = self.marks.partition_point(|(decoded, _)| *decoded <= offset);
        let (mut decoded, mut raw) = mark.checked_sub(1).and_then(|i| self.marks.get(i)).copied().unwrap_or((0, 0));
        // Every escape is longer than what it means: equal distances between two marks mean that nothing
        // is escaped there, and a long plain run is crossed in one step.
        if let Some((next_decoded, next_raw)) = self.marks.get(mark)
            && next_decoded - decoded == next_raw - raw
        {
            let ahead = floor(&self.text, offset) - decoded;
            decoded += ahead;
            raw += ahead;
        }
        while raw < source.len() {
            if boundary && decoded >= offset {
                return (raw, raw);
            }
            let (raw_len, decoded_len) = atom(source, raw);
            if offset < decoded + decoded_len {
                return (raw, raw + raw_len);
            }
            decoded += decoded_len;
            raw += raw_len;
        }
        (source.len(), source.len())
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Raw and decoded length of the atom (escape or code point) at `at` of a JSON string's content.
fn atom(source: &[u8], at: usize) -> (usize, usize) {
    let Some(&first) = source.get(at) else { return (1, 0) };
    if first != b'\\' {
        let len = match first {
            0..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            _ => 4,
        };
        return (len, len);
    }
    if source.get(at + 1) != Some(&b'u') {
        return (2, 1);
    }
    let (c, raw) = unicode(source, at);
    (raw, c.len_utf8())
}

/// The character that the `\u` escape (or pair of them) at `at` means, and its raw length.
fn unicode(source: &[u8], at: usize) -> (char, usize) {
    let high = hex4(source, at + 2);
    if let Some(c) = char::from_u32(high) {
        return (c, 6);
    }
    if (0xD800..0xDC00).contains(&high) && source.get(at + 6) == Some(&b'\\') && source.get(at + 7) == Some(&b'u') {
        let low = hex4(source, at + 8);
        if (0xDC00..0xE000).contains(&low)
            && let Some(c) = char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        {
            return (c, 12);
        }
    }
    (char::REPLACEMENT_CHARACTER, 6)
}

/// Four hexadecimal digits; the walk has checked them.
fn hex4(source: &[u8], at: usize) -> u32 {
    (at..at + 4).fold(0, |sum, i| {
        let digit = source.get(i).and_then(|b| char::from(*b).to_digit(16)).unwrap_or(0);
        (sum << 4) | digit
    })
}

/// Decodes the content of a well-formed JSON string. The marks are empty when nothing was escaped.
pub(super) fn decode(source: &str) -> (Cow<'_, str>, Vec<(usize, usize)>) {
    let bytes = source.as_bytes();
    let Some(first) = memchr::memchr(b'\\', bytes) else {
        return (Cow::Borrowed(source), Vec::new());
    };
    let mut out = String::with_capacity(source.len());
    let mut marks = vec![(0, 0)];
    let mut next_mark = MARK_EVERY;
    let mut raw = 0;
    let mut escape_at = Some(first);
    loop {
        let end = escape_at.unwrap_or(bytes.len());
        // A long plain run needs no marks inside: it is walked a code point at a time, so mark its ends.
        if end - raw >= MARK_EVERY || out.len() >= next_mark {
            marks.push((out.len(), raw));
            next_mark = out.len() + MARK_EVERY;
        }
        out.push_str(source.get(raw..end).unwrap_or_default());
        if end - raw >= MARK_EVERY {
            marks.push((out.len(), end));
            next_mark = out.len() + MARK_EVERY;
        }
        raw = end;
        if escape_at.is_none() {
            return (Cow::Owned(out), marks);
        }
        let len = match bytes.get(raw + 1) {
            Some(b'u') => {
                let (c, len) = unicode(bytes, raw);
                out.push(c);
                len
            }
            Some(b'n') => push(&mut out, '\n'),
            Some(b't') => push(&mut out, '\t'),
            Some(b'r') => push(&mut out, '\r'),
            Some(b'b') => push(&mut out, '\u{8}'),
            Some(b'f') => push(&mut out, '\u{c}'),
            Some(other) => push(&mut out, char::from(*other)),
            None => 1,
        };
        raw += len;
        escape_at = bytes.get(raw..).and_then(|rest| memchr::memchr(b'\\', rest)).map(|i| raw + i);
    }
}

fn push(out: &mut String, c: char) -> usize {
    out.push(c);
    2
}

/// `text` as the content of a JSON string.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                use std::fmt::Write as _;
                // Writing to a String cannot fail.
                write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Applies edits to a body. They may come in any order; of two that overlap, the hull is replaced by
/// the text of the first, so that no byte that either meant survives.
pub fn patch(body: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_by_key(|e| (e.at.start, e.at.end));
    let mut out = Vec::with_capacity(body.len() + edits.iter().map(|e| e.with.len()).sum::<usize>());
    let mut done = 0;
    for edit in order {
        let start = edit.at.start.min(body.len());
        let end = edit.at.end.clamp(start, body.len());
        if start >= done {
            out.extend_from_slice(body.get(done..start).unwrap_or_default());
            out.extend_from_slice(edit.with.as_bytes());
        }
        done = done.max(end);
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out
}
