//! What one exchange has gathered so far: pinned program, topics, data, hits, what was checked.
//!
//! The guard makes one at the head of an exchange, hands it to every judgement and reads its record from
//! it at the end.

use std::sync::Arc;

use crate::base::limits::HITS_MAX;
use crate::base::names::{DataCategory, Lane, Stage, UnjudgedReason};
use crate::base::verdict::{Act, Severity, Unjudged};
use crate::program::Program;

/// One breach, or several of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleHit {
    /// Place of the predicate in the program.
    pub predicate: u32,
    /// Where.
    pub stage: Stage,
    /// What found it: a pattern's label, `topic.<name>`, or the check (`args`, `host`, `require`, …).
    pub detector: Arc<str>,
    /// What the pact demands.
    pub act: Act,
    /// How grave.
    pub severity: Severity,
    /// Highest certainty, in hundredths of a percent.
    pub score_bp: u16,
    /// How often.
    pub count: u32,
}

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds one.
    pub fn insert(&mut self, bit: u32) {
        let (word, mask) = (bit as usize / 64, 1u64 << (bit % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(slot) = self.words.get_mut(word) {
            *slot |= mask;
        }
    }

    /// Whether it is there.
    pub fn contains(&self, bit: u32) -> bool {
        self.words.get(bit as usize / 64).is_some_and(|w| w & (1u64 << (bit % 64)) != 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(at, &word)| (0..64u32).filter(move |bit| word & (1u64 << bit) != 0).map(move |bit| at as u32 * 64 + bit))
    }

    /// As bytes, lowest bit first, padded to `bits`: the `checked` key of a record.
    pub fn to_bytes(&self, bits: usize) -> Vec<u8> {
        let mut out: Vec<u8> = self.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        out.resize(bits.div_ceil(8), 0);
        out
    }
}

/// A set of data categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(pub(crate) u8);

impl Categories {
    /// The set of one.
    pub fn of(category: DataCategory) -> Self {
        Self(1 << category as u8)
    }

    /// Both together.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is there.
    pub fn contains(self, category: DataCategory) -> bool {
        self.0 & (1 << category as u8) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in order of declaration.
    pub fn iter(self) -> impl Iterator<Item = DataCategory> {
        DataCategory::ALL.iter().copied().filter(move |c| self.contains(*c))
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
        Self {
            program,
            lane,
            act: Act::Allow,
            topics: None,
            data: Categories::default(),
            checked: Bits::default(),
            hits: Vec::new(),
            hits_more: 0,
            unjudged: Vec::new(),
        }
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

    /// Breaches so far, merged by predicate, stage, detector and act, in that order.
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

    /// Labels of the topics of the task text (`topic.` left out), or none while there was no task text.
    pub fn topics(&self) -> Option<Vec<Arc<str>>> {
        self.topics.as_ref().map(|_| Vec::new())
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
