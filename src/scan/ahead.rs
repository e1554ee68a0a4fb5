//! What every match begins with and has at a few telling places, looked at before its automaton is started.
//!
//! Promises: an expression that can match at a place always fits there; what lies beyond the text at hand
//! fits. So a look never changes what is found, only what it costs.

use regex_automata::dfa::Automaton;
use regex_automata::util::alphabet::{ByteClasses, Unit};
use regex_automata::util::primitives::StateID;

use super::byteset::{ByteSet, in_set, put};
use super::opening::{DIGITS_WITHIN, GAP, OPENING, Prefixes, digits_at, opening};
use super::shape::{PAIR, shapes};

/// Most looks of one expression.
const LOOKS_MAX: usize = 4;

/// Bytes behind the pair of which the table of beginnings has what can stand there.
pub(super) const BEHIND: usize = 8;

/// Bytes at which no look is worth it: the table of pairs has looked at them, or at their neighbours.
const KNOWN: usize = 3;

/// Looks lie within the steps of a run that are free, so that they never change a budget.
const REACH: usize = 48;

/// Neighbours tell much the same: looks are at least this far apart.
const APART: usize = 3;

/// A look whose set has a larger share of ordinary text, in thousandths, tells too little.
const SHARE_MAX: u32 = 850;

/// States that are followed at one offset; with more, what lies behind is not looked at.
const STATES_MAX: usize = 256;

/// How often each byte stands in ordinary text (prose, JSON and numbers in equal parts), of 1,000.
static PRIOR: [u16; 256] = prior();

#[expect(clippy::indexing_slicing, reason = "constant loops over 256 places, checked at compile time")]
const fn prior() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0x20;
    while byte < 0x7F {
        table[byte] = 2;
        byte += 1;
    }
    let letters = *b"etaoinsrhldcumfpgwybvkxjqz";
    let shares = [64, 46, 42, 40, 40, 38, 36, 34, 24, 22, 20, 18, 16, 14, 12, 12, 10, 9, 9, 8, 6, 4, 2, 2, 2, 2];
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = shares[at];
        at += 1;
    }
    let mut digit = b'0';
    while digit <= b'9' {
        table[digit as usize] = 16;
        digit += 1;
    }
    table[b' ' as usize] = 110;
    table[b'"' as usize] = 30;
    table[b',' as usize] = 16;
    table[b'.' as usize] = 12;
    table[b':' as usize] = 10;
    table[b'_' as usize] = 8;
    table[b'-' as usize] = 6;
    table[b'\n' as usize] = 8;
    table
}

/// Most beginnings of one expression that are listed, and the shortest that are worth it.
const PREFIXES_MAX: usize = 512;
const PREFIX_MIN: usize = 4;

/// What is looked at before an expression is tried.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Telling places, the most telling first.
    looks: Vec<(usize, ByteSet)>,
    /// Fewest digits among the first bytes, as [`super::opening::digits_at`] counts them.
    pub(super) digits: u8,
    /// The beginnings, if they are few, and the bytes of an opening that they have.
    prefixes: Option<(u64, Prefixes)>,
    /// What can stand at the places behind the pair, as far as each match has them.
    pub(super) behind: Vec<ByteSet>,
    /// The shapes of places where it can match, one bit each.
    pub(super) shapes: u16,
}

impl Ahead {
    /// Follows an automaton from its start states through the first `len` bytes that every match has.
    pub(super) fn new(dfa: &impl Automaton, classes: &ByteClasses, starts: &[StateID], len: usize) -> Self {
        let paths = Paths::new(dfa, classes);
        let (sets, digits) = paths.places(starts, len);
        let behind: Vec<ByteSet> = sets.iter().skip(PAIR).take(BEHIND).copied().collect();
        let shapes = shapes(&behind, digits);
        Self { looks: looks(&sets), digits, prefixes: paths.prefixes(starts, len), behind, shapes }
    }

    /// Whether a match could begin at `at` of `bytes`, as far as they go.
    #[inline]
    pub(super) fn fits(&self, bytes: &[u8], at: usize) -> bool {
        if self.digits > 0 && digits_at(bytes, at) < self.digits {
            return false;
        }
        if let Some((mask, prefixes)) = &self.prefixes
            && opening(bytes, at).is_some_and(|opening| !prefixes.has(opening & mask))
        {
            return false;
        }
        self.looks.iter().all(|(offset, set)| bytes.get(at + offset).is_none_or(|byte| in_set(set, *byte)))
    }
}

/// Bytes that an automaton does not tell apart.
struct Class {
    byte: u8,
    set: ByteSet,
    digits: bool,
}

/// The ways through an automaton.
struct Paths<'d, A> {
    dfa: &'d A,
    classes: Vec<Class>,
}

impl<'d, A: Automaton> Paths<'d, A> {
    fn new(dfa: &'d A, classes: &ByteClasses) -> Self {
        let class = |byte: u8| {
            let same = |other: &u8| classes.get(*other) == classes.get(byte);
            let mut set = [0; 4];
            (0..=u8::MAX).filter(same).for_each(|other| put(&mut set, other));
            Class { byte, set, digits: (0..=u8::MAX).filter(same).all(|other| other.is_ascii_digit()) }
        };
        let classes = classes.representatives(0..=u8::MAX).filter_map(Unit::as_u8).map(class).collect();
        Self { dfa, classes }
    }

