//! `servanda judge`: the engine, offline.

use std::path::{Path, PathBuf};

use super::folio;
use super::input;
use super::render::{Answer, CliError, Outcome, Paint, Screen, count, safe, short};
use crate::base::clock::{Clock as _, SystemClock};
use crate::trial::jsonl::{LineError, LineJudge, Verdict};

/// Arguments of `servanda judge`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  echo '{\"events\": [{\"at\": \"request\", \"text\": \"My SSN is 536-22-4819\"}]}' | servanda judge --pact support.pact.yaml -"
)]
pub(super) struct Judge {
    /// The pact, image or portfolio to judge by.
    #[arg(long, value_name = "FILE")]
    pact: PathBuf,
    /// Each line is one exchange, `{"id": …, "session": …, "events": […]}`, and gives one verdict.
    #[arg(long)]
    jsonl: bool,
    /// A file, or `-` for standard input.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

impl Judge {
    /// Judges what was named.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let judge = LineJudge::new(folio::program(&self.pact, screen)?);
        let now_us = SystemClock::new().wall_us();
        if !self.jsonl {
            let text = input::text(self.path.as_deref())?;
            if screen.is_json() {
                let line = judge.line(&text, now_us).map_err(|e| self.unreadable(&e))?;
                screen.line(line)?;
                return Ok(Outcome::Fine);
            }
            let shown = judge.judge(&text, now_us, |verdict| Ok(show(screen, verdict))).map_err(|e| self.unreadable(&e))?;
            for line in shown {
                screen.line(line)?;
            }
            return Ok(Outcome::Fine);
        }
        let mut unreadable = 0usize;
        input::lines(self.path.as_deref(), |number, line| {
            match judge.line(line, now_us) {
                Ok(verdict) => screen.line(verdict)?,
                Err(error) => {
                    unreadable += 1;
                    screen.note(format_args!("line {number}: {}", safe(&error.message)));
                }
            }
            Ok(())
        })?;
        if unreadable > 0 {
            return Err(CliError::new(format!("{} could not be judged", count(unreadable, "line"))));
        }
        Ok(Outcome::Fine)
    }

    fn unreadable(&self, error: &LineError) -> CliError {
        CliError::file(self.path.as_deref().unwrap_or(Path::new("standard input")), &error.message)
    }
}

/// A verdict for people.
fn show(screen: &Screen, verdict: &Verdict<'_>) -> Vec<String> {
    let mut out = vec![format!("{} the exchange", screen.act(verdict.verdict))];
    for (n, event) in verdict.events.iter().enumerate() {
        let mut line = format!("{} event {}", screen.act(event.act), n + 1);
        for violation in &event.violations {
            let severity = screen.severity(violation.severity);
            line = format!("{line}  {} ({severity}, {})", safe(&violation.predicate), safe(&violation.detector));
        }
        if let Some(reason) = event.reason {
            line = format!("{line}  {reason}");
        }
        for unjudged in &event.unjudged {
            line.push_str(&screen.paint(Paint::Warn, &format!("  not inspected: {} {}", unjudged.reason, safe(&unjudged.what))));
        }
        out.push(line);
        if let Some(text) = &event.text {
            out.push(format!("       {}", short(text, 160)));
        }
    }
    out
}
