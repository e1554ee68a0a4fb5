//! What waits in a stream: channels whose text is not decided, calls that are being assembled, events.
//!
//! Ordering is decided here: an event may leave before an earlier one only where no client could tell.

use crate::engine::stream::{Step, StreamJudge, StreamRedaction};
use crate::protocol::message::{CallKind, NO_CHOICE};
use crate::protocol::sse;
use crate::protocol::{CallKey, Piece};

/// The text of one channel so far.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) judge: StreamJudge,
    pub(crate) pushed: u64,
    pub(crate) safe_to: u64,
    pub(crate) redactions: Vec<StreamRedaction>,
    /// Its choice has ended: what comes after is another text.
    pub(crate) closed: bool,
}

/// A call that is being assembled.
#[derive(Debug)]
pub(crate) struct HeldCall {
    pub(crate) kind: CallKind,
    /// The provider runs it itself.
    pub(crate) executed: bool,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) decided: bool,
    /// New arguments, to be written into the call's first piece.
    pub(crate) rewritten: Option<String>,
    /// Whether that piece has been written.
    pub(crate) begun: bool,
}

/// An event that waits.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) event: sse::Event,
    pub(crate) pieces: Vec<Piece>,
    /// Text pieces: which piece, which channel, and where in the channel's text.
    pub(crate) texts: Vec<Span>,
    pub(crate) since_ns: u64,
    /// Judging has stopped in this event, at this piece: what follows in it was read by nobody.
    pub(crate) halted: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) piece: usize,
    pub(crate) channel: usize,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl HeldCall {
    /// A call of which nothing has come yet.
    pub(crate) fn new(kind: CallKind, executed: bool) -> Self {
        Self { kind, executed, name: String::new(), arguments: String::new(), decided: false, rewritten: None, begun: false }
    }
}

impl Flow {
    pub(crate) fn note(&mut self, step: &mut Step) {
        self.safe_to = self.safe_to.max(step.safe_to);
        self.redactions.append(&mut step.redactions);
    }
}

impl Held {
    pub(crate) fn call_keys(&self) -> impl Iterator<Item = CallKey> + '_ {
        self.pieces.iter().filter_map(|piece| if let Piece::Call { key, .. } = piece { Some(*key) } else { None })
    }

    pub(crate) fn is_call(&self) -> bool {
        self.call_keys().next().is_some()
    }

    /// Nothing but text: no call, no end, nothing that concerns the whole stream.
    pub(crate) fn is_plain_text(&self) -> bool {
        !self.texts.is_empty()
            && self
                .pieces
                .iter()
                .all(|piece| matches!(piece, Piece::Text { .. } | Piece::Choice(_) | Piece::Shadow { .. } | Piece::InOrder(_)))
    }

    /// No text, and nothing that ends a text or a call: no event becomes ready by this one, and it overtakes none.
    pub(crate) fn decides_nothing(&self) -> bool {
        let idle =
            |piece: &Piece| matches!(piece, Piece::Call { .. } | Piece::Choice(_) | Piece::Shadow { .. } | Piece::Usage(_));
        self.texts.is_empty() && self.halted.is_none() && self.pieces.iter().all(idle)
    }

    /// Whether the text at which judging has stopped is the last of the event, so that all of it but that
    /// text's rest is known.
    pub(crate) fn halted_in_last_text(&self) -> bool {
        let rest = self.halted.and_then(|at| self.pieces.get(at + 1..)).unwrap_or_default();
        self.halted.is_some() && !rest.iter().any(|piece| matches!(piece, Piece::Text { .. }))
    }

    /// Whether this event may leave while `earlier` is still held: only text may go past the calls of its
    /// choice, and past everything of another choice.
    pub(crate) fn may_overtake(&self, earlier: &Self) -> bool {
        self.is_plain_text()
            && !self.pieces.iter().any(|piece| matches!(piece, Piece::InOrder(_)))
            && (earlier.is_call() && !self.is_call() && earlier.texts.is_empty() || self.is_of_other_choice(earlier))
    }

    fn is_of_other_choice(&self, other: &Self) -> bool {
        let mut theirs = other.choices().peekable();
        theirs.peek().is_some() && theirs.all(|theirs| self.choices().all(|ours| ours != theirs))
    }

    fn choices(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text { channel, .. } => Some(channel.choice).filter(|choice| *choice != NO_CHOICE),
            Piece::Call { key, .. } | Piece::CallEnd(key) => Some(key.choice),
            Piece::TextEnd(channel) => Some(channel.choice),
            Piece::Choice(choice) | Piece::Finish { choice, .. } | Piece::Shadow { choice, .. } => Some(*choice),
            Piece::Usage(_) | Piece::Unread(_) | Piece::InOrder(_) | Piece::Done => None,
        })
    }
}
