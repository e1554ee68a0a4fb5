//! Numbers of people and firms in Australia, New Zealand and South Africa.

use super::digits::{day, digit, luhn, part, uniform, weighted};

/// Australian business number (ABN): one taken from the first digit, weights by 89.
pub(super) fn au_abn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    digits.len() == 11 && digit(digits, 0) != 0 && (sum - 10).is_multiple_of(89)
}

/// Australian company number (ACN): weights 8 to 1 by ten.
pub(super) fn au_acn(digits: &[u8]) -> bool {
    let check = (10 - weighted(digits, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10) % 10;
    digits.len() == 9 && !uniform(digits) && check == digit(digits, 8)
}

/// Australian tax file number, of nine digits or, the older ones, eight: weights by eleven.
pub(super) fn au_tfn(digits: &[u8]) -> bool {
    let sum = match digits.len() {
        9 => weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]),
        8 => weighted(digits, &[10, 7, 8, 4, 6, 3, 5, 1]),
        _ => return false,
    };
    !uniform(digits) && sum.is_multiple_of(11)
}

/// Australian Medicare card: first digit 2 to 6, check digit in the ninth place.
pub(super) fn au_medicare(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(digits.len(), 10 | 11) && matches!(digit(digits, 0), 2..=6) && sum == digit(digits, 8)
}

/// New Zealand tax number (IRD): in range, two tries by eleven.
pub(super) fn nz_ird(digits: &[u8]) -> bool {
    let mut nine = [0u8; 9];
    let Some(from) = 9usize.checked_sub(digits.len()).filter(|from| *from <= 1) else { return false };
    for (slot, digit) in nine.iter_mut().skip(from).zip(digits) {
        *slot = *digit;
    }
    let check = |weights: &[u32]| (11 - weighted(&nine, weights) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    (10_000..150_000).contains(&part(&nine, 0, 6)) && check == digit(&nine, 8)
}

/// New Zealand health index (NHI): letters without I and O, check digit or, since 2022, check letter.
pub(super) fn nz_nhi(code: &[u8]) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    let value = |byte: u8| {
        let letter = LETTERS.iter().position(|b| *b == byte).map(|at| at as u32 + 1);
        if byte.is_ascii_digit() { Some(u32::from(byte - b'0')) } else { letter }
    };
    let Some((last, rest)) = code.split_last() else { return false };
    let mut sum = 0;
    for (byte, weight) in rest.iter().zip([7, 6, 5, 4, 3, 2]) {
        let Some(value) = value(*byte) else { return false };
        sum += value * weight;
    }
    let old = sum % 11 != 0 && (11 - sum % 11) % 10 == u32::from(last.wrapping_sub(b'0'));
    let new = || LETTERS.get(23 - sum as usize % 24) == Some(last);
    code.len() == 7 && if last.is_ascii_digit() { old } else { new() }
}

/// South African identity number: date, citizenship, Luhn.
pub(super) fn za_id(digits: &[u8]) -> bool {
    digits.len() == 13 && day(part(digits, 2, 4), part(digits, 4, 6)) && matches!(digit(digits, 10), 0..=2) && luhn(digits)
}

#[cfg(test)]
mod tests {
    use super::super::digits::Digits;
    use super::*;

    fn each(check: fn(&[u8]) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check(&Digits::of(text.as_bytes())), "{text}");
        }
        for text in bad {
            assert!(!check(&Digits::of(text.as_bytes())), "{text}");
        }
    }

    #[test]
    fn numbers_of_the_specifications_pass_and_their_neighbours_do_not() {
        each(au_abn, &["83 914 571 673", "51 824 753 556"], &["83 914 571 674", "00000000560"]);
        each(au_acn, &["004 085 616", "010 749 961"], &["004 085 617"]);
        each(au_tfn, &["123 456 782", "81 854 402"], &["123 456 783", "000000000"]);
        each(au_medicare, &["2123 45670 1"], &["2123 45671 1", "7123 45670 1"]);
        each(nz_ird, &["49091850", "35901981", "49098576", "136410132"], &["136410133", "9125568"]);
        each(za_id, &["7503305044089", "8001015009087"], &["8001015009086", "9125568000000"]);
        assert!(nz_nhi(b"ZAC5361") && nz_nhi(b"JBX3656") && !nz_nhi(b"ZAC5362") && !nz_nhi(b"DAB8233"));
        assert!(nz_nhi(b"ALU18KZ") && !nz_nhi(b"ALU18KY"));
    }
}
