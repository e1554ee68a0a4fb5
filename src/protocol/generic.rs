//! Any JSON as a tree of strings, any text as text, any event stream as texts by field.
//!
//! What has no protocol has no fresh part and no calls: every string is judged, where it stands. In a
//! stream each string is judged twice, on its own and joined with those of the same field in other
//! events, since a field may be a delta or a whole.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::adapter::{Adapter, Answer, Channel, Head, Piece, Refusal, StreamReader};
use super::error::{Code, ReadError};
use super::events::{line_pieces, text_piece};
use super::json::{Reader, Token};
use super::message::{Message, RequestNotes, Role};
use super::sniff::{Shape, sniff};
use super::sse::{Change, Event, Place, Within};
use super::text::Text;
use super::tree::{self, Collector, join};
use super::words::{Wording, wording};
use crate::base::names::UnjudgedReason;

/// The adapter that claims whatever no other does.
#[derive(Clone, Copy, Debug)]
pub struct Generic;

impl Adapter for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn claims(&self, _head: &Head<'_>) -> bool {
        true
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read(body, Role::User, 0)
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read(body, Role::Assistant, 0)
    }

    fn repeats_turns(&self) -> bool {
        false
    }

    fn stream_reader(&self, _notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(Events { done: false, lines: false })
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, _notes: &RequestNotes) -> Answer {
        let Wording { status, retry_after, .. } = wording(refusal);
        Answer { status, content_type: "application/problem+json", body: Bytes::from(problem(refusal).to_string()), retry_after }
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, _body: &[u8], _choices: &[u32], _notes: &RequestNotes) -> Answer {
        self.refuse_request(refusal, &RequestNotes::default())
    }
}

/// RFC 9457, with the `error` object that many clients look for.
pub(super) fn problem(refusal: &Refusal<'_>) -> Json {
    let Wording { status, kind, code, message, .. } = wording(refusal);
    json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": message,
        "code": code,
        "record": refusal.record,
        "error": {"message": message, "type": kind, "code": code},
    })
}

/// Reads a body by its bytes: JSON as strings, text as one text, all else as unread.
pub(super) fn read(body: &[u8], role: Role, choice: u32) -> Result<Message<'_>, ReadError> {
    let mut collector = Collector::default();
    collector.message.choices = 1;
    match sniff(None, body) {
        Shape::Empty => {}
        Shape::Json => match values(body, role, choice, &mut collector) {
            Ok(()) => {}
            Err(error) if is_text_after_all(body, error) => {
                collector = Collector::default();
                collector.message.choices = 1;
                collector.part(role, Text::plain(body, 0..body.len()), choice, true)?;
            }
            Err(error) => return Err(error),
        },
        Shape::Text | Shape::EventStream => {
            // The first bytes are text; the rest may not be, and would be read as nothing.
            if let Err(error) = std::str::from_utf8(body) {
                return Err(ReadError::new(Code::InvalidUtf8, error.valid_up_to()));
            }
            collector.part(role, Text::plain(body, 0..body.len()), choice, true)?;
        }
        Shape::Binary => collector.unread("body", UnjudgedReason::Media),
    }
    Ok(collector.message)
}

/// Every string of a JSON text, or of many in a row (lines of JSON).
fn values<'b>(body: &'b [u8], role: Role, choice: u32, collector: &mut Collector<'b>) -> Result<(), ReadError> {
    let mut reader = Reader::of_sequence(body)?;
    loop {
        match reader.next()? {
            Token::End => return Ok(()),
            token => collector.tree(&mut reader, token, role, choice)?,
        }
    }
}

/// Whether a body that begins like JSON and is none may be read as the text it is: a log, a template.
/// Not if it has escapes that a lenient parser would decode and we would not.
fn is_text_after_all(body: &[u8], error: ReadError) -> bool {
    let unlike_json = matches!(error.code, Code::InvalidJson | Code::Truncated);
    unlike_json && std::str::from_utf8(body).is_ok() && memchr::memmem::find(body, b"\\u").is_none()
}

/// A reader for lines of JSON, whatever protocol their path belongs to.
pub fn line_reader() -> Box<dyn StreamReader> {
    Box::new(Events { done: false, lines: true })
}

#[derive(Debug)]
struct Events {
    done: bool,
    /// What is read and written are lines, not events.
    lines: bool,
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        if !self.lines {
            line_pieces(event, out)?;
        }
        let data = event.data();
        if data.is_empty() {
            return Ok(());
        }
        let field = join(0, event.name().unwrap_or_default());
        let channel = |number, joined| Channel { choice: 0, role: Role::Assistant, number, joined };
        if sniff(None, data) == Shape::Json {
            let first = out.len();
            let read = Reader::of_piece(data).and_then(|mut reader| {
                let token = reader.next()?;
                tree::each(&mut reader, token, field, &mut |_, leaf| {
                    out.extend(text_piece(channel(leaf.path, false), &leaf.at, leaf.value));
                    if leaf.value {
                        out.extend(text_piece(channel(leaf.path, true), &leaf.at, true));
                    }
                    Ok(())
                })?;
                reader.finish()
            });
            match read {
                Err(error) if is_text_after_all(data, error) => out.truncate(first),
                other => return other,
            }
        }
        if std::str::from_utf8(data).is_err() {
            return Err(ReadError::new(Code::InvalidUtf8, 0));
        }
        if self.lines && memchr::memmem::find(data, b"\\u").is_some() {
            return Err(ReadError::new(Code::InvalidJson, 0));
        }
        let place = Place { at: 0..data.len(), within: Within::Data };
        out.push(Piece::Text { channel: channel(field, false), place: place.clone(), editable: true });
        out.push(Piece::Text { channel: channel(field, true), place, editable: true });
        Ok(())
    }

    fn released(&mut self, _event: &Event, _pieces: &[Piece], _changes: &[Change<'_>]) {}

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        let problem = problem(refusal);
        Bytes::from(if self.lines { format!("{problem}\n") } else { format!("event: error\ndata: {problem}\n\n") })
    }
}
