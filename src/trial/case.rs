//! The pact's own tests.
//!
//! A case passes when every event but the last is not refused, the last gets the expected act, and the
//! named predicate, if there is one, is among those it breaches. A fact not given has no source.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::play::{Play, Told};
use crate::base::verdict::Act;
use crate::engine::event::Measures;
use crate::engine::facts::{FactValue, Facts};
use crate::engine::session::SessionHandle;
use crate::pact::decimal::Decimal;
use crate::pact::model::{self, Case, CaseEvent, Pact, Quantity};
use crate::program::Program;

/// What became of one case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseOutcome {
    /// Its name, or its place from 1.
    pub name: String,
    /// Line in the document, from 1.
    pub line: usize,
    /// Whether it holds.
    pub passed: bool,
    /// The act it expects.
    pub expected: Act,
    /// The act of the last event that was judged.
    pub act: Act,
    /// Predicates that its last event breached.
    pub predicates: Vec<String>,
    /// Why it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What became of all cases of a pact.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcomes {
    /// By case.
    pub cases: Vec<CaseOutcome>,
    /// Predicates that no case shows a breach of, though this build checks them.
    pub untried: Vec<String>,
}

impl Outcomes {
    /// Whether every case holds.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|c| c.passed)
    }
}

/// What is asked of a case.
#[derive(Clone, Copy, Debug)]
enum Asked<'a> {
    /// Its act, to the letter.
    Itself,
    /// In a portfolio: what this pact asks, where it governs, or harsher for others' sake.
    NothingSofter(&'a str),
}

/// Runs the cases of one pact of a portfolio, each in a session of its own. Other pacts may make an act harsher and
/// refuse an earlier event; none may make it softer, nor may the pact itself ask for more. Cases of tasks that the pact does not govern are left out.
pub fn run_within(program: &Arc<Program>, pact: &Pact, now_us: i64) -> Outcomes {
    let governs = |case: &&(usize, &Case)| {
        let mut facts = case.1.facts.iter().chain(case.1.events.iter().take(1).flat_map(|event| &event.facts));
        let task = facts.rfind(|(name, _)| *name == "task.type");
        let task = task.and_then(|(_, value)| if let model::FactValue::Text(text) = value { Some(text.as_str()) } else { None });
        program.for_task(task).pacts().any(|frame| *frame.pact == *pact.id)
    };
    let cases: Vec<(usize, &Case)> = pact.cases.iter().enumerate().collect();
    let asked = Asked::NothingSofter(&pact.id);
    let run = |(at, case): &(usize, &Case)| one(program, case, asked, at + 1, now_us, &mut BTreeSet::new());
    Outcomes { cases: cases.iter().filter(governs).map(run).collect(), untried: Vec::new() }
}

/// Runs cases against a program, each in a session of its own.
pub fn run(program: &Arc<Program>, cases: &[Case], now_us: i64) -> Outcomes {
    let mut tried = BTreeSet::new();
    let outcomes: Vec<CaseOutcome> =
        cases.iter().enumerate().map(|(at, case)| one(program, case, Asked::Itself, at + 1, now_us, &mut tried)).collect();
    let inline = program.predicates().iter().filter(|p| !p.stages.is_empty());
    let untried = inline.filter(|p| !tried.contains(p.id.as_ref())).map(|p| p.id.to_string());
    Outcomes { cases: outcomes, untried: untried.collect() }
}

