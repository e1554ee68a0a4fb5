//! A Nomotic behavioural contract: expected distributions, scope, trust, invariants, anchors, drift limits.
//!
//! The keys inside an invariant are documented nowhere; several spellings are read.

use serde_json::{Map, Value, json};

use super::draft::{Draft, put};
use super::foreign::Foreign;

/// The window and the least samples where the contract names none: those that the engine of contracts has.
const WINDOW: &str = "100n";
const MIN_SAMPLES: u64 = 20;

pub(super) fn draft(source: &mut Foreign) -> Draft {
    let mut out = Draft::new();
    if let Some(id) = source.text("contract_id") {
        out.set("pact", format!("nomotic-{}", id.to_lowercase()).into());
    }
    if let Some(version) = source.number("version").and_then(|v| v.as_u64()) {
        out.set("version", format!("{version}.0.0").into());
    }
    out.party(source, "agent_id", "agent");
    out.set_some("subject.archetype", source.text("archetype"));
    if let Some(id) = source.text("certificate_id") {
        out.set("subject.credential", json!({"id": id}));
    }
    source.take("created_at");
    for path in ["signature", "signed_by"] {
        if source.take(path).is_some() {
            source.leave(path, "a seal that whoever checks it could have made is no signature here: sign anew");
        }
    }
    baseline(source, &mut out);
    scope(source, &mut out);
    for (path, key) in [("initial_trust", "start"), ("trust_floor", "floor"), ("trust_ceiling", "ceiling")] {
        out.set_some(&format!("penalty.standing.{key}"), source.number(path));
    }
    drift(source, &mut out);
    for (n, (path, mut item)) in source.maps("invariants").into_iter().enumerate() {
        invariant(&mut item, n + 1, &path, &mut out);
        source.close(&path, item);
    }
    out
}

fn baseline(source: &mut Foreign, out: &mut Draft) {
    let plain = |key: &str| key.to_owned();
    out.set_some("evidence.baseline.action", source.shares("expected_action_distribution", plain));
    out.set_some("evidence.baseline.target", source.shares("expected_target_distribution", plain));
    let outcome = source.shares("expected_outcome_distribution", |verdict| {
        let act = match verdict.to_uppercase().as_str() {
            "ALLOW" => "allow",
            "MODIFY" => "redact",
            "ESCALATE" => "hold",
            "DENY" => "block",
            _ => verdict,
        };
        act.to_owned()
    });
    out.set_some("evidence.baseline.outcome", outcome);
    for (path, mut item) in source.maps("semantic_anchors") {
        if let Some(term) = item.text("term") {
            let mut anchor = Map::new();
            for (from, key) in [("expected_action_distribution", "action"), ("expected_target_distribution", "target")] {
                anchor.extend(item.shares(from, plain).map(|shares| (key.to_owned(), shares)));
            }
            let tolerance = item.number("tolerance");
            anchor.extend(tolerance.clone().map(|t| ("tolerance".to_owned(), t)));
            out.set(&format!("evidence.baseline.anchors.{term}"), Value::Object(anchor));
            if let Some(tolerance) = tolerance.and_then(|t| t.as_f64()) {
                let least = ((1.0 - tolerance) * 1e6).round() / 1e6;
                measured(
                    out,
                    &path,
                    &format!("fidelity-{}", id(&term)),
                    json!({"measure": "fidelity", "anchor": term}),
                    ("min", json!(least)),
                    None,
                );
            }
        } else {
            item.leave("", "the anchor names no term");
        }
        source.close(&path, item);
    }
}

fn scope(source: &mut Foreign, out: &mut Draft) {
    for (path, kind) in [("authorized_scope.actions", "action"), ("authorized_scope.targets", "target")] {
        if let Some(members) = source.texts(path) {
            let check = json!({"set": kind, "allow": members});
            let scope = json!({"id": format!("{kind}s"), "dimension": "scope-honesty", "severity": "critical", "at": "call", "check": check});
            out.predicate(path, scope);
        }
    }
}

