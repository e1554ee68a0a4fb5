//! Messages, tasks and artifacts, wherever they stand in a body or an event.

use crate::protocol::adapter::{Channel, Piece};
use crate::protocol::error::{Code, ReadError};
use crate::protocol::findings::Findings;
use crate::protocol::message::{Message, Role, Rpc};
use crate::protocol::tree::join;
use crate::protocol::value::{Value, Values};
use crate::protocol::{Shape, generic, rpc, sniff};

/// The version of the refusals to whoever speaks 0.3.
pub(super) const OLD: &str = "0.3";

/// The methods of both versions, in JSON-RPC.
const METHODS: &[&str] = &[
    "CancelTask",
    "CreateTaskPushNotificationConfig",
    "DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard",
    "GetTask",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs",
    "ListTasks",
    "SendMessage",
    "SendStreamingMessage",
    "SubscribeToTask",
    "agent/getAuthenticatedExtendedCard",
    "message/send",
    "message/stream",
    "tasks/cancel",
    "tasks/get",
    "tasks/pushNotificationConfig/delete",
    "tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list",
    "tasks/pushNotificationConfig/set",
    "tasks/resubscribe",
];

/// Reads what a client sends, in either binding.
pub(super) fn request(body: &[u8]) -> Result<Message<'_>, ReadError> {
    let values = Values::of_body(body)?;
    let Some(root) = values.root() else { return generic::read(body, Role::User, 0) };
    if root.is_array() {
        return Err(ReadError::new(Code::Batch, root.at().start));
    }
    if !root.is_object() {
        return generic::read(body, Role::User, 0);
    }
    let called = (root.get("method").is_some() || root.get("jsonrpc").is_some()).then(|| rpc::of(root));
    if let Some(rpc) = &called {
        rpc::checked(rpc, root, METHODS)?;
    }
    let params = if called.is_some() { root.get("params") } else { Some(root) };
    let said = params.and_then(said_in);
    let mut f = Findings::new(WORDS, 0);
    for member in root.children() {
        match member.name().as_ref() {
            "params" if called.is_some() && member.is_object() => asked(member, &mut f)?,
            "jsonrpc" | "method" | "id" if called.is_some() => f.tree(Role::Other, member)?,
            _ if called.is_some() => one(member, &mut f)?,
            _ => {}
        }
    }
    if called.is_none() {
        asked(root, &mut f)?;
    }
    let word = |value: Option<Value<'_, '_>>, names: [&str; 2]| {
        names.iter().find_map(|name| value?.get(name)).map(|v| v.word().into_owned()).filter(|word| !word.is_empty())
    };
    let message = Message {
        choices: 1,
        streaming: called.as_ref().is_some_and(|rpc| is_streaming(&rpc.method)),
        conversation: word(said, CONTEXT),
        task: word(said, TASK).or_else(|| word(params.filter(|_| said.is_none()), ["id", "taskId"])),
        rpc: called.map(|rpc| Rpc { version: rpc.method.contains('/').then(|| OLD.to_owned()), ..rpc }),
        ..Message::default()
    };
    Ok(f.message(&values, message))
}

/// The names of an id, as they are written and as a reader of protocol buffers takes them too.
const CONTEXT: [&str; 2] = ["contextId", "context_id"];
const TASK: [&str; 2] = ["taskId", "task_id"];

fn is_streaming(method: &str) -> bool {
    matches!(method, "SendStreamingMessage" | "SubscribeToTask" | "message/stream" | "tasks/resubscribe")
}

/// The message of a request.
fn said_in<'v, 'b>(params: Value<'v, 'b>) -> Option<Value<'v, 'b>> {
    params.get("message").or_else(|| params.get("request")).filter(|said| said.is_object())
}

/// What is asked of an agent.
fn asked(params: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    for member in params.children() {
        match member.name().as_ref() {
            // Whoever its author claims to be: it is what goes out now.
            "message" | "request" if member.is_object() => Walk::new(f, Role::User).holder(member, Text::Alone)?,
            _ => one(member, f)?,
        }
    }
    Ok(())
}

fn one(member: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    f.name(member)?;
    f.tree(Role::User, member)
}

