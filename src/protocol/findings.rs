//! What an adapter finds in a body or in an event of a stream, before it becomes parts or pieces.
//!
//! Both are read by the same code, so that a text that is seen whole is seen streamed. What a protocol
//! does not name is still found: [`Findings::rest`] gives every string of the members that nobody took.

use std::ops::Range;

use super::adapter::{CallKey, Channel, Piece};
use super::error::{Code, ReadError};
use super::events::text_piece;
use super::json::Str;
use super::listing::Listing;
use super::message::{Call, CallKind, Message, Part, Role, Shadow, Unread};
use super::sse::{Place, Within};
use super::text::Text;
use super::tree;
use super::value::{Value, Values};
use crate::base::limits::TEXTS_MAX;
use crate::base::names::UnjudgedReason;

/// Something found, in the order of the bytes.
#[derive(Clone, Debug)]
struct Found {
    choice: u32,
    fresh: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Text { role: Role, at: Str, editable: bool, joined: Option<u32> },
    Call(CallAt),
    Unread(&'static str, UnjudgedReason),
    Shadow(Range<usize>),
    Listing(Listing),
}

/// A call, or a piece of one, by its places.
#[derive(Clone, Debug)]
pub(super) struct CallAt {
    pub index: u32,
    pub kind: CallKind,
    pub id: Option<Str>,
    pub name: Option<Str>,
    pub arguments: Arguments,
    pub executed: bool,
    /// It says again, whole, what pieces before it have said.
    pub copy: bool,
}

/// Where the arguments of a call stand.
#[derive(Clone, Debug, Default)]
pub(super) enum Arguments {
    #[default]
    None,
    /// In a JSON string.
    String(Str),
    /// As a JSON value.
    Value(Range<usize>),
}

impl Arguments {
    /// The arguments that a value holds.
    pub(super) fn of(value: Option<Value<'_, '_>>) -> Self {
        match value {
            None => Self::None,
            Some(value) => value.string().map_or_else(|| Self::Value(value.whole()), Self::String),
        }
    }
}

impl CallAt {
    /// A call of a function that the client will run.
    pub(super) fn new(index: u32, id: Option<Value<'_, '_>>, name: Option<Value<'_, '_>>, arguments: Arguments) -> Self {
        let string = |value: Option<Value<'_, '_>>| value.and_then(Value::string);
        Self { index, kind: CallKind::Function, id: string(id), name: string(name), arguments, executed: false, copy: false }
    }
}

/// The number of the channel in which the arguments of a call go on, where they are text too.
pub(super) fn arguments_of(index: u32) -> u32 {
    tree::join(index, "arguments")
}

/// How many things were found, at some moment.
pub(super) type Count = usize;

/// Fills itself while an adapter reads.
#[derive(Debug)]
pub(super) struct Findings {
    /// The words of the protocol: names of its fields, values of its closed fields. Sorted.
    words: &'static [&'static str],
    /// The choice of what is found next.
    pub choice: u32,
    found: Vec<Found>,
}

