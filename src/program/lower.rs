//! From a pact to a program: names become places, constraints rules, detectors one scanner a stage.
//!
//! Each stage gets a scanner of exactly the patterns its rules look for, so that a stream holds back no
//! more than its own rules need; stages that look for the same share one. Deterministic: the same pact
//! and packs give the same tables and the same digest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::beyond::Beyond;
use super::bits::{Bits, Categories};
use super::condition::{self, Condition};
use super::coverage::{CheckCoverage, Cost, Coverage, How, PredicateCoverage};
use super::frame::Frame;
use super::ir::{Check, Guarded, PackUse, Program, Scan, lane_bit};
use super::part::{Origin, Part, header, identity};
use super::report::{self, expressions, facts_of};
use super::scratch::Pool;
use super::tables::{Draft, Lowered, Needs, Sought, describe, digest, finish_stage};
use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::limits::PREDICATES_MAX;
use crate::base::names::{DataCategory, Stage};
use crate::pact::condition::{Expr, ExprKind, Field, Literal};
use crate::pact::model::{self, MatchCheck, Pact, Predicate, SetCheck, SetKind, StageCheck};
use crate::pact::pack::Packs;
use crate::scan::Scanner;
use crate::scan::host::{HostRule, Suffixes};
use crate::scan::pattern::{Pattern, Topic};

/// Lowers one pact.
///
/// # Errors
/// What cannot be compiled, with its place in the document.
pub(crate) fn lower(pact: &Pact, packs: &Packs, origin: &Origin) -> Result<Program, Diagnostics> {
    let parts = [Part { pact, origin: origin.clone() }];
    let governing = std::iter::once(0).collect();
    lower_parts(&parts, governing, false, packs).map_err(|mut mistakes| mistakes.pop().unwrap_or_default())
}

/// Lowers pacts into one program. Their predicates stand one behind the other, those as well whose pact is not among
/// the `governing`: they get a place, and no rule. In a portfolio a predicate is named `<pact>/<id>`.
///
/// # Errors
/// What cannot be compiled, by pact, with its place in the document.
pub(super) fn lower_parts(
    parts: &[Part<'_>],
    governing: Bits,
    portfolio: bool,
    packs: &Packs,
) -> Result<Program, Vec<Diagnostics>> {
    let Some(first) = parts.first() else { return Err(Vec::new()) };
    let (patterns, own) = candidates(parts, packs);
    let mut lowering = Lowering {
        parts,
        governing,
        portfolio,
        at: 0,
        pact: first.pact,
        packs,
        out: BTreeMap::new(),
        patterns,
        own,
        topics: topics(packs),
        arg_paths: Vec::new(),
        needs: (0..Stage::ALL.len()).map(|_| Needs::default()).collect(),
        stages: (0..Stage::ALL.len()).map(|_| Vec::new()).collect(),
    };
    let program = lowering.program();
    let mistakes = || (0..parts.len()).map(|at| lowering.out.get(&at).cloned().unwrap_or_default()).collect();
    if lowering.out.values().any(Diagnostics::has_errors) { Err(mistakes()) } else { program.ok_or_else(mistakes) }
}

struct Lowering<'a> {
    parts: &'a [Part<'a>],
    governing: Bits,
    portfolio: bool,
    /// Place of the pact at hand, and the pact.
    at: usize,
    pact: &'a Pact,
    packs: &'a Packs,
    /// By place of the pact.
    out: BTreeMap<usize, Diagnostics>,
    /// Every pattern that may be looked for, packs first.
    patterns: Vec<Pattern>,
    /// By pact: places of its own patterns.
    own: Vec<BTreeSet<usize>>,
    topics: Vec<Topic>,
    arg_paths: Vec<Vec<String>>,
    needs: Vec<Needs>,
    stages: Vec<Vec<Draft>>,
}

