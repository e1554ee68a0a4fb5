//! The schemas of what is recorded, and of what judges and counterparties report.
//!
//! Readers of records keep what they do not know, since keys are only added: these schemas are open.

use serde_json::{Value, json};

use super::{head, list, text, words};
use crate::base::names::{DataCategory, Lane, Mode, UnjudgedReason};
use crate::base::verdict::{Act, Severity};
use crate::evidence::kind::Kind;
use crate::pact::model::COMPLETIONS;

/// A map that may have further keys.
fn open(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// What every record has.
fn common() -> Value {
    json!({
        "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        "kind": words(Kind::ALL.iter().map(|k| k.as_str())),
        "log": text(),
        "mono_us": {"type": "integer", "minimum": 0},
        "spec": {"const": "evidence/1"},
        "time_us": {"type": "integer"},
    })
}

const COMMON: &[&str] = &["id", "kind", "log", "mono_us", "spec", "time_us"];

pub(super) fn evidence() -> Value {
    let about = "One record of the evidence log; canonical JSON without floats and null. Further keys depend on the kind.";
    head("Evidence record", about, open(common(), COMMON))
}

pub(super) fn interaction() -> Value {
    let mut properties = common();
    let own = json!({
        "kind": {"const": Kind::Exchange.as_str()},
        "act": words(Act::ALL.iter().map(|a| a.as_str())),
        "mode": words(Mode::ALL.iter().map(|m| m.as_str())),
        "lane": words(Lane::ALL.iter().map(|l| l.as_str())),
        "protocol": text(),
        "completion": words(COMPLETIONS.iter().copied()),
        "data": list(words(DataCategory::ALL.iter().map(|c| c.as_str()))),
        "topics": list(text()),
        "hits": list(json!({"type": "object"})),
        "unjudged": list(json!({"type": "object", "properties": {"reason": words(UnjudgedReason::ALL.iter().map(|r| r.as_str()).chain(["framing", "gate"])), "what": text()}})),
    });
    if let (Some(properties), Value::Object(own)) = (properties.as_object_mut(), own) {
        properties.extend(own);
    }
    let about = "interaction/1: the record of one exchange, as the guard emits it.";
    head("Interaction", about, open(properties, COMMON))
}

pub(super) fn verdict() -> Value {
    let properties = json!({
        "pact": text(),
        "version": text(),
        "predicate": text(),
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "record": {"type": "string", "description": "The record that was judged."},
        "judge": {"type": "string", "pattern": "^did:"},
        "eval_set": text(),
        "at": {"type": "integer", "description": "Unix seconds."},
    });
    head("Verdict", "verdict/1: what a judge says of a predicate.", open(properties, &["predicate", "score"]))
}

pub(super) fn incident() -> Value {
    let properties = json!({
        "pact": text(),
        "version": text(),
        "predicate": text(),
        "severity": words(Severity::ALL.iter().map(|s| s.as_str())),
        "record": text(),
        "by": {"type": "string", "pattern": "^did:"},
        "what": text(),
        "at": {"type": "integer", "description": "Unix seconds."},
    });
    head("Incident", "incident/1: what a counterparty reports.", open(properties, &["predicate", "severity"]))
}
