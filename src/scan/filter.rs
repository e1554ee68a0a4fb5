//! Where matches can begin: one table look-up a byte, by the byte itself, the next, and what stands before.

use std::collections::HashMap;

use super::byteset::{ByteSet, in_set};
use super::opening::digits_at;
use super::phrase::Tree;
use super::regex::Machine;

/// What stands before a place, as far as beginnings depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// An ASCII letter or digit.
    Word = 0,
    /// An underscore: of a word for expressions, between words for phrases.
    Underscore = 1,
    /// Anything else, or nothing.
    Other = 2,
}

/// The class of each byte as what stands before, shifted to its part of the table.
static BEFORE: [u32; 256] = {
    let mut table = [(Before::Other as u32) << 16; 256];
    let mut byte = 0;
    #[expect(clippy::indexing_slicing, reason = "a constant loop over 256 places, checked at compile time")]
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = (Before::Word as u32) << 16;
        } else if byte as u8 == b'_' {
            table[byte] = (Before::Underscore as u32) << 16;
        }
        byte += 1;
    }
    table
};

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
    fn settle(&mut self, machines: &[Option<Machine>]) {
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

/// The table.
#[derive(Debug)]
pub(super) struct Filter {
    /// By what stands before, byte and next byte: a bucket.
    pairs: Box<[u16]>,
    /// By what stands before and byte, for a place with no next byte yet.
    singles: Box<[u16]>,
    buckets: Vec<Bucket>,
}

const PARTS: usize = 3;

/// Bytes that are looked up before what was found is gone through.
const BLOCK: usize = 64;

impl Filter {
    /// Builds the table. Machines with a guard are not in it.
    pub(super) fn new(machines: &mut [Option<Machine>], tree: &Tree) -> Self {
        let mut pairs: HashMap<u32, Bucket> = HashMap::new();
        let mut singles: HashMap<u32, Bucket> = HashMap::new();
        for (index, machine) in machines.iter_mut().enumerate() {
            let Some(machine) = machine else { continue };
            let guarded = machine.guard.is_some();
            for (word, parts) in [(true, &[Before::Word, Before::Underscore][..]), (false, &[Before::Other])] {
                machine.pairs(word, |one, two| {
                    for part in parts.iter().filter(|_| !guarded) {
                        note(&mut pairs, place(*part, one, two), index as u32);
                    }
                });
                for one in (0..=u8::MAX).filter(|one| !guarded && machine.can_begin(word, *one)) {
                    for part in parts {
                        note(&mut singles, place(*part, 0, one), index as u32);
                    }
                }
            }
        }
        for part in [Before::Underscore, Before::Other] {
            tree.pairs(|one, two| pairs.entry(place(part, one, two)).or_default().phrase = true);
            for one in (0..=u8::MAX).filter(|one| tree.can_begin(*one)) {
                singles.entry(place(part, 0, one)).or_default().phrase = true;
            }
        }
        let mut filter = Self {
            pairs: vec![0; PARTS << 16].into_boxed_slice(),
            singles: vec![0; PARTS << 16].into_boxed_slice(),
            buckets: vec![Bucket::default()],
        };
        let mut known = HashMap::from([(Bucket::default(), 0)]);
        for (from, single) in [(pairs, false), (singles, true)] {
            for (place, mut bucket) in from {
                bucket.settle(machines);
                let fresh = filter.buckets.len() as u16;
                let id = *known.entry(bucket).or_insert_with_key(|bucket| {
                    filter.buckets.push(bucket.clone());
                    fresh
                });
                let table = if single { &mut filter.singles } else { &mut filter.pairs };
                if let Some(slot) = table.get_mut(place as usize) {
                    *slot = id;
                }
            }
        }
        filter
    }

    /// Calls `each` with every place of `bytes` from `from` that has a next byte and where something may
    /// begin, and what.
    #[inline]
    pub(super) fn candidates(&self, bytes: &[u8], from: usize, mut each: impl FnMut(usize, &Bucket)) {
        let before = from.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let mut part = BEFORE.get(usize::from(before)).copied().unwrap_or_default();
        let (mut from, mut places) = (from, [(0, 0); BLOCK]);
        for block in bytes.get(from..).unwrap_or_default().chunks(BLOCK) {
            let next = bytes.get(from + block.len()).copied();
            let mut found = 0;
            // Without a branch a byte: most places where something may begin cannot be foreseen.
            let mut note = |one: u8, two: u8, offset: u32| {
                let place = part | u32::from(one) << 8 | u32::from(two);
                let bucket = self.pairs.get(place as usize).copied().unwrap_or_default();
                if let Some(slot) = places.get_mut(found % BLOCK) {
                    *slot = (offset, bucket);
                }
                found += usize::from(bucket != 0);
                part = BEFORE.get(usize::from(one)).copied().unwrap_or_default();
            };
            for (offset, pair) in (0..).zip(block.windows(2)) {
                if let &[one, two] = pair {
                    note(one, two, offset);
                }
            }
            if let (Some(two), Some(&one)) = (next, block.last()) {
                note(one, two, block.len() as u32 - 1);
            }
            for (offset, bucket) in places.iter().take(found) {
                if let Some(bucket) = self.buckets.get(usize::from(*bucket)) {
                    each(from + *offset as usize, bucket);
                }
            }
            from += block.len();
        }
    }

    /// What may begin at the last byte of `bytes`.
    pub(super) fn tail(&self, bytes: &[u8]) -> Option<&Bucket> {
        let at = bytes.len().checked_sub(1)?;
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let place = BEFORE.get(usize::from(before)).copied().unwrap_or_default() | u32::from(*bytes.get(at)?);
        let bucket = self.singles.get(place as usize).copied().filter(|id| *id != 0)?;
        self.buckets.get(usize::from(bucket))
    }
}

fn place(before: Before, one: u8, two: u8) -> u32 {
    (before as u32) << 16 | u32::from(one) << 8 | u32::from(two)
}

fn note(map: &mut HashMap<u32, Bucket>, place: u32, pattern: u32) {
    let bucket = map.entry(place).or_default();
    if bucket.patterns.last() != Some(&(0, pattern)) {
        bucket.patterns.push((0, pattern));
    }
}