    fn next(&self, state: StateID, byte: u8) -> Option<StateID> {
        let next = self.dfa.next_state(state, byte);
        (!self.dfa.is_dead_state(next) && !self.dfa.is_quit_state(next)).then_some(next)
    }

    /// What can stand at each place that every match has, as far as it is followed, and the fewest digits.
    fn places(&self, starts: &[StateID], len: usize) -> (Vec<ByteSet>, u8) {
        let mut states: Vec<(StateID, u8)> = starts.iter().map(|state| (*state, 0)).collect();
        let mut sets = Vec::new();
        let mut fewest = u8::MAX;
        for offset in 0..len.clamp(DIGITS_WITHIN, REACH) {
            if offset == DIGITS_WITHIN || states.len() > STATES_MAX {
                fewest = fewest.min(least(&states));
            }
            if states.len() > STATES_MAX {
                break;
            }
            let mut set = [0; 4];
            let mut next = Vec::new();
            for &(state, digits) in &states {
                // A match that ends here has no more of them.
                if self.dfa.is_match_state(self.dfa.next_eoi_state(state)) {
                    fewest = fewest.min(digits);
                }
                for class in &self.classes {
                    let Some(state) = self.next(state, class.byte) else { continue };
                    if self.dfa.is_match_state(state) {
                        fewest = fewest.min(digits);
                    }
                    next.push((state, digits.saturating_add(u8::from(class.digits))));
                    set.iter_mut().zip(class.set).for_each(|(all, more)| *all |= more);
                }
            }
            if offset < len {
                sets.push(set);
            }
            next.sort_unstable();
            next.dedup_by_key(|(state, _)| *state);
            states = next;
        }
        (sets, fewest.min(least(&states)))
    }

    /// All beginnings as openings have them, as long as they are few, and which bytes of an opening they have.
    fn prefixes(&self, starts: &[StateID], len: usize) -> Option<(u64, Prefixes)> {
        let gaps = (0..0x80).filter(|byte: &u8| !byte.is_ascii_alphanumeric());
        let letters = (b'a'..=b'z').map(|byte| (byte, vec![byte, byte.to_ascii_uppercase()]));
        let symbols = letters.chain((b'0'..=b'9').map(|byte| (byte, vec![byte]))).chain([(GAP, gaps.collect())]);
        let one_a_class = |(symbol, bytes): (u8, Vec<u8>)| {
            let has = |class: &&Class| bytes.iter().any(|byte| in_set(&class.set, *byte));
            (symbol, self.classes.iter().filter(has).map(|class| class.byte).collect())
        };
        let symbols: Vec<(u8, Vec<u8>)> = symbols.map(one_a_class).collect();
        let mut found = vec![(0u64, starts.to_vec())];
        let mut known = 0;
        while known < OPENING.min(len) {
            let mut next = Vec::new();
            for (key, states) in &found {
                for (symbol, bytes) in &symbols {
                    let mut after: Vec<StateID> =
                        states.iter().flat_map(|state| bytes.iter().filter_map(|byte| self.next(*state, *byte))).collect();
                    if !after.is_empty() {
                        after.sort_unstable();
                        after.dedup();
                        next.push((key | u64::from(*symbol) << (8 * known), after));
                    }
                }
                if next.len() > PREFIXES_MAX {
                    break;
                }
            }
            if next.len() > PREFIXES_MAX {
                break;
            }
            found = next;
            known += 1;
        }
        if known < PREFIX_MIN {
            return None;
        }
        // An expression that can match nothing has none at all.
        let mut prefixes = Prefixes::new((found.len().max(1) * 16).ilog2().clamp(8, 13));
        for (key, _) in &found {
            prefixes.put(*key);
        }
        Some((u64::MAX >> (8 * (OPENING - known)), prefixes))
    }
}

/// The most telling places of those of which the sets are given, and what can stand there.
fn looks(sets: &[ByteSet]) -> Vec<(usize, ByteSet)> {
    let mut offsets: Vec<_> = sets.iter().enumerate().skip(KNOWN).map(|(offset, set)| (share(set), offset, *set)).collect();
    offsets.sort_unstable();
    let mut looks: Vec<(usize, ByteSet)> = Vec::new();
    for (share, offset, set) in offsets {
        if share <= SHARE_MAX && looks.len() < LOOKS_MAX && looks.iter().all(|(other, _)| other.abs_diff(offset) >= APART) {
            looks.push((offset, set));
        }
    }
    looks
}

fn least(states: &[(StateID, u8)]) -> u8 {
    states.iter().map(|(_, digits)| *digits).min().unwrap_or(u8::MAX)
}

/// The share of ordinary text that a set has, in thousandths.
fn share(set: &ByteSet) -> u32 {
    let of = |wanted: &dyn Fn(u8) -> bool| {
        (0..=u8::MAX).zip(PRIOR).filter(|(byte, _)| wanted(*byte)).map(|(_, share)| u32::from(share)).sum::<u32>()
    };
    of(&|byte| in_set(set, byte)) * 1_000 / of(&|_| true).max(1)
}
