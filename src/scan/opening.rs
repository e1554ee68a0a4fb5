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
    // Nothing carries: a byte without a top and one that is below it stay below two tops.
    word.wrapping_add(all(0x80 - low)) & !word.wrapping_add(all(0x7F - high)) & TOPS
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
        let gaps = !(letters | digits) & TOPS;
        // A top becomes a whole byte; digits have the bit of lower case already.
        let blank = (gaps >> 7).wrapping_mul(0xFF);
        Some(Self { folded: lower & !blank | all(GAP) & blank, gaps })
    }

    /// The first `count` bytes, at most eight.
    #[inline]
    pub(super) fn first(self, count: usize) -> u64 {
        self.folded & (u64::MAX >> (8 * (OPENING - count.clamp(1, OPENING))))
    }

    /// Where the first gap stands that is not among the first `count` bytes, or the last byte if there is none.
    #[inline]
    pub(super) fn gap_from(self, count: usize) -> usize {
        let gaps = self.gaps >> (8 * count);
        if gaps == 0 { OPENING - 1 } else { count + gaps.trailing_zeros() as usize / 8 }
    }

    /// How many bytes there are before two gaps stand side by side, the first of the two counted; eight if none do.
    #[inline]
    pub(super) fn up_to_second_gap(self) -> usize {
        let pairs = self.gaps & self.gaps >> 8;
        if pairs == 0 { OPENING } else { pairs.trailing_zeros() as usize / 8 + 1 }
    }

    /// Whether `wanted` holds for the bytes up to and with some gap of the first `count` bytes.
    #[inline]
    pub(super) fn any_end(self, count: usize, wanted: impl Fn(u64) -> bool) -> bool {
        let mut gaps = self.gaps & (u64::MAX >> (8 * (OPENING - count.clamp(1, OPENING))));
        while gaps != 0 {
            let lowest = gaps & gaps.wrapping_neg();
            if wanted(self.folded & (lowest | lowest.wrapping_sub(1))) {
                return true;
            }
            gaps &= gaps.wrapping_sub(1);
        }
        false
    }
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

/// Where the next digit stands from `from` on; the end if there is none.
#[inline]
pub(super) fn next_digit(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*eight);
        let digits = between(word & !TOPS, b'0', b'9') & !word;
        if digits != 0 {
            return at + digits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len())
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
                let opening = Opening::at(&eight, 0).unwrap();
                let gaps: Vec<usize> = (0..8).filter(|at| !eight[*at].is_ascii_alphanumeric()).collect();
                let folded: Vec<u8> =
                    (0..8).map(|at| if gaps.contains(&at) { GAP } else { eight[at].to_ascii_lowercase() }).collect();
                assert_eq!(opening.folded.to_le_bytes(), *folded, "{byte:#x} at {place}");
                for count in 1..=8 {
                    let seen = std::cell::RefCell::new(Vec::new());
                    opening.any_end(count, |key| {
                        seen.borrow_mut().push(key);
                        false
                    });
                    let ends: Vec<u64> = gaps.iter().filter(|at| **at < count).map(|at| opening.first(at + 1)).collect();
                    assert_eq!(*seen.borrow(), ends, "{byte:#x} at {place}");
                }
                let second = gaps.windows(2).find(|two| two[0] + 1 == two[1]).map_or(8, |two| two[1]);
                assert_eq!(opening.up_to_second_gap(), second, "{byte:#x} at {place}");
                for count in 0..8 {
                    let gap = gaps.iter().copied().find(|at| *at >= count);
                    assert_eq!(opening.gap_from(count), gap.unwrap_or(7), "{byte:#x} at {place}");
                }
                for count in 1..=8 {
                    let mut first = folded[..count].to_vec();
                    first.resize(8, 0);
                    assert_eq!(opening.first(count).to_le_bytes(), *first);
                }
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
        let text = "none here, \u{660} and then 1 or\u{b2}\u{b3}22 at the end 3".as_bytes();
        for from in 0..=text.len() {
            let rest = &text[from..];
            let next = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
            assert_eq!(next_digit(text, from), from + next, "{from}");
        }
        for (text, run) in
            [("", 0), ("a1", 0), ("1", 1), ("12345678", 8), ("12345678x", 8), ("123456789012 1", 12), ("1\u{e9}2", 1)]
        {
            assert_eq!(digit_run(text.as_bytes(), 0, 16), run, "{text}");
            assert_eq!(digit_run(text.as_bytes(), 0, 3), run.min(3), "{text}");
        }
    }
}
