//! Messages in both directions.

use super::head::{VERSION, version_of};
use crate::protocol::error::{Code, ReadError};
use crate::protocol::findings::{Arguments, CallAt, Findings};
use crate::protocol::generic;
use crate::protocol::listing::{Listed, Listing};
use crate::protocol::message::{Message, NO_CHOICE, Role};
use crate::protocol::rpc;
use crate::protocol::value::{Value, Values};
use crate::protocol::{Shape, sniff};

/// The methods of both eras.
pub(super) const METHODS: &[&str] = &[
    "completion/complete",
    "elicitation/create",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/call",
    "tools/list",
];

/// Reads what a client sends.
pub(super) fn request(body: &[u8]) -> Result<Message<'_>, ReadError> {
    let values = Values::of_body(body)?;
    let Some(root) = values.root() else { return generic::read(body, Role::User, 0) };
    if root.is_array() {
        return Err(ReadError::new(Code::Batch, root.at().start));
    }
    if !root.is_object() {
        return generic::read(body, Role::User, 0);
    }
    let mut rpc = rpc::of(root);
    rpc::checked(&rpc, root, METHODS)?;
    rpc.version = version_of(root);
    let mut f = Findings::new(WORDS, 0);
    for member in root.children() {
        match member.name().as_ref() {
            "jsonrpc" | "method" | "id" => f.tree(Role::Other, member)?,
            "params" if rpc.method == "tools/call" && member.is_object() => call(member, &mut f)?,
            // What the user answers, or the client's model, goes out to the server.
            "params" | "result" | "error" => said(member, Role::User, &mut f)?,
            _ => {
                f.name(member)?;
                f.tree(Role::User, member)?;
            }
        }
    }
    Ok(f.message(&values, Message { choices: 1, rpc: Some(rpc), ..Message::default() }))
}

fn call(params: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    f.call(CallAt::new(0, None, params.get("name"), Arguments::of(params.get("arguments"))), None)?;
    for member in params.children() {
        match member.name().as_ref() {
            "arguments" => {}
            "name" if member.string().is_some() => {}
            "requestState" => f.sealed(None, Role::User, member)?,
            "_meta" if member.is_object() => meta(member, Role::Other, f)?,
            name => said(member, if name == "inputResponses" { Role::User } else { Role::Other }, f)?,
        }
    }
    Ok(())
}

/// A member that holds nothing but texts, media and states.
fn said(member: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    f.name(member)?;
    if !member.is_object() && !member.is_array() {
        return f.tree(role, member);
    }
    for each in member.children() {
        match each.name().as_ref() {
            "requestState" => f.sealed(None, role, each)?,
            "content" | "contents" if each.is_array() => contents(each, role, f)?,
            "_meta" if each.is_object() => meta(each, role, f)?,
            _ => rest(each, role, f)?,
        }
    }
    Ok(())
}

/// What stands beside a message.
fn meta(meta: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    meta.children().try_for_each(|each| rest(each, role, f))
}

/// A member that the protocol has no words for, or versions of it: they are dates, and nobody's speech.
fn rest(member: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    f.name(member)?;
    let told = match member.name().as_ref() {
        "protocolVersion" | VERSION => is_date(&member.word()),
        "supportedVersions" => member.is_array() && member.children().all(|each| is_date(&each.word())),
        _ => false,
    };
    if told { Ok(()) } else { f.tree(role, member) }
}

fn is_date(word: &str) -> bool {
    let form = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    word.len() == 10 && word.bytes().enumerate().all(form)
}

