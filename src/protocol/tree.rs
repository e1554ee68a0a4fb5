//! Every string of a JSON value, whatever it means: nothing passes unread.

use super::error::{Code, ReadError};
use super::json::{Reader, Str, Token};
use super::leaves::is_telling;
use super::message::{Call, Message, Part, Role, Unread};
use super::text::Text;
use crate::base::limits::TEXTS_MAX;
use crate::base::names::UnjudgedReason;

/// Coded data shorter than this is judged as the text it is written in.
const OPAQUE_MIN: usize = 64;

/// Keys that the protocols themselves use, sorted. They are nobody's words and are not judged as texts.
const WORDS: &[&str] = &[
    "additionalProperties",
    "anyOf",
    "choices",
    "code",
    "content",
    "content_filter_results",
    "created",
    "custom",
    "custom_blocklists",
    "data",
    "default",
    "delta",
    "description",
    "detail",
    "detected",
    "end_index",
    "enum",
    "error",
    "expires_at",
    "file_data",
    "file_id",
    "filename",
    "filtered",
    "finish_reason",
    "format",
    "function",
    "hate",
    "id",
    "index",
    "indirect_attack",
    "items",
    "jailbreak",
    "json_schema",
    "maximum",
    "message",
    "minimum",
    "model",
    "name",
    "object",
    "param",
    "parameters",
    "profanity",
    "prompt_filter_results",
    "prompt_index",
    "properties",
    "protected_material_code",
    "protected_material_text",
    "required",
    "role",
    "schema",
    "self_harm",
    "severity",
    "sexual",
    "signature",
    "start_index",
    "strict",
    "text",
    "title",
    "transcript",
    "type",
    "url",
    "url_citation",
    "usage",
    "violence",
    "voice",
];

/// Whether a key is a word of the protocols themselves.
pub(super) fn is_word(key: &str) -> bool {
    WORDS.binary_search(&key).is_ok()
}

/// A leaf of a value.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The string, key or number.
    pub at: Str,
    /// Names the keys on the way, array places left out. The same field gives the same number.
    pub path: u32,
    /// Whether it is a string value.
    pub value: bool,
    /// Whether it is a key.
    pub key: bool,
}

/// Gives every string, key and telling number of the value that `token` begins.
pub(super) fn each<'b>(
    reader: &mut Reader<'b>,
    token: Token,
    path: u32,
    give: &mut impl FnMut(&Reader<'b>, Leaf) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let outside = reader.depth() - usize::from(matches!(token, Token::Object | Token::Array));
    let mut paths = Vec::new();
    let mut here = path;
    let mut token = token;
    let mut given = 0;
    let mut give = |reader: &Reader<'b>, leaf: Leaf| {
        given += 1;
        if given > TEXTS_MAX { Err(ReadError::new(Code::TooManyTexts, leaf.at.at.start)) } else { give(reader, leaf) }
    };
    loop {
        match token {
            Token::Object | Token::Array => paths.push(here),
            Token::Close => here = paths.pop().unwrap_or(path),
            Token::Key(at) => {
                here = join(paths.last().copied().unwrap_or(path), &reader.decoded(&at));
                if !is_word(reader.raw(&at)) {
                    give(reader, Leaf { at, path: here, value: false, key: true })?;
                }
                token = reader.next()?;
                continue;
            }
            Token::String(at) => give(reader, Leaf { at, path: here, value: true, key: false })?,
            Token::Number(at) if is_telling(reader.number(&at)) => {
                give(reader, Leaf { at: Str { at, escaped: false }, path: here, value: false, key: false })?;
            }
            _ => {}
        }
        if reader.depth() == outside {
            return Ok(());
        }
        token = reader.next()?;
    }
}

/// The number of a field below another (FNV-1a).
pub(super) const fn join(path: u32, key: &str) -> u32 {
    let mut hash = path ^ 0x811C_9DC5;
    let mut bytes = key.as_bytes();
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        bytes = rest;
    }
    hash.wrapping_mul(0x0100_0193)
}

