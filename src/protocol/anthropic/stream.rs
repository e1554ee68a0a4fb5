//! The events of a streamed answer.

use bytes::Bytes;

use super::read::{self, WORDS};
use super::refuse::{self, Given};
use crate::protocol::adapter::{CallKey, Channel, Piece, Refusal, StreamReader};
use crate::protocol::error::ReadError;
use crate::protocol::events::{data_as_text, line_pieces};
use crate::protocol::findings::{Arguments, CallAt, Findings, arguments_of};
use crate::protocol::message::{CallKind, Finish, Message, NO_CHOICE, RequestNotes, Role, Usage};
use crate::protocol::sse::{Change, Event};
use crate::protocol::tree::join;
use crate::protocol::value::{Value, Values};

/// What a let-go event means for a proper end; kept in the event's own note.
const OTHER: u64 = 0;
const STARTED: u64 = 1;
const STOPPED: u64 = 2;
const BLOCK: u64 = 3;
const BLOCK_END: u64 = 4;

/// Reads events, and remembers what a proper end needs.
#[derive(Debug)]
pub(super) struct Events {
    notes: RequestNotes,
    /// The calls that are open, and whether the provider runs them.
    calls: Vec<(u32, bool)>,
    usage: Option<Usage>,
    given: Given,
    done: bool,
}

impl Events {
    pub(super) fn new(notes: &RequestNotes) -> Self {
        Self { notes: notes.clone(), calls: Vec::new(), usage: None, given: Given::default(), done: false }
    }

    /// Reads one event's object and gives its note.
    fn object(&mut self, root: Value<'_, '_>, f: &mut Findings, ends: &mut Vec<Piece>) -> Result<u64, ReadError> {
        let index = root.get("index").and_then(Value::small).unwrap_or(0);
        let noted = |note: u64| note << 32 | u64::from(index);
        match root.word_of("type").as_ref() {
            "message_start" => {
                let start = root.get("message").filter(|start| start.is_object());
                if let Some(start) = start {
                    let mut message = Message::default();
                    read::message(start, f, &mut message)?;
                    self.usage = message.usage.or(self.usage);
                    ends.extend(message.finish.into_iter().map(finish));
                }
                f.rest(Role::Other, root, if start.is_some() { &["type", "message"] } else { &["type"] })?;
                return Ok(noted(STARTED));
            }
            "content_block_start" => {
                f.choice = 0;
                if let Some(block) = root.get("content_block") {
                    self.block(block, index, f)?;
                }
                f.choice = NO_CHOICE;
                f.rest(Role::Other, root, &["type", "content_block"])?;
                return Ok(noted(BLOCK));
            }
            "content_block_delta" => {
                f.choice = 0;
                if let Some(delta) = root.get("delta") {
                    self.delta(delta, index, f)?;
                }
                f.choice = NO_CHOICE;
                f.rest(Role::Other, root, &["type", "delta"])?;
            }
            "content_block_stop" => {
                f.rest(Role::Other, root, &["type"])?;
                let of_block = |role| Channel { choice: 0, role, number: number(index), joined: true };
                ends.extend([Role::Assistant, Role::Reasoning].map(|role| Piece::TextEnd(of_block(role))));
                if let Some(at) = self.calls.iter().position(|(open, _)| *open == index)
                    && self.calls.swap_remove(at).1
                {
                    let (role, number) = (Role::Assistant, arguments_of(index));
                    ends.push(Piece::TextEnd(Channel { choice: 0, role, number, joined: true }));
                    ends.push(Piece::CallEnd(CallKey { choice: 0, index }));
                }
                return Ok(noted(BLOCK_END));
            }
            "message_delta" => {
                let mut message = Message::default();
                let delta = root.get("delta").filter(|delta| delta.is_object());
                if let Some(delta) = delta {
                    read::message(delta, f, &mut message)?;
                }
                if let Some(usage) = root.get("usage").filter(|usage| usage.is_object()) {
                    let usage = read::usage(usage, self.usage);
                    self.usage = Some(usage);
                    ends.push(Piece::Usage(usage));
                }
                f.rest(Role::Other, root, if delta.is_some() { &["type", "delta"] } else { &["type"] })?;
                let stopped = !message.finish.is_empty();
                ends.extend(message.finish.into_iter().map(finish));
                return Ok(noted(if stopped { STOPPED } else { OTHER }));
            }
            "message_stop" => {
                f.rest(Role::Other, root, &["type"])?;
                ends.push(Piece::Done);
            }
            "ping" | "error" => f.tree(Role::Other, root)?,
            // Nobody knows whether an unknown field is a delta or a whole.
            _ => f.tree_both(Role::Assistant, root, 0)?,
        }
        Ok(OTHER)
    }