/// A lower-case id.
fn id(text: &str) -> String {
    text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// A statistic with its rule. The window is the contract's, or that of the engine of contracts.
#[expect(clippy::needless_pass_by_value, reason = "each is made for this call")]
fn measured(out: &mut Draft, path: &str, id: &str, check: Value, limit: (&str, Value), window: Option<String>) {
    let predicate = json!({"id": id, "dimension": "reliability", "severity": "major", "at": "window", "check": check});
    if out.predicate(path, predicate) {
        let counted = window.is_none();
        let mut rule = json!({"from": "guard", limit.0: limit.1, "window": window.unwrap_or_else(|| WINDOW.to_owned())});
        if counted {
            put(&mut rule, "min_samples", MIN_SAMPLES);
        }
        out.set(&format!("evidence.rules.{id}"), rule);
    }
}

fn drift(source: &mut Foreign, out: &mut Draft) {
    if let Some(limits) = source.shares("drift_thresholds", str::to_owned) {
        measured(out, "drift_thresholds", "drift", json!({"measure": "drift"}), ("max", limits), None);
    }
}

fn invariant(item: &mut Foreign, number: usize, path: &str, out: &mut Draft) {
    let kind = item.text("kind").or_else(|| item.text("type")).unwrap_or_default();
    let name = format!("{}-{number}", id(&kind));
    let mut first = |keys: &[&str]| keys.iter().find_map(|key| item.take(key));
    let most = first(&["max", "limit", "threshold", "max_ratio", "max_share"]);
    let least = first(&["min"]);
    let window = first(&["window", "period"]).and_then(|w| w.as_str().map(str::to_owned));
    let limit = match (most, least) {
        (Some(most), None) => Some(("max", most)),
        (None, Some(least)) => Some(("min", least)),
        _ => None,
    };
    let mut word = |keys: &[&str]| keys.iter().find_map(|key| item.take(key)).and_then(|v| v.as_str().map(str::to_owned));
    let check = match kind.as_str() {
        "ratio" => match (word(&["numerator", "num"]), word(&["denominator", "den"])) {
            (Some(num), Some(den)) => {
                Some(json!({"measure": "ratio", "num": format!("action:{num}"), "den": format!("action:{den}")}))
            }
            _ => None,
        },
        "distribution" => Some(
            json!({"measure": "top_share", "of": word(&["of", "dimension", "distribution"]).unwrap_or_else(|| "target".to_owned())}),
        ),
        "count" => {
            let per = word(&["per", "scope"]).unwrap_or_else(|| "session".to_owned());
            Some(
                json!({"measure": "distinct", "of": word(&["of", "dimension"]).unwrap_or_else(|| "target".to_owned()), "per": per}),
            )
        }
        "rate" => Some(
            json!({"measure": "rate", "of": "calls", "per": word(&["per"]).unwrap_or_else(|| "1h".to_owned()), "times_baseline": true}),
        ),
        "semantic" => word(&["term", "anchor"]).map(|term| json!({"measure": "fidelity", "anchor": term})),
        "drift" => {
            let of = word(&["distribution", "dimension", "of"]).unwrap_or_else(|| "overall".to_owned());
            if let Some((_, most)) = limit {
                let mut each = Map::new();
                each.insert(of, most);
                measured(out, path, &name, json!({"measure": "drift"}), ("max", Value::Object(each)), window);
                return;
            }
            None
        }
        "temporal" => {
            hours(item, &name, path, out);
            return;
        }
        _ => {
            item.leave("", format!("there is no invariant of kind `{kind}`"));
            return;
        }
    };
    match check.zip(limit) {
        Some((check, limit)) => measured(out, path, &name, check, limit, window),
        None => item.leave("", format!("a `{kind}` names what it looks at, and one limit")),
    }
}

/// Only between two hours of the day; the later one is exclusive there and inclusive in a bound.
fn hours(item: &mut Foreign, name: &str, path: &str, out: &mut Draft) {
    let listed = item.take("hours").and_then(|h| h.as_array().map(|h| (h.first().cloned(), h.get(1).cloned())));
    let (from, to) = listed.unwrap_or_else(|| {
        let mut first = |keys: &[&str]| keys.iter().find_map(|key| item.take(key));
        (first(&["from", "start", "start_hour"]), first(&["to", "end", "end_hour"]))
    });
    match (from.and_then(|v| v.as_u64()), to.and_then(|v| v.as_u64())) {
        (Some(from), Some(to)) if from < to && to <= 24 => {
            let check = json!({"bound": "local_hour", "min": from, "max": to - 1});
            out.predicate(
                path,
                json!({"id": name, "dimension": "reliability", "severity": "major", "at": "call", "check": check}),
            );
        }
        _ => item.leave("", "a `temporal` names two hours of one day"),
    }
}
