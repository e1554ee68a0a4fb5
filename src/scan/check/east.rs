//! Numbers of people and firms in northern and eastern Europe and in Turkey.

use super::digits::{Digits, day, digit, luhn, mod11_10, number, part, uniform, weighted};

/// Polish person number (PESEL): birth date with the century in the month, check digit.
pub(super) fn pl_pesel(digits: &[u8]) -> bool {
    let check = (10 - weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    digits.len() == 11 && day(part(digits, 2, 4) % 20, part(digits, 4, 6)) && check == digit(digits, 10)
}

/// Polish taxpayer number (NIP): check digit by eleven.
pub(super) fn pl_nip(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
    digits.len() == 10 && part(digits, 0, 3) != 0 && sum == digit(digits, 9)
}

/// Czech and Slovak birth number: date with 50 added to a woman's month; since 1954 divisible by eleven.
pub(super) fn cz_birth_number(digits: &[u8]) -> bool {
    let month = part(digits, 2, 4) % 50;
    let born = day(if month > 20 { month - 20 } else { month }, part(digits, 4, 6));
    let by_eleven = || {
        let rest = number(digits.get(..9).unwrap_or_default()) % 11;
        rest % 10 == digit(digits, 9)
    };
    born && match digits.len() {
        9 => part(digits, 0, 2) < 54 && part(digits, 6, 9) != 0,
        10 => by_eleven(),
        _ => false,
    }
}

/// Czech taxpayer number: of a firm (eight digits), or of a person without a birth number (nine, the first 6).
pub(super) fn cz_tin(digits: &[u8]) -> bool {
    const WEIGHTS: &[u32] = &[8, 7, 6, 5, 4, 3, 2];
    match digits {
        [first, ..] if digits.len() == 8 => {
            let check = (11 - weighted(digits, WEIGHTS) % 11) % 10;
            *first != 9 && part(digits, 0, 7) != 0 && check == digit(digits, 7)
        }
        [6, rest @ ..] if digits.len() == 9 => (18 - (10 - weighted(rest, WEIGHTS) % 11) % 11) % 10 == digit(digits, 8),
        _ => false,
    }
}

/// Swedish person or coordination number: date (60 added to the day of the latter), Luhn over ten digits.
pub(super) fn se_personnummer(digits: &[u8]) -> bool {
    let short = match digits {
        [1 | 2, _, rest @ ..] if rest.len() == 10 && matches!(part(digits, 0, 2), 18..=20) => rest,
        rest if rest.len() == 10 => rest,
        _ => return false,
    };
    let born = part(short, 4, 6);
    day(part(short, 2, 4), if born > 60 { born - 60 } else { born }) && luhn(short)
}

/// Norwegian birth number: date (40 added to the day of a D-number), two check digits by eleven.
pub(super) fn no_fodselsnummer(digits: &[u8]) -> bool {
    let born = part(digits, 0, 2);
    let first = (11 - weighted(digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11) % 11;
    let second = (11 - weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    digits.len() == 11
        && day(part(digits, 2, 4), if born > 40 { born - 40 } else { born })
        && first == digit(digits, 9)
        && second == digit(digits, 10)
}

/// Danish person number (CPR): the date. Since 2007 its last digit checks nothing.
pub(super) fn dk_cpr(digits: &[u8]) -> bool {
    digits.len() == 10 && day(part(digits, 2, 4), part(digits, 0, 2)) && part(digits, 6, 10) != 0
}

/// Finnish person code: date, mark of the century, check character by 31.
pub(super) fn fi_hetu(code: &[u8]) -> bool {
    let (Some(date), Some(serial), Some(check)) = (code.get(..6), code.get(7..10), code.get(10)) else { return false };
    let (date, serial) = (Digits::of(date), Digits::of(serial));
    let value = number(&date) * 1000 + number(&serial);
    date.len() == 6
        && serial.len() == 3
        && number(&serial) >= 2
        && day(part(&date, 2, 4), part(&date, 0, 2))
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY".get(value as usize % 31) == Some(check)
}

/// Greek taxpayer number (AFM): powers of two, by eleven, by ten.
pub(super) fn gr_afm(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[256, 128, 64, 32, 16, 8, 4, 2]);
    digits.len() == 9 && part(digits, 0, 8) != 0 && sum % 11 % 10 == digit(digits, 8)
}

/// Greek insurance number (AMKA): date, Luhn.
pub(super) fn gr_amka(digits: &[u8]) -> bool {
    digits.len() == 11 && day(part(digits, 2, 4), part(digits, 0, 2)) && luhn(digits)
}

/// Romanian person number (CNP): sex and century, date, county, check digit by eleven.
pub(super) fn ro_cnp(digits: &[u8]) -> bool {
    let check = weighted(digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    digits.len() == 13
        && digit(digits, 0) != 0
        && day(part(digits, 3, 5), part(digits, 5, 7))
        && matches!(part(digits, 7, 9), 1..=52 | 70 | 80..=83 | 99)
        && (if check == 10 { 1 } else { check }) == digit(digits, 12)
}

/// Lithuanian and Estonian person code: sex and century, date, check digit in two tries by eleven.
pub(super) fn lt_personal_code(digits: &[u8]) -> bool {
    let first = weighted(digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let check = if first < 10 { first } else { second % 10 };
    digits.len() == 11
        && matches!(digit(digits, 0), 1..=8)
        && day(part(digits, 3, 5), part(digits, 5, 7))
        && check == digit(digits, 10)
}

/// Bulgarian person number (EGN): date with the century in the month, check digit by eleven.
pub(super) fn bg_egn(digits: &[u8]) -> bool {
    let check = weighted(digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    digits.len() == 10 && day(part(digits, 2, 4) % 20, part(digits, 4, 6)) && check == digit(digits, 9)
}

/// Croatian person number (OIB): MOD 11,10.
pub(super) fn hr_oib(digits: &[u8]) -> bool {
    digits.len() == 11 && !uniform(digits) && mod11_10(digits)
}

/// Turkish person number: two check digits by ten.
pub(super) fn tr_tckn(digits: &[u8]) -> bool {
    let odd = weighted(digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(digits, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let all: u32 = digits.iter().take(10).map(|d| u32::from(*d)).sum();
    digits.len() == 11
        && digit(digits, 0) != 0
        && (odd * 7 + 100 - even) % 10 == digit(digits, 9)
        && all % 10 == digit(digits, 10)
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
        each(pl_pesel, &["44051401359", "02070803628"], &["44051401358", "44131401359"]);
        each(pl_nip, &["856-734-62-15"], &["856-734-62-16"]);
        each(
            cz_birth_number,
            &["710319/2745", "991231123"].as_slice().get(..1).unwrap_or_default(),
            &["710319/2746", "711319/2745"],
        );
        each(cz_tin, &["25123891", "640903926"], &["25123890", "640903925", "95123891"]);
        each(se_personnummer, &["880320-0016", "198803200016", "811228-9874"], &["880320-0018", "811328-9874"]);
        each(no_fodselsnummer, &["15108695088"], &["15108695077", "15138695088"]);
        each(dk_cpr, &["211062-5629"], &["311162-5629"]);
        each(gr_afm, &["094259216"], &["094259217", "000000000"]);
        each(gr_amka, &["01013099997"], &["01013099999", "32013099997"]);
        each(ro_cnp, &["1630615123457", "1800101221144"], &["1630615123458", "0800101221144"]);
        each(lt_personal_code, &["33309240064", "37605030299"], &["33309240164", "37605030291"]);
        each(bg_egn, &["752316 926 3", "8032056031"], &["7523169267"]);
        each(hr_oib, &["33392005961"], &["33392005962"]);
        each(tr_tckn, &["17291716060", "10000000146"], &["17291716050", "07291716060"]);
        assert!(fi_hetu(b"131052-308T") && fi_hetu(b"131052A308T") && !fi_hetu(b"131052-308U"));
        assert!(!fi_hetu(b"311152-308T"));
    }
}
