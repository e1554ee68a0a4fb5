//! A JSON text walked once and kept as a flat list of its values with their places, for protocols whose
//! objects tell what they are only after their texts (`type` behind `text`, `role` behind `content`).
//!
//! The walk is [`Reader`]'s, so everything that it refuses is refused here. Scalars in lists that no text
//! could be made of (numbers, `true`, `null`) are left out: nobody asks for them, and a body of a
//! million of them must not cost a million entries.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Code, ReadError};
use super::json::{Reader, Str, Token};
use super::leaves::is_telling;
use super::text::{Text, decode};
use super::tree::{self, Leaf};
use crate::base::limits::VALUES_MAX;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String { escaped: bool },
    Number,
    Bool(bool),
    Null,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The key's content, empty in lists.
    key: (u32, u32),
    /// The content of a string; every other value whole.
    at: (u32, u32),
    /// The entry behind this value and all that it holds.
    next: u32,
    kind: Kind,
    key_escaped: bool,
}

/// Fields whose values are words that a protocol has fixed.
const CLOSED: &[&str] =
    &["type", "role", "status", "stop_reason", "object", "kind", "phase", "state", "reason", "media_type", "jsonrpc"];

/// A JSON text, walked.
#[derive(Debug)]
pub(super) struct Values<'b> {
    bytes: &'b [u8],
    text: &'b str,
    entries: Vec<Entry>,
}

/// One value of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'v, 'b> {
    all: &'v Values<'b>,
    entry: usize,
}

fn small(at: usize) -> Result<u32, ReadError> {
    u32::try_from(at).map_err(|_| ReadError::new(Code::BodyTooLarge, at))
}

impl<'b> Values<'b> {
    /// Walks a whole body.
    pub(super) fn of_body(bytes: &'b [u8]) -> Result<Self, ReadError> {
        Self::read(bytes, Reader::new(bytes)?)
    }

    /// Walks the data of a stream's event, where half a surrogate pair may stand.
    pub(super) fn of_piece(bytes: &'b [u8]) -> Result<Self, ReadError> {
        Self::read(bytes, Reader::of_piece(bytes)?)
    }

    fn read(bytes: &'b [u8], mut reader: Reader<'b>) -> Result<Self, ReadError> {
        let text = std::str::from_utf8(bytes).map_err(|e| ReadError::new(Code::InvalidUtf8, e.valid_up_to()))?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut key: Option<Str> = None;
        loop {
            let before = reader.position();
            let (kind, at) = match reader.next()? {
                Token::End => return Ok(Self { bytes, text, entries }),
                Token::Close => {
                    let end = small(reader.position())?;
                    let next = small(entries.len())?;
                    if let Some(entry) = open.pop().and_then(|at| entries.get_mut(at)) {
                        entry.at.1 = end;
                        entry.next = next;
                    }
                    continue;
                }
                Token::Key(at) => {
                    key = Some(at);
                    continue;
                }
                Token::Object => (Kind::Object, reader.position() - 1..before),
                Token::Array => (Kind::Array, reader.position() - 1..before),
                Token::String(Str { at, escaped }) => (Kind::String { escaped }, at),
                Token::Number(at) if key.is_none() && !is_telling(reader.number(&at)) => continue,
                Token::Number(at) => (Kind::Number, at),
                Token::Bool(_) | Token::Null if key.is_none() && !open.is_empty() => continue,
                Token::Bool(on) => (Kind::Bool(on), reader.position() - if on { 4 } else { 5 }..reader.position()),
                Token::Null => (Kind::Null, reader.position() - 4..reader.position()),
            };
            if entries.len() >= VALUES_MAX {
                return Err(ReadError::new(Code::TooManyTexts, at.start));
            }
            if matches!(kind, Kind::Object | Kind::Array) {
                open.push(entries.len());
            }
            let name = key.take();
            let key_escaped = name.as_ref().is_some_and(|key| key.escaped);
            let name = name.map_or((0, 0), |key| (key.at.start, key.at.end));
            entries.push(Entry {
                key: (small(name.0)?, small(name.1)?),
                at: (small(at.start)?, small(at.end)?),
                next: small(entries.len() + 1)?,
                kind,
                key_escaped,
            });
        }
    }

