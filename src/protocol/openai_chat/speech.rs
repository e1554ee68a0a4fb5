//! One speaker's object: a message of a request, the message of a choice, or the delta of a chunk.
//!
//! All three have the same fields in any order, so they are walked by the same code, which notes what
//! it finds; whoever called gives it the role and the choice, which may come last.

use std::ops::Range;

use crate::base::limits::TEXTS_MAX;
use crate::base::names::UnjudgedReason;
use crate::protocol::error::{Code, ReadError};
use crate::protocol::json::{Reader, Str, Token};
use crate::protocol::message::{CallKind, Role};
use crate::protocol::tree;

/// What was found in a speaker's object.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// What the speaker says; its role is the speaker's.
    Content(Str),
    /// Any other text. `path` tells fields apart; `value` is whether it is a string value.
    Text { role: Role, at: Str, path: u32, value: bool },
    /// A call, or a piece of one.
    Call { index: u32, kind: CallKind, id: Option<Str>, name: Option<Str>, arguments: Option<Arguments> },
    /// Something not read.
    Unread(&'static str, UnjudgedReason),
}

/// Where the arguments of a call stand.
#[derive(Clone, Debug)]
pub(super) enum Arguments {
    /// In a JSON string, as the protocol has it.
    String(Str),
    /// As a JSON value, as some servers send them.
    Value(Range<usize>),
}

/// The index of the one call that the older form has.
pub(super) const LEGACY: u32 = u32::MAX;

/// The closed words of `type`.
const KINDS: &[&str] = &["text", "refusal", "thinking", "image_url", "video_url", "input_audio", "file", "function", "custom"];

/// What a speaker's object said.
#[derive(Debug, Default)]
pub(super) struct Speech {
    pub role: Option<Str>,
    pub found: Vec<Found>,
}

