//! The words of all phrases: what a disguise is for.
//!
//! Promises: asking for a word that is not there costs a few nanoseconds, and splitting letters grows with their number.

use std::collections::HashSet;

/// Longest word that is kept, in bytes.
pub(super) const WORD_MAX: usize = 24;

/// Bits of the table that is asked first.
const BITS: u32 = 16;

/// Words, folded to small letters.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    words: HashSet<Box<[u8]>>,
    /// One bit a hash: set where some word has it.
    maybe: Vec<u64>,
}

/// The hash of a word that grows letter by letter (FNV-1a, folded).
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const EMPTY: Self = Self(0xCBF2_9CE4_8422_2325);

    fn add(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x100_0000_01B3))
    }

    fn of(word: &[u8]) -> Self {
        word.iter().fold(Self::EMPTY, |hash, byte| hash.add(*byte))
    }

    /// The word and the bit of the table.
    fn place(self) -> (usize, u64) {
        let at = (self.0 ^ self.0 >> 32) & ((1 << BITS) - 1);
        (usize::try_from(at >> 6).unwrap_or_default(), 1 << (at & 63))
    }
}

impl Dictionary {
    /// The words of these phrases; those of one letter are none.
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let words: HashSet<Box<[u8]>> = words.filter(|word| (2..=WORD_MAX).contains(&word.len())).map(Box::from).collect();
        let mut maybe = vec![0; 1 << (BITS - 6)];
        for (at, bit) in words.iter().map(|word| Hash::of(word).place()) {
            maybe.get_mut(at).into_iter().for_each(|bits| *bits |= bit);
        }
        Self { words, maybe }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it holds the word, ASCII case ignored.
    pub(super) fn has(&self, word: &str) -> bool {
        word.len() <= WORD_MAX && self.holds(word.as_bytes(), Hash::of(word.as_bytes()))
    }

    fn holds(&self, word: &[u8], hash: Hash) -> bool {
        let (at, bit) = hash.place();
        if self.maybe.get(at).is_none_or(|bits| bits & bit == 0) {
            return false;
        }
        let mut folded = [0; WORD_MAX];
        let Some(folded) = folded.get_mut(..word.len()) else { return false };
        folded.copy_from_slice(word);
        folded.make_ascii_lowercase();
        self.words.contains(&*folded)
    }

    /// Whether letters are words run together, as few as possible; `words` gets their lengths, in order.
    pub(super) fn split(&self, letters: &str, words: &mut Vec<usize>) -> bool {
        words.clear();
        let letters = letters.as_bytes();
        // By end: how many words lead there at least, and the length of the last.
        let mut best = vec![(usize::MAX, 0); letters.len() + 1];
        best.iter_mut().take(1).for_each(|start| *start = (0, 0));
        for from in 0..letters.len() {
            let count = best.get(from).map_or(usize::MAX, |(count, _)| *count);
            if count == usize::MAX {
                continue;
            }
            let rest = letters.get(from..).unwrap_or_default();
            let mut hash = Hash::EMPTY;
            for (len, byte) in (1..=WORD_MAX).zip(rest) {
                hash = hash.add(*byte);
                if let Some(place) = best.get_mut(from + len).filter(|(other, _)| *other > count + 1)
                    && rest.get(..len).is_some_and(|word| self.holds(word, hash))
                {
                    *place = (count + 1, len);
                }
            }
        }
        let mut end = letters.len();
        while let Some(&(_, len)) = best.get(end).filter(|(_, len)| *len > 0) {
            words.push(len);
            end -= len;
        }
        words.reverse();
        end == 0 && !words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_split_into_as_few_words_as_may_be() {
        let words: [&[u8]; 6] = [b"the", b"rapist", b"therapist", b"or", b"a", b"in"];
        let dictionary = Dictionary::new(words.into_iter());
        let mut lengths = Vec::new();
        for (letters, wanted) in [("theRapistOr", Some(vec![9, 2])), ("inthe", Some(vec![2, 3])), ("inthea", None), ("", None)] {
            assert_eq!(dictionary.split(letters, &mut lengths).then(|| lengths.clone()), wanted, "{letters}");
        }
        assert!(dictionary.has("Therapist") && !dictionary.has("a") && !dictionary.has("apist"));
    }
}
