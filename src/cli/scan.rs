//! `servanda scan`: what the detectors find in text, offline.
//!
//! One text, lines of JSON, or a folder walked in parallel. What was found is named with its place; the
//! text itself is printed only with `--show`, since what is found is often secret.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::explain::{self, Grounds, Refused};
use super::input;
use super::render::{Answer, CliError, Outcome, Paint, Screen, count, short};
use crate::pact::model::MatchCheck;
use crate::pact::pack::under;
use crate::scan::span::Hit;
use crate::scan::{Scanner, Scratch};

/// Arguments of `servanda scan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  echo 'My SSN is 536-22-4819' | servanda scan --packs pii,secrets -")]
pub(super) struct Scan {
    /// Scan with the detectors that this pact uses.
    #[arg(long, value_name = "FILE", conflicts_with = "packs")]
    pact: Option<PathBuf>,
    /// Scan with these packs; all that come with the program when absent.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    packs: Vec<String>,
    /// Use the pack in this file, instead of the one of the same name that comes with the program.
    #[arg(long, value_name = "FILE", conflicts_with = "pact")]
    pack_file: Vec<PathBuf>,
    /// Each line is `{"id": …, "text": …}` and gives `{"id": …, "findings": […]}`.
    #[arg(long)]
    jsonl: bool,
    /// Exit with 1 when a label under one of these was found; `any` is every label.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    fail_on: Vec<String>,
    /// Print what was found, not only where.
    #[arg(long)]
    show: bool,
    /// Tell what each score is made of, and what was looked at and did not count. Slow.
    #[arg(long)]
    explain: bool,
    /// A file, a folder, or `-` for standard input.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

/// One thing found.
#[derive(Debug, Serialize)]
struct Finding {
    start: usize,
    end: usize,
    label: String,
    detector: String,
    score: f64,
    pack: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Grounds>,
}

/// What was found in one text.
#[derive(Debug, Default, Serialize)]
struct Found {
    findings: Vec<Finding>,
    /// What was looked at and did not count, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted: Option<Vec<Refused>>,
    /// Hits beyond the ceiling, counted and not listed.
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
}

/// The same with what the text is called.
#[derive(Debug, Serialize)]
struct Named<Id: Serialize> {
    #[serde(flatten)]
    id: Id,
    #[serde(flatten)]
    found: Found,
}

/// What scans, and which predicates ask for what.
struct Eye {
    scanner: Scanner,
    asking: Vec<(String, MatchCheck)>,
    explain: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    text: String,
}

#[derive(Debug, Serialize)]
struct LineId<'a> {
    id: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
struct FileId {
    path: PathBuf,
}

impl Scan {
    /// Scans what was named.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let eye = self.eye(screen)?;
        match &self.path {
            _ if self.jsonl => self.lines(&eye, screen),
            Some(path) if path.is_dir() => self.folder(&eye, path, screen),
            path => {
                let text = input::text(path.as_deref())?;
                let found = eye.look(&mut Scratch::new(&eye.scanner), &text);
                let name = path.clone().filter(|p| p.as_path() != Path::new("-"));
                let failed = self.fails(&found);
                if screen.is_json() {
                    let path = name.unwrap_or_else(|| PathBuf::from("-"));
                    screen.json(&Named { id: FileId { path }, found })?;
                } else {
                    self.print(screen, name.as_deref(), &text, &found)?;
                    if found.findings.is_empty() {
                        screen.note("nothing found");
                    }
                }
                Ok(Outcome::of(!failed))
            }
        }
    }

    fn eye(&self, screen: &mut Screen) -> Result<Eye, CliError> {
        if let Some(path) = &self.pact {
            let (scanner, checked) = super::folio::scanner_of(path, screen)?;
            return Ok(Eye { scanner, asking: explain::asking(checked.pact()), explain: self.explain });
        }
        let packs = super::packs::with_files(&self.pack_file, screen)?;
        if let Some(unknown) = self.packs.iter().find(|name| packs.get(name).is_none()) {
            let known: Vec<&str> = packs.iter().map(|p| p.name.as_str()).collect();
            return Err(CliError::new(format!("no pack `{unknown}`")).help(format!("there are: {}", known.join(", "))));
        }
        let wanted = |name: &str| self.packs.is_empty() || self.packs.iter().any(|p| p == name);
        let patterns = packs.entries().filter(|(p, _)| wanted(&p.name)).map(|(_, e)| e.pattern.clone()).collect();
        let topics = packs.topics().filter(|(p, _)| wanted(&p.name)).map(|(_, t)| t.topic.clone()).collect();
        let scanner = Scanner::new(patterns, topics).map_err(|e| CliError::new(e.to_string()))?;
        Ok(Eye { scanner, asking: Vec::new(), explain: self.explain })
    }

