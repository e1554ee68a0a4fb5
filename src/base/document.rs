//! A YAML or JSON text as a tree in which every node knows its place.
//!
//! Promises: duplicate keys, anchors, aliases, tags, several documents and too deep nesting are
//! mistakes with a place; scalars follow the YAML 1.2 core schema, except that nothing is read as a
//! date and a number keeps its text, so that versions stay what the author wrote. What looks like a
//! boolean only to YAML 1.1 (`yes`, `off`) is a string, and callers can tell by [`Node::plain`].
//! JSON is read by the same reader, since YAML 1.2 contains it.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::diagnostic::{Diagnostics, Span};
use super::limits::{DOCUMENT_MAX, DOCUMENT_NODES_MAX, NESTING_MAX};

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// Whether it is a scalar written without quotes.
    pub plain: bool,
}

/// A value of the YAML core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other finite number, with its text as written.
    Float(f64, String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys in order as written; keys are text and unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a map with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// The entries, if this is a map; else none.
    pub fn entries(&self) -> &[(Key, Self)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The number, whole or not, if this is one.
    pub fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f, _) => Some(*f),
            _ => None,
        }
    }

    /// What it is, for messages: `a map`, `text`, …
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(..) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The same as a JSON value; keys in order as written.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f, _) => serde_json::Number::from_f64(*f).map_or(serde_json::Value::Null, Into::into),
            Value::Text(t) => t.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
}

/// Reads one document.
///
/// # Errors
/// Every mistake found before the text became unreadable. A text without a document is the empty map's
/// place with [`Value::Null`].
pub fn parse(text: &str) -> Result<Node, Diagnostics> {
    let mut out = Diagnostics::default();
    if text.len() > DOCUMENT_MAX {
        out.error(
            "too_large",
            "",
            Span::default(),
            format!("the document has {} bytes; the limit is {DOCUMENT_MAX}", text.len()),
        );
        return Err(out);
    }
    let (joined, pairs) = joined_surrogates(text);
    let places = Places::new(text, pairs);
    let mut reader = Reader { parser: Parser::new_from_str(&joined), places, out, nodes: 0, path: String::new() };
    let root = reader.document();
    let mut out = reader.out;
    match root {
        Some(node) if !out.has_errors() => Ok(node),
        _ => {
            out.sort();
            Err(out)
        }
    }
}

