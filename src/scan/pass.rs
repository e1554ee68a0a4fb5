//! One pass over a text in pieces: the walk, and the end of what has arrived, as far back as it needs.

use super::regex::View;
use super::set::Scanner;
use super::span::Hit;
use super::walk::State;

/// A text as it stands, of which some has arrived.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) state: State,
    tail: Vec<u8>,
    base: usize,
}

impl Pass {
    /// Makes it ready for another text.
    pub(super) fn reset(&mut self, scanner: &Scanner) {
        self.state.reset(scanner);
        self.tail.clear();
        self.base = 0;
    }

    /// Takes the next piece and adds the hits that are now certain, in order. Gives how far the text is decided: every
    /// hit that starts before has been given.
    pub(super) fn push(&mut self, scanner: &Scanner, piece: &str, last: bool, hits: &mut Vec<Hit>) -> usize {
        self.tail.extend_from_slice(piece.as_bytes());
        let view = View { bytes: &self.tail, base: self.base, last };
        let open = self.state.advance(scanner, view, hits);
        let spare = self.state.needs(open).saturating_sub(self.base);
        // Moving a few bytes at each push costs more than keeping them for a while.
        if spare > self.tail.len() / 2 {
            self.tail.drain(..spare);
            self.base += spare;
        }
        open
    }
}
