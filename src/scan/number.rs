//! Which expressions can begin at a digit, by the shape of what stands there.
//!
//! Numbers are common in ordinary traffic (times, prices, embeddings) and dozens of expressions begin with a
//! digit. Two runs of digits and the bytes behind them tell most of those apart: `\b\d{9}\b` fits one length only.
//!
//! Promises: an expression that can match at a place is in the bucket of that place. Of what does not lie
//! wholly within the text at hand nothing is said.

use std::collections::HashMap;
use std::sync::Arc;

use regex_automata::dfa::Automaton;
use regex_automata::util::primitives::StateID;

use super::bucket::Bucket;
use super::check;
use super::opening::digit_run;
use super::pattern::Verify;
use super::regex::{FREE_STEPS, Machine, is_word};

/// Digits of the first and of the second run that are told apart; as many or more count as so many.
const FIRST_MAX: usize = 16;
const SECOND_MAX: usize = 12;

/// Kinds of bytes behind a run of digits.
const KINDS: usize = 9;

/// Kinds from this one on can part the digits of one number.
const PARTING: usize = 2;

const KEYS: usize = 3 * (FIRST_MAX + 1) * KINDS * (SECOND_MAX + 1) * KINDS;

// A look never changes a budget.
const _: () = assert!(FIRST_MAX + SECOND_MAX + 2 < FREE_STEPS);

/// The kind of a byte that is no digit.
fn kind(byte: u8) -> usize {
    match byte {
        b' ' => 2,
        b'.' => 3,
        b'-' => 4,
        b'/' => 5,
        b':' => 6,
        b',' => 7,
        b'(' | b')' => 8,
        _ if is_word(byte) => 1,
        _ => 0,
    }
}

/// What stands before a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Other = 0,
    /// A byte of an ASCII word.
    Word = 1,
    /// A digit and a full stop.
    Fraction = 2,
}

/// Where in the table a shape stands.
fn key(before: Before, first: usize, behind: usize, second: usize, last: usize) -> usize {
    (((before as usize * (FIRST_MAX + 1) + first) * KINDS + behind) * (SECOND_MAX + 1) + second) * KINDS + last
}

/// The table.
#[derive(Debug)]
pub(super) struct Numbers {
    keys: Box<[u16]>,
    buckets: Vec<Bucket>,
}

impl Numbers {
    /// Follows every expression, with what verifies it, through every shape. Those with a guard are looked for elsewhere.
    pub(super) fn new(machines: &[Option<Arc<Machine>>], verify: &[Option<Verify>]) -> Self {
        let machine = |index: usize| machines.get(index).and_then(Option::as_deref).filter(|machine| machine.guard.is_none());
        let begins =
            |machine: &Machine| (b'0'..=b'9').any(|digit| machine.can_begin(true, digit) || machine.can_begin(false, digit));
        let indexes: Vec<usize> = (0..machines.len()).filter(|index| machine(*index).is_some_and(begins)).collect();
        let width = indexes.len().div_ceil(64);
        let mut sets = vec![0u64; KEYS * width];
        for (bit, index) in indexes.iter().enumerate() {
            let Some(machine) = machine(*index) else { continue };
            let verify = verify.get(*index).copied().flatten();
            Shapes::of(machine, !verify.is_some_and(check::refuses_fraction)).each(|key| {
                if let Some(word) = sets.get_mut(key * width + bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            });
        }
        let mut buckets = vec![Bucket::default()];
        let mut known = HashMap::new();
        let mut number = |set: &[u64]| {
            if set.iter().all(|word| *word == 0) {
                return 0;
            }
            *known.entry(set.to_vec()).or_insert_with(|| {
                let has = |bit: &usize| set.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1);
                let members = (0..indexes.len()).filter(has).filter_map(|bit| indexes.get(bit)).map(|index| *index as u32);
                buckets.push(Bucket::of(members, false, machines));
                buckets.len() as u16 - 1
            })
        };
        let keys = if width == 0 { Box::default() } else { sets.chunks(width).map(&mut number).collect() };
        Self { keys, buckets }
    }

