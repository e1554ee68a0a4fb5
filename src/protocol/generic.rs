//! Any JSON as a tree of strings, any text as text, any event stream as a text an event.

use bytes::Bytes;
use http::StatusCode;

use super::adapter::{Adapter, Answer, Head, Piece, Refusal, StreamReader};
use super::error::ReadError;
use super::message::{Message, RequestNotes};
use super::sse::Event;

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

    fn read_request<'b>(&self, _body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        Ok(Message::default())
    }

    fn read_answer<'b>(&self, _body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        Ok(Message::default())
    }

    fn stream_reader(&self, _notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(Events)
    }

    fn refuse_request(&self, _refusal: &Refusal<'_>, _notes: &RequestNotes) -> Answer {
        Answer { status: StatusCode::FORBIDDEN, content_type: "application/problem+json", body: Bytes::new(), retry_after: None }
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, _body: &[u8], _choices: &[u32]) -> Answer {
        self.refuse_request(refusal, &RequestNotes::default())
    }
}

#[derive(Debug)]
struct Events;

impl StreamReader for Events {
    fn read(&mut self, _event: &Event, _out: &mut Vec<Piece>) -> Result<(), ReadError> {
        Ok(())
    }

    fn released(&mut self, _pieces: &[Piece]) {}

    fn refuse(&mut self, _refusal: &Refusal<'_>) -> Bytes {
        Bytes::new()
    }
}
