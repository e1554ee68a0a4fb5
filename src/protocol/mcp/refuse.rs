//! Refusals as the SDKs of this protocol understand them: at status 200, with the reason where the model reads it.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use crate::protocol::adapter::{Answer, Refusal, Why};
use crate::protocol::error::Code;
use crate::protocol::message::{RequestNotes, Rpc};
use crate::protocol::rpc;
use crate::protocol::value::Values;
use crate::protocol::words::wording;

/// The key of our word in `_meta`.
const META: &str = "servanda/decision";

/// The answer to a message that is refused before the server.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    let rpc = notes.rpc.clone().unwrap_or_default();
    // A server that is forbidden as a whole is forbidden by HTTP too, or clients try another way in.
    let whole = matches!(rpc.method.as_str(), "initialize" | "server/discover") && refusal.why == Why::Permission;
    if whole {
        return rpc::json_answer(StatusCode::FORBIDDEN, &rpc::error_object(refusal, &rpc), None);
    }
    if refusal.why == Why::Unreadable(Code::HeaderDiffers) {
        let mut error = rpc::error_object(refusal, &rpc);
        if let Some(code) = error.pointer_mut("/error/code") {
            *code = json!(-32020);
        }
        return rpc::json_answer(StatusCode::BAD_REQUEST, &error, None);
    }
    // A notification has no answer; clients of the older SDKs give up on any other status.
    let told = matches!(refusal.why, Why::Content | Why::Permission | Why::Uninspected(_));
    if told && rpc.id.is_empty() && !rpc.method.is_empty() {
        let content_type = "application/json";
        return Answer { status: StatusCode::ACCEPTED, content_type, body: Bytes::new(), retry_after: None };
    }
    one(refusal, &rpc)
}

/// The error that goes to the server in place of a client's answer to it.
pub(super) fn onward(refusal: &Refusal<'_>, notes: &RequestNotes) -> Option<Bytes> {
    let rpc = notes.rpc.as_ref().filter(|rpc| rpc.method.is_empty() && !rpc.id.is_empty())?;
    Some(Bytes::from(rpc::error_object(refusal, rpc).to_string()))
}

/// A result that tells the model, for a call; an error for everything else.
fn one(refusal: &Refusal<'_>, rpc: &Rpc) -> Answer {
    let told = rpc.method == "tools/call" && !matches!(refusal.why, Why::Engine | Why::Unreadable(_));
    if told { rpc::json_answer(StatusCode::OK, &result(refusal, rpc), None) } else { rpc::error(refusal, rpc) }
}

/// The result of a refused call.
fn result(refusal: &Refusal<'_>, rpc: &Rpc) -> Json {
    let wording = wording(refusal);
    let mut result = json!({
        "content": [{"type": "text", "text": wording.message}],
        "isError": true,
        "_meta": {META: rpc::data(refusal, wording.code)},
    });
    // The era without sessions asks for it; the other one does not know it.
    if let (Some(_), Some(members)) = (&rpc.version, result.as_object_mut()) {
        members.insert("resultType".to_owned(), "complete".into());
    }
    json!({"jsonrpc": "2.0", "id": rpc::id(rpc), "result": result})
}

/// The answer in place of a server's.
pub(super) fn answer(refusal: &Refusal<'_>, bytes: &[u8], notes: &RequestNotes) -> Answer {
    let mut rpc = notes.rpc.clone().unwrap_or_default();
    let values = Values::of_body(bytes).ok();
    let root = values.as_ref().and_then(Values::root);
    if rpc.id.is_empty()
        && let Some(root) = root
    {
        rpc.id = rpc::of(root).id;
    }
    one(refusal, &rpc)
}

/// The message that ends a stream: the answer that is waited for, or a word to whoever listens.
pub(super) fn stream_end(refusal: &Refusal<'_>, notes: &RequestNotes) -> String {
    let message = match &notes.rpc {
        Some(rpc) if !rpc.id.is_empty() && rpc.method == "tools/call" && refusal.why != Why::Engine => result(refusal, rpc),
        Some(rpc) if !rpc.id.is_empty() => rpc::error_object(refusal, rpc),
        _ => {
            let data = wording(refusal).message;
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "logger": "servanda", "data": data}})
        }
    };
    format!("event: message\ndata: {message}\n\n")
}
