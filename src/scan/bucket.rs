//! What may begin at a place, as the tables of beginnings list it.

use std::sync::Arc;

use super::regex::Machine;

/// What may begin at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    /// Patterns that are expressions, 64 of them a word: which word, and which of them.
    pub(super) words: Vec<(u32, u64)>,
    /// Whether a phrase may.
    pub(super) phrase: bool,
    /// Bytes that each match of one of the patterns has at least.
    pub(super) shortest: usize,
}

impl Bucket {
    /// Those of the patterns, which are given in order, and the phrase if there is one.
    pub(super) fn of(patterns: impl Iterator<Item = u32>, phrase: bool, machines: &[Option<Arc<Machine>>]) -> Self {
        let mut bucket = Self { words: Vec::new(), phrase, shortest: usize::MAX };
        for pattern in patterns {
            let Some(Some(machine)) = machines.get(pattern as usize) else { continue };
            bucket.shortest = bucket.shortest.min(machine.shortest);
            let bit = 1 << (pattern % 64);
            match bucket.words.last_mut().filter(|(word, _)| *word == pattern / 64) {
                Some((_, bits)) => *bits |= bit,
                None => bucket.words.push((pattern / 64, bit)),
            }
        }
        bucket
    }

    /// All its patterns.
    pub(super) fn patterns(&self) -> impl Iterator<Item = u32> {
        self.words.iter().flat_map(|(word, bits)| patterns_of(*word, *bits))
    }
}

/// The patterns of a word.
#[inline]
pub(super) fn patterns_of(word: u32, mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(word * 64 + bit)
    })
}
