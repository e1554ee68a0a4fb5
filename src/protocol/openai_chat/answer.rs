//! A whole answer, and the fields that it shares with a chunk of a stream.

use std::ops::Range;

use super::speech::{Arguments, Found, Speech};
use crate::protocol::error::ReadError;
use crate::protocol::generic;
use crate::protocol::json::{Reader, Str, Token};
use crate::protocol::message::{Call, Finish, Message, NO_CHOICE, Role, Shadow, Usage};
use crate::protocol::sniff::{Shape, sniff};
use crate::protocol::text::Text;
use crate::protocol::tree::{self, Collector, Leaf};

/// How a choice ends, in words that need no judging.
const REASONS: &[&str] = &["stop", "length", "tool_calls", "content_filter", "function_call"];

/// The longest string that token probabilities may hold and not be judged on its own: no card and no number of
/// a person is as short.
const TOKEN_MAX: usize = 8;

/// One choice of an answer or chunk.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Its number; the place in the list where none is given.
    pub index: u32,
    pub speech: Speech,
    pub finish: Option<Str>,
    /// Token probabilities, which repeat the text.
    pub shadow: Option<Range<usize>>,
    /// Strings of unknown fields.
    pub other: Vec<Leaf>,
    /// The choice as a JSON value.
    pub whole: Range<usize>,
}

/// An answer or chunk, walked.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
    /// The fields `id`, `model`, `created` as they are written.
    pub id: Option<Str>,
    pub model: Option<Str>,
    pub created: Option<Range<usize>>,
    /// Strings of all other fields.
    pub other: Vec<Leaf>,
    /// Whether there was a list of choices at all.
    pub has_choices: bool,
}

impl Body {
    /// Walks an object whose opening brace has been read, to the end of the text.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut body = Self::default();
        while let Token::Key(key) = reader.next()? {
            let name = reader.decoded(&key);
            let path = tree::join(0, &name);
            let token = reader.next()?;
            match (name.as_ref(), token) {
                ("choices", Token::Array) => body.read_choices(reader)?,
                ("id", Token::String(at)) => body.id = Some(at),
                ("model", Token::String(at)) => body.model = Some(at),
                ("created", Token::Number(at)) => body.created = Some(at),
                ("usage", Token::Object) => body.read_usage(reader, path)?,
                ("object", Token::String(at)) if reader.raw(&at).starts_with("chat.completion") && at.at.len() <= 21 => {}
                ("obfuscation", Token::String(at)) if tree::is_padding(reader.raw(&at)) => {}
                (name, token) => {
                    if !FIELDS.contains(&name) {
                        body.other.push(Leaf { at: key, path: tree::join(0, "\u{0}key"), value: false, key: true });
                    }
                    keep(reader, token, path, &mut body.other)?;
                }
            }
        }
        reader.finish()?;
        Ok(body)
    }

    fn read_choices(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        self.has_choices = true;
        let path = tree::join(0, "choices");
        loop {
            match reader.next()? {
                Token::Close => return Ok(()),
                Token::Object => {
                    let index = u32::try_from(self.choices.len()).unwrap_or(NO_CHOICE);
                    self.choices.push(read_choice(reader, index, path)?);
                }
                other => keep(reader, other, path, &mut self.other)?,
            }
        }
    }

    fn read_usage(&mut self, reader: &mut Reader<'_>, path: u32) -> Result<(), ReadError> {
        let mut usage = Usage::default();
        while let Token::Key(key) = reader.next()? {
            match (reader.decoded(&key).as_ref(), reader.next()?) {
                ("prompt_tokens", Token::Number(at)) => usage.input = reader.number(&at).parse().unwrap_or(0),
                ("completion_tokens", Token::Number(at)) => usage.output = reader.number(&at).parse().unwrap_or(0),
                (name, token) => {
                    if !USAGE.contains(&name) {
                        self.other.push(Leaf { at: key, path: tree::join(0, "\u{0}key"), value: false, key: true });
                    }
                    keep_but_counts(reader, token, tree::join(path, name), &mut self.other)?;
                }
            }
        }
        self.usage = Some(usage);
        Ok(())
    }
}

fn read_choice(reader: &mut Reader<'_>, index: u32, path: u32) -> Result<Choice, ReadError> {
    let start = reader.position() - 1;
    let mut choice = Choice { index, ..Choice::default() };
    while let Token::Key(key) = reader.next()? {
        let name = reader.decoded(&key);
        let path = tree::join(path, &name);
        let token = reader.next()?;
        match (name.as_ref(), token) {
            ("index", Token::Number(at)) => choice.index = reader.number(&at).parse().unwrap_or(index),
            ("message" | "delta", Token::Object) => choice.speech.read(reader)?,
            ("finish_reason", Token::String(at)) => {
                if !REASONS.contains(&reader.raw(&at)) {
                    choice.other.push(Leaf { at: at.clone(), path, value: true, key: false });
                }
                choice.finish = Some(at);
            }
            ("logprobs", token @ (Token::Object | Token::Array)) => {
                let start = reader.position() - 1;
                let other = &mut choice.other;
                tree::each(reader, token, path, &mut |reader, leaf| {
                    // What is longer than most tokens can tell something by itself, and so can a name of its own.
                    let telling = if leaf.key { !LOGPROBS.contains(&reader.raw(&leaf.at)) } else { leaf.at.at.len() > TOKEN_MAX };
                    if telling {
                        other.push(leaf);
                    }
                    Ok(())
                })?;
                choice.shadow = Some(start..reader.position());
            }
            (name, token) => {
                if !CHOICE_FIELDS.contains(&name) {
                    choice.other.push(Leaf { at: key, path: tree::join(0, "\u{0}key"), value: false, key: true });
                }
                keep(reader, token, path, &mut choice.other)?;
            }
        }
    }
    choice.whole = start..reader.position();
    Ok(choice)
}

