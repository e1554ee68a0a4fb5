//! AG-UI: one request, and a stream of events that build messages, tool calls and state in a front end.
//!
//! A call waits for its end; what snapshots repeat is judged again. A refusal closes the message that is open
//! and ends the run with an error, which is the last event that a client takes.

use std::fmt::Write as _;

use serde_json::json;

use super::adapter::Tabled;
use super::table::{CallNames, Kind, Table, What};
use crate::protocol::adapter::Refusal;
use crate::protocol::message::Role::{Assistant, Reasoning, ToolDefinition, ToolResult};
use crate::protocol::words::wording;

/// The adapter.
pub(crate) static AG_UI: Tabled = Tabled(&TABLE);

static TABLE: Table = Table {
    name: "ag_ui",
    word: "ag-ui",
    paths: &["/ag-ui", "/agui", "/ag_ui"],
    words: WORDS,
    conversation: "threadId",
    conversation_behind: "",
    request: &[("messages", What::Turns), ("tools", What::Say(ToolDefinition))],
    answer: &[],
    kind: Kind::Member("type"),
    events: &[
        ("TEXT_MESSAGE_START", &[("messageId", What::Opens)]),
        ("TEXT_MESSAGE_CONTENT", &[("delta", What::Piece(Assistant, "messageId"))]),
        ("TEXT_MESSAGE_CHUNK", &[("delta", What::Piece(Assistant, "messageId"))]),
        ("TEXT_MESSAGE_END", &[("messageId", What::Ends)]),
        ("REASONING_MESSAGE_CONTENT", &[("delta", What::Piece(Reasoning, "messageId"))]),
        ("REASONING_MESSAGE_CHUNK", &[("delta", What::Piece(Reasoning, "messageId"))]),
        ("REASONING_MESSAGE_END", &[("messageId", What::Ends)]),
        ("THINKING_TEXT_MESSAGE_CONTENT", &[("delta", What::Piece(Reasoning, "messageId"))]),
        ("TOOL_CALL_START", &[("", What::Call(&CALL))]),
        ("TOOL_CALL_ARGS", &[("", What::Call(&CALL))]),
        ("TOOL_CALL_CHUNK", &[("", What::Call(&CALL))]),
        ("TOOL_CALL_END", &[("toolCallId", What::CallEnds)]),
        ("TOOL_CALL_RESULT", &[("content", What::Say(ToolResult))]),
        ("MESSAGES_SNAPSHOT", &[("messages", What::Turns)]),
        ("STATE_SNAPSHOT", &[("snapshot", What::Say(Assistant))]),
        ("STATE_DELTA", &[("delta", What::Say(Assistant))]),
        ("RUN_STARTED", &[("input/messages", What::Turns)]),
        ("RUN_FINISHED", &[("type", What::Last)]),
        ("RUN_ERROR", &[("type", What::Last)]),
    ],
    end,
    refused: None,
};

const CALL: CallNames = CallNames { id: "toolCallId", name: "toolCallName", arguments: "delta", executed: false };

fn end(refusal: &Refusal<'_>, open: &[&str]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for id in open {
        write!(out, "data: {}\n\n", json!({"type": "TEXT_MESSAGE_END", "messageId": id})).unwrap_or_default();
    }
    let said = wording(refusal);
    let error = json!({"type": "RUN_ERROR", "message": said.message, "code": "guardrail_blocked"});
    write!(out, "data: {error}\n\n").unwrap_or_default();
    out
}

const WORDS: &[&str] = &[
    "ACTIVITY_DELTA",
    "ACTIVITY_SNAPSHOT",
    "CUSTOM",
    "MESSAGES_SNAPSHOT",
    "RAW",
    "REASONING_END",
    "REASONING_MESSAGE_CHUNK",
    "REASONING_MESSAGE_CONTENT",
    "REASONING_MESSAGE_END",
    "REASONING_MESSAGE_START",
    "REASONING_START",
    "RUN_ERROR",
    "RUN_FINISHED",
    "RUN_STARTED",
    "STATE_DELTA",
    "STATE_SNAPSHOT",
    "STEP_FINISHED",
    "STEP_STARTED",
    "TEXT_MESSAGE_CHUNK",
    "TEXT_MESSAGE_CONTENT",
    "TEXT_MESSAGE_END",
    "TEXT_MESSAGE_START",
    "TOOL_CALL_ARGS",
    "TOOL_CALL_CHUNK",
    "TOOL_CALL_END",
    "TOOL_CALL_RESULT",
    "TOOL_CALL_START",
    "assistant",
    "context",
    "delta",
    "developer",
    "forwardedProps",
    "function",
    "input",
    "messageId",
    "messages",
    "name",
    "op",
    "outcome",
    "parentMessageId",
    "parentRunId",
    "path",
    "rawEvent",
    "replace",
    "result",
    "resume",
    "role",
    "runId",
    "snapshot",
    "state",
    "stepName",
    "system",
    "threadId",
    "timestamp",
    "tool",
    "toolCallId",
    "toolCallName",
    "toolCalls",
    "tools",
    "user",
    "value",
];
