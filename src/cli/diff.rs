//! `servanda diff`: what changed between two versions of a pact, for whom it is better, and whether the
//! declared version admits it.

use std::path::PathBuf;

use super::render::{Answer, CliError, Outcome, Paint, Screen, Table, count, safe};
use super::source;
use crate::pact::change::{Comparison, Direction, Level, compare};

/// Arguments of `servanda diff`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  servanda diff support-1.pact.yaml support-2.pact.yaml\n\nExit codes: 0 the declared version is high enough, 1 it is too low, 2 wrong use or unreadable input."
)]
pub(super) struct Diff {
    /// The version that is in force.
    old: PathBuf,
    /// The version that shall be.
    new: PathBuf,
}

impl Diff {
    /// Tells the changes.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let (Some(old), Some(new)) = (source::read(&self.old, screen)?, source::read(&self.new, screen)?) else {
            return Err(CliError::new("a pact with mistakes has no version to compare"));
        };
        let comparison = compare(&old.checked, &new.checked);
        let outcome = Outcome::of(comparison.holds());
        if screen.is_json() {
            screen.json(&comparison.report())?;
            return Ok(outcome);
        }
        let title = format!("{} {} to {}", safe(&comparison.pact), comparison.old, comparison.new);
        screen.line(screen.paint(Paint::Strong, &title))?;
        changes(screen, &comparison)?;
        verdict(screen, &comparison, old.checked.pact().renewal.notice.map(|n| n.to_string()))?;
        Ok(outcome)
    }
}

/// The changes by what they mean to the other side.
fn changes(screen: &mut Screen, comparison: &Comparison) -> Result<(), CliError> {
    for (direction, title) in [
        (Direction::Tighter, "tighter: allows nothing more"),
        (Direction::Looser, "looser: forbids nothing more"),
        (Direction::NotComparable, "not comparable: read these with care"),
        (Direction::Neutral, "neutral: nothing is judged otherwise"),
    ] {
        let here = || comparison.changes.iter().filter(|c| c.direction == direction);
        if here().next().is_none() {
            continue;
        }
        screen.line(format_args!("\n{title}"))?;
        let mut table = Table::new(["where", "level", "what"]);
        for change in here() {
            let why = change.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            table.row([change.path.clone(), change.level.to_string(), format!("{}{why}", change.what)]);
        }
        table.print(screen)?;
    }
    if !comparison.changes.is_empty() {
        screen.line("")?;
    }
    Ok(())
}

/// What the changes ask of the version, and of the parties.
fn verdict(screen: &mut Screen, comparison: &Comparison, notice: Option<String>) -> Result<(), CliError> {
    let (level, changed) = (comparison.level(), comparison.changes.len());
    if comparison.same_document {
        return screen.line("the same document: nothing changed");
    }
    let consent = match level {
        Level::Patch => "nobody is bound to anything else".to_owned(),
        Level::Minor => "a standing consent (subscription) covers it".to_owned(),
        Level::Major => {
            let notice = notice.map_or_else(String::new, |n| format!(", after a notice of {n}"));
            format!("both parties sign anew{notice}")
        }
        Level::Other => "this is another pact, not a version of this one".to_owned(),
    };
    let direction = comparison.direction().words();
    screen.line(format_args!("{level}, {direction} ({}): {consent}", count(changed, "change")))?;
    let word = if comparison.holds() {
        screen.paint(Paint::Good, &format!("{} is high enough", comparison.new))
    } else {
        let least = comparison.least().map_or_else(
            || "give it a name and a version of its own".to_owned(),
            |least| format!("{} is too low: at least {least}", comparison.new),
        );
        screen.paint(Paint::Bad, &least)
    };
    screen.line(word)
}