/// A list of contents: texts, media, resources.
fn contents(list: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<(), ReadError> {
    for each in list.children() {
        match each.word_of("type").as_ref() {
            kind @ ("image" | "audio") => f.media(if kind == "image" { "image" } else { "audio" }, role, each)?,
            "resource" if each.get("resource").is_some_and(|resource| resource.get("blob").is_some()) => {
                f.media("resource", role, each)?;
            }
            _ if each.get("blob").is_some() => f.media("resource", role, each)?,
            _ => f.tree(role, each)?,
        }
    }
    Ok(())
}

/// Reads what a server answers.
pub(super) fn answer(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, body) != Shape::Json {
        return generic::read(body, Role::ToolResult, NO_CHOICE);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root() else { return generic::read(body, Role::ToolResult, NO_CHOICE) };
    if root.is_array() {
        return Err(ReadError::new(Code::Batch, root.at().start));
    }
    let mut f = Findings::new(WORDS, NO_CHOICE);
    down(root, &mut f)?;
    Ok(f.message(&values, Message { choices: 1, ..Message::default() }))
}

/// The list of tools that a value is. `scope` says who may share it.
fn listing(tools: Value<'_, '_>, scope: Option<Value<'_, '_>>) -> Listing {
    let each = tools.children().map(|tool| Listed { name: tool.word_of("name").into_owned(), at: tool.whole() });
    let shared = scope.filter(|scope| scope.word() != "private").and_then(Value::string).map(|scope| scope.at);
    Listing { at: tools.at(), tools: each.collect(), shared }
}

/// A message that comes from the server. The entries of a list of tools are choices, so that one can go
/// without the others.
pub(super) fn down(root: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let whole = f.choice;
    for member in root.children() {
        match member.name().as_ref() {
            "result" if member.is_object() => {
                for each in member.children() {
                    match each.name().as_ref() {
                        "tools" if each.is_array() => {
                            f.list(listing(each, member.get("cacheScope")))?;
                            for (number, tool) in (0..).zip(each.children()) {
                                f.choice = if whole == NO_CHOICE { number } else { whole };
                                f.tree(Role::ToolDefinition, tool)?;
                            }
                            f.choice = whole;
                        }
                        "instructions" | "serverInfo" | "prompts" | "resourceTemplates" => {
                            f.name(each)?;
                            f.tree(Role::ToolDefinition, each)?;
                        }
                        "content" | "contents" if each.is_array() => contents(each, Role::ToolResult, f)?,
                        "requestState" => f.sealed(None, Role::ToolResult, each)?,
                        "_meta" if each.is_object() => meta(each, Role::ToolResult, f)?,
                        _ => rest(each, Role::ToolResult, f)?,
                    }
                }
            }
            "jsonrpc" | "method" | "id" => f.tree(Role::Other, member)?,
            _ => said(member, Role::ToolResult, f)?,
        }
    }
    if !root.is_object() {
        f.tree(Role::ToolResult, root)?;
    }
    Ok(())
}

/// The words of the protocol.
pub(super) const WORDS: &[&str] = &[
    "2.0",
    "_meta",
    "accept",
    "action",
    "annotations",
    "argument",
    "arguments",
    "array",
    "audience",
    "audio",
    "blob",
    "boolean",
    "cacheScope",
    "cancel",
    "capabilities",
    "clientInfo",
    "complete",
    "completions",
    "content",
    "contents",
    "cursor",
    "data",
    "decline",
    "description",
    "destructiveHint",
    "elicitation",
    "error",
    "execution",
    "experimental",
    "form",
    "icons",
    "id",
    "idempotentHint",
    "image",
    "inputRequests",
    "inputResponses",
    "inputSchema",
    "input_required",
    "instructions",
    "integer",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/serverInfo",
    "isError",
    "jsonrpc",
    "lastModified",
    "level",
    "listChanged",
    "logger",
    "logging",
    "maxTokens",
    "message",
    "messages",
    "method",
    "mimeType",
    "mode",
    "modelPreferences",
    "name",
    "nextCursor",
    "null",
    "number",
    "object",
    "openWorldHint",
    "outputSchema",
    "params",
    "priority",
    "progress",
    "progressToken",
    "prompts",
    "protocolVersion",
    "readOnlyHint",
    "ref",
    "requestId",
    "requestState",
    "requestedSchema",
    "resource",
    "resourceTemplates",
    "resource_link",
    "resources",
    "result",
    "resultType",
    "role",
    "roots",
    "sampling",
    "serverInfo",
    "size",
    "stopReason",
    "string",
    "structuredContent",
    "subscribe",
    "supportedVersions",
    "systemPrompt",
    "task",
    "taskId",
    "text",
    "title",
    "tools",
    "total",
    "ttlMs",
    "type",
    "uri",
    "uriTemplate",
    "url",
    "value",
    "values",
    "version",
    "websiteUrl",
];
