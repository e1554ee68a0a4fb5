//! What may begin at a place, as the tables of beginnings list it: patterns by their slots there.

use std::sync::Arc;

use super::regex::Machine;

/// What may begin at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    /// Slots of patterns that are expressions, 64 of them a word: which word, and which of them.
    pub(super) words: Vec<(u32, u64)>,
    /// Those of them that need no digit among the bytes in which digits are counted.
    pub(super) without_digits: Vec<(u32, u64)>,
    /// Whether a phrase may.
    pub(super) phrase: bool,
    /// Bytes that each match of one of the patterns has at least.
    pub(super) shortest: usize,
}

impl Bucket {
    /// Those of the slots, which are given in order, and the phrase if there is one.
    pub(super) fn of(slots: impl Iterator<Item = u32>, phrase: bool, machines: &[Option<Arc<Machine>>]) -> Self {
        fn put(words: &mut Vec<(u32, u64)>, slot: u32) {
            let bit = 1 << (slot % 64);
            match words.last_mut().filter(|(word, _)| *word == slot / 64) {
                Some((_, bits)) => *bits |= bit,
                None => words.push((slot / 64, bit)),
            }
        }
        let mut bucket = Self { phrase, shortest: usize::MAX, ..Self::default() };
        for slot in slots {
            let Some(Some(machine)) = machines.get(slot as usize) else { continue };
            bucket.shortest = bucket.shortest.min(machine.shortest);
            put(&mut bucket.words, slot);
            if machine.ahead.digits == 0 {
                put(&mut bucket.without_digits, slot);
            }
        }
        bucket
    }

    /// All its slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.words
            .iter()
            .flat_map(|&(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit))
    }
}
