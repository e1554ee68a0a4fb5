//! Records in the shapes that Armalo's endpoints take and give: interaction, fulfilment, trust.
//!
//! Promises: a number that was not measured is null, never made up, and said with its reason; content stands as the
//! commitment that the log holds, under a name of its own, since a bare digest of a short text can be guessed. What it
//! will not do: judge, weigh, or call an endpoint.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::verdict::Severity;
use crate::pact::fulfilment::{Tally, limit, share};
use crate::pact::model::{Attribute, Check, Figure, Label, MeasureCheck, Pact, Predicate, Quantity, Rule, SetKind};
use crate::pact::term::Window;

/// Days that the counters of a trust answer look back.
const TRUST_DAYS: i64 = 30;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// What a shape asks for and the log cannot give, or gives in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    /// The field.
    pub(super) field: String,
    /// Why.
    pub(super) why: String,
}

/// Documents in a shape, and what they lack.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Exported {
    /// The documents.
    pub(super) documents: Vec<Value>,
    /// What they lack.
    pub(super) left: Vec<Left>,
}

impl Exported {
    /// Notes what is left out, once.
    pub(super) fn left(&mut self, field: &str, why: impl Into<String>) {
        let left = Left { field: field.to_owned(), why: why.into() };
        if !self.left.contains(&left) {
            self.left.push(left);
        }
    }
}

/// Bodies of `POST …/interactions`, one an exchange.
pub(super) fn interactions(exchanges: &[Value]) -> Exported {
    let mut out = Exported::default();
    out.left(
        "inputHash, outputHash",
        "given as `inputCommitment` and `outputCommitment`: the log keeps keyed commitments, no digests",
    );
    for record in exchanges {
        let (task, id) = match text(record, "task").map(|task| task.split_once('/').unwrap_or((task, ""))) {
            Some((task, id)) => (Some(task), Some(id).filter(|id| !id.is_empty())),
            None => (None, None),
        };
        let id = id.or_else(|| text(record, "interaction"));
        if id.is_none() {
            out.left("taskId", "no source tells it; the id of the record stands there");
        }
        if task.is_none() {
            out.left("taskType", "null where no source tells `task.type`");
        }
        let commit = |key: &str| record.get("commit").and_then(|c| c.get(key)).cloned();
        let unread = !list(record, "unjudged").is_empty();
        let data: Vec<&str> = list(record, "data").iter().filter_map(Value::as_str).collect();
        let data = match (data.is_empty(), unread) {
            (false, _) => json!(data),
            (true, false) => json!(["public"]),
            (true, true) => {
                out.left("dataCategories", "null where something was not inspected and nothing found");
                Value::Null
            }
        };
        if record.get("data_more").is_some() {
            out.left("dataCategories", "some records hold more than they list");
        }
        let handed = |call: &Value| {
            text(call, "action") == Some("escalate") && matches!(text(call, "act"), Some("allow" | "flag" | "redact"))
        };
        let completion = text(record, "completion");
        out.documents.push(json!({
            "taskId": id.or_else(|| text(record, "id")),
            "taskType": task,
            "inputCommitment": commit("request"),
            "outputCommitment": commit("delivered").or_else(|| commit("response")),
            "completionStatus": completion,
            "latencyMs": latency_ms(record),
            "dataCategories": data,
            "escalated": completion == Some("escalated") || list(record, "calls").iter().any(handed),
            "recordId": text(record, "id"),
        }));
    }
    out
}