/// Reads what an agent answers.
pub(super) fn answer(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, body) != Shape::Json {
        return generic::read(body, Role::Assistant, 0);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root() else { return generic::read(body, Role::Assistant, 0) };
    if root.is_array() {
        return Err(ReadError::new(Code::Batch, root.at().start));
    }
    let mut f = Findings::new(WORDS, 0);
    Walk::new(&mut f, Role::Assistant).whole(root)?;
    Ok(f.message(&values, Message { choices: 1, ..Message::default() }))
}

/// How a text goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    /// It stands alone.
    Alone,
    /// It stands alone, and is a piece of what goes on under this number.
    Both(u32),
}

/// What an event of a stream holds, as far as its end asks for it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The last event of the task, or the one message.
    pub last: bool,
    /// The state that it tells.
    pub state: String,
}

/// Walks messages, tasks and artifacts.
#[derive(Debug)]
pub(super) struct Walk<'f> {
    f: &'f mut Findings,
    role: Role,
    /// Reading an event: texts may go on in the next.
    stream: bool,
    /// Texts that have ended before this event, and with it.
    pub ended: (Vec<Piece>, Vec<Piece>),
    pub told: Told,
}

impl<'f> Walk<'f> {
    fn new(f: &'f mut Findings, role: Role) -> Self {
        Self { f, role, stream: false, ended: (Vec::new(), Vec::new()), told: Told::default() }
    }

    /// For an event of a stream.
    pub(super) fn of_event(f: &'f mut Findings) -> Self {
        Self { stream: true, ..Self::new(f, Role::Assistant) }
    }

    /// A whole answer, or an event: an envelope of JSON-RPC or not.
    pub(super) fn whole(&mut self, root: Value<'_, '_>) -> Result<(), ReadError> {
        if !root.is_object() {
            return self.f.tree(self.role, root);
        }
        if root.get("jsonrpc").is_none() {
            return self.result(root);
        }
        for member in root.children() {
            match member.name().as_ref() {
                "jsonrpc" | "id" => self.f.tree(Role::Other, member)?,
                "result" if member.is_object() => self.result(member)?,
                _ => self.other(member)?,
            }
        }
        Ok(())
    }

    fn result(&mut self, value: Value<'_, '_>) -> Result<(), ReadError> {
        if is_card(value) {
            let from = self.f.count();
            self.f.tree(Role::ToolDefinition, value)?;
            if value.get("signatures").is_some() {
                self.f.freeze(from);
            }
            return Ok(());
        }
        let text = if self.stream { self.number(value) } else { Text::Alone };
        self.told.last |= value.word_of("kind") == "message" || value.get("message").is_some_and(Value::is_object);
        self.holder(value, text)
    }

    /// Under which number the texts of an event go on: those of an artifact that is built, and those of the
    /// states of a task, over events; all others end with it.
    fn number(&mut self, value: Value<'_, '_>) -> Text {
        let inner = |names: [&str; 2]| names.iter().find_map(|name| value.get(name));
        let kind = value.word_of("kind");
        let built = inner(["artifactUpdate", "artifact_update"]).or_else(|| (kind == "artifact-update").then_some(value));
        if let Some(built) = built {
            let artifact = built.get("artifact");
            let id =
                ["artifactId", "artifact_id"].iter().find_map(|name| artifact?.get(name)).map(Value::word).unwrap_or_default();
            let number = join(join(0, "artifact"), &id);
            let says = |names: [&str; 2]| names.iter().any(|name| built.get(name).is_some_and(is_true));
            if !says(["append", "append"]) {
                self.ended.0.push(end(number));
            }
            if says(["lastChunk", "last_chunk"]) {
                self.ended.1.push(end(number));
            }
            return Text::Both(number);
        }
        let state = inner(["statusUpdate", "status_update"]).or_else(|| (kind == "status-update").then_some(value));
        if let Some(state) = state {
            self.told.last |= state.get("final").is_some_and(is_true);
            return Text::Both(join(0, "status"));
        }
        let number = join(0, "whole");
        self.ended.1.push(end(number));
        Text::Both(number)
    }

