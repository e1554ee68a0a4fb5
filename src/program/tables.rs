//! The last step of lowering: places of candidates become places of scanners and of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::bits::Categories;
use super::ir::{Check, Program, Rule, Scan, StageRules};
use crate::base::names::DataCategory;
use crate::base::verdict::Act;
use crate::pact::model::Pact;
use crate::pact::pack::under;
use crate::scan::Scanner;
use crate::scan::pattern::Pattern;

/// What a stage's scanner must find: places in the candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needs {
    pub(super) patterns: BTreeSet<usize>,
    pub(super) topics: BTreeSet<usize>,
}

/// A match whose places are still those of the candidates.
pub(super) struct Sought {
    pub(super) patterns: Vec<usize>,
    pub(super) topics: Vec<usize>,
    pub(super) min_score_bp: u16,
}

/// A check on the way.
pub(super) enum Lowered {
    Match(Sought),
    Ready(Check),
}

/// A rule on the way.
pub(super) struct Draft {
    pub(super) predicate: u32,
    pub(super) act: Act,
    pub(super) check: Lowered,
}

/// Turns places of candidates into places of the stage's scanner and of the program.
pub(super) fn finish_stage(drafts: Vec<Draft>, needs: &Needs, scanner: Option<u32>, global: &[usize]) -> StageRules {
    let order: Vec<usize> = needs.patterns.iter().copied().collect();
    let place = |list: &[usize], at: usize| list.binary_search(&at).ok().map(|p| p as u32);
    let mut stage = StageRules { scanner, ..StageRules::default() };
    for draft in drafts {
        let check = match draft.check {
            Lowered::Match(sought) => Check::Match {
                patterns: sought.patterns.iter().filter_map(|p| place(&order, *p)).collect(),
                min_score_bp: sought.min_score_bp,
                topics: sought.topics.iter().filter_map(|t| place(global, *t)).collect(),
            },
            Lowered::Ready(Check::Task { allow, deny, deny_topics }) => {
                Check::Task { allow, deny, deny_topics: deny_topics.iter().filter_map(|t| place(global, t as usize)).collect() }
            }
            Lowered::Ready(Check::Data { allow, deny, patterns }) => {
                Check::Data { allow, deny, patterns: patterns.iter().filter_map(|p| place(&order, p as usize)).collect() }
            }
            Lowered::Ready(check) => check,
        };
        if let Check::Host { links, .. } = &check {
            stage.links |= links;
            stage.hosts |= !links;
        }
        stage.rules.push(Rule { predicate: draft.predicate, act: draft.act, check });
    }
    stage.rules.sort_by_key(|r| r.predicate);
    stage
}

/// A scanner with what its patterns are to the program.
pub(super) fn describe(patterns: &[Pattern], needs: &Needs, scanner: Arc<Scanner>, global: &[usize]) -> Scan {
    let used: Vec<&Pattern> = needs.patterns.iter().filter_map(|at| patterns.get(*at)).collect();
    let labels = used.iter().map(|p| {
        let hidden = under(&p.label, "channel");
        (Arc::from(p.label.as_str()), if hidden { Arc::from("") } else { Arc::from(format!("[{}]", p.label)) })
    });
    Scan {
        labels: labels.collect(),
        categories: used
            .iter()
            .map(|p| if p.category == DataCategory::Public { Categories::default() } else { Categories::of(p.category) })
            .collect(),
        topics: needs.topics.iter().filter_map(|t| global.binary_search(t).ok()).map(|t| t as u32).collect(),
        hold_back: scanner.hold_back_max(),
        scanner,
    }
}

/// SHA-256 over the tables as the compiler prints them. Covers all that decides a judgement.
pub(super) fn digest<'p>(program: &Program, pacts: impl Iterator<Item = &'p Pact>) -> [u8; 32] {
    struct Hashed(Sha256);
    impl std::fmt::Write for Hashed {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut hash = Hashed(Sha256::new());
    let mut put = |name: &str, value: &dyn std::fmt::Debug| {
        // Hashing cannot fail.
        writeln!(hash, "{name} {value:?}").unwrap_or_default();
    };
    put("dates", &(program.identity.effective_us, program.identity.written_end_us));
    for (frame, pact) in program.frames.iter().zip(pacts) {
        put("pact", &(&frame.pact, &frame.version, &program.identity.agent, frame.digest));
        // Sets without an order of their own are covered by the pact's predicates, which are printed whole.
        put("predicates", &pact.predicates);
        put("tools", &frame.tools);
        put("names", &frame.tool_names.iter().collect::<BTreeMap<_, _>>());
        put("time", &(&pact.evidence.timezone, frame.business_hours));
    }
    put("topics", &program.topics);
    put("packs", &program.packs);
    put("paths", &program.arg_paths);
    put("beyond", &program.beyond);
    for scan in &program.scans {
        put("patterns", &scan.scanner.patterns());
        put("labels", &scan.labels);
    }
    for stage in &program.stages {
        put("stage", &(stage.scanner, stage.task_topics, stage.hosts, stage.links));
    }
    hash.0.finalize().into()
}
