//! The events of a streamed or replayed answer.

use bytes::Bytes;

use super::items::{self, Told, calling};
use super::read;
use super::refuse::{self, Given};
use super::words::WORDS;
use crate::protocol::adapter::{CallKey, Channel, Piece, Refusal, StreamReader};
use crate::protocol::error::ReadError;
use crate::protocol::events::{data_as_text, line_pieces};
use crate::protocol::findings::{Arguments, CallAt, Findings, arguments_of};
use crate::protocol::message::{CallKind, Finish, Message, NO_CHOICE, RequestNotes, Role};
use crate::protocol::sse::{Change, Event};
use crate::protocol::tree::{self, join};
use crate::protocol::value::{Value, Values};

/// Whether a let-go event is to be remembered for a proper end; kept in the event's own note.
const PLAIN: u64 = 0;
const TELLS: u64 = 1;

/// Reads events, and remembers what a proper end needs.
#[derive(Debug)]
pub(super) struct Events {
    notes: RequestNotes,
    given: Given,
    done: bool,
}

/// How the pieces of a text are told.
struct Going {
    role: Role,
    /// The member that holds the whole at the end.
    whole: &'static str,
}

/// The texts that go on, by the event's type without its last word.
fn going(kind: &str) -> Option<Going> {
    let text = |role, whole| Some(Going { role, whole });
    match kind {
        "response.output_text" => text(Role::Assistant, "text"),
        "response.refusal" => text(Role::Refusal, "refusal"),
        "response.reasoning_text" | "response.reasoning_summary_text" => text(Role::Reasoning, "text"),
        "response.audio.transcript" => text(Role::Assistant, "transcript"),
        _ => None,
    }
}

/// The arguments that come in pieces: the member that holds the whole at the end, kind, whether it is run.
fn arguing(kind: &str) -> Option<(&'static str, CallKind, bool)> {
    match kind {
        "response.function_call_arguments" => Some(("arguments", CallKind::Function, false)),
        "response.custom_tool_call_input" => Some(("input", CallKind::Custom, false)),
        "response.mcp_call_arguments" => Some(("arguments", CallKind::Function, true)),
        _ => None,
    }
}

/// Events of calls that tell their arguments in a form of their own; the item tells them again, whole.
fn of_other_call(kind: &str) -> Option<bool> {
    if kind.starts_with("response.shell_call_output") {
        return None;
    }
    match kind.strip_prefix("response.")? {
        kind if kind.starts_with("shell_call") || kind.starts_with("apply_patch_call") => Some(false),
        kind if kind.starts_with("code_interpreter_call_code") => Some(true),
        _ => None,
    }
}

impl Events {
    pub(super) fn new(notes: &RequestNotes) -> Self {
        Self { notes: notes.clone(), given: Given::default(), done: false }
    }
}

/// What an event's object says. Gives whether it is to be remembered.
fn object(root: Value<'_, '_>, f: &mut Findings, ends: &mut Vec<Piece>) -> Result<u64, ReadError> {
    let kind = root.word_of("type");
    let number = |name: &str| root.get(name).and_then(Value::small);
    let index = number("output_index").unwrap_or(0);
    // Parts and summaries have numbers of their own.
    let place = number("content_index").or_else(|| number("summary_index")).unwrap_or(0);
    let channel = join(index, "item").wrapping_add(place);
    f.choice = 0;
    if let Some((kind, last)) = kind.rsplit_once('.') {
        if let Some(Going { role, whole }) = going(kind) {
            let taken = match last {
                "delta" => {
                    if let Some(delta) = root.get("delta") {
                        f.go_on(role, channel, delta, true)?;
                    }
                    "delta"
                }
                "done" => {
                    if let Some(text) = root.get(whole) {
                        f.say(role, text)?;
                    }
                    ends.push(Piece::TextEnd(Channel { choice: 0, role, number: channel, joined: true }));
                    whole
                }
                _ => "",
            };
            if let Some(logprobs) = root.get("logprobs") {
                items::shadow(logprobs, f)?;
            }
            rest(root, &[taken, "logprobs"], f)?;
            return Ok(TELLS);
        }
        if let Some((whole, call_kind, executed)) = arguing(kind) {
            let said = if last == "delta" { "delta" } else { whole };
            let arguments = root.get(said).and_then(Value::string).map_or(Arguments::None, Arguments::String);
            let name = root.get("name").and_then(Value::string);
            let copy = last != "delta";
            f.call(CallAt { index, kind: call_kind, id: None, name, arguments, executed, copy }, root.get(said))?;
            f.strange(Role::Assistant, root.get(said).filter(|_| !executed))?;
            f.call_name(executed, root.get("name"))?;
            rest(root, &[said, "name"], f)?;
            return Ok(PLAIN);
        }
    }
    if let Some(executed) = of_other_call(&kind) {
        let (kind, arguments) = (CallKind::Function, Arguments::None);
        f.call(CallAt { index, kind, id: None, name: None, arguments, executed, copy: false }, None)?;
        return unknown(root, Role::Assistant, f);
    }
    match kind.as_ref() {
        "response.output_item.added" | "response.output_item.done" => {
            let done = kind.ends_with("done");
            if let Some(item) = root.get("item") {
                let told = if done { Told::Again } else { Told::Begins };
                items::item(item, index, told, Role::Assistant, f)?;
                if done && calling(&item.word_of("type")).is_some_and(|calling| calling.executed) {
                    let (role, number) = (Role::Assistant, arguments_of(index));
                    ends.push(Piece::TextEnd(Channel { choice: 0, role, number, joined: true }));
                    ends.push(Piece::CallEnd(CallKey { choice: 0, index }));
                }
            }
            rest(root, &["item"], f)?;
            Ok(TELLS)
        }
        "response.content_part.added" | "response.content_part.done" => {
            if let Some(part) = root.get("part") {
                begin_part(part, kind.ends_with("added"), channel, f)?;
            }
            rest(root, &["part"], f)?;
            Ok(TELLS)
        }
        "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done" => {
            if let Some(part) = root.get("part") {
                items::part(part, Role::Reasoning, f)?;
            }
            rest(root, &["part"], f)?;
            Ok(PLAIN)
        }
        "response.audio.delta" => {
            if let Some(delta) = root.get("delta") {
                f.media("audio", Role::Assistant, delta)?;
            }
            rest(root, &["delta"], f)?;
            Ok(PLAIN)
        }
        "response.image_generation_call.partial_image" => {
            if let Some(image) = root.get("partial_image_b64") {
                f.media("image", Role::Assistant, image)?;
            }
            rest(root, &["partial_image_b64"], f)?;
            Ok(PLAIN)
        }
        "response.shell_call_output_content.delta" | "response.shell_call_output_content.done" => {
            unknown(root, Role::ToolResult, f)
        }
        "error" => {
            f.tree(Role::Other, root)?;
            Ok(PLAIN)
        }
        _ => whole_response(root, f, ends),
    }
}

