//! A record in words that a person wants to read at three in the morning, and as lines of its keys.
//!
//! Says what was done, why, and what was not looked at. A word that is not known here is shown as it stands. Never more
//! than the record says: no content, since records hold none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kind::Kind;
use super::report::{add, many, plain};

fn word(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
        None => String::new(),
    }
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// What a record of the traffic says, sentence by sentence; nothing for other kinds.
pub(crate) fn words(record: &Value, related: &[(u64, Value)]) -> Vec<String> {
    let kind = Kind::parse(&word(record, "kind"));
    if !matches!(kind, Some(Kind::Exchange | Kind::Intervention)) {
        return Vec::new();
    }
    let mut out = vec![format!("{} {}{}", time(record), done(record, kind), place(record))];
    let mut hits: Vec<&Value> = items(record, "hits").collect();
    if hits.is_empty() {
        // An exchange that broke off may have its hits in its interventions only, and the other way round.
        hits = related.iter().flat_map(|(_, other)| items(other, "hits")).collect();
    }
    for hit in &hits {
        out.push(because(record, hit));
    }
    if let Some(more) = record.get("hits_more").and_then(Value::as_u64) {
        out.push(format!("And {} that the record only counts.", many(more, "more finding")));
    }
    let reason = word(record, "reason");
    if !reason.is_empty() && hits.is_empty() {
        out.push(format!("Why: {}.", why(&reason)));
    }
    let unjudged: Vec<String> =
        items(record, "unjudged").map(|u| format!("{} ({})", word(u, "what"), why(&word(u, "reason")))).collect();
    if !unjudged.is_empty() {
        out.push(format!("Not looked at: {}.", unjudged.join("; ")));
    }
    let turns = object(record, "turns");
    if !turns.is_empty() {
        out.push(format!("Of earlier turns, judged when they were new: {turns}."));
    }
    if let Some(ended) = ended(&word(record, "completion")) {
        out.push(ended.to_owned());
    }
    out
}

/// A record in one line: when, what was done, by which predicates, where, and its id.
pub(crate) fn brief(record: &Value) -> String {
    let kind = word(record, "kind");
    let mut text = format!("{}  {:<6}  ", time(record), word(record, "act"));
    let mut why: Vec<String> = items(record, "hits").map(|hit| word(hit, "predicate")).collect();
    why.dedup();
    if why.is_empty() {
        why.extend(["reason", "result", "cause", "subject", "event"].iter().map(|key| word(record, key)).find(|w| !w.is_empty()));
    }
    add(&mut text, format_args!("{kind:<12}  {}", word(record, "id")));
    for part in [why.join(", "), word(record, "mode"), word(record, "route"), word(record, "lane"), word(record, "tool")] {
        if !part.is_empty() {
            add(&mut text, format_args!("  {part}"));
        }
    }
    text
}

/// What became of it.
fn done(record: &Value, kind: Option<Kind>) -> String {
    let (act, mode) = (word(record, "act"), word(record, "mode"));
    let what = match word(record, "moment").as_str() {
        "before_upstream" => "the request",
        "call" => "a tool call",
        "result" => "a tool's result",
        "mid_stream" => "a stream",
        "answer" | "end" => "the answer",
        _ if kind == Some(Kind::Exchange) => "the exchange",
        _ => "it",
    };
    let verb = match act.as_str() {
        "block" if what == "a stream" => "was cut before what breaks the pact left",
        "block" if what == "the request" => "was refused before the upstream saw it",
        "block" => "was refused",
        "hold" => "was held back for a decision",
        "redact" => "went on with what was found replaced",
        "flag" => "went on and was marked",
        "allow" if kind == Some(Kind::Intervention) => "was let go: its effect cannot be taken back",
        "allow" => "passed",
        other => return format!("{what}: {other}"),
    };
    match (act.as_str(), mode.as_str()) {
        ("flag" | "allow", _) | (_, "enforce" | "") => format!("{what} {verb}"),
        (_, mode) => format!("{what} passed, since the route only {mode}s; enforced, it would be: {verb}"),
    }
}

