//! Telephone numbers: international form by country code, national shapes by grouping, anything else
//! only beside a word that says so. Dates, Unix times, ids and amounts are none.

use super::{Part, Sight, digits, has_word, inside_number};

/// Bytes after a number in which a word such as `mobile` may follow.
pub(super) const LOOK_AHEAD: usize = 10;

/// Country codes (ITU-T E.164) of one and two digits; all others have three.
const ONE: &[u32] = &[1, 7];
const TWO: &[u32] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63, 64,
    65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
/// First two digits of codes of three digits.
const THREE: &[u32] = &[21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99];

const BEFORE: &[&str] = &[
    "phone",
    "phones",
    "telephone",
    "tel",
    "tél",
    "telefon",
    "teléfono",
    "telefono",
    "telepono",
    "mobile",
    "mobil",
    "cell",
    "cellphone",
    "cep",
    "gsm",
    "fax",
    "whatsapp",
    "handy",
    "hotline",
    "callback",
    "ph",
];
/// Words that are as often something else: they count where a blank follows.
const BEFORE_BLANK: &[&str] = &["call", "calling", "called", "dial", "ring", "text", "sms", "reach", "answering"];
const AFTER: &[&str] = &["mobile", "cell", "fax", "office", "home", "phone", "tel"];

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, d| n * 10 + u32::from(*d))
}

/// Whether digits after `+` or `00` make an international number.
fn international(digits: &[u8]) -> bool {
    let head = |len: usize| digits.get(..len).map(number).unwrap_or_default();
    let national = match () {
        () if ONE.contains(&head(1)) => return digits.len() == 11,
        () if TWO.contains(&head(2)) => digits.len().saturating_sub(2),
        () if THREE.contains(&head(2)) => digits.len().saturating_sub(3),
        () => return false,
    };
    (6..=12).contains(&national) && digits.len() <= 15
}

/// The part of a match that is a telephone number: groups at its end that a blank parts may be left out.
pub(super) fn phone(sight: Sight<'_>) -> Part {
    let joined = matches!(sight.before, [.., b'_' | b'.' | b'#' | b'$' | b'/' | b'+' | b'=' | b'-' | b'@']);
    if joined || inside_number(sight, b".-_:/,=") {
        return None;
    }
    // Numbers are not written digit by digit: known before anything costs more than a look.
    let single = |group: &&[u8]| group.len() == 1;
    if sight.text.split(|b| !b.is_ascii_digit()).filter(single).count() > 3 {
        return None;
    }
    // `0.25` with more digits is a fraction.
    if let Some(rest) = sight.text.strip_prefix(b"0.")
        && rest.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    if plausible(sight.text, sight) {
        return Some((0, sight.text.len()));
    }
    let blanks = sight.text.iter().enumerate().rev().filter(|(_, b)| **b == b' ').take(4);
    blanks.map(|(at, _)| at).find(|at| sight.text.get(..*at).is_some_and(|text| plausible(text, sight))).map(|at| (0, at))
}

