//! The events of a streamed answer.

use bytes::Bytes;

use super::read::{WORDS, Walk};
use super::refuse::{self, Known};
use crate::protocol::adapter::{Piece, Refusal, StreamReader};
use crate::protocol::error::ReadError;
use crate::protocol::events::{data_as_text, line_pieces};
use crate::protocol::findings::Findings;
use crate::protocol::message::RequestNotes;
use crate::protocol::sse::{Change, Event};
use crate::protocol::value::Values;

/// Events at the start of a stream in which the ids of its task are looked for.
const LOOKED_MAX: u8 = 8;

/// Reads events, and remembers what a proper end needs.
#[derive(Debug)]
pub(super) struct Events {
    notes: RequestNotes,
    /// The ids as the client got them, and how many events were searched for them.
    given: Known,
    looked: u8,
    done: bool,
}

impl Events {
    pub(super) fn new(notes: &RequestNotes) -> Self {
        Self { notes: notes.clone(), given: Known::default(), looked: 0, done: false }
    }
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        let values = Values::of_piece(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, 0);
        let mut walk = Walk::of_event(&mut f);
        walk.whole(root)?;
        let (ended, ends, told) = (walk.ended.0, walk.ended.1, walk.told);
        out.extend(ended);
        f.pieces(out);
        out.extend(ends);
        if told.last {
            out.push(Piece::Finish { choice: 0, reason: told.state });
        }
        out.push(Piece::InOrder(0));
        Ok(())
    }

    fn released(&mut self, event: &Event, pieces: &[Piece], changes: &[Change<'_>]) {
        if self.given.task.is_none() && self.looked < LOOKED_MAX && !event.data().is_empty() {
            self.looked += 1;
            self.given = Known::of(&event.data_with(changes));
        }
        self.done |= pieces.iter().any(|piece| matches!(piece, Piece::Finish { .. }));
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        Bytes::from(refuse::stream_end(refusal, &self.notes, self.given.clone()))
    }
}
