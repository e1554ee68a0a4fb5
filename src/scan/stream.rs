//! The scanner over chunks.
//!
//! Promises: the hits are those of one scan over the whole text, wherever the cuts fall, and come in the
//! same order; what is held back begins where the earliest candidate begins that more text could still
//! make a match, and is never longer than the scanner's largest hold-back; nothing is decided by time.
//! A long form comes in pieces: see [`super::span::join_pieces`].

use std::sync::Arc;

use super::regex::View;
use super::set::Scanner;
use super::span::Hit;
use super::walk::State;

/// One text that arrives in chunks.
#[derive(Debug)]
pub struct StreamScanner {
    scanner: Arc<Scanner>,
    state: State,
    /// The end of what has arrived, as far back as it is needed.
    tail: Vec<u8>,
    base: usize,
}

impl StreamScanner {
    /// A stream of which nothing has arrived.
    pub fn new(scanner: &Arc<Scanner>) -> Self {
        let mut state = State::default();
        state.reset(scanner);
        Self { scanner: Arc::clone(scanner), state, tail: Vec::new(), base: 0 }
    }

    /// Takes the next chunk and adds the hits that are now certain, in order. Gives how far the text is
    /// decided, in bytes from the start of the stream: every hit that starts before has been given.
    pub fn push(&mut self, chunk: &str, hits: &mut Vec<Hit>) -> u64 {
        self.tail.extend_from_slice(chunk.as_bytes());
        let view = View { bytes: &self.tail, base: self.base, last: false };
        let open = self.state.advance(&self.scanner, view, hits);
        let spare = self.state.needs(open).saturating_sub(self.base);
        // Moving a few bytes at each push costs more than keeping them for a while.
        if spare > self.tail.len() / 2 {
            self.tail.drain(..spare);
            self.base += spare;
        }
        open as u64
    }

    /// Ends the text and adds the hits that are left.
    pub fn finish(&mut self, hits: &mut Vec<Hit>) {
        let view = View { bytes: &self.tail, base: self.base, last: true };
        self.state.advance(&self.scanner, view, hits);
    }

    /// Makes it ready for another text.
    pub fn reset(&mut self) {
        self.state.reset(&self.scanner);
        self.tail.clear();
        self.base = 0;
    }

    /// Hits beyond the ceiling that were counted and not given.
    pub fn more(&self) -> u64 {
        self.state.more
    }

    /// Whether a pattern ran out of its budget of vain steps, so that the text counts as not fully inspected.
    pub fn starved(&self) -> bool {
        self.state.starved
    }

    /// The topics over their thresholds so far; of the whole text once finished.
    pub fn topics(&self) -> Vec<(u32, u32)> {
        self.state.topics()
    }

    /// The scanner at work.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }
}
