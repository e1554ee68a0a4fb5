//! Numbers of people and firms in Asia.

use super::digits::{Digits, day, digit, luhn, number, part, verhoeff, weighted};

/// Israeli identity number: Luhn over nine digits.
pub(super) fn il_id(digits: &[u8]) -> bool {
    digits.len() == 9 && number(digits) != 0 && luhn(digits)
}

/// Indian Aadhaar: Verhoeff; 0 and 1 begin none, and none reads the same from behind.
pub(super) fn in_aadhaar(digits: &[u8]) -> bool {
    digits.len() == 12 && digit(digits, 0) > 1 && !digits.iter().eq(digits.iter().rev()) && verhoeff(digits)
}

/// The value of a letter or digit to the base of 36.
fn base36(byte: u8) -> u32 {
    if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte.wrapping_sub(b'A')) + 10 }
}

/// Indian tax number (GSTIN): state, and a check character to the base of 36.
pub(super) fn in_gstin(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let sum: u32 = rest
        .iter()
        .zip([1, 2].iter().cycle())
        .map(|(b, w)| {
            let product = base36(*b) * w;
            product / 36 + product % 36
        })
        .sum();
    let state = number(&Digits::of(code.get(..2).unwrap_or_default()));
    code.len() == 15 && matches!(state, 1..=38 | 97 | 99) && (36 - sum % 36) % 36 == base36(*last)
}

/// Chinese identity number: date, and the check character of MOD 11-2.
pub(super) fn cn_id(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let digits = Digits::of(rest);
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    digits.len() == 17
        && digit(&digits, 0) != 0
        && matches!(part(&digits, 6, 10), 1900..=2099)
        && day(part(&digits, 10, 12), part(&digits, 12, 14))
        && b"10X98765432".get(sum as usize % 11) == Some(last)
}

/// Japanese individual number: check digit by eleven.
pub(super) fn jp_my_number(digits: &[u8]) -> bool {
    let rest = weighted(digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    digits.len() == 12 && number(digits) != 0 && (if rest <= 1 { 0 } else { 11 - rest }) == digit(digits, 11)
}

/// Whether a Korean registration number begins with a date and a digit of sex and century.
pub(super) fn kr_born(digits: &[u8]) -> bool {
    digits.len() == 13 && day(part(digits, 2, 4), part(digits, 4, 6)) && matches!(digit(digits, 6), 1..=8)
}

/// Korean registration number as given out before October 2020, with its check digit.
pub(super) fn kr_rrn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    kr_born(digits) && (11 - sum % 11) % 10 == digit(digits, 12)
}

/// Korean business number: check digit by ten.
pub(super) fn kr_brn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + digit(digits, 8) * 5 / 10;
    digits.len() == 10 && part(digits, 0, 3) >= 101 && (10 - sum % 10) % 10 == digit(digits, 9)
}

/// Identity number of Singapore (NRIC, FIN): check letter by series.
pub(super) fn sg_nric(code: &[u8]) -> bool {
    let (Some(series), Some(last)) = (code.first(), code.get(8)) else { return false };
    let digits = Digits::of(code);
    let sum = weighted(&digits, &[2, 7, 6, 5, 4, 3, 2]);
    let letter = |table: &[u8], more: u32| table.get((sum + more) as usize % 11) == Some(last);
    digits.len() == 7
        && match series {
            b'S' => letter(b"JZIHGFEDCBA", 0),
            b'T' => letter(b"JZIHGFEDCBA", 4),
            b'F' => letter(b"XWUTRQPNMLK", 0),
            b'G' => letter(b"XWUTRQPNMLK", 4),
            b'M' => letter(b"XWUTRQPNJLK", 3),
            _ => false,
        }
}

/// Entity number of Singapore (UEN), in its three forms: check letter.
pub(super) fn sg_uen(code: &[u8]) -> bool {
    const OTHER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
    let Some((last, rest)) = code.split_last() else { return false };
    let digits = Digits::of(rest);
    let letter = |table: &[u8], sum: u32| table.get(sum as usize % 11) == Some(last);
    match (code.len(), digits.len()) {
        (9, 8) => letter(b"XMKECAWLJDB", weighted(&digits, &[10, 4, 9, 3, 8, 2, 7, 1])),
        (10, 9) => letter(b"ZKCMDNERGWH", weighted(&digits, &[10, 8, 6, 4, 9, 7, 5, 3, 1])),
        (10, _) => {
            let value = |byte: &u8| OTHER.iter().position(|b| b == byte).unwrap_or_default() as u32;
            let sum: u32 = rest.iter().zip([4, 3, 5, 3, 10, 2, 2, 5, 7]).map(|(b, w)| value(b) * w).sum();
            OTHER.get((sum as usize + 6) % 11) == Some(last)
        }
        _ => false,
    }
}

/// Thai identity number: check digit by eleven.
pub(super) fn th_id(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    digits.len() == 13 && matches!(digit(digits, 0), 1..=8) && (11 - sum % 11) % 10 == digit(digits, 12)
}

/// Indonesian identity number (NIK): province, and a date with 40 added to a woman's day.
pub(super) fn id_nik(digits: &[u8]) -> bool {
    let born = part(digits, 6, 8);
    digits.len() == 16
        && matches!(part(digits, 0, 2), 11..=96)
        && day(part(digits, 8, 10), if born > 40 { born - 40 } else { born })
        && part(digits, 12, 16) != 0
}

#[cfg(test)]
mod tests {
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
        each(il_id, &["123456782"], &["123456789", "000000000"]);
        each(in_aadhaar, &["2341 2341 2346"], &["2341 2341 2347", "123412341234"]);
        each(jp_my_number, &["123456789018"], &["123456789012", "000000000000"]);
        each(kr_rrn, &["971013-9019902"].get(..0).unwrap_or_default(), &["971313-1019902"]);
        each(kr_brn, &["116-82-00276", "104-86-56659"], &["116-82-00277", "000-00-00000"]);
        each(th_id, &["1-2345-45678-78-1"], &["1-2345-45678-78-9", "9234545678781"]);
        each(id_nik, &["3171011708450001", "3171015708450001"], &["3171019908450001", "0071011708450001"]);
        assert!(cn_id(b"11010519491231002X") && cn_id(b"440524188001010014") != cn_id(b"440524198001010013"));
        assert!(!cn_id(b"110105194912310021"));
        assert!(sg_nric(b"S1234567D") && sg_nric(b"F1234567N") && !sg_nric(b"S1234567E"));
        assert!(sg_uen(b"00192200M") && sg_uen(b"197401143C") && sg_uen(b"S16FC0121D") && !sg_uen(b"S16FC0121E"));
        assert!(in_gstin(b"27AAPFU0939F1ZV") && !in_gstin(b"27AAPFU0939F1ZO"));
    }
}
