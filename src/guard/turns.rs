//! The turns that were judged in earlier exchanges, and what was decided of each.
//!
//! A chat client sends its whole conversation with every request. A turn is known again by the keyed hash of the
//! conversation up to and with it (`Chain`), so that a text vouches for nothing but itself at its place. Promises:
//! a bounded table, at whose ceiling the older half goes, and what is forgotten is judged as new; a lock is held for
//! an access to a map; nothing of a text can be told from what is kept, and without the process's key no turn can be
//! made to look like another. It will not judge, and is not told of what is not judged to its end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::base::limits::TURNS_MAX;

/// Parts of the table, each under a lock of its own.
const SHARDS: usize = 64;

/// What a turn is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Turn([u8; 16]);

/// What was decided of a turn when it was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// It passes as it is.
    Clean,
    /// Something in it is replaced.
    Edited,
    /// It does not pass, by this predicate of its program.
    Refused(u32),
    /// It may pass, and has not: something that was said with it was refused.
    Unsent,
}

/// The turns that the guards of a process remember.
pub struct Turns {
    /// None where the system gave no random bytes: then nothing is remembered.
    key: Option<[u8; 32]>,
    shards: Vec<Mutex<Shard>>,
    /// Entries of one generation of one shard.
    room: usize,
}

/// Two generations: what is asked for again moves to the younger, and when that is full the older one goes.
#[derive(Debug, Default)]
struct Shard {
    younger: HashMap<Turn, Decided>,
    older: HashMap<Turn, Decided>,
}

impl Shard {
    fn put(&mut self, turn: Turn, decided: Decided, room: usize) {
        if self.younger.len() >= room && !self.younger.contains_key(&turn) {
            std::mem::swap(&mut self.younger, &mut self.older);
            self.younger.clear();
        }
        self.younger.insert(turn, decided);
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(TURNS_MAX)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Turns {
    /// A table for about `max` turns, and never more.
    pub fn new(max: usize) -> Self {
        let mut key = [0; 32];
        let shards = SHARDS.min((max / 2).max(1));
        Self {
            key: getrandom::fill(&mut key).is_ok().then_some(key),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            room: (max / 2 / shards).max(1),
        }
    }

    /// Begins the hash of a conversation. None where nothing is remembered.
    pub(crate) fn begin(&self) -> Option<Chain> {
        self.key.map(|key| Chain(Sha256::new_with_prefix(key)))
    }

    /// What was decided of a turn, if it is known.
    pub(crate) fn recall(&self, turn: Turn) -> Option<Decided> {
        let mut shard = self.shard(turn)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decided) = shard.younger.get(&turn) {
            return Some(*decided);
        }
        let decided = shard.older.remove(&turn)?;
        shard.put(turn, decided, self.room);
        Some(decided)
    }

    /// Remembers what was decided of a turn, once that is final.
    pub(crate) fn remember(&self, turn: Turn, decided: Decided) {
        if let Some(shard) = self.shard(turn) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).put(turn, decided, self.room);
        }
    }

    fn shard(&self, turn: Turn) -> Option<&Mutex<Shard>> {
        let [first, ..] = turn.0;
        self.shards.get(usize::from(first) % self.shards.len().max(1))
    }
}

/// The running hash of a conversation, from what it is bound to up to the part that was read last.
///
/// The key stands before all; since no hash is ever shown, nobody can go on from one.
pub(crate) struct Chain(Sha256);

impl Chain {
    /// Takes in a text. Its length goes before it, so that no two rows of texts are alike.
    pub(crate) fn add(&mut self, kind: u8, text: &[u8]) {
        self.0.update([kind]);
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    /// The turn that a text makes here, without taking it in.
    pub(crate) fn beside(&self, kind: u8, text: &[u8]) -> Turn {
        let mut aside = Self(self.0.clone());
        aside.add(kind, text);
        aside.turn()
    }

    /// The turn that ends here.
    pub(crate) fn turn(&self) -> Turn {
        let whole: [u8; 32] = self.0.clone().finalize().into();
        Turn(whole.first_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(turns: &Turns, texts: &[&str]) -> Turn {
        let mut chain = turns.begin().unwrap();
        texts.iter().for_each(|text| chain.add(b'U', text.as_bytes()));
        chain.turn()
    }

    #[test]
    fn a_turn_is_its_text_and_all_before_it() {
        let turns = Turns::default();
        let known = turn(&turns, &["a", "bc"]);
        assert_eq!(turn(&turns, &["a", "bc"]), known);
        for other in [&["ab", "c"][..], &["bc"], &["a", "bc", ""], &["b", "bc"], &["abc"], &["bc", "a"]] {
            assert_ne!(turn(&turns, other), known, "{other:?}");
        }
        let mut chain = turns.begin().unwrap();
        chain.add(b'U', b"a");
        let aside = chain.beside(b'U', b"bc");
        assert_eq!(aside, known);
        assert_ne!(chain.beside(b'T', b"bc"), known);
        assert_eq!(chain.turn(), turn(&turns, &["a"]), "what stands beside is not taken in");
        assert_ne!(turn(&Turns::default(), &["a", "bc"]), known, "each process has a key of its own");
    }

    #[test]
    fn the_older_generation_goes_and_what_is_asked_for_stays() {
        let turns = Turns::new(8);
        assert_eq!((turns.shards.len(), turns.room), (4, 1));
        let one = Turns { shards: vec![Mutex::default()], room: 2, ..Turns::new(2) };
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|text| turn(&one, &[text]));
        one.remember(a, Decided::Refused(7));
        one.remember(b, Decided::Clean);
        one.remember(c, Decided::Edited);
        assert_eq!((one.recall(a), one.recall(c)), (Some(Decided::Refused(7)), Some(Decided::Edited)));
        // `a` has moved to the younger ones; `b` has not, and goes with the older.
        one.remember(d, Decided::Clean);
        assert_eq!(one.recall(b), None);
        one.remember(e, Decided::Clean);
        assert_eq!((one.recall(a), one.recall(d)), (Some(Decided::Refused(7)), Some(Decided::Clean)));
        let held: usize = one.shards.iter().map(|s| s.lock().unwrap()).map(|s| s.younger.len() + s.older.len()).sum();
        assert!(held <= 4);
    }

    #[test]
    fn the_table_never_grows_beyond_its_ceiling() {
        for max in [0, 1, 2, 100, 1000] {
            let turns = Turns::new(max);
            for n in 0..5_000 {
                turns.remember(turn(&turns, &[&n.to_string()]), Decided::Clean);
            }
            let held: usize = turns.shards.iter().map(|s| s.lock().unwrap()).map(|s| s.younger.len() + s.older.len()).sum();
            assert!(held <= max.max(2), "{held} of {max}");
            assert_eq!(turns.recall(turn(&turns, &["0"])), None);
        }
        assert!(size_of::<(Turn, Decided)>() <= 32);
    }
}
