//! Walks a body or an event by the rows of a table.

use std::collections::VecDeque;

use super::table::{CallNames, Row, What};
use crate::base::limits::STREAM_CHANNELS_MAX;
use crate::protocol::adapter::{CallKey, Channel, Piece};
use crate::protocol::error::{Code, ReadError};
use crate::protocol::findings::{Arguments, CallAt, Findings, Turns};
use crate::protocol::message::Role;
use crate::protocol::tree::join;
use crate::protocol::value::{Value, Values};

/// Texts of a stream that go on at once; of one more the oldest is taken to have ended.
const OPEN_MAX: usize = 64;

/// Longest id that texts and calls are told apart by.
const ID_MAX: usize = 256;

/// The texts and calls of a stream that are open, by their ids.
#[derive(Debug, Default)]
pub(super) struct Open {
    texts: VecDeque<(String, u32)>,
    calls: Vec<(String, u32)>,
    next: u32,
}

impl Open {
    fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// The number of a text, and that of one which has ended for it.
    fn text(&mut self, id: &str) -> (u32, Option<u32>) {
        if let Some(at) = self.texts.iter().position(|(known, _)| known == id)
            && let Some(used) = self.texts.remove(at)
        {
            let number = used.1;
            self.texts.push_back(used);
            return (number, None);
        }
        let ended = if self.texts.len() < OPEN_MAX { None } else { self.texts.pop_front() };
        let number = self.number();
        self.texts.push_back((id.to_owned(), number));
        (number, ended.map(|(_, number)| number))
    }

    fn end_text(&mut self, id: &str) -> Option<u32> {
        let at = self.texts.iter().position(|(known, _)| known == id)?;
        self.texts.remove(at).map(|(_, number)| number)
    }

    /// The number of a call. Without an id it is one of its own.
    fn call(&mut self, id: &str) -> Option<u32> {
        if let Some((_, number)) = self.calls.iter().find(|(known, _)| known == id) {
            return Some(*number);
        }
        if self.calls.len() >= STREAM_CHANNELS_MAX {
            return None;
        }
        let number = self.number();
        self.calls.push((id.to_owned(), number));
        Some(number)
    }

    fn end_call(&mut self, id: &str) -> Option<u32> {
        let at = self.calls.iter().position(|(known, _)| known == id)?;
        Some(self.calls.swap_remove(at).1)
    }
}

/// What became of the texts for the client, in an event's own note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Note {
    #[default]
    Nothing = 0,
    Opened = 1,
    Ended = 2,
}

/// Walks one value.
#[derive(Debug)]
pub(super) struct Walk<'f> {
    f: &'f mut Findings,
    /// What strings are that no row names.
    role: Role,
    /// In an event of a stream: what is open.
    open: Option<&'f mut Open>,
    /// In an event of a kind that no row knows: the number of its name. Nobody knows then whether a field is a delta.
    unknown: Option<u32>,
    /// Texts and calls that end before and with the event.
    pub before: Vec<Piece>,
    pub after: Vec<Piece>,
    pub note: Note,
    pub last: bool,
    calls: u32,
}

impl<'f> Walk<'f> {
    /// For a whole body.
    pub(super) fn of_body(f: &'f mut Findings, role: Role) -> Self {
        let (before, after) = (Vec::new(), Vec::new());
        Self { f, role, open: None, unknown: None, before, after, note: Note::default(), last: false, calls: 0 }
    }

    /// For an event; `unknown` is the name of its kind where no row knows it.
    pub(super) fn of_event(f: &'f mut Findings, open: &'f mut Open, unknown: Option<&str>) -> Self {
        Self { open: Some(open), unknown: unknown.map(|kind| join(0, kind)), ..Self::of_body(f, Role::Assistant) }
    }

    /// Reads a value and everything in it. `beside` is the object that it stands in.
    pub(super) fn value(&mut self, value: Value<'_, '_>, rows: &[Row], beside: Value<'_, '_>) -> Result<(), ReadError> {
        for (_, what) in rows.iter().filter(|(at, _)| at.is_empty()) {
            if self.apply(*what, value, beside)? {
                return Ok(());
            }
        }
        let deeper: Vec<Row> = rows.iter().copied().filter(|(at, _)| !at.is_empty()).collect();
        if value.is_object() {
            for member in value.children() {
                let below = below(&deeper, &member.name());
                self.f.name(member)?;
                if below.is_empty() { self.other(member)? } else { self.value(member, &below, value)? }
            }
            return Ok(());
        }
        let below = below(&deeper, "*");
        if value.is_array() && !below.is_empty() {
            for each in value.children() {
                self.value(each, &below, value)?;
            }
            return Ok(());
        }
        self.other(value)
    }

