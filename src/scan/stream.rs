//! The scanner over chunks.
//!
//! Promises: the hits are those of one scan over the whole text, wherever the cuts fall; what is held back begins where
//! the earliest candidate begins that more text could still make a match, and of text that stands for itself it
//! is never longer than the scanner's largest hold-back; nothing is decided by time.
//! A long form comes in pieces: see [`super::span::join_pieces`].

use std::sync::Arc;

use super::layer::Layer;
use super::set::Scanner;
use super::span::Hit;

/// One text that arrives in chunks.
#[derive(Debug)]
pub struct StreamScanner {
    scanner: Arc<Scanner>,
    layer: Layer,
}

impl StreamScanner {
    /// A stream of which nothing has arrived.
    pub fn new(scanner: &Arc<Scanner>) -> Self {
        let mut layer = Layer::default();
        layer.reset(scanner, 0);
        Self { scanner: Arc::clone(scanner), layer }
    }

    /// Takes the next chunk and adds the hits that are now certain, those of views behind the others. Gives how far the
    /// text is decided, in bytes from the start of the stream: every hit that starts before has been given.
    pub fn push(&mut self, chunk: &str, hits: &mut Vec<Hit>) -> u64 {
        self.layer.push(&self.scanner, chunk, false, hits) as u64
    }

    /// Ends the text and adds the hits that are left.
    pub fn finish(&mut self, hits: &mut Vec<Hit>) {
        self.layer.push(&self.scanner, "", true, hits);
    }

    /// Makes it ready for another text.
    pub fn reset(&mut self) {
        self.layer.reset(&self.scanner, 0);
    }

    /// Hits beyond the ceiling that were counted and not given.
    pub fn more(&self) -> u64 {
        self.layer.more()
    }

    /// Whether a pattern ran out of its budget of vain steps, so that the text counts as not fully inspected.
    pub fn starved(&self) -> bool {
        self.layer.starved()
    }

    /// Whether something was encoded more often than is undone.
    pub fn deep(&self) -> bool {
        self.layer.deep()
    }

    /// The topics over their thresholds so far; of the whole text once finished.
    pub fn topics(&self) -> Vec<(u32, u32)> {
        self.layer.topics()
    }

    /// Bytes that candidates have cost beyond the pass itself.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> u64 {
        self.layer.steps()
    }

    /// The scanner at work.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }
}
