//! What may begin at a place, as the tables of beginnings list it.

use std::sync::Arc;

use super::byteset::{ByteSet, in_set};
use super::opening::digits_at;
use super::regex::Machine;

/// What may begin at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    /// Patterns that are expressions, each with the digits it needs, fewest first.
    patterns: Vec<(u8, u32)>,
    /// Whether a phrase may.
    pub(super) phrase: bool,
    /// Whether the opening at the place tells something.
    pub(super) opens: bool,
    /// What can stand third in one of the patterns.
    third: ByteSet,
}

impl Bucket {
    /// Those of the patterns, and the phrase if there is one.
    pub(super) fn of(patterns: impl Iterator<Item = u32>, phrase: bool, machines: &[Option<Arc<Machine>>]) -> Self {
        let mut bucket = Self { patterns: patterns.map(|pattern| (0, pattern)).collect(), phrase, ..Self::default() };
        bucket.settle(machines);
        bucket
    }

    /// The patterns that the byte after the pair and the digits ahead leave.
    #[inline]
    pub(super) fn patterns(&self, bytes: &[u8], at: usize) -> impl Iterator<Item = u32> {
        let third = bytes.get(at + 2).is_none_or(|byte| in_set(&self.third, *byte));
        let patterns = if third { self.patterns.as_slice() } else { &[] };
        let counts = patterns.last().is_some_and(|(needed, _)| *needed > 0);
        let digits = if counts { digits_at(bytes, at) } else { 0 };
        patterns.iter().take_while(move |(needed, _)| *needed <= digits).map(|(_, pattern)| *pattern)
    }

    /// Settles what follows from the patterns.
    fn settle(&mut self, machines: &[Option<Arc<Machine>>]) {
        self.opens = self.phrase;
        for (needed, index) in &mut self.patterns {
            let Some(Some(machine)) = machines.get(*index as usize) else { continue };
            *needed = machine.ahead.digits;
            self.opens |= machine.ahead.opens();
            self.third.iter_mut().zip(machine.third).for_each(|(all, more)| *all |= more);
        }
        self.patterns.sort_unstable();
    }
}