/// On which way, by which protocol.
fn place(record: &Value) -> String {
    let part = |key: &str, before: &str| {
        let text = word(record, key);
        if text.is_empty() { String::new() } else { format!("{before}{text}") }
    };
    let (tool, route, lane) = (part("tool", ", tool "), part("route", ", route "), part("lane", ", lane "));
    format!("{tool}{route}{lane}{}{}.", part("protocol", ", "), part("model", ", model "))
}

/// One rule that fired.
fn because(record: &Value, hit: &Value) -> String {
    let predicate = word(hit, "predicate");
    let count = hit.get("count").and_then(Value::as_u64).unwrap_or(1);
    let pact = predicate.split_once('/').map_or("", |(pact, _)| pact);
    let pacts: Vec<String> = items(record, "pacts")
        .filter(|p| pact.is_empty() || word(p, "id") == pact)
        .map(|p| format!("{} {}", word(p, "id"), word(p, "version")))
        .collect();
    let of = if pacts.is_empty() { String::new() } else { format!(" of {}", pacts.join(", ")) };
    let detector = word(hit, "detector");
    let found = if detector.is_empty() { "it fired".to_owned() } else { format!("{detector} was found") };
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let at = match word(hit, "place").as_str() {
        "" => format!("in the {}", word(hit, "stage")),
        "joined" => format!("in the {}, over values that stand side by side", word(hit, "stage")),
        place => format!("in the {}'s {place}", word(hit, "stage")),
    };
    let breach = if hit.get("breach").and_then(Value::as_bool) == Some(true) { "; counted as a breach only" } else { "" };
    format!(
        "Because of `{predicate}` ({}){of}: {found} {times} {at}, which asks to {}{breach}.",
        word(hit, "severity"),
        word(hit, "act")
    )
}

/// A reason that is no finding.
fn why(reason: &str) -> String {
    let text = match reason {
        "duplicate_key" => "the body names a key twice, so two readers could read two things",
        "undecodable" => "it cannot be read without doubt",
        "over_limit" => "it is larger than may be looked at",
        "unknown_event" => "an event of the stream is of no known kind",
        "media" => "images, sound and video are not looked into",
        "encrypted" => "it is encrypted",
        "passthrough" => "the route passes it unseen",
        "depth" => "it is encoded more often than is undone",
        "unenforced" => "this build cannot run a predicate that the operator accepted as such",
        "timeout" => "looking at it took too long",
        "detector_error" => "a detector failed",
        "expired" => "the pact was over",
        "framing" => "where the message ends is in doubt",
        "gate" => "its head asks for what no request may",
        "evidence_full" => "the evidence log had no room",
        "abandoned" => "it ended without an end of its own",
        other => return other.to_owned(),
    };
    text.to_owned()
}

/// How it ended, where that is not as it should.
fn ended(completion: &str) -> Option<&'static str> {
    match completion {
        "cancelled" => Some("The client left before the end."),
        "failed" => Some("The guard itself failed on it."),
        "upstream_error" => Some("The upstream failed."),
        "unknown" => Some("How it ended is not known."),
        "escalated" => Some("It was handed to a person."),
        _ => None,
    }
}

fn line(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        add(out, format_args!("  {name:<12} {text}\n"));
    }
}

/// A wall time for people, in UTC.
fn time(value: &Value) -> String {
    let us = value.get("time_us").and_then(Value::as_i64).unwrap_or(0);
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |t| t.to_string())
}

fn list(value: &Value, key: &str, tell: impl Fn(&Value) -> String) -> String {
    let mut text = items(value, key).map(tell).collect::<Vec<_>>().join(", ");
    if let Some(more) = value.get(format!("{key}_more")).and_then(Value::as_u64) {
        add(&mut text, format_args!(" and {more} more"));
    }
    text
}

