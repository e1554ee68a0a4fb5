//! `servanda packs`: what the names in a pact mean, and whether the packs keep their own examples.

use std::borrow::Cow;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::input;
use super::render::{Answer, CliError, Outcome, Paint, Screen, Table, count, short};
use crate::pact::pack::{Pack, Packs, TopicEntry};

/// Arguments of `servanda packs`.
#[derive(Debug, clap::Args)]
pub(super) struct PacksCommand {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the packs that come with the program.
    #[command(after_help = "Example:\n  servanda packs list")]
    List,
    /// Show the detectors and topics of a pack.
    #[command(after_help = "Example:\n  servanda packs show pii")]
    Show {
        /// Name of a pack.
        pack: String,
    },
    /// Run every example and near miss of the packs, or of pack files.
    #[command(after_help = "Example:\n  servanda packs test own.pack.yaml")]
    Test {
        /// Pack files; the packs that come with the program when absent.
        files: Vec<PathBuf>,
    },
}

impl PacksCommand {
    /// Answers.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        match &self.command {
            Verb::List => list(screen),
            Verb::Show { pack } => show(screen, pack),
            Verb::Test { files } => test(screen, files),
        }
    }
}

fn list(screen: &mut Screen) -> Answer {
    let packs = Packs::shipped();
    if screen.is_json() {
        let packs: Vec<_> = packs
            .iter()
            .map(|p| {
                json!({"pack": p.name, "version": p.version, "digest": p.digest, "detectors": p.entries.len(),
                    "topics": p.topics.len(), "about": p.about})
            })
            .collect();
        screen.json(&packs)?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(["pack", "version", "detectors", "topics", "about"]);
    for p in packs.iter() {
        table.row([p.name.clone(), p.version.clone(), p.entries.len().to_string(), p.topics.len().to_string(), p.about.clone()]);
    }
    table.print(screen)?;
    Ok(Outcome::Fine)
}

fn show(screen: &mut Screen, name: &str) -> Answer {
    let packs = Packs::shipped();
    let Some(pack) = packs.get(name) else {
        let known: Vec<&str> = packs.iter().map(|p| p.name.as_str()).collect();
        return Err(CliError::new(format!("no pack `{name}`")).help(format!("there are: {}", known.join(", "))));
    };
    if screen.is_json() {
        let entries: Vec<_> = pack
            .entries
            .iter()
            .map(|e| {
                json!({"label": e.pattern.label, "detector": e.pattern.detector, "category": e.pattern.category,
                    "score": f64::from(e.pattern.score_bp) / 10_000.0, "locale": e.locale, "source": e.source})
            })
            .collect();
        let topics: Vec<_> = pack
            .topics
            .iter()
            .map(|t| json!({"label": t.topic.label, "phrases": phrases(t), "threshold": t.topic.weighted.threshold, "source": t.source}))
            .collect();
        screen.json(
            &json!({"pack": pack.name, "version": pack.version, "digest": pack.digest, "entries": entries, "topics": topics}),
        )?;
        return Ok(Outcome::Fine);
    }
    let title = format!("{} {}", pack.name, pack.version);
    screen.line(format_args!("{}  {}", screen.paint(Paint::Strong, &title), pack.about))?;
    if !pack.entries.is_empty() {
        let mut table = Table::new(["label", "detector", "category", "score", "source"]);
        for e in &pack.entries {
            let score = format!("{:.2}", f64::from(e.pattern.score_bp) / 10_000.0);
            table.row([
                e.pattern.label.clone(),
                e.pattern.detector.clone(),
                e.pattern.category.to_string(),
                score,
                short(&e.source, 60),
            ]);
        }
        table.print(screen)?;
    }
    if !pack.topics.is_empty() {
        let mut table = Table::new(["topic", "phrases", "threshold", "source"]);
        for t in &pack.topics {
            let (phrases, threshold) = (phrases(t).to_string(), t.topic.weighted.threshold.to_string());
            table.row([t.topic.label.clone(), phrases, threshold, short(&t.source, 60)]);
        }
        table.print(screen)?;
    }
    Ok(Outcome::Fine)
}

/// Runs the examples of pack files, or of the shipped packs when there are none.
pub(super) fn test(screen: &mut Screen, files: &[PathBuf]) -> Answer {
    if files.is_empty() {
        return report(screen, Packs::shipped());
    }
    match read(files, screen)? {
        Some(packs) => report(screen, &packs),
        None => Ok(Outcome::Failed),
    }
}

/// The packs that come with the program, with those in files in the place of their namesakes.
pub(super) fn with_files(files: &[PathBuf], screen: &mut Screen) -> Result<Cow<'static, Packs>, CliError> {
    if files.is_empty() {
        return Ok(Cow::Borrowed(Packs::shipped()));
    }
    let Some(own) = read(files, screen)? else {
        return Err(CliError::new("a pack file cannot be used").help("`servanda packs test FILE` runs its examples"));
    };
    Ok(Cow::Owned(Packs::shipped().clone().overlaid(own)))
}

/// Reads pack files and tells their mistakes. None when one has some.
fn read(files: &[PathBuf], screen: &mut Screen) -> Result<Option<Packs>, CliError> {
    let mut texts = Vec::new();
    for path in files {
        texts.push((path.display().to_string(), input::document(path)?));
    }
    match Packs::load(texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))) {
        Ok(packs) => Ok(Some(packs)),
        Err(faults) => {
            for (name, list) in &faults {
                let source = texts.iter().find(|(n, _)| n == name).map_or("", |(_, text)| text);
                screen.diagnostics(name, source, list);
            }
            Ok(None)
        }
    }
}

fn report(screen: &mut Screen, packs: &Packs) -> Answer {
    let mut outcome = Outcome::Fine;
    let mut rows = Vec::new();
    for pack in packs.iter() {
        let misses = pack.test().map_err(|e| CliError::new(e.to_string()))?;
        let examples = examples(pack);
        outcome = outcome.and(Outcome::of(misses.is_empty()));
        if screen.is_json() {
            let misses: Vec<_> =
                misses.iter().map(|m| json!({"detector": m.detector, "text": m.text, "wanted": m.wanted})).collect();
            rows.push(json!({"pack": pack.name, "version": pack.version, "examples": examples, "misses": misses}));
            continue;
        }
        let verdict = if misses.is_empty() { screen.paint(Paint::Good, "ok  ") } else { screen.paint(Paint::Bad, "FAIL") };
        screen.line(format_args!("{verdict} {} {}: {}", pack.name, pack.version, count(examples, "example")))?;
        for miss in &misses {
            let what = if miss.wanted { "does not find" } else { "finds" };
            screen.line(format_args!("     {} {what} {:?}", miss.detector, short(&miss.text, 120)))?;
        }
    }
    if screen.is_json() {
        screen.json(&rows)?;
    }
    Ok(outcome)
}

fn phrases(topic: &TopicEntry) -> usize {
    topic.topic.weighted.groups.iter().map(|group| group.phrases.len()).sum()
}

fn examples(pack: &Pack) -> usize {
    let detectors = pack.entries.iter().map(|e| e.examples.len() + e.near_misses.len());
    let topics = pack.topics.iter().map(|t| t.examples.len() + t.near_misses.len());
    detectors.chain(topics).sum()
}
