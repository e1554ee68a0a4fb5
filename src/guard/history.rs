//! The conversation in a request: which of its turns were judged in an earlier exchange, and what becomes of them.
//!
//! What is known and was clean is passed over; what was rewritten is rewritten again; what was refused goes on as a
//! note, so that one refused turn does not end the conversation; nothing of it counts again. Everything else is judged
//! as new, however old the client says it is. Promises: no text that was replaced or refused goes up as it was because
//! a client says it again; a text is remembered only when its own verdict is final, and hashed once. System text, tool
//! definitions and reasoning are no part of the conversation here: another instruction makes nothing unknown, and
//! clients drop reasoning as they like.

use std::cell::Cell;

use http::HeaderMap;

use super::exchange::Exchange;
use super::tally::Known;
use super::turns::{Chain, Decided, Turn};
use crate::base::limits::TURNS_READ_MAX;
use crate::base::names::Lane;
use crate::engine::placing::Placed;
use crate::protocol::{Edit, Message, Part, Role};

/// The conversation in a request. Empty where nothing is remembered: then all of it is new.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Of the first parts of the message, in their order.
    parts: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    /// None where the part is none that is looked up.
    turn: Option<Turn>,
    before: Option<Decided>,
    /// What is decided of it now.
    now: Cell<Option<Decided>>,
}

impl History {
    /// Looks up the parts of a request. `editable` is false where its body may not be changed: what would have to be
    /// rewritten is judged as new there, and so refused.
    pub(crate) fn read(exchange: &Exchange, message: &Message<'_>, headers: &HeaderMap, editable: bool) -> Self {
        if exchange.lane() == Lane::Egress {
            return Self::default();
        }
        let Some(mut chain) = exchange.conversation(headers) else { return Self::default() };
        let mut parts = Vec::with_capacity(message.parts.len().min(TURNS_READ_MAX));
        // One past the last text that is new, or has gone up before.
        let mut new = 0;
        for (at, part) in message.parts.iter().take(TURNS_READ_MAX).enumerate() {
            let turn = turn(&mut chain, part);
            let before = turn.and_then(|turn| exchange.remembered().recall(turn));
            if is_said(part) && !matches!(before, Some(Decided::Refused(_) | Decided::Unsent)) {
                new = at + 1;
            }
            parts.push(Told { turn, before, now: Cell::new(None) });
        }
        if message.parts.len() > TURNS_READ_MAX {
            new = TURNS_READ_MAX;
        }
        for (at, (part, told)) in message.parts.iter().zip(&mut parts).enumerate() {
            // What was refused may never have been answered: it is history once something else is said after it. What
            // passed stays beside what is new, with which it is judged.
            let said_again = is_said(part) && at + 1 < new && told.before != Some(Decided::Clean);
            told.before = told.before.filter(|_| !part.fresh || said_again).and_then(|before| match before {
                Decided::Unsent => None,
                // Nothing is rewritten where verdicts are not carried out.
                _ if !exchange.acts() => Some(Decided::Clean),
                Decided::Clean => Some(Decided::Clean),
                before => (editable && may_be_rewritten(part)).then_some(before),
            });
        }
        Self { parts }
    }

    /// What becomes of the part at this place, if it is judged in this exchange; `placed` is where new ones are.
    pub(crate) fn place(&self, at: usize, placed: Placed) -> Option<Placed> {
        match self.parts.get(at).and_then(|told| told.before) {
            None => Some(placed),
            Some(Decided::Edited) => Some(placed.again()),
            Some(Decided::Clean | Decided::Refused(_) | Decided::Unsent) => None,
        }
    }

    /// Notes what is decided of a text that was new.
    pub(crate) fn decide(&self, at: usize, decided: Decided) {
        if let Some(told) = self.parts.get(at) {
            told.now.set(Some(decided));
        }
    }

    /// Puts the notes in place of what was refused before, remembers what is decided, now that the verdict on the whole
    /// is final, and tells the exchange what was known.
    pub(crate) fn close(self, exchange: &mut Exchange, message: &Message<'_>, refused: bool, edits: &mut Vec<Edit>) {
        let stays = refused && exchange.acts();
        let mut known = Known::default();
        for (part, told) in message.parts.iter().zip(&self.parts) {
            if let (Some(turn), Some(now)) = (told.turn, told.now.get()) {
                let unsent = stays && part.fresh && !matches!(now, Decided::Refused(_));
                exchange.remembered().remember(turn, if unsent { Decided::Unsent } else { now });
            }
            match told.before {
                Some(Decided::Refused(predicate)) => {
                    let note = format!("[withheld: {}]", exchange.predicate_id(predicate));
                    edits.extend(part.text.edit(0..part.text.as_str().len(), &note));
                    known.withheld += 1;
                }
                Some(Decided::Clean) => known.skipped += 1,
                Some(Decided::Edited) => known.redacted += 1,
                Some(Decided::Unsent) | None => {}
            }
        }
        if known != Known::default() {
            exchange.knew(known);
        }
    }
}

/// Whether a part can be rewritten, where its body can.
pub(crate) fn may_be_rewritten(part: &Part<'_>) -> bool {
    part.editable && part.text.has_way_back()
}

/// Whether a part is what somebody said, and is judged.
fn is_said(part: &Part<'_>) -> bool {
    matches!(part.role, Role::User | Role::ToolResult)
}

/// Takes a part into the hash of its conversation, and gives what it is known by if it is one that is judged. Names,
/// ids and unknown members are bound to what was said before them; they are not what was said.
fn turn(chain: &mut Chain, part: &Part<'_>) -> Option<Turn> {
    let text = part.text.as_str().as_bytes();
    let kind = match part.role {
        Role::System | Role::ToolDefinition | Role::Reasoning => return None,
        Role::Assistant => b'A',
        Role::Refusal => b'R',
        Role::User => b'U',
        Role::ToolResult => b'T',
        Role::Other => return Some(chain.beside(b'O', text)),
    };
    chain.add(kind, text);
    is_said(part).then(|| chain.turn())
}
