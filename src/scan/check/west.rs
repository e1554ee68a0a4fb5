//! Numbers of people and firms in western and southern Europe.

use super::digits::{Digits, day, digit, luhn, mod11_10, mod97, number, part, uniform, weighted};

/// British NHS number: weights 10 to 2 by eleven.
pub(super) fn uk_nhs(digits: &[u8]) -> bool {
    let check = (11 - weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    digits.len() == 10 && !uniform(digits) && check == digit(digits, 9)
}

/// British taxpayer reference (UTR): its first digit checks the others.
pub(super) fn uk_utr(digits: &[u8]) -> bool {
    let Some((first, rest)) = digits.split_first() else { return false };
    let sum = weighted(rest, &[6, 7, 8, 9, 10, 5, 4, 3, 2]) as usize % 11;
    digits.len() == 10 && b"21987654321".get(sum).is_some_and(|check| check - b'0' == *first)
}

/// British insurance number (NINO): letters that are given out.
pub(super) fn uk_nino(code: &[u8]) -> bool {
    let barred: [&[u8]; 7] = [b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
    code.get(..2).is_some_and(|head| !barred.contains(&head))
}

/// British driving licence: the parts that stand for the birth date.
pub(super) fn uk_driving_licence(code: &[u8]) -> bool {
    let Some(digits) = code.get(5..11).map(Digits::of) else { return false };
    let month = part(&digits, 1, 3);
    digits.len() == 6 && day(if month > 50 { month - 50 } else { month }, part(&digits, 3, 5))
}

/// Irish personal number (PPS): check letter, with or without the second letter.
pub(super) fn ie_pps(code: &[u8]) -> bool {
    let Some((head, letters)) = code.split_at_checked(7) else { return false };
    let digits = Digits::of(head);
    let (Some(check), second) = (letters.first(), letters.get(1)) else { return false };
    let more = second.map_or(0, |b| if *b == b'W' { 0 } else { u32::from(b.wrapping_sub(b'A')) + 1 });
    let sum = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2]) + more * 9;
    digits.len() == 7 && b"WABCDEFGHIJKLMNOPQRSTUV".get(sum as usize % 23) == Some(check)
}

/// French registration number (NIR): sex, month, department, key by 97. In Corsica 2A counts as 19, 2B as 18.
pub(super) fn fr_nir(code: &[u8]) -> bool {
    let mut plain = [0u8; 15];
    if code.len() != 15 {
        return false;
    }
    plain.copy_from_slice(code);
    match plain.get(5..7) {
        Some(b"2A") => plain.get_mut(5..7).unwrap_or_default().copy_from_slice(b"19"),
        Some(b"2B") => plain.get_mut(5..7).unwrap_or_default().copy_from_slice(b"18"),
        _ => {}
    }
    let digits = Digits::of(&plain);
    let key = 97 - mod97(digits.get(..13).unwrap_or_default());
    digits.len() == 15
        && matches!(digit(&digits, 0), 1..=4 | 7 | 8)
        && matches!(part(&digits, 3, 5), 1..=12 | 20..=42 | 50..=99)
        && key == part(&digits, 13, 15)
}

/// French firm (SIREN) or place of business (SIRET): Luhn.
pub(super) fn fr_siren(digits: &[u8]) -> bool {
    matches!(digits.len(), 9 | 14) && number(digits) != 0 && luhn(digits)
}

/// German tax number: no digit more than three times in the first ten, MOD 11,10.
pub(super) fn de_tax_id(digits: &[u8]) -> bool {
    let most = (0..10).map(|d| digits.iter().take(10).filter(|e| **e == d).count()).max();
    digits.len() == 11 && digit(digits, 0) != 0 && most <= Some(3) && mod11_10(digits)
}

/// German VAT number: MOD 11,10.
pub(super) fn de_vat(digits: &[u8]) -> bool {
    digits.len() == 9 && digit(digits, 0) != 0 && mod11_10(digits)
}

/// The value of a letter or digit in machine-readable documents (ICAO 9303): A is 10.
fn icao(byte: u8) -> u32 {
    if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte.wrapping_sub(b'A')) + 10 }
}

/// Serial number of a German identity card or passport, with its check digit last; a `D` may follow.
pub(super) fn de_id_card(code: &[u8]) -> bool {
    let code = code.strip_suffix(b"D").filter(|rest| rest.len() >= 9).unwrap_or(code);
    let Some((last, rest)) = code.split_last() else { return false };
    let sum: u32 = rest.iter().zip([7, 3, 1].iter().cycle()).map(|(b, w)| icao(*b) * w).sum();
    last.is_ascii_digit() && rest.iter().any(u8::is_ascii_digit) && sum % 10 == icao(*last)
}

