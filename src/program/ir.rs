//! The program: flat tables of rules beside their scanners, ready to be run.
//!
//! Promises: immutable, `Send + Sync`, shared by `Arc`; the order of predicates is that of the `checked`
//! bitmap and of `pact.load`. It knows no wire formats and no document's text.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::beyond::Beyond;
use super::bits::{Bits, Categories};
use super::condition::Condition;
use super::coverage::Coverage;
use super::frame::{Frame, ToolRef};
use super::scratch::Pool;
use crate::base::names::{DataCategory, Lane, Stage};
use crate::base::verdict::{Act, Severity};
use crate::pact::args::Schema;
use crate::pact::decimal::Decimal;
use crate::pact::model::Quantity;
use crate::scan::Scanner;
use crate::scan::host::{HostRule, Suffixes};

/// Whose promise a program keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Id of the pact.
    pub pact: Arc<str>,
    /// Version of the promise.
    pub version: Arc<str>,
    /// The agent it binds; empty where the pact names none yet.
    pub agent: Arc<str>,
    /// SHA-256 of the canonical form of the document.
    pub digest: [u8; 32],
    /// Whether signatures were verified against a trust file.
    pub signed: bool,
    /// First instant in force, in microseconds since the Unix epoch.
    pub effective_us: Option<i64>,
    /// First instant no longer in force, as was said beside the documents too.
    pub expires_us: Option<i64>,
    /// The same by the documents alone: what an image was made of.
    pub written_end_us: Option<i64>,
}

/// A predicate as records and people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateInfo {
    /// Its id; in a portfolio `<pact>/<id>`.
    pub id: Arc<str>,
    /// How grave its breach is.
    pub severity: Severity,
    /// The dimension it counts into.
    pub dimension: Arc<str>,
    /// Stages at which this build checks it.
    pub stages: Vec<Stage>,
    /// What of it this build cannot run, and why; judges apart.
    pub unenforced: Option<Arc<str>>,
    /// Whether some of it is left to judges, which is never counted as enforced.
    pub judged: bool,
}

/// A fact the pact declares or reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactInfo {
    /// Its name.
    pub name: Arc<str>,
    /// `string`, `number` or `bool`.
    pub kind: &'static str,
    /// Predicates that read it.
    pub predicates: Vec<u32>,
}

/// A pack whose entries the program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUse {
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// `sha256:…` of its file.
    pub digest: Arc<str>,
}

/// When a predicate applies.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Guarded {
    /// Place of its pact's frame.
    pub(crate) frame: u32,
    /// Bits of [`Lane`]; none: all.
    pub(crate) lanes: Option<u8>,
    /// Must be true or unknown.
    pub(crate) when: Option<Condition>,
    /// Must not be true.
    pub(crate) unless: Option<Condition>,
    /// Blocks what cannot be inspected, at its stages.
    pub(crate) unread_block: bool,
}

/// One check at one stage.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Place of its predicate.
    pub(crate) predicate: u32,
    /// What is done when it fails.
    pub(crate) act: Act,
    /// What is checked.
    pub(crate) check: Check,
}

/// What is checked.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// None of these patterns (of the stage's scanner) with at least this score, none of these topics.
    Match { patterns: Bits, min_score_bp: u16, topics: Bits },
    /// Arguments against a schema.
    Args(Box<Schema>),
    /// A condition that must hold.
    Require(Condition),
    /// A quantity within bounds.
    Bound { quantity: Quantity, min: Option<Decimal>, max: Option<Decimal> },
    /// The fact `task.type`, and topics of the task text.
    Task { allow: Option<HashSet<Arc<str>>>, deny: HashSet<Arc<str>>, deny_topics: Bits },
    /// The tool.
    Tool { allow: Option<Bits>, deny: Bits },
    /// `action` or `target` of the tool.
    ToolWord { target: bool, allow: Option<HashSet<Arc<str>>>, deny: HashSet<Arc<str>> },
    /// Data categories.
    Data { allow: Option<Categories>, deny: Categories, patterns: Bits },
    /// Hosts in arguments, connections and, for links, texts.
    Host { allow: Option<Vec<HostRule>>, deny: Vec<HostRule>, links: bool },
}

