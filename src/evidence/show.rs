//! One record for people: `show` explains a block.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::error::LogError;
use super::kind::Kind;
use super::read::frames;
use super::report::{add, plain};
use super::segment::FrameKind;
use super::shape::RecordId;
use super::verify::logs_of;

/// A record with what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Origin of its log.
    pub origin: String,
    /// Its index.
    pub index: u64,
    /// The record.
    pub record: Value,
    /// The exchange of an intervention, or the interventions of an exchange, with their indices.
    pub related: Vec<(u64, Value)>,
}

/// Finds a record by its id, or by its index in the newest log (`17`, or `<log directory>:17`).
pub fn show(dir: impl AsRef<Path>, what: &str) -> Result<Shown, LogError> {
    let (logs, _) = logs_of(dir.as_ref())?;
    let id = RecordId::parse(what);
    let (boot, index) = what.rsplit_once(':').map_or((None, what), |(boot, index)| (Some(boot), index));
    let index = index.parse::<u64>().ok();
    if id.is_none() && index.is_none() {
        return Err(LogError::NotFound(format!("`{}` (expected a record id, or an index)", plain(what))));
    }
    for log in logs.iter().rev() {
        if boot.is_some_and(|boot| !log.ends_with(boot)) {
            continue;
        }
        if let Some(shown) = find(log, id.map(|_| what), index)? {
            return Ok(shown);
        }
        if id.is_none() {
            break;
        }
    }
    Err(LogError::NotFound(format!("record {}", plain(what))))
}

fn find(log: &Path, id: Option<&str>, index: Option<u64>) -> Result<Option<Shown>, LogError> {
    let field = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut hit: Option<(u64, Value)> = None;
    frames(log, &mut |kind, at, bytes| {
        if kind == FrameKind::Record
            && (index == Some(at) || id.is_some_and(|id| contains(bytes, id)))
            && let Ok(value) = serde_json::from_slice::<Value>(bytes)
            && (id.is_none() || field(&value, "id").as_deref() == id)
        {
            hit = Some((at, value));
        }
        hit.is_none()
    })?;
    let Some((index, record)) = hit else { return Ok(None) };
    let own = field(&record, "id").unwrap_or_default();
    let of = field(&record, "exchange");
    let mut related = Vec::new();
    frames(log, &mut |kind, at, bytes| {
        let key = of.as_deref().unwrap_or(&own);
        if kind == FrameKind::Record
            && at != index
            && related.len() < 32
            && contains(bytes, key)
            && let Ok(value) = serde_json::from_slice::<Value>(bytes)
        {
            let belongs = if of.is_some() { field(&value, "id") == of } else { field(&value, "exchange").as_ref() == Some(&own) };
            if belongs {
                related.push((at, value));
            }
        }
        true
    })?;
    let origin = std::fs::read_to_string(log.join("origin")).unwrap_or_default().trim_end().to_owned();
    Ok(Some(Shown { origin, index, record, related }))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

impl Shown {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        tell(&mut out, &self.origin, self.index, &self.record);
        for (index, record) in &self.related {
            out.push('\n');
            tell(&mut out, &self.origin, *index, record);
        }
        out
    }
}

fn word(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
        None => String::new(),
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
    let items = value.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut text = items.map(tell).collect::<Vec<_>>().join(", ");
    if let Some(more) = value.get(format!("{key}_more")).and_then(Value::as_u64) {
        add(&mut text, format_args!(" and {more} more"));
    }
    text
}

fn object(value: &Value, key: &str) -> String {
    let entries = value.get(key).and_then(Value::as_object);
    entries.map(|map| map.iter().map(|(k, v)| plain(&format!("{k} {v}"))).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

fn tell(out: &mut String, origin: &str, index: u64, record: &Value) {
    let kind = word(record, "kind");
    let act = word(record, "act");
    let mode = word(record, "mode");
    add(out, format_args!("{kind} {index} of {}\n", plain(origin)));
    line(out, "id", &word(record, "id"));
    line(out, "time", &time(record));
    let done = match (act.as_str(), mode.as_str()) {
        ("" | "allow", _) => "",
        (_, "observe") => " (not done: the route only observes)",
        (_, "flag") => " (not done: the route only flags)",
        _ => "",
    };
    line(out, "act", &format!("{act}{done}"));
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
    let hits = record.get("hits").and_then(Value::as_array).into_iter().flatten();
    for hit in hits {
        let detector = word(hit, "detector");
        let by = if detector.is_empty() { String::new() } else { format!(" by {detector}") };
        let text = format!(
            "{} ({}) asked for {} at {}, {} times{by}",
            word(hit, "predicate"),
            word(hit, "severity"),
            word(hit, "act"),
            word(hit, "stage"),
            word(hit, "count")
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
    for key in ["size", "time", "usage", "commit"] {
        line(out, key, &object(record, key));
    }
}
