//! The scanner over a whole text, with working memory that is kept from text to text.

use super::layer::Layer;
use super::regex::View;
use super::set::Scanner;
use super::span::Hit;
use super::view::{Loose, join_topics};
use super::walk::State;

/// Room for one scan at a time, kept between scans: a scan of clean text with a used one allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    state: State,
    views: Layer,
    loose: Loose,
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
        self.state.starved || self.views.starved() || self.loose.sum().starved
    }

    /// Whether in the last whole scan something was encoded more often than is undone.
    pub fn deep(&self) -> bool {
        self.views.deep()
    }

    /// The topics of the last whole scan, without those of views.
    #[cfg(test)]
    pub(super) fn topics_as_it_stands(&self) -> Vec<(u32, u32)> {
        self.state.topics()
    }

    /// Bytes that candidates cost in the last whole scan beyond the pass itself.
    pub fn steps(&self) -> u64 {
        self.state.steps + self.views.steps() + self.loose.sum().steps
    }
}

impl Scanner {
    /// Adds the hits of `text` to `hits`, sorted, of the text as it stands and of its views, at most
    /// [`crate::base::limits::HITS_MAX`] of each. Gives how many more there were.
    pub fn scan(&self, text: &str, scratch: &mut Scratch, hits: &mut Vec<Hit>) -> u64 {
        let first = hits.len();
        let more = self.scan_as_it_stands(text, scratch, hits);
        scratch.views.look_at_whole(self, text, first, hits);
        scratch.loose.reset();
        more + scratch.views.more()
    }

    /// As [`Scanner::scan`], and what a person makes out of digits for letters, words run together, letters held apart
    /// and odd accents. A stream is not read so.
    pub fn scan_loosely(&self, text: &str, scratch: &mut Scratch, hits: &mut Vec<Hit>) -> u64 {
        let (first, more) = (hits.len(), self.scan(text, scratch, hits));
        let known = hits.len();
        scratch.loose.look(self, text, hits);
        if hits.len() > known {
            hits.get_mut(first..).unwrap_or_default().sort_unstable();
        }
        more + scratch.loose.sum().more
    }

    /// As [`Scanner::scan`], without views.
    pub(super) fn scan_as_it_stands(&self, text: &str, scratch: &mut Scratch, hits: &mut Vec<Hit>) -> u64 {
        let state = &mut scratch.state;
        state.reset(self);
        state.advance(self, View { bytes: text.as_bytes(), base: 0, last: true }, hits);
        state.more
    }

    /// The topics over their thresholds, with their largest sums, of the text scanned last with this scratch.
    pub fn topics_of(&self, scratch: &Scratch) -> Vec<(u32, u32)> {
        let mut topics = scratch.state.topics();
        join_topics(&mut topics, &scratch.views.topics());
        join_topics(&mut topics, &scratch.loose.sum().topics);
        topics
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