/// Serial number of a German passport or identity card without a check digit: letters among the digits.
pub(super) fn de_serial(code: &[u8]) -> bool {
    let serial = code.get(..9).unwrap_or_default();
    let letters = serial.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let ends = code.get(9).is_none_or(|b| *b == b'D');
    letters >= 2 && serial.len() == 9 && serial.len() - letters >= 3 && ends
}

/// Sum of the digits of each product.
fn digit_sums(digits: impl Iterator<Item = u32>, weights: &[u32]) -> u32 {
    digits.zip(weights).map(|(d, w)| d * w / 10 + d * w % 10).sum()
}

/// A code with its letter spelt as two digits, A as 01.
fn letters_as_numbers(code: &[u8]) -> impl Iterator<Item = u32> {
    code.iter().flat_map(|byte| {
        let (two, value) = match byte {
            b'A'..=b'Z' => (true, u32::from(byte - b'A') + 1),
            _ => (false, u32::from(byte.wrapping_sub(b'0'))),
        };
        [two.then_some(value / 10), Some(value % 10)].into_iter().flatten()
    })
}

/// German pension insurance number: area, birth date, letter, check digit.
pub(super) fn de_social_security(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let digits = Digits::of(code.get(..8).unwrap_or_default());
    let sum = digit_sums(letters_as_numbers(rest), &[2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]);
    let born = part(&digits, 2, 4);
    code.len() == 12
        && digits.len() == 8
        && day(part(&digits, 4, 6), if born > 50 { born - 50 } else { born })
        && code.get(8).is_some_and(u8::is_ascii_uppercase)
        && sum % 10 == u32::from(last.wrapping_sub(b'0'))
}

/// German health insurance number: a letter, eight digits, a check digit.
pub(super) fn de_health_insurance(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let sum = digit_sums(letters_as_numbers(rest), &[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
    code.len() == 10 && sum % 10 == u32::from(last.wrapping_sub(b'0'))
}

const SPANISH: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Spanish person number (DNI, NIF) or foreigner's (NIE): check letter.
pub(super) fn es_nif(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let head = match rest.first() {
        Some(b'Y') => 10_000_000,
        Some(b'Z') => 20_000_000,
        _ => 0,
    };
    let value = head + number(&Digits::of(rest));
    code.len() == 9 && SPANISH.get(value as usize % 23) == Some(last)
}

/// Spanish firm number (CIF): check digit or letter by kind of firm.
pub(super) fn es_cif(code: &[u8]) -> bool {
    let digits = Digits::of(code.get(1..8).unwrap_or_default());
    let check = 10 - digit_sums(digits.iter().map(|d| u32::from(*d)), &[2, 1, 2, 1, 2, 1, 2]) % 10;
    let (Some(kind), Some(last)) = (code.first(), code.get(8)) else { return false };
    let as_digit = *last == b'0' + (check % 10) as u8;
    let as_letter = b"JABCDEFGHI".get(check as usize % 10) == Some(last);
    digits.len() == 7
        && match kind {
            b'A' | b'B' | b'E' | b'H' => as_digit,
            b'N' | b'P' | b'Q' | b'R' | b'S' | b'W' => as_letter,
            _ => as_digit || as_letter,
        }
}

/// Italian person code: letters of a month, and the check letter; digits may be spelt as letters.
pub(super) fn it_fiscal_code(code: &[u8]) -> bool {
    const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') };
    let Some((last, rest)) = code.split_last() else { return false };
    let sum: u32 = rest
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let value = value(*byte);
            if at % 2 == 0 { ODD.get(usize::from(value)).copied().unwrap_or_default() } else { u32::from(value) }
        })
        .sum();
    code.len() == 16 && u32::from(last.wrapping_sub(b'A')) == sum % 26
}

/// Italian VAT number: Luhn, and not empty.
pub(super) fn it_vat(digits: &[u8]) -> bool {
    digits.len() == 11 && part(digits, 0, 7) != 0 && luhn(digits)
}

/// Portuguese taxpayer number: kind and check digit by eleven.
pub(super) fn pt_nif(digits: &[u8]) -> bool {
    let rest = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let kind = matches!(part(digits, 0, 2), 10..=39 | 45 | 50..=69 | 70..=72 | 74 | 75 | 77..=80 | 90 | 91 | 98 | 99);
    digits.len() == 9 && kind && (if rest < 2 { 0 } else { 11 - rest }) == digit(digits, 8)
}

