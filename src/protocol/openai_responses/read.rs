//! Whole bodies.

use super::items::{self, Told};
use super::words::WORDS;
use crate::protocol::error::ReadError;
use crate::protocol::findings::{Findings, Turns};
use crate::protocol::generic;
use crate::protocol::message::{Finish, Message, NO_CHOICE, Role, Usage};
use crate::protocol::value::{Kind, Value, Values};
use crate::protocol::{Shape, sniff};

/// Reads a request. What is no object is read as the generic adapter reads it.
pub(super) fn request(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, body) != Shape::Json {
        return generic::read(body, Role::User, 0);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else { return generic::read(body, Role::User, 0) };
    let mut message = Message { choices: 1, include_usage: true, ..Message::default() };
    let mut f = Findings::new(WORDS, 0);
    for member in root.children() {
        match member.name().as_ref() {
            "input" if member.is_array() => input(member, &mut f)?,
            "input" => f.say(Role::User, member)?,
            "instructions" => items::content(member, Role::System, &mut f)?,
            "prompt" => f.tree(Role::User, member)?,
            "tools" => f.tree(Role::ToolDefinition, member)?,
            "model" if member.string().is_some() => {
                message.model = Some(member.word().into_owned());
                f.say(Role::Other, member)?;
            }
            "stream" => message.streaming = member.kind() == Kind::Bool(true),
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(f.message(&values, message))
}

fn input(list: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let mut turns = Turns::default();
    for (index, each) in (0..).zip(list.children()) {
        let from = f.count();
        items::item(each, index, Told::Once, Role::User, f)?;
        turns.turn(from, f.count(), items::is_models(each));
    }
    turns.age(f);
    Ok(())
}

/// Reads a whole answer: a response, a list of items, an error, anything.
pub(super) fn answer(body: &[u8]) -> Result<Message<'_>, ReadError> {
    if sniff(None, body) != Shape::Json {
        return generic::read(body, Role::Assistant, NO_CHOICE);
    }
    let values = Values::of_body(body)?;
    let Some(root) = values.root().filter(|root| root.is_object()) else {
        return generic::read(body, Role::Assistant, NO_CHOICE);
    };
    let mut message = Message { choices: 1, ..Message::default() };
    let mut f = Findings::new(WORDS, NO_CHOICE);
    response(root, Told::Once, &mut f, &mut message)?;
    Ok(f.message(&values, message))
}

/// The object of an answer, or of an event that tells it.
pub(super) fn response(root: Value<'_, '_>, told: Told, f: &mut Findings, out: &mut Message<'_>) -> Result<(), ReadError> {
    for member in root.children() {
        match member.name().as_ref() {
            "output" | "data" if member.is_array() => {
                f.choice = 0;
                for (index, each) in (0..).zip(member.children()) {
                    items::item(each, index, told, Role::Assistant, f)?;
                }
                f.choice = NO_CHOICE;
            }
            "tools" => f.tree(Role::ToolDefinition, member)?,
            "model" if member.string().is_some() => {
                out.model = Some(member.word().into_owned());
                f.say(Role::Other, member)?;
            }
            "status" if member.string().is_some() => {
                out.finish.push(Finish { choice: 0, reason: member.word().into_owned() });
                f.tree(Role::Other, member)?;
            }
            "usage" if member.is_object() => {
                out.usage = Some(usage(member));
                f.tree(Role::Other, member)?;
            }
            name if name.ends_with("_at") && member.number().is_some() => {}
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(())
}

/// Tokens, as far as they are told.
pub(super) fn usage(value: Value<'_, '_>) -> Usage {
    let count = |name: &str| value.get(name).and_then(Value::number).unwrap_or(0);
    Usage { input: count("input_tokens"), output: count("output_tokens") }
}