    /// What no row names.
    fn other(&mut self, value: Value<'_, '_>) -> Result<(), ReadError> {
        match self.unknown {
            Some(kind) => self.f.tree_both(self.role, value, join(kind, &value.name())),
            None => self.f.tree(self.role, value),
        }
    }

    /// Takes a value for what a row says. Says whether all of it is taken.
    fn apply(&mut self, what: What, value: Value<'_, '_>, beside: Value<'_, '_>) -> Result<bool, ReadError> {
        match what {
            What::Say(role) => self.f.tree(role, value)?,
            What::Media => self.f.media("media", self.role, value)?,
            What::Turns if value.is_array() => self.turns(value)?,
            What::Call(names) if value.is_object() => self.call(value, names)?,
            What::Piece(role, id) if value.string().is_some() => {
                if let Some(number) = self.goes_on(beside, id)? {
                    self.f.go_on(role, number, value, true)?;
                } else {
                    self.f.say(role, value)?;
                }
            }
            What::Both(role, id) if value.string().is_some() => {
                self.f.say(role, value)?;
                if let Some(number) = self.goes_on(beside, id)? {
                    self.f.go_on(role, number, value, true)?;
                }
            }
            What::Opens => {
                self.note = Note::Opened;
                return Ok(false);
            }
            What::Ends => {
                self.note = Note::Ended;
                let number = self.open.as_mut().and_then(|open| open.end_text(&key(&value.name(), Some(value))));
                self.after.extend(number.into_iter().flat_map(ends));
                return Ok(false);
            }
            What::CallEnds => {
                let number = self.open.as_mut().and_then(|open| open.end_call(&value.word()));
                self.after.extend(number.map(call_end));
                return Ok(false);
            }
            What::Last => {
                self.last = true;
                return Ok(false);
            }
            // It is something else than the row expects.
            What::Turns | What::Call(_) | What::Piece(..) | What::Both(..) => return Ok(false),
        }
        Ok(true)
    }

    /// The number under which a text goes on; none where nothing goes on.
    fn goes_on(&mut self, beside: Value<'_, '_>, id: &str) -> Result<Option<u32>, ReadError> {
        let key = key(id, beside.get(id));
        if key.len() > ID_MAX {
            return Err(ReadError::new(Code::TooManyChannels, beside.at().start));
        }
        let Some((number, ended)) = self.open.as_mut().map(|open| open.text(&key)) else { return Ok(None) };
        self.before.extend(ended.into_iter().flat_map(ends));
        Ok(Some(number))
    }

    /// The number of a call.
    fn call_number(&mut self, id: &str, at: usize) -> Result<u32, ReadError> {
        self.calls += 1;
        let Some(open) = self.open.as_mut() else { return Ok(self.calls - 1) };
        let number = if id.len() > ID_MAX { None } else { open.call(id) };
        number.ok_or_else(|| ReadError::new(Code::TooManyChannels, at))
    }