/// Whether the field at this path, below a tool or a list of them, is the name of one. It is read like any text;
/// rewritten it would be the name of another.
pub(super) fn is_tool_name(path: u32) -> bool {
    const NAMES: [u32; 6] = [
        join(0, "name"),
        join(join(0, "function"), "name"),
        join(join(0, "custom"), "name"),
        join(join(0, "tools"), "name"),
        join(join(0, "functionDeclarations"), "name"),
        join(join(0, "function_declarations"), "name"),
    ];
    NAMES.contains(&path)
}

/// What a string is if not text: long data in base64, bare or in a `data:` URL.
pub(super) fn opaque(text: &str) -> Option<UnjudgedReason> {
    let (payload, reason) = match text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((_, payload)) => (payload, UnjudgedReason::Media),
        None => (text, UnjudgedReason::Encrypted),
    };
    let coded = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    (payload.len() >= OPAQUE_MIN && payload.bytes().all(coded)).then_some(reason)
}

/// Padding that is there to hide lengths: nothing but letters and digits, and not only digits.
pub(super) fn is_padding(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric()) && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Fills a [`Message`], within its ceiling.
#[derive(Debug, Default)]
pub(super) struct Collector<'b> {
    pub message: Message<'b>,
}

impl<'b> Collector<'b> {
    /// Adds a text, unless it is empty.
    pub(super) fn part(&mut self, role: Role, text: Text<'b>, choice: u32, editable: bool) -> Result<(), ReadError> {
        self.push(Part { role, text, fresh: true, choice, editable, value: editable })
    }

    /// Adds a part, unless it is empty.
    pub(super) fn push(&mut self, part: Part<'b>) -> Result<(), ReadError> {
        if part.text.as_str().is_empty() {
            return Ok(());
        }
        if self.message.parts.len() >= TEXTS_MAX {
            return Err(ReadError::new(Code::TooManyTexts, part.text.raw().map_or(0, |at| at.start)));
        }
        self.message.parts.push(part);
        Ok(())
    }

    /// Adds a call. Calls have few texts each, and share the ceiling of the parts.
    pub(super) fn call(&mut self, call: Call<'b>) -> Result<(), ReadError> {
        if self.message.calls.len() >= TEXTS_MAX / 8 {
            return Err(ReadError::new(Code::TooManyTexts, call.name.raw().map_or(0, |at| at.start)));
        }
        self.message.calls.push(call);
        Ok(())
    }

    /// Notes what is not read; the same thing once.
    pub(super) fn unread(&mut self, what: &'static str, reason: UnjudgedReason) {
        let unread = Unread { what, reason };
        if !self.message.unread.contains(&unread) {
            self.message.unread.push(unread);
        }
    }

    /// Adds every string of a value.
    pub(super) fn tree(&mut self, reader: &mut Reader<'b>, token: Token, role: Role, choice: u32) -> Result<(), ReadError> {
        each(reader, token, 0, &mut |reader, leaf| self.leaf(reader, &leaf, role, choice))
    }

    /// Adds one leaf of a tree.
    pub(super) fn leaf(&mut self, reader: &Reader<'b>, leaf: &Leaf, role: Role, choice: u32) -> Result<(), ReadError> {
        if leaf.value && reader.raw(&leaf.at).starts_with("data:") && opaque(reader.raw(&leaf.at)).is_some() {
            self.unread("data_url", UnjudgedReason::Media);
            return Ok(());
        }
        let named = role == Role::ToolDefinition && is_tool_name(leaf.path);
        self.part(role, reader.text(&leaf.at), choice, leaf.value && !named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn only_long_coded_data_is_opaque() {
        assert_eq!(opaque(&"QUJD".repeat(20)), Some(UnjudgedReason::Encrypted));
        assert_eq!(opaque(&format!("data:image/png;base64,{}", "QUJD".repeat(20))), Some(UnjudgedReason::Media));
        assert_eq!(opaque("data:text/plain;base64,NDExMQ=="), None);
        assert_eq!(opaque(&"some words ".repeat(20)), None);
    }
}
