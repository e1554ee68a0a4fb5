//! Live conditions of Armalo: a list of type, operator, value, unit and way of verification.

use serde_json::{Value, json};

use super::draft::{Draft, put, severity};
use super::foreign::Foreign;

pub(super) fn draft(source: &mut Foreign) -> Draft {
    let mut out = Draft::new();
    if let Some(name) = source.text("name") {
        let id: String =
            name.to_lowercase().chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
        out.set("pact", id.trim_matches('-').into());
    }
    out.party(source, "agentId", "agent");
    source.take("isPublic");
    if source.text("pactType").is_some_and(|t| t == "unilateral") {
        source.leave("pactType", "a pledge of the agent alone is a setting of the deployment here: `trust.require: [agent]`");
    }
    for (n, (path, mut item)) in source.maps("conditions").into_iter().enumerate() {
        condition(&mut item, n + 1, &path, &mut out);
        source.close(&path, item);
    }
    out
}

fn condition(item: &mut Foreign, number: usize, path: &str, out: &mut Draft) {
    let kind = item.text("type").unwrap_or_default();
    let operator = item.text("operator").unwrap_or_default();
    let unit = item.text("unit").unwrap_or_default();
    let method = item.text("verificationMethod").unwrap_or_default();
    let said = item.text("severity").unwrap_or_else(|| "minor".to_owned());
    let Some(value) = item.take("value") else {
        item.leave("", "the condition has no value");
        return;
    };
    item.take("description");
    let Some(grave) = severity(&said) else {
        item.leave("severity", format!("there is no severity `{said}`"));
        return;
    };
    let id = format!("{}-{number}", kind.replace('_', "-").to_lowercase());
    let most = matches!(operator.as_str(), "lte" | "lt");
    if operator == "lt" {
        item.leave("operator", "`lt` is read as at most");
    }
    let predicate = match (kind.as_str(), method.as_str()) {
        (_, "jury") if operator == "gte" && value.is_number() => {
            out.set("evidence.sources", json!({"guard": "interaction/1", "jury": "verdict/1"}));
            out.set(&format!("evidence.rules.{id}"), json!({"from": "jury", "min": value}));
            json!({"id": id, "dimension": kind, "severity": grave, "at": "end", "check": {"judge": kind}})
        }
        ("latency", _) if most => {
            let Some(limit) = milliseconds(&value, &unit) else {
                item.leave("unit", format!("`{unit}` is no unit of time here; `ms` and `s` are"));
                return;
            };
            json!({"id": id, "dimension": "latency", "severity": grave, "at": "end", "act": "flag", "check": {"bound": "latency_ms", "max": limit}})
        }
        ("format", _) if most && matches!(unit.as_str(), "chars" | "characters") => {
            json!({"id": id, "dimension": "reliability", "severity": grave, "at": "end", "act": "flag", "check": {"bound": "reply_chars", "max": value}})
        }
        ("prohibited_topics" | "safety", _) if matches!(operator.as_str(), "excludes" | "neq") => {
            let phrases = if value.is_array() { value } else { json!([value]) };
            let detector = format!("condition_{number}");
            out.set(&format!("detectors.{detector}"), json!({"phrases": phrases}));
            let mut predicate = json!({"id": id, "dimension": "scope-honesty", "severity": grave, "at": "response", "check": {"match": [format!("own.{detector}")]}});
            if said.eq_ignore_ascii_case("info") {
                put(&mut predicate, "act", "flag");
            }
            if method == "deterministic" {
                item.leave("verificationMethod", "these phrases are found as written; the topic in other words is not");
            }
            predicate
        }
        _ => {
            item.leave("", format!("`{kind}` with `{operator}` ({method}) is no check of this format"));
            return;
        }
    };
    out.predicate(path, predicate);
}

fn milliseconds(value: &Value, unit: &str) -> Option<Value> {
    match unit {
        "" | "ms" => value.is_number().then(|| value.clone()),
        "s" | "seconds" => value.as_f64().map(|s| json!((s * 1_000.0).round() as u64)),
        _ => None,
    }
}
