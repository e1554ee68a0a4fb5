//! The one door of the engine: exchange, session, event and facts in, judgement out.

use std::sync::Arc;

use super::event::Event;
use super::exchange::{Exchange, RuleHit};
use super::facts::Facts;
use super::session::Session;
use crate::base::verdict::{Act, Unjudged};

/// What an event holds that can be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The text at this place of the event.
    Text(usize),
    /// The tool's arguments, as JSON text. The range lies inside one string of it.
    Arguments,
}

/// A range to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Where.
    pub place: Place,
    /// First byte, in the decoded text or the arguments as given.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What to write instead: `[<label>]`, or nothing for invisible characters. Needs no escape in JSON.
    pub replacement: Arc<str>,
}

/// Why an act was not done as the pact says it, beyond hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `hold` acts as block, since this build has no approvals.
    ApprovalUnavailable,
    /// Redact became block, since the part cannot be rewritten.
    NotEditable,
}

impl Reason {
    /// The word of the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalUnavailable => "approval_unavailable",
            Self::NotEditable => "not_editable",
        }
    }
}

/// The tool of an event as the catalogue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTool {
    /// Key of the catalogue, or the name on the wire of an unlisted tool.
    pub key: Arc<str>,
    /// Whether the catalogue lists it.
    pub listed: bool,
    /// What it does; none for an unlisted tool.
    pub action: Option<Arc<str>>,
    /// To what.
    pub target: Option<Arc<str>>,
    /// `read`, `write` or `external`.
    pub effect: Arc<str>,
    /// Whether it can be undone.
    pub reversible: bool,
}

/// The answer to one event.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What the pact demands: the harshest act of all breaches. `Hold` must be done as a block, with
    /// [`Reason::ApprovalUnavailable`].
    pub act: Act,
    /// The breaches, merged by predicate, detector and act.
    pub hits: Vec<RuleHit>,
    /// What to replace, in order of place and start; regions do not overlap. To be done where `act` is
    /// redact; given even where it is harsher.
    pub redactions: Vec<Redaction>,
    /// What was not inspected.
    pub unjudged: Vec<Unjudged>,
    /// Why, beyond hits.
    pub reason: Option<Reason>,
    /// The tool, where the event has one.
    pub tool: Option<KnownTool>,
}

impl Judgement {
    /// The predicate that speaks for the act: the gravest of its harshest hits, the first of equals.
    pub fn decisive(&self) -> Option<&RuleHit> {
        let harshest =
            |a: &&RuleHit, b: &&RuleHit| (a.act, a.severity).cmp(&(b.act, b.severity)).then(b.predicate.cmp(&a.predicate));
        self.hits.iter().max_by(harshest)
    }

    /// Whether the event may not pass: block, or hold without approvals.
    pub fn refuses(&self) -> bool {
        self.act >= Act::Hold
    }
}

/// Working memory that is reused from event to event.
#[derive(Debug, Default)]
pub struct Scratch {}

/// Working memory lent from the program's pool; goes back when dropped.
#[derive(Debug)]
pub struct Lent {
    scratch: Scratch,
}

impl Lent {
    /// Borrows a scratch made for this exchange's program.
    pub fn from(_exchange: &Exchange) -> Self {
        Self { scratch: Scratch {} }
    }
}

impl std::ops::Deref for Lent {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl std::ops::DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

/// Judges one event under the program that the exchange has pinned, and notes the outcome in the exchange.
///
/// Pure but for `exchange` and `scratch`. A session is read as it was handed in; released calls and turns
/// are the caller's to add.
pub fn judge(exchange: &mut Exchange, session: &Session, event: &Event<'_>, facts: &Facts, scratch: &mut Scratch) -> Judgement {
    let _ = (session, event, facts, scratch, &exchange.program);
    Judgement::default()
}
