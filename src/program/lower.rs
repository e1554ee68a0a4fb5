//! From a pact to a program: names become places, constraints rules, detectors one scanner a stage.
//!
//! Each stage gets a scanner of exactly the patterns its rules look for, so that a stream holds back no
//! more than its own rules need; stages that look for the same share one. Deterministic: the same pact
//! and packs give the same tables and the same digest.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::beyond::Beyond;
use super::bits::{Bits, Categories};
use super::condition::{self, Condition};
use super::coverage::{CheckCoverage, Cost, Coverage, How, PredicateCoverage};
use super::ir::{Check, Guarded, Identity, PackUse, Program, Scan, lane_bit};
use super::report::{self, expressions, facts_of};
use super::scratch::Pool;
use super::tables::{Draft, Lowered, Needs, Sought, catalogue, describe, digest, finish_stage};
use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::limits::PREDICATES_MAX;
use crate::base::names::{DataCategory, Stage};
use crate::pact::condition::{Expr, ExprKind, Field, Literal};
use crate::pact::model::{self, MatchCheck, Pact, Predicate, SetCheck, SetKind, StageCheck};
use crate::pact::pack::Packs;
use crate::scan::Scanner;
use crate::scan::host::{HostRule, Suffixes};
use crate::scan::pattern::{Pattern, Topic};

/// Where a pact comes from, as the program tells it on.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// SHA-256 of the canonical form of the document.
    pub digest: [u8; 32],
    /// Whether its signatures were verified against a trust file.
    pub signed: bool,
    /// The document as read.
    pub source: Arc<str>,
}

/// Lowers one pact.
///
/// # Errors
/// What cannot be compiled, with its place in the document.
pub(crate) fn lower(pact: &Pact, packs: &Packs, origin: &Origin) -> Result<Program, Diagnostics> {
    let mut lowering = Lowering {
        pact,
        packs,
        out: Diagnostics::default(),
        patterns: candidates(pact, packs),
        topics: topics(packs),
        arg_paths: Vec::new(),
        needs: (0..Stage::ALL.len()).map(|_| Needs::default()).collect(),
        stages: (0..Stage::ALL.len()).map(|_| Vec::new()).collect(),
    };
    let program = lowering.program(origin);
    if lowering.out.has_errors() { Err(lowering.out) } else { program.ok_or(lowering.out) }
}

struct Lowering<'a> {
    pact: &'a Pact,
    packs: &'a Packs,
    out: Diagnostics,
    /// Every pattern that may be looked for, packs first.
    patterns: Vec<Pattern>,
    topics: Vec<Topic>,
    arg_paths: Vec<Vec<String>>,
    needs: Vec<Needs>,
    stages: Vec<Vec<Draft>>,
}

/// Every detector of the packs, then the pact's own.
fn candidates(pact: &Pact, packs: &Packs) -> Vec<Pattern> {
    let own = pact.detectors.iter().map(model::Detector::pattern);
    packs.entries().map(|(_, entry)| entry.pattern.clone()).chain(own).collect()
}

fn topics(packs: &Packs) -> Vec<Topic> {
    packs.topics().map(|(_, entry)| entry.topic.clone()).collect()
}

