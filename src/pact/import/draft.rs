//! A draft in the making: sections as values, written as YAML once what does not hold has been taken out.

use serde_json::{Map, Value, json};

use crate::base::diagnostic::{Diagnostic, Level};
use crate::pact::pack::Packs;
use crate::pact::read;

use super::foreign::{Foreign, Left};
use super::{Imported, Origin};

/// Errors that are taken out one by one before the importer gives up; each takes something with it.
const ROUNDS_MAX: usize = 2_000;

/// The keys of a predicate, in the order people read them.
const PREDICATE: &[&str] = &["id", "constraint", "dimension", "severity", "at", "check", "act"];

/// A draft in the making.
#[derive(Debug)]
pub(super) struct Draft {
    sections: Map<String, Value>,
    /// Where each predicate came from, by id.
    origins: Vec<(String, String)>,
    /// Predicates that do not hold yet.
    waiting: Vec<Value>,
}

impl Draft {
    pub(super) fn new() -> Self {
        let mut sections = Map::new();
        sections.insert("format".to_owned(), json!(1));
        Self { sections, origins: Vec::new(), waiting: Vec::new() }
    }

    /// Sets the value at this path (`evidence.rules.p99`).
    pub(super) fn set(&mut self, path: &str, value: Value) {
        let keys: Vec<&str> = path.split('.').collect();
        let Some((last, above)) = keys.split_last() else { return };
        let mut map = &mut self.sections;
        for key in above {
            let next = map.entry((*key).to_owned()).or_insert_with(|| json!({}));
            match next {
                Value::Object(below) => map = below,
                _ => return,
            }
        }
        map.insert((*last).to_owned(), value);
    }