    /// The outermost value, if any of it is kept.
    pub(super) fn root(&self) -> Option<Value<'_, 'b>> {
        (!self.entries.is_empty()).then_some(Value { all: self, entry: 0 })
    }

    /// The decoded text of a string, with its way back.
    pub(super) fn text(&self, string: &Str) -> Text<'b> {
        if string.escaped { Text::json(self.bytes, string.at.clone()) } else { Text::unescaped(self.bytes, string.at.clone()) }
    }

    /// What is written at a place.
    pub(super) fn raw(&self, at: &Range<usize>) -> &'b str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// The bytes that were walked.
    pub(super) const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }
}

impl<'v, 'b> Value<'v, 'b> {
    fn of(self) -> Entry {
        const NONE: Entry = Entry { key: (0, 0), at: (0, 0), next: 0, kind: Kind::Null, key_escaped: false };
        self.all.entries.get(self.entry).copied().unwrap_or(NONE)
    }

    pub(super) fn kind(self) -> Kind {
        self.of().kind
    }

    /// Where it stands: the content of a string, every other value whole.
    pub(super) fn at(self) -> Range<usize> {
        let at = self.of().at;
        at.0 as usize..at.1 as usize
    }

    /// The value as JSON, a string with its quotes.
    pub(super) fn whole(self) -> Range<usize> {
        let at = self.at();
        if matches!(self.kind(), Kind::String { .. }) { at.start - 1..at.end + 1 } else { at }
    }

    /// The key under which it stands; empty in lists.
    pub(super) fn key(self) -> Str {
        let entry = self.of();
        Str { at: entry.key.0 as usize..entry.key.1 as usize, escaped: entry.key_escaped }
    }