    fn fails(&self, found: &Found) -> bool {
        let named = |label: &str| self.fail_on.iter().any(|f| f == "any" || under(label, f));
        found.findings.iter().any(|f| named(&f.label))
    }

    fn lines(&self, eye: &Eye, screen: &mut Screen) -> Answer {
        let mut scratch = Scratch::new(&eye.scanner);
        let mut outcome = Outcome::Fine;
        let mut unreadable = 0usize;
        input::lines(self.path.as_deref(), |number, line| {
            match serde_json::from_str::<Line<'_>>(line) {
                Ok(Line { id, text }) => {
                    let found = eye.look(&mut scratch, &text);
                    outcome = outcome.and(Outcome::of(!self.fails(&found)));
                    screen.json_line(&Named { id: LineId { id }, found })?;
                }
                Err(error) => {
                    unreadable += 1;
                    screen.note(format_args!("line {number}: {error}"));
                }
            }
            Ok(())
        })?;
        if unreadable > 0 {
            return Err(CliError::new(format!("{} could not be read", count(unreadable, "line"))));
        }
        Ok(outcome)
    }

    fn folder(&self, eye: &Eye, folder: &Path, screen: &mut Screen) -> Answer {
        let mut paths = Vec::new();
        walk(folder, &mut paths)?;
        let bar = screen.progress("scanning", paths.len() as u64);
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(paths.len()));
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut scratch = Scratch::new(&eye.scanner);
                    while let Some((at, path)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        paths.get(at).map(|p| (at, p))
                    } {
                        let result = input::text(Some(path)).map(|text| {
                            let found = eye.look(&mut scratch, &text);
                            let text = if found.is_empty() { String::new() } else { text };
                            (text, found)
                        });
                        bar.inc(1);
                        // A poisoned list is still a list: the panic is told by the scope.
                        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_by_key(|(at, _)| *at);
        let (mut outcome, mut total, mut unread) = (Outcome::Fine, 0usize, 0usize);
        for ((_, result), path) in results.into_iter().zip(&paths) {
            let Ok((text, found)) = result else {
                unread += 1;
                continue;
            };
            outcome = outcome.and(Outcome::of(!self.fails(&found)));
            total += found.findings.len();
            if screen.is_json() {
                if !found.is_empty() {
                    screen.json_line(&Named { id: FileId { path: path.clone() }, found })?;
                }
            } else {
                self.print(screen, Some(path), &text, &found)?;
            }
        }
        let skipped = if unread == 0 { String::new() } else { format!(", {} not read (no UTF-8 text)", count(unread, "file")) };
        screen.note(format_args!("{} in {}{skipped}", count(total, "finding"), count(paths.len(), "file")));
        Ok(outcome)
    }

    fn print(&self, screen: &mut Screen, path: Option<&Path>, text: &str, found: &Found) -> Result<(), CliError> {
        let name = path.map_or_else(String::new, |p| format!("{}:", short(&p.display().to_string(), 200)));
        let mut cursor = Cursor::new(text);
        let mut place = |at: usize| {
            let (line, column) = cursor.go(at);
            format!("{name}{line}:{column}")
        };
        for finding in &found.findings {
            let place = place(finding.start);
            let label = screen.paint(Paint::Warn, &finding.label);
            let shown = match text.get(finding.start..finding.end) {
                Some(text) if self.show => format!("  {}", short(text, 80)),
                _ => String::new(),
            };
            screen.line(format_args!("{place}  {label}  {}  {:.2}{shown}", finding.detector, finding.score))?;
            if let Some(why) = &finding.why {
                why.print(screen, &finding.pack, text)?;
            }
        }
        if found.more > 0 {
            screen.line(format_args!("{name} and {} more", found.more))?;
        }
        match &found.not_counted {
            Some(list) => explain::print_refused(screen, list, place),
            None => Ok(()),
        }
    }
}

