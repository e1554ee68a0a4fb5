//! What a program tells of itself: predicates, facts, coverage.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bits::Bits;
use super::coverage::{CheckCoverage, Coverage, FactCoverage, How, PredicateCoverage, StageCoverage};
use super::ir::{Check, FactInfo, PredicateInfo, Program};
use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::pact::condition::{Expr, Field, Type};
use crate::pact::model::{self, FactType, Limit, Pact, Predicate, Reach, Review, SetKind, StageCheck};

/// The facts that pacts declare or read, in order of name. Their predicates stand one behind the other.
pub(super) fn facts<'p>(pacts: impl Iterator<Item = &'p Pact> + Clone) -> Vec<FactInfo> {
    let mut facts: BTreeMap<&str, FactInfo> = BTreeMap::new();
    for (name, ty) in pacts.clone().flat_map(|pact| &pact.facts) {
        let kind = match ty {
            FactType::Text => "string",
            FactType::Bool => "bool",
            FactType::Number { .. } => "number",
        };
        facts.insert(name, FactInfo { name: name.as_str().into(), kind, predicates: Vec::new() });
    }
    for (at, predicate) in pacts.flat_map(|pact| &pact.predicates).enumerate() {
        for name in facts_of(predicate) {
            let kind = match Field::fixed(name) {
                Some((_, Type::Bool)) => "bool",
                Some((_, Type::Number)) => "number",
                _ => "string",
            };
            let fact = facts.entry(name);
            let fact = fact.or_insert_with(|| FactInfo { name: name.into(), kind, predicates: Vec::new() });
            fact.predicates.push(at as u32);
        }
    }
    facts.into_values().collect()
}

/// The report of `check`.
pub(super) fn coverage<'p>(
    pacts: impl Iterator<Item = &'p Pact> + Clone,
    program: &Program,
    mut predicates: Vec<PredicateCoverage>,
) -> Coverage {
    let mut stages = Vec::new();
    for &stage in Stage::ALL {
        let Some(scan) = program.scan(stage) else { continue };
        let count = scan.scanner.patterns().len() as u32;
        let worst = (0..count).max_by_key(|p| scan.scanner.hold_back(*p)).and_then(|p| scan.scanner.pattern(p));
        stages.push(StageCoverage {
            stage,
            patterns: scan.scanner.patterns().len(),
            topics: scan.topics.len(),
            hold_back: scan.hold_back,
            worst: worst.map(|p| p.detector.clone()),
        });
    }
    for (at, predicate) in predicates.iter_mut().enumerate() {
        for check in &mut predicate.checks {
            check.hold_back = check.stages.iter().map(|(s, _)| hold_back_of(program, at as u32, *s)).max().unwrap_or(0);
        }
    }
    let name = |at: &u32| program.predicate(*at).map(|p| p.id.to_string());
    let facts = program.facts.iter().filter(|f| !f.predicates.is_empty()).map(|f| FactCoverage {
        name: f.name.to_string(),
        kind: f.kind,
        predicates: f.predicates.iter().filter_map(name).collect(),
    });
    let mut notes = Vec::new();
    let holds = |c: &CheckCoverage| c.how == How::Inline && c.stages.iter().any(|(_, act)| *act == Act::Hold);
    if predicates.iter().any(|p| p.checks.iter().any(holds)) {
        notes.push("`hold` acts as block with the reason `approval_unavailable`: this build has no approvals".to_owned());
    }
    let shared =
        |pact: &Pact| pact.predicates.iter().any(|p| pact.evidence.rules.get(&p.id).is_some_and(|r| r.ok_share.is_some()));
    if pacts.clone().any(shared) {
        notes.push(
            "shares over a window are carried and not yet counted: the record marks such a breach, and says no violation"
                .to_owned(),
        );
    }
    if pacts.clone().any(|pact| pact.penalty.is_some()) {
        notes.push("penalties are carried and shown; this build counts no scores and moves no bonds".to_owned());
    }
    if pacts.clone().flat_map(|pact| &pact.predicates).any(|p| p.approve.is_some()) {
        notes.push("`approve` is signed and not yet acted on".to_owned());
    }
    Coverage {
        pact: program.identity.pact.to_string(),
        version: program.identity.version.to_string(),
        predicates,
        hold_back_max: stages.iter().map(|s| s.hold_back).max().unwrap_or(0),
        stages,
        facts: facts.collect(),
        not_enforced: pacts.flat_map(|pact| pact.terms.keys().map(|k| named(program, pact, &format!("terms.{k}")))).collect(),
        notes,
    }
}

/// A part of a pact as a program names it: by itself, or in a portfolio behind its pact.
fn named(program: &Program, pact: &Pact, what: &str) -> String {
    if program.portfolio { format!("{}/{what}", pact.id) } else { what.to_owned() }
}

