//! Where matches can begin: one table look-up a byte, by the byte itself, the next, and what stands before; then one for
//! each of the bytes behind the pair, by 64 patterns at once, until none of them is left.
//!
//! Promises: an expression that can match at a place is left there; what has not arrived bars nothing.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ahead::BEHIND;
use super::bucket::Bucket;
use super::byteset::{ByteSet, in_set};
use super::number::Numbers;
use super::pattern::Pattern;
use super::phrase::Tree;
use super::regex::Machine;
use super::shape::{BLOCK, PAIR, Shape, Sight};

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

fn before(byte: u8) -> Before {
    match byte {
        b'_' => Before::Underscore,
        _ if byte.is_ascii_alphanumeric() => Before::Word,
        _ => Before::Other,
    }
}

/// A byte in the tables: what it adds to a place as the one before, as the first and as the second, in bits 32 and on,
/// 16 to 31 and 0 to 15.
#[derive(Clone, Copy, Debug, Default)]
struct Step(u64);

impl Step {
    fn before(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn one(self) -> u32 {
        u32::from((self.0 >> 16) as u16)
    }

    fn two(self) -> u32 {
        u32::from(self.0 as u16)
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Filter {
    /// Bytes that nothing tells apart have the same step, so that the table stays small.
    steps: Box<[Step; 256]>,
    /// By what stands before, byte and next byte: a bucket.
    pairs: Box<[u16]>,
    /// By what stands before and byte, for a place with no next byte yet.
    singles: Box<[u16]>,
    buckets: Vec<Bucket>,
    /// By bucket, what is alive in it.
    alive: Vec<u32>,
    /// More closely, what may begin with a digit.
    numbers: Numbers,
    /// By word of 64 patterns, place behind the pair, and byte: which of them it lets begin.
    behind: Vec<[[u64; 256]; BEHIND]>,
    /// The order in which words hold the patterns.
    slots: Box<[u32]>,
}

/// What can begin with a byte of the one set and one of the other, after some that stand before.
struct Beginning {
    before: &'static [Before],
    ones: ByteSet,
    /// None where the text ends with the first.
    twos: Option<ByteSet>,
    /// None is a phrase.
    pattern: Option<u32>,
}

/// Sets of what may begin, one bit each: the phrase first, then the patterns.
struct Slots {
    bits: Vec<u64>,
    /// Words a slot.
    width: usize,
}

impl Slots {
    fn new(count: usize, patterns: usize) -> Self {
        let width = patterns / 64 + 1;
        Self { bits: vec![0; count * width], width }
    }

    /// Adds a pattern, or the phrase, to a slot.
    fn add(&mut self, slot: usize, pattern: Option<u32>) {
        let bit = pattern.map_or(0, |pattern| pattern as usize + 1);
        self.bits.get_mut(slot * self.width + bit / 64).into_iter().for_each(|word| *word |= 1 << (bit % 64));
    }

    fn iter(&self) -> impl Iterator<Item = &[u64]> {
        self.bits.chunks_exact(self.width)
    }

    fn is_empty(slot: &[u64]) -> bool {
        slot.iter().all(|word| *word == 0)
    }

    fn phrase(slot: &[u64]) -> bool {
        slot.first().is_some_and(|word| word & 1 == 1)
    }

    /// The patterns of a slot, in order.
    fn patterns(slot: &[u64]) -> impl Iterator<Item = u32> {
        let bits = slot
            .iter()
            .zip((0u32..).step_by(64))
            .flat_map(|(word, first)| (0..64).map(move |bit| (word >> bit & 1 == 1, first + bit)));
        bits.skip(1).filter(|(set, _)| *set).map(|(_, bit)| bit - 1)
    }
}

const PARTS: usize = 3;

/// Room for what is found in a block.
const PLACES: usize = BLOCK.next_power_of_two();

impl Filter {
    /// Builds the table. Machines with a guard are not in it.
    pub(super) fn new(machines: &[Option<Arc<Machine>>], patterns: &[Pattern], tree: &Tree) -> Self {
        let slots = slots(machines);
        // From here on a pattern goes by its slot.
        let machines: Vec<_> = slots.iter().map(|pattern| machines.get(*pattern as usize).cloned().flatten()).collect();
        let verify: Vec<_> =
            slots.iter().map(|pattern| patterns.get(*pattern as usize).and_then(|pattern| pattern.verify)).collect();
        let machines = machines.as_slice();
        let beginnings = beginnings(machines, tree);
        let classes = classes(&beginnings);
        // One byte of each class stands for all.
        let mut first = Vec::new();
        for (byte, class) in (0..=u8::MAX).zip(&classes) {
            if *class == first.len() {
                first.push(byte);
            }
        }
        let count = first.len();
        let members =
            |set: &ByteSet| (0..count).filter(|c| first.get(*c).is_some_and(|byte| in_set(set, *byte))).collect::<Vec<_>>();
        let (mut pairs, mut singles) =
            (Slots::new(PARTS * count * count, machines.len()), Slots::new(PARTS * count, machines.len()));
        for beginning in &beginnings {
            let (ones, twos) = (members(&beginning.ones), beginning.twos.as_ref().map(members));
            for row in beginning.before.iter().flat_map(|part| ones.iter().map(|one| *part as usize * count + one)) {
                match &twos {
                    None => singles.add(row, beginning.pattern),
                    Some(twos) => twos.iter().for_each(|two| pairs.add(row * count + two, beginning.pattern)),
                }
            }
        }
        let mut buckets = vec![Bucket::default()];
        let mut known: HashMap<&[u64], u16> = HashMap::new();
        let mut number = |slot| {
            if Slots::is_empty(slot) {
                return 0;
            }
            *known.entry(slot).or_insert_with(|| {
                buckets.push(Bucket::of(Slots::patterns(slot), Slots::phrase(slot), machines));
                buckets.len() as u16 - 1
            })
        };
        let (pairs, singles) = (pairs.iter().map(&mut number).collect(), singles.iter().map(&mut number).collect());
        let mut steps = Box::new([Step::default(); 256]);
        for ((step, class), byte) in steps.iter_mut().zip(classes).zip(0..=u8::MAX) {
            // There are at most 256 classes: each sum has its bits to itself.
            let before = before(byte) as usize * count * count;
            *step = Step((before as u64) << 32 | ((class * count) as u64) << 16 | class as u64);
        }
        let (numbers, behind) = (Numbers::new(machines, &verify), behind(machines));
        let alive = buckets.iter().map(Bucket::alive).collect();
        Self { steps, pairs, singles, buckets, alive, numbers, behind, slots }
    }

    fn step(&self, byte: u8) -> Step {
        self.steps.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Calls `each` with every place of `bytes` from `from` that has a next byte and where something may
    /// begin, with its shape, and what may. `last` if the text ends with them.
    #[inline]
    pub(super) fn candidates(&self, bytes: &[u8], from: usize, last: bool, mut each: impl FnMut(usize, Shape, &Bucket)) {
        let Some((&first, rest)) = bytes.get(from..).and_then(<[u8]>::split_first) else { return };
        let before = from.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let one = self.step(first);
        let mut reached = (self.step(before).before() + one.one(), one);
        let mut places = [0u32; PLACES];
        for (block, from) in rest.chunks(BLOCK).zip((from..).step_by(BLOCK)) {
            let found;
            (found, reached) = self.look(block, reached, &mut places);
            let sight = Sight::new(bytes.get(from..).unwrap_or_default(), last);
            for place in places.iter().take(found) {
                let (at, bucket) = ((*place >> 16) as usize, usize::from(*place as u16));
                let shape = sight.shape(at);
                let alive = self.alive.get(bucket).copied().unwrap_or_default();
                if alive & (Bucket::PHRASE | 1 << shape.index()) != 0
                    && let Some(bucket) = self.buckets.get(bucket)
                {
                    each(from + at, shape, bucket);
                }
            }
        }
    }

    /// Looks up the bytes of a block, which follow one byte each: leaves offset and bucket in bits 16 and on and 0 to 15 of
    /// `places`. Gives how many it found, and the row of the next block with its first byte. A function of its own, so that
    /// the loop keeps its registers.
    #[inline(never)]
    fn look(&self, block: &[u8], (mut row, mut one): (u32, Step), places: &mut [u32; PLACES]) -> (usize, (u32, Step)) {
        let (steps, pairs) = (&*self.steps, &*self.pairs);
        let mut found = 0usize;
        // Without a branch a byte: most places where something may begin cannot be foreseen.
        for (offset, byte) in block.iter().enumerate() {
            let two = steps.get(usize::from(*byte)).copied().unwrap_or_default();
            // The sums stay below the size of the table.
            let bucket = pairs.get(row.wrapping_add(two.two()) as usize).copied().unwrap_or_default();
            if let Some(slot) = places.get_mut(found % PLACES) {
                *slot = (offset as u32) << 16 | u32::from(bucket);
            }
            found = found.wrapping_add(usize::from(bucket != 0));
            row = one.before().wrapping_add(two.one());
            one = two;
        }
        (found, (row, one))
    }

    /// Which patterns of a word the bytes behind a pair let begin, as far as they go. `telling` is the place among them that
    /// is looked at first.
    #[inline]
    fn left(&self, word: u32, mut bits: u64, behind: &[u8], telling: usize) -> u64 {
        let Some(table) = self.behind.get(word as usize) else { return bits };
        let lets = |row: &[u64; 256], byte: u8| row.get(usize::from(byte)).copied().unwrap_or_default();
        if let (Some(row), Some(byte)) = (table.get(telling), behind.get(telling)) {
            bits &= lets(row, *byte);
        }
        for (row, byte) in table.iter().zip(behind) {
            if bits == 0 {
                break;
            }
            bits &= lets(row, *byte);
        }
        bits
    }

    /// Calls `each` with every pattern of a bucket that the bytes at `at`, of which this is the shape, let begin there.
    #[inline]
    pub(super) fn beginning(&self, bytes: &[u8], at: usize, (bucket, shape): (&Bucket, Shape), mut each: impl FnMut(u32)) {
        let behind = bytes.get(at + PAIR..).unwrap_or_default();
        for &(word, bits) in self.closer(bytes, at, bucket).words(shape) {
            let mut left = self.left(word, bits, behind, shape.telling());
            while left != 0 {
                self.slots.get((word * 64 + left.trailing_zeros()) as usize).into_iter().for_each(|pattern| each(*pattern));
                left &= left - 1;
            }
        }
    }

    /// All patterns of a bucket.
    pub(super) fn patterns(&self, bucket: &Bucket) -> impl Iterator<Item = u32> {
        bucket.slots().filter_map(|slot| self.slots.get(slot as usize).copied())
    }

    /// Which patterns may begin at a place whose pair allows `bucket`.
    #[inline]
    fn closer<'f>(&'f self, bytes: &[u8], at: usize, bucket: &'f Bucket) -> &'f Bucket {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() => self.numbers.at(bytes, at).unwrap_or(bucket),
            _ => bucket,
        }
    }

    /// What may begin at the last byte of `bytes`.
    pub(super) fn tail(&self, bytes: &[u8]) -> Option<&Bucket> {
        let at = bytes.len().checked_sub(1)?;
        let before = before(at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' '));
        let place = before as usize * (self.singles.len() / PARTS) + self.step(*bytes.get(at)?).two() as usize;
        let bucket = self.singles.get(place).copied().filter(|id| *id != 0)?;
        self.buckets.get(usize::from(bucket))
    }
}

/// The patterns, those first that may begin at most places: so those of an ordinary place lie in few words.
fn slots(machines: &[Option<Arc<Machine>>]) -> Box<[u32]> {
    let size = |set: &ByteSet| set.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
    let places = |pattern: &u32| {
        let Some(machine) = machines.get(*pattern as usize).and_then(Option::as_deref) else { return 0 };
        let of = |word| machine.pairs(word).iter().map(|(ones, twos)| size(ones) * size(twos)).sum::<u64>();
        of(true) + of(false)
    };
    let mut slots: Vec<u32> = (0..machines.len() as u32).collect();
    slots.sort_by_key(|pattern| Reverse(places(pattern)));
    slots.into()
}

/// Which patterns each byte lets begin behind a pair.
fn behind(machines: &[Option<Arc<Machine>>]) -> Vec<[[u64; 256]; BEHIND]> {
    let mut tables = vec![[[u64::MAX; 256]; BEHIND]; machines.len().div_ceil(64)];
    for (index, machine) in machines.iter().enumerate() {
        let (Some(table), Some(machine)) = (tables.get_mut(index / 64), machine) else { continue };
        for (row, set) in table.iter_mut().zip(&machine.ahead.behind) {
            let barred = row.iter_mut().zip(0..=u8::MAX).filter(|(_, byte)| !in_set(set, *byte));
            barred.for_each(|(bits, _)| *bits &= !(1 << (index % 64)));
        }
    }
    tables
}

/// Everything that can begin, the patterns in order.
fn beginnings(machines: &[Option<Arc<Machine>>], tree: &Tree) -> Vec<Beginning> {
    let mut all = Vec::new();
    for (index, machine) in machines.iter().enumerate() {
        let Some(machine) = machine else { continue };
        for (word, before) in [(true, &[Before::Word, Before::Underscore][..]), (false, &[Before::Other])] {
            if machine.guard.is_none() {
                let pattern = Some(index as u32);
                all.push(Beginning { before, ones: machine.firsts(word), twos: None, pattern });
                let pairs = machine.pairs(word).iter();
                all.extend(pairs.map(|&(ones, twos)| Beginning { before, ones, twos: Some(twos), pattern }));
            }
        }
    }
    let before = &[Before::Underscore, Before::Other];
    all.push(Beginning { before, ones: tree.firsts(), twos: None, pattern: None });
    all.extend(tree.pairs().into_iter().map(|(ones, twos)| Beginning { before, ones, twos: Some(twos), pattern: None }));
    all
}

/// The class of each byte: two bytes are of one class if each set has both or neither.
fn classes(beginnings: &[Beginning]) -> Vec<usize> {
    let sets: BTreeSet<ByteSet> = beginnings.iter().flat_map(|b| [Some(b.ones), b.twos]).flatten().collect();
    let mut known: HashMap<Vec<bool>, usize> = HashMap::new();
    let mut class = |byte: u8| {
        let fresh = known.len();
        *known.entry(sets.iter().map(|set| in_set(set, byte)).collect()).or_insert(fresh)
    };
    (0..=u8::MAX).map(&mut class).collect()
}
