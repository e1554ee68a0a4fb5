//! Anthropic Messages, whole and streamed, and the count of its tokens.
//!
//! Fresh in a request: system texts, tool definitions and all that stands outside `messages`; of the
//! messages those after the last assistant turn that another turn follows. Thinking is signed: it is
//! judged and never edited. Not read: images and documents in base64 (named as media), thinking that
//! the provider has encrypted, signatures.

mod read;
mod refuse;
mod stream;

use super::adapter::{Adapter, Answer, Head, Refusal, StreamReader};
use super::error::ReadError;
use super::message::{Message, RequestNotes};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct AnthropicMessages;

impl Adapter for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        let path = head.path.trim_end_matches('/');
        let path = path.strip_suffix("/count_tokens").unwrap_or(path);
        let own = path.ends_with("/v1/messages") || path.ends_with("/messages") && head.headers.contains_key("anthropic-version");
        match head.configured {
            None | Some("auto") => own && head.method == http::Method::POST,
            Some("anthropic" | "anthropic_messages") => path.ends_with("/messages") && head.method == http::Method::POST,
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

#[cfg(test)]
mod tests;
