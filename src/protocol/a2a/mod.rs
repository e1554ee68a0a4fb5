//! A2A 1.0 and 0.3, in the bindings JSON-RPC and HTTP+JSON (REST), whole and streamed.
//!
//! What goes up is a message to an agent; what comes down is what an agent says: messages, tasks with their
//! artifacts, and the events that build them. An artifact that arrives in pieces is judged as the text it
//! becomes, and each piece by itself. An agent's card is judged as what a tool says of itself, and never
//! edited where it is signed. A refusal is a task in the state `rejected`, in the words of the version and
//! the binding that asked. Not read: files in base64 (named as media). Not done: cancelling the task of a
//! stream that was refused half way; only its stream is closed.
//!
//! Sources: the A2A specification 1.0 (`lf.a2a.v1`) and 0.3.0.

mod read;
mod refuse;
mod stream;

use http::Method;

use super::adapter::{Adapter, Answer, Head, Refusal, StreamReader};
use super::error::ReadError;
use super::message::{Message, RequestNotes, Rpc};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct A2a;

/// Where a card stands, in both versions and in the one before.
const CARDS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];

/// What is asked in HTTP+JSON, by the end of the path.
const ASKED: [&str; 4] = ["message:send", "message:stream", ":subscribe", ":cancel"];

impl Adapter for A2a {
    fn name(&self) -> &'static str {
        "a2a"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        match head.configured {
            None | Some("auto") => {
                let path = head.path.trim_end_matches('/');
                let media = head
                    .headers
                    .get(http::header::CONTENT_TYPE)
                    .is_some_and(|t| t.as_bytes().starts_with(b"application/a2a+json"));
                let asked = ASKED.iter().take(2).any(|asked| path.ends_with(asked));
                media
                    || asked
                    || path.ends_with("/a2a")
                    || head.headers.contains_key("a2a-version")
                    || CARDS.iter().any(|card| path.ends_with(card))
            }
            Some("a2a") => true,
            Some(_) => false,
        }
    }

    /// The path tells the call in HTTP+JSON, and the version where no header does: that of 0.3 has `/v1` in it.
    fn head_notes(&self, head: &Head<'_>) -> RequestNotes {
        let told = head.headers.get("a2a-version").and_then(|version| version.to_str().ok());
        let old = told.map_or_else(|| head.path.contains("/v1/"), |version| version.trim().starts_with("0."));
        let method = ASKED.iter().find(|asked| head.path.ends_with(*asked)).copied();
        let of_task = head.method == Method::GET && head.path.rsplit('/').nth(1) == Some("tasks");
        let method = method.unwrap_or(if of_task { "tasks:get" } else { "" });
        RequestNotes {
            streaming: matches!(method, "message:stream" | ":subscribe"),
            rpc: Some(Rpc { method: method.to_owned(), version: old.then(|| read::OLD.to_owned()), ..Rpc::default() }),
            ..RequestNotes::default()
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
        Box::new(stream::Events::new(notes))
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
        refuse::request(refusal, notes)
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], _choices: &[u32], notes: &RequestNotes) -> Answer {
        refuse::answer(refusal, body, notes)
    }
}

#[cfg(test)]
mod tests;
