//! Check digits: the sums that numbering schemes have in common, and the dates inside them.
//!
//! Each takes digits as values 0 to 9, check digit included where it is the last one.

/// Most digits of any number that has a check here.
const MOST: usize = 24;

/// The digits of a text, without its marks. A text with more than any scheme has counts as empty.
pub(super) struct Digits {
    list: [u8; MOST],
    len: usize,
}

impl Digits {
    /// Reads them.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut digits = Self { list: [0; MOST], len: 0 };
        for byte in text.iter().filter(|b| b.is_ascii_digit()) {
            let Some(slot) = digits.list.get_mut(digits.len) else { return Self { list: [0; MOST], len: 0 } };
            *slot = byte - b'0';
            digits.len += 1;
        }
        digits
    }
}

impl std::ops::Deref for Digits {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

/// The number that digits spell; of more than nine, their last nine.
pub(super) fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, d| n % 100_000_000 * 10 + u32::from(*d))
}

/// The number from one place to another.
pub(super) fn part(digits: &[u8], from: usize, to: usize) -> u32 {
    digits.get(from..to).map(number).unwrap_or_default()
}

/// One digit.
pub(super) fn digit(digits: &[u8], at: usize) -> u32 {
    digits.get(at).map_or(0, |d| u32::from(*d))
}

/// Whether all digits are one and the same.
pub(super) fn uniform(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair.first() == pair.last())
}

/// Sum of digits times weights, from the first on.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(d, w)| u32::from(*d) * w).sum()
}

/// Luhn (ISO/IEC 7812-1 annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let doubled = |(at, digit): (usize, &u8)| {
        let value = u32::from(*digit) << (at % 2);
        if value > 9 { value - 9 } else { value }
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

/// Verhoeff's check in the dihedral group of ten.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTE: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    // The group: turns are 0 to 4, reflections 5 to 9.
    let join = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let step = |sum: u8, (at, digit): (usize, &u8)| {
        let moved = PERMUTE.get(at % 8).and_then(|row| row.get(usize::from(*digit))).copied().unwrap_or_default();
        join(sum, moved)
    };
    digits.iter().rev().enumerate().fold(0, step) == 0
}

/// ISO/IEC 7064, MOD 11,10.
pub(super) fn mod11_10(digits: &[u8]) -> bool {
    let Some((last, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*last)
}

/// The remainder by 97 (ISO/IEC 7064, MOD 97-10) of digits as long as they may be.
pub(super) fn mod97(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |rest, d| (rest * 10 + u32::from(*d)) % 97)
}

/// Whether there is such a day in some year.
pub(super) fn day(month: u32, day: u32) -> bool {
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        _ => return false,
    };
    (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_pass_and_their_neighbours_do_not() {
        let luhn_of = |text: &str| luhn(&Digits::of(text.as_bytes()));
        assert!(luhn_of("7992 7398 713") && !luhn_of("79927398710"));
        let verhoeff_of = |text: &str| verhoeff(&Digits::of(text.as_bytes()));
        assert!(verhoeff_of("2363") && verhoeff_of("758722") && !verhoeff_of("2364") && !verhoeff_of("785722"));
        let iso = |text: &str| mod11_10(&Digits::of(text.as_bytes()));
        assert!(iso("07945") && !iso("07946"));
        assert_eq!(mod97(&Digits::of(b"794")), 18);
        assert!(day(2, 29) && !day(2, 30) && !day(0, 1) && !day(13, 1) && !day(4, 31));
    }

    #[test]
    fn a_number_longer_than_any_scheme_is_none() {
        assert_eq!(Digits::of(&[b'1'; 24]).len(), 24);
        assert_eq!(Digits::of(&[b'1'; 25]).len(), 0);
    }
}
