//! The schema of the sidecar's configuration.

use serde_json::{Value, json};

use super::{closed, count, date, did, head, list, map, one_or_many, text, words};
use crate::base::limits::SINKS_MAX;
use crate::base::names::{Lane, Mode};
use crate::evidence::shipped::Level;
use crate::evidence::sink::settings::Shape;
use crate::evidence::sink::table::{Row, TABLE};
use crate::guard::{Expired, ToolsChanged};

/// `32MiB`, or bytes.
fn size() -> Value {
    json!({"anyOf": [count(), {"type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB|TiB)$"}]})
}

/// `5s`, `5m`.
fn duration() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
}

pub(super) fn schema() -> Value {
    let listener = closed(
        json!({"name": text(), "bind": text(), "lane": words(Lane::ALL.iter().map(|l| l.as_str())), "upstream": text(), "protocol": text(), "tls": {}}),
        &["name", "bind", "upstream"],
    );
    let limits = closed(
        json!({
            "body_max": size(),
            "body_total_max": size(),
            "stream_hold_max": size(),
            "tool_call_max": size(),
            "keep_alive": duration(),
            "parallel_max": count(),
            "connections_max": count(),
            "connect": duration(),
            "idle": duration(),
            "drain": duration(),
        }),
        &[],
    );
    let body = closed(
        json!({
            "version": {"const": 1},
            "agent": did(),
            "trust": closed(json!({"keys": text(), "require": one_or_many(words(["agent", "counterparty", "guarantor"])), "images": one_or_many(did())}), &["keys"]),
            "listen": list(listener),
            "pacts": one_or_many(text()),
            "routes": list(route()),
            "facts": map(closed(json!({"header": text(), "from": one_or_many(text()), "claim": text(), "mtls": {}}), &[])),
            "facts_missing": words(["error", "accept"]),
            "accept_unenforced": one_or_many(text()),
            "callers": {},
            "limits": limits,
            "evidence": closed(
                json!({
                    "dir": text(),
                    "root_key": text(),
                    "when_full": words(["block", "pass_with_gap"]),
                    "keep": closed(json!({"local": duration(), "local_max": size()}), &[]),
                    "sinks": {"type": "array", "maxItems": SINKS_MAX, "items": {"oneOf": sinks()}},
                }),
                &[],
            ),
            "store": closed(json!({"dir": text()}), &[]),
            "fleet": {},
            "admin": closed(json!({"bind": text(), "token_file": text()}), &[]),
            "tls": closed(json!({"ca_file": text(), "cert_file": text(), "key_file": text(), "client_ca_file": text()}), &[]),
            "telemetry": closed(json!({"log": words(["text", "json"]), "otlp": text()}), &[]),
        }),
        &["version", "listen"],
    );
    head("Sidecar", "Configuration of `servanda run`.", body)
}

/// One shape for each kind, made from the table of kinds.
fn sinks() -> Vec<Value> {
    let shape = |row: &Row| {
        let mut keys = serde_json::Map::new();
        keys.insert("name".to_owned(), json!({"type": "string", "pattern": "^[a-z0-9_-]{1,40}$"}));
        for switch in ["required", "archive"] {
            keys.insert(switch.to_owned(), json!({"type": "boolean"}));
        }
        keys.insert("level".to_owned(), words(Level::ALL.iter().map(|(word, _)| *word)));
        for key in row.keys {
            let mut value = match key.shape {
                Shape::Text | Shape::Path => text(),
                Shape::Word(all) => words(all.iter().copied()),
                Shape::Switch => json!({"type": "boolean"}),
                Shape::Count(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
            };
            if let Some(value) = value.as_object_mut() {
                value.insert("description".to_owned(), key.means.into());
            }
            keys.insert(key.name.to_owned(), value);
        }
        let needed: Vec<&str> = row.keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
        let own = closed(Value::Object(keys), &needed);
        closed(json!({row.kind: own}), &[row.kind])
    };
    TABLE.iter().map(shape).collect()
}

fn route() -> Value {
    let passes = || words(["pass", "block"]);
    closed(
        json!({
            "match": closed(json!({"listener": text()}), &[]),
            "mode": words(Mode::ALL.iter().map(|m| m.as_str())),
            "owner": text(),
            "proof": text(),
            "review": closed(json!({"next": date(), "every": duration()}), &[]),
            "expand_when": closed(json!({"mode_days": count(), "violations_critical": count(), "evidence_gaps": count()}), &[]),
            "workflow": text(),
            "block_as": words(["auto", "refusal", "error"]),
            "uninspected": closed(
                json!({
                    "media": passes(),
                    "encrypted": passes(),
                    "over_limit": passes(),
                    "undecodable": passes(),
                    "unknown_event": words(["pass", "block", "pass_unless_text"]),
                    "detector_error": passes(),
                }),
                &[],
            ),
            "websocket": words(["refuse", "inspect"]),
            "durability": words(["default", "strict", "fast"]),
            "expired": words(Expired::ALL.iter().map(|e| e.as_str())),
            "tools_changed": words(ToolsChanged::ALL.iter().map(|t| t.as_str())),
        }),
        &[],
    )
}
