//! Items: what a request hands in, an answer gives and a stream tells one by one.

use crate::protocol::error::ReadError;
use crate::protocol::findings::{Arguments, CallAt, Findings};
use crate::protocol::message::{CallKind, Role};
use crate::protocol::value::Value;

/// Whose turn an item is.
pub(super) fn is_models(item: Value<'_, '_>) -> bool {
    let kind = item.word_of("type");
    match kind.as_ref() {
        "" | "message" => item.word_of("role") == "assistant",
        "reasoning" | "program" | "compaction" | "mcp_approval_request" => true,
        kind => kind.ends_with("_call"),
    }
}

/// How an item of a type calls something.
pub(super) struct Calling {
    /// The members that hold the arguments; the first that is there counts.
    pub arguments: &'static [&'static str],
    pub kind: CallKind,
    /// The provider has run it.
    pub executed: bool,
    /// The members that hold what came of it.
    pub results: &'static [&'static str],
}

const FUNCTION: Calling = Calling { arguments: &["arguments"], kind: CallKind::Function, executed: false, results: &[] };

/// The items that are calls.
pub(super) fn calling(kind: &str) -> Option<Calling> {
    let runs = |arguments, results| Some(Calling { arguments, executed: true, results, ..FUNCTION });
    let asks = |arguments| Some(Calling { arguments, ..FUNCTION });
    match kind {
        "function_call" => Some(FUNCTION),
        "custom_tool_call" => Some(Calling { arguments: &["input"], kind: CallKind::Custom, ..FUNCTION }),
        "mcp_call" => Some(Calling { executed: true, results: &["output", "error"], ..FUNCTION }),
        "mcp_approval_request" => asks(&["arguments"]),
        "shell_call" | "local_shell_call" => asks(&["action"]),
        "computer_call" => asks(&["action", "actions"]),
        "apply_patch_call" => asks(&["operation"]),
        "web_search_call" | "image_generation_call" => runs(&["action"], &[]),
        "file_search_call" => runs(&["queries"], &["results"]),
        "tool_search_call" => runs(&["arguments"], &["results"]),
        "code_interpreter_call" => {
            Some(Calling { arguments: &["code"], kind: CallKind::Custom, executed: true, results: &["outputs"] })
        }
        "program" => Some(Calling { arguments: &["code"], kind: CallKind::Custom, executed: true, results: &[] }),
        _ => None,
    }
}

/// How an item is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// In a whole body.
    Once,
    /// It begins: calls have no arguments yet, whatever stands there.
    Begins,
    /// It is said again after its pieces.
    Again,
}

/// One item.
pub(super) fn item(item: Value<'_, '_>, index: u32, told: Told, default: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !item.is_object() {
        return f.say(default, item);
    }
    let kind = item.word_of("type");
    if let Some(calling) = calling(&kind) {
        return call(item, index, told, &calling, f);
    }
    match kind.as_ref() {
        "" | "message" => {
            let role = match item.word_of("role").as_ref() {
                "assistant" => Role::Assistant,
                "system" | "developer" => Role::System,
                "user" => Role::User,
                _ => default,
            };
            if let Some(said) = item.get("content") {
                content(said, role, f)?;
            }
            f.rest(Role::Other, item, &["content"])
        }
        "reasoning" => {
            for said in ["summary", "content"].iter().filter_map(|name| item.get(name)) {
                parts(said, Role::Reasoning, f)?;
            }
            sealed(item, "encrypted_content", f)?;
            f.rest(Role::Other, item, &["type", "summary", "content", "encrypted_content"])
        }
        "compaction" => {
            sealed(item, "encrypted_content", f)?;
            f.rest(Role::Other, item, &["type", "encrypted_content"])
        }
        "computer_call_output" => {
            if let Some(output) = item.get("output") {
                f.media("image", Role::ToolResult, output)?;
            }
            f.rest(Role::Other, item, &["type", "output"])
        }
        "mcp_list_tools" => {
            if let Some(tools) = item.get("tools") {
                f.tree(Role::ToolDefinition, tools)?;
            }
            f.rest(Role::Other, item, &["type", "tools"])
        }
        kind if kind.ends_with("_output") => {
            for member in item.children() {
                match member.name().as_ref() {
                    "output" if member.is_array() => parts(member, Role::ToolResult, f)?,
                    "output" | "result" | "logs" => f.say(Role::ToolResult, member)?,
                    "tools" => f.named(Role::ToolResult, member)?,
                    _ => {
                        f.name(member)?;
                        f.tree(Role::Other, member)?;
                    }
                }
            }
            Ok(())
        }
        _ => f.tree(default, item),
    }
}