fn object(value: &Value, key: &str) -> String {
    let entries = value.get(key).and_then(Value::as_object);
    entries.map(|map| map.iter().map(|(k, v)| plain(&format!("{k} {v}"))).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// The keys of a record, a line each.
pub(crate) fn tell(out: &mut String, origin: &str, index: u64, record: &Value) {
    let kind = word(record, "kind");
    add(out, format_args!("{kind} {index} of {}\n", plain(origin)));
    line(out, "id", &word(record, "id"));
    line(out, "time", &time(record));
    line(out, "act", &word(record, "act"));
    let traffic = matches!(Kind::parse(&kind), Some(Kind::Exchange | Kind::Intervention));
    if !traffic {
        let skip = ["id", "kind", "log", "mono_us", "spec", "time_us", "act"];
        let rest: BTreeMap<_, _> =
            record.as_object().into_iter().flatten().filter(|(k, _)| !skip.contains(&k.as_str())).collect();
        for (key, _) in rest {
            line(out, &plain(key), &word(record, key));
        }
        return;
    }
    for hit in items(record, "hits") {
        let detector = word(hit, "detector");
        let by = if detector.is_empty() { String::new() } else { format!(" by {detector}") };
        let count = hit.get("count").and_then(Value::as_u64).unwrap_or(1);
        let text = format!(
            "{} ({}) asked for {} at {}, {}{by}",
            word(hit, "predicate"),
            word(hit, "severity"),
            word(hit, "act"),
            word(hit, "stage"),
            many(count, "time")
        );
        line(out, "predicate", &text);
    }
    for key in ["reason", "moment", "mode", "completion", "exchange", "lane", "protocol", "route", "model", "tool", "agent"] {
        line(out, key, &word(record, key));
    }
    line(out, "pacts", &list(record, "pacts", |p| format!("{} {}", word(p, "id"), word(p, "version"))));
    line(out, "not judged", &list(record, "unjudged", |u| format!("{} ({})", word(u, "what"), word(u, "reason"))));
    line(out, "calls", &list(record, "calls", |c| format!("{} {}", word(c, "tool"), word(c, "act"))));
    line(out, "topics", &list(record, "topics", |t| plain(t.as_str().unwrap_or_default())));
    line(out, "data", &list(record, "data", |t| plain(t.as_str().unwrap_or_default())));
    for key in ["caller", "principal", "session", "task", "tenant", "trace", "status", "interventions"] {
        line(out, key, &word(record, key));
    }
    for key in ["turns", "size", "time", "usage", "commit"] {
        line(out, key, &object(record, key));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(record: &Value) -> String {
        words(record, &[]).join("\n")
    }

    #[test]
    fn a_block_says_what_was_done_and_why() {
        let mut record = json!({
            "kind": "intervention", "act": "block", "mode": "enforce", "moment": "before_upstream", "lane": "inbound",
            "protocol": "openai", "time_us": 1_760_000_000_000_000_i64, "pacts": [{"id": "desk", "version": "1.2.0"}],
            "hits": [{"act": "block", "count": 2, "detector": "pii.us_ssn", "predicate": "pii", "severity": "critical", "stage": "request"}],
        });
        assert_eq!(
            said(&record),
            "2025-10-09T08:53:20Z the request was refused before the upstream saw it, lane inbound, openai.\n\
             Because of `pii` (critical) of desk 1.2.0: pii.us_ssn was found 2 times in the request, which asks to block."
        );
        record["mode"] = json!("observe");
        assert!(said(&record).contains("the request passed, since the route only observes; enforced, it would be:"));
        record["mode"] = json!("enforce");
        record["moment"] = json!("mid_stream");
        assert!(said(&record).contains("a stream was cut before what breaks the pact left"));
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let record = json!({
            "kind": "exchange", "act": "block", "mode": "enforce", "completion": "declined", "reason": "duplicate_key",
            "unjudged": [{"reason": "undecodable", "what": "body"}], "time_us": 0,
        });
        let said = said(&record);
        assert!(said.contains("Why: the body names a key twice"), "{said}");
        assert!(said.contains("Not looked at: body (it cannot be read without doubt)."), "{said}");
        assert_eq!(words(&json!({"kind": "heartbeat"}), &[]), [] as [String; 0]);
    }

    #[test]
    fn what_a_log_says_stays_inert() {
        let record = json!({"kind": "exchange", "act": "block", "tool": "\u{1b}[2J", "reason": "x\u{7}", "time_us": 0});
        assert!(words(&record, &[]).iter().all(|words| !words.contains(char::is_control)), "{:?}", said(&record));
    }
}