    /// The key, decoded.
    pub(super) fn name(self) -> Cow<'b, str> {
        decode(self.all.raw(&self.key().at)).0
    }

    /// The string, if it is one.
    pub(super) fn string(self) -> Option<Str> {
        let Kind::String { escaped } = self.kind() else { return None };
        Some(Str { at: self.at(), escaped })
    }

    /// The string decoded; nothing for every other value.
    pub(super) fn word(self) -> Cow<'b, str> {
        self.string().map(|at| decode(self.all.raw(&at.at)).0).unwrap_or_default()
    }

    /// What is written at a place of the same text.
    pub(super) fn raw(self, at: &Range<usize>) -> &'b str {
        self.all.raw(at)
    }

    /// The number, if it is one that fits.
    pub(super) fn number(self) -> Option<u64> {
        (self.kind() == Kind::Number).then(|| self.all.raw(&self.at()).parse().ok()).flatten()
    }

    /// The same, small.
    pub(super) fn small(self) -> Option<u32> {
        self.number().and_then(|n| u32::try_from(n).ok())
    }

    pub(super) fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    pub(super) fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// What stands directly in an object or list, in order.
    pub(super) fn children(self) -> impl Iterator<Item = Self> + use<'v, 'b> {
        let Entry { next: end, kind, .. } = self.of();
        let inner = matches!(kind, Kind::Object | Kind::Array);
        let mut at = if inner { self.entry + 1 } else { end as usize };
        let all = self.all;
        std::iter::from_fn(move || {
            if at >= end as usize {
                return None;
            }
            let value = Self { all, entry: at };
            at = (value.of().next as usize).max(at + 1);
            Some(value)
        })
    }

    /// The member with this name.
    pub(super) fn get(self, name: &str) -> Option<Self> {
        self.is_object().then(|| self.children().find(|child| child.name() == name)).flatten()
    }

    /// The decoded string of the member with this name; nothing where there is none.
    pub(super) fn word_of(self, name: &str) -> Cow<'b, str> {
        self.get(name).map(Self::word).unwrap_or_default()
    }

    /// Gives every string, key and telling number in it, with the path of its field below `path`, and
    /// whether it stands in a field whose values are words of a protocol.
    pub(super) fn leaves(self, path: u32, give: &mut impl FnMut(Leaf, bool) -> Result<(), ReadError>) -> Result<(), ReadError> {
        // The walk of the text has bounded both the depth and the number of entries.
        let mut stack = vec![(self, path, true)];
        while let Some((value, path, outermost)) = stack.pop() {
            let mut path = path;
            let named = value.key().at.start > 0;
            let name = if named { value.name() } else { Cow::Borrowed("") };
            if !outermost && named {
                path = tree::join(path, &name);
                if !tree::is_word(&name) {
                    give(Leaf { at: value.key(), path, value: false, key: true }, true)?;
                }
            }
            let closed = CLOSED.contains(&name.as_ref());
            match value.kind() {
                Kind::String { escaped } => {
                    give(Leaf { at: Str { at: value.at(), escaped }, path, value: true, key: false }, closed)?;
                }
                Kind::Number if is_telling(value.all.raw(&value.at())) => {
                    give(Leaf { at: Str { at: value.at(), escaped: false }, path, value: false, key: false }, false)?;
                }
                Kind::Object | Kind::Array => {
                    let first = stack.len();
                    stack.extend(value.children().map(|child| (child, path, false)));
                    if let Some(added) = stack.get_mut(first..) {
                        added.reverse();
                    }
                }
                Kind::Number | Kind::Bool(_) | Kind::Null => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_items_and_places() {
        let body = r#" {"a":{"b":"x\n","n":123456789,"t":true},"l":[1,null,"y",{"z":null}],"k\u0065y":"v"} "#;
        let values = Values::of_body(body.as_bytes()).unwrap();
        let root = values.root().unwrap();
        assert_eq!(&body[root.whole()], body.trim());
        let a = root.get("a").unwrap();
        assert_eq!(
            (a.word_of("b").as_ref(), a.get("n").unwrap().number(), a.get("t").unwrap().kind()),
            ("x\n", Some(123_456_789), Kind::Bool(true))
        );
        assert_eq!(&body[a.get("t").unwrap().whole()], "true");
        assert_eq!(&body[a.get("b").unwrap().whole()], r#""x\n""#);
        let list = root.get("l").unwrap();
        assert_eq!(&body[list.whole()], r#"[1,null,"y",{"z":null}]"#);
        assert_eq!(list.children().count(), 2, "what no text is made of is left out");
        assert_eq!(&body[list.children().nth(1).unwrap().get("z").unwrap().whole()], "null");
        assert_eq!(root.word_of("key"), "v");
        let mut seen = Vec::new();
        root.leaves(0, &mut |leaf, _| {
            seen.push((values.raw(&leaf.at.at), leaf.value));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                ("a", false),
                ("b", false),
                (r"x\n", true),
                ("n", false),
                ("123456789", false),
                ("t", false),
                ("l", false),
                ("y", true),
                ("z", false),
                (r"k\u0065y", false),
                ("v", true)
            ]
        );
    }

    #[test]
    fn what_the_reader_refuses_is_refused() {
        for bad in [r#"{"a":1,"a":2}"#, "[1", "{} x", r#"{"a":"\ud800"}"#] {
            assert!(Values::of_body(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Values::of_piece(br#"{"a":"\ud800"}"#).is_ok());
        assert!(Values::of_body(b"1").unwrap().root().is_none());
        let many = format!("[{}1]", "1,".repeat(2_000_000));
        assert_eq!(Values::of_body(many.as_bytes()).unwrap().entries.len(), 1);
    }
}
