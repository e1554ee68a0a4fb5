//! Bodies: a request, an answer, and the blocks that both and the stream are made of.

use crate::protocol::error::ReadError;
use crate::protocol::findings::{Arguments, CallAt, Findings, Turns};
use crate::protocol::generic;
use crate::protocol::message::{Finish, Message, NO_CHOICE, Role, Usage};
use crate::protocol::value::{Kind, Value, Values};

/// Reads a request. What is no object is read as the generic adapter reads it.
pub(super) fn request(body: &[u8]) -> Result<Message<'_>, ReadError> {
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else { return generic::read(body, Role::User, 0) };
    let mut message = Message { choices: 1, include_usage: true, ..Message::default() };
    let mut f = Findings::new(WORDS, 0);
    for member in root.children() {
        match member.name().as_ref() {
            "messages" if member.is_array() => messages(member, &mut f)?,
            "system" => content(member, Role::System, &mut f)?,
            "tools" | "mcp_servers" => f.tree(Role::ToolDefinition, member)?,
            "model" if member.string().is_some() => {
                message.model = Some(member.word().into_owned());
                f.say(Role::Other, member)?;
            }
            "stream" => message.streaming = member.kind() == Kind::Bool(true),
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(f.message(&values, message))
}

fn messages(list: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let mut turns = Turns::default();
    for turn in list.children() {
        let from = f.count();
        let role = match turn.word_of("role").as_ref() {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        if turn.is_object() {
            if let Some(said) = turn.get("content") {
                content(said, role, f)?;
            }
            f.rest(Role::Other, turn, &["content"])?;
        } else {
            f.tree(Role::User, turn)?;
        }
        turns.turn(from, f.count(), role == Role::Assistant);
    }
    turns.age(f);
    Ok(())
}

/// A string, or a list of blocks.
fn content(value: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !value.is_array() {
        return f.say(role, value);
    }
    for (index, each) in (0..).zip(value.children()) {
        block(each, index, role, f)?;
    }
    Ok(())
}

/// Whether blocks of this type are calls, and whether the provider runs them.
pub(super) fn is_call(kind: &str) -> Option<bool> {
    match kind {
        "tool_use" => Some(false),
        "server_tool_use" | "mcp_tool_use" => Some(true),
        _ => None,
    }
}

/// One block. `role` is whose words a text in it is.
pub(super) fn block(block: Value<'_, '_>, index: u32, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !block.is_object() {
        return f.say(role, block);
    }
    let kind = block.word_of("type");
    if let Some(executed) = is_call(&kind) {
        // Streams begin with an empty input and send it in pieces.
        let input = block.get("input").filter(|input| !(input.is_object() && input.children().next().is_none()));
        let call = CallAt::new(index, block.get("id"), block.get("name"), Arguments::of(input));
        f.call(CallAt { executed, ..call }, input)?;
        f.strange(role, block.get("id"))?;
        f.call_name(executed, block.get("name"))?;
        return f.rest(Role::Other, block, &["type", "id", "name", "input"]);
    }
    match kind.as_ref() {
        "text" => {
            if let Some(text) = block.get("text") {
                f.say(role, text)?;
            }
            if let Some(citations) = block.get("citations") {
                cited(role, citations, f)?;
            }
            f.rest(Role::Other, block, &["type", "text", "citations"])
        }
        "thinking" => {
            if let Some(text) = block.get("thinking") {
                f.fixed(Role::Reasoning, text)?;
            }
            if let Some(signature) = block.get("signature") {
                f.sealed(None, Role::Other, signature)?;
            }
            f.rest(Role::Other, block, &["type", "thinking", "signature"])
        }
        "redacted_thinking" => {
            if let Some(data) = block.get("data") {
                f.sealed(Some("reasoning"), Role::Reasoning, data)?;
            }
            f.rest(Role::Other, block, &["type", "data"])
        }
        "image" | "document" | "container_upload" => document(block, &kind, role, f),
        // What was found is somebody else's words, whoever hands it in.
        "search_result" => result(block, f),
        _ if kind.ends_with("tool_result") => result(block, f),
        _ => f.tree(role, block),
    }
}

fn document(block: Value<'_, '_>, kind: &str, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    for member in block.children() {
        match (member.name().as_ref(), member.word_of("type").as_ref()) {
            ("type", _) => {}
            ("source", "text") => f.tree(role, member)?,
            ("source", "content") => {
                if let Some(said) = member.get("content") {
                    content(said, role, f)?;
                }
                f.rest(Role::Other, member, &["content", "type"])?;
            }
            ("source", _) => f.media(if kind == "image" { "image" } else { "file" }, Role::Other, member)?,
            ("title" | "context", _) => f.say(role, member)?,
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(())
}

/// What a tool gave: of the client, of the provider, of a search.
fn result(block: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    if let Some(said) = block.get("content") {
        if said.is_array() {
            for (index, each) in (0..).zip(said.children()) {
                inner(each, index, f)?;
            }
        } else {
            inner(said, 0, f)?;
        }
    }
    f.rest(Role::ToolResult, block, &["content"])
}

/// A part of a result. Those of servers have data that only the provider reads.
fn inner(part: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
    const KNOWN: &[&str] = &["text", "image", "document", "search_result"];
    if KNOWN.contains(&part.word_of("type").as_ref()) {
        return block(part, index, Role::ToolResult, f);
    }
    if !part.is_object() {
        return f.say(Role::ToolResult, part);
    }
    for member in part.children() {
        match member.name().as_ref() {
            "encrypted_content" | "encrypted_stdout" => f.sealed(Some("tool_result"), Role::ToolResult, member)?,
            "content" if member.is_object() => inner(member, index, f)?,
            "source" if member.word_of("type") == "base64" => f.media("file", Role::ToolResult, member)?,
            _ => {
                f.name(member)?;
                f.tree(Role::ToolResult, member)?;
            }
        }
    }
    Ok(())
}

/// Citations repeat what they cite, and carry an index that only the provider reads.
pub(super) fn cited(role: Role, citations: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let list: Vec<_> = if citations.is_array() { citations.children().collect() } else { vec![citations] };
    for citation in list {
        if let Some(index) = citation.get("encrypted_index") {
            f.sealed(None, Role::Other, index)?;
        }
        f.rest(role, citation, &["encrypted_index"])?;
        if !citation.is_object() {
            f.tree(role, citation)?;
        }
    }
    Ok(())
}

/// Tokens, as far as they are told.
pub(super) fn usage(value: Value<'_, '_>, before: Option<Usage>) -> Usage {
    let before = before.unwrap_or_default();
    let count = |name: &str| value.get(name).and_then(Value::number);
    Usage { input: count("input_tokens").unwrap_or(before.input), output: count("output_tokens").unwrap_or(before.output) }
}

/// Reads a whole answer. What is no message (an error, another JSON, plain text) is all strings.
pub(super) fn answer(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if crate::protocol::sniff(None, body) != crate::protocol::Shape::Json {
        return generic::read(body, Role::Assistant, NO_CHOICE);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else {
        return generic::read(body, Role::Assistant, NO_CHOICE);
    };
    let mut out = Message { choices: 1, ..Message::default() };
    let mut f = Findings::new(WORDS, NO_CHOICE);
    message(root, &mut f, &mut out)?;
    Ok(f.message(&values, out))
}

/// The object of an answer, or of the event that begins one.
pub(super) fn message(root: Value<'_, '_>, f: &mut Findings, out: &mut Message<'_>) -> Result<(), ReadError> {
    for member in root.children() {
        match member.name().as_ref() {
            "content" if member.is_array() => {
                f.choice = 0;
                content(member, Role::Assistant, f)?;
                f.choice = NO_CHOICE;
            }
            "model" if member.string().is_some() => {
                out.model = Some(member.word().into_owned());
                f.say(Role::Other, member)?;
            }
            "stop_reason" if member.string().is_some() => {
                out.finish.push(Finish { choice: 0, reason: member.word().into_owned() });
                f.tree(Role::Other, member)?;
            }
            "usage" if member.is_object() => {
                out.usage = Some(usage(member, None));
                f.tree(Role::Other, member)?;
            }
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(())
}

/// Whether a block has a shape that this file knows.
pub(super) fn is_known(kind: &str) -> bool {
    const KNOWN: &[&str] = &["text", "thinking", "redacted_thinking", "image", "document", "container_upload", "search_result"];
    KNOWN.contains(&kind) || is_call(kind).is_some() || kind.ends_with("tool_result")
}

/// The words of the protocol.
pub(super) const WORDS: &[&str] = &[
    "adaptive",
    "any",
    "api_error",
    "assistant",
    "authentication_error",
    "auto",
    "base64",
    "bash_20250124",
    "budget_tokens",
    "cache_control",
    "cache_creation",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "caller",
    "category",
    "char_location",
    "citation",
    "citations",
    "citations_delta",
    "cited_text",
    "code_execution",
    "container",
    "content",
    "content_block",
    "content_block_delta",
    "content_block_location",
    "content_block_start",
    "content_block_stop",
    "context_management",
    "data",
    "delta",
    "direct",
    "disable_parallel_tool_use",
    "disabled",
    "document",
    "document_index",
    "document_title",
    "effort",
    "enabled",
    "end_block_index",
    "end_char_index",
    "end_page_number",
    "end_turn",
    "ephemeral",
    "ephemeral_1h_input_tokens",
    "ephemeral_5m_input_tokens",
    "error",
    "explanation",
    "file",
    "general_harms",
    "id",
    "image",
    "index",
    "inference_geo",
    "input",
    "input_json_delta",
    "input_schema",
    "input_tokens",
    "invalid_request_error",
    "is_error",
    "max_tokens",
    "media_type",
    "message",
    "message_delta",
    "message_start",
    "message_stop",
    "messages",
    "metadata",
    "model",
    "model_context_window_exceeded",
    "name",
    "none",
    "not_found_error",
    "output_config",
    "output_format",
    "output_tokens",
    "overloaded_error",
    "page_age",
    "page_location",
    "partial_json",
    "pause_turn",
    "permission_error",
    "ping",
    "rate_limit_error",
    "redacted_thinking",
    "refusal",
    "request_id",
    "role",
    "search_result",
    "search_result_index",
    "search_result_location",
    "server_tool_use",
    "service_tier",
    "signature",
    "signature_delta",
    "source",
    "standard",
    "start_block_index",
    "start_char_index",
    "start_page_number",
    "stop_details",
    "stop_reason",
    "stop_sequence",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "text",
    "text_delta",
    "thinking",
    "thinking_delta",
    "title",
    "tool",
    "tool_choice",
    "tool_result",
    "tool_use",
    "tool_use_id",
    "tools",
    "top_k",
    "top_p",
    "type",
    "url",
    "usage",
    "user",
    "user_id",
    "web_fetch_requests",
    "web_search",
    "web_search_requests",
    "web_search_result",
    "web_search_result_location",
    "web_search_tool_result",
];