fn keep(reader: &mut Reader<'_>, token: Token, path: u32, out: &mut Vec<Leaf>) -> Result<(), ReadError> {
    tree::each(reader, token, path, &mut |_, leaf| {
        out.push(leaf);
        Ok(())
    })
}

/// As [`keep`], for a value that counts: however long its numbers are, they are nobody's account.
fn keep_but_counts(reader: &mut Reader<'_>, token: Token, path: u32, out: &mut Vec<Leaf>) -> Result<(), ReadError> {
    tree::each(reader, token, path, &mut |reader, leaf| {
        if leaf.value || leaf.key && !USAGE.contains(&reader.raw(&leaf.at)) {
            out.push(leaf);
        }
        Ok(())
    })
}

/// Reads a whole answer. What is no completion (an error body, another JSON, plain text) is read as
/// the generic adapter reads it.
pub(super) fn read(bytes: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, bytes) != Shape::Json {
        return generic::read(bytes, Role::Assistant, NO_CHOICE);
    }
    let mut reader = Reader::new(bytes)?;
    if reader.next()? != Token::Object {
        return generic::read(bytes, Role::Assistant, NO_CHOICE);
    }
    let body = Body::read(&mut reader)?;
    let mut collector = Collector::default();
    collector.message.choices = u32::try_from(body.choices.len()).unwrap_or(NO_CHOICE);
    collector.message.usage = body.usage;
    for at in body.id.iter().chain(&body.model) {
        collector.part(Role::Other, reader.text(at), NO_CHOICE, true)?;
    }
    collector.message.model = body.model.as_ref().map(|at| reader.decoded(at).into_owned());
    for choice in body.choices {
        whole_choice(&reader, bytes, choice, &mut collector)?;
    }
    for leaf in &body.other {
        collector.leaf(&reader, leaf, Role::Other, NO_CHOICE)?;
    }
    Ok(collector.message)
}

fn whole_choice<'b>(
    reader: &Reader<'b>,
    bytes: &'b [u8],
    choice: Choice,
    collector: &mut Collector<'b>,
) -> Result<(), ReadError> {
    let number = choice.index;
    if let Some(at) = choice.speech.role.filter(|at| reader.raw(at) != "assistant") {
        collector.part(Role::Other, reader.text(&at), number, true)?;
    }
    for found in choice.speech.found {
        match found {
            Found::Content(at) => collector.part(Role::Assistant, reader.text(&at), number, true)?,
            Found::Text { role, at, value, .. } => collector.part(role, reader.text(&at), number, value)?,
            Found::Unread(what, reason) => collector.unread(what, reason),
            Found::Call { .. } => take_call(reader, bytes, found, number, collector)?,
        }
    }
    for leaf in &choice.other {
        collector.leaf(reader, leaf, Role::Other, number)?;
    }
    if let Some(at) = choice.finish {
        collector.message.finish.push(Finish { choice: number, reason: reader.decoded(&at).into_owned() });
    }
    collector.message.shadows.extend(choice.shadow.map(|at| Shadow { choice: number, at }));
    Ok(())
}

/// Adds a call, and its id as a text.
pub(super) fn take_call<'b>(
    reader: &Reader<'b>,
    bytes: &'b [u8],
    found: Found,
    choice: u32,
    collector: &mut Collector<'b>,
) -> Result<(), ReadError> {
    let Found::Call { index, kind, id, name, arguments } = found else { return Ok(()) };
    let arguments = match arguments {
        Some(Arguments::String(at)) => reader.text(&at),
        Some(Arguments::Value(at)) => Text::plain(bytes, at),
        None => Text::opaque(""),
    };
    let name = name.map_or_else(|| Text::opaque(""), |at| reader.text(&at));
    let id = id.map(|at| reader.text(&at));
    if let Some(id) = &id {
        collector.part(Role::Other, id.clone(), choice, true)?;
    }
    collector.call(Call { choice, index, kind, id, name, arguments, fresh: true, executed: false })
}

/// The fields of an answer whose names need no judging.
const FIELDS: &[&str] = &[
    "choices",
    "created",
    "error",
    "id",
    "model",
    "moderation",
    "object",
    "prompt_filter_results",
    "provider",
    "service_tier",
    "system_fingerprint",
    "usage",
];

/// The fields of a usage whose names need no judging.
const USAGE: &[&str] = &[
    "accepted_prediction_tokens",
    "audio_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_write_tokens",
    "cached_tokens",
    "completion_time",
    "completion_tokens_details",
    "cost",
    "cost_details",
    "image_tokens",
    "input_tokens",
    "input_tokens_details",
    "is_byok",
    "num_sources_used",
    "output_tokens",
    "output_tokens_details",
    "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens",
    "prompt_time",
    "prompt_tokens_details",
    "queue_time",
    "reasoning_tokens",
    "rejected_prediction_tokens",
    "text_tokens",
    "total_time",
    "total_tokens",
    "upstream_inference_cost",
    "video_tokens",
];

/// The fields of token probabilities, likewise.
const LOGPROBS: &[&str] =
    &["bytes", "content", "logprob", "refusal", "text_offset", "token", "token_logprobs", "tokens", "top_logprobs"];

/// The fields of a choice whose names need no judging.
const CHOICE_FIELDS: &[&str] = &[
    "content_filter_results",
    "content_filter_offsets",
    "delta",
    "finish_reason",
    "index",
    "logprobs",
    "message",
    "native_finish_reason",
    "stop_reason",
];