    /// Anything that holds parts, or holds what holds them: a message, a task, its state, an artifact, an event.
    pub(super) fn holder(&mut self, value: Value<'_, '_>, text: Text) -> Result<(), ReadError> {
        for member in value.children() {
            match member.name().as_ref() {
                "task" | "message" | "msg" | "status" | "statusUpdate" | "status_update" | "artifact" | "artifactUpdate"
                | "artifact_update"
                    if member.is_object() =>
                {
                    self.holder(member, text)?;
                }
                "artifacts" | "history" | "tasks" if member.is_array() => {
                    for each in member.children() {
                        if each.is_object() { self.holder(each, text)? } else { self.f.tree(self.role, each)? }
                    }
                }
                "parts" | "content" if member.is_array() => {
                    for each in member.children() {
                        self.part(each, text)?;
                    }
                }
                "state" if member.string().is_some() => {
                    self.told.state = member.word().into_owned();
                    self.told.last |= is_final(&self.told.state);
                    self.other(member)?;
                }
                _ => self.other(member)?,
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Value<'_, '_>, text: Text) -> Result<(), ReadError> {
        if !part.is_object() {
            return self.f.say(self.role, part);
        }
        for member in part.children() {
            match member.name().as_ref() {
                "text" => {
                    self.f.say(self.role, member)?;
                    if let (Text::Both(number), Some(_)) = (text, member.string()) {
                        self.f.go_on(self.role, number, member, true)?;
                    }
                }
                "raw" => self.f.media("file", self.role, member)?,
                "file" if ["bytes", "fileWithBytes", "file_with_bytes"].iter().any(|name| member.get(name).is_some()) => {
                    self.f.media("file", self.role, member)?;
                }
                "data" | "file" | "url" => self.f.tree(self.role, member)?,
                _ => self.other(member)?,
            }
        }
        Ok(())
    }

    fn other(&mut self, member: Value<'_, '_>) -> Result<(), ReadError> {
        self.f.name(member)?;
        self.f.tree(self.role, member)
    }
}

fn is_true(value: Value<'_, '_>) -> bool {
    value.kind() == crate::protocol::value::Kind::Bool(true)
}

fn end(number: u32) -> Piece {
    Piece::TextEnd(Channel { choice: 0, role: Role::Assistant, number, joined: true })
}

/// Whether a task in this state says no more.
fn is_final(state: &str) -> bool {
    let bare = state.strip_prefix("TASK_STATE_").unwrap_or(state);
    ["completed", "failed", "canceled", "rejected"].iter().any(|last| bare.eq_ignore_ascii_case(last))
}

/// Whether an agent tells of itself, and of nothing else.
fn is_card(value: Value<'_, '_>) -> bool {
    const SAID: [&str; 7] = ["task", "message", "status", "statusUpdate", "artifactUpdate", "parts", "artifacts"];
    value.get("skills").is_some_and(Value::is_array)
        && value.get("capabilities").is_some_and(Value::is_object)
        && SAID.iter().all(|name| value.get(name).is_none())
}

/// The words of the protocol.
pub(super) const WORDS: &[&str] = &[
    "2.0",
    "ROLE_AGENT",
    "ROLE_USER",
    "TASK_STATE_AUTH_REQUIRED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "acceptedOutputModes",
    "agent",
    "append",
    "artifact",
    "artifact-update",
    "artifactId",
    "artifactUpdate",
    "artifacts",
    "auth-required",
    "blocking",
    "bytes",
    "canceled",
    "capabilities",
    "completed",
    "configuration",
    "contextId",
    "data",
    "defaultInputModes",
    "defaultOutputModes",
    "documentationUrl",
    "examples",
    "extensions",
    "failed",
    "file",
    "filename",
    "final",
    "historyLength",
    "iconUrl",
    "id",
    "input-required",
    "inputModes",
    "kind",
    "lastChunk",
    "mediaType",
    "message",
    "messageId",
    "metadata",
    "method",
    "mimeType",
    "name",
    "outputModes",
    "params",
    "protocolBinding",
    "protocolVersion",
    "provider",
    "pushNotificationConfig",
    "pushNotifications",
    "raw",
    "referenceTaskIds",
    "rejected",
    "returnImmediately",
    "role",
    "securityRequirements",
    "securitySchemes",
    "signatures",
    "skills",
    "state",
    "status",
    "status-update",
    "streaming",
    "submitted",
    "supportedInterfaces",
    "tags",
    "task",
    "taskId",
    "taskPushNotificationConfig",
    "tenant",
    "text",
    "timestamp",
    "uri",
    "url",
    "user",
    "version",
    "working",
];