    /// What can begin with the digit at `at`; nothing if the text does not reach far enough to tell.
    #[inline]
    pub(super) fn at(&self, bytes: &[u8], at: usize) -> Option<&Bucket> {
        let before = match bytes.get(at.saturating_sub(2)..at)? {
            [.., byte] if is_word(*byte) => Before::Word,
            [digit, b'.'] if digit.is_ascii_digit() => Before::Fraction,
            _ => Before::Other,
        };
        let first = digit_run(bytes, at, FIRST_MAX);
        let (mut behind, mut second, mut last) = (0, 0, 0);
        if first < FIRST_MAX {
            behind = kind(*bytes.get(at + first)?);
            if behind >= PARTING {
                second = digit_run(bytes, at + first + 1, SECOND_MAX);
                if second < SECOND_MAX {
                    last = kind(*bytes.get(at + first + 1 + second)?);
                }
            }
        }
        let bucket = self.keys.get(key(before, first, behind, second, last))?;
        self.buckets.get(usize::from(*bucket))
    }
}

/// Where an expression can be after some bytes.
#[derive(Clone)]
struct Place {
    /// Sorted, each once.
    states: Vec<StateID>,
    /// Whether a match has ended by then.
    matched: bool,
}

impl Place {
    fn open(&self) -> bool {
        self.matched || !self.states.is_empty()
    }
}

/// The shapes of one expression.
struct Shapes<'m> {
    machine: &'m Machine,
    /// Whether a match may be a fraction.
    fraction: bool,
    /// One byte of each class of the automaton that has a digit.
    digits: Vec<u8>,
    /// The same for the bytes of each kind.
    kinds: [Vec<u8>; KINDS],
}

impl<'m> Shapes<'m> {
    fn of(machine: &'m Machine, fraction: bool) -> Self {
        let classes = machine.dfa().byte_classes();
        let one_a_class = |wanted: &dyn Fn(u8) -> bool| {
            let mut seen = [false; 256];
            let fresh =
                |byte: &u8| seen.get_mut(usize::from(classes.get(*byte))).is_some_and(|seen| !std::mem::replace(seen, true));
            (0..=u8::MAX).filter(|byte| wanted(*byte)).filter(fresh).collect::<Vec<u8>>()
        };
        let kinds = std::array::from_fn(|one| one_a_class(&|byte| !byte.is_ascii_digit() && kind(byte) == one));
        Self { machine, fraction, digits: one_a_class(&|byte| byte.is_ascii_digit()), kinds }
    }

    fn step(&self, from: &Place, bytes: &[u8]) -> Place {
        let dfa = self.machine.dfa();
        let mut to = Place { states: Vec::new(), matched: from.matched };
        for state in &from.states {
            for &byte in bytes {
                let next = dfa.next_state(*state, byte);
                to.matched |= dfa.is_match_state(next);
                if !dfa.is_dead_state(next) && !dfa.is_quit_state(next) {
                    to.states.push(next);
                }
            }
        }
        to.states.sort_unstable();
        to.states.dedup();
        to
    }

    /// Whether a match can go on with a byte of a kind, or has ended.
    fn goes_on(&self, from: &Place, kind: usize) -> bool {
        let dfa = self.machine.dfa();
        let bytes = self.kinds.get(kind).map_or(&[][..], Vec::as_slice);
        let alive = |state: StateID| !dfa.is_dead_state(state) && !dfa.is_quit_state(state);
        from.matched || from.states.iter().any(|state| bytes.iter().any(|byte| alive(dfa.next_state(*state, *byte))))
    }

    fn behind(&self, from: &Place, kind: usize) -> Place {
        self.kinds.get(kind).map_or_else(|| from.clone(), |bytes| self.step(from, bytes))
    }

    /// Calls `open` with the key of every shape with which a match can begin.
    fn each(&self, mut open: impl FnMut(usize)) {
        for before in [Before::Other, Before::Word, Before::Fraction] {
            if before == Before::Fraction && !self.fraction {
                continue;
            }
            let mut run = Place { states: self.machine.starts(before == Before::Word).collect(), matched: false };
            for first in 1..=FIRST_MAX {
                run = self.step(&run, &self.digits);
                if !run.open() {
                    break;
                }
                if first == FIRST_MAX {
                    open(key(before, first, 0, 0, 0));
                    break;
                }
                for behind in 0..KINDS {
                    let mut inner = self.behind(&run, behind);
                    if behind < PARTING {
                        if inner.open() {
                            open(key(before, first, behind, 0, 0));
                        }
                        continue;
                    }
                    for second in 0..=SECOND_MAX {
                        if second > 0 {
                            inner = self.step(&inner, &self.digits);
                        }
                        if !inner.open() {
                            break;
                        }
                        if second == SECOND_MAX {
                            open(key(before, first, behind, second, 0));
                            break;
                        }
                        for last in (0..KINDS).filter(|last| self.goes_on(&inner, *last)) {
                            open(key(before, first, behind, second, last));
                        }
                    }
                }
            }
        }
    }
}
