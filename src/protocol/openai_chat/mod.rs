//! OpenAI Chat Completions, whole and streamed, as spoken by OpenAI, Azure, vLLM, Ollama, OpenRouter
//! and the many servers that copy them.
//!
//! What counts as fresh in a request: every system and developer text and every tool definition (they
//! are given anew with each request), everything outside `messages`, and of the messages those after
//! the last assistant turn that was answered by another message. A trailing assistant message (a
//! prefill) is part of the fresh ones. The rest is history.
//!
//! Not read: images, audio and files (named as media), reasoning that the provider has encrypted, and
//! `obfuscation` padding as long as it is nothing but letters and digits.

mod answer;
mod refuse;
mod request;
mod speech;
mod stream;

use super::adapter::{Adapter, Answer, Head, Refusal, StreamReader};
use super::error::ReadError;
use super::message::{Message, RequestNotes};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

impl Adapter for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        let by_path = head.path.trim_end_matches('/').ends_with("/chat/completions");
        match head.configured {
            None | Some("auto" | "openai") => by_path && head.method == http::Method::POST,
            Some("openai_chat") => head.method == http::Method::POST,
            Some(_) => false,
        }
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        request::read(body)
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        answer::read(body)
    }

    fn stream_reader(&self, notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(stream::Chunks::new(notes))
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
        refuse::request(refusal, notes)
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], choices: &[u32], _notes: &RequestNotes) -> Answer {
        refuse::answer(refusal, body, choices)
    }
}

#[cfg(test)]
mod tests;
