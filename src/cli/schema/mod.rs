//! `servanda schema`: JSON Schemas for editors and other programs, made of the words that the readers use.
//!
//! A schema is a first look: it knows keys, types and closed words. Whether a document holds is said by
//! `servanda check`, which also sees what stands between its parts. Every document that `check` passes fits
//! its schema.

#![expect(clippy::needless_pass_by_value, reason = "parts of a schema are made where they are used")]

mod config;
mod pack;
mod pact;
mod portfolio;
mod records;

use serde_json::{Value, json};

use super::render::{Answer, CliError, Outcome, Screen};

/// Arguments of `servanda schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda schema pact > pact.schema.json")]
pub(super) struct Schema {
    /// Of what: pact, portfolio, config, pack, evidence, interaction, verdict or incident.
    #[arg(value_name = "KIND")]
    kind: String,
}

/// Name, and the schema.
type Named = (&'static str, fn() -> Value);

/// Every schema by the name of what it describes.
const SCHEMAS: &[Named] = &[
    ("pact", pact::schema),
    ("portfolio", portfolio::schema),
    ("config", config::schema),
    ("pack", pack::schema),
    ("evidence", records::evidence),
    ("interaction", records::interaction),
    ("verdict", records::verdict),
    ("incident", records::incident),
];

impl Schema {
    /// Prints it.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let Some((_, schema)) = SCHEMAS.iter().find(|(name, _)| *name == self.kind) else {
            let known: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
            let error = CliError::new(format!("no schema `{}`", self.kind));
            return Err(error.help(format!("there are: {}", known.join(", "))));
        };
        screen.json(&schema())?;
        Ok(Outcome::Fine)
    }
}

/// The head of every schema.
fn head(title: &str, about: &str, body: Value) -> Value {
    let mut out = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "description": about});
    if let (Some(out), Value::Object(body)) = (out.as_object_mut(), body) {
        out.extend(body);
    }
    out
}

/// A map with these keys and no others; those that are needed by name.
fn closed(properties: Value, required: &[&str]) -> Value {
    let mut out = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if let Some(map) = out.as_object_mut().filter(|_| !required.is_empty()) {
        map.insert("required".to_owned(), json!(required));
    }
    out
}

/// A map from any name to one kind of value.
fn map(value: Value) -> Value {
    json!({"type": "object", "additionalProperties": value})
}

fn list(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

/// One, or a list of such.
fn one_or_many(item: Value) -> Value {
    json!({"anyOf": [item.clone(), list(item)]})
}

/// A closed set of words.
fn words<'w>(all: impl IntoIterator<Item = &'w str>) -> Value {
    json!({"enum": all.into_iter().collect::<Vec<_>>()})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn share() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

fn truth() -> Value {
    json!({"type": "boolean"})
}

/// `90s`, `30m`, `24h`, `7d`, `2w`, `6mo`.
fn period() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(s|m|h|d|w|mo)$"})
}

fn date() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
}

fn did() -> Value {
    json!({"type": "string", "pattern": "^did:"})
}

fn version() -> Value {
    json!({"type": "string", "pattern": "^(0|[1-9][0-9]*)(\\.(0|[1-9][0-9]*)){2}$"})
}
