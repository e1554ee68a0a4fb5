//! A request body.

use super::answer::take_call;
use super::speech::{Found, Speech};
use crate::protocol::error::ReadError;
use crate::protocol::json::{Reader, Token};
use crate::protocol::message::{Message, Role};
use crate::protocol::tree::Collector;

/// Reads a request. JSON that is no object is read as a tree of strings.
pub(super) fn read(body: &[u8]) -> Result<Message<'_>, ReadError> {
    let mut request = Request { body, collector: Collector::default(), answered: None, asked: None };
    let mut reader = Reader::new(body)?;
    match reader.next()? {
        Token::Object => request.fields(&mut reader)?,
        other => request.collector.tree(&mut reader, other, Role::User, 0)?,
    }
    reader.finish()?;
    request.age();
    Ok(request.collector.message)
}

/// How many parts and calls there are, at some moment.
type Count = (usize, usize);

struct Request<'b> {
    body: &'b [u8],
    collector: Collector<'b>,
    /// What stood before the first message, and after the last assistant message that was answered.
    answered: Option<(Count, Count)>,
    /// Where the last assistant message ended, until another message follows.
    asked: Option<Count>,
}

impl<'b> Request<'b> {
    fn fields(&mut self, reader: &mut Reader<'b>) -> Result<(), ReadError> {
        self.collector.message.choices = 1;
        while let Token::Key(key) = reader.next()? {
            let name = reader.decoded(&key);
            let token = reader.next()?;
            match (name.as_ref(), token) {
                ("messages", Token::Array) => self.messages(reader)?,
                ("tools" | "functions", token) => self.collector.tree(reader, token, Role::ToolDefinition, 0)?,
                ("model", Token::String(at)) => {
                    let text = reader.text(&at);
                    self.collector.message.model = Some(text.as_str().to_owned());
                    self.collector.part(Role::Other, text, 0, true)?;
                }
                ("stream", Token::Bool(on)) => self.collector.message.streaming = on,
                ("n", Token::Number(at)) => self.collector.message.choices = reader.number(&at).parse().unwrap_or(1),
                ("stream_options", Token::Object) => self.stream_options(reader)?,
                (name, token) => {
                    if !FIELDS.contains(&name) {
                        self.collector.part(Role::Other, reader.text(&key), 0, false)?;
                    }
                    self.collector.tree(reader, token, Role::Other, 0)?;
                }
            }
        }
        Ok(())
    }

    fn stream_options(&mut self, reader: &mut Reader<'b>) -> Result<(), ReadError> {
        while let Token::Key(key) = reader.next()? {
            match (reader.decoded(&key).as_ref(), reader.next()?) {
                ("include_usage", Token::Bool(on)) => self.collector.message.include_usage = on,
                ("include_obfuscation", Token::Bool(_)) => {}
                (_, token) => {
                    self.collector.part(Role::Other, reader.text(&key), 0, false)?;
                    self.collector.tree(reader, token, Role::Other, 0)?;
                }
            }
        }
        Ok(())
    }

    fn count(&self) -> Count {
        (self.collector.message.parts.len(), self.collector.message.calls.len())
    }

    fn messages(&mut self, reader: &mut Reader<'b>) -> Result<(), ReadError> {
        let first = self.count();
        loop {
            let assistant = match reader.next()? {
                Token::Close => return Ok(()),
                Token::Object => self.message(reader)?,
                other => {
                    self.collector.tree(reader, other, Role::User, 0)?;
                    false
                }
            };
            if assistant {
                self.asked = Some(self.count());
            } else if let Some(end) = self.asked.take() {
                self.answered = Some((first, end));
            }
        }
    }

    /// Reads one message and says whether it is the assistant's.
    fn message(&mut self, reader: &mut Reader<'b>) -> Result<bool, ReadError> {
        let mut speech = Speech::default();
        speech.read(reader)?;
        let name = speech.role.as_ref().map(|at| reader.decoded(at));
        let (role, known) = match name.as_deref() {
            Some("system" | "developer") => (Role::System, true),
            Some("user") => (Role::User, true),
            Some("assistant") => (Role::Assistant, true),
            Some("tool" | "function") => (Role::ToolResult, true),
            // A role that nobody knows speaks from outside.
            _ => (Role::User, false),
        };
        if let Some(at) = speech.role.filter(|_| !known) {
            self.collector.part(Role::Other, reader.text(&at), 0, true)?;
        }
        for found in speech.found {
            match found {
                Found::Content(at) => self.collector.part(role, reader.text(&at), 0, true)?,
                Found::Text { role, at, value, .. } => self.collector.part(role, reader.text(&at), 0, value)?,
                Found::Unread(what, reason) => self.collector.unread(what, reason),
                Found::Call { .. } => take_call(reader, self.body, found, 0, &mut self.collector)?,
            }
        }
        Ok(role == Role::Assistant)
    }

    /// Marks the history.
    fn age(&mut self) {
        let Some((first, end)) = self.answered else { return };
        for part in self.collector.message.parts.iter_mut().take(end.0).skip(first.0) {
            part.fresh = part.role == Role::System;
        }
        for call in self.collector.message.calls.iter_mut().take(end.1).skip(first.1) {
            call.fresh = false;
        }
    }
}

/// The fields of a request whose names need no judging.
const FIELDS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];