/// The answer of `GET …/fulfillment` for one pact.
pub(super) fn fulfillment(exchanges: &[Value], pact: &Pact) -> Exported {
    let mut out = Exported::default();
    let version = pact.version.to_string();
    let (mine, other): (Vec<&Value>, Vec<&Value>) =
        under(exchanges, &pact.id).into_iter().partition(|record| version_of(record, &pact.id) == Some(&version));
    if !other.is_empty() {
        out.left(
            "overallFulfillmentRate",
            format!("{} under other versions than {version} not counted", exchanges_of(other.len())),
        );
    }
    let tally = tally(&mine, &pact.id, &mut out);
    let mut completion = json!({"current": null, "threshold": null, "status": null});
    let mut accuracy = completion.clone();
    let mut promises = Vec::new();
    for predicate in &pact.predicates {
        let rule = pact.evidence.rules.get(&predicate.id);
        promises.extend(rule.and_then(|rule| kept(&mine, predicate, rule, &mut out)));
    }
    for (predicate, check) in pact.predicates.iter().flat_map(|p| p.checks.iter().map(move |c| (p, &c.check))) {
        let Some(rule) = pact.evidence.rules.get(&predicate.id) else { continue };
        match check {
            Check::Measure(measure) => {
                let told = measured(&mine, predicate, measure, rule, &mut out);
                let completed = matches!(measure, MeasureCheck::Share { of: Label::Attribute(Attribute::Completion), is } if is == "completed");
                if completed {
                    completion.clone_from(&told);
                }
                promises.push(named(predicate, &measure.to_string(), told));
            }
            Check::Judge(what) if predicate.dimension == "accuracy" => {
                out.left("accuracyScore.current", format!("`{what}` is judged elsewhere; the log holds no verdict on it"));
                accuracy = json!({"current": null, "threshold": rule.min.map(|n| n.to_f64()), "status": null});
            }
            _ => {}
        }
    }
    if completion.get("threshold").is_none_or(Value::is_null) {
        out.left("taskCompletionRate", "null: no rule of the pact measures the share of completed interactions");
    }
    if accuracy.get("threshold").is_none_or(Value::is_null) {
        out.left("accuracyScore", "null: the pact has no judged predicate of the dimension `accuracy` with a least value");
    }
    out.left("lastEvalAt, nextEvalAt", "null: evaluations are made elsewhere");
    out.documents.push(json!({
        "pactId": pact.id,
        "version": version,
        "overallFulfillmentRate": tally.rate(),
        "evaluated": tally.evaluated,
        "lowest": lowest(&tally),
        "taskCompletionRate": completion,
        "accuracyScore": accuracy,
        "constraintAdherence": {
            "criticalViolations": tally.count(Severity::Critical),
            "highViolations": tally.count(Severity::Major),
            "mediumViolations": tally.count(Severity::Minor),
        },
        "promises": promises,
        "lastEvalAt": null,
        "nextEvalAt": null,
    }));
    out
}

/// The answer of `GET …/trust/{agent}`. `loaded` is the last record of a load; `pacts` are those whose documents are at
/// hand.
pub(super) fn trust(exchanges: &[Value], loaded: Option<&Value>, pacts: &[&Pact]) -> Exported {
    let mut out = Exported::default();
    let agent = exchanges.iter().rev().find_map(|record| text(record, "agent").filter(|agent| !agent.is_empty()));
    let newest = exchanges.iter().filter_map(time_us).max();
    let recent: Vec<&Value> = exchanges
        .iter()
        .filter(|record| newest.zip(time_us(record)).is_some_and(|(newest, at)| at > newest - TRUST_DAYS * DAY_US))
        .collect();
    let active: Option<Vec<(&str, &str)>> = loaded
        .map(|load| list(load, "pacts").iter().filter_map(|pact| Some((text(pact, "id")?, text(pact, "version")?))).collect());
    let mut told = Vec::new();
    for (id, version) in active.iter().flatten() {
        let mine: Vec<&Value> =
            under(exchanges, id).into_iter().filter(|record| version_of(record, id) == Some(version)).collect();
        let tally = tally(&mine, id, &mut out);
        let scope = pacts.iter().find(|pact| pact.id == *id).and_then(|pact| scope(pact));
        if scope.is_none() {
            out.left("pacts.scopeSummary", "null without the document of the pact (`--pact`), or where it names no tasks");
        }
        told.push(
            json!({"pactId": id, "version": version, "fulfillmentRate": tally.rate(), "status": "active", "scopeSummary": scope}),
        );
    }
    if active.is_none() {
        out.left("activePacts", "null: the log holds no record of a load");
    }
    let (mut all, mut lately) = (Tally::default(), Tally::default());
    for (tally, records) in [(&mut all, exchanges.iter().collect::<Vec<_>>()), (&mut lately, recent)] {
        for record in records {
            tally.add(violations(record, None), has_more(record));
        }
    }
    for (field, why) in [
        ("compositeScore, reputationScore", "null: the sidecar counts no scores"),
        ("certificationLevel", "null: nobody certifies here"),
        ("lastEvaluated", "null: evaluations are made elsewhere"),
    ] {
        out.left(field, why);
    }
    if agent.is_none() {
        out.left("agentId", "null: no pact in force names its agent");
    }
    out.documents.push(json!({
        "agentId": agent,
        "compositeScore": null,
        "certificationLevel": null,
        "activePacts": active.map(|pacts| pacts.len()),
        "overallFulfillmentRate": all.rate(),
        "lastEvaluated": null,
        "constraintAdherence": {
            "criticalViolations30d": lately.count(Severity::Critical),
            "highViolations30d": lately.count(Severity::Major),
        },
        "reputationScore": null,
        "pacts": told,
    }));
    out
}

