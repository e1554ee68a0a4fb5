//! Numbers with check digits or ranges: cards, IBAN, US social security.

use super::digits::{luhn, part, uniform};
use super::{Part, Sight, digits, has_word, inside_number};

/// Card schemes: first and last leading six digits, and the lengths that are issued.
const SCHEMES: &[(u32, u32, &[usize])] = &[
    (400_000, 499_999, &[13, 16, 19]),
    (510_000, 559_999, &[16]),
    (222_100, 272_099, &[16]),
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    (601_100, 601_199, &[16, 19]),
    (644_000, 659_999, &[16, 19]),
    (300_000, 305_999, &[14, 16]),
    (309_500, 309_599, &[14, 16]),
    (360_000, 369_999, &[14, 16]),
    (380_000, 399_999, &[14, 16]),
    (352_800, 358_999, &[16, 19]),
    (213_100, 213_199, &[15]),
    (180_000, 180_099, &[15]),
    (620_000, 629_999, &[16, 17, 18, 19]),
    (501_800, 501_899, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (502_000, 502_099, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (503_800, 503_899, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (589_300, 589_399, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (630_400, 630_499, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (675_900, 676_399, &[12, 13, 14, 15, 16, 17, 18, 19]),
    (220_000, 220_499, &[16, 17, 18, 19]),
    // UATP; Dankort; InstaPayment; InterPayment; Verve; Troy; RuPay; Elo and Hipercard; Uzcard and Humo; LankaPay; BORICA; Bankcard.
    (100_000, 199_999, &[15]),
    (501_900, 501_999, &[16]),
    (637_000, 639_999, &[16]),
    (636_000, 636_999, &[16, 17, 18, 19]),
    (506_099, 506_198, &[16, 18, 19]),
    (650_002, 650_027, &[16, 18, 19]),
    (979_200, 979_289, &[16]),
    (600_000, 608_999, &[16]),
    (817_200, 820_199, &[16]),
    (508_500, 508_999, &[16]),
    (353_000, 353_999, &[16]),
    (356_000, 356_999, &[16]),
    (431_274, 431_274, &[16]),
    (504_175, 504_175, &[16]),
    (506_699, 506_778, &[16]),
    (509_000, 509_999, &[16]),
    (860_000, 860_099, &[16]),
    (986_000, 986_099, &[16]),
    (357_111, 357_111, &[16]),
    (220_500, 220_599, &[16]),
    (561_000, 561_099, &[16]),
    (560_221, 560_225, &[16]),
    // Switch and Solo.
    (633_100, 633_499, &[16, 18, 19]),
    (676_700, 676_799, &[16, 18, 19]),
];

/// A payment card: scheme, length, Luhn; not part of a larger number.
pub(super) fn payment_card(sight: Sight<'_>) -> bool {
    let digits = digits(sight.text);
    let head = digits.iter().take(6).fold(0, |head, digit| head * 10 + u32::from(*digit));
    SCHEMES.iter().any(|(first, last, lengths)| (*first..=*last).contains(&head) && lengths.contains(&digits.len()))
        && luhn(&digits)
        && !inside_number(sight, b".-_")
}

/// Countries of the IBAN registry with the length of theirs (ISO 13616, registry release 99).
const IBAN: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// An IBAN: country, length, mod 97. Cut to the length of its country.
pub(super) fn iban(sight: Sight<'_>) -> Part {
    let upper = |at: usize| sight.text.get(at).map(u8::to_ascii_uppercase);
    let country = [upper(0)?, upper(1)?];
    let entry = IBAN.chunks(4).find(|entry| entry.starts_with(&country))?;
    let length = entry.get(2..)?.iter().fold(0usize, |n, b| n * 10 + usize::from(b.wrapping_sub(b'0')));
    let mut end = 0;
    let mut seen = 0;
    for (at, byte) in sight.text.iter().enumerate() {
        if byte.is_ascii_alphanumeric() {
            seen += 1;
            end = at + 1;
            if seen == length {
                break;
            }
        }
    }
    // What is cut off must begin a word of its own.
    if seen != length || sight.text.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let letters = || sight.text.iter().take(end).filter(|b| b.is_ascii_alphabetic());
    if letters().any(u8::is_ascii_lowercase) && letters().any(u8::is_ascii_uppercase) {
        return None;
    }
    let body: Vec<u8> = sight.text.get(..end)?.iter().filter(|b| b.is_ascii_alphanumeric()).copied().collect();
    let turned = body.get(4..)?.iter().chain(body.get(..4)?);
    let rest = turned.fold(0u32, |rest, byte| {
        if byte.is_ascii_digit() {
            (rest * 10 + u32::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97
        }
    });
    (rest == 1).then_some((0, end))
}

/// Nine digits that can have been given out as a US social security number.
pub(super) fn us_ssn_range(digits: &[u8]) -> bool {
    let (area, group, serial) = (part(digits, 0, 3), part(digits, 3, 5), part(digits, 5, 9));
    digits.len() == 9 && !uniform(digits) && !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

/// A US social security number that can have been given out. Without hyphens it needs a word before it.
pub(super) fn us_ssn(sight: Sight<'_>) -> bool {
    let digits = digits(sight.text);
    let marks: Vec<u8> = sight.text.iter().filter(|b| !b.is_ascii_digit()).copied().collect();
    let named = || has_word(sight.before, &["ssn", "ssns", "social", "socialsecurity", "ss"]);
    us_ssn_range(&digits)
        && match marks.as_slice() {
            [b'-', b'-'] | [b'.', b'.'] => true,
            [a, b] => a == b && named(),
            [] => named(),
            _ => false,
        }
        && !inside_number(sight, b".-/")
}
