//! What a program tells of itself: predicates, facts, coverage.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bits::Bits;
use super::coverage::{CheckCoverage, Coverage, FactCoverage, How, PredicateCoverage, StageCoverage};
use super::ir::{Check, FactInfo, PredicateInfo, Program};
use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::pact::condition::{Expr, Field, Type};
use crate::pact::model::{self, FactType, Pact, Predicate, SetKind, StageCheck};

/// The facts a pact declares or reads, in order of name.
pub(super) fn facts(pact: &Pact) -> Vec<FactInfo> {
    let mut facts: BTreeMap<&str, FactInfo> = BTreeMap::new();
    for (name, ty) in &pact.facts {
        let kind = match ty {
            FactType::Text => "string",
            FactType::Bool => "bool",
            FactType::Number { .. } => "number",
        };
        facts.insert(name, FactInfo { name: name.as_str().into(), kind, predicates: Vec::new() });
    }
    for (at, predicate) in pact.predicates.iter().enumerate() {
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
pub(super) fn coverage(pact: &Pact, program: &Program, mut predicates: Vec<PredicateCoverage>) -> Coverage {
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
    if pact.predicates.iter().any(|p| p.approve.is_some()) {
        notes.push("`approve` is signed and not yet acted on".to_owned());
    }
    Coverage {
        pact: program.identity.pact.to_string(),
        version: program.identity.version.to_string(),
        predicates,
        hold_back_max: stages.iter().map(|s| s.hold_back).max().unwrap_or(0),
        stages,
        facts: facts.collect(),
        not_enforced: pact.terms.keys().map(|k| format!("terms.{k}")).collect(),
        notes,
    }
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