/// The interactions of a pact. What cannot be told of them is noted.
fn tally(records: &[&Value], pact: &str, out: &mut Exported) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        tally.add(violations(record, Some(pact)), has_more(record));
    }
    if tally.evaluated == 0 {
        out.left("overallFulfillmentRate", format!("null: no interaction under `{pact}` is in the log"));
    }
    if tally.beyond > 0 {
        let beyond = usize::try_from(tally.beyond).unwrap_or(usize::MAX);
        out.left("constraintAdherence", format!("{} broke more than a record lists: at least so many", exchanges_of(beyond)));
    }
    tally
}

/// Whether an interaction has more kinds of hits than its record lists.
fn has_more(record: &Value) -> bool {
    record.get("hits_more").is_some()
}

fn lowest(tally: &Tally) -> Option<Value> {
    tally.lowest().map(|(predicate, rate)| json!({"predicate": predicate, "rate": rate}))
}

/// Current value against limit, over the window of the rule that ends with the newest record.
fn measured(records: &[&Value], predicate: &Predicate, measure: &MeasureCheck, rule: &Rule, out: &mut Exported) -> Value {
    let max = rule.max.as_ref().and_then(|max| if let crate::pact::model::Limit::One(max) = max { Some(*max) } else { None });
    let threshold = limit(rule);
    let mut unmeasured = |why: &str| {
        out.left(&format!("promises.{}.current", predicate.id), format!("null: {why}"));
        json!({"current": null, "threshold": threshold, "status": null})
    };
    if rule.business_hours_only {
        return unmeasured("it counts in business hours only");
    }
    let within = within(records, rule);
    let (samples, current) = match measure {
        MeasureCheck::Share { of: Label::Attribute(Attribute::Completion), is } => {
            let ends: Vec<&str> = within.iter().filter_map(|r| text(r, "completion")).filter(|end| *end != "unknown").collect();
            (ends.len(), share(ends.iter().filter(|end| *end == is).count() as u64, ends.len() as u64))
        }
        MeasureCheck::Quantile { of: Figure::Quantity(Quantity::LatencyMs), q } => {
            let mut figures: Vec<i64> = within.iter().filter_map(|r| latency_ms(r)).collect();
            figures.sort_unstable();
            // The least value that this share of them does not exceed.
            let place = (figures.len() as u64 * u64::from(q.0)).div_ceil(1_000_000).saturating_sub(1);
            let at = usize::try_from(place).ok().and_then(|place| figures.get(place)).copied();
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of an exchange are exact far beyond its length")]
            let at = at.map(|ms| ms as f64);
            (figures.len(), at)
        }
        _ => return unmeasured("this statistic is not drawn from records yet"),
    };
    let enough = rule.min_samples.is_none_or(|least| samples as u64 >= least);
    if !enough {
        return unmeasured(&format!("{samples} samples, and fewer than {} decide nothing", rule.min_samples.unwrap_or_default()));
    }
    let holds = current
        .map(|current| rule.min.is_none_or(|min| current >= min.to_f64()) && max.is_none_or(|max| current <= max.to_f64()));
    json!({"current": current, "threshold": threshold, "status": holds.map(|holds| if holds { "passing" } else { "failing" })})
}