impl Check {
    /// The detector that a record names for it; a match names its pattern instead.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Match { .. } => "match",
            Self::Args(_) => "args",
            Self::Require(_) => "require",
            Self::Bound { quantity, .. } => quantity.as_str(),
            Self::Task { .. } => "task",
            Self::Tool { .. } => "tool",
            Self::ToolWord { target, .. } => {
                if *target {
                    "target"
                } else {
                    "action"
                }
            }
            Self::Data { .. } => "data",
            Self::Host { links, .. } => {
                if *links {
                    "link_host"
                } else {
                    "host"
                }
            }
        }
    }

    /// Whether it looks at text (arguments apart).
    pub(crate) fn reads_text(&self) -> bool {
        matches!(self, Self::Match { .. } | Self::Data { .. } | Self::Host { links: true, .. })
    }
}

/// All that happens at one stage.
#[derive(Debug, Default)]
pub(crate) struct StageRules {
    /// By predicate, then in order of the document.
    pub(crate) rules: Vec<Rule>,
    /// Which scanner of the program, if any pattern or topic is looked for here.
    pub(crate) scanner: Option<u32>,
    /// Whether topics of the task text are fixed here.
    pub(crate) task_topics: bool,
    /// Whether hosts are looked for in arguments.
    pub(crate) hosts: bool,
    /// Whether hosts are looked for in texts.
    pub(crate) links: bool,
}

/// A scanner and what its patterns are to this program.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) scanner: Arc<Scanner>,
    /// By pattern: label, replacement.
    pub(crate) labels: Vec<(Arc<str>, Arc<str>)>,
    /// By pattern: the category of its data; empty where it has none.
    pub(crate) categories: Vec<Categories>,
    /// By topic of this scanner: place in [`Program::topics`].
    pub(crate) topics: Vec<u32>,
    /// Longest match and look-ahead of any pattern.
    pub(crate) hold_back: usize,
}

/// A compiled pact.
#[derive(Debug)]
pub struct Program {
    pub(crate) identity: Identity,
    pub(crate) header: Arc<str>,
    pub(crate) digest: [u8; 32],
    pub(crate) predicates: Vec<PredicateInfo>,
    pub(crate) guarded: Vec<Guarded>,
    /// By place of [`Stage`].
    pub(crate) stages: Vec<StageRules>,
    pub(crate) scans: Vec<Scan>,
    /// By pact: what names and hours mean under it. Never empty.
    pub(crate) frames: Vec<Frame>,
    /// Pacts that govern it, by place of their frames: all, unless it is the program of a task type.
    pub(crate) governing: Bits,
    /// In a portfolio: the programs of the task types that fewer pacts govern than all.
    pub(crate) by_task: HashMap<Box<str>, Arc<Program>>,
    /// Whether it is compiled from a portfolio, even of one.
    pub(crate) portfolio: bool,
    /// Full labels (`topic.…`) of the topics it looks for.
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) facts: Vec<FactInfo>,
    pub(crate) packs: Vec<PackUse>,
    /// Paths of arguments that conditions look at.
    pub(crate) arg_paths: Vec<Vec<String>>,
    /// Endings by which a bare host is known.
    pub(crate) suffixes: Suffixes,
    pub(crate) beyond: Beyond,
    pub(crate) coverage: Coverage,
    pub(crate) sources: Vec<Arc<str>>,
    pub(crate) pool: Pool,
}

impl Program {
    /// Whose promise it keeps.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Value of `x-servanda-pact`: `<pact>@<version>`, with `;unsigned` where it is not signed.
    pub fn header(&self) -> &Arc<str> {
        &self.header
    }

    /// SHA-256 over the lowered tables and pattern sources: what image and records call the program by.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// All predicates, in the order of the `checked` bitmap.
    pub fn predicates(&self) -> &[PredicateInfo] {
        &self.predicates
    }

    /// The predicate at this place.
    pub fn predicate(&self, index: u32) -> Option<&PredicateInfo> {
        self.predicates.get(index as usize)
    }

    /// The predicates of the pact at this place of the portfolio; of the only one at place 0.
    pub fn predicates_of(&self, pact: u32) -> impl Iterator<Item = &PredicateInfo> {
        self.predicates.iter().zip(&self.guarded).filter(move |(_, guarded)| guarded.frame == pact).map(|(info, _)| info)
    }

    /// Predicates that keep it from being enforced: critical or major, with a check that this build cannot
    /// run, and not among those the deployment accepts as unenforced.
    pub fn unenforceable<'a>(&'a self, accepted: &'a [String]) -> impl Iterator<Item = &'a PredicateInfo> {
        self.predicates
            .iter()
            .filter(|p| p.unenforced.is_some() && p.severity > Severity::Minor && !accepted.iter().any(|a| **a == *p.id))
    }

