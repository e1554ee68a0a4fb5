//! `servanda scan --explain`: why each finding scored as it did, and why a candidate did not count.
//!
//! Words for what the scanner tells; nothing is decided here. Of the text itself only words of packs are printed.

use serde::Serialize;

use super::render::{CliError, Paint, Screen, short};
use crate::pact::model::{Check, MatchCheck, Pact};
use crate::scan::Scanner;
use crate::scan::explain::{Around, By, Counted, TurnedAway, Why};
use crate::scan::pattern::{Kind, Verify};
use crate::scan::span::Hit;

/// Why a finding scored as it did.
#[derive(Debug, Serialize)]
pub(super) struct Grounds {
    /// The score of the detector itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<f64>,
    /// Whether the text says it in disguise or encoded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disguised: bool,
    /// The second opinion that the match passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Beside>,
    /// The sum that is asked for, of weighted phrases.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u32>,
    /// The sum that was reached, of a topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counted: Vec<Phrase>,
    /// The predicates of the pact that ask for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asked_by: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct Phrase {
    start: usize,
    end: usize,
    weight: i32,
}

#[derive(Debug, Serialize)]
struct Asked {
    predicate: String,
    min_score: f64,
    counts: bool,
}

/// What stands around a match.
#[derive(Debug, Serialize)]
struct Beside {
    says: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
}

impl From<&Around> for Beside {
    fn from(around: &Around) -> Self {
        let (says, word) = match around {
            Around::For(word, at) => ("for", Some((word.clone(), *at))),
            Around::Against(word, at) => ("against", Some((word.clone(), *at))),
            Around::Lone => ("alone", None),
            Around::Silent => ("nothing", None),
        };
        let (word, start) = word.unzip();
        Self { says, word, start }
    }
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.word, self.start) {
            (Some(word), Some(start)) => write!(f, "the word `{word}` at byte {start} speaks {} it", self.says),
            _ if self.says == "alone" => f.write_str("it stands alone in the text"),
            _ => f.write_str("no word near it says anything"),
        }
    }
}

/// A candidate that did not count.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    start: usize,
    end: usize,
    label: String,
    detector: String,
    pack: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Beside>,
}

/// The predicates of a pact that ask for labels, with what they ask.
pub(super) fn asking(pact: &Pact) -> Vec<(String, MatchCheck)> {
    let mut out = Vec::new();
    for predicate in &pact.predicates {
        for check in &predicate.checks {
            if let Check::Match(asked) = &check.check {
                out.push((predicate.id.clone(), asked.clone()));
            }
        }
    }
    out
}

fn share(basis_points: u16) -> f64 {
    f64::from(basis_points) / 10_000.0
}

impl Grounds {
    /// Of a hit.
    pub(super) fn of_hit(scanner: &Scanner, hit: &Hit, why: &Why, asking: &[(String, MatchCheck)]) -> Self {
        let pattern = scanner.pattern(hit.pattern);
        let label = pattern.map_or("", |pattern| pattern.label.as_str());
        let asked = asking.iter().filter(|(_, check)| check.means(label)).map(|(predicate, check)| Asked {
            predicate: predicate.clone(),
            min_score: share(check.min_score_bp),
            counts: hit.score_bp >= check.min_score_bp,
        });
        let weighted = pattern.and_then(|pattern| match &pattern.kind {
            Kind::Weighted(weighted) => Some(weighted.threshold),
            _ => None,
        });
        Self {
            base: pattern.map(|pattern| share(pattern.score_bp)),
            disguised: why.disguised,
            verified: why.verified.map(Verify::as_str),
            around: why.around.as_ref().map(Beside::from),
            threshold: weighted,
            sum: None,
            counted: weights(&why.counted),
            asked_by: asked.collect(),
        }
    }

