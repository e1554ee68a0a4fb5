//! Google ADK's server: `/run` answers with a list of events, `/run_sse` with a stream of them.
//!
//! Partial texts go on over events until the whole text follows; calls of tools are the agent's own and
//! have run. A refusal is an event with an error code and no content.

use serde_json::{Value as Json, json};

use super::adapter::Tabled;
use super::table::{CallNames, Kind, Row, Table, What};
use crate::protocol::adapter::Refusal;
use crate::protocol::message::Role::{Assistant, ToolResult, User};
use crate::protocol::words::wording;

/// The adapter.
pub(crate) static ADK: Tabled = Tabled(&TABLE);

static TABLE: Table = Table {
    name: "adk",
    word: "adk",
    paths: &["/run_sse"],
    words: WORDS,
    conversation: "sessionId|session_id",
    conversation_behind: "",
    request: &[
        ("newMessage|new_message/parts/*/text", What::Say(User)),
        ("newMessage|new_message/parts/*/inlineData|inline_data", What::Media),
        ("newMessage|new_message/parts/*/functionResponse|function_response", What::Say(ToolResult)),
    ],
    answer: &[
        ("*/content/parts/*/inlineData|inline_data", What::Media),
        ("*/content/parts/*/functionCall|function_call", What::Call(&CALL)),
        ("*/content/parts/*/functionResponse|function_response", What::Say(ToolResult)),
    ],
    kind: Kind::Name,
    events: &[("", EVENT)],
    end,
    refused: Some(|refusal| json!([event(refusal)])),
};

const EVENT: &[Row] = &[
    ("content/parts/*/text", What::Both(Assistant, "")),
    ("content/parts/*/inlineData|inline_data", What::Media),
    ("content/parts/*/functionCall|function_call", What::Call(&CALL)),
    ("content/parts/*/functionResponse|function_response", What::Say(ToolResult)),
];

const CALL: CallNames = CallNames { id: "id", name: "name", arguments: "args", executed: true };

fn event(refusal: &Refusal<'_>) -> Json {
    json!({
        "author": "servanda",
        "id": refusal.record.unwrap_or("refused"),
        "invocationId": "",
        "errorCode": "SAFETY",
        "errorMessage": wording(refusal).message,
        "turnComplete": true,
        "actions": {"stateDelta": {}, "artifactDelta": {}},
    })
}

fn end(refusal: &Refusal<'_>, _open: &[&str]) -> String {
    format!("data: {}\n\n", event(refusal))
}

const WORDS: &[&str] = &[
    "STOP",
    "actions",
    "appName",
    "app_name",
    "args",
    "artifactDelta",
    "author",
    "candidatesTokenCount",
    "content",
    "errorCode",
    "errorMessage",
    "finishReason",
    "functionCall",
    "functionCallEventId",
    "functionResponse",
    "id",
    "inlineData",
    "invocationId",
    "longRunningToolIds",
    "mimeType",
    "model",
    "name",
    "newMessage",
    "new_message",
    "partial",
    "parts",
    "promptTokenCount",
    "requestedAuthConfigs",
    "requestedToolConfirmations",
    "response",
    "role",
    "sessionId",
    "session_id",
    "stateDelta",
    "streaming",
    "text",
    "thought",
    "timestamp",
    "totalTokenCount",
    "transferToAgent",
    "turnComplete",
    "usageMetadata",
    "user",
    "userId",
    "user_id",
];
