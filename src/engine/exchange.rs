//! What one exchange has gathered so far: pinned program, topics, data, hits, what was checked.
//!
//! The guard makes one at the head of an exchange, hands it to every judgement and reads its record from
//! it at the end.

use std::sync::Arc;

use crate::base::limits::HITS_MAX;
use crate::base::names::{Lane, Stage, UnjudgedReason};
use crate::base::verdict::{Act, Severity, Unjudged};
use crate::program::Program;
pub use crate::program::bits::{Bits, Categories};

/// One breach, or several of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleHit {
    /// Place of the predicate in the program.
    pub predicate: u32,
    /// Where.
    pub stage: Stage,
    /// What found it: a pattern's label, `topic.<name>`, or the check (`args`, `host`, `require`, …).
    pub detector: Arc<str>,
    /// Where, if not in a text of the message: a header's name, `query`, `path`, or `joined` for values that only
    /// together are what was found.
    pub place: Option<Arc<str>>,
    /// What the pact demands.
    pub act: Act,
    /// How grave.
    pub severity: Severity,
    /// Highest certainty, in hundredths of a percent.
    pub score_bp: u16,
    /// How often.
    pub count: u32,
}

impl RuleHit {
    /// What two hits of one kind share.
    pub(crate) fn key(&self) -> (u32, Stage, &str, Option<&str>, Act) {
        (self.predicate, self.stage, &self.detector, self.place.as_deref(), self.act)
    }

    /// Adds this hit to a list, to one of its kind where there is one.
    pub(crate) fn add_to(self, list: &mut Vec<Self>) {
        match list.iter_mut().find(|known| known.key() == self.key()) {
            Some(known) => {
                known.count = known.count.saturating_add(self.count);
                known.score_bp = known.score_bp.max(self.score_bp);
            }
            None => list.push(self),
        }
    }
}

/// What one exchange has gathered so far.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) program: Arc<Program>,
    pub(crate) lane: Lane,
    pub(crate) act: Act,
    /// None until a task text was judged.
    pub(crate) topics: Option<Bits>,
    pub(crate) data: Categories,
    pub(crate) checked: Bits,
    pub(crate) hits: Vec<RuleHit>,
    pub(crate) hits_more: u64,
    pub(crate) unjudged: Vec<Unjudged>,
}

impl Exchange {
    /// An exchange under this program, seen on this lane.
    pub fn new(program: Arc<Program>, lane: Lane) -> Self {
        let mut exchange = Self {
            program,
            lane,
            act: Act::Allow,
            topics: None,
            data: Categories::default(),
            checked: Bits::default(),
            hits: Vec::new(),
            hits_more: 0,
            unjudged: Vec::new(),
        };
        let program = Arc::clone(&exchange.program);
        for (at, predicate) in (0..).zip(program.predicates()) {
            if predicate.unenforced.is_some() && program.governs(at) {
                exchange.note_unjudged(UnjudgedReason::Unenforced, &predicate.id);
            }
        }
        exchange
    }

    /// The program it began with.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The lane it is seen on.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The harshest act so far.
    pub fn act(&self) -> Act {
        self.act
    }

    /// Joins an act that was decided outside the engine (a limit, a refusal to read).
    pub fn join(&mut self, act: Act) {
        self.act = self.act.join(act);
    }

    /// Breaches so far, merged by predicate, stage, detector, place and act, in that order.
    pub fn hits(&self) -> &[RuleHit] {
        &self.hits
    }

    /// Kinds of breaches beyond the ceiling, counted only.
    pub fn hits_more(&self) -> u64 {
        self.hits_more
    }

    /// Predicates that applied and were evaluated.
    pub fn checked(&self) -> &Bits {
        &self.checked
    }

    /// Data categories seen.
    pub fn data(&self) -> Categories {
        self.data
    }

    /// Names of the topics of the task text (`topic.` left out), or none while there was no task text.
    pub fn topics(&self) -> Option<Vec<Arc<str>>> {
        self.topics.as_ref().map(|bits| bits.iter().map(|t| self.program.topic_name(t).into()).collect())
    }

    /// Notes breaches found by one judgement. Keeps the list in order and without doubles.
    pub(crate) fn absorb(&mut self, hits: &[RuleHit]) {
        for hit in hits {
            self.act = self.act.join(hit.act);
            match self.hits.binary_search_by(|known| known.key().cmp(&hit.key())) {
                Ok(at) => {
                    if let Some(known) = self.hits.get_mut(at) {
                        known.count = known.count.saturating_add(hit.count);
                        known.score_bp = known.score_bp.max(hit.score_bp);
                    }
                }
                Err(at) if self.hits.len() < HITS_MAX => self.hits.insert(at, hit.clone()),
                Err(_) => self.hits_more = self.hits_more.saturating_add(u64::from(hit.count)),
            }
        }
    }

    /// What was not inspected.
    pub fn unjudged(&self) -> &[Unjudged] {
        &self.unjudged
    }

    /// Notes something that was not inspected.
    pub fn note_unjudged(&mut self, reason: UnjudgedReason, what: &str) {
        let known = self.unjudged.iter().any(|u| u.reason == reason && u.what == what);
        if !known && self.unjudged.len() < HITS_MAX {
            self.unjudged.push(Unjudged { reason, what: what.chars().take(64).collect() });
        }
    }
}