impl Speech {
    /// Walks an object whose opening brace has been read.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        while let Token::Key(key) = reader.next()? {
            self.bounded(reader)?;
            let name = reader.decoded(&key);
            let path = tree::join(0, &name);
            let token = reader.next()?;
            match (name.as_ref(), token) {
                ("role", Token::String(at)) => self.role = Some(at),
                ("content", Token::String(at)) => self.found.push(Found::Content(at)),
                ("content", Token::Array) => self.content_parts(reader, path)?,
                ("content", token) => self.content_tree(reader, token, path)?,
                ("refusal", Token::String(at)) => self.text(Role::Refusal, at, path),
                ("reasoning_content" | "reasoning" | "reasoning_text", Token::String(at)) => self.text(Role::Reasoning, at, path),
                ("reasoning_details" | "thinking_blocks", token) => self.tree(reader, token, Role::Reasoning, path)?,
                ("tool_calls", Token::Array) => self.calls(reader)?,
                ("function_call", Token::Object) => self.function(reader, LEGACY, CallKind::Legacy)?,
                ("audio", Token::Object) => self.audio(reader, path)?,
                (_, token) => {
                    self.key(reader, key);
                    self.tree(reader, token, Role::Other, path)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the list short of what only an attack would fill.
    fn bounded(&self, reader: &Reader<'_>) -> Result<(), ReadError> {
        if self.found.len() < TEXTS_MAX { Ok(()) } else { Err(ReadError::new(Code::TooManyTexts, reader.position())) }
    }

    fn text(&mut self, role: Role, at: Str, path: u32) {
        self.found.push(Found::Text { role, at, path, value: true });
    }

    /// The name of a field that no one expects.
    fn key(&mut self, reader: &Reader<'_>, key: Str) {
        const EXPECTED: &[&str] = &["name", "tool_call_id", "annotations", "content", "tool_calls", "function_call", "audio"];
        if !EXPECTED.contains(&reader.raw(&key)) {
            self.found.push(Found::Text { role: Role::Other, at: key, path: tree::join(0, "\u{0}key"), value: false });
        }
    }

    /// Every string of a value that has no structure of its own here.
    fn tree(&mut self, reader: &mut Reader<'_>, token: Token, role: Role, path: u32) -> Result<(), ReadError> {
        let found = &mut self.found;
        let in_reasoning = role == Role::Reasoning;
        let said = ["text", "thinking", "summary", "content"].map(|key| tree::join(path, key));
        tree::each(reader, token, path, &mut |reader, leaf| {
            // Kinds, formats and signatures stand beside what was said and are not part of it.
            let role = if leaf.value && (leaf.path == path || said.contains(&leaf.path)) { role } else { Role::Other };
            match leaf.value.then(|| tree::opaque(reader.raw(&leaf.at))).flatten() {
                Some(UnjudgedReason::Media) => found.push(Found::Unread("data_url", UnjudgedReason::Media)),
                Some(reason) if in_reasoning => found.push(Found::Unread("reasoning", reason)),
                _ => found.push(Found::Text { role, at: leaf.at, path: leaf.path, value: leaf.value }),
            }
            Ok(())
        })
    }

    /// Content of a form that nobody has agreed on: its strings are what was said.
    fn content_tree(&mut self, reader: &mut Reader<'_>, token: Token, path: u32) -> Result<(), ReadError> {
        let found = &mut self.found;
        tree::each(reader, token, path, &mut |_, leaf| {
            found.push(if leaf.value {
                Found::Content(leaf.at)
            } else {
                Found::Text { role: Role::Other, at: leaf.at, path: leaf.path, value: false }
            });
            Ok(())
        })
    }

    fn content_parts(&mut self, reader: &mut Reader<'_>, path: u32) -> Result<(), ReadError> {
        loop {
            self.bounded(reader)?;
            match reader.next()? {
                Token::Close => return Ok(()),
                Token::Object => self.content_part(reader, path)?,
                Token::String(at) => self.found.push(Found::Content(at)),
                other => self.content_tree(reader, other, path)?,
            }
        }
    }

    fn content_part(&mut self, reader: &mut Reader<'_>, path: u32) -> Result<(), ReadError> {
        while let Token::Key(key) = reader.next()? {
            let name = reader.decoded(&key);
            let path = tree::join(path, &name);
            let token = reader.next()?;
            match (name.as_ref(), token) {
                ("text", Token::String(at)) => self.found.push(Found::Content(at)),
                ("refusal", Token::String(at)) => self.text(Role::Refusal, at, path),
                ("thinking", token) => self.tree(reader, token, Role::Reasoning, path)?,
                ("type", Token::String(at)) if KINDS.contains(&reader.raw(&at)) => {}
                ("image_url", token) => self.media(reader, token, "image", &["url"], path)?,
                ("video_url", token) => self.media(reader, token, "video", &["url"], path)?,
                ("input_audio", token) => self.media(reader, token, "audio", &["data"], path)?,
                ("file", token) => self.media(reader, token, "file", &["file_data"], path)?,
                (_, token) => {
                    self.key(reader, key);
                    self.tree(reader, token, Role::Other, path)?;
                }
            }
        }
        Ok(())
    }

    /// A part that carries media: the strings around the data are judged, the data is named unread.
    /// What stands in the data's place and is no data is judged like any text.
    fn media(
        &mut self,
        reader: &mut Reader<'_>,
        token: Token,
        what: &'static str,
        data: &[&str],
        path: u32,
    ) -> Result<(), ReadError> {
        self.found.push(Found::Unread(what, UnjudgedReason::Media));
        let holders: Vec<u32> = data.iter().map(|key| tree::join(path, key)).chain([path]).collect();
        let found = &mut self.found;
        tree::each(reader, token, path, &mut |reader, leaf| {
            let is_data = leaf.value && holders.contains(&leaf.path) && tree::opaque(reader.raw(&leaf.at)).is_some();
            if !is_data {
                found.push(Found::Text { role: Role::Other, at: leaf.at, path: leaf.path, value: leaf.value });
            }
            Ok(())
        })
    }

    fn audio(&mut self, reader: &mut Reader<'_>, path: u32) -> Result<(), ReadError> {
        while let Token::Key(key) = reader.next()? {
            let name = reader.decoded(&key);
            let path = tree::join(path, &name);
            match (name.as_ref(), reader.next()?) {
                ("transcript", Token::String(at)) => self.text(Role::Assistant, at, path),
                ("data", Token::String(at)) => {
                    self.found.push(Found::Unread("audio", UnjudgedReason::Media));
                    if tree::opaque(reader.raw(&at)).is_none() {
                        self.text(Role::Other, at, path);
                    }
                }
                (name, token) => {
                    if !["id", "expires_at", "data", "transcript", "format", "voice"].contains(&name) {
                        self.key(reader, key);
                    }
                    self.tree(reader, token, Role::Other, path)?;
                }
            }
        }
        Ok(())
    }

    fn calls(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        let mut place = 0;
        loop {
            self.bounded(reader)?;
            match reader.next()? {
                Token::Close => return Ok(()),
                Token::Object => self.call(reader, place)?,
                other => self.tree(reader, other, Role::Other, tree::join(0, "tool_calls"))?,
            }
            place += 1;
        }
    }

    fn call(&mut self, reader: &mut Reader<'_>, place: u32) -> Result<(), ReadError> {
        let first = self.found.len();
        let mut call_index = place;
        let mut call_id = None;
        let mut seen = false;
        while let Token::Key(key) = reader.next()? {
            let name = reader.decoded(&key);
            match (name.as_ref(), reader.next()?) {
                ("index", Token::Number(at)) => call_index = reader.number(&at).parse().unwrap_or(place),
                ("id", Token::String(at)) => call_id = Some(at),
                ("type", Token::String(at)) if KINDS.contains(&reader.raw(&at)) => {}
                ("function", Token::Object) => {
                    seen = true;
                    self.function(reader, place, CallKind::Function)?;
                }
                ("custom", Token::Object) => {
                    seen = true;
                    self.function(reader, place, CallKind::Custom)?;
                }
                (other, token) => {
                    let path = tree::join(tree::join(0, "tool_calls"), other);
                    if !["index", "id", "type", "function", "custom"].contains(&other) {
                        self.key(reader, key);
                    }
                    self.tree(reader, token, Role::Other, path)?;
                }
            }
        }
        if !seen {
            let kind = CallKind::Function;
            self.found.push(Found::Call { index: call_index, kind, id: None, name: None, arguments: None });
        }
        for found in self.found.iter_mut().skip(first) {
            if let Found::Call { index, id, .. } = found {
                *index = call_index;
                id.clone_from(&call_id);
            }
        }
        Ok(())
    }

    /// `{name, arguments}` or `{name, input}`.
    fn function(&mut self, reader: &mut Reader<'_>, index: u32, kind: CallKind) -> Result<(), ReadError> {
        let (mut name, mut arguments) = (None, None);
        while let Token::Key(key) = reader.next()? {
            let field = reader.decoded(&key);
            let token = reader.next()?;
            match (field.as_ref(), token) {
                ("name", Token::String(at)) => name = Some(at),
                ("arguments" | "input", Token::String(at)) => arguments = Some(Arguments::String(at)),
                ("arguments" | "input", token @ (Token::Object | Token::Array)) => {
                    let start = reader.position() - 1;
                    reader.skip(&token)?;
                    arguments = Some(Arguments::Value(start..reader.position()));
                }
                (field, token) => {
                    let path = tree::join(tree::join(0, "function"), field);
                    if !["name", "arguments", "input"].contains(&field) {
                        self.key(reader, key);
                    }
                    self.tree(reader, token, Role::Other, path)?;
                }
            }
        }
        self.found.push(Found::Call { index, kind, id: None, name, arguments });
        Ok(())
    }
}