/// A JSON text with each pair of surrogate escapes (`\ud83c\udf89`) in the form that YAML has for the same
/// character (`\U0001f389`), and the character positions behind each of them. Any other text as it is.
fn joined_surrogates(text: &str) -> (Cow<'_, str>, Vec<usize>) {
    let escapes = || text.as_bytes().windows(3).any(|w| matches!(w, [b'\\', b'u', b'd' | b'D']));
    if !escapes() || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return (Cow::Borrowed(text), Vec::new());
    }
    let unit = |text: &str| text.strip_prefix("\\u").and_then(|t| t.get(..4)).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let (mut out, mut pairs, mut rest, mut characters) = (String::with_capacity(text.len()), Vec::new(), text, 0usize);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        characters += before.chars().count();
        let units = [unit(escape), escape.get(6..).and_then(unit)].into_iter().flatten();
        let length = match char::decode_utf16(units).next() {
            Some(Ok(c)) if u32::from(c) > 0xFFFF => {
                out.push_str(&format!("\\U{:08x}", u32::from(c)));
                characters += 10;
                pairs.push(characters);
                12
            }
            // Any other escape is the same in both languages; in valid JSON its second character is ASCII.
            _ => {
                out.push_str(escape.get(..2).unwrap_or(escape));
                characters += 2;
                2
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    (Cow::Owned(out), pairs)
}

/// Character positions of the parser to bytes.
struct Places {
    /// Byte offset of each 64th character.
    marks: Vec<usize>,
    text: String,
    /// Behind each of these positions the parser is two characters short of the text.
    pairs: Vec<usize>,
}

impl Places {
    fn new(text: &str, pairs: Vec<usize>) -> Self {
        let marks = text.char_indices().step_by(64).map(|(at, _)| at).collect();
        Self { marks, text: text.to_owned(), pairs }
    }

    /// How many characters the parser is short of the text at this position of its own.
    fn short(&self, character: usize) -> usize {
        2 * self.pairs.partition_point(|at| *at <= character)
    }

    fn byte(&self, character: usize) -> usize {
        let character = character + self.short(character);
        let Some(&from) = self.marks.get(character / 64) else { return self.text.len() };
        let rest = self.text.get(from..).unwrap_or_default();
        rest.char_indices().nth(character % 64).map_or(self.text.len(), |(at, _)| from + at)
    }

    /// The column in the text, from 1.
    fn column(&self, mark: &saphyr_parser::Marker) -> usize {
        let line = mark.index().saturating_sub(mark.col());
        mark.col() + 1 + self.short(mark.index()) - self.short(line)
    }

    fn span(&self, span: &saphyr_parser::Span) -> Span {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        Span { start, end: end.max(start), line: span.start.line(), column: self.column(&span.start) }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    places: Places,
    out: Diagnostics,
    nodes: usize,
    /// Keys and places that lead to the node at hand.
    path: String,
}

impl<'a> Reader<'a> {
    /// Reads a member under its name in the path.
    fn under<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if !(self.path.is_empty() || name.starts_with('[')) {
            self.path.push('.');
        }
        self.path.push_str(name);
        let out = read(self);
        self.path.truncate(length);
        out
    }

    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        match self.parser.next_event()? {
            Ok((event, span)) => Some((event, self.places.span(&span))),
            Err(error) => {
                let mark = error.marker();
                let start = self.places.byte(mark.index());
                let span = Span { start, end: start, line: mark.line(), column: self.places.column(mark) };
                self.out.error("syntax", self.path.clone(), span, error.info().to_owned());
                if let Some(help) = way_out(error.info()) {
                    self.out.help(help);
                }
                None
            }
        }
    }

    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => {
                    return Some(root.unwrap_or(Node { value: Value::Null, span, plain: true }));
                }
                Event::DocumentStart(_) => {
                    if root.is_some() {
                        self.out
                            .error("second_document", "", span, "a file holds one document")
                            .help("remove what follows `---`");
                        return None;
                    }
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => return None,
            }
        }
    }

    /// Reads the node that `event` begins. None where the text became unreadable.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > NESTING_MAX || self.nodes > DOCUMENT_NODES_MAX {
            self.out.error(
                "too_deep",
                "",
                span,
                format!("nested deeper than {NESTING_MAX} or more than {DOCUMENT_NODES_MAX} values"),
            );
            return None;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.decoration(anchor, tag.is_some(), span);
                Some(scalar(text, style, span))
            }
            Event::SequenceStart(anchor, tag) => {
                self.decoration(anchor, tag.is_some(), span);
                let mut items = Vec::new();
                loop {
                    let (event, at) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        return Some(Node { value: Value::List(items), span: through(span, at), plain: false });
                    }
                    let name = format!("[{}]", items.len());
                    items.push(self.under(&name, |r| r.node(event, at, depth + 1))?);
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.decoration(anchor, tag.is_some(), span);
                let mut entries: Vec<(Key, Node)> = Vec::new();
                let mut seen = std::collections::HashMap::new();
                loop {
                    let (event, at) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        return Some(Node { value: Value::Map(entries), span: through(span, at), plain: false });
                    }
                    let key = self.key(event, at, depth)?;
                    let (event, at) = self.next()?;
                    let value = self.under(&key.text, |r| r.node(event, at, depth + 1))?;
                    if let Some(first) = seen.insert(key.text.clone(), key.span.line) {
                        let path = self.under(&key.text, |r| r.path.clone());
                        let message = format!("key `{}` stands twice; first in line {first}", key.text);
                        self.out.error("duplicate_key", path, key.span, message).help("keep one of them");
                        continue;
                    }
                    entries.push((key, value));
                }
            }
            Event::Alias(_) => {
                self.out
                    .error(
                        "alias",
                        self.path.clone(),
                        span,
                        "aliases are not allowed: what is signed must stand where it is read",
                    )
                    .help("write the value out");
                Some(Node { value: Value::Null, span, plain: true })
            }
            _ => None,
        }
    }

    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Option<Key> {
        if let Event::Scalar(text, _, anchor, tag) = event {
            self.decoration(anchor, tag.is_some(), span);
            if text == "<<" {
                let path = self.under("<<", |r| r.path.clone());
                self.out.error("merge_key", path, span, "merge keys are not allowed").help("write the keys out");
            }
            return Some(Key { text: text.into_owned(), span });
        }
        self.out
            .error("complex_key", self.path.clone(), span, "a key must be plain text")
            .help("a name, a colon and a blank: `name: value`");
        self.node(event, span, depth + 1)?;
        Some(Key { text: format!("\u{0}{}", span.start), span })
    }

    fn decoration(&mut self, anchor: usize, tagged: bool, span: Span) {
        if anchor != 0 {
            self.out
                .error("anchor", self.path.clone(), span, "anchors are not allowed: what is signed must stand where it is read")
                .help("write the value out");
        }
        if tagged {
            self.out.error("tag", self.path.clone(), span, "tags are not allowed").help("quote the value, or write it plainly");
        }
    }
}