/// The records of the window of a rule, which ends with the newest.
fn within<'r>(records: &[&'r Value], rule: &Rule) -> Vec<&'r Value> {
    let newest = records.iter().filter_map(|record| time_us(record)).max().unwrap_or_default();
    match rule.window {
        Some(Window::Time(period)) => {
            let span = i64::try_from(period.about_seconds()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            let since = newest.saturating_sub(span);
            records.iter().filter(|record| time_us(record).is_some_and(|at| at > since)).copied().collect()
        }
        Some(Window::Count(last)) => {
            let skipped = records.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX));
            records.iter().skip(skipped).copied().collect()
        }
        None => records.to_vec(),
    }
}

/// The share of interactions that kept a predicate whose breaches are only counted, against the share that must.
fn kept(records: &[&Value], predicate: &Predicate, rule: &Rule, out: &mut Exported) -> Option<Value> {
    let least = rule.ok_share.map(|share| f64::from(share.0) / 1_000_000.0)?;
    let within = within(records, rule);
    let broke = |record: &&&Value| {
        list(record, "hits")
            .iter()
            .filter_map(|hit| text(hit, "predicate"))
            .any(|id| id.rsplit('/').next() == Some(&predicate.id))
    };
    let enough = rule.min_samples.is_none_or(|samples| within.len() as u64 >= samples);
    let current = share((within.len() - within.iter().filter(broke).count()) as u64, within.len() as u64)
        .filter(|_| enough && !rule.business_hours_only);
    if current.is_none() {
        let why = "null: too few samples, or counted in business hours only";
        out.left(&format!("promises.{}.current", predicate.id), why);
    }
    let status = current.map(|current| if current >= least { "passing" } else { "failing" });
    Some(named(predicate, "kept", json!({"current": current, "threshold": least, "status": status})))
}

fn named(predicate: &Predicate, what: &str, mut told: Value) -> Value {
    if let Some(map) = told.as_object_mut() {
        map.insert("predicate".to_owned(), json!(predicate.id));
        map.insert("what".to_owned(), json!(what));
    }
    told
}

/// The predicates that an exchange violated, with their severity: of one pact, or of all. A breach that only counts
/// towards a window is none.
fn violations(record: &Value, pact: Option<&str>) -> BTreeSet<(String, Severity)> {
    let alone = list(record, "pacts").len() <= 1;
    let hits = list(record, "hits").iter().filter(|hit| hit.get("breach").and_then(Value::as_bool) != Some(true));
    let mine = |predicate: &str| {
        pact.is_none_or(|pact| match predicate.split_once('/') {
            Some((owner, _)) => owner == pact,
            None => alone,
        })
    };
    hits.filter_map(|hit| Some((text(hit, "predicate")?, Severity::parse(text(hit, "severity")?)?)))
        .filter(|(predicate, _)| mine(predicate))
        .map(|(predicate, severity)| (predicate.to_owned(), severity))
        .collect()
}

/// Task types that a pact allows, in one line.
fn scope(pact: &Pact) -> Option<String> {
    let checks = pact.predicates.iter().flat_map(|p| &p.checks);
    let tasks = checks.filter_map(|c| if let Check::Set(set) = &c.check { Some(set) } else { None });
    let allow = tasks.filter(|set| set.kind == SetKind::Task).find_map(|set| set.allow.as_ref())?;
    Some(allow.join(", "))
}

/// Exchanges that a pact governed.
fn under<'r>(exchanges: &'r [Value], pact: &str) -> Vec<&'r Value> {
    exchanges.iter().filter(|record| version_of(record, pact).is_some()).collect()
}

fn version_of<'r>(record: &'r Value, pact: &str) -> Option<&'r str> {
    list(record, "pacts").iter().find(|p| text(p, "id") == Some(pact)).and_then(|p| text(p, "version"))
}

fn text<'r>(value: &'r Value, key: &str) -> Option<&'r str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'r>(value: &'r Value, key: &str) -> &'r [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn time_us(record: &Value) -> Option<i64> {
    record.get("time_us").and_then(Value::as_i64)
}

/// Whole milliseconds of an exchange.
fn latency_ms(record: &Value) -> Option<i64> {
    record.get("time").and_then(|time| time.get("total_us")).and_then(Value::as_i64).map(|us| us / 1_000)
}

fn exchanges_of(count: usize) -> String {
    if count == 1 { "1 interaction".to_owned() } else { format!("{count} interactions") }
}

#[cfg(test)]
mod tests;