    /// A call, or a piece of one.
    fn call(&mut self, value: Value<'_, '_>, names: &CallNames) -> Result<(), ReadError> {
        let (id, name, arguments) = (value.get(names.id), value.get(names.name), value.get(names.arguments));
        let index = self.call_number(&value.word_of(names.id), value.at().start)?;
        self.push(value, CallAt { executed: names.executed, ..CallAt::new(index, id, name, Arguments::of(arguments)) }, names)?;
        if names.executed {
            self.complete(&value.word_of(names.id), index);
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'_, '_>, call: CallAt, names: &CallNames) -> Result<(), ReadError> {
        let (id, name, arguments) = (value.get(names.id), value.get(names.name), value.get(names.arguments));
        let executed = call.executed;
        // What stands in the place of arguments and is none is an empty call and a text.
        self.f.call(CallAt { copy: executed, ..call }, arguments)?;
        self.f.strange(Role::Assistant, id)?;
        self.f.call_name(executed, name)?;
        self.f.rest(Role::Assistant, value, &[names.id, names.name, names.arguments])
    }

    /// A call that has come whole.
    fn complete(&mut self, id: &str, index: u32) {
        if let Some(open) = self.open.as_mut() {
            open.end_call(id);
            self.after.push(call_end(index));
        }
    }

    /// A list of turns.
    fn turns(&mut self, list: Value<'_, '_>) -> Result<(), ReadError> {
        let mut turns = Turns::default();
        for turn in list.children() {
            let from = self.f.count();
            let speaker = ["role", "type"].iter().find_map(|name| turn.get(name)).map(Value::word).unwrap_or_default();
            let role = match speaker.as_ref() {
                "tool" | "function" => Role::ToolResult,
                "assistant" | "ai" | "AIMessageChunk" => Role::Assistant,
                "reasoning" => Role::Reasoning,
                // An answer that repeats what was asked is an answer all the same.
                _ if self.role == Role::Assistant => Role::Assistant,
                "system" | "developer" => Role::System,
                _ => Role::User,
            };
            self.turn(turn, role)?;
            turns.turn(from, self.f.count(), matches!(role, Role::Assistant | Role::Reasoning));
        }
        if self.role != Role::Assistant {
            turns.age(self.f);
        }
        Ok(())
    }

    fn turn(&mut self, turn: Value<'_, '_>, role: Role) -> Result<(), ReadError> {
        if !turn.is_object() {
            return self.f.tree(role, turn);
        }
        for member in turn.children() {
            match member.name().as_ref() {
                "content" if member.is_array() => {
                    for part in member.children() {
                        match part.word_of("type").as_ref() {
                            "image" | "image_url" | "audio" | "video" | "document" | "binary" | "file" => {
                                self.f.media("media", role, part)?;
                            }
                            _ => self.f.tree(role, part)?,
                        }
                    }
                }
                "content" => self.f.tree(role, member)?,
                "toolCalls" | "tool_calls" if member.is_array() => {
                    for call in member.children() {
                        self.turn_call(call)?;
                    }
                }
                _ => {
                    self.f.name(member)?;
                    self.f.tree(Role::Other, member)?;
                }
            }
        }
        Ok(())
    }

    /// A call as a turn repeats it: with a function in it, or with its arguments beside its name.
    fn turn_call(&mut self, call: Value<'_, '_>) -> Result<(), ReadError> {
        const INSIDE: CallNames = CallNames { id: "id", name: "name", arguments: "arguments", executed: false };
        const BESIDE: CallNames = CallNames { arguments: "args", ..INSIDE };
        if !call.is_object() {
            return self.f.tree(Role::Assistant, call);
        }
        self.calls += 1;
        let id = format!("turn {}", self.calls);
        let index = self.call_number(&id, call.at().start)?;
        let function = call.get("function").filter(|function| function.is_object());
        let (told, names) = function.map_or((call, &BESIDE), |function| (function, &INSIDE));
        let at = CallAt::new(index, call.get("id"), told.get(names.name), Arguments::of(told.get(names.arguments)));
        self.push(told, at, names)?;
        if function.is_some() {
            self.f.strange(Role::Assistant, call.get("id"))?;
            self.f.rest(Role::Assistant, call, &["id", "function"])?;
        }
        self.complete(&id, index);
        Ok(())
    }
}

/// What tells a text from others: the member beside it, with its name, as it is written.
fn key(name: &str, value: Option<Value<'_, '_>>) -> String {
    format!("{name}={}", value.map(|value| value.raw(&value.at())).unwrap_or_default())
}

/// The rows that go on below a member or an item.
fn below(rows: &[Row], name: &str) -> Vec<Row> {
    let step = |(at, what): &Row| {
        let (first, rest) = at.split_once('/').unwrap_or((at, ""));
        first.split('|').any(|one| one == name).then_some((rest, *what))
    };
    rows.iter().filter_map(step).collect()
}

/// The value that the first row of this kind points to, by members alone.
pub(super) fn pointed<'v, 'b>(root: Value<'v, 'b>, rows: &[Row], wanted: fn(&What) -> bool) -> Option<Value<'v, 'b>> {
    let (at, _) = rows.iter().find(|(_, what)| wanted(what))?;
    at.split('/').filter(|name| !name.is_empty()).try_fold(root, Value::get)
}

/// The first of these members that is a string.
pub(super) fn named(values: &Values<'_>, names: &str) -> Option<String> {
    let root = values.root()?;
    let found = names.split('|').filter(|name| !name.is_empty()).find_map(|name| root.get(name))?;
    Some(found.word().into_owned()).filter(|word| !word.is_empty())
}

/// The text of a number has ended, whoever spoke it.
fn ends(number: u32) -> [Piece; 2] {
    [Role::Assistant, Role::Reasoning].map(|role| Piece::TextEnd(Channel { choice: 0, role, number, joined: true }))
}

fn call_end(index: u32) -> Piece {
    Piece::CallEnd(CallKey { choice: 0, index })
}