fn hold_back_of(program: &Program, predicate: u32, stage: Stage) -> usize {
    let Some(scan) = program.scan(stage) else { return 0 };
    let rules = program.stage(stage).rules.iter().filter(|r| r.predicate == predicate);
    let worst = |bits: &Bits| bits.iter().map(|p| scan.scanner.hold_back(p)).max().unwrap_or(0);
    rules
        .map(|r| if let Check::Match { patterns, .. } | Check::Data { patterns, .. } = &r.check { worst(patterns) } else { 0 })
        .max()
        .unwrap_or(0)
}

/// How a check is measured, if anything but the single exchange decides.
pub(super) fn evidence(pact: &Pact, predicate: &Predicate, check: &model::Check) -> Option<String> {
    let rule = pact.evidence.rules.get(&predicate.id)?;
    let mut parts = Vec::new();
    match check {
        model::Check::Measure(measure) => parts.push(measure.to_string()),
        model::Check::Judge(_) => parts.extend(rule.eval_set.as_ref().map(|set| format!("on {set}"))),
        _ => {}
    }
    parts.extend(rule.ok_share.map(|share| format!("kept by {share} of interactions")));
    parts.extend(rule.min.map(|min| format!("at least {min}")));
    parts.extend(rule.max.as_ref().map(|max| match max {
        Limit::One(max) => format!("at most {max}"),
        Limit::Each(each) => {
            let each: Vec<String> = each.iter().map(|(name, max)| format!("{name} {max}")).collect();
            format!("at most {}", each.join(", "))
        }
    }));
    parts.extend(rule.window.map(|window| format!("over {window}")));
    parts.extend(rule.min_samples.map(|samples| format!("from {samples} samples on")));
    if rule.business_hours_only {
        parts.push("in business hours".to_owned());
    }
    parts.extend(rule.jury.map(|(size, trim)| format!("jury of {size}, {trim} trimmed at each end")));
    parts.extend(rule.every.map(|every| format!("every {every}")));
    let emits = pact.evidence.sources.get(&rule.from).map_or("", |s| s.as_str());
    parts.push(format!("from {} ({emits})", rule.from));
    Some(parts.join(", "))
}

/// What follows from a violation, in one line.
pub(super) fn follows(pact: &Pact, predicate: &Predicate) -> Option<String> {
    let consequence = pact.consequence(predicate);
    let mut parts = Vec::new();
    parts.extend(consequence.forfeit.filter(|f| f.0 > 0).map(|f| format!("forfeit {f}")));
    parts.extend(consequence.score.map(|s| format!("score {s}")));
    parts.extend(consequence.pause.map(|pause| {
        let length = pause.period.map_or_else(|| "until review".to_owned(), |p| p.to_string());
        let reach = if pause.reach == Reach::Counterparty { " for the counterparty" } else { "" };
        format!("pause {length}{reach}")
    }));
    parts.extend(consequence.review.filter(|r| *r != Review::None).map(|r| format!("review by {r}")));
    if !consequence.notify.is_empty() {
        let whom: Vec<&str> = consequence.notify.iter().map(|n| n.as_str()).collect();
        parts.push(format!("notify {}", whom.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The conditions of a predicate.
pub(super) fn expressions(predicate: &Predicate) -> impl Iterator<Item = &Expr> {
    let required = predicate.checks.iter().filter_map(|c| if let model::Check::Require(e) = &c.check { Some(e) } else { None });
    predicate.when.iter().chain(predicate.unless.iter()).chain(required)
}

/// Facts a predicate reads, each once: those of its conditions, and `task.type` for a set of tasks.
pub(super) fn facts_of(predicate: &Predicate) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    for expr in expressions(predicate) {
        for name in expr.facts() {
            if !out.contains(&name) {
                out.push(name);
            }
        }
    }
    let tasks = |c: &StageCheck| matches!(&c.check, model::Check::Set(s) if s.kind == SetKind::Task);
    if predicate.checks.iter().any(tasks) && !out.contains(&"task.type") {
        out.push("task.type");
    }
    out
}

/// A predicate as records and people see it.
pub(super) fn info(predicate: &Predicate, coverage: &PredicateCoverage) -> PredicateInfo {
    let inline = |c: &&CheckCoverage| c.how == How::Inline;
    let mut stages: Vec<Stage> = coverage.checks.iter().filter(inline).flat_map(|c| c.stages.iter().map(|(s, _)| *s)).collect();
    stages.sort_unstable();
    stages.dedup();
    let missing = coverage.checks.iter().find(|c| matches!(c.how, How::Window | How::Absent));
    PredicateInfo {
        id: coverage.id.as_str().into(),
        severity: predicate.severity,
        dimension: coverage.dimension.as_str().into(),
        stages,
        unenforced: missing.and_then(|c| c.reason.as_deref()).map(Arc::from),
        judged: coverage.checks.iter().any(|c| c.how == How::Judged),
    }
}
