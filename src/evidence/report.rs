//! What a verification says: as data, and as text for people.

use std::collections::BTreeMap;

use serde::Serialize;

/// Findings kept for one log; the rest is counted.
pub const FINDINGS_MAX: usize = 100;

/// The answer, never a bare boolean. Declared from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Everything that is here was recorded so, and nothing between is missing.
    #[default]
    Valid,
    /// It holds, and what is no longer here was erased as records of the log say.
    Erased,
    /// What is here holds, but something is missing; it is named.
    Incomplete,
    /// Something was changed, or does not belong here.
    Invalid,
}

impl Outcome {
    /// As printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Erased => "ERASED",
            Self::Incomplete => "INCOMPLETE",
            Self::Invalid => "INVALID",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code.
    pub code: &'static str,
    /// Whether it makes the log invalid, or only incomplete.
    pub outcome: Outcome,
    /// Which file, below the directory of the log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Index of the first wrong record, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What was found.
    pub detail: String,
}

/// Whether a log has an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Closed in order.
    Sealed,
    /// Its process died; the next log took up what was left.
    Adopted,
    /// Still written, or its process died and none came after it.
    #[default]
    Open,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Adopted => "adopted",
            Self::Open => "open",
        }
    }
}

/// What was found of one log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogReport {
    /// The answer.
    pub outcome: Outcome,
    /// Name of its directory.
    pub boot: String,
    /// Its origin.
    pub origin: String,
    /// Whether it has an end.
    pub state: State,
    /// Records read.
    pub records: u64,
    /// Records at the front that retention took away.
    pub pruned: u64,
    /// Size of the largest signed head.
    pub signed: u64,
    /// Records at the end that no head and no successor covers.
    pub uncovered: u64,
    /// Records by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Exchanges by act.
    pub acts: BTreeMap<String, u64>,
    /// Exchanges of which something was not inspected.
    pub unjudged: u64,
    /// Records that gaps declare as not written.
    pub lost: u64,
    /// Records of a kind or version that this build does not know: hashed, not understood.
    pub unknown_kind: u64,
    /// Exchanges that interventions name and that have no end in this log.
    pub open_exchanges: u64,
    /// Bytes of a torn tail that no start has put in order yet.
    pub torn_bytes: u64,
    /// Indices that are missing.
    pub missing: Vec<(u64, u64)>,
    /// Indices whose content was erased, as an `erasure` record says: their leaves are here, and hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<(u64, u64)>,
    /// Wall time of the first and last record, Unix microseconds, as the log's own clock had it.
    pub time_us: Option<(i64, i64)>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Findings beyond the list.
    #[serde(skip_serializing_if = "is_zero")]
    pub findings_more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl LogReport {
    pub(crate) fn find(
        &mut self,
        code: &'static str,
        outcome: Outcome,
        file: &str,
        index: Option<u64>,
        detail: impl Into<String>,
    ) {
        self.outcome = self.outcome.max(outcome);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code, outcome, file: file.to_owned(), index, detail: detail.into() });
        } else {
            self.findings_more += 1;
        }
    }

    pub(crate) fn miss(&mut self, first: u64, last: u64) {
        self.outcome = self.outcome.max(Outcome::Incomplete);
        join(&mut self.missing, first, last);
    }

    pub(crate) fn erase(&mut self, index: u64) {
        self.outcome = self.outcome.max(Outcome::Erased);
        join(&mut self.erased, index, index);
    }
}

/// Adds a run of indices behind those that are known.
fn join(runs: &mut Vec<(u64, u64)>, first: u64, last: u64) {
    match runs.last_mut() {
        Some((_, before)) if *before + 1 >= first => *before = last.max(*before),
        _ => runs.push((first, last)),
    }
}

/// What was found of a directory.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The worst answer of all logs.
    pub outcome: Outcome,
    /// `pinned root` or `self-certified root`.
    pub trust: &'static str,
    /// The root key, as a note key.
    pub root: String,
    /// Records of all logs.
    pub records: u64,
    /// Exchanges of all logs by act.
    pub acts: BTreeMap<String, u64>,
    /// The logs, oldest first.
    pub logs: Vec<LogReport>,
    /// What is wrong between them.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything is valid.
    pub fn is_valid(&self) -> bool {
        self.outcome == Outcome::Valid
    }

    /// Whether the root key was given, and not read from the folder.
    pub fn is_pinned(&self) -> bool {
        self.trust == PINNED
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = Lines::default();
        out.line(format_args!(
            "{}  {} in {}, {}",
            self.outcome.as_str(),
            many(self.records, "record"),
            many(self.logs.len() as u64, "log"),
            self.trust
        ));
        if !self.is_pinned() {
            out.line(format_args!(
                "  The root key was read from the directory itself. To check against a key you trust, give it: {}",
                plain(&self.root)
            ));
        }
        for log in &self.logs {
            log.tell(&mut out);
        }
        for finding in &self.findings {
            finding.tell(&mut out);
        }
        out.0
    }
}

pub(crate) const PINNED: &str = "pinned root";
pub(crate) const SELF_CERTIFIED: &str = "self-certified root";

/// Lines of text.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.0 += &line.to_string();
        self.0.push('\n');
    }
}

/// Adds to a text.
pub(crate) fn add(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.push_str(&what.to_string());
}

/// Text from a log is shown without control characters: what an attacker wrote stays inert.
pub(crate) fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn counts(map: &BTreeMap<String, u64>) -> String {
    map.iter().map(|(name, count)| format!("{} {count}", plain(name))).collect::<Vec<_>>().join(", ")
}

pub(crate) fn many(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

impl LogReport {
    fn tell(&self, out: &mut Lines) {
        let (outcome, state) = (self.outcome.as_str(), self.state.as_str());
        out.line(format_args!(
            "{outcome}  {}  {state}, {}, head signed at {}",
            plain(&self.origin),
            many(self.records, "record"),
            self.signed
        ));
        if !self.kinds.is_empty() {
            out.line(format_args!("  records: {}", counts(&self.kinds)));
        }
        if !self.acts.is_empty() {
            out.line(format_args!("  exchanges: {}", counts(&self.acts)));
        }
        for (count, noun, what) in [
            (self.pruned, "record", "at the front taken away by retention"),
            (self.unjudged, "exchange", "of which something was not inspected"),
            (self.lost, "record", "declared as not written"),
            (self.unknown_kind, "record", "of a kind this build does not know"),
            (self.open_exchanges, "exchange", "begun without an end here"),
            (self.uncovered, "record", "at the end that no signed head covers yet"),
            (self.torn_bytes, "byte", "of a torn tail"),
        ] {
            if count > 0 {
                out.line(format_args!("  {} {what}", many(count, noun)));
            }
        }
        for (first, last) in &self.missing {
            out.line(format_args!("  missing: records {first} to {last}"));
        }
        for (first, last) in &self.erased {
            out.line(format_args!("  erased: records {first} to {last}"));
        }
        for finding in &self.findings {
            finding.tell(out);
        }
        if self.findings_more > 0 {
            out.line(format_args!("  and {} more", self.findings_more));
        }
    }
}

impl Finding {
    fn tell(&self, out: &mut Lines) {
        let mut place = plain(&self.file);
        if let Some(index) = self.index {
            place = format!("{place}{}record {index}", if place.is_empty() { "" } else { ", " });
        }
        out.line(format_args!("  {}({}) {place}: {}", self.outcome.as_str(), self.code, plain(&self.detail)));
    }
}
