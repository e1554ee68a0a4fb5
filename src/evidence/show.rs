//! One record with what belongs to it, as data and as text for people.
//!
//! Nothing is verified here: `verify` does that. What is shown from a log stays inert on a terminal.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::error::LogError;
use super::explain;
use super::find::{Found, begins, find};
use super::read::frames_in;
use super::segment::FrameKind;
use super::shape::RecordId;
use crate::base::limits::RECORD_ARRAY_MAX;

/// Segments that are looked through for what belongs to a record, beside its own.
const SEGMENTS_AROUND: usize = 8;

/// A record with what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Origin of its log.
    pub origin: String,
    /// Its index.
    pub index: u64,
    /// What it says, in words.
    pub words: Vec<String>,
    /// The record.
    pub record: Value,
    /// The exchange of an intervention, or the interventions of an exchange, with their indices.
    pub related: Vec<(u64, Value)>,
}

/// Finds a record by its id, or by its index in the newest log (`17`, or `<log directory>:17`).
///
/// # Errors
/// There is no such record, or it cannot be read.
pub fn show(dir: impl AsRef<Path>, what: &str) -> Result<Shown, LogError> {
    let found = find(dir.as_ref(), what)?;
    let wrong = |_| LogError::Malformed("the record is no JSON; run verify");
    let record: Value = serde_json::from_slice(&found.bytes).map_err(wrong)?;
    let related = related(&found, &record);
    Ok(Shown { origin: found.origin(), index: found.index, words: explain::words(&record, &related), record, related })
}

fn field<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The exchange of an intervention stands behind it; the interventions of an exchange stand before it, after it began.
fn related(found: &Found, record: &Value) -> Vec<(u64, Value)> {
    let id = field(record, "id").unwrap_or_default();
    let mut out = Vec::new();
    if let Some(exchange) = field(record, "exchange") {
        for lying in found.segments.iter().skip(found.segment).take(SEGMENTS_AROUND) {
            let here = those(lying, exchange, &mut |index, value| index != found.index && field(value, "id") == Some(exchange));
            out.extend(here);
            if !out.is_empty() {
                break;
            }
        }
        out.truncate(1);
        return out;
    }
    let wanted = record.get("interventions").and_then(Value::as_u64).unwrap_or(0);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(RECORD_ARRAY_MAX);
    let since = RecordId::parse(id).and_then(|id| i64::try_from(id.millis()).ok()).unwrap_or(0).saturating_mul(1000);
    for lying in found.segments.iter().take(found.segment + 1).rev().take(SEGMENTS_AROUND) {
        if out.len() >= wanted {
            break;
        }
        let mut here = those(lying, id, &mut |_, value| field(value, "exchange") == Some(id));
        here.append(&mut out);
        out = here;
        if begins(lying).is_some_and(|time| time < since) {
            break;
        }
    }
    out.truncate(RECORD_ARRAY_MAX);
    out
}

/// The records of a segment that name an id and fit.
fn those(lying: &super::read::Lying, id: &str, fits: &mut dyn FnMut(u64, &Value) -> bool) -> Vec<(u64, Value)> {
    let mut out = Vec::new();
    let Ok(file) = std::fs::read(&lying.path) else { return out };
    frames_in(&file, lying, &mut |kind, index, bytes| {
        if kind == FrameKind::Record
            && memchr::memmem::find(bytes, id.as_bytes()).is_some()
            && let Ok(value) = serde_json::from_slice::<Value>(bytes)
            && fits(index, &value)
        {
            out.push((index, value));
        }
        out.len() <= RECORD_ARRAY_MAX
    });
    out
}

impl Shown {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for words in &self.words {
            out.push_str(words);
            out.push('\n');
        }
        if !self.words.is_empty() {
            out.push('\n');
        }
        explain::tell(&mut out, &self.origin, self.index, &self.record);
        for (index, record) in &self.related {
            out.push('\n');
            explain::tell(&mut out, &self.origin, *index, record);
        }
        out
    }
}