fn sealed(item: Value<'_, '_>, name: &str, f: &mut Findings) -> Result<(), ReadError> {
    item.get(name)
        .filter(|value| value.string().is_some())
        .map_or(Ok(()), |value| f.sealed(Some("reasoning"), Role::Reasoning, value))
}

fn call(item: Value<'_, '_>, index: u32, told: Told, calling: &Calling, f: &mut Findings) -> Result<(), ReadError> {
    let held = calling.arguments.iter().find_map(|name| item.get(name));
    // The tools of the provider have no name but their type.
    let name = item.get("name").filter(|name| name.string().is_some()).or_else(|| item.get("type"));
    let id = item.get("call_id").or_else(|| item.get("id"));
    let arguments = if told == Told::Begins { Arguments::None } else { Arguments::of(held) };
    let call = CallAt::new(index, id, name, arguments);
    let call = CallAt { kind: calling.kind, executed: calling.executed, copy: told == Told::Again, ..call };
    f.call(call, held.filter(|_| told != Told::Begins))?;
    f.strange(Role::Assistant, item.get("call_id"))?;
    f.call_name(calling.executed, item.get("name"))?;
    for member in item.children() {
        match member.name().as_ref() {
            "type" | "name" | "call_id" => {}
            // What does not stream is here in part; its whole comes again.
            name if calling.arguments.contains(&name) => {
                if told == Told::Begins || held.is_some_and(|held| held.at() != member.at()) {
                    f.tree(Role::Assistant, member)?;
                }
            }
            "result" if member.string().is_some() => f.media("image", Role::ToolResult, member)?,
            name if calling.results.contains(&name) => results(member, f)?,
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(())
}

fn results(value: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    f.say(Role::ToolResult, value)
}

/// A string, or a list of parts.
pub(super) fn content(value: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if value.is_array() { parts(value, role, f) } else { f.say(role, value) }
}

fn parts(list: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !list.is_array() {
        return f.say(role, list);
    }
    for each in list.children() {
        part(each, role, f)?;
    }
    Ok(())
}

/// One part of a content.
pub(super) fn part(part: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    if !part.is_object() {
        return f.say(role, part);
    }
    let (field, role) = match part.word_of("type").as_ref() {
        "input_text" | "output_text" | "text" => ("text", role),
        "summary_text" | "reasoning_text" => ("text", Role::Reasoning),
        "refusal" => ("refusal", Role::Refusal),
        "input_image" | "computer_screenshot" => return f.media("image", role, part),
        "input_file" => return f.media("file", role, part),
        "input_audio" | "output_audio" => return f.media("audio", role, part),
        _ => return f.tree(role, part),
    };
    if let Some(text) = part.get(field) {
        f.say(role, text)?;
    }
    if let Some(logprobs) = part.get("logprobs") {
        shadow(logprobs, f)?;
    }
    if let Some(annotations) = part.get("annotations") {
        f.tree(role, annotations)?;
    }
    f.rest(Role::Other, part, &["type", field, "logprobs", "annotations"])
}

/// The longest string that token probabilities may hold and not be judged on its own.
const TOKEN_MAX: usize = 8;

/// Token probabilities, which repeat a text. A longer string can tell something by itself.
pub(super) fn shadow(value: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    if value.children().next().is_none() && value.string().is_none() {
        return Ok(());
    }
    f.but_tokens(value, TOKEN_MAX)?;
    f.shadow(value)
}
