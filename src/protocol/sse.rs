//! Server-sent events, framed by the WHATWG rules and passed on byte for byte.
//!
//! Promises: the raw bytes of the events, put together, are the bytes that were pushed; the events
//! are the same however the bytes were cut; an event over the ceiling is an error, never a release.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::error::{Code, ReadError};
use super::text::{Edit, Text, patch};

/// UTF-8's byte order mark; one may stand before the first event.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Lines of one event. More of them than this are no event but a way to eat memory.
const LINES_MAX: usize = 65_536;

/// Where a text stands in an event. Small, owned, and good as long as the event is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bytes: of the event's data, or of its raw bytes for [`Within::Line`].
    pub at: Range<usize>,
    /// What the bytes are.
    pub within: Within,
}

/// What the bytes of a [`Place`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// The content of a JSON string in the data.
    Json,
    /// Data as it is.
    Data,
    /// A whole JSON value in the data, as it is written; a change of it must be JSON.
    Value,
    /// A comment or another field's value: raw bytes of the event.
    Line,
}

/// A change of decoded text in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The text.
    pub place: &'a Place,
    /// Bytes of the decoded text.
    pub at: Range<usize>,
    /// What stands there afterwards.
    pub with: &'a str,
}

/// One line of an event that carries a field or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The whole line without its end, in the raw bytes.
    pub whole: Range<usize>,
    /// The value, in the raw bytes.
    pub value: Range<usize>,
    /// The field.
    pub field: Field,
}

/// The field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `data`
    Data,
    /// `event`
    Event,
    /// `id`
    Id,
    /// `retry`
    Retry,
    /// A line that begins with a colon.
    Comment,
    /// A field of another name, which clients ignore. Its value is the whole line.
    Unknown,
}

/// One event with the bytes it came in, up to and with its blank line.
#[derive(Clone, Debug)]
pub struct Event {
    raw: Bytes,
    lines: Vec<Line>,
    data: Bytes,
    ended: bool,
    /// No lines around its data: what is written into it may not end it.
    bare: bool,
}

impl Event {
    /// One line with its end, if it has one: all of it is data.
    pub(super) fn of_line(raw: Bytes) -> Self {
        let line = raw.strip_suffix(b"\n").unwrap_or(&raw);
        let end = line.strip_suffix(b"\r").unwrap_or(line).len();
        let lines = if end == 0 { Vec::new() } else { vec![Line { whole: 0..end, value: 0..end, field: Field::Data }] };
        let ended = end < raw.len();
        Self { data: raw.slice(..end), raw, lines, ended, bare: true }
    }

    /// A frame whose payload stands at `data`, with its headers as lines.
    pub(super) fn of_frame(raw: Bytes, data: Range<usize>, lines: Vec<Line>) -> Self {
        Self { data: raw.slice(data), raw, lines, ended: true, bare: true }
    }

    /// The bytes as they came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The data lines, joined by line feeds.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether there is a data line at all; an event without one is not dispatched by clients.
    pub fn has_data(&self) -> bool {
        self.lines.iter().any(|line| line.field == Field::Data)
    }

