//! An Eidos agent descriptor: each hint of a capability, read as a promise.

use serde_json::{Value, json};

use super::draft::Draft;
use super::foreign::Foreign;

/// An interaction may take twice the declared median, as the observer of descriptors has it.
const OVER_MEDIAN: f64 = 2.0;

pub(super) fn draft(source: &mut Foreign) -> Draft {
    let mut out = Draft::new();
    for key in ["agentId", "id"] {
        out.party(source, key, "agent");
    }
    let mut capabilities = source.maps("capabilities").into_iter();
    match capabilities.next() {
        None => capability(source, "", &mut out),
        Some((path, mut item)) => {
            capability(&mut item, &path, &mut out);
            source.close(&path, item);
        }
    }
    for (path, mut item) in capabilities {
        let name = item.text("name").unwrap_or_default();
        source.leave(&path, format!("a pact is about one capability; import `{name}` as a pact of its own"));
    }
    if source.take("delegation") == Some(Value::Bool(false)) || source.take("canDelegate") == Some(Value::Bool(false)) {
        source.leave("delegation", "name the tools that delegate, and deny them: `check: {set: tool, deny: […]}`");
    }
    out
}

fn capability(source: &mut Foreign, path: &str, out: &mut Draft) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for key in ["name", "capability"] {
        out.set_some("subject.capability", source.text(key));
    }
    if let Some(median) = source.number("latencyHintP50Ms").and_then(|m| m.as_f64()) {
        let most = (median * OVER_MEDIAN).round() as u64;
        let bound = json!({"id": "latency", "dimension": "latency", "severity": "minor", "at": "end", "check": {"bound": "latency_ms", "max": most}});
        out.predicate(&at("latencyHintP50Ms"), bound);
    }
    if let Some(domains) = source.texts("excludedDomains").filter(|d| !d.is_empty()) {
        let check = json!({"set": "task", "deny": domains});
        let scope = json!({"id": "excluded", "dimension": "scope-honesty", "severity": "major", "at": "request", "check": check});
        out.predicate(&at("excludedDomains"), scope);
    }
}
