//! An Armalo pact: scope, performance commitments, constraints, evaluation, consequences.

use serde_json::{Map, Value, json};

use crate::base::names::DataCategory;
use crate::pact::constraint;
use crate::pact::term::SemVer;

use super::draft::{Draft, put, severity};
use super::foreign::Foreign;

/// The window where the document names none.
const WINDOW: &str = "7d";

pub(super) fn draft(source: &mut Foreign) -> Draft {
    let mut out = Draft::new();
    identity(source, &mut out);
    let tasks = lists(source, "scope.taskTypes", "scope.explicitExclusions", "task", |_| true);
    let data =
        lists(source, "scope.dataCategories", "scope.forbiddenDataCategories", "data", |c| DataCategory::parse(c).is_some());
    penalty(source, &mut out);
    constraints(source, &mut out, tasks.as_ref(), data.as_ref());
    // A constraint that takes the scope as its check says it already.
    if let Some(check) = tasks.filter(|_| !out.promises("no-scope-breach")) {
        let scope = json!({"id": "tasks", "dimension": "scope-honesty", "severity": "major", "at": "request", "check": check});
        out.predicate("scope.taskTypes", scope);
    }
    if let Some(check) = data.filter(|_| !out.promises("no-unauthorized-data-access")) {
        let data = json!({"id": "data", "dimension": "safety", "severity": "major", "at": "response", "check": check});
        out.predicate("scope.dataCategories", data);
    }
    if let Some(most) = source.number("scope.maxParallelTasks") {
        let bound = json!({"id": "parallel", "dimension": "reliability", "severity": "minor", "at": "request", "check": {"bound": "open_tasks", "max": most}});
        out.predicate("scope.maxParallelTasks", bound);
    }
    commitments(source, &mut out);
    out
}

fn identity(source: &mut Foreign, out: &mut Draft) {
    match source.text("pactId") {
        Some(id) => out.set("pact", format!("armalo-{}", id.to_ascii_lowercase()).into()),
        None => source.leave("", "the document has no `pactId`: give the pact a name"),
    }
    if let Some(version) = source.text("version") {
        if SemVer::parse(&version).is_some() {
            out.set("version", version.into());
        } else {
            source.leave("version", format!("`{version}` is no version of three numbers"));
        }
    }
    out.party(source, "agentId", "agent");
    out.party(source, "issuerDID", "guarantor");
    for path in ["signedAt", "signatureAlgorithm"] {
        if source.take(path).is_some() {
            source.leave(path, "the document carries no signature, and this text is another one: sign it anew");
        }
    }
}

/// An allow and a deny list as one check; members that this format does not know are left.
fn lists(source: &mut Foreign, allow: &str, deny: &str, kind: &str, known: fn(&str) -> bool) -> Option<Value> {
    let mut check = Map::new();
    for (path, key) in [(allow, "allow"), (deny, "deny")] {
        let Some(members) = source.texts(path) else { continue };
        let (own, foreign): (Vec<String>, Vec<String>) = members.into_iter().partition(|m| known(m));
        for member in foreign {
            source.leave(path, format!("`{member}` is no data category of this format"));
        }
        if !own.is_empty() {
            check.insert(key.to_owned(), own.into());
        }
    }
    if check.is_empty() {
        return None;
    }
    check.insert("set".to_owned(), kind.into());
    Some(Value::Object(check))
}

fn constraints(source: &mut Foreign, out: &mut Draft, tasks: Option<&Value>, data: Option<&Value>) {
    for (path, mut item) in source.maps("constraintSet") {
        let Some(name) = item.text("constraint") else {
            item.leave("", "it names no constraint");
            source.close(&path, item);
            continue;
        };
        let Some(known) = constraint::get(&name) else {
            item.leave("constraint", format!("there is no constraint `{name}`"));
            item.take("severity");
            item.take("autoSlash");
            source.close(&path, item);
            continue;
        };
        let id = known.default_id();
        let mut predicate = json!({"id": id, "constraint": name});
        let said = item.text("severity");
        let grave = said.as_deref().map_or(Some(known.severity.as_str()), severity);
        match (grave, &said) {
            (Some(grave), Some(_)) => put(&mut predicate, "severity", grave),
            (None, Some(word)) => item.leave("severity", format!("there is no severity `{word}`; the constraint's own counts")),
            _ => {}
        }
        // What the scope says is the check of the constraints that take one.
        let own = match name.as_str() {
            "NO_SCOPE_BREACH" => tasks,
            "NO_UNAUTHORIZED_DATA_ACCESS" => data,
            _ => None,
        };
        if let Some(check) = own {
            put(&mut predicate, "check", check.clone());
        }
        if let Some(slash) = item.number("autoSlash") {
            slashed(out, &id, grave.unwrap_or(known.severity.as_str()), &slash);
        }
        if !out.predicate(&path, predicate) {
            item.leave("constraint", "it stands twice; the first counts");
        }
        source.close(&path, item);
    }
}

/// The share that a constraint forfeits: the larger of its own and of what its severity says.
fn slashed(out: &mut Draft, id: &str, severity: &str, slash: &Value) {
    let mut consequence = out.get(&format!("penalty.{severity}")).cloned().unwrap_or_else(|| json!({}));
    let general = consequence.get("forfeit").and_then(Value::as_f64).unwrap_or(0.0);
    if slash.as_f64().is_some_and(|own| own > general) {
        put(&mut consequence, "forfeit", slash.clone());
        out.set(&format!("penalty.override.{id}"), consequence);
    }
}

