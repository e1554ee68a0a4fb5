//! Records found again: by time, kind, act, predicate, agent, session and pact; the newest first, page by page.
//!
//! An answer is bounded in records, in bytes and in how much of the log is looked through for it; where it ends before the
//! log does it carries a cursor, and asking again from there neither repeats nor leaves out a record, whatever is written
//! meanwhile. Records are given as they lie on disk: `verify` and `prove` say what they are worth.

use std::path::Path;

use memchr::memmem::Finder;
use serde::Serialize;
use serde_json::Value;

use super::error::LogError;
use super::find::time_of;
use super::index::{Shelf, Summary, hash, pacts_of, predicates_of};
use super::kind::Kind;
use super::read::{Lying, frames_in, segments};
use super::segment::FrameKind;
use super::verify::logs_of;
use crate::base::limits::{QUERY_ANSWER_BYTES_MAX, QUERY_RECORDS_MAX};
use crate::base::names::words;
use crate::base::verdict::Act;

words! {
    /// What records can be asked for by.
    Parameter {
        /// Written at this time or later.
        Since = "since",
        /// Written before this time.
        Until = "until",
        /// The kind of record.
        Kind = "kind",
        /// The act: the verdict.
        Act = "act",
        /// A predicate that fired.
        Predicate = "predicate",
        /// The agent.
        Agent = "agent",
        /// The session.
        Session = "session",
        /// A pact in force, with or without its version.
        Pact = "pact",
        /// Most records of an answer.
        Limit = "limit",
        /// Where the answer before this one ended.
        Cursor = "cursor",
    }
}

/// Records of one answer, where nothing else is asked for.
const LIMIT: usize = 100;
/// Longest value of a parameter.
const VALUE_MAX: usize = 256;

/// A question that cannot be answered: names the parameter and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery {
    /// The parameter as it was given.
    pub parameter: String,
    /// What is wrong, and what to give instead.
    pub why: String,
}

impl std::fmt::Display for BadQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", super::report::plain(&self.parameter), self.why)
    }
}

impl std::error::Error for BadQuery {}

/// What is asked for. Every part that is given must fit.
#[derive(Clone, Debug)]
pub struct Query {
    /// Written at this time or later, in microseconds since the Unix epoch.
    pub since_us: Option<i64>,
    /// Written before this time.
    pub until_us: Option<i64>,
    /// The kind of record.
    pub kind: Option<Kind>,
    /// The act of the exchange or intervention.
    pub act: Option<Act>,
    /// A predicate among the hits: `<id>`, or `<pact>/<id>` in a portfolio.
    pub predicate: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The session, as the record has it: a pseudonym.
    pub session: Option<String>,
    /// A pact in force: `<id>` or `<id>@<version>`.
    pub pact: Option<String>,
    /// Most records of the answer.
    pub limit: usize,
    /// Only records before this place.
    pub cursor: Option<Cursor>,
    /// Whether `limit` was asked for.
    pub(crate) limited: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            since_us: None,
            until_us: None,
            kind: None,
            act: None,
            predicate: None,
            agent: None,
            session: None,
            pact: None,
            limit: LIMIT,
            cursor: None,
            limited: false,
        }
    }
}

