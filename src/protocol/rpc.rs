//! JSON-RPC 2.0, as MCP and A2A carry it: which call a message is or answers, and refusals of calls.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::adapter::{Answer, Refusal, Why};
use super::error::{Code, ReadError};
use super::message::Rpc;
use super::value::{Kind, Value};
use super::words::{Wording, wording};

/// The code of a refused call. The reserved ranges of JSON-RPC and of both protocols are below zero.
pub(super) const REFUSED: i32 = 4030;

/// The call that an object is.
pub(super) fn of(root: Value<'_, '_>) -> Rpc {
    let id = root.get("id").filter(|id| matches!(id.kind(), Kind::String { .. } | Kind::Number));
    Rpc {
        id: id.map(|id| root.raw(&id.whole()).to_owned()).unwrap_or_default(),
        method: root.word_of("method").into_owned(),
        version: None,
    }
}

/// The id as JSON.
pub(super) fn id(rpc: &Rpc) -> Json {
    serde_json::from_str(&rpc.id).unwrap_or(Json::Null)
}

/// Whether a method that nobody knows reads like one of `known`: another server may take it for that.
pub(super) fn is_disguised(method: &str, known: &[&str]) -> bool {
    let plain: String = method.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let bare = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>();
    !known.contains(&method) && known.iter().any(|known| bare(known) == plain)
}

/// The method, if it may be looked at by its name.
pub(super) fn checked(rpc: &Rpc, root: Value<'_, '_>, known: &[&str]) -> Result<(), ReadError> {
    let at = root.get("method").map_or(0, |method| method.at().start);
    if is_disguised(&rpc.method, known) { Err(ReadError::new(Code::NotCanonical, at)) } else { Ok(()) }
}

/// What is told of a refusal beside its message.
pub(super) fn data(refusal: &Refusal<'_>, code: &str) -> Json {
    json!({"reason": code, "record": refusal.record, "predicate": refusal.predicate, "pact": refusal.pact, "retryable": refusal.why == Why::Engine})
}

/// A JSON-RPC error in place of a result.
pub(super) fn error_object(refusal: &Refusal<'_>, rpc: &Rpc) -> Json {
    let Wording { code, message, .. } = wording(refusal);
    let number = match refusal.why {
        Why::Unreadable(Code::InvalidJson | Code::Truncated | Code::InvalidUtf8) => -32700,
        Why::Unreadable(_) => -32600,
        _ => REFUSED,
    };
    json!({"jsonrpc": "2.0", "id": id(rpc), "error": {"code": number, "message": message, "data": data(refusal, code)}})
}

/// The same as an answer. Clients read the message only at status 200; what could not be read at all is an
/// error of HTTP too, and what failed in the guard may be tried again.
pub(super) fn error(refusal: &Refusal<'_>, rpc: &Rpc) -> Answer {
    let Wording { status, retry_after, .. } = wording(refusal);
    let status = match refusal.why {
        Why::Content | Why::Permission | Why::Uninspected(_) => StatusCode::OK,
        Why::Unreadable(_) | Why::Engine => status,
    };
    json_answer(status, &error_object(refusal, rpc), retry_after)
}

/// An answer of JSON.
pub(super) fn json_answer(status: StatusCode, body: &Json, retry_after: Option<u32>) -> Answer {
    Answer { status, content_type: "application/json", body: Bytes::from(body.to_string()), retry_after }
}