    /// The event's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        let line = self.lines.iter().rev().find(|line| line.field == Field::Event)?;
        std::str::from_utf8(self.raw.get(line.value.clone())?).ok()
    }

    /// The lines in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether its blank line has come; without it most clients drop the event at the end.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The decoded text at a place.
    pub fn text(&self, place: &Place) -> Text<'_> {
        match place.within {
            Within::Json => Text::json(&self.data, place.at.clone()),
            Within::Data | Within::Value => Text::plain(&self.data, place.at.clone()),
            Within::Line => Text::plain(&self.raw, place.at.clone()),
        }
    }

    /// The event's bytes with some texts changed; all else stays as it came. A replacement can forge
    /// no field: line ends in it become further data lines, or spaces outside the data.
    pub fn rewrite(&self, changes: &[Change<'_>]) -> Bytes {
        let (in_data, mut in_raw) = self.edits(changes);
        if !in_data.is_empty() {
            in_raw.extend(self.data_edits(&in_data));
        }
        Bytes::from(patch(&self.raw, &in_raw))
    }

    /// The data with some texts changed.
    pub fn data_with(&self, changes: &[Change<'_>]) -> Bytes {
        if changes.is_empty() { self.data.clone() } else { Bytes::from(patch(&self.data, &self.edits(changes).0)) }
    }

    /// Changes as edits of the data and of the raw bytes.
    fn edits(&self, changes: &[Change<'_>]) -> (Vec<Edit>, Vec<Edit>) {
        let mut in_data = Vec::new();
        let mut in_raw = Vec::new();
        // Changes of one text stand together, and decoding it is what costs.
        let mut last: Option<(&Place, Text<'_>)> = None;
        for change in changes {
            let on_line = self.bare || change.place.within == Within::Line;
            let with = if on_line {
                change.with.replace(['\n', '\r'], " ")
            } else {
                change.with.replace("\r\n", "\n").replace('\r', "\n")
            };
            let (_, text) = match last.take().filter(|(place, _)| *place == change.place) {
                Some(same) => last.insert(same),
                None => last.insert((change.place, self.text(change.place))),
            };
            let edit = text.edit(change.at.clone(), &with);
            if change.place.within == Within::Line { in_raw.extend(edit) } else { in_data.extend(edit) }
        }
        (in_data, in_raw)
    }

    /// Edits of the data as edits of the raw bytes.
    fn data_edits(&self, edits: &[Edit]) -> Vec<Edit> {
        let data_lines: Vec<&Line> = self.lines.iter().filter(|line| line.field == Field::Data).collect();
        let one_line = data_lines.len() == 1 && edits.iter().all(|edit| !edit.with.contains('\n'));
        let Some(first) = data_lines.first() else { return Vec::new() };
        if one_line {
            let base = first.value.start;
            return edits.iter().map(|e| Edit { at: base + e.at.start..base + e.at.end, with: e.with.clone() }).collect();
        }
        // The data is written anew where its first line stood, the other data lines go.
        let end = match self.line_end(first) {
            "" => "\n",
            end => end,
        };
        let data = patch(&self.data, edits);
        let lines: Vec<String> =
            data.split(|b| *b == b'\n').map(|line| format!("data: {}", String::from_utf8_lossy(line))).collect();
        let mut out = vec![Edit { at: first.whole.clone(), with: lines.join(end) }];
        for line in data_lines.iter().skip(1) {
            out.push(Edit { at: line.whole.start..line.whole.end + self.line_end(line).len(), with: String::new() });
        }
        out
    }

    /// The line end that follows a line.
    fn line_end(&self, line: &Line) -> &'static str {
        match self.raw.get(line.whole.end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => "\r\n",
            [b'\r', ..] => "\r",
            [b'\n', ..] => "\n",
            _ => "",
        }
    }
}

/// Cuts a stream into events.
///
/// Comment lines between events are events of their own, so that a keep-alive never waits for the
/// event behind it. A carriage return at the very end of what has come waits for its line feed.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    event_max: usize,
    /// Where the current line begins.
    line: usize,
    /// Where the search for its end goes on.
    searched: usize,
    lines: Vec<Line>,
    /// The byte order mark that may stand before everything has been looked for.
    begun: bool,
}

impl Framer {
    /// A framer with a ceiling for one event.
    pub fn new(event_max: usize) -> Self {
        Self { buffer: BytesMut::new(), event_max, line: 0, searched: 0, lines: Vec::new(), begun: false }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event, if its last byte is there.
    #[expect(clippy::should_implement_trait, reason = "more may come after nothing, and an error is final")]
    pub fn next(&mut self) -> Result<Option<Event>, ReadError> {
        self.advance(false)
    }

    /// The stream has ended: what is left, event by event; the last may lack its blank line. To be
    /// called until it gives nothing.
    pub fn finish(&mut self) -> Result<Option<Event>, ReadError> {
        if let Some(event) = self.advance(true)? {
            return Ok(Some(event));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.line < self.buffer.len() {
            self.take_line(self.buffer.len())?;
        }
        Ok(Some(self.cut(self.buffer.len(), false)))
    }

    /// Bytes that wait for the rest of their event.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    fn advance(&mut self, at_end: bool) -> Result<Option<Event>, ReadError> {
        if !self.begun {
            if self.buffer.len() < BOM.len() && BOM.starts_with(&self.buffer) && !at_end {
                return Ok(None);
            }
            self.begun = true;
            if self.buffer.starts_with(BOM) {
                self.line = BOM.len();
                self.searched = BOM.len();
            }
        }
        while let Some((end, next)) = self.line_end(at_end) {
            if next > self.event_max {
                return Err(ReadError::new(Code::EventTooLarge, self.event_max));
            }
            let blank = end == self.line;
            let begins = self.lines.is_empty();
            if !blank {
                self.take_line(end)?;
            }
            self.line = next;
            self.searched = next;
            let lone_comment = begins && self.lines.last().is_some_and(|line| line.field == Field::Comment);
            if blank || lone_comment {
                return Ok(Some(self.cut(next, true)));
            }
        }
        if self.buffer.len() > self.event_max {
            return Err(ReadError::new(Code::EventTooLarge, self.event_max));
        }
        Ok(None)
    }

    /// Where the current line ends and the next begins, once that is certain.
    fn line_end(&mut self, at_end: bool) -> Option<(usize, usize)> {
        let Some(found) = memchr::memchr2(b'\n', b'\r', self.buffer.get(self.searched..)?) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.searched = end;
        if self.buffer.get(end) == Some(&b'\n') {
            return Some((end, end + 1));
        }
        match self.buffer.get(end + 1) {
            Some(b'\n') => Some((end, end + 2)),
            Some(_) => Some((end, end + 1)),
            None if at_end => Some((end, end + 1)),
            None => None,
        }
    }

    /// Notes the line from `self.line` to `end`.
    fn take_line(&mut self, end: usize) -> Result<(), ReadError> {
        if self.lines.len() >= LINES_MAX {
            return Err(ReadError::new(Code::EventTooLarge, end));
        }
        let start = self.line;
        let line = self.buffer.get(start..end).unwrap_or_default();
        let colon = memchr::memchr(b':', line);
        let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
        let field = match name {
            b"" => Field::Comment,
            b"data" => Field::Data,
            b"event" => Field::Event,
            b"id" => Field::Id,
            b"retry" => Field::Retry,
            _ => Field::Unknown,
        };
        let value = match colon {
            _ if field == Field::Unknown => start,
            None => end,
            Some(colon) => start + colon + 1 + usize::from(line.get(colon + 1) == Some(&b' ')),
        };
        self.lines.push(Line { whole: start..end, value: value..end, field });
        Ok(())
    }

    /// Takes the event that ends at `end` out of the buffer.
    fn cut(&mut self, end: usize, ended: bool) -> Event {
        let raw = self.buffer.split_to(end).freeze();
        let lines = std::mem::take(&mut self.lines);
        self.line = 0;
        self.searched = 0;
        let mut values = lines.iter().filter(|line| line.field == Field::Data).map(|line| line.value.clone());
        let data = match (values.next(), values.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => raw.slice(only),
            (Some(first), Some(second)) => {
                let mut joined = raw.get(first).unwrap_or_default().to_vec();
                for value in std::iter::once(second).chain(values) {
                    joined.push(b'\n');
                    joined.extend_from_slice(raw.get(value).unwrap_or_default());
                }
                Bytes::from(joined)
            }
        };
        Event { raw, lines, data, ended, bare: false }
    }
}

#[cfg(test)]
mod tests;
