//! The `LangGraph` server: runs of a graph, whole or as a stream of named events.
//!
//! Tokens of a message go on under its id; states and updates are judged whole each time they are repeated.
//! Calls of tools are the graph's own and run there: they are judged as text. A refusal is an `error` event
//! and an `end`, without which the client would connect again. What was refused still stands in the server:
//! the paths that replay a run or show its state are judged like any answer.

use serde_json::json;

use super::adapter::Tabled;
use super::table::{Kind, Table, What};
use crate::protocol::adapter::Refusal;
use crate::protocol::message::Role::Assistant;
use crate::protocol::words::wording;

/// The adapter.
pub(crate) static LANGGRAPH: Tabled = Tabled(&TABLE);

static TABLE: Table = Table {
    name: "langgraph",
    word: "langgraph",
    paths: &["/runs/stream", "/runs/wait", "/threads/*/runs/*/stream", "/threads/*/runs/*/join"],
    words: WORDS,
    conversation: "",
    conversation_behind: "threads",
    request: &[("input/messages", What::Turns), ("command/update/messages", What::Turns)],
    answer: &[],
    kind: Kind::Name,
    events: &[
        (
            "messages",
            &[
                ("*/content", What::Both(Assistant, "id")),
                ("*/content/*/text", What::Both(Assistant, "index")),
                ("*/tool_call_chunks/*/args", What::Both(Assistant, "index")),
            ],
        ),
        ("values", &[("", What::Say(Assistant))]),
        ("messages/partial", &[("", What::Say(Assistant))]),
        ("messages/complete", &[("", What::Say(Assistant))]),
        ("metadata", &[("", What::Say(Assistant))]),
        ("error", &[("", What::Last)]),
        ("end", &[("", What::Last)]),
    ],
    end,
    refused: None,
};

fn end(refusal: &Refusal<'_>, _open: &[&str]) -> String {
    let error = json!({"error": "GuardrailBlocked", "message": wording(refusal).message});
    format!("event: error\ndata: {error}\n\nevent: end\ndata: null\n\n")
}

const WORDS: &[&str] = &[
    "AIMessageChunk",
    "additional_kwargs",
    "ai",
    "args",
    "assistant",
    "assistant_id",
    "attempt",
    "checkpoint",
    "checkpoint_id",
    "command",
    "config",
    "configurable",
    "content",
    "context",
    "end",
    "error",
    "goto",
    "human",
    "id",
    "input",
    "interrupt",
    "invalid_tool_calls",
    "langgraph_node",
    "langgraph_step",
    "message",
    "messages",
    "metadata",
    "multitask_strategy",
    "name",
    "resume",
    "role",
    "run_id",
    "stream_mode",
    "system",
    "text",
    "thread_id",
    "tool",
    "tool_call_chunks",
    "tool_call_id",
    "tool_calls",
    "type",
    "update",
    "updates",
    "usage_metadata",
    "user",
    "values",
];
