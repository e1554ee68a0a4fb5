//! Refusals as the AWS SDKs understand them.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::read;
use crate::protocol::adapter::{Answer, BlockAs, Refusal, Why};
use crate::protocol::frames::frame;
use crate::protocol::message::{RequestNotes, Usage};
use crate::protocol::rpc;
use crate::protocol::value::Values;
use crate::protocol::words::{Wording, wording};

/// What the client has got of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub started: bool,
    /// The block that is open.
    pub open: Option<u32>,
    /// The index of the next block.
    pub next: u32,
}

impl Given {
    pub(super) fn begin(&mut self, index: u32) {
        self.open = Some(index);
        self.next = self.next.max(index.saturating_add(1));
    }
}

/// The answer to a request that is refused.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    let soft = refusal.block_as == BlockAs::Refusal && matches!(refusal.why, Why::Content | Why::Permission);
    if !soft {
        return error(refusal);
    }
    if notes.streaming {
        let body = Bytes::from(stream_end(refusal, Given::default()));
        return Answer { status: StatusCode::OK, content_type: "application/vnd.amazon.eventstream", body, retry_after: None };
    }
    message(refusal, Usage::default())
}

/// The answer in place of a model's.
pub(super) fn answer(refusal: &Refusal<'_>, bytes: &[u8]) -> Answer {
    if refusal.why == Why::Engine || refusal.block_as == BlockAs::Error {
        return error(refusal);
    }
    let values = Values::of_body(bytes).ok();
    match values.as_ref().and_then(Values::root).filter(|root| root.get("output").is_some()) {
        Some(root) => message(refusal, root.get("usage").map(read::usage).unwrap_or_default()),
        None => error(refusal),
    }
}

/// The SDKs' name of an error. They read it from the body where no header tells it.
fn name(refusal: &Refusal<'_>) -> &'static str {
    match refusal.why {
        Why::Permission => "AccessDeniedException",
        Why::Engine => "ServiceUnavailableException",
        Why::Content | Why::Unreadable(_) | Why::Uninspected(_) => "ValidationException",
    }
}

fn error(refusal: &Refusal<'_>) -> Answer {
    let Wording { status, message, retry_after, .. } = wording(refusal);
    rpc::json_answer(status, &json!({"code": name(refusal), "__type": name(refusal), "message": message}), retry_after)
}

/// A whole message that refuses.
fn message(refusal: &Refusal<'_>, usage: Usage) -> Answer {
    let said = json!({"role": "assistant", "content": [{"text": wording(refusal).message}]});
    let total = usage.input.saturating_add(usage.output);
    let body = json!({
        "output": {"message": said},
        "stopReason": "guardrail_intervened",
        "usage": {"inputTokens": usage.input, "outputTokens": usage.output, "totalTokens": total},
        "metrics": {"latencyMs": 0},
    });
    rpc::json_answer(StatusCode::OK, &body, None)
}

/// The frames that end a stream for a client that has got `given`: the reason as a block of its own.
pub(super) fn stream_end(refusal: &Refusal<'_>, given: Given) -> Vec<u8> {
    let said = wording(refusal).message;
    if refusal.why == Why::Engine || refusal.block_as == BlockAs::Error {
        let mut kind = name(refusal).to_owned();
        // As members of the stream their names begin small.
        if let Some(first) = kind.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        return frame(true, &kind, &json!({"message": said}).to_string());
    }
    let mut out = Vec::new();
    let mut event = |kind: &str, payload: Json| out.extend(frame(false, kind, &payload.to_string()));
    if !given.started {
        event("messageStart", json!({"role": "assistant"}));
    }
    if let Some(index) = given.open {
        event("contentBlockStop", json!({"contentBlockIndex": index}));
    }
    event("contentBlockDelta", json!({"contentBlockIndex": given.next, "delta": {"text": said}}));
    event("contentBlockStop", json!({"contentBlockIndex": given.next}));
    event("messageStop", json!({"stopReason": "guardrail_intervened"}));
    out
}
