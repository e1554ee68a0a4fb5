//! Judgement of text that arrives in pieces.
//!
//! A [`Gate`] is opened once for all channels of a streamed message: it decides what needs no text and
//! fixes which rules apply. Each channel (choice and field) gets a [`StreamJudge`]. For every text and
//! every cutting the findings, the act and the redacted text are those of the whole text, but for checks
//! that need a whole text: those decide in [`StreamJudge::finish`] with act at most flag.

use std::sync::Arc;

use super::event::Event;
use super::exchange::Exchange;
use super::facts::Facts;
use super::judge::{Judgement, Scratch};
use super::session::Session;
use crate::base::verdict::Act;

/// A range of a channel to be replaced, in bytes of its text from the start of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRedaction {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What to write instead; nothing for the further pieces of a match without bound.
    pub replacement: Arc<str>,
}

/// What may be done after a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The harshest act of the breaches found by this piece.
    pub act: Act,
    /// Everything before this byte is decided: it may leave once the redactions given so far are applied.
    pub safe_to: u64,
    /// Redactions that became final, in order; each lies wholly before `safe_to`.
    pub redactions: Vec<StreamRedaction>,
    /// Where the first blocking match (or the region it overlaps) starts. `safe_to` never goes beyond it
    /// unless the gate judges through.
    pub block_at: Option<u64>,
}

/// What holds for all channels of one streamed message.
#[derive(Clone, Debug)]
pub struct Gate {
    through: bool,
}

impl Gate {
    /// Opens a gate: `event` holds stage, lane and time, and no texts. The judgement is of all checks that
    /// need no text; it counts once, whatever the number of channels.
    ///
    /// `through` keeps judging after a block, for modes that only watch; otherwise findings end with the
    /// first blocking match of a channel, wherever the pieces were cut.
    pub fn open(
        exchange: &mut Exchange,
        session: &Session,
        event: &Event<'_>,
        facts: &Facts,
        scratch: &mut Scratch,
        through: bool,
    ) -> (Self, Judgement) {
        let judgement = super::judge::judge(exchange, session, event, facts, scratch);
        (Self { through }, judgement)
    }

    /// A judge for one channel. `editable` as in [`EventText`](super::event::EventText).
    pub fn channel(&self, editable: bool) -> StreamJudge {
        StreamJudge { gate: self.clone(), editable, pushed: 0 }
    }

    /// Whether no rule looks at text here: pieces need not be held.
    pub fn is_idle(&self) -> bool {
        false
    }
}

/// The judge of one channel.
#[derive(Debug)]
pub struct StreamJudge {
    gate: Gate,
    editable: bool,
    pushed: u64,
}

impl StreamJudge {
    /// Judges the next piece and notes breaches in the exchange.
    pub fn push(&mut self, exchange: &mut Exchange, text: &str) -> Step {
        let _ = (&self.gate.through, self.editable, exchange.act());
        self.pushed += text.len() as u64;
        Step { safe_to: self.pushed, ..Step::default() }
    }

    /// The channel has ended: everything is decided.
    pub fn finish(&mut self, exchange: &mut Exchange) -> Step {
        let _ = exchange.act();
        Step { safe_to: self.pushed, ..Step::default() }
    }

    /// Bytes that were pushed and are not decided.
    pub fn held(&self) -> u64 {
        0
    }
}
