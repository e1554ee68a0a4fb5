//! `servanda scan`: what the detectors find in text, offline.
//!
//! One text, lines of JSON, or a folder walked in parallel. What was found is named with its place; the
//! text itself is printed only with `--show`, since what is found is often secret.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::input;
use super::render::{Answer, CliError, Outcome, Paint, Screen, count, short};
use crate::pact::pack::{Packs, under};
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
}

/// What was found in one text.
#[derive(Debug, Serialize)]
struct Found<Id: Serialize> {
    #[serde(flatten)]
    id: Id,
    findings: Vec<Finding>,
    /// Hits beyond the ceiling, counted and not listed.
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
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
        let scanner = self.scanner(screen)?;
        match &self.path {
            _ if self.jsonl => self.lines(&scanner, screen),
            Some(path) if path.is_dir() => self.folder(&scanner, path, screen),
            path => {
                let text = input::text(path.as_deref())?;
                let (findings, more) = findings(&scanner, &mut Scratch::new(&scanner), &text);
                let name = path.clone().filter(|p| p.as_path() != Path::new("-"));
                let failed = self.fails(&findings);
                if screen.is_json() {
                    let path = name.unwrap_or_else(|| PathBuf::from("-"));
                    screen.json(&Found { id: FileId { path }, findings, more })?;
                } else {
                    self.print(screen, name.as_deref(), &text, &findings, more)?;
                    if findings.is_empty() {
                        screen.note("nothing found");
                    }
                }
                Ok(Outcome::of(!failed))
            }
        }
    }

    fn scanner(&self, screen: &mut Screen) -> Result<Scanner, CliError> {
        if let Some(path) = &self.pact {
            return super::source::scanner_of(path, screen);
        }
        let packs = if self.pack_file.is_empty() {
            Cow::Borrowed(Packs::shipped())
        } else {
            let Some(own) = super::packs::read(&self.pack_file, screen)? else {
                return Err(CliError::new("a pack file cannot be used").help("`servanda packs test FILE` runs its examples"));
            };
            Cow::Owned(Packs::shipped().clone().overlaid(own))
        };
        if let Some(unknown) = self.packs.iter().find(|name| packs.get(name).is_none()) {
            let known: Vec<&str> = packs.iter().map(|p| p.name.as_str()).collect();
            return Err(CliError::new(format!("no pack `{unknown}`")).help(format!("there are: {}", known.join(", "))));
        }
        let wanted = |name: &str| self.packs.is_empty() || self.packs.iter().any(|p| p == name);
        let patterns = packs.entries().filter(|(p, _)| wanted(&p.name)).map(|(_, e)| e.pattern.clone()).collect();
        let topics = packs.topics().filter(|(p, _)| wanted(&p.name)).map(|(_, t)| t.topic.clone()).collect();
        Scanner::new(patterns, topics).map_err(|e| CliError::new(e.to_string()))
    }

    fn fails(&self, findings: &[Finding]) -> bool {
        let named = |label: &str| self.fail_on.iter().any(|f| f == "any" || under(label, f));
        findings.iter().any(|f| named(&f.label))
    }

    fn lines(&self, scanner: &Scanner, screen: &mut Screen) -> Answer {
        let mut scratch = Scratch::new(scanner);
        let mut outcome = Outcome::Fine;
        let mut unreadable = 0usize;
        input::lines(self.path.as_deref(), |number, line| {
            match serde_json::from_str::<Line<'_>>(line) {
                Ok(Line { id, text }) => {
                    let (findings, more) = findings(scanner, &mut scratch, &text);
                    outcome = outcome.and(Outcome::of(!self.fails(&findings)));
                    screen.json_line(&Found { id: LineId { id }, findings, more })?;
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

    fn folder(&self, scanner: &Scanner, folder: &Path, screen: &mut Screen) -> Answer {
        let mut paths = Vec::new();
        walk(folder, &mut paths)?;
        let bar = screen.progress("scanning", paths.len() as u64);
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(paths.len()));
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut scratch = Scratch::new(scanner);
                    while let Some((at, path)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        paths.get(at).map(|p| (at, p))
                    } {
                        let result = input::text(Some(path)).map(|text| {
                            let (findings, more) = findings(scanner, &mut scratch, &text);
                            let text = if findings.is_empty() { String::new() } else { text };
                            (text, findings, more)
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
            let Ok((text, findings, more)) = result else {
                unread += 1;
                continue;
            };
            outcome = outcome.and(Outcome::of(!self.fails(&findings)));
            total += findings.len();
            if screen.is_json() {
                if !findings.is_empty() {
                    screen.json_line(&Found { id: FileId { path: path.clone() }, findings, more })?;
                }
            } else {
                self.print(screen, Some(path), &text, &findings, more)?;
            }
        }
        let skipped = if unread == 0 { String::new() } else { format!(", {} not read (no UTF-8 text)", count(unread, "file")) };
        screen.note(format_args!("{} in {}{skipped}", count(total, "finding"), count(paths.len(), "file")));
        Ok(outcome)
    }

    fn print(
        &self,
        screen: &mut Screen,
        path: Option<&Path>,
        text: &str,
        findings: &[Finding],
        more: u64,
    ) -> Result<(), CliError> {
        let name = path.map_or_else(String::new, |p| format!("{}:", short(&p.display().to_string(), 200)));
        for finding in findings {
            let before = text.get(..finding.start).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            let label = screen.paint(Paint::Warn, &finding.label);
            let shown = match text.get(finding.start..finding.end) {
                Some(text) if self.show => format!("  {}", short(text, 80)),
                _ => String::new(),
            };
            screen.line(format_args!("{name}{line}:{column}  {label}  {}  {:.2}{shown}", finding.detector, finding.score))?;
        }
        if more > 0 {
            screen.line(format_args!("{name} and {more} more"))?;
        }
        Ok(())
    }
}

/// Hits and topics of a text, in order of place.
fn findings(scanner: &Scanner, scratch: &mut Scratch, text: &str) -> (Vec<Finding>, u64) {
    let mut hits = Vec::new();
    let more = scanner.scan_loosely(text, scratch, &mut hits);
    let mut out: Vec<Finding> = Vec::with_capacity(hits.len());
    for hit in &hits {
        if let Some(pattern) = scanner.pattern(hit.pattern) {
            out.push(Finding {
                start: hit.start,
                end: hit.end,
                label: pattern.label.clone(),
                detector: pattern.detector.clone(),
                score: f64::from(hit.score_bp) / 10_000.0,
                pack: pattern.pack.clone(),
            });
        }
    }
    for (topic, sum) in scanner.topics_of(scratch) {
        if let Some(topic) = scanner.topic(topic) {
            // A sum at the threshold is as good as a guess; twice the threshold is three quarters sure.
            let score = 1.0 - f64::from(topic.weighted.threshold) / (2.0 * f64::from(sum.max(1)));
            out.push(Finding {
                start: 0,
                end: text.len(),
                label: topic.label.clone(),
                detector: topic.label.clone(),
                score: (score * 10_000.0).round() / 10_000.0,
                pack: topic.pack.clone(),
            });
        }
    }
    (out, more)
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
