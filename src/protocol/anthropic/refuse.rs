//! Refusals as the SDKs of this protocol understand them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::read;
use crate::protocol::adapter::{Answer, BlockAs, Refusal, Why};
use crate::protocol::message::{RequestNotes, Usage};
use crate::protocol::value::{Value, Values};
use crate::protocol::words::{Wording, wording};

/// What the client has got of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub started: bool,
    /// The block that is open.
    pub open: Option<u32>,
    /// The index of the next block.
    pub next: u32,
    /// The reason for the end has been given.
    pub stopped: bool,
}

impl Given {
    pub(super) fn begin(&mut self, index: u32) {
        self.open = Some(index);
        self.next = index.saturating_add(1);
    }
}

/// The answer to a request that is refused.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    let soft = refusal.block_as == BlockAs::Refusal && matches!(refusal.why, Why::Content | Why::Permission);
    if !soft {
        return error(refusal);
    }
    if notes.streaming {
        let body = Bytes::from(stream_end(refusal, notes, Given::default(), Usage::default()));
        return Answer { status: StatusCode::OK, content_type: "text/event-stream", body, retry_after: None };
    }
    message(refusal, None, notes.model.as_deref(), Usage::default())
}

/// The envelope of an error. Its outermost `type` must be `error`, or some clients lose the message.
fn envelope(refusal: &Refusal<'_>, wording: &Wording) -> Json {
    let kind = match wording.kind {
        "server_error" => "api_error",
        _ if wording.status == StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        kind => kind,
    };
    let error = json!({"type": kind, "message": wording.message, "details": {"error_code": wording.code}});
    json!({"type": "error", "error": error, "request_id": refusal.record})
}

fn error(refusal: &Refusal<'_>) -> Answer {
    let wording = wording(refusal);
    let body = Bytes::from(envelope(refusal, &wording).to_string());
    Answer { status: wording.status, content_type: "application/json", body, retry_after: wording.retry_after }
}

/// The answer in place of an upstream's.
pub(super) fn answer(refusal: &Refusal<'_>, bytes: &[u8]) -> Answer {
    if refusal.why == Why::Engine || refusal.block_as == BlockAs::Error {
        return error(refusal);
    }
    let values = Values::of_body(bytes).ok();
    let root = values.as_ref().and_then(Values::root).filter(|root| root.word_of("type") == "message");
    // What was no message (an upstream's error, bytes that nobody can read) becomes none.
    let Some(root) = root else { return error(refusal) };
    let usage = root.get("usage").map(|usage| read::usage(usage, None)).unwrap_or_default();
    message(refusal, root.get("id").and_then(word), root.get("model").and_then(word).as_deref(), usage)
}

fn word(value: Value<'_, '_>) -> Option<String> {
    value.string().map(|_| value.word().into_owned())
}

fn id(refusal: &Refusal<'_>) -> String {
    format!("msg_{}", refusal.record.unwrap_or("refused"))
}

fn details(message: &str) -> Json {
    json!({"type": "refusal", "category": null, "explanation": message})
}

/// A whole message that refuses. Agents raise on one without content; people read one with text.
fn message(refusal: &Refusal<'_>, id_given: Option<String>, model: Option<&str>, usage: Usage) -> Answer {
    let said = wording(refusal).message;
    let content = if refusal.block_as == BlockAs::Refusal { json!([{"type": "text", "text": said}]) } else { json!([]) };
    let body = json!({
        "id": id_given.unwrap_or_else(|| id(refusal)),
        "type": "message",
        "role": "assistant",
        "model": model.unwrap_or_default(),
        "content": content,
        "stop_reason": "refusal",
        "stop_sequence": null,
        "stop_details": details(&said),
        "usage": {"input_tokens": usage.input, "output_tokens": usage.output},
    });
    Answer { status: StatusCode::OK, content_type: "application/json", body: Bytes::from(body.to_string()), retry_after: None }
}

/// The frames that end a stream for a client that has got `given`.
pub(super) fn stream_end(refusal: &Refusal<'_>, notes: &RequestNotes, given: Given, usage: Usage) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut frame = |name: &str, data: Json| write!(out, "event: {name}\ndata: {data}\n\n").unwrap_or_default();
    let wording = wording(refusal);
    if refusal.block_as == BlockAs::Error || refusal.why == Why::Engine {
        frame("error", envelope(refusal, &wording));
        return out;
    }
    if !given.started {
        let message = json!({
            "id": id(refusal),
            "type": "message",
            "role": "assistant",
            "model": notes.model.as_deref().unwrap_or_default(),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": {"input_tokens": usage.input, "output_tokens": 0},
        });
        frame("message_start", json!({"type": "message_start", "message": message}));
    }
    if let Some(index) = given.open {
        frame("content_block_stop", json!({"type": "content_block_stop", "index": index}));
    }
    if !given.stopped {
        if refusal.block_as == BlockAs::Refusal {
            let index = given.next;
            let block = json!({"type": "text", "text": ""});
            let delta = json!({"type": "text_delta", "text": wording.message});
            frame("content_block_start", json!({"type": "content_block_start", "index": index, "content_block": block}));
            frame("content_block_delta", json!({"type": "content_block_delta", "index": index, "delta": delta}));
            frame("content_block_stop", json!({"type": "content_block_stop", "index": index}));
        }
        let delta = json!({"stop_reason": "refusal", "stop_sequence": null, "stop_details": details(&wording.message)});
        let usage = json!({"output_tokens": usage.output});
        frame("message_delta", json!({"type": "message_delta", "delta": delta, "usage": usage}));
    }
    frame("message_stop", json!({"type": "message_stop"}));
    out
}
