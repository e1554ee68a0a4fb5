//! What must stand at a few telling places of a match, looked at before its automaton is started.
//!
//! Promises: an expression that can match at a place always fits there; what lies beyond the text at hand
//! fits. So a look never changes what is found, only what it costs.

use regex_automata::dfa::Automaton;
use regex_automata::util::alphabet::{ByteClasses, Unit};
use regex_automata::util::primitives::StateID;

use super::byteset::{ByteSet, in_set, put};

/// Most looks of one expression.
const LOOKS_MAX: usize = 4;

/// Bytes that the table of beginnings has looked at already.
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

/// The looks of one expression, the most telling first.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    looks: Vec<(usize, ByteSet)>,
}

impl Ahead {
    /// Follows an automaton from its start states through the first `len` bytes that every match has.
    pub(super) fn new(dfa: &impl Automaton, classes: &ByteClasses, starts: &[StateID], len: usize) -> Self {
        let mut states = starts.to_vec();
        let mut offsets = Vec::new();
        for offset in 0..len.min(REACH) {
            let mut set = [0; 4];
            let mut next = Vec::new();
            for class in classes.representatives(0..=u8::MAX).filter_map(Unit::as_u8) {
                let before = next.len();
                let alive = |state: &StateID| !dfa.is_dead_state(*state) && !dfa.is_quit_state(*state);
                next.extend(states.iter().map(|state| dfa.next_state(*state, class)).filter(alive));
                if next.len() > before {
                    let same = |byte: &u8| classes.get(*byte) == classes.get(class);
                    (0..=u8::MAX).filter(same).for_each(|byte| put(&mut set, byte));
                }
            }
            if offset >= KNOWN {
                offsets.push((share(&set), offset, set));
            }
            next.sort_unstable();
            next.dedup();
            if next.len() > STATES_MAX {
                break;
            }
            states = next;
        }
        offsets.sort_unstable();
        let mut looks: Vec<(usize, ByteSet)> = Vec::new();
        for (share, offset, set) in offsets {
            if share <= SHARE_MAX && looks.len() < LOOKS_MAX && looks.iter().all(|(other, _)| other.abs_diff(offset) >= APART) {
                looks.push((offset, set));
            }
        }
        Self { looks }
    }

    /// Whether a match could begin at `at` of `bytes`, as far as they go.
    #[inline]
    pub(super) fn fits(&self, bytes: &[u8], at: usize) -> bool {
        self.looks.iter().all(|(offset, set)| bytes.get(at + offset).is_none_or(|byte| in_set(set, *byte)))
    }
}

/// The share of ordinary text that a set has, in thousandths.
fn share(set: &ByteSet) -> u32 {
    let of = |wanted: &dyn Fn(u8) -> bool| {
        (0..=u8::MAX).zip(PRIOR).filter(|(byte, _)| wanted(*byte)).map(|(_, share)| u32::from(share)).sum::<u32>()
    };
    of(&|byte| in_set(set, byte)) * 1_000 / of(&|_| true).max(1)
}
