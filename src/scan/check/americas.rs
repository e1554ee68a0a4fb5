//! Numbers of people, firms and health care in the Americas.

use super::digits::{day, digit, luhn, part, uniform, weighted};

/// US individual taxpayer number: 9xx, and a group that the IRS gives out (publication 1915).
pub(super) fn us_itin(digits: &[u8]) -> bool {
    digits.len() == 9 && digit(digits, 0) == 9 && matches!(part(digits, 3, 5), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// US bank routing number (ABA): a district of the Federal Reserve, weights 3, 7, 1.
pub(super) fn us_aba(digits: &[u8]) -> bool {
    digits.len() == 9
        && matches!(part(digits, 0, 2), 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// US provider number (NPI): Luhn behind the issuer prefix 80840, whose own sum is 24.
pub(super) fn us_npi(digits: &[u8]) -> bool {
    let mut whole = [8, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (slot, digit) in whole.iter_mut().skip(5).zip(digits) {
        *slot = *digit;
    }
    digits.len() == 10 && matches!(digit(digits, 0), 1 | 2) && luhn(&whole)
}

/// US registration to prescribe (DEA): two letters and seven digits with a check digit.
pub(super) fn us_dea(code: &[u8]) -> bool {
    let Some((head, tail)) = code.split_at_checked(2) else { return false };
    let digits: Vec<u8> = tail.iter().map(|b| b.wrapping_sub(b'0')).collect();
    let kind = head.first().is_some_and(|b| b"ABCDEFGHJKLMPRSTUX".contains(b));
    digits.len() == 7
        && digits.iter().all(|d| *d < 10)
        && kind
        && weighted(&digits, &[1, 2, 1, 2, 1, 2]) % 10 == digit(&digits, 6)
}

/// Canadian social insurance number: Luhn; 0 and 8 begin none that is given out.
pub(super) fn ca_sin(digits: &[u8]) -> bool {
    digits.len() == 9 && !matches!(digit(digits, 0), 0 | 8) && luhn(digits)
}

/// The value of a letter or digit in Mexican codes; `shift` letters from O on stand one higher, after Ñ.
fn mexican(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        b'O'..=b'Z' => u32::from(byte - b'A') + 11,
        _ => 0,
    }
}

fn six_digits(code: &[u8], from: usize) -> Option<(u32, u32)> {
    let text = code.get(from..from + 6)?;
    let digits: Vec<u8> = text.iter().map(|b| b.wrapping_sub(b'0')).collect();
    digits.iter().all(|d| *d < 10).then(|| (part(&digits, 2, 4), part(&digits, 4, 6)))
}

/// Mexican population code (CURP): date, and a check digit over 17 places.
pub(super) fn mx_curp(code: &[u8]) -> bool {
    let sum: u32 = code.iter().take(17).zip((2..=18).rev()).map(|(b, w)| mexican(*b) * w).sum();
    let check = code.get(17).map(|b| u32::from(b.wrapping_sub(b'0')));
    code.len() == 18 && six_digits(code, 4).is_some_and(|(m, d)| day(m, d)) && check == Some((10 - sum % 10) % 10)
}

/// Mexican taxpayer code (RFC) of a person or a firm: date and check digit.
pub(super) fn mx_rfc(code: &[u8]) -> bool {
    // In this alphabet `&` stands where the population code has Ñ, and a blank, before a firm's code, at 37.
    let value = |byte: u8| if byte == b'&' { 24 } else { mexican(byte) };
    let firm = code.len() == 12;
    let Some((last, rest)) = code.split_last() else { return false };
    let head = if firm { 37 * 13 } else { 0 };
    let weights = (2..=if firm { 12 } else { 13 }).rev();
    let sum: u32 = head + rest.iter().zip(weights).map(|(b, w)| value(*b) * w).sum::<u32>();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        n => b'0' + n as u8,
    };
    matches!(code.len(), 12 | 13) && six_digits(code, code.len() - 9).is_some_and(|(m, d)| day(m, d)) && check == *last
}

/// Mexican bank account (CLABE): weights 3, 7, 1, each product by ten.
pub(super) fn mx_clabe(digits: &[u8]) -> bool {
    let weights = [3, 7, 1].iter().cycle();
    let sum: u32 = digits.iter().take(17).zip(weights).map(|(d, w)| u32::from(*d) * w % 10).sum();
    digits.len() == 18 && !uniform(digits) && (10 - sum % 10) % 10 == digit(digits, 17)
}

/// A check digit by eleven, as Brazil has it: 10 and 11 give 0.
fn brazilian(sum: u32) -> u32 {
    let rest = sum % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

/// Brazilian person number (CPF): two check digits.
pub(super) fn br_cpf(digits: &[u8]) -> bool {
    digits.len() == 11
        && !uniform(digits)
        && brazilian(weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(digits, 9)
        && brazilian(weighted(digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(digits, 10)
}

/// Brazilian firm number (CNPJ): two check digits.
pub(super) fn br_cnpj(digits: &[u8]) -> bool {
    digits.len() == 14
        && !uniform(digits)
        && brazilian(weighted(digits, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(digits, 12)
        && brazilian(weighted(digits, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(digits, 13)
}

/// Argentine tax number (CUIT, CUIL): kind and check digit.
pub(super) fn ar_cuit(digits: &[u8]) -> bool {
    let check = (11 - weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    digits.len() == 11 && matches!(part(digits, 0, 2), 20 | 23..=27 | 30 | 33 | 34) && check == digit(digits, 10)
}

/// Chilean person number (RUT): check character by eleven.
pub(super) fn cl_rut(code: &[u8]) -> bool {
    let Some((last, rest)) = code.split_last() else { return false };
    let weights = [2, 3, 4, 5, 6, 7].iter().cycle();
    let sum: u32 = rest.iter().rev().zip(weights).map(|(b, w)| u32::from(b.wrapping_sub(b'0')) * w).sum();
    b"0K987654321".get(sum as usize % 11) == Some(last)
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
        each(us_npi, &["1234567893", "1245319599"], &["1234567890", "3234567893", "123456789"]);
        each(us_aba, &["111000025", "021000021"], &["111000026", "991000021"]);
        each(us_itin, &["912-70-1234", "900-65-0001"], &["912-69-1234", "812-70-1234"]);
        each(ca_sin, &["130 692 544"], &["130 692 545", "046 454 286"]);
        each(br_cpf, &["529.982.247-25", "111.444.777-35"], &["529.982.247-26", "111.111.111-11"]);
        each(br_cnpj, &["11.222.333/0001-81", "11.444.777/0001-61"], &["11.222.333/0001-82", "00000000000000"]);
        each(ar_cuit, &["20-05536168-2", "30-50001091-2"], &["20-05536168-3", "10-05536168-2"]);
        each(mx_clabe, &["032180000118359719", "002010077777777771"], &["032180000118359718"]);
        assert!(cl_rut(b"123456785") && cl_rut(b"306869574") && !cl_rut(b"123456786"));
        assert!(us_dea(b"AP5836727") && us_dea(b"F91234563") && !us_dea(b"AP5836726") && !us_dea(b"ZP5836727"));
        assert!(mx_curp(b"HEGG560427MVZRRL04") && mx_curp(b"BOXW310820HNERXN09") && !mx_curp(b"BOXW310820HNERXN08"));
        assert!(mx_rfc(b"GODE561231GR8") && mx_rfc(b"MAB9307148T4") && !mx_rfc(b"GODE561231GR9"));
    }
}
