//! `servanda test`: the cases of pacts and the examples of packs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::folio::{self, Folio};
use super::input;
use super::packs;
use super::render::{Answer, CliError, Outcome, Paint, Screen, count, safe};
use super::source::{self, Source};
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::document;
use crate::program::Program;
use crate::trial::case::{self, Outcomes};

/// Arguments of `servanda test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda test support.pact.yaml")]
pub(super) struct Test {
    /// Pacts, portfolios, images and pack files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Use the pack in this file, instead of the one of the same name that comes with the program; of pacts, not of images.
    #[arg(long, value_name = "FILE")]
    pack_file: Vec<PathBuf>,
}

impl Test {
    /// Runs all cases.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let now_us = SystemClock::new().wall_us();
        let own = packs::with_files(&self.pack_file, screen)?;
        let mut outcome = Outcome::Fine;
        let mut reports = Vec::new();
        for path in &self.files {
            if is_pack(path)? {
                outcome = outcome.and(packs::test(screen, std::slice::from_ref(path))?);
                continue;
            }
            let Some(folio) = folio::read(path, &own, screen)? else {
                outcome = Outcome::Failed;
                continue;
            };
            let Some(program) = folio.compile(&own, screen)? else {
                outcome = Outcome::Failed;
                continue;
            };
            if folio.portfolio.is_some() {
                outcome = outcome.and(within(screen, path, &folio, &program, now_us, &mut reports)?);
                continue;
            }
            for Source { name, checked, .. } in &folio.pacts {
                let outcomes = case::run(&program, &checked.pact().cases, now_us);
                outcome = outcome.and(Outcome::of(outcomes.passed()));
                if screen.is_json() {
                    reports.push(
                        json!({"file": name, "passed": outcomes.passed(), "cases": outcomes.cases, "untried": outcomes.untried}),
                    );
                    continue;
                }
                cases(screen, name, &outcomes)?;
                let failed = outcomes.cases.iter().filter(|c| !c.passed).count();
                screen.line(format_args!("{name}: {}, {failed} failed", count(outcomes.cases.len(), "case")))?;
                if !outcomes.untried.is_empty() {
                    screen.line(format_args!("{name}: no case shows a breach of {}", outcomes.untried.join(", ")))?;
                }
            }
        }
        if screen.is_json() && !reports.is_empty() {
            screen.json(&reports)?;
        }
        Ok(outcome)
    }
}

fn cases(screen: &mut Screen, name: &str, outcomes: &Outcomes) -> Result<(), CliError> {
    for case in &outcomes.cases {
        let verdict = if case.passed { screen.paint(Paint::Good, "ok  ") } else { screen.paint(Paint::Bad, "FAIL") };
        let act = screen.act(case.act);
        let why = case.why.as_deref().map_or_else(String::new, |why| format!("  {}", safe(why)));
        screen.line(format_args!("{verdict} {act} {name}:{}  {}{why}", case.line, safe(&case.name)))?;
    }
    Ok(())
}

/// The cases of the pacts of a portfolio, under all that governs each: harsher than a pact asks alone is right, softer
/// never.
fn within(
    screen: &mut Screen,
    path: &Path,
    folio: &Folio,
    program: &Arc<Program>,
    now_us: i64,
    reports: &mut Vec<Value>,
) -> Answer {
    let mut outcome = Outcome::Fine;
    for pact in &folio.pacts {
        let name = &pact.name;
        let outcomes = case::run_within(program, pact.checked.pact(), now_us);
        outcome = outcome.and(Outcome::of(outcomes.passed()));
        if screen.is_json() {
            let portfolio = path.display().to_string();
            reports.push(json!({"file": name, "portfolio": portfolio, "passed": outcomes.passed(), "cases": outcomes.cases}));
            continue;
        }
        cases(screen, name, &outcomes)?;
        let failed = outcomes.cases.iter().filter(|c| !c.passed).count();
        screen.line(format_args!("{name}: {} within the portfolio, {failed} failed", count(outcomes.cases.len(), "case")))?;
    }
    Ok(outcome)
}

/// Whether a document is a pack: it says `pack:` where a pact says `pact:`.
fn is_pack(path: &Path) -> Result<bool, CliError> {
    if source::image(path)?.is_some() {
        return Ok(false);
    }
    let text = input::document(path)?;
    Ok(document::parse(&text).is_ok_and(|root| root.get("pack").is_some() && root.get("pact").is_none()))
}