impl Lowering<'_> {
    fn program(&mut self, origin: &Origin) -> Option<Program> {
        let pact = self.pact;
        if pact.predicates.len() > PREDICATES_MAX {
            let message = format!("{} predicates; a program has at most {PREDICATES_MAX}", pact.predicates.len());
            self.out.error("too_many_predicates", "predicates", Span::default(), message);
            return None;
        }
        let (mut infos, mut guarded, mut covered) = (Vec::new(), Vec::new(), Vec::new());
        for (at, predicate) in pact.predicates.iter().enumerate() {
            let gate = self.gate(predicate);
            let coverage = self.predicate(at as u32, predicate, &gate);
            infos.push(report::info(predicate, &coverage));
            guarded.push(gate);
            covered.push(coverage);
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
        let (tools, tool_names) = catalogue(pact);
        let zone = TimeZone::get(&pact.evidence.timezone).unwrap_or(TimeZone::UTC);
        let used = self.packs_used();
        let facts = report::facts(pact);
        let identity = Identity {
            pact: pact.id.as_str().into(),
            version: pact.version.to_string().into(),
            agent: pact.subject.agent.as_deref().unwrap_or_default().into(),
            digest: origin.digest,
            signed: origin.signed,
            effective_us: pact.renewal.effective.map(|d| d.at.saturating_mul(1_000_000)),
            expires_us: pact.renewal.expires.map(|d| d.at.saturating_mul(1_000_000)),
        };
        let unsigned = if origin.signed { "" } else { ";unsigned" };
        let header = format!("{}@{}{unsigned}", identity.pact, identity.version).into();
        let mut program = Program {
            header,
            digest: [0; 32],
            predicates: infos,
            guarded,
            stages,
            scans,
            tools,
            tool_names,
            topics: global.iter().filter_map(|t| self.topics.get(*t)).map(|t| t.label.as_str().into()).collect(),
            facts,
            packs: used,
            arg_paths: std::mem::take(&mut self.arg_paths),
            suffixes: Suffixes::new(self.packs.suffixes()),
            zone,
            business_hours: pact.evidence.business_hours,
            beyond: Beyond::of(pact),
            coverage: Coverage::default(),
            sources: vec![Arc::clone(&origin.source)],
            pool: Pool::default(),
            identity,
        };
        program.digest = digest(&program, pact);
        program.coverage = report::coverage(pact, &program, covered);
        Some(program)
    }

    fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        match condition::lower(expr, &mut self.arg_paths) {
            Ok(condition) => Some(condition),
            Err(too_deep) => {
                self.out
                    .error("condition_too_deep", "", too_deep.span, "the condition nests too deep to be run")
                    .help("write it as several predicates");
                None
            }
        }
    }

    fn gate(&mut self, predicate: &Predicate) -> Guarded {
        Guarded {
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
            id: predicate.id.clone(),
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
                        self.out
                            .error(
                                "no_detector",
                                &predicate.id,
                                predicate.span,
                                "no detector of the packs has one of these labels",
                            )
                            .help("`servanda packs list` shows them");
                    }
                    if let Some(needs) = self.needs.get_mut(*stage as usize) {
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
            if let Some(drafts) = self.stages.get_mut(*stage as usize) {
                drafts.push(Draft { predicate: at, act: *act, check: lowered });
            }
        }
        told
    }

    fn sought(&self, check: &MatchCheck) -> Sought {
        let patterns = self.patterns.iter().enumerate();
        let topics = self.topics.iter().enumerate();
        Sought {
            patterns: patterns.filter(|(_, p)| check.means(&p.label)).map(|(at, _)| at).collect(),
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
                let listed = |p: &Pattern| p.pack == "own" || self.pact.packs.is_empty() || self.pact.packs.contains_key(&p.pack);
                let patterns: Vec<usize> = (self.patterns.iter().enumerate())
                    .filter(|(_, p)| p.category != DataCategory::Public && sought(p.category) && listed(p))
                    .map(|(at, _)| at)
                    .collect();
                told.cost = Cost::Scan;
                told.detectors = patterns.len();
                // Places of candidates, like the topics above.
                let places = patterns.iter().map(|at| *at as u32).collect();
                // Whether a text is public shows only in that nothing else was found.
                let all = sought(DataCategory::Public);
                let others =
                    self.patterns.iter().enumerate().filter(|(_, p)| all && p.category != DataCategory::Public && listed(p));
                let others: Vec<usize> = others.map(|(at, _)| at).collect();
                if let Some(needs) = self.needs.get_mut(stage as usize) {
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
                                self.out
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
        for predicate in &self.pact.predicates {
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
                    let span = self.pact.detectors.iter().find(|d| error.detector == format!("own.{}", d.name)).map(|d| d.span);
                    self.out.error(error.code, error.detector.clone(), span.unwrap_or_default(), error.message.clone());
                    if let Some(help) = error.help {
                        self.out.help(help);
                    }
                    return None;
                }
            }
        }
        Some((scans, places))
    }

    fn packs_used(&self) -> Vec<PackUse> {
        let mut names: BTreeSet<&str> = self.pact.packs.keys().map(String::as_str).collect();
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