/// Dutch citizen number (BSN): the test of eleven, the last digit taken away.
pub(super) fn nl_bsn(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]);
    digits.len() == 9 && part(digits, 0, 8) != 0 && sum % 11 == digit(digits, 8)
}

/// Belgian national number: birth date, and 97 less the rest by 97; a 2 stands before from 2000 on.
pub(super) fn be_national(digits: &[u8]) -> bool {
    let head = number(digits.get(..9).unwrap_or_default());
    let key = part(digits, 9, 11);
    let month = part(digits, 2, 4);
    // Numbers of people registered without residence have a month with 20 or 40 added, or no day.
    let month = [40, 20, 0].iter().find(|more| month >= **more).map_or(0, |more| month - more);
    let born = day(month, part(digits, 4, 6)) || part(digits, 4, 6) == 0 || month == 0;
    let late = (u64::from(head) + 2_000_000_000) % 97;
    digits.len() == 11 && born && head != 0 && (97 - head % 97 == key || 97 - late as u32 == key)
}

/// Swiss insurance number (AHV): the country 756 and the check digit of EAN-13.
pub(super) fn ch_ahv(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    digits.len() == 13 && part(digits, 0, 3) == 756 && sum.is_multiple_of(10)
}

/// Austrian insurance number: check digit in the fourth place, birth date behind it.
pub(super) fn at_svnr(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
    // Where a day has more people than numbers, the month goes on at 13.
    let month = part(digits, 6, 8);
    let born = day(month, part(digits, 4, 6)) || (matches!(month, 13..=15) && part(digits, 4, 6) <= 31);
    digits.len() == 10 && digit(digits, 0) != 0 && born && sum == digit(digits, 3)
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
    fn digits_of_the_specifications_pass_and_their_neighbours_do_not() {
        each(uk_nhs, &["943 476 5919", "401 023 2137"], &["943 476 5918", "0000000000"]);
        each(fr_siren, &["732 829 320", "73282932000074"], &["732829321", "000000000"]);
        each(de_tax_id, &["86095742719", "47036892816"], &["86095742718", "00095742719", "11112345678"]);
        each(de_vat, &["136695976"], &["136695975", "036695976"]);
        each(it_vat, &["00743110157"], &["00743110158", "00000000000"]);
        each(pt_nif, &["501964843", "123456789"], &["501964842", "401964843"]);
        each(nl_bsn, &["111222333", "123456782"], &["111222334", "123456789"]);
        each(be_national, &["85.07.30-033.28", "17073003384"], &["85073003329"]);
        each(ch_ahv, &["756.9217.0769.85", "756.1234.5678.97"], &["756.9217.0769.84", "757.9217.0769.85"]);
        each(at_svnr, &["1237 010180"], &["2237 010180", "1237 320180"]);
    }

    #[test]
    fn codes_of_the_specifications_pass_and_their_neighbours_do_not() {
        assert!(ie_pps(b"6433435F") && ie_pps(b"6433435OA") && !ie_pps(b"6433435E"));
        assert!(fr_nir(b"295109912611193") && fr_nir(b"253072B07300470") && !fr_nir(b"295109912611199"));
        assert!(de_id_card(b"T220001293") && de_id_card(b"L01X00T471D") && !de_id_card(b"T220001294"));
        assert!(de_serial(b"C01X00T47") && de_serial(b"C01X00T47D") && !de_serial(b"C01234567"));
        assert!(de_social_security(b"15070649C103") && !de_social_security(b"15070649C104"));
        assert!(de_health_insurance(b"A123456780") && !de_health_insurance(b"A123456787"));
        assert!(es_nif(b"54362315K") && es_nif(b"X2482300W") && !es_nif(b"54362315Z"));
        assert!(es_cif(b"A13585625") && es_cif(b"J99216582") && !es_cif(b"A13585624"));
        assert!(it_fiscal_code(b"RCCMNL83S18D969H") && !it_fiscal_code(b"RCCMNL83S18D969A"));
        assert!(uk_driving_licence(b"MORGA657054SM9IJ") && !uk_driving_licence(b"MORGA699054SM9IJ"));
        assert!(uk_nino(b"AB123456C") && !uk_nino(b"GB123456C"));
        assert!(uk_utr(&Digits::of(b"1955839661")) && !uk_utr(&Digits::of(b"2955839661")));
    }
}
