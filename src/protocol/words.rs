//! The words of a refusal. They name the rule and the record, never what was matched.

use std::fmt::Write as _;

use http::StatusCode;

use super::adapter::{Refusal, Why};
use crate::base::names::{Stage, UnjudgedReason};

/// A refusal as status, stable code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wording {
    pub status: StatusCode,
    /// The `type` of an OpenAI-shaped error.
    pub kind: &'static str,
    pub code: &'static str,
    pub message: String,
    pub retry_after: Option<u32>,
}

/// What a refusal says.
pub(super) fn wording(refusal: &Refusal<'_>) -> Wording {
    let what = match refusal.stage {
        Stage::Request => "this request",
        Stage::Call => "a tool call",
        Stage::Result => "a tool result",
        Stage::Response => "the answer",
        Stage::Egress => "an outgoing connection",
        Stage::End | Stage::Window => "this exchange",
    };
    let (status, kind, code, mut message) = match refusal.why {
        Why::Content => {
            (StatusCode::BAD_REQUEST, "invalid_request_error", "content_filter", format!("Blocked by policy: {what}"))
        }
        Why::Permission => (StatusCode::FORBIDDEN, "permission_error", "guardrail_blocked", format!("Not permitted: {what}")),
        Why::Unreadable(code) => {
            let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, "invalid_request_error", code.as_str(), format!("Refused unread: {what} could not be inspected ({code})"))
        }
        Why::Uninspected(reason) => {
            let status =
                if reason == UnjudgedReason::OverLimit { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            (
                status,
                "invalid_request_error",
                "not_inspected",
                format!("Refused unread: {what} holds what cannot be inspected ({reason})"),
            )
        }
        Why::Engine => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            (
                status,
                "server_error",
                "guardrail_unavailable",
                format!("The guard failed and let nothing pass: {what} was not judged"),
            )
        }
    };
    // Writing to a String cannot fail.
    if let Some(predicate) = refusal.predicate {
        let verb = if matches!(refusal.why, Why::Content | Why::Permission) { " breaks" } else { ", by" };
        write!(message, "{verb} rule `{predicate}`").unwrap_or_default();
        if let Some(pact) = refusal.pact {
            write!(message, " of pact {pact}").unwrap_or_default();
        }
    }
    if let Some(note) = refusal.note {
        write!(message, " ({note})").unwrap_or_default();
    }
    let way_out = match refusal.why {
        Why::Engine => ". The same request may pass later.",
        Why::Unreadable(_) => ". Repeating it unchanged will not help; send it in a form that can be read.",
        _ if refusal.note == Some("approval_unavailable") => {
            ". Repeating it will not help; it needs an approval that cannot be given here."
        }
        _ => ". Repeating it will not help; go on without what the rule forbids.",
    };
    message.push_str(way_out);
    if let Some(record) = refusal.record {
        write!(message, " Record: {record}.").unwrap_or_default();
    }
    let retry_after = (refusal.why == Why::Engine).then_some(1);
    Wording { status, kind, code, message, retry_after }
}
