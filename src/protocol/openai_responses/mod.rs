//! OpenAI Responses, whole and streamed, asked for, fetched later and replayed.
//!
//! Fresh in a request: instructions, tools and all that stands outside `input`; of its items those after the
//! last that the model said and another followed. What lies behind `previous_response_id` stays with the
//! provider and is not seen here. Every copy of a text in a stream is judged, and changed alike; a call
//! that is said again must be the same. Not read: media, reasoning that the provider has encrypted.

mod items;
mod read;
mod refuse;
mod stream;
mod words;

use super::adapter::{Adapter, Answer, Head, Refusal, StreamReader};
use super::error::ReadError;
use super::message::{Message, RequestNotes};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiResponses;

impl Adapter for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai_responses"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        match head.configured {
            None | Some("auto" | "openai" | "openai_responses") => is_own(head.method, head.path),
            Some(_) => false,
        }
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read::request(body)
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read::answer(body)
    }

    fn stream_reader(&self, notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(stream::Events::new(notes))
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
        refuse::request(refusal, notes)
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], _choices: &[u32], _notes: &RequestNotes) -> Answer {
        refuse::answer(refusal, body)
    }
}

/// `/responses` asked, and `/responses/{id}` with what hangs below it fetched.
fn is_own(method: &http::Method, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    if path.ends_with("/responses") {
        return method == http::Method::POST;
    }
    let Some((_, below)) = path.rsplit_once("/responses/") else { return false };
    match below.split_once('/') {
        None if matches!(below, "compact" | "input_tokens") => method == http::Method::POST,
        None => below.starts_with("resp") && method == http::Method::GET,
        Some((id, "cancel")) => id.starts_with("resp") && method == http::Method::POST,
        Some((id, "input_items")) => id.starts_with("resp") && method == http::Method::GET,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests;
