//! Refusals as the SDKs of this protocol understand them: a task that was rejected, with the reason in its message.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use crate::protocol::adapter::{Answer, BlockAs, Refusal, Why};
use crate::protocol::message::{RequestNotes, Rpc};
use crate::protocol::rpc;
use crate::protocol::value::Values;
use crate::protocol::words::{Wording, wording};

/// The key of our word in the metadata of a message.
const META: &str = "servanda/decision";

/// How the asker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    /// 1.0, in either binding; in JSON-RPC a result has a name around it.
    New,
    /// 0.3 in JSON-RPC: objects tell their kind.
    Old,
    /// 0.3 in HTTP+JSON: written as protocol buffers are, with other names.
    OldRest,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// A message was sent: a task or a message, with a name around it.
    Sent,
    /// A task, bare.
    Task,
    /// Anything else.
    Other,
}

/// The ids that a task has and the client knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub task: Option<String>,
    pub context: Option<String>,
}

impl Known {
    /// The ids that a body or an event tells of its task.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let values = Values::of_piece(bytes).ok();
        let Some(root) = values.as_ref().and_then(Values::root) else { return Self::default() };
        let result = if root.get("jsonrpc").is_some() { root.get("result") } else { Some(root) };
        let names = ["task", "statusUpdate", "status_update", "artifactUpdate", "artifact_update", "message", "msg"];
        let inner = names.iter().find_map(|name| result?.get(name)).filter(|inner| inner.is_object()).or(result);
        let word = |names: &[&str]| {
            let found = names.iter().find_map(|name| inner?.get(name)).map(|value| value.word().into_owned());
            found.filter(|word| !word.is_empty())
        };
        Self { task: word(&["taskId", "task_id", "id"]), context: word(&["contextId", "context_id"]) }
    }

    /// What is not known yet is taken from `other`.
    fn or(self, other: Self) -> Self {
        Self { task: self.task.or(other.task), context: self.context.or(other.context) }
    }

    fn of_request(notes: &RequestNotes) -> Self {
        Self { task: notes.task.clone(), context: notes.conversation.clone() }
    }
}

fn rpc_of(notes: &RequestNotes) -> Rpc {
    notes.rpc.clone().unwrap_or_default()
}

/// Whether the call came in an envelope of JSON-RPC. The words for the paths of the other binding have a colon.
fn in_envelope(rpc: &Rpc) -> bool {
    !rpc.id.is_empty() || !(rpc.method.is_empty() || rpc.method.contains(':'))
}

fn tongue(rpc: &Rpc) -> Tongue {
    match (rpc.version.is_some(), in_envelope(rpc)) {
        (false, _) => Tongue::New,
        (true, true) => Tongue::Old,
        (true, false) => Tongue::OldRest,
    }
}

fn wanted(rpc: &Rpc) -> Wanted {
    match rpc.method.as_str() {
        "SendMessage"
        | "SendStreamingMessage"
        | "SubscribeToTask"
        | "message/send"
        | "message/stream"
        | "tasks/resubscribe"
        | "message:send"
        | "message:stream"
        | ":subscribe" => Wanted::Sent,
        "GetTask" | "CancelTask" | "tasks/get" | "tasks/cancel" | "tasks:get" | ":cancel" => Wanted::Task,
        _ => Wanted::Other,
    }
}

/// The answer to a request that never reached the agent.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    one(refusal, notes, Known::of_request(notes))
}

/// The answer in place of an agent's.
pub(super) fn answer(refusal: &Refusal<'_>, body: &[u8], notes: &RequestNotes) -> Answer {
    let mut notes = notes.clone();
    if let (Some(rpc), Ok(values)) = (&mut notes.rpc, Values::of_body(body))
        && rpc.id.is_empty()
        && let Some(root) = values.root().filter(|root| root.get("jsonrpc").is_some())
    {
        rpc.id = rpc::of(root).id;
    }
    one(refusal, &notes, Known::of(body).or(Known::of_request(&notes)))
}

fn one(refusal: &Refusal<'_>, notes: &RequestNotes, known: Known) -> Answer {
    let rpc = rpc_of(notes);
    let wanted = wanted(&rpc);
    let soft = !is_error(refusal) && !matches!(refusal.why, Why::Unreadable(_)) && wanted != Wanted::Other;
    if !soft {
        return error(refusal, &rpc);
    }
    let task = task(refusal, tongue(&rpc), known, wanted == Wanted::Sent);
    let body = in_result(&rpc, task);
    if notes.streaming {
        let body = Bytes::from(frame(&body));
        return Answer { status: StatusCode::OK, content_type: "text/event-stream", body, retry_after: None };
    }
    rpc::json_answer(StatusCode::OK, &body, None)
}

/// Whether the refusal is an error rather than a task.
fn is_error(refusal: &Refusal<'_>) -> bool {
    refusal.why == Why::Engine || refusal.block_as == BlockAs::Error
}

