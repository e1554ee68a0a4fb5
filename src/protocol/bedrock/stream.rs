//! The frames of a streamed answer.

use bytes::Bytes;

use super::read::{self, WORDS};
use super::refuse::{self, Given};
use crate::base::names::UnjudgedReason;
use crate::protocol::adapter::{CallKey, Channel, Piece, Refusal, StreamReader};
use crate::protocol::error::{Code, ReadError};
use crate::protocol::events::{data_as_text, line_pieces};
use crate::protocol::findings::{Arguments, CallAt, Findings, arguments_of};
use crate::protocol::message::{CallKind, Role};
use crate::protocol::sse::{Change, Event};
use crate::protocol::tree::join;
use crate::protocol::value::{Value, Values};

/// What a let-go event means for a proper end; kept in the event's own note.
const OTHER: u64 = 0;
const STARTED: u64 = 1;
const BLOCK: u64 = 2;
const BLOCK_END: u64 = 3;
const STOPPED: u64 = 4;

/// Reads frames, and remembers what a proper end needs.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The calls that the provider runs itself, while they are open.
    executed: Vec<u32>,
    given: Given,
    done: bool,
}

impl Events {
    fn object(&mut self, name: &str, root: Value<'_, '_>, f: &mut Findings, ends: &mut Vec<Piece>) -> Result<u64, ReadError> {
        let index = root.get("contentBlockIndex").and_then(Value::small).unwrap_or(0);
        let noted = |note: u64| note << 32 | u64::from(index);
        match name {
            "messageStart" => {
                f.tree(Role::Other, root)?;
                Ok(noted(STARTED))
            }
            "contentBlockStart" => {
                if let Some(start) = root.get("start") {
                    self.begin(start, index, f)?;
                }
                f.rest(Role::Other, root, &["start"])?;
                Ok(noted(BLOCK))
            }
            "contentBlockDelta" => {
                if let Some(delta) = root.get("delta") {
                    self.delta(delta, index, f)?;
                }
                f.rest(Role::Other, root, &["delta"])?;
                // A text has no start of its own.
                Ok(noted(BLOCK))
            }
            "contentBlockStop" => {
                f.rest(Role::Other, root, &[])?;
                ends.extend([Role::Assistant, Role::Reasoning].map(|role| ended(role, number(index))));
                if let Some(at) = self.executed.iter().position(|open| *open == index) {
                    self.executed.swap_remove(at);
                    ends.push(ended(Role::Assistant, arguments_of(index)));
                    ends.push(Piece::CallEnd(CallKey { choice: 0, index }));
                }
                Ok(noted(BLOCK_END))
            }
            "messageStop" => {
                f.rest(Role::Other, root, &[])?;
                ends.push(Piece::Finish { choice: 0, reason: root.word_of("stopReason").into_owned() });
                Ok(noted(STOPPED))
            }
            "metadata" => {
                ends.extend(root.get("usage").map(|usage| Piece::Usage(read::usage(usage))));
                f.tree(Role::Other, root)?;
                Ok(noted(OTHER))
            }
            // Nobody knows whether a field of an unknown event, or of a model's own chunk, is a delta.
            _ => {
                f.tree_both(Role::Assistant, root, 0)?;
                Ok(noted(OTHER))
            }
        }
    }

    fn begin(&mut self, start: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
        let used = ["toolUse", "serverToolUse"].iter().find_map(|name| start.get(name)).filter(|used| used.is_object());
        if used.is_some_and(|used| used.word_of("type") == "server_tool_use") {
            if self.executed.len() >= crate::base::limits::STREAM_CHANNELS_MAX {
                return Err(ReadError::new(Code::TooManyChannels, start.at().start));
            }
            self.executed.push(index);
        }
        read::block(start, index, Role::Assistant, f)
    }

    fn delta(&mut self, delta: Value<'_, '_>, index: u32, f: &mut Findings) -> Result<(), ReadError> {
        if !delta.is_object() {
            return f.tree_both(Role::Assistant, delta, number(index));
        }
        for member in delta.children() {
            match member.name().as_ref() {
                "text" => f.go_on(Role::Assistant, number(index), member, false)?,
                "toolUse" | "serverToolUse" if member.is_object() => {
                    let executed = self.executed.contains(&index);
                    let input = member.get("input");
                    let arguments = input.and_then(Value::string).map_or(Arguments::None, Arguments::String);
                    let (kind, copy) = (CallKind::Function, false);
                    f.call(CallAt { index, kind, id: None, name: None, arguments, executed, copy }, input)?;
                    f.strange(Role::Assistant, input.filter(|_| !executed))?;
                    f.rest(Role::Assistant, member, &["input"])?;
                }
                "reasoningContent" if member.is_object() => {
                    if let Some(text) = member.get("text") {
                        f.go_on(Role::Reasoning, number(index), text, false)?;
                    }
                    for each in member.children().filter(|each| each.name() != "text") {
                        match each.name().as_ref() {
                            "redactedContent" => f.sealed(Some("redacted_reasoning"), Role::Reasoning, each)?,
                            "signature" => f.sealed(None, Role::Other, each)?,
                            _ => f.tree_both(Role::Reasoning, each, number(index))?,
                        }
                    }
                }
                _ => {
                    f.name(member)?;
                    f.tree_both(Role::Assistant, member, join(number(index), &member.name()))?;
                }
            }
        }
        Ok(())
    }
}

fn ended(role: Role, number: u32) -> Piece {
    Piece::TextEnd(Channel { choice: 0, role, number, joined: true })
}

/// The number of a block's channel.
fn number(index: u32) -> u32 {
    join(index, "block")
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        let values = Values::of_piece(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, 0);
        if event.name() == Some("chunk") {
            // A model's own chunk in base64: what its texts would be joined to stands in it.
            f.unread("model_chunk", UnjudgedReason::Encrypted)?;
        }
        let mut ends = Vec::new();
        let note = self.object(event.name().unwrap_or_default(), root, &mut f, &mut ends)?;
        f.pieces(out);
        out.append(&mut ends);
        out.push(Piece::InOrder(note));
        Ok(())
    }

    fn released(&mut self, _event: &Event, pieces: &[Piece], _changes: &[Change<'_>]) {
        for piece in pieces {
            let Piece::InOrder(note) = piece else { continue };
            let index = (note & u64::from(u32::MAX)) as u32;
            match note >> 32 {
                STARTED => self.given.started = true,
                BLOCK => self.given.begin(index),
                BLOCK_END => self.given.open = None,
                STOPPED => self.done = true,
                _ => {}
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        Bytes::from(refuse::stream_end(refusal, self.given))
    }
}