    /// Of a topic.
    pub(super) fn of_topic(threshold: u32, sum: u32, counted: &[Counted]) -> Self {
        Self {
            base: None,
            disguised: false,
            verified: None,
            around: None,
            threshold: Some(threshold),
            sum: Some(sum),
            counted: weights(counted),
            asked_by: Vec::new(),
        }
    }

    /// As lines below the finding.
    pub(super) fn print(&self, screen: &mut Screen, pack: &str, text: &str) -> Result<(), CliError> {
        let base = self.base.map_or_else(String::new, |base| format!("; base score {base:.2}"));
        let verified = self.verified.map_or_else(String::new, |verify| format!("; verified as {verify}"));
        say(screen, format_args!("pack {pack}{base}{verified}"))?;
        if self.disguised {
            say(screen, "the text says it in disguise or encoded")?;
        }
        if let Some(around) = &self.around {
            say(screen, around)?;
        }
        if let Some(threshold) = self.threshold.filter(|_| !self.disguised) {
            let sum: i32 = self.counted.iter().map(|counted| counted.weight).sum();
            let sum = self.sum.map_or(sum.to_string(), |sum| sum.to_string());
            let phrases: Vec<String> = self
                .counted
                .iter()
                .map(|c| format!("`{}` {:+}", short(text.get(c.start..c.end).unwrap_or_default(), 40), c.weight))
                .collect();
            say(screen, format_args!("sum {sum}, threshold {threshold}: {}", phrases.join(", ")))?;
        }
        for asked in &self.asked_by {
            let counts = if asked.counts { "counts" } else { "does not count" };
            say(screen, format_args!("predicate {} asks for {:.2}: it {counts}", asked.predicate, asked.min_score))?;
        }
        Ok(())
    }
}

fn weights(counted: &[Counted]) -> Vec<Phrase> {
    counted.iter().map(|c| Phrase { start: c.start, end: c.end, weight: c.weight }).collect()
}

fn say(screen: &mut Screen, what: impl std::fmt::Display) -> Result<(), CliError> {
    let text = screen.paint(Paint::Dim, &what.to_string());
    screen.line(format_args!("    {text}"))
}

/// The candidates that did not count, in words.
pub(super) fn refused(scanner: &Scanner, turned_away: &[TurnedAway]) -> Vec<Refused> {
    let told = |candidate: &TurnedAway| {
        let pattern = scanner.pattern(candidate.pattern)?;
        let (verify, around) = match &candidate.by {
            By::Verify(verify) => (Some(verify.as_str()), None),
            By::Around(around) => (None, Some(Beside::from(around))),
        };
        let (label, detector, pack) = (pattern.label.clone(), pattern.detector.clone(), pattern.pack.clone());
        Some(Refused { start: candidate.start, end: candidate.end, label, detector, pack, verify, around })
    };
    turned_away.iter().filter_map(told).collect()
}

/// As lines: those at one place for one reason together.
pub(super) fn print_refused(
    screen: &mut Screen,
    list: &[Refused],
    mut place: impl FnMut(usize) -> String,
) -> Result<(), CliError> {
    let reason = |r: &Refused| match (&r.verify, &r.around) {
        (Some(verify), _) => format!("is no {verify}"),
        (None, Some(around)) => around.to_string(),
        (None, None) => String::new(),
    };
    let mut list: Vec<(usize, usize, String, &str)> =
        list.iter().map(|r| (r.start, r.end, reason(r), r.detector.as_str())).collect();
    list.sort();
    for group in list.chunk_by(|one, two| (one.0, one.1, &one.2) == (two.0, two.1, &two.2)) {
        let Some((start, end, reason, _)) = group.first() else { continue };
        let detectors: Vec<&str> = group.iter().map(|(.., detector)| *detector).collect();
        let text = format!("{}  {} bytes not counted: {reason}: {}", place(*start), end - start, detectors.join(", "));
        let text = screen.paint(Paint::Dim, &text);
        screen.line(text)?;
    }
    Ok(())
}