/// An error in the binding that asked.
fn error(refusal: &Refusal<'_>, rpc: &Rpc) -> Answer {
    let Wording { status, retry_after, .. } = wording(refusal);
    if in_envelope(rpc) {
        let whole = rpc::error(refusal, rpc);
        return rpc::json_answer(whole.status, &envelope_error(refusal, rpc), retry_after);
    }
    rpc::json_answer(status, &status_error(refusal), retry_after)
}

/// The details of an error, as both bindings have them (`google.rpc.ErrorInfo`).
fn details(refusal: &Refusal<'_>, code: &str) -> Json {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let metadata = json!({"record": text(refusal.record), "predicate": text(refusal.predicate), "pact": text(refusal.pact)});
    json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "servanda", "metadata": metadata}])
}

/// An error in JSON-RPC; its data is a list of details.
fn envelope_error(refusal: &Refusal<'_>, rpc: &Rpc) -> Json {
    let mut error = rpc::error_object(refusal, rpc);
    if let Some(data) = error.pointer_mut("/error/data") {
        *data = details(refusal, wording(refusal).code);
    }
    error
}

/// An error in HTTP+JSON (`google.rpc.Status`).
fn status_error(refusal: &Refusal<'_>) -> Json {
    let Wording { status, code, message, .. } = wording(refusal);
    let word = match refusal.why {
        Why::Permission => "PERMISSION_DENIED",
        Why::Engine => "UNAVAILABLE",
        Why::Content => "FAILED_PRECONDITION",
        Why::Unreadable(_) | Why::Uninspected(_) => "INVALID_ARGUMENT",
    };
    json!({"error": {"code": status.as_u16(), "status": word, "message": message, "details": details(refusal, code)}})
}

/// A result in the envelope of its binding.
fn in_result(rpc: &Rpc, result: Json) -> Json {
    if in_envelope(rpc) { json!({"jsonrpc": "2.0", "id": rpc::id(rpc), "result": result}) } else { result }
}

fn frame(data: &Json) -> String {
    format!("data: {data}\n\n")
}

/// The state of a rejected task, with its reason.
fn rejected(refusal: &Refusal<'_>, tongue: Tongue, known: &Known) -> Json {
    let Wording { code, message, .. } = wording(refusal);
    let (state, role) = if tongue == Tongue::Old { ("rejected", "agent") } else { ("TASK_STATE_REJECTED", "ROLE_AGENT") };
    let parts = if tongue == Tongue::OldRest { "content" } else { "parts" };
    let mut part = json!({"text": message});
    let mut said = json!({
        "messageId": format!("servanda-{}", refusal.record.unwrap_or("refused")),
        "role": role,
        "taskId": known.task,
        "contextId": known.context,
        "metadata": {META: rpc::data(refusal, code)},
    });
    kind(&mut part, tongue, "text");
    kind(&mut said, tongue, "message");
    set(&mut said, parts, json!([part]));
    json!({"state": state, "message": said})
}

/// Names the kind of an object, where its version does.
fn kind(object: &mut Json, tongue: Tongue, kind: &str) {
    if tongue == Tongue::Old {
        set(object, "kind", kind.into());
    }
}

fn set(object: &mut Json, name: &str, value: Json) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// Ids of our own where nobody has given one: a task has both.
fn whole(refusal: &Refusal<'_>, known: Known) -> Known {
    let own = || Some(format!("servanda-{}", refusal.record.unwrap_or("refused")));
    Known { task: known.task.or_else(own), context: known.context.or_else(own) }
}

/// A rejected task, with its name around it where that is what is waited for.
fn task(refusal: &Refusal<'_>, tongue: Tongue, known: Known, named: bool) -> Json {
    let known = whole(refusal, known);
    let status = rejected(refusal, tongue, &known);
    let mut task = json!({"id": known.task, "contextId": known.context, "status": status});
    kind(&mut task, tongue, "task");
    if named && tongue != Tongue::Old { json!({"task": task}) } else { task }
}

/// The frame that ends a stream: the state of the task that the client knows, or a rejected task.
pub(super) fn stream_end(refusal: &Refusal<'_>, notes: &RequestNotes, given: Known) -> String {
    let rpc = rpc_of(notes);
    let tongue = tongue(&rpc);
    if is_error(refusal) {
        let error = if in_envelope(&rpc) { envelope_error(refusal, &rpc) } else { status_error(refusal) };
        return format!("event: error\n{}", frame(&error));
    }
    if given.task.is_none() {
        return frame(&in_result(&rpc, task(refusal, tongue, Known::of_request(notes), true)));
    }
    let known = whole(refusal, given.or(Known::of_request(notes)));
    let mut update = json!({"taskId": known.task, "contextId": known.context, "status": rejected(refusal, tongue, &known)});
    if tongue != Tongue::New {
        set(&mut update, "final", true.into());
    }
    kind(&mut update, tongue, "status-update");
    let update = if tongue == Tongue::Old { update } else { json!({"statusUpdate": update}) };
    frame(&in_result(&rpc, update))
}