fn one(
    program: &Arc<Program>,
    case: &Case,
    asked: Asked<'_>,
    number: usize,
    now_us: i64,
    tried: &mut BTreeSet<String>,
) -> CaseOutcome {
    let mut outcome = CaseOutcome {
        name: case.name.clone().unwrap_or_else(|| format!("case {number}")),
        line: case.span.line,
        passed: false,
        expected: case.expect,
        act: Act::Allow,
        predicates: Vec::new(),
        why: None,
    };
    let mut facts = Facts::new();
    for (name, value) in case.facts.iter().chain(case.events.iter().take(1).flat_map(|event| &event.facts)) {
        facts.present(name.as_str(), FactValue::from(value));
    }
    let mut play = Play::begin(program, SessionHandle::alone(), &facts, now_us);
    for (at, event) in case.events.iter().enumerate() {
        for (name, value) in &event.facts {
            facts.present(name.as_str(), FactValue::from(value));
        }
        let played = play.event(&told(event), &facts);
        outcome.act = played.judgement.act;
        let id = |predicate| program.predicate(predicate).map(|p| p.id.to_string()).unwrap_or_default();
        outcome.predicates = played.judgement.hits.iter().map(|h| id(h.predicate)).collect();
        outcome.predicates.dedup();
        tried.extend(outcome.predicates.iter().cloned());
        let last = at + 1 == case.events.len();
        if let Asked::NothingSofter(pact) = asked {
            // What others make harsher is theirs; what the pact itself asks for is held against its case.
            let own = played.judgement.hits.iter().filter(|hit| is_of(&id(hit.predicate), pact)).map(|hit| hit.act).max();
            let own = own.unwrap_or(Act::Allow);
            if if last { own > case.expect } else { own >= Act::Hold } {
                outcome.why = Some(if last {
                    format!("expected {}, and the pact itself asks for {own} ({})", case.expect, outcome.predicates.join(", "))
                } else {
                    format!("event {} at {} is refused ({own}) by the pact itself; only the last may be", at + 1, event.at)
                });
                return outcome;
            }
        }
        if !last && played.judgement.refuses() {
            if let Asked::NothingSofter(_) = asked {
                // Refused before it comes to what the case shows: by another pact, and harsher.
                outcome.passed = true;
                return outcome;
            }
            outcome.why = Some(format!(
                "event {} at {} was refused ({}) by {}; only the last may be",
                at + 1,
                event.at,
                outcome.act,
                outcome.predicates.join(", ")
            ));
            return outcome;
        }
    }
    if case.events.is_empty() {
        outcome.why = Some("the case has no events".to_owned());
    } else if outcome.act != case.expect && (matches!(asked, Asked::Itself) || outcome.act < case.expect) {
        let by = if outcome.predicates.is_empty() { "nothing was breached".to_owned() } else { outcome.predicates.join(", ") };
        outcome.why = Some(format!("expected {}, got {} ({by})", case.expect, outcome.act));
    } else if let Some(wanted) = named(case, asked).filter(|p| !outcome.predicates.contains(p)) {
        outcome.why = Some(format!("`{wanted}` is not among the breached predicates: {}", outcome.predicates.join(", ")));
    }
    outcome.passed = outcome.why.is_none();
    outcome
}

/// Whether a program of several pacts has a predicate of this id from this one.
fn is_of(id: &str, pact: &str) -> bool {
    id.strip_prefix(pact).is_some_and(|rest| rest.starts_with('/'))
}

/// The predicate that a case names, as the program calls it.
fn named(case: &Case, asked: Asked<'_>) -> Option<String> {
    let id = case.predicate.as_ref()?;
    Some(match asked {
        Asked::Itself => id.clone(),
        Asked::NothingSofter(pact) => format!("{pact}/{id}"),
    })
}

fn told(event: &CaseEvent) -> Told<'_> {
    Told {
        at: event.at,
        lane: event.lane,
        text: event.text.as_deref(),
        tool: event.tool.as_deref(),
        args: event.args.as_deref(),
        host: event.host.as_deref(),
        measures: measures(|quantity| event.measures.get(&quantity).and_then(Decimal::to_i64)),
    }
}

/// The measures of an event, by quantity. Quantities that the engine knows by itself are not taken.
pub(super) fn measures(value: impl Fn(Quantity) -> Option<i64>) -> Measures {
    let get = |quantity| value(quantity).and_then(|v| u64::try_from(v).ok());
    Measures {
        open_tasks: get(Quantity::OpenTasks),
        latency_ms: get(Quantity::LatencyMs),
        tokens_in: get(Quantity::TokensIn),
        tokens_out: get(Quantity::TokensOut),
        reply_chars: get(Quantity::ReplyChars),
    }
}

#[cfg(test)]
mod tests;
