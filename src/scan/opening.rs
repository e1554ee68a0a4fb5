//! The first bytes of a place, all at once.
//!
//! An [`Opening`] is eight bytes as phrases see them: ASCII letters in lower case, digits, and every other
//! byte as a gap. A [`Prefixes`] is a set of such beginnings; it never wrongly says that one is not in it.
//! [`digits_at`] counts digits. What is not ASCII, or has not arrived, has no opening: then everything fits.

/// Bytes of an opening.
pub(super) const OPENING: usize = 8;

/// The byte that stands for a gap.
pub(super) const GAP: u8 = b' ';

/// Bytes in which digits are counted.
pub(super) const DIGITS_WITHIN: usize = 16;

const TOPS: u64 = all(0x80);

/// A byte in all places of a word.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The tops of bytes without a top of their own that lie between `low` and `high`.
const fn between(word: u64, low: u8, high: u8) -> u64 {
    (word + all(0x80 - low)) & !(word + all(0x7F - high)) & TOPS
}

/// Eight folded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The bytes, the first in the lowest place.
    pub(super) folded: u64,
    /// The top bit of each byte that is a gap.
    pub(super) gaps: u64,
}

impl Opening {
    /// The opening at a place, if there are eight ASCII bytes.
    #[inline]
    pub(super) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let word = u64::from_le_bytes(*bytes.get(at..).and_then(<[u8]>::first_chunk)?);
        if word & TOPS != 0 {
            return None;
        }
        let lower = word | all(0x20);
        let letters = between(lower, b'a', b'z');
        let digits = between(word, b'0', b'9');
        let whole = |tops: u64| (tops >> 7) * 0xFF;
        let gaps = !(letters | digits) & TOPS;
        Some(Self { folded: lower & whole(letters) | word & whole(digits) | all(GAP) & whole(gaps), gaps })
    }

    /// The first four bytes of the first word; what follows it counts as blanks.
    #[inline]
    pub(super) fn head(self) -> u64 {
        let kept = (1u64 << ((self.gaps as u32).trailing_zeros() & !7)) - 1;
        self.folded & kept | u64::from(u32::from_le_bytes([GAP; 4])) & !kept
    }
}

/// How many of the next [`DIGITS_WITHIN`] bytes are digits; all of them may be where fewer are at hand.
#[inline]
pub(super) fn digits_at(bytes: &[u8], at: usize) -> u8 {
    let Some(&window) = bytes.get(at..).and_then(<[u8]>::first_chunk::<DIGITS_WITHIN>) else { return DIGITS_WITHIN as u8 };
    let (low, high) = (u128::from_le_bytes(window) as u64, (u128::from_le_bytes(window) >> 64) as u64);
    // The tops are taken out first, so that no byte carries into the next.
    let digits = |word: u64| (between(word & !TOPS, b'0', b'9') & !word).count_ones() as u8;
    digits(low) + digits(high)
}

/// A set of keys that never wrongly says no.
#[derive(Debug)]
pub(super) struct Prefixes {
    bits: Box<[u64]>,
    /// Bits of a hash that do not count.
    shift: u32,
}

impl Prefixes {
    /// An empty set of two to the `power` bits, 6 to 16.
    pub(super) fn new(power: u32) -> Self {
        Self { bits: vec![0; 1 << (power - 6)].into_boxed_slice(), shift: 64 - power }
    }

    /// Puts a key in.
    pub(super) fn put(&mut self, key: u64) {
        let hash = self.hash(key);
        if let Some(bits) = self.bits.get_mut(hash >> 6) {
            *bits |= 1 << (hash & 63);
        }
    }

    /// Whether a key may be in it.
    #[inline]
    pub(super) fn has(&self, key: u64) -> bool {
        let hash = self.hash(key);
        self.bits.get(hash >> 6).is_some_and(|bits| bits >> (hash & 63) & 1 == 1)
    }

    fn hash(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_at_once_fold_as_one_by_one() {
        for byte in 0..=0x7F_u8 {
            for place in 0..8 {
                let mut eight = *b"aZ0 z9A_";
                eight[place] = byte;
                let opening = Opening::at(&eight, 0).unwrap();
                let mut head = Vec::new();
                for (at, (was, is)) in eight.iter().zip(opening.folded.to_le_bytes()).enumerate() {
                    let gap = !was.is_ascii_alphanumeric();
                    assert_eq!(is, if gap { GAP } else { was.to_ascii_lowercase() }, "{byte:#x} at {place}");
                    assert_eq!(opening.gaps >> (8 * at + 7) & 1 == 1, gap, "{byte:#x} at {place}");
                    if at == head.len() && at < 4 && !gap {
                        head.push(is);
                    }
                }
                head.resize(4, GAP);
                head.resize(8, 0);
                assert_eq!(opening.head().to_le_bytes(), *head, "{byte:#x} at {place}");
            }
        }
        assert_eq!(Opening::at(b"abc\xC2\xA0def", 0), None);
        assert_eq!(Opening::at(b"abcdefg", 0), None);
    }

    #[test]
    fn digits_are_counted_beside_any_byte() {
        for byte in 0..=u8::MAX {
            let mut text = *b"x1:9/0 a.5-6\xFF7\xB0\x80";
            text[2] = byte;
            let plain = text.iter().filter(|b| b.is_ascii_digit()).count();
            assert_eq!(usize::from(digits_at(&text, 0)), plain, "{byte:#x}");
        }
        assert_eq!(digits_at(b"12 and no more", 0), 16);
    }
}