fn commitments(source: &mut Foreign, out: &mut Draft) {
    let path = "performanceCommitments";
    let mut measured = |source: &mut Foreign, name: &str, predicate: Value, limit: (&str, Option<Value>)| {
        let Some(value) = limit.1 else { return };
        let at = format!("{path}.{name}");
        let id = predicate.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let window = source.text(&format!("{at}.measurementPeriod")).unwrap_or_else(|| {
            source.leave(&at, format!("it names no window; the draft says {WINDOW}"));
            WINDOW.to_owned()
        });
        let mut rule = json!({"from": "guard", limit.0: value, "window": window});
        if let Some(samples) = source.number(&format!("{at}.taskSampleSize")) {
            put(&mut rule, "min_samples", samples);
        }
        out.predicate(&at, predicate);
        out.set(&format!("evidence.rules.{id}"), rule);
    };
    let window = |id: &str, dimension: &str, check: Value| json!({"id": id, "dimension": dimension, "severity": "minor", "at": "window", "check": check});
    let least = source.number(&format!("{path}.taskCompletionRate.threshold"));
    let completion = window("completion", "reliability", json!({"measure": "share", "of": "completion", "is": "completed"}));
    measured(source, "taskCompletionRate", completion, ("min", least));
    let most = source.number(&format!("{path}.latencyP99Ms.threshold"));
    let latency = window("latency-p99", "latency", json!({"measure": "quantile", "of": "latency_ms", "q": 0.99}));
    measured(source, "latencyP99Ms", latency, ("max", most));
    let most = source.number(&format!("{path}.escalationRate.max"));
    let escalation = window("escalation", "reliability", json!({"measure": "share", "of": "completion", "is": "escalated"}));
    measured(source, "escalationRate", escalation, ("max", most));
    accuracy(source, out, &format!("{path}.accuracyScore"));
}

/// What a jury decides, and how often it is asked.
fn accuracy(source: &mut Foreign, out: &mut Draft, at: &str) {
    let Some(least) = source.number(&format!("{at}.threshold")) else { return };
    let mut rule = json!({"from": "jury", "min": least});
    if let Some(set) = source.text(&format!("{at}.evalSet")) {
        put(&mut rule, "eval_set", set);
    }
    if let Some(size) = source.number("evaluationConfig.jurySize") {
        let mut jury = json!({"size": size});
        if let Some(trim) = source.number("evaluationConfig.juryTrimPercentage").and_then(|t| t.as_f64()) {
            put(&mut jury, "trim", trim / 100.0);
        }
        put(&mut rule, "jury", jury);
    }
    if let Some(hours) = source.number("evaluationConfig.evalFrequencyHours") {
        put(&mut rule, "every", format!("{hours}h"));
    }
    if let Some(method) = source.text(&format!("{at}.methodology")).filter(|m| !m.to_ascii_lowercase().contains("jury")) {
        source.leave(&format!("{at}.methodology"), format!("`{method}` is no way of judging here; the draft asks a jury"));
    }
    out.predicate(at, json!({"id": "accuracy", "dimension": "accuracy", "severity": "minor", "at": "end", "check": {"judge": "answer_accuracy"}}));
    out.set("evidence.sources", json!({"guard": "interaction/1", "jury": "verdict/1"}));
    out.set("evidence.rules.accuracy", rule);
}

fn penalty(source: &mut Foreign, out: &mut Draft) {
    for (name, key) in [("minorViolation", "minor"), ("majorViolation", "major"), ("criticalViolation", "critical")] {
        let at = |field: &str| format!("consequenceStructure.{name}.{field}");
        let mut consequence = Map::new();
        if let Some(amount) = source.number(&at("amount")).and_then(|a| a.as_f64()) {
            consequence.insert("score".to_owned(), json!(-amount.abs()));
        }
        if let Some(duration) = source.text(&at("duration")) {
            consequence.insert("pause".to_owned(), duration.into());
        }
        if let Some(points) = source.number(&at("escrowSlashBps")).and_then(|p| p.as_f64()) {
            consequence.insert("forfeit".to_owned(), json!(points / 10_000.0));
        }
        for (field, review) in [("requireJuryReview", "jury"), ("requireHumanReview", "human")] {
            if source.take(&at(field)) == Some(Value::Bool(true)) {
                consequence.insert("review".to_owned(), review.into());
            }
        }
        if source.take(&at("notifyBuyer")) == Some(Value::Bool(true)) {
            consequence.insert("notify".to_owned(), json!(["counterparty"]));
        }
        if let Some(action) = source.text(&at("action")) {
            let fields = consequence.keys().cloned().collect::<Vec<_>>().join(", ");
            let why = format!(
                "`{action}` is carried by what stands beside it ({})",
                if fields.is_empty() { "nothing" } else { &fields }
            );
            source.leave(&at("action"), why);
        }
        if !consequence.is_empty() {
            out.set(&format!("penalty.{key}"), Value::Object(consequence));
        }
    }
}