/// A place in the logs of a folder, written `<log directory>:<index>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    boot: String,
    index: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.boot, self.index)
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Query {
    /// Takes one parameter in its written form. `now_us` is the time that `2h` and the like count back from.
    ///
    /// # Errors
    /// There is no such parameter, it was given before, or the value is none that it can have.
    pub fn set(&mut self, name: &str, value: &str, now_us: i64) -> Result<(), BadQuery> {
        let bad = |why: String| BadQuery { parameter: name.to_owned(), why };
        let Some(parameter) = Parameter::parse(name) else {
            let known: Vec<&str> = Parameter::ALL.iter().map(|p| p.as_str()).collect();
            return Err(bad(format!("there is no such parameter; {} are", known.join(", "))));
        };
        if value.is_empty() || value.len() > VALUE_MAX {
            return Err(bad(format!("give it a value of 1 to {VALUE_MAX} bytes, or leave it out")));
        }
        let text = |slot: &mut Option<String>| slot.replace(value.to_owned()).is_some();
        let again = match parameter {
            Parameter::Since => self.since_us.replace(time(value, now_us).map_err(bad)?).is_some(),
            Parameter::Until => self.until_us.replace(time(value, now_us).map_err(bad)?).is_some(),
            Parameter::Kind => self.kind.replace(member(value, Kind::parse, Kind::ALL, Kind::as_str).map_err(bad)?).is_some(),
            Parameter::Act => self.act.replace(member(value, Act::parse, Act::ALL, Act::as_str).map_err(bad)?).is_some(),
            Parameter::Predicate => text(&mut self.predicate),
            Parameter::Agent => text(&mut self.agent),
            Parameter::Session => text(&mut self.session),
            Parameter::Pact => text(&mut self.pact),
            Parameter::Limit => {
                let limit = value.parse().ok().filter(|limit| (1..=QUERY_RECORDS_MAX).contains(limit));
                self.limit = limit.ok_or_else(|| bad(format!("give a number from 1 to {QUERY_RECORDS_MAX}")))?;
                std::mem::replace(&mut self.limited, true)
            }
            Parameter::Cursor => {
                let cursor = value.rsplit_once(':').and_then(|(boot, index)| {
                    let fine = boot.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !boot.is_empty();
                    fine.then_some(Cursor { boot: boot.to_owned(), index: index.parse().ok()? })
                });
                let cursor = cursor.ok_or_else(|| bad("give the `next` of an answer as it stands there".to_owned()))?;
                self.cursor.replace(cursor).is_some()
            }
        };
        if again {
            return Err(bad("is given twice; give it once".to_owned()));
        }
        if self.since_us.zip(self.until_us).is_some_and(|(since, until)| since >= until) {
            return Err(bad("`since` is not before `until`; swap them or leave one out".to_owned()));
        }
        Ok(())
    }

    /// What every record that fits has in its canonical bytes.
    fn needles(&self) -> Vec<String> {
        let text =
            |key: &str, value: &Option<String>| value.as_ref().map(|value| format!("\"{key}\":{}", Value::from(value.as_str())));
        let word = |key: &str, value: &str| format!("\"{key}\":\"{value}\"");
        let quoted = |text: &str| Value::from(text).to_string();
        [
            self.kind.map(|kind| word("kind", kind.as_str())),
            self.act.map(|act| word("act", act.as_str())),
            text("agent", &self.agent),
            text("session", &self.session),
            self.pact.as_ref().map(|pact| quoted(pact.split_once('@').map_or(pact, |(id, _)| id))),
            // In a portfolio the pact stands before it.
            self.predicate.as_ref().map(|predicate| quoted(predicate).trim_start_matches('"').to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What the summary of a segment must have for a record in it to fit.
    fn terms(&self) -> Vec<u64> {
        let text = |key: &str, value: &Option<String>| value.as_ref().map(|value| hash(key, value));
        [
            self.kind.map(|kind| hash("kind", kind.as_str())),
            self.act.map(|act| hash("act", act.as_str())),
            text("agent", &self.agent),
            text("session", &self.session),
            text("pact", &self.pact),
            text("predicate", &self.predicate),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn in_time(&self, time: Option<i64>) -> bool {
        let Some(time) = time else { return self.since_us.is_none() && self.until_us.is_none() };
        self.since_us.is_none_or(|since| time >= since) && self.until_us.is_none_or(|until| time < until)
    }

    /// Whether a segment may hold what is asked for.
    fn may_hold(&self, terms: &[u64], summary: &Summary) -> bool {
        let late = self.until_us.is_some_and(|until| summary.first_us >= until);
        let early = self.since_us.is_some_and(|since| summary.last_us < since);
        !late && !early && terms.iter().all(|term| summary.has(*term))
    }

    /// Whether a record is one that is asked for.
    pub(crate) fn fits(&self, record: &Value) -> bool {
        let is = |key: &str, wanted: &str| record.get(key).and_then(Value::as_str) == Some(wanted);
        self.in_time(record.get("time_us").and_then(Value::as_i64))
            && self.kind.is_none_or(|kind| is("kind", kind.as_str()))
            && self.act.is_none_or(|act| is("act", act.as_str()))
            && self.agent.as_ref().is_none_or(|agent| is("agent", agent))
            && self.session.as_ref().is_none_or(|session| is("session", session))
            && self.pact.as_ref().is_none_or(|pact| pacts_of(record).any(|(id, both)| id == *pact || both == *pact))
            && self
                .predicate
                .as_ref()
                .is_none_or(|wanted| predicates_of(record).any(|(whole, id)| whole == wanted || id == wanted))
    }
}

/// A moment: RFC 3339, Unix seconds, or so long before now (`90s`, `15m`, `2h`, `7d`).
fn time(text: &str, now_us: i64) -> Result<i64, String> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(stamp.as_microsecond());
    }
    let wrong = || "give a time as 2026-11-21T10:00:00Z, as Unix seconds, or as 90s, 15m, 2h or 7d before now".to_owned();
    let (digits, unit) =
        text.split_at_checked(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())).ok_or_else(wrong)?;
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "" => return number.checked_mul(1_000_000).ok_or_else(wrong),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let ago = number.checked_mul(seconds).and_then(|s: i64| s.checked_mul(1_000_000)).ok_or_else(wrong)?;
    Ok(now_us.saturating_sub(ago))
}

fn member<T: Copy>(text: &str, parse: fn(&str) -> Option<T>, all: &[T], word: fn(T) -> &'static str) -> Result<T, String> {
    parse(text).ok_or_else(|| format!("give one of {}", all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", ")))
}

/// A record of an answer, and where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The directory of its log: with the index the name of the record for `show` and `prove`.
    pub boot: String,
    /// Its index.
    pub index: u64,
    /// The record.
    pub record: Value,
}