/// The beginning of a part, whose text goes on in deltas; or its end, where it is said again.
fn begin_part(part: Value<'_, '_>, begins: bool, channel: u32, f: &mut Findings) -> Result<(), ReadError> {
    let (field, role) = match part.word_of("type").as_ref() {
        "output_text" if begins => ("text", Role::Assistant),
        "refusal" if begins => ("refusal", Role::Refusal),
        "reasoning_text" if begins => ("text", Role::Reasoning),
        _ => return items::part(part, Role::Assistant, f),
    };
    if let Some(text) = part.get(field) {
        f.go_on(role, channel, text, true)?;
    }
    f.rest(Role::Other, part, &["type", field])
}

/// An event with the response as it stands, or one that nobody knows.
fn whole_response(root: Value<'_, '_>, f: &mut Findings, ends: &mut Vec<Piece>) -> Result<u64, ReadError> {
    let Some(response) = root.get("response").filter(|response| response.is_object()) else {
        return unknown(root, Role::Assistant, f);
    };
    f.choice = NO_CHOICE;
    let mut message = Message::default();
    read::response(response, Told::Again, f, &mut message)?;
    rest(root, &["response"], f)?;
    let kind = root.word_of("type");
    if matches!(kind.as_ref(), "response.completed" | "response.failed" | "response.incomplete" | "response.cancelled") {
        ends.extend(message.usage.map(Piece::Usage));
        ends.extend(message.finish.into_iter().map(|Finish { choice, reason }| Piece::Finish { choice, reason }));
        ends.push(Piece::Done);
    }
    Ok(TELLS)
}

/// An event of which nobody knows whether it is a delta. Where it belongs is none.
fn unknown(root: Value<'_, '_>, role: Role, f: &mut Findings) -> Result<u64, ReadError> {
    const PLACE: &[&str] = &["type", "item_id", "obfuscation"];
    let index = root.get("output_index").and_then(Value::small).unwrap_or(0);
    let path = join(index, &root.word_of("type"));
    for member in root.children() {
        if PLACE.contains(&member.name().as_ref()) {
            left(root, member, f)?;
        } else {
            f.name(member)?;
            f.tree_both(role, member, join(path, &member.name()))?;
        }
    }
    Ok(PLAIN)
}

/// All members that were not taken.
fn rest(root: Value<'_, '_>, taken: &[&str], f: &mut Findings) -> Result<(), ReadError> {
    root.children().filter(|member| !taken.contains(&member.name().as_ref())).try_for_each(|member| left(root, member, f))
}

/// A member that nobody took; of the type only what no word of the protocol is. Padding is left out as long as it
/// can be nothing else.
fn left(root: Value<'_, '_>, member: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let name = member.name();
    if name == "obfuscation" && member.string().is_some_and(|at| tree::is_padding(root.raw(&at.at))) {
        return Ok(());
    }
    f.name(member)?;
    f.tree(Role::Other, member)
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        if event.data() == b"[DONE]" {
            out.push(Piece::Done);
            return Ok(());
        }
        let values = Values::of_piece(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, 0);
        let mut ends = Vec::new();
        let note = object(root, &mut f, &mut ends)?;
        f.pieces(out);
        out.append(&mut ends);
        let number = root.get("sequence_number").and_then(Value::number).unwrap_or(0);
        out.push(Piece::InOrder(number << 1 | note));
        Ok(())
    }

    fn released(&mut self, event: &Event, pieces: &[Piece], changes: &[Change<'_>]) {
        for piece in pieces {
            match piece {
                Piece::InOrder(note) => {
                    self.given.next_number = (note >> 1) + 1;
                    if note & 1 == TELLS {
                        let data = event.data_with(changes);
                        if let Ok(values) = Values::of_piece(&data)
                            && let Some(root) = values.root()
                        {
                            self.given.note(root);
                        }
                    }
                }
                Piece::Done => self.done = true,
                _ => {}
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        Bytes::from(refuse::stream_end(refusal, &self.notes, &mut self.given))
    }
}