    /// The facts it declares or reads, in order of name.
    pub fn facts(&self) -> &[FactInfo] {
        &self.facts
    }

    /// The packs it uses.
    pub fn packs(&self) -> &[PackUse] {
        &self.packs
    }

    /// By pact: what names and hours mean under it.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The pacts that govern it.
    pub fn pacts(&self) -> impl Iterator<Item = &Frame> {
        (0..).zip(&self.frames).filter(|(at, _)| self.is_governed_by(*at)).map(|(_, frame)| frame)
    }

    /// The place of the pact that a predicate is of.
    pub(crate) fn frame_of(&self, predicate: u32) -> Option<u32> {
        self.guarded.get(predicate as usize).map(|guarded| guarded.frame)
    }

    /// Whether the pact of this frame governs the program.
    pub(crate) fn is_governed_by(&self, frame: u32) -> bool {
        self.governing.contains(frame)
    }

    /// Whether it is of a portfolio, even one of a single pact.
    pub fn is_of_portfolio(&self) -> bool {
        self.portfolio
    }

    /// The program for a task of this type: in a portfolio that of the pacts under which the type stands, and where
    /// it is unknown or stands under none, that of them all.
    #[must_use]
    pub fn for_task(self: &Arc<Self>, task: Option<&str>) -> Arc<Self> {
        task.and_then(|task| self.by_task.get(task)).map_or_else(|| Arc::clone(self), Arc::clone)
    }

    /// The task types of a portfolio that have a program of their own, and that program; in no order.
    pub fn tasks(&self) -> impl Iterator<Item = (&str, &Arc<Self>)> {
        self.by_task.iter().map(|(task, program)| (&**task, program))
    }

    /// Whether the pact of this predicate governs it.
    pub fn governs(&self, predicate: u32) -> bool {
        self.guarded(predicate).is_some_and(|g| self.is_governed_by(g.frame))
    }

    /// The tool with this name on the wire, as the first pact that lists it knows it.
    pub fn tool<'a>(&'a self, wire: &'a str) -> ToolRef<'a> {
        let mut known = self.frames.iter().map(|frame| frame.tool(wire));
        known.find(|tool| tool.entry.is_some()).unwrap_or(ToolRef { wire, entry: None, index: None })
    }

    /// What it says beyond the single exchange.
    pub fn beyond(&self) -> &Beyond {
        &self.beyond
    }

    /// What `check` prints of it.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The documents it was compiled from, as read.
    pub fn sources(&self) -> &[Arc<str>] {
        &self.sources
    }

    /// Whether any rule looks at text at this stage; where not, nothing needs to be held for it.
    pub fn reads_text(&self, stage: Stage) -> bool {
        let stage = self.stage(stage);
        stage.scanner.is_some() || stage.links
    }

    /// Most bytes of text that a stream at this stage holds back; a match without bound is swallowed, not
    /// held.
    pub fn hold_back(&self, stage: Stage) -> usize {
        self.scan(stage).map_or(0, |s| s.hold_back)
    }

    /// Whether its term has begun and not ended at this instant. A pact without dates is always in force.
    pub fn in_force(&self, now_us: i64) -> bool {
        self.identity.effective_us.is_none_or(|from| now_us >= from) && self.identity.expires_us.is_none_or(|to| now_us < to)
    }

    /// Name of a topic without `topic.`, by place.
    pub fn topic_name(&self, topic: u32) -> &str {
        self.topics.get(topic as usize).map_or("", |label| label.strip_prefix("topic.").unwrap_or(label))
    }

    pub(crate) fn stage(&self, stage: Stage) -> &StageRules {
        static NONE: StageRules = StageRules { rules: Vec::new(), scanner: None, task_topics: false, hosts: false, links: false };
        self.stages.get(stage as usize).unwrap_or(&NONE)
    }

    pub(crate) fn scan(&self, stage: Stage) -> Option<&Scan> {
        self.stage(stage).scanner.and_then(|at| self.scans.get(at as usize))
    }

    pub(crate) fn guarded(&self, predicate: u32) -> Option<&Guarded> {
        self.guarded.get(predicate as usize)
    }
}

/// The bit of a lane in [`Guarded::lanes`].
pub(crate) fn lane_bit(lane: Lane) -> u8 {
    1 << lane as u8
}

/// The category of text in which nothing was found.
pub(crate) const NOTHING_FOUND: Categories = Categories::of(DataCategory::Public);
