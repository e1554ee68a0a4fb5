//! `servanda check`: all mistakes of a pact with their places, then what of it is enforced.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::folio;
use super::input;
use super::render::{Answer, CliError, Outcome, Paint, Screen, Table, count, safe};
use crate::base::clock::{Clock as _, SystemClock};
use crate::pact::calendar::{Known, calendar};
use crate::pact::model::Pact;
use crate::pact::{self, Packs};
use crate::program::compile;
use crate::program::coverage::{Coverage, How, PredicateCoverage};
use crate::proxy::config::Config;

/// Arguments of `servanda check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda check support.pact.yaml")]
pub(super) struct Check {
    /// Pacts, portfolios and images.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// A configuration of the sidecar to check as well.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use the pack in this file, instead of the one of the same name that comes with the program; for pacts, not for images.
    #[arg(long, value_name = "FILE")]
    pack_file: Vec<PathBuf>,
    /// Tell the life of each pact as well: its dates, and what waits for something to happen.
    #[arg(long)]
    calendar: bool,
}

impl Check {
    /// Checks all files.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let mut outcome = Outcome::Fine;
        let mut reports = Vec::new();
        let packs = super::packs::with_files(&self.pack_file, screen)?;
        for path in &self.files {
            if !folio::is_pact(path)? {
                outcome = outcome.and(together(screen, path, &packs, &mut reports)?);
                continue;
            }
            let text = input::document(path)?;
            let name = safe(&path.display().to_string()).into_owned();
            let wheel = screen.spinner("checking");
            let (checked, mut mistakes) = pact::read(&text, &packs);
            // Many phrases take a while.
            wheel.set_message("compiling");
            let program = checked.as_ref().map(|c| compile(std::slice::from_ref(c), &packs));
            wheel.finish_and_clear();
            let coverage = match program {
                Some(Ok(program)) => Some(program.coverage().clone()),
                Some(Err(more)) => {
                    mistakes.extend(more);
                    None
                }
                None => None,
            };
            screen.diagnostics(&name, &text, &mistakes);
            let ok = !mistakes.has_errors() && coverage.is_some();
            outcome = outcome.and(Outcome::of(ok));
            let lacks = checked.as_ref().map_or(&[][..], pact::CheckedPact::lacks);
            if screen.is_json() {
                let mut report = json!({"file": name, "ok": ok, "diagnostics": mistakes, "lacks": lacks, "coverage": coverage});
                if let (true, Some(checked), Some(map)) = (self.calendar, &checked, report.as_object_mut()) {
                    map.insert("calendar".to_owned(), calendar(checked.pact(), &Known::default()).report(now_s()));
                }
                reports.push(report);
                continue;
            }
            if let Some(coverage) = coverage {
                report(screen, &coverage, lacks)?;
            }
            if let Some(checked) = checked.as_ref().filter(|_| self.calendar) {
                dates(screen, checked.pact())?;
            }
        }
        if let Some(path) = &self.config {
            outcome = outcome.and(config(screen, path, &mut reports)?);
        }
        if screen.is_json() {
            match reports.as_slice() {
                [one] => screen.json(one)?,
                all => screen.json(&all)?,
            }
        }
        Ok(outcome)
    }
}

/// Whole days from now to an instant, before it rounded down; negative once it has passed.
fn days_to(at: i64) -> i64 {
    (at - now_s()).div_euclid(86_400)
}

fn now_s() -> i64 {
    SystemClock::new().wall_us().div_euclid(1_000_000)
}

/// The life of a pact for people.
fn dates(screen: &mut Screen, pact: &Pact) -> Result<(), CliError> {
    let calendar = calendar(pact, &Known::default());
    screen.line(format_args!("\ncalendar ({})", safe(&pact.evidence.timezone)))?;
    let mut table = Table::new(["on", "in", "what"]);
    for entry in &calendar.dates {
        let when = match days_to(entry.on.at) {
            0 => "within a day".to_owned(),
            days if days > 0 => count(usize::try_from(days).unwrap_or(usize::MAX), "day"),
            _ => "past".to_owned(),
        };
        table.row([entry.on.to_string(), when, entry.what.clone()]);
    }
    if table.is_empty() {
        screen.line("no dates: the pact has no term yet")?;
    } else {
        table.print(screen)?;
    }
    for standing in &calendar.standing {
        screen.line(safe(standing))?;
    }
    Ok(())
}

/// A portfolio or an image: the mistakes of its documents, then what of them is enforced, and who governs what.
fn together(screen: &mut Screen, path: &Path, packs: &Packs, reports: &mut Vec<Value>) -> Answer {
    let name = safe(&path.display().to_string()).into_owned();
    let folio = folio::read(path, packs, screen)?;
    let program = folio.as_ref().map(|folio| folio.compile(packs, screen)).transpose()?.flatten();
    let whole = folio.as_ref().zip(program.as_ref());
    if screen.is_json() {
        let (said, coverage) = (whole.map(|(folio, program)| folio.json(program)), program.as_ref().map(|p| p.coverage()));
        reports.push(json!({"file": name, "ok": whole.is_some(), "portfolio": said, "coverage": coverage}));
    } else if let Some((folio, program)) = whole {
        let lacks: Vec<String> = folio
            .pacts
            .iter()
            .filter(|pact| !pact.checked.lacks().is_empty())
            .map(|pact| format!("in `{}` {}", pact.checked.pact().id, pact.checked.lacks().join("; ")))
            .collect();
        report(screen, program.coverage(), &lacks)?;
        folio.show(program, screen)?;
    }
    Ok(Outcome::of(whole.is_some()))
}