fn plausible(text: &[u8], sight: Sight<'_>) -> bool {
    let extension = text.iter().position(|b| matches!(b.to_ascii_lowercase(), b'x' | b'e')).unwrap_or(text.len());
    let main = text.get(..extension).unwrap_or_default();
    let digits = digits(main);
    let groups: Vec<&[u8]> = main.split(|b| !b.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let same = digits.windows(2).all(|pair| pair.first() == pair.last());
    let count = |wanted: u8| memchr::memchr_iter(wanted, main).count();
    if same || count(b'(') != count(b')') || date(&groups) {
        return false;
    }
    if main.first() == Some(&b'+') {
        return international(&digits);
    }
    // North American shape; without a blank any digits do, with blanks only numbers that are given out.
    let american = |digits: &[u8], lengths: &[usize]| {
        let given_out = digits.first().is_some_and(|d| *d >= 2) && digits.get(3).is_some_and(|d| *d >= 2);
        lengths == [3, 3, 4] && (given_out || (count(b' ') == 0 && digits.first() != Some(&0)))
    };
    if american(&digits, &lengths) {
        return true;
    }
    if let ([1, rest @ ..], [1, tail @ ..]) = (digits.as_slice(), lengths.as_slice())
        && american(rest, tail)
    {
        return true;
    }
    if lengths.len() >= 3
        && let Some(rest) = digits.strip_prefix(&[0, 0])
        && international(rest)
    {
        return true;
    }
    if national(&groups, &lengths, digits.len()) || (lengths.len() == 1 && mobile(&digits)) {
        return true;
    }
    if !(6..=13).contains(&digits.len()) || !(lengths.iter().all(|len| *len >= 2) || lengths.first() == Some(&1)) {
        return false;
    }
    let near = sight.before.get(sight.before.len().saturating_sub(32)..).unwrap_or_default();
    let asked = has_word(near, BEFORE) || BEFORE_BLANK.iter().any(|word| followed_by_blank(near, word));
    let before = asked && (7..=13).contains(&digits.len());
    let after = text.len() == sight.text.len() && has_word(sight.after, AFTER) && (6..=13).contains(&digits.len());
    (before || after) && !has_word(near, &["id", "order", "invoice", "ticket", "version", "port", "pid", "timestamp"])
}

/// Numbers with a trunk zero in groups: `020 7946 0958`, `01 23 45 67 89`, `0171/1234567`.
fn national(groups: &[&[u8]], lengths: &[usize], digits: usize) -> bool {
    let Some(first) = groups.first() else { return false };
    // The trunk zero may stand by itself: `0 (532) 123 45 67`. Without it Turkey groups like no one else.
    if let ([b"0", area, ..], [1, rest @ ..]) = (groups, lengths) {
        return area.first() != Some(&b'0') && matches!(rest, [3, 3, 4] | [3, 3, 2, 2] | [3, 7] | [2, 4, 4]);
    }
    if matches!(lengths, [3, 3, 2, 2]) && matches!(first.first(), Some(b'2'..=b'5')) {
        return true;
    }
    if !(9..=11).contains(&digits) || first.first() != Some(&b'0') || first.get(1).is_none_or(|b| *b == b'0') {
        return false;
    }
    matches!(
        lengths,
        [2..=5, 5..=8] | [3..=5, 3..=4, 3..=4] | [2, 4, 4] | [3..=4, 3, 2, 2] | [3, 2, 2, 2 | 3] | [4, 2, 2, 2] | [2, 2, 2, 2, 2]
    )
}

/// Whether a word stands in a text with a blank behind it.
fn followed_by_blank(text: &[u8], word: &str) -> bool {
    text.split(|b| *b == b' ').rev().skip(1).any(|part| {
        let last = part.rsplit(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
        last.eq_ignore_ascii_case(word.as_bytes())
    })
}

/// A number in one run of digits with a trunk zero, as a mobile telephone has it in some country's plan.
fn mobile(digits: &[u8]) -> bool {
    // Digits that only count up are an example of digits.
    let counts = digits.windows(2).filter(|pair| pair.first().map(|d| d + 1) == pair.last().copied()).count();
    counts < 8
        && match digits {
            // France, the Netherlands, Belgium, Switzerland, South Africa, Kenya, Thailand, Vietnam, Australia.
            [0, 4 | 6..=9, rest @ ..] if rest.len() == 8 => true,
            // Turkey, the Philippines, the United Kingdom, Nigeria, India, Japan, Indonesia.
            [0, 5 | 7..=9, rest @ ..] if rest.len() == 9 => true,
            // Germany, Korea, China by way of a trunk zero, Malaysia.
            [0, 1, 0 | 1 | 5..=7, rest @ ..] => matches!(rest.len(), 8 | 9),
            _ => false,
        }
}

/// Whether the groups are a date, with or without a time.
fn date(groups: &[&[u8]]) -> bool {
    let value =
        |group: &[u8]| group.iter().fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b.wrapping_sub(b'0'))));
    let day = |group: &[u8]| group.len() <= 2 && (1..=31).contains(&value(group));
    let month = |group: &[u8]| group.len() <= 2 && (1..=12).contains(&value(group));
    let year = |group: &[u8]| group.len() == 4 && (1900..=2100).contains(&value(group));
    match groups {
        [a, b, c, ..] => (year(a) && month(b) && day(c)) || (day(a) && month(b) && year(c)) || (month(a) && day(b) && year(c)),
        [a, b] => year(a) && year(b),
        _ => false,
    }
}
