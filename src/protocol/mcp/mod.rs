//! MCP over Streamable HTTP, in both eras: with a handshake and sessions (up to 2025-11-25), and without
//! (2026-07-28).
//!
//! A `tools/call` is a call; everything else that goes up is text, and everything that comes down is what a
//! tool says, or says of itself. Each entry of a list of tools stands for itself and can go alone. What the
//! head repeats of the body must be the same, and is written anew when the body is. Batches and methods
//! that only look like known ones are refused. Of a notification that is refused nobody hears, since nobody waits; an
//! answer to the server is refused by an error in its place, since the server waits. Not read: media, request states.

mod head;
mod read;
mod refuse;

use bytes::Bytes;
use http::HeaderMap;

use super::adapter::{Adapter, Answer, Head, Piece, Refusal, StreamReader};
use super::error::ReadError;
use super::events::{data_as_text, line_pieces};
use super::findings::Findings;
use super::message::{Message, RequestNotes};
use super::sse::{Change, Event};
use super::value::Values;
use read::WORDS;

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct Mcp;

/// What a message says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The id as it is written.
    pub id: Option<String>,
    /// The method; none for an answer.
    pub method: Option<String>,
    /// The id of the call that it takes back.
    pub cancels: Option<String>,
}

/// The envelope of one message; none of what is no message.
pub fn envelope(body: &[u8]) -> Option<Envelope> {
    let values = Values::of_body(body).ok()?;
    let root = values.root().filter(|root| root.is_object())?;
    let rpc = super::rpc::of(root);
    let cancelled = root.get("params").filter(|_| rpc.method == CANCELLED).and_then(|params| params.get("requestId"));
    let told = |word: String| Some(word).filter(|word| !word.is_empty());
    Some(Envelope { id: told(rpc.id), method: told(rpc.method), cancels: cancelled.map(|id| root.raw(&id.whole()).to_owned()) })
}

/// By which a client of the era with sessions takes a call back.
const CANCELLED: &str = "notifications/cancelled";

impl Adapter for Mcp {
    fn name(&self) -> &'static str {
        "mcp"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        const OWN: &[&str] = &["mcp-session-id", "mcp-protocol-version", "mcp-method"];
        match head.configured {
            None | Some("auto") => {
                head.path.trim_end_matches('/').ends_with("/mcp") || OWN.iter().any(|name| head.headers.contains_key(*name))
            }
            Some("mcp") => true,
            Some(_) => false,
        }
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read::request(body)
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read::answer(body)
    }

    fn repeats_turns(&self) -> bool {
        false
    }

    fn stream_reader(&self, notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(Events { notes: notes.clone(), done: false })
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
        refuse::request(refusal, notes)
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], _choices: &[u32], notes: &RequestNotes) -> Answer {
        refuse::answer(refusal, body, notes)
    }

    fn refuse_onward(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Option<Bytes> {
        refuse::onward(refusal, notes)
    }

    fn mirrors(&self, header: &str) -> bool {
        matches!(header, "mcp-method" | "mcp-name") || header.starts_with("mcp-param-")
    }

    fn mirror(&self, headers: &mut HeaderMap, before: &[u8], after: &[u8]) -> Result<(), ReadError> {
        head::mirror(headers, before, after)
    }
}

/// Reads the messages of one answer's stream, or of the stream that the server speaks on by itself.
#[derive(Debug)]
struct Events {
    notes: RequestNotes,
    done: bool,
}

/// The note of an event with the answer that was waited for.
const ANSWERS: u64 = 1;

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        let values = Values::of_body(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, 0);
        read::down(root, &mut f)?;
        f.pieces(out);
        let waited = self.notes.rpc.as_ref().is_some_and(|rpc| !rpc.id.is_empty());
        let answers = waited && root.get("method").is_none();
        out.push(Piece::InOrder(u64::from(answers)));
        Ok(())
    }

    fn released(&mut self, _event: &Event, pieces: &[Piece], _changes: &[Change<'_>]) {
        self.done |= pieces.contains(&Piece::InOrder(ANSWERS));
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        Bytes::from(refuse::stream_end(refusal, &self.notes))
    }
}

#[cfg(test)]
mod tests;