fn config(screen: &mut Screen, path: &Path, reports: &mut Vec<Value>) -> Answer {
    let text = input::document(path)?;
    let name = safe(&path.display().to_string()).into_owned();
    let (config, mistakes) = Config::parse(&text, path.parent().unwrap_or(Path::new("")));
    screen.diagnostics(&name, &text, &mistakes);
    if screen.is_json() {
        reports.push(json!({"file": name, "ok": config.is_some(), "diagnostics": mistakes}));
    } else if let Some(config) = &config {
        screen.line(format_args!("{name}: {}, {}", count(config.listen.len(), "listener"), count(config.pacts.len(), "pact")))?;
    }
    Ok(Outcome::of(config.is_some()))
}

/// The coverage report for people.
fn report(screen: &mut Screen, coverage: &Coverage, lacks: &[String]) -> Result<(), CliError> {
    let title = screen.paint(Paint::Strong, &format!("{} {}", safe(&coverage.pact), coverage.version));
    let state = if lacks.is_empty() { "whole, can be signed".to_owned() } else { format!("a draft; lacks {}", lacks.join("; ")) };
    screen.line(format_args!("{title}: {state}"))?;
    let mut table = Table::new(["predicate", "severity", "enforced", "where and act", "detectors", "hold-back", "cost"]);
    for p in &coverage.predicates {
        for (n, check) in p.checks.iter().enumerate() {
            let (id, severity) = if n == 0 { (p.id.clone(), p.severity.to_string()) } else { Default::default() };
            // Stages with one act in a row are named before it, so that the line stays short.
            let groups = check.stages.chunk_by(|one, two| one.1 == two.1);
            let stages: Vec<String> = groups
                .filter_map(|group| {
                    let names: Vec<String> = group.iter().map(|(stage, _)| stage.to_string()).collect();
                    group.first().map(|(_, act)| format!("{} {act}", names.join("+")))
                })
                .collect();
            let hold_back = if check.hold_back == 0 { "-".to_owned() } else { format!("{} B", check.hold_back) };
            let detectors = if check.detectors == 0 { "-".to_owned() } else { check.detectors.to_string() };
            let what = format!("{}: {}", check.check, stages.join(", "));
            table.row([id, severity, check.how.to_string(), what, detectors, hold_back, check.cost.to_string()]);
        }
    }
    table.print(screen)?;
    if !coverage.stages.is_empty() {
        screen.line("")?;
        let mut table = Table::new(["stage", "patterns", "topics", "hold-back", "most held by"]);
        for s in &coverage.stages {
            let worst = s.worst.clone().unwrap_or_default();
            table.row([s.stage.to_string(), s.patterns.to_string(), s.topics.to_string(), format!("{} B", s.hold_back), worst]);
        }
        table.print(screen)?;
    }
    screen.line("")?;
    screen.line(format_args!("a stream holds back at most {} bytes", coverage.hold_back_max))?;
    let inline = coverage.predicates.iter().filter(|p| p.is_inline()).count();
    screen.line(format_args!("{inline} of {} enforced inline", count(coverage.predicates.len(), "predicate")))?;
    for p in &coverage.predicates {
        told(screen, p)?;
    }
    for fact in &coverage.facts {
        screen.line(format_args!(
            "fact {} ({}) is read by {}; the sidecar needs a source for it",
            safe(&fact.name),
            fact.kind,
            fact.predicates.join(", ")
        ))?;
    }
    if !coverage.not_enforced.is_empty() {
        screen.line(format_args!("signed and not enforced: {}", safe(&coverage.not_enforced.join(", "))))?;
    }
    for note in &coverage.notes {
        screen.line(format_args!("note: {}", safe(note)))?;
    }
    Ok(())
}

/// What is not inline of a predicate, and why.
fn told(screen: &mut Screen, p: &PredicateCoverage) -> Result<(), CliError> {
    for check in &p.checks {
        if check.how != How::Inline {
            let reason = check.reason.as_deref().unwrap_or("");
            screen.line(format_args!("{}: {} is {}: {}", safe(&p.id), safe(&check.check), check.how, safe(reason)))?;
        }
        if let Some(evidence) = &check.evidence {
            screen.line(format_args!("{}: measured as {}", safe(&p.id), safe(evidence)))?;
        }
    }
    if let Some(undecided) = &p.undecided {
        screen.line(format_args!("{}: left to judges: {}", safe(&p.id), safe(undecided)))?;
    }
    Ok(())
}