    fn block(&mut self, block: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
        let kind = block.word_of("type");
        if let Some(executed) = read::is_call(&kind) {
            self.calls.push((index, executed));
        }
        // The beginning of a text that goes on.
        let (field, role) = match kind.as_ref() {
            "text" => ("text", Role::Assistant),
            "thinking" => ("thinking", Role::Reasoning),
            kind if !read::is_known(kind) => return f.tree_both(Role::Assistant, block, number(index)),
            _ => return read::block(block, index, Role::Assistant, f),
        };
        if let Some(text) = block.get(field) {
            f.go_on(role, number(index), text, role != Role::Reasoning)?;
        }
        f.rest(Role::Other, block, &["type", field])
    }

    fn delta(&mut self, delta: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
        let (taken, role) = match delta.word_of("type").as_ref() {
            "text_delta" => ("text", Role::Assistant),
            "thinking_delta" => ("thinking", Role::Reasoning),
            "input_json_delta" => {
                let known = self.calls.iter().find(|(open, _)| *open == index);
                let executed = known.is_some_and(|(_, executed)| *executed);
                let arguments = delta.get("partial_json").and_then(Value::string).map_or(Arguments::None, Arguments::String);
                let (kind, copy) = (CallKind::Function, false);
                let piece = CallAt { index, kind, id: None, name: None, arguments, executed, copy };
                f.call(piece, delta.get("partial_json"))?;
                f.strange(Role::Assistant, delta.get("partial_json").filter(|_| !executed))?;
                return f.rest(Role::Assistant, delta, &["type", "partial_json"]);
            }
            "signature_delta" => {
                if let Some(signature) = delta.get("signature") {
                    f.sealed(None, Role::Other, signature)?;
                }
                return f.rest(Role::Other, delta, &["type", "signature"]);
            }
            "citations_delta" => {
                if let Some(citation) = delta.get("citation") {
                    read::cited(Role::Assistant, citation, f)?;
                }
                return f.rest(Role::Other, delta, &["type", "citation"]);
            }
            _ => return f.tree_both(Role::Assistant, delta, number(index)),
        };
        if let Some(text) = delta.get(taken) {
            f.go_on(role, number(index), text, role != Role::Reasoning)?;
        }
        f.rest(Role::Other, delta, &["type", taken])
    }
}

/// The number of a block's channel.
fn number(index: u32) -> u32 {
    join(index, "block")
}

fn finish(finish: Finish) -> Piece {
    Piece::Finish { choice: finish.choice, reason: finish.reason }
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        let values = Values::of_piece(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, NO_CHOICE);
        let mut ends = Vec::new();
        let note = self.object(root, &mut f, &mut ends)?;
        f.pieces(out);
        out.append(&mut ends);
        out.push(Piece::InOrder(note));
        Ok(())
    }

    fn released(&mut self, _event: &Event, pieces: &[Piece], _changes: &[Change<'_>]) {
        for piece in pieces {
            match piece {
                Piece::InOrder(note) => {
                    let index = (note & u64::from(u32::MAX)) as u32;
                    match note >> 32 {
                        STARTED => self.given.started = true,
                        STOPPED => self.given.stopped = true,
                        BLOCK => self.given.begin(index),
                        BLOCK_END => self.given.open = None,
                        _ => {}
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
        Bytes::from(refuse::stream_end(refusal, &self.notes, self.given, self.usage.unwrap_or_default()))
    }
}
