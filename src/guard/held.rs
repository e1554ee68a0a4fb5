//! What waits in a stream: channels whose text is not decided, calls that are being assembled, events.

use std::collections::VecDeque;

use super::exchange::Exchange;
use super::listing::Removed;
use super::pending::Durable;
use crate::engine::stream::{Step, StreamJudge, StreamRedaction};
use crate::protocol::message::{CallKind, NO_CHOICE};
use crate::protocol::sse::{self, Place, Within};
use crate::protocol::{CallKey, Channel, Listing, Piece};

/// The text of one channel so far.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) judge: StreamJudge,
    pub(crate) pushed: u64,
    pub(crate) safe_to: u64,
    /// In order, from the first that an event at hand or in the line still needs.
    pub(crate) redactions: VecDeque<StreamRedaction>,
    /// Its choice has ended: what comes after is another text.
    pub(crate) closed: bool,
    /// How many pieces of it are in the event at hand and in those that wait.
    pub(crate) waiting: usize,
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
    /// What is to be replaced in pieces that stand alone: which piece, and where in it.
    pub(crate) alone: Vec<(usize, StreamRedaction)>,
    /// Call pieces: which piece, which call.
    pub(crate) calls: Vec<Part>,
    /// What goes from the list of tools in it.
    pub(crate) removed: Removed,
    /// How many of the texts and then of the calls are known to be decided.
    decided: usize,
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

/// A piece of a call. By its place among the calls: a later call may come under the same key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) piece: usize,
    pub(crate) call: usize,
}

impl HeldCall {
    /// A call of which nothing has come yet.
    pub(crate) fn new(kind: CallKind, executed: bool) -> Self {
        Self { kind, executed, name: String::new(), arguments: String::new(), decided: false, rewritten: None, begun: false }
    }
}

impl Flow {
    /// A channel at its first byte.
    pub(crate) fn new(judge: StreamJudge) -> Self {
        Self { judge, pushed: 0, safe_to: 0, redactions: VecDeque::new(), closed: false, waiting: 0 }
    }

    pub(crate) fn note(&mut self, step: &mut Step) {
        self.safe_to = self.safe_to.max(step.safe_to);
        self.redactions.extend(step.redactions.drain(..));
    }

    /// The redactions that touch these bytes.
    pub(crate) fn redactions_in(&self, start: u64, end: u64) -> impl Iterator<Item = &StreamRedaction> {
        let first = self.redactions.partition_point(|r| r.end <= start);
        self.redactions.range(first..).take_while(move |r| r.start < end)
    }

    /// A piece that ends here has left, or waits no longer.
    pub(crate) fn left(&mut self, end: u64) {
        self.waiting = self.waiting.saturating_sub(1);
        while self.redactions.front().is_some_and(|r| r.end <= end) {
            self.redactions.pop_front();
        }
    }
}

impl Held {
    /// An event of which nothing has been read yet.
    pub(crate) fn new(event: sse::Event, since_ns: u64) -> Self {
        Self {
            event,
            pieces: Vec::new(),
            texts: Vec::new(),
            alone: Vec::new(),
            calls: Vec::new(),
            removed: Removed::default(),
            decided: 0,
            since_ns,
            halted: None,
        }
    }

    /// Whether all in it is decided. What is decided stays so, and is not asked for again.
    pub(crate) fn is_decided(&mut self, channels: &[(Channel, Flow)], calls: &[(CallKey, HeldCall)]) -> bool {
        let texts = self.texts.iter().skip(self.decided);
        let safe = texts.take_while(|span| channels.get(span.channel).is_some_and(|(_, flow)| flow.safe_to >= span.end));
        self.decided += safe.count();
        if let Some(done) = self.decided.checked_sub(self.texts.len()) {
            let parts = self.calls.iter().skip(done);
            self.decided += parts.take_while(|part| calls.get(part.call).is_some_and(|(_, call)| call.decided)).count();
        }
        self.halted.is_none() && self.decided == self.texts.len() + self.calls.len()
    }

    /// The list of tools in it.
    fn listing(&self) -> Option<&Listing> {
        self.pieces.iter().find_map(|piece| if let Piece::Listing(listing) = piece { Some(&**listing) } else { None })
    }

    /// The tool of a list to which a text belongs: it can go without the others.
    pub(crate) fn listed(&self, place: &Place) -> Option<usize> {
        self.listing()?.tool_at(&place.at)
    }

    /// Settles which tools go from the list in it. What is returned must be awaited before the event leaves.
    pub(crate) fn settle_tools(&mut self, exchange: &mut Exchange) -> Option<Durable> {
        let mut removed = std::mem::take(&mut self.removed);
        let wait = self.listing().and_then(|listing| removed.settle(exchange, listing, self.event.data()));
        self.removed = removed;
        wait
    }

    /// What takes them out of its data.
    pub(crate) fn removals(&self) -> Vec<(Place, String)> {
        let edits = self.listing().map(|listing| self.removed.edits(listing)).unwrap_or_default();
        edits.into_iter().map(|edit| (Place { at: edit.at, within: Within::Value }, edit.with)).collect()
    }

    pub(crate) fn is_call(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Call { .. }))
    }

    /// Nothing but text: no call, no end, nothing that concerns the whole stream.
    pub(crate) fn is_plain_text(&self) -> bool {
        !self.texts.is_empty()
            && self
                .pieces
                .iter()
                .all(|piece| matches!(piece, Piece::Text { .. } | Piece::Choice(_) | Piece::Shadow { .. } | Piece::InOrder(_)))
    }

    /// Whether it keeps its place in any case.
    pub(crate) fn is_in_order(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::InOrder(_)))
    }

    /// Whether the text at which judging has stopped is the last of the event, so that all of it but that
    /// text's rest is known.
    pub(crate) fn halted_in_last_text(&self) -> bool {
        let rest = self.halted.and_then(|at| self.pieces.get(at + 1..)).unwrap_or_default();
        self.halted.is_some() && !rest.iter().any(|piece| matches!(piece, Piece::Text { .. }))
    }

    /// The choices that it concerns.
    pub(crate) fn choices(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text { channel, .. } => Some(channel.choice).filter(|choice| *choice != NO_CHOICE),
            Piece::Call { key, .. } | Piece::CallEnd(key) => Some(key.choice),
            Piece::TextEnd(channel) => Some(channel.choice),
            Piece::Choice(choice) | Piece::Finish { choice, .. } | Piece::Shadow { choice, .. } => Some(*choice),
            Piece::Usage(_) | Piece::Unread(_) | Piece::InOrder(_) | Piece::Listing(_) | Piece::Done => None,
        })
    }
}