/// A place in a text that people count in lines and columns. Going forward costs the way and no more.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    /// Line and column of a byte, both from 1.
    fn go(&mut self, at: usize) -> (usize, usize) {
        if at < self.at {
            *self = Self::new(self.text);
        }
        let between = self.text.get(self.at..at).unwrap_or_default();
        match between.rfind('\n') {
            Some(last) => {
                self.line += between.matches('\n').count();
                self.column = between.get(last + 1..).unwrap_or_default().chars().count() + 1;
            }
            None => self.column += between.chars().count(),
        }
        self.at = at;
        (self.line, self.column)
    }
}

impl Found {
    fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.not_counted.as_ref().is_none_or(Vec::is_empty)
    }
}

impl Eye {
    /// Hits and topics of a text, in order of place.
    fn look(&self, scratch: &mut Scratch, text: &str) -> Found {
        if self.explain {
            return self.look_closely(text);
        }
        let mut hits = Vec::new();
        let more = self.scanner.scan_loosely(text, scratch, &mut hits);
        let mut findings: Vec<Finding> = hits.iter().filter_map(|hit| self.hit(hit)).collect();
        findings.extend(self.scanner.topics_of(scratch).iter().filter_map(|(topic, sum)| self.topic(text, *topic, *sum)));
        Found { findings, not_counted: None, more }
    }

    fn look_closely(&self, text: &str) -> Found {
        let told = self.scanner.explain(text);
        let mut findings = Vec::with_capacity(told.hits.len());
        for (hit, why) in &told.hits {
            let why = Some(Grounds::of_hit(&self.scanner, hit, why, &self.asking));
            findings.extend(self.hit(hit).map(|finding| Finding { why, ..finding }));
        }
        for (topic, sum, counted) in &told.topics {
            let threshold = self.scanner.topic(*topic).map_or(0, |topic| topic.weighted.threshold);
            let why = Some(Grounds::of_topic(threshold, *sum, counted));
            findings.extend(self.topic(text, *topic, *sum).map(|finding| Finding { why, ..finding }));
        }
        let not_counted = Some(explain::refused(&self.scanner, &told.turned_away));
        Found { findings, not_counted, more: told.more }
    }

    fn hit(&self, hit: &Hit) -> Option<Finding> {
        let pattern = self.scanner.pattern(hit.pattern)?;
        Some(Finding {
            start: hit.start,
            end: hit.end,
            label: pattern.label.clone(),
            detector: pattern.detector.clone(),
            score: f64::from(hit.score_bp) / 10_000.0,
            pack: pattern.pack.clone(),
            why: None,
        })
    }

    fn topic(&self, text: &str, topic: u32, sum: u32) -> Option<Finding> {
        let topic = self.scanner.topic(topic)?;
        // A sum at the threshold is as good as a guess; twice the threshold is three quarters sure.
        let score = 1.0 - f64::from(topic.weighted.threshold) / (2.0 * f64::from(sum.max(1)));
        Some(Finding {
            start: 0,
            end: text.len(),
            label: topic.label.clone(),
            detector: topic.label.clone(),
            score: (score * 10_000.0).round() / 10_000.0,
            pack: topic.pack.clone(),
            why: None,
        })
    }
}

/// Every file below a folder, sorted; links are not followed.
fn walk(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).and_then(Iterator::collect).map_err(|e| CliError::file(folder, e))?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let kind = entry.file_type().map_err(|e| CliError::file(&entry.path(), e))?;
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                walk(&entry.path(), out)?;
            }
        } else if kind.is_file() {
            out.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns() {
        let text = "aé\nb\n\ncd";
        let mut cursor = Cursor::new(text);
        let wanted = [(0, (1, 1)), (3, (1, 3)), (4, (2, 1)), (8, (4, 2)), (0, (1, 1)), (9, (4, 3)), (6, (3, 1))];
        for (at, place) in wanted {
            assert_eq!(cursor.go(at), place, "{at}");
        }
    }
}