    /// Sets it if there is one.
    pub(super) fn set_some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value.into());
        }
    }

    /// The value at this path.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let start = self.sections.get(first)?;
        rest.split('.').filter(|k| !k.is_empty()).try_fold(start, |at, key| at.get(key))
    }

    /// Adds a predicate that came from this place, unless one of its id stands already; then false.
    pub(super) fn predicate(&mut self, origin: &str, predicate: Value) -> bool {
        let id = predicate.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.promises(&id) {
            return false;
        }
        self.origins.push((id, origin.to_owned()));
        let list = self.sections.entry("predicates").or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(predicate);
        }
        true
    }

    /// Whether there is a predicate of this id.
    pub(super) fn promises(&self, id: &str) -> bool {
        self.origins.iter().any(|(known, _)| known == id)
    }

    /// Sets a subject's DID; a name that is none is left.
    pub(super) fn party(&mut self, source: &mut Foreign, path: &str, key: &str) {
        let Some(name) = source.text(path) else { return };
        if name.starts_with("did:") {
            self.set(&format!("subject.{key}"), name.into());
        } else {
            source.leave(path, format!("`{name}` is no DID: write the {key}'s as `subject.{key}`"));
        }
    }

    /// The draft as text, with what it does not carry.
    pub(super) fn finish(mut self, source: Foreign, from: Origin, packs: &Packs) -> Imported {
        let mut left = source.finish();
        for _ in 0..ROUNDS_MAX {
            let text = self.write(from);
            let (pact, mistakes) = read(&text, packs);
            let Some(error) = mistakes.iter().find(|d| d.level == Level::Error) else {
                let lacks = pact.map(|p| p.lacks().to_vec()).unwrap_or_default();
                return Imported { draft: text, left, lacks };
            };
            let sections = self.sections.clone();
            left.push(self.drop(error));
            if sections == self.sections {
                break;
            }
        }
        // A mistake without a place: nothing of the draft can be kept.
        self.sections.retain(|key, _| key == "format");
        Imported { draft: self.write(from), left, lacks: Vec::new() }
    }

    /// Takes out what this error is about.
    fn drop(&mut self, error: &Diagnostic) -> Left {
        let help = error.help.as_deref().map(|h| format!(" ({h})")).unwrap_or_default();
        let why = format!("{}{help}", error.message);
        let keys: Vec<String> = error.field.split(['.', '[']).map(|k| k.trim_end_matches(']').to_owned()).collect();
        let mut keys = keys.iter().map(String::as_str).filter(|k| !k.is_empty());
        let first = keys.next().unwrap_or_default().to_owned();
        let number = if first == "predicates" { keys.next().and_then(|n| n.parse::<usize>().ok()) } else { None };
        let predicates = self.sections.get_mut("predicates").and_then(Value::as_array_mut);
        if let Some((number, list)) = number.zip(predicates).filter(|(number, list)| *number < list.len()) {
            let predicate = list.remove(number);
            let id = predicate.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.waiting.push(predicate);
            for (section, key) in [("evidence", "rules"), ("penalty", "override")] {
                self.remove_at(&[section, key, &id]);
            }
            let origin = self.origins.iter().find(|(known, _)| *known == id).map(|(_, origin)| origin.clone());
            return Left { path: origin.unwrap_or(id), why: format!("it stands as a comment in the draft: {why}") };
        }
        let keys: Vec<&str> = std::iter::once(first.as_str()).chain(keys).collect();
        self.remove(keys);
        Left { path: String::new(), why: format!("`{}` of the draft was taken out: {why}", error.field) }
    }

    /// Removes what stands at this path, or the last that is there on the way, never the format.
    fn remove<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        let keys: Vec<&str> = keys.into_iter().collect();
        let mut depth = keys.len();
        while depth > 1 {
            if keys.get(..depth).is_some_and(|keys| self.remove_at(keys)) {
                return;
            }
            depth -= 1;
        }
        if let Some(first) = keys.first().filter(|k| **k != "format") {
            self.sections.remove(*first);
        }
    }

    /// Removes what stands at this path below a section; whether there was something.
    fn remove_at(&mut self, keys: &[&str]) -> bool {
        let Some((last, above)) = keys.split_last() else { return false };
        let start = above.first().and_then(|key| self.sections.get_mut(*key));
        let parent = above.iter().skip(1).fold(start, |at, key| at?.get_mut(*key));
        parent.and_then(Value::as_object_mut).and_then(|map| map.remove(*last)).is_some()
    }

    fn write(&self, from: Origin) -> String {
        let mut out = format!("# A draft, imported from a document of {from}. `servanda check` says what it lacks.\n");
        for section in read::KEYS {
            match self.sections.get(*section) {
                None => {}
                Some(Value::Array(list)) => {
                    out.push_str(&format!("\n{section}:\n"));
                    for item in list {
                        out.push_str(&format!("  - {}\n", flow(item, PREDICATE)));
                    }
                }
                Some(Value::Object(map)) => {
                    out.push_str(&format!("\n{section}:\n"));
                    for (key, value) in map {
                        out.push_str(&format!("  {}: {}\n", name(key), flow(value, PREDICATE)));
                    }
                }
                Some(scalar) => out.push_str(&format!("{section}: {scalar}\n")),
            }
        }
        if !self.waiting.is_empty() {
            out.push_str("\n# These hold once what they need is written; move them to `predicates` then:\n");
            for item in &self.waiting {
                out.push_str(&format!("#  - {}\n", flow(item, PREDICATE)));
            }
        }
        out
    }
}

/// Puts a value under a key, if the value is a map.
pub(super) fn put(map: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(map) = map {
        map.insert(key.to_owned(), value.into());
    }
}

/// A key, quoted where YAML would read something else.
fn name(key: &str) -> String {
    let plain = key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !matches!(key.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

/// A value on one line, these keys first. Texts stand in quotes.
fn flow(value: &Value, first: &[&str]) -> String {
    match value {
        Value::Object(map) => {
            let head = first.iter().filter_map(|key| map.get_key_value(*key));
            let tail = map.iter().filter(|(key, _)| !first.contains(&key.as_str()));
            let entries: Vec<String> = head.chain(tail).map(|(key, v)| format!("{}: {}", name(key), flow(v, first))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(|v| flow(v, first)).collect::<Vec<_>>().join(", ")),
        Value::String(text) if name(text) == *text && !text.contains('.') => text.clone(),
        scalar => scalar.to_string(),
    }
}

/// A severity in the words of another system.
pub(super) fn severity(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "critical" => "critical",
        "high" | "major" => "major",
        "medium" | "minor" | "low" | "info" => "minor",
        _ => return None,
    })
}