/// An answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// The records, the newest first.
    pub records: Vec<Row>,
    /// From where to ask on; none where the logs end.
    pub next: Option<Cursor>,
    /// Bytes of the log that were looked through.
    pub looked_bytes: u64,
}

/// Finds records in an evidence folder, or in one log of it. What is looked through ends after `budget` bytes, once there is a
/// segment behind it. With `indexed` the summaries of closed segments are used, and made where they are missing: only for a
/// folder that nobody else writes.
///
/// # Errors
/// There is no log, or a file cannot be read.
pub fn query(dir: impl AsRef<Path>, query: &Query, budget: u64, indexed: bool) -> Result<Page, LogError> {
    let dir = dir.as_ref();
    let (logs, _) = logs_of(dir)?;
    let shelf = indexed.then(|| Shelf::of(dir));
    let needles = query.needles();
    let search =
        Search { query, needles: needles.iter().map(|n| Finder::new(n.as_bytes())).collect(), terms: query.terms(), shelf };
    let mut page = Page::default();
    let mut bytes = 0;
    let newest = logs.last().cloned();
    for log in logs.iter().rev() {
        let boot = log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let before = match &query.cursor {
            Some(cursor) if cursor.boot < boot => continue,
            Some(cursor) if cursor.boot == boot => cursor.index,
            _ => u64::MAX,
        };
        let all = match segments(log) {
            Ok(all) => all,
            // Retention takes a whole log away at once.
            Err(_) if !log.exists() => continue,
            Err(error) => return Err(error),
        };
        for (at, lying) in all.iter().enumerate().rev().filter(|(_, lying)| lying.first < before) {
            if page.looked_bytes >= budget {
                let index = lying.next.unwrap_or(before).min(before);
                page.next = Some(Cursor { boot, index });
                return Ok(page);
            }
            let closed = at + 1 < all.len() || newest.as_ref() != Some(log);
            let (found, looked) = search.segment(&boot, lying, before, closed, query.limit - page.records.len())?;
            page.looked_bytes += looked;
            for (index, record, length) in found {
                bytes += length;
                page.records.push(Row { boot: boot.clone(), index, record });
                if page.records.len() >= query.limit || bytes >= QUERY_ANSWER_BYTES_MAX {
                    page.next = Some(Cursor { boot, index });
                    return Ok(page);
                }
            }
        }
    }
    Ok(page)
}

/// A question, made ready.
struct Search<'q> {
    query: &'q Query,
    needles: Vec<Finder<'q>>,
    terms: Vec<u64>,
    shelf: Option<Shelf>,
}

/// Index, record and length.
type Match = (u64, Value, usize);

impl Search<'_> {
    /// The last matches of a segment before an index, the newest first, and the bytes that were looked through.
    fn segment(&self, boot: &str, lying: &Lying, before: u64, closed: bool, most: usize) -> Result<(Vec<Match>, u64), LogError> {
        let summaries = self.shelf.as_ref().filter(|_| closed);
        let summary = summaries.and_then(|summaries| summaries.read(boot, lying));
        if summary.as_ref().is_some_and(|summary| !self.query.may_hold(&self.terms, summary)) {
            return Ok((Vec::new(), 0));
        }
        let file = match std::fs::read(&lying.path) {
            Ok(file) => file,
            // Retention took it since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(LogError::file(&lying.path)(error)),
        };
        if let (Some(summaries), None) = (summaries, &summary) {
            summaries.write(boot, lying, &file);
        }
        let mut candidates: Vec<(u64, &[u8])> = Vec::new();
        frames_in(&file, lying, &mut |kind, index, bytes| {
            if kind == FrameKind::Record && index < before && self.looks_right(bytes) {
                candidates.push((index, bytes));
            }
            index < before
        });
        // Read from the end, and no more than is asked for.
        let fitting = candidates.into_iter().rev().filter_map(|(index, bytes)| {
            let record: Value = serde_json::from_slice(bytes).ok()?;
            self.query.fits(&record).then_some((index, record, bytes.len()))
        });
        Ok((fitting.take(most).collect(), file.len() as u64))
    }

    /// A cheap look at the bytes of a record, which leaves out nothing that fits.
    fn looks_right(&self, bytes: &[u8]) -> bool {
        self.needles.iter().all(|needle| needle.find(bytes).is_some()) && self.query.in_time(time_of(bytes))
    }
}

#[cfg(test)]
mod tests;
