//! The scanner over a whole text, with working memory that is kept from text to text.

use super::regex::View;
use super::set::Scanner;
use super::span::Hit;
use super::walk::State;

/// Room for one scan at a time, kept between scans: a scan of clean text with a used one allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    state: State,
    buffer: Vec<Hit>,
}

impl Scratch {
    /// Room for scans with this scanner. A scratch of another scanner works too; it grows.
    pub fn new(scanner: &Scanner) -> Self {
        let mut scratch = Self::default();
        scratch.state.reset(scanner);
        scratch
    }

    /// Whether in the last whole scan a pattern ran out of its budget of vain steps, so that the text
    /// counts as not fully inspected.
    pub fn starved(&self) -> bool {
        self.state.starved
    }

    /// Bytes that candidates cost in the last whole scan beyond the pass itself.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }
}

impl Scanner {
    /// Adds the hits of `text` to `hits`, sorted, at most [`crate::base::limits::HITS_MAX`]. Gives how many more there were.
    pub fn scan(&self, text: &str, scratch: &mut Scratch, hits: &mut Vec<Hit>) -> u64 {
        let state = &mut scratch.state;
        state.reset(self);
        state.advance(self, View { bytes: text.as_bytes(), base: 0, last: true }, hits);
        state.more
    }

    /// The topics over their thresholds, with their largest sums, of the text scanned last with this scratch.
    pub fn topics_of(&self, scratch: &Scratch) -> Vec<(u32, u32)> {
        scratch.state.topics()
    }

    /// The topics over their thresholds, with their sums. To have the hits as well, scan and then ask
    /// [`Scanner::topics_of`].
    pub fn topics(&self, text: &str, scratch: &mut Scratch) -> Vec<(u32, u32)> {
        let mut hits = std::mem::take(&mut scratch.buffer);
        hits.clear();
        self.scan(text, scratch, &mut hits);
        scratch.buffer = hits;
        self.topics_of(scratch)
    }
}
