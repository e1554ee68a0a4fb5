//! Messages and their blocks, whole.

use crate::protocol::error::ReadError;
use crate::protocol::findings::{Arguments, CallAt, Findings, Turns};
use crate::protocol::message::{Finish, Message, NO_CHOICE, Role, Usage};
use crate::protocol::value::{Value, Values};
use crate::protocol::{Shape, generic, sniff};

/// Reads what has not the shape of the protocol, as [`generic`] does.
pub(super) fn plain(body: &[u8], role: Role, choice: u32) -> Result<Message<'_>, ReadError> {
    generic::read(body, role, choice).map(|message| Message { fixed: true, ..message })
}

/// Reads what a client sends.
pub(super) fn request(body: &[u8]) -> Result<Message<'_>, ReadError> {
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else { return plain(body, Role::User, 0) };
    let mut f = Findings::new(WORDS, 0);
    for member in root.children() {
        match member.name().as_ref() {
            "system" if member.is_array() => {
                for each in member.children() {
                    block(each, 0, Role::System, &mut f)?;
                }
            }
            "messages" if member.is_array() => messages(member, &mut f)?,
            "toolConfig" => f.tree(Role::ToolDefinition, member)?,
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(f.message(&values, Message { choices: 1, fixed: true, ..Message::default() }))
}

fn messages(list: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let mut turns = Turns::default();
    let mut calls = 0;
    for turn in list.children() {
        let from = f.count();
        let model = turn.word_of("role") == "assistant";
        let role = if model { Role::Assistant } else { Role::User };
        message(turn, role, &mut calls, f)?;
        turns.turn(from, f.count(), model);
    }
    turns.age(f);
    Ok(())
}

fn message(turn: Value<'_, '_>, role: Role, calls: &mut u32, f: &mut Findings) -> Result<(), ReadError> {
    let Some(content) = turn.get("content").filter(|content| content.is_array()) else { return f.tree(role, turn) };
    for each in content.children() {
        block(each, *calls, role, f)?;
        *calls += 1;
    }
    f.rest(Role::Other, turn, &["content"])
}

/// One block of content. `index` is its place, by which a call is told from others.
pub(super) fn block(block: Value<'_, '_>, index: u32, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !block.is_object() {
        return f.say(role, block);
    }
    for member in block.children() {
        match member.name().as_ref() {
            "text" => f.say(role, member)?,
            name @ ("image" | "document" | "video" | "audio") => f.media(media(name), role, member)?,
            "toolUse" | "serverToolUse" if member.is_object() => call(member, index, f)?,
            "toolResult" if member.is_object() => result(member, f)?,
            "reasoningContent" => reasoning(member, f)?,
            "guardContent" | "citationsContent" | "searchResult" => f.tree(role, member)?,
            _ => {
                f.name(member)?;
                f.tree(role, member)?;
            }
        }
    }
    Ok(())
}

fn media(name: &str) -> &'static str {
    match name {
        "image" => "image",
        "document" => "document",
        "audio" => "audio",
        _ => "video",
    }
}

fn call(value: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
    let executed = value.word_of("type") == "server_tool_use";
    let (id, name, input) = (value.get("toolUseId"), value.get("name"), value.get("input"));
    f.call(CallAt { executed, ..CallAt::new(index, id, name, Arguments::of(input)) }, input)?;
    f.strange(Role::Assistant, id)?;
    f.call_name(executed, name)?;
    f.rest(Role::Assistant, value, &["toolUseId", "name", "input"])
}

fn result(value: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    for member in value.children() {
        match member.name().as_ref() {
            "content" if member.is_array() => {
                for each in member.children() {
                    block(each, 0, Role::ToolResult, f)?;
                }
            }
            _ => f.tree(Role::ToolResult, member)?,
        }
    }
    Ok(())
}

/// Reasoning, signed or encrypted.
pub(super) fn reasoning(value: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    for member in value.children() {
        match member.name().as_ref() {
            "redactedContent" => f.sealed(Some("redacted_reasoning"), Role::Reasoning, member)?,
            "signature" => f.sealed(None, Role::Other, member)?,
            "reasoningText" if member.is_object() => reasoning(member, f)?,
            _ => {
                f.name(member)?;
                f.tree(Role::Reasoning, member)?;
            }
        }
    }
    if value.is_object() { Ok(()) } else { f.tree(Role::Reasoning, value) }
}

/// Reads what a model answers.
pub(super) fn answer(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, body) != Shape::Json {
        return plain(body, Role::Assistant, NO_CHOICE);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else {
        return plain(body, Role::Assistant, NO_CHOICE);
    };
    let mut f = Findings::new(WORDS, 0);
    let mut out = Message { choices: 1, fixed: true, ..Message::default() };
    for member in root.children() {
        match member.name().as_ref() {
            "output" if member.get("message").is_some_and(Value::is_object) => {
                for each in member.children() {
                    if each.name() == "message" {
                        message(each, Role::Assistant, &mut 0, &mut f)?;
                    } else {
                        f.tree(Role::Other, each)?;
                    }
                }
            }
            "stopReason" => {
                out.finish.push(Finish { choice: 0, reason: member.word().into_owned() });
                f.tree(Role::Other, member)?;
            }
            "usage" => {
                out.usage = Some(usage(member));
                f.tree(Role::Other, member)?;
            }
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(f.message(&values, out))
}

pub(super) fn usage(value: Value<'_, '_>) -> Usage {
    let count = |name: &str| value.get(name).and_then(Value::number).unwrap_or(0);
    Usage { input: count("inputTokens"), output: count("outputTokens") }
}

/// The words of the protocol.
pub(super) const WORDS: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFields",
    "assistant",
    "auto",
    "bytes",
    "cachePoint",
    "citation",
    "citations",
    "citationsContent",
    "content",
    "contentBlockIndex",
    "data",
    "delta",
    "document",
    "end_turn",
    "error",
    "format",
    "guardContent",
    "guardrailConfig",
    "image",
    "inferenceConfig",
    "input",
    "inputSchema",
    "inputTokens",
    "json",
    "latencyMs",
    "maxTokens",
    "message",
    "messages",
    "metrics",
    "name",
    "object",
    "output",
    "outputTokens",
    "p",
    "performanceConfig",
    "promptVariables",
    "reasoningContent",
    "reasoningText",
    "redactedContent",
    "requestMetadata",
    "role",
    "s3Location",
    "serverToolUse",
    "server_tool_use",
    "serviceTier",
    "signature",
    "source",
    "start",
    "status",
    "stopReason",
    "stopSequences",
    "string",
    "success",
    "system",
    "temperature",
    "text",
    "toolChoice",
    "toolConfig",
    "toolResult",
    "toolSpec",
    "toolUse",
    "toolUseId",
    "tools",
    "topP",
    "totalTokens",
    "trace",
    "type",
    "usage",
    "user",
    "video",
];