impl Findings {
    pub(super) const fn new(words: &'static [&'static str], choice: u32) -> Self {
        Self { words, choice, found: Vec::new() }
    }

    fn push(&mut self, what: What) -> Result<(), ReadError> {
        if self.found.len() >= TEXTS_MAX {
            return Err(ReadError::new(Code::TooManyTexts, 0));
        }
        self.found.push(Found { choice: self.choice, fresh: true, what });
        Ok(())
    }

    pub(super) fn count(&self) -> Count {
        self.found.len()
    }

    /// A text: the value if it is a string, else every string in it.
    pub(super) fn say(&mut self, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        match value.string() {
            Some(at) => self.push(What::Text { role, at, editable: true, joined: None }),
            None => self.tree(role, value),
        }
    }

    /// A text that may not be changed, such as one that is signed.
    pub(super) fn fixed(&mut self, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        match value.string() {
            Some(at) => self.push(What::Text { role, at, editable: false, joined: None }),
            None => self.tree(role, value),
        }
    }

    /// A piece of a text that goes on in other events under the same number.
    pub(super) fn go_on(&mut self, role: Role, number: u32, value: Value<'_, '_>, editable: bool) -> Result<(), ReadError> {
        match value.string() {
            Some(at) => self.push(What::Text { role, at, editable, joined: Some(number) }),
            None => self.tree(role, value),
        }
    }

    /// Every string, key and telling number of a value. Words of the protocol are nobody's speech.
    pub(super) fn tree(&mut self, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        self.walk(role, value, None, role == Role::ToolDefinition)
    }

    /// The same for what is no definition and names a tool: its name is read and may not be changed.
    pub(super) fn named(&mut self, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        self.walk(role, value, None, true)
    }

    /// A member that was taken as a string, where it is none.
    pub(super) fn strange(&mut self, role: Role, member: Option<Value<'_, '_>>) -> Result<(), ReadError> {
        member.filter(|member| member.string().is_none()).map_or(Ok(()), |member| self.tree(role, member))
    }

    /// The same for what streams: each string alone, and joined with those of the same field (below the
    /// number `path`) in other events, since nobody knows whether the field is a delta.
    pub(super) fn tree_both(&mut self, role: Role, value: Value<'_, '_>, path: u32) -> Result<(), ReadError> {
        self.walk(role, value, Some(path), false)
    }

    fn walk(&mut self, role: Role, value: Value<'_, '_>, both: Option<u32>, named: bool) -> Result<(), ReadError> {
        let words = self.words;
        let kind = both.map(|path| tree::join(path, "type"));
        value.leaves(both.unwrap_or(0), &mut |leaf, closed| {
            let raw = value.raw(&leaf.at.at);
            if closed && words.binary_search(&raw).is_ok() {
                return Ok(());
            }
            if leaf.value && raw.starts_with("data:") && tree::opaque(raw).is_some() {
                return self.unread("data_url", UnjudgedReason::Media);
            }
            let role = if leaf.value { role } else { Role::Other };
            let editable = leaf.value && !(named && tree::is_tool_name(leaf.path));
            self.push(What::Text { role, at: leaf.at.clone(), editable, joined: None })?;
            if leaf.value && kind.is_some_and(|kind| leaf.path != kind) {
                self.push(What::Text { role, at: leaf.at, editable: true, joined: Some(leaf.path) })?;
            }
            Ok(())
        })
    }

    /// The name of a member, unless the protocol knows it.
    pub(super) fn name(&mut self, member: Value<'_, '_>) -> Result<(), ReadError> {
        let name = member.name();
        if self.words.binary_search(&name.as_ref()).is_ok() || tree::is_word(&name) {
            return Ok(());
        }
        self.push(What::Text { role: Role::Other, at: member.key(), editable: false, joined: None })
    }

    /// Every member of an object that is not `taken`: its name, and every string in it.
    pub(super) fn rest(&mut self, role: Role, object: Value<'_, '_>, taken: &[&str]) -> Result<(), ReadError> {
        for member in object.children() {
            if !taken.contains(&member.name().as_ref()) {
                self.name(member)?;
                self.tree(role, member)?;
            }
        }
        Ok(())
    }

    /// A value that carries media: the data is named unread, the strings around it are judged. What
    /// stands in the data's place and is no data is judged like any text.
    pub(super) fn media(&mut self, what: &'static str, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        self.unread(what, UnjudgedReason::Media)?;
        let words = self.words;
        value.leaves(0, &mut |leaf, closed| {
            let raw = value.raw(&leaf.at.at);
            if closed && words.binary_search(&raw).is_ok() || (leaf.value && tree::opaque(raw).is_some()) {
                return Ok(());
            }
            let role = if leaf.value { role } else { Role::Other };
            self.push(What::Text { role, at: leaf.at, editable: leaf.value, joined: None })
        })
    }

    /// A value that only its maker can read, such as a signature. If it is no such data it is judged.
    pub(super) fn sealed(&mut self, what: Option<&'static str>, role: Role, value: Value<'_, '_>) -> Result<(), ReadError> {
        let is_data = value.string().is_some_and(|at| at.at.is_empty() || tree::opaque(value.raw(&at.at)).is_some());
        match what {
            _ if !is_data => self.fixed(role, value),
            Some(what) => self.unread(what, UnjudgedReason::Encrypted),
            None => Ok(()),
        }
    }

    /// A call. What the provider has run is only recorded as one, so its arguments are judged as text too.
    pub(super) fn call(&mut self, call: CallAt, arguments: Option<Value<'_, '_>>) -> Result<(), ReadError> {
        let CallAt { index, executed, copy, ref id, .. } = call;
        let begins = id.is_some() || copy;
        self.push(What::Call(call))?;
        match arguments.filter(|_| executed) {
            Some(said) if begins => self.say(Role::Assistant, said),
            Some(piece) => self.go_on(Role::Assistant, arguments_of(index), piece, true),
            None => Ok(()),
        }
    }

    pub(super) fn unread(&mut self, what: &'static str, reason: UnjudgedReason) -> Result<(), ReadError> {
        self.push(What::Unread(what, reason))
    }

    /// What stands as the name of a call that is given apart. Of what the provider has run it is judged as text too.
    pub(super) fn call_name(&mut self, executed: bool, name: Option<Value<'_, '_>>) -> Result<(), ReadError> {
        match name {
            Some(name) if executed => self.fixed(Role::Assistant, name),
            name => self.strange(Role::Assistant, name),
        }
    }

    /// The strings of token probabilities that are longer than `max`, and names that no protocol knows.
    pub(super) fn but_tokens(&mut self, value: Value<'_, '_>, max: usize) -> Result<(), ReadError> {
        let words = self.words;
        value.leaves(0, &mut |leaf, _| {
            let raw = value.raw(&leaf.at.at);
            if !leaf.key && raw.len() <= max || words.binary_search(&raw).is_ok() {
                return Ok(());
            }
            self.push(What::Text { role: Role::Other, at: leaf.at, editable: leaf.value, joined: None })
        })
    }

    /// A value that repeats texts of the choice in another form; with an edit it becomes `null`.
    pub(super) fn shadow(&mut self, value: Value<'_, '_>) -> Result<(), ReadError> {
        self.push(What::Shadow(value.whole()))
    }

    /// A list of tools, before what stands in it.
    pub(super) fn list(&mut self, listing: Listing) -> Result<(), ReadError> {
        self.push(What::Listing(listing))
    }

    /// What was found from `from` up to `to` is history, except what the system says.
    pub(super) fn age(&mut self, from: Count, to: Count) {
        for found in self.found.iter_mut().take(to).skip(from) {
            let system = matches!(found.what, What::Text { role: Role::System, .. });
            found.fresh = system;
        }
    }

    /// What was found from `from` on may not be changed: it is signed as a whole.
    pub(super) fn freeze(&mut self, from: Count) {
        for found in self.found.iter_mut().skip(from) {
            if let What::Text { editable, .. } = &mut found.what {
                *editable = false;
            }
        }
    }

    /// As a whole message.
    pub(super) fn message<'b>(self, values: &Values<'b>, mut message: Message<'b>) -> Message<'b> {
        for Found { choice, fresh, what } in self.found {
            let mut part = |role, text: Text<'b>, editable| {
                if !text.as_str().is_empty() {
                    message.parts.push(Part { role, text, fresh, choice, editable, value: editable });
                }
            };
            match what {
                What::Text { role, at, editable, .. } => part(role, values.text(&at), editable),
                What::Call(call) => {
                    let text = |at: Option<Str>| at.map(|at| values.text(&at));
                    let arguments = match call.arguments {
                        Arguments::None => Text::opaque(""),
                        Arguments::String(at) => values.text(&at),
                        Arguments::Value(at) => Text::plain(values.bytes(), at),
                    };
                    let id = text(call.id);
                    if let Some(id) = &id {
                        part(Role::Other, id.clone(), true);
                    }
                    let name = text(call.name).unwrap_or_else(|| Text::opaque(""));
                    let CallAt { index, kind, executed, .. } = call;
                    message.calls.push(Call { choice, index, kind, id, name, arguments, fresh, executed });
                }
                What::Unread(what, reason) => {
                    let unread = Unread { what, reason };
                    if !message.unread.contains(&unread) {
                        message.unread.push(unread);
                    }
                }
                What::Shadow(at) => message.shadows.push(Shadow { choice, at }),
                What::Listing(listing) => message.listing = Some(listing),
            }
        }
        message
    }

    /// As pieces of an event.
    pub(super) fn pieces(self, out: &mut Vec<Piece>) {
        for Found { choice, what, .. } in self.found {
            match what {
                What::Text { role, at, editable, joined } => {
                    let channel = Channel { choice, role, number: joined.unwrap_or(0), joined: joined.is_some() };
                    out.extend(text_piece(channel, &at, editable));
                }
                What::Call(call) => {
                    let alone = Channel { choice, role: Role::Other, number: 0, joined: false };
                    out.extend(call.id.as_ref().and_then(|id| text_piece(alone, id, true)));
                    let place = |at: Str| Place { at: at.at, within: Within::Json };
                    let arguments = match call.arguments {
                        Arguments::None => None,
                        Arguments::String(at) => Some(place(at)),
                        Arguments::Value(at) => Some(Place { at, within: Within::Value }),
                    };
                    let CallAt { index, kind, executed, copy, .. } = call;
                    let (id, name) = (call.id.map(place), call.name.map(place));
                    out.push(Piece::Call { key: CallKey { choice, index }, kind, id, name, arguments, executed, copy });
                }
                What::Unread(what, reason) => out.push(Piece::Unread(Unread { what, reason })),
                What::Shadow(at) => out.push(Piece::Shadow { choice, place: Place { at, within: Within::Value } }),
                What::Listing(listing) => out.push(Piece::Listing(Box::new(listing))),
            }
        }
    }
}

/// Where the history of a conversation ends: with the last assistant turn that another turn follows.
#[derive(Debug, Default)]
pub(super) struct Turns {
    first: Option<Count>,
    answered: Option<Count>,
    asked: Option<Count>,
}

impl Turns {
    /// Notes a turn that was found from `from` up to `to`.
    pub(super) fn turn(&mut self, from: Count, to: Count, assistant: bool) {
        self.first.get_or_insert(from);
        if assistant {
            self.asked = Some(to);
        } else if let Some(end) = self.asked.take() {
            self.answered = Some(end);
        }
    }

    /// Marks the history.
    pub(super) fn age(&self, findings: &mut Findings) {
        if let (Some(first), Some(end)) = (self.first, self.answered) {
            findings.age(first, end);
        }
    }
}