/// Every detector of the packs, then the pacts' own; and by pact the places of its own. What two pacts say in the
/// same words is one pattern.
fn candidates(parts: &[Part<'_>], packs: &Packs) -> (Vec<Pattern>, Vec<BTreeSet<usize>>) {
    let mut patterns: Vec<Pattern> = packs.entries().map(|(_, entry)| entry.pattern.clone()).collect();
    let first = patterns.len();
    let mut own = Vec::new();
    for part in parts {
        let mut places = BTreeSet::new();
        for pattern in part.pact.detectors.iter().map(model::Detector::pattern) {
            let known = patterns.iter().skip(first).position(|p| *p == pattern).map(|at| first + at);
            places.insert(known.unwrap_or(patterns.len()));
            if known.is_none() {
                patterns.push(pattern);
            }
        }
        own.push(places);
    }
    (patterns, own)
}

fn topics(packs: &Packs) -> Vec<Topic> {
    packs.topics().map(|(_, entry)| entry.topic.clone()).collect()
}

impl<'a> Lowering<'a> {
    fn program(&mut self) -> Option<Program> {
        let parts = self.parts;
        let documents = parts.iter().map(|part| part.pact);
        let (mut infos, mut guarded, mut covered) = (Vec::new(), Vec::new(), Vec::new());
        for (at, part) in parts.iter().enumerate() {
            self.take_up(at, part.pact);
            let count = infos.len() + part.pact.predicates.len();
            if count > PREDICATES_MAX {
                let message = format!("{count} predicates; a program has at most {PREDICATES_MAX}");
                self.report().error("too_many_predicates", "predicates", Span::default(), message);
                return None;
            }
            for predicate in &part.pact.predicates {
                let gate = self.gate(predicate);
                let coverage = self.predicate(infos.len() as u32, predicate, &gate);
                infos.push(report::info(predicate, &coverage));
                guarded.push(gate);
                covered.push(coverage);
            }
        }
        let task_topics = self.task_topics();
        if let Some(needs) = self.needs.get_mut(Stage::Request as usize) {
            needs.topics.extend(task_topics.iter().copied());
        }
        let (scans, places) = self.scans()?;
        let global: Vec<usize> =
            self.needs.iter().flat_map(|n| n.topics.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut stages = Vec::new();
        for (at, drafts) in std::mem::take(&mut self.stages).into_iter().enumerate() {
            let needs = self.needs.get(at).cloned().unwrap_or_default();
            stages.push(finish_stage(drafts, &needs, places.get(at).copied().flatten(), &global));
        }
        if let Some(request) = stages.get_mut(Stage::Request as usize) {
            request.task_topics = !task_topics.is_empty();
        }
        let scans: Vec<Scan> =
            scans.into_iter().map(|(needs, scanner)| describe(&self.patterns, &needs, scanner, &global)).collect();
        let used = self.packs_used();
        let governing: Vec<&Part<'_>> =
            parts.iter().enumerate().filter(|(at, _)| self.governing.contains(*at as u32)).map(|(_, part)| part).collect();
        let mut program = Program {
            identity: identity(&governing),
            header: header(&governing).into(),
            digest: [0; 32],
            predicates: infos,
            guarded,
            stages,
            scans,
            frames: parts.iter().map(|part| Frame::of(part.pact, part.origin.digest)).collect(),
            governing: self.governing.clone(),
            by_task: HashMap::new(),
            portfolio: self.portfolio,
            topics: global.iter().filter_map(|t| self.topics.get(*t)).map(|t| t.label.as_str().into()).collect(),
            facts: report::facts(documents.clone()),
            packs: used,
            arg_paths: std::mem::take(&mut self.arg_paths),
            suffixes: Suffixes::new(self.packs.suffixes()),
            beyond: Beyond::of(documents.clone()),
            coverage: Coverage::default(),
            sources: parts.iter().map(|part| Arc::clone(&part.origin.source)).collect(),
            pool: Pool::default(),
        };
        program.digest = digest(&program, documents.clone());
        program.coverage = report::coverage(documents, &program, covered);
        Some(program)
    }

    /// Turns to the next pact.
    fn take_up(&mut self, at: usize, pact: &'a Pact) {
        (self.at, self.pact) = (at, pact);
    }

    /// Whether the pact at hand has rules in this program.
    fn governs(&self) -> bool {
        self.governing.contains(self.at as u32)
    }

    /// Where mistakes of the pact at hand are told.
    fn report(&mut self) -> &mut Diagnostics {
        self.out.entry(self.at).or_default()
    }

    /// Whether this pattern means anything to the pact at hand: those of packs, and its own.
    fn mine(&self, at: usize) -> bool {
        self.patterns.get(at).is_some_and(|p| p.pack != "own") || self.own.get(self.at).is_some_and(|own| own.contains(&at))
    }

    fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        match condition::lower(expr, &mut self.arg_paths) {
            Ok(mut condition) => {
                if self.portfolio {
                    condition.qualify(&self.pact.id);
                }
                Some(condition)
            }
            Err(too_deep) => {
                self.report()
                    .error("condition_too_deep", "", too_deep.span, "the condition nests too deep to be run")
                    .help("write it as several predicates");
                None
            }
        }
    }

    fn gate(&mut self, predicate: &Predicate) -> Guarded {
        Guarded {
            frame: self.at as u32,
            lanes: predicate.lanes.as_ref().map(|lanes| lanes.iter().fold(0, |bits, lane| bits | lane_bit(*lane))),
            when: predicate.when.as_ref().and_then(|e| self.condition(e)),
            unless: predicate.unless.as_ref().and_then(|e| self.condition(e)),
            unread_block: predicate.unread_block,
        }
    }

    fn predicate(&mut self, at: u32, predicate: &Predicate, gate: &Guarded) -> PredicateCoverage {
        let mut condition_cost = gate.when.as_ref().map_or(0, |c| c.cost) + gate.unless.as_ref().map_or(0, |c| c.cost);
        let mut checks = Vec::new();
        for check in &predicate.checks {
            checks.push(self.check(at, predicate, check, &mut condition_cost));
        }
        PredicateCoverage {
            id: if self.portfolio { format!("{}/{}", self.pact.id, predicate.id) } else { predicate.id.clone() },
            constraint: predicate.constraint.clone(),
            severity: predicate.severity,
            dimension: predicate.dimension.clone(),
            checks,
            follows: report::follows(self.pact, predicate),
            condition_cost,
            facts: facts_of(predicate).into_iter().map(str::to_owned).collect(),
            undecided: predicate.undecided.clone(),
        }
    }

    /// Lowers one check into its stages and says what becomes of it.
    fn check(&mut self, at: u32, predicate: &Predicate, check: &StageCheck, condition_cost: &mut u32) -> CheckCoverage {
        let mut told = CheckCoverage {
            check: match &check.check {
                model::Check::Set(set) => format!("set: {}", set.kind),
                model::Check::Bound(bound) => format!("bound: {}", bound.quantity),
                model::Check::Measure(measure) => format!("measure: {}", measure.statistic()),
                model::Check::Judge(what) => format!("judge: {what}"),
                other => other.word().to_owned(),
            },
            stages: check.stages.clone(),
            how: How::Inline,
            reason: None,
            evidence: report::evidence(self.pact, predicate, &check.check),
            cost: Cost::Constant,
            detectors: 0,
            hold_back: 0,
        };
        if let Some(reason) = check.check.unenforced() {
            told.how = match &check.check {
                model::Check::Measure(_) => How::Window,
                model::Check::Judge(_) => How::Judged,
                _ => How::Absent,
            };
            told.reason = Some(reason.to_owned());
            told.cost = Cost::Nothing;
            return told;
        }
        for (stage, act) in &check.stages {
            let lowered = match &check.check {
                model::Check::Match(sought) => {
                    let sought = self.sought(sought);
                    told.cost =
                        if sought.patterns.is_empty() && !sought.topics.is_empty() { Cost::WholeText } else { Cost::Scan };
                    told.detectors = sought.patterns.len() + sought.topics.len();
                    if told.detectors == 0 {
                        self.report()
                            .error(
                                "no_detector",
                                &predicate.id,
                                predicate.span,
                                "no detector of the packs has one of these labels",
                            )
                            .help("`servanda packs list` shows them");
                    }
                    if self.governs()
                        && let Some(needs) = self.needs.get_mut(*stage as usize)
                    {
                        needs.patterns.extend(sought.patterns.iter().copied());
                        needs.topics.extend(sought.topics.iter().copied());
                    }
                    Lowered::Match(sought)
                }
                model::Check::Set(set) => Lowered::Ready(self.set(set, predicate, *stage, &mut told)),
                model::Check::Args(schema) => {
                    told.cost = Cost::Arguments;
                    Lowered::Ready(Check::Args(Box::new(schema.clone())))
                }
                model::Check::Require(expr) => {
                    let Some(condition) = self.condition(expr) else { continue };
                    *condition_cost = condition_cost.saturating_add(condition.cost);
                    Lowered::Ready(Check::Require(condition))
                }
                model::Check::Bound(bound) => {
                    Lowered::Ready(Check::Bound { quantity: bound.quantity, min: bound.min, max: bound.max })
                }
                model::Check::Flow(_) | model::Check::Measure(_) | model::Check::Judge(_) => continue,
            };
            if self.governs()
                && let Some(drafts) = self.stages.get_mut(*stage as usize)
            {
                drafts.push(Draft { predicate: at, act: *act, check: lowered });
            }
        }
        told
    }

    fn sought(&self, check: &MatchCheck) -> Sought {
        let patterns = self.patterns.iter().enumerate();
        let topics = self.topics.iter().enumerate();
        Sought {
            patterns: patterns.filter(|(at, p)| check.means(&p.label) && self.mine(*at)).map(|(at, _)| at).collect(),
            topics: topics.filter(|(_, t)| check.means(&t.label)).map(|(at, _)| at).collect(),
            min_score_bp: check.min_score_bp,
        }
    }

    fn set(&mut self, set: &SetCheck, predicate: &Predicate, stage: Stage, told: &mut CheckCoverage) -> Check {
        let words = |list: &[String]| -> HashSet<Arc<str>> { list.iter().map(|w| Arc::from(w.as_str())).collect() };
        let allow = set.allow.as_deref();
        match set.kind {
            SetKind::Task => {
                // Places of candidates; turned into those of the program when they are known.
                let denied = |t: &Topic| set.deny.iter().any(|d| topic_is(t, d));
                let deny_topics: Bits =
                    self.topics.iter().enumerate().filter(|(_, t)| denied(t)).map(|(at, _)| at as u32).collect();
                told.detectors = deny_topics.count();
                told.cost = if deny_topics.is_empty() { Cost::Constant } else { Cost::WholeText };
                Check::Task { allow: allow.map(words), deny: words(&set.deny), deny_topics }
            }
            SetKind::Tool => {
                let places = |list: &[String]| -> Bits {
                    list.iter()
                        .filter_map(|key| self.pact.tools.iter().position(|t| t.name == *key))
                        .map(|at| at as u32)
                        .collect()
                };
                Check::Tool { allow: allow.map(places), deny: places(&set.deny) }
            }
            SetKind::Target | SetKind::Action => {
                Check::ToolWord { target: set.kind == SetKind::Target, allow: allow.map(words), deny: words(&set.deny) }
            }
            SetKind::Data => {
                let categories = |list: &[String]| -> Categories { list.iter().filter_map(|c| DataCategory::parse(c)).collect() };
                let (allow, deny) = (allow.map(categories), categories(&set.deny));
                let sought = |c: DataCategory| deny.contains(c) || allow.is_some_and(|a| !a.contains(c));
                let packs = &self.pact.packs;
                let listed = |at: usize, p: &Pattern| {
                    self.mine(at) && (p.pack == "own" || packs.is_empty() || packs.contains_key(&p.pack))
                };
                let patterns: Vec<usize> = (self.patterns.iter().enumerate())
                    .filter(|(at, p)| p.category != DataCategory::Public && sought(p.category) && listed(*at, p))
                    .map(|(at, _)| at)
                    .collect();
                told.cost = Cost::Scan;
                told.detectors = patterns.len();
                // Places of candidates, like the topics above.
                let places = patterns.iter().map(|at| *at as u32).collect();
                // Whether a text is public shows only in that nothing else was found.
                let all = sought(DataCategory::Public);
                let others = (self.patterns.iter().enumerate())
                    .filter(|(at, p)| all && p.category != DataCategory::Public && listed(*at, p));
                let others: Vec<usize> = others.map(|(at, _)| at).collect();
                if self.governs()
                    && let Some(needs) = self.needs.get_mut(stage as usize)
                {
                    needs.patterns.extend(patterns);
                    needs.patterns.extend(others);
                }
                Check::Data { allow, deny, patterns: places }
            }
            SetKind::Host | SetKind::LinkHost => {
                let mut rules = |list: &[String]| -> Vec<HostRule> {
                    let mut rules = Vec::new();
                    for text in list {
                        match HostRule::parse(text) {
                            Some(rule) => rules.push(rule),
                            None => {
                                self.report()
                                    .error("host", &predicate.id, predicate.span, format!("`{text}` is no host"))
                                    .help("write `name`, `name:port`, `*.name` or an address");
                            }
                        }
                    }
                    rules
                };
                told.cost = if stage == Stage::Call { Cost::Arguments } else { Cost::WholeText };
                Check::Host { allow: allow.map(&mut rules), deny: rules(&set.deny), links: set.kind == SetKind::LinkHost }
            }
        }
    }

    /// Topics that must be known of the task text: those denied as tasks, and those that conditions name.
    fn task_topics(&self) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        for drafts in &self.stages {
            for draft in drafts {
                if let Lowered::Ready(Check::Task { deny_topics, .. }) = &draft.check {
                    out.extend(deny_topics.iter().map(|t| t as usize));
                }
            }
        }
        let governing = self.parts.iter().enumerate().filter(|(at, _)| self.governing.contains(*at as u32));
        for predicate in governing.flat_map(|(_, part)| &part.pact.predicates) {
            for expr in expressions(predicate) {
                let (mut topics, mut all, mut words) = (false, false, Vec::new());
                expr.walk(&mut |e| match &e.kind {
                    ExprKind::Field(Field::Topics) => topics = true,
                    ExprKind::Literal(Literal::Text(text)) => words.push(text.as_str()),
                    ExprKind::Literal(Literal::Texts(list)) => words.extend(list.iter().map(String::as_str)),
                    ExprKind::Quantified(_, list, _) | ExprKind::Size(list) => all |= is_topics(list),
                    ExprKind::In(value, list) => all |= is_topics(list) && !matches!(value.kind, ExprKind::Literal(_)),
                    _ => {}
                });
                if topics {
                    let named = |t: &Topic| all || words.iter().any(|w| topic_is(t, w));
                    out.extend(self.topics.iter().enumerate().filter(|(_, t)| named(t)).map(|(at, _)| at));
                }
            }
        }
        out
    }

    /// One scanner for each different set of needs; by stage, which one.
    #[expect(clippy::type_complexity, reason = "two tables that belong together for the length of one call")]
    fn scans(&mut self) -> Option<(Vec<(Needs, Arc<Scanner>)>, Vec<Option<u32>>)> {
        let mut known: BTreeMap<Needs, u32> = BTreeMap::new();
        let mut scans = Vec::new();
        let mut places = Vec::new();
        for needs in &self.needs {
            if *needs == Needs::default() {
                places.push(None);
                continue;
            }
            if let Some(&at) = known.get(needs) {
                places.push(Some(at));
                continue;
            }
            let patterns = needs.patterns.iter().filter_map(|at| self.patterns.get(*at)).cloned().collect();
            let topics = needs.topics.iter().filter_map(|at| self.topics.get(*at)).cloned().collect();
            match Scanner::sharing(self.packs.machines(), patterns, topics) {
                Ok(scanner) => {
                    let at = scans.len() as u32;
                    known.insert(needs.clone(), at);
                    places.push(Some(at));
                    scans.push((needs.clone(), Arc::new(scanner)));
                }
                Err(error) => {
                    let own = |part: &Part<'_>| {
                        part.pact.detectors.iter().find(|d| error.detector == format!("own.{}", d.name)).map(|d| d.span)
                    };
                    self.at = self.parts.iter().position(|part| own(part).is_some()).unwrap_or_default();
                    let span = self.parts.get(self.at).and_then(own).unwrap_or_default();
                    let report = self.report();
                    report.error(error.code, error.detector.clone(), span, error.message.clone());
                    if let Some(help) = error.help {
                        report.help(help);
                    }
                    return None;
                }
            }
        }
        Some((scans, places))
    }

    fn packs_used(&self) -> Vec<PackUse> {
        let mut names: BTreeSet<&str> = self.parts.iter().flat_map(|part| part.pact.packs.keys()).map(String::as_str).collect();
        for needs in &self.needs {
            names.extend(needs.patterns.iter().filter_map(|p| self.patterns.get(*p)).map(|p| p.pack.as_str()));
            names.extend(needs.topics.iter().filter_map(|t| self.topics.get(*t)).map(|t| t.pack.as_str()));
        }
        let known = names.into_iter().filter_map(|name| self.packs.get(name));
        known
            .map(|p| PackUse {
                name: p.name.as_str().into(),
                version: p.version.as_str().into(),
                digest: p.digest.as_str().into(),
            })
            .collect()
    }
}

fn is_topics(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Field(Field::Topics))
}

fn topic_is(topic: &Topic, name: &str) -> bool {
    topic.label == name || topic.label.strip_prefix("topic.") == Some(name)
}
