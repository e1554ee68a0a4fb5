//! The first bytes of a place, all at once.
//!
//! An opening is eight bytes as phrases see them: ASCII letters in lower case, digits, and every other
//! byte as a gap. A [`Prefixes`] is a set of such beginnings; it never wrongly says that one is not in it.
//! [`digits_at`] counts digits. What is not ASCII, or has not arrived, has no opening: then everything fits.

/// Bytes of an opening.
pub(super) const OPENING: usize = 8;

/// The byte that stands for a gap.
pub(super) const GAP: u8 = b' ';

/// Bytes in which digits are counted.
pub(super) const DIGITS_WITHIN: usize = 16;

/// The top bit of each byte.
pub(super) const TOPS: u64 = all(0x80);

/// A byte in all places of a word.
pub(super) const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The tops of bytes without a top of their own that lie between `low` and `high`.
pub(super) const fn between(word: u64, low: u8, high: u8) -> u64 {
    // Nothing carries: a byte without a top and one that is below it stay below two tops.
    word.wrapping_add(all(0x80 - low)) & !word.wrapping_add(all(0x7F - high)) & TOPS
}

/// The opening at a place, its first byte in the lowest place, if there are eight ASCII bytes.
#[inline]
pub(super) fn opening(bytes: &[u8], at: usize) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.get(at..).and_then(<[u8]>::first_chunk)?);
    if word & TOPS != 0 {
        return None;
    }
    let lower = word | all(0x20);
    let gaps = !(between(lower, b'a', b'z') | between(word, b'0', b'9')) & TOPS;
    // A top becomes a whole byte; digits have the bit of lower case already.
    let blank = (gaps >> 7).wrapping_mul(0xFF);
    Some(lower & !blank | all(GAP) & blank)
}

/// How many of the next [`DIGITS_WITHIN`] bytes are digits; all of them may be where fewer are at hand.
#[inline]
pub(super) fn digits_at(bytes: &[u8], at: usize) -> u8 {
    let Some(&window) = bytes.get(at..).and_then(<[u8]>::first_chunk::<DIGITS_WITHIN>) else { return DIGITS_WITHIN as u8 };
    let (low, high) = (u128::from_le_bytes(window) as u64, (u128::from_le_bytes(window) >> 64) as u64);
    // The tops are taken out first, so that no byte carries into the next.
    let digits = |word: u64| between(word & !TOPS, b'0', b'9') & !word;
    let (low, high) = (digits(low), digits(high));
    // Most places have none.
    if low | high == 0 { 0 } else { low.count_ones() as u8 + high.count_ones() as u8 }
}

/// How many digits follow each other from `at` on, counted up to `max`.
#[inline]
pub(super) fn digit_run(bytes: &[u8], at: usize, max: usize) -> usize {
    let mut run = 0;
    while run < max {
        let Some(eight) = bytes.get(at + run..).and_then(<[u8]>::first_chunk) else {
            let rest = bytes.get(at + run..).unwrap_or_default();
            run += rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            break;
        };
        let word = u64::from_le_bytes(*eight);
        let others = !(between(word & !TOPS, b'0', b'9') & !word) & TOPS;
        run += others.trailing_zeros() as usize / 8;
        if others != 0 {
            break;
        }
    }
    run.min(max)
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
        for bit in self.places(key) {
            self.bits.get_mut(bit >> 6).into_iter().for_each(|bits| *bits |= 1 << (bit & 63));
        }
    }

    /// Whether a key may be in it.
    #[inline]
    pub(super) fn has(&self, key: u64) -> bool {
        self.places(key).into_iter().all(|bit| self.bits.get(bit >> 6).is_some_and(|bits| bits >> (bit & 63) & 1 == 1))
    }

    /// Its two bits: with one alone, a full table lets every tenth key pass.
    fn places(&self, key: u64) -> [usize; 2] {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        [(hash >> self.shift) as usize, ((hash << 16) >> self.shift) as usize]
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
                let folded = eight.map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { GAP });
                assert_eq!(opening(&eight, 0), Some(u64::from_le_bytes(folded)), "{byte:#x} at {place}");
            }
        }
        assert_eq!(opening(b"abc\xC2\xA0def", 0), None);
        assert_eq!(opening(b"abcdefg", 0), None);
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
        for (text, run) in
            [("", 0), ("a1", 0), ("1", 1), ("12345678", 8), ("12345678x", 8), ("123456789012 1", 12), ("1\u{e9}2", 1)]
        {
            assert_eq!(digit_run(text.as_bytes(), 0, 16), run, "{text}");
            assert_eq!(digit_run(text.as_bytes(), 0, 3), run.min(3), "{text}");
        }
    }
}
