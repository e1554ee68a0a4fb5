//! Bedrock `Converse` and `ConverseStream`.
//!
//! Requests are signed over their body and streams come in frames with sums, so that nothing here is ever
//! edited: what a rule would redact is refused, and the record says so (`not_editable`). Fresh in a request:
//! system texts, tools and all that stands outside `messages`; of the messages those after the last assistant
//! turn that another follows. Not read: images, documents and videos in base64, encrypted reasoning, signatures.
//! `InvokeModel` with its models' own bodies is generic; its streams are named as not read. A request that is no JSON is
//! judged as `generic` does: as the text it is, as far as no lenient reader would read another.
//!
//! Source: the API reference of Amazon Bedrock Runtime.

mod read;
mod refuse;
mod stream;

use super::adapter::{Adapter, Answer, Head, Refusal, StreamReader};
use super::error::{Code, ReadError};
use super::message::{Message, RequestNotes, Role};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

const WHOLE: &str = "/converse";
const STREAM: &str = "/converse-stream";

impl Adapter for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        let own = head.path.ends_with(WHOLE) || head.path.ends_with(STREAM);
        matches!(head.configured, None | Some("auto" | "bedrock")) && own && head.path.contains("/model/")
    }

    /// The path names the model, and whether a stream is waited for.
    fn head_notes(&self, head: &Head<'_>) -> RequestNotes {
        let mut segments = head.path.split('/').skip_while(|segment| *segment != "model");
        RequestNotes {
            streaming: head.path.ends_with(STREAM),
            model: segments.nth(1).map(str::to_owned),
            ..RequestNotes::default()
        }
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        match read::request(body) {
            Err(error) if matches!(error.code, Code::InvalidJson | Code::Truncated) => read::plain(body, Role::User, 0),
            read => read,
        }
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        read::answer(body)
    }

    fn stream_reader(&self, _notes: &RequestNotes) -> Box<dyn StreamReader> {
        frame_reader()
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
        refuse::request(refusal, notes)
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], _choices: &[u32], _notes: &RequestNotes) -> Answer {
        refuse::answer(refusal, body)
    }
}

/// A reader for frames, whatever protocol their path belongs to.
pub fn frame_reader() -> Box<dyn StreamReader> {
    Box::new(stream::Events::default())
}

#[cfg(test)]
mod tests;