/// What to do about the commonest mistakes of the grammar.
fn way_out(told: &str) -> Option<&'static str> {
    let told = told.to_ascii_lowercase();
    if told.contains("tab") {
        Some("indent with spaces")
    } else if told.contains("mapping values are not allowed") || told.contains("did not find expected key") {
        Some("quote a value that holds a colon and a blank, and indent the keys of one map alike")
    } else {
        None
    }
}

fn through(start: Span, end: Span) -> Span {
    Span { end: end.end.max(start.end), ..start }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Node {
    let plain = matches!(style, ScalarStyle::Plain);
    let value = if plain { plain_value(&text) } else { None };
    Node { value: value.unwrap_or_else(|| Value::Text(text.into_owned())), span, plain }
}

/// YAML 1.2 core schema (§10.3), less octal, hexadecimal, infinity and not-a-number.
fn plain_value(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') || !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Value::Int);
    }
    if digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        let number: f64 = text.parse().ok()?;
        return number.is_finite().then(|| Value::Float(number, text.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        parse(text).map_or_else(|d| d.iter().map(|d| d.code).collect(), |_| Vec::new())
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let node = parse("{a: 1, b: 1.50, c: yes, d: 2026-12-01, e: \"1\", f: ~, g: true, h: -3, i: 1e3, j: 2.1.0}").unwrap();
        assert_eq!(node.get("a").unwrap().value, Value::Int(1));
        assert_eq!(node.get("b").unwrap().value, Value::Float(1.5, "1.50".into()));
        assert_eq!(node.get("c").unwrap().text(), Some("yes"));
        assert_eq!(node.get("d").unwrap().text(), Some("2026-12-01"));
        assert_eq!(node.get("e").unwrap().text(), Some("1"));
        assert_eq!(node.get("f").unwrap().value, Value::Null);
        assert_eq!(node.get("g").unwrap().value, Value::Bool(true));
        assert_eq!(node.get("h").unwrap().value, Value::Int(-3));
        assert_eq!(node.get("i").unwrap().number(), Some(1000.0));
        assert_eq!(node.get("j").unwrap().text(), Some("2.1.0"));
    }

    #[test]
    fn pairs_of_surrogates_are_read_as_json_means_them() {
        let text = r#"{"a": "\ud83c\uDF89 \\ud83c", "b": ["\ud83c\udf89", "\u00e9"], "x": 1}"#;
        let node = parse(text).unwrap();
        assert_eq!(node.to_json(), serde_json::from_str::<serde_json::Value>(text).unwrap());
        let x = node.get("x").unwrap();
        assert_eq!((&text[x.span.start..x.span.end], x.span.column), ("1", text.find("1}").unwrap() + 1));
        let below = parse("{\"a\":\n\"\\ud83c\\udf89\", \"x\": 1}").unwrap();
        assert_eq!(below.get("x").unwrap().span.column, 22);
        // Half a pair is no character; in YAML the escape is not known.
        assert_eq!(codes(r#"{"a": "\ud83c"}"#), ["syntax"]);
        assert_eq!(codes("a: \"\\ud83c\\udf89\""), ["syntax"]);
        assert_eq!(parse("a: '\\ud83c\\udf89'").unwrap().get("a").unwrap().text(), Some("\\ud83c\\udf89"));
    }

    #[test]
    fn spans_are_bytes_and_columns_are_characters() {
        let text = "ä: \"ö\"\nb: xyz\n";
        let node = parse(text).unwrap();
        let b = node.get("b").unwrap();
        assert_eq!(&text[b.span.start..b.span.end], "xyz");
        assert_eq!((b.span.line, b.span.column), (2, 4));
    }

    #[test]
    fn every_mistake_at_once() {
        assert_eq!(codes("a: &x 1\nb: *x\na: 2\nc: !!str 3\n"), ["anchor", "alias", "duplicate_key", "tag"]);
        assert_eq!(codes("a: [1, 2\nb: 3"), ["syntax"]);
        assert_eq!(codes("a: 1\n---\nb: 2\n"), ["second_document"]);
        assert_eq!(codes(&"[".repeat(200)), ["too_deep"]);
    }

    #[test]
    fn json_is_read_by_the_same_reader() {
        let text = r#"{"a": [1, {"b": "c\u00e9\/"}], "t": null}"#;
        assert_eq!(parse(text).unwrap().to_json(), serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}
