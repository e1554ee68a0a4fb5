//! Numbers of things and places that lead to a person: devices, vehicles, banks, coordinates.

use super::digits::{day, luhn, number};
use super::{Part, Sight, inside_number};

/// A hardware address (IEEE 802) that names a device: not nothing, not everybody, not part of a longer row.
pub(super) fn mac(sight: Sight<'_>) -> bool {
    let hex: Vec<u8> = sight.text.iter().filter(|b| b.is_ascii_hexdigit()).map(u8::to_ascii_lowercase).collect();
    let mark = sight.text.iter().find(|b| !b.is_ascii_hexdigit());
    let joins = |b: &u8| Some(b) == mark;
    let longer = sight.before.last().is_some_and(joins)
        || matches!(sight.after, [mark, next, ..] if joins(mark) && next.is_ascii_hexdigit());
    let letter = hex.iter().any(u8::is_ascii_alphabetic);
    let uniform = hex.windows(2).all(|pair| pair.first() == pair.last());
    // With hyphens or dots, digits alone are as well a date or a version.
    !longer && !uniform && (letter || mark == Some(&b':'))
}

/// A device number (IMEI): Luhn over fifteen digits.
pub(super) fn imei(digits: &[u8]) -> bool {
    digits.len() == 15 && number(digits) != 0 && luhn(digits)
}

/// A vehicle number (ISO 3779) with the check digit of 49 CFR 565.
pub(super) fn vin(code: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    };
    let sum: u32 = code.iter().zip(WEIGHTS).map(|(b, w)| value(*b) * w).sum();
    let letters = code.iter().filter(|b| b.is_ascii_alphabetic()).count();
    code.len() == 17 && letters >= 3 && b"0123456789X".get(sum as usize % 11) == code.get(8)
}

/// The number of a book (ISO 2108) behind its word: ten digits by weights modulo 11, or thirteen by those of the EAN,
/// whichever ends first. What follows in the match is not of it, such as a year.
pub(super) fn isbn(text: &[u8]) -> Part {
    let number = text.get(4..)?;
    let number = number.strip_prefix(b"-10").or_else(|| number.strip_prefix(b"-13")).unwrap_or(number);
    let from = text.len() - number.len();
    // Digits so far, and both sums over them.
    let (mut count, mut ten, mut ean) = (0, 0, 0);
    for (at, byte) in number.iter().enumerate() {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'X' | b'x' if count == 9 => 10,
            _ => continue,
        };
        ten += value * 10_u32.saturating_sub(count);
        ean += value * if count % 2 == 0 { 1 } else { 3 };
        count += 1;
        let goes_on = number.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !goes_on && ((count == 10 && ten % 11 == 0) || (count == 13 && ean % 10 == 0)) {
            return Some((0, from + at + 1));
        }
    }
    None
}

/// Countries (ISO 3166-1) and Kosovo, as bank codes have them.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGTGUGWGYHKHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// A bank code (ISO 9362): its country.
pub(super) fn bic(code: &[u8]) -> bool {
    code.get(4..6).is_some_and(|country| COUNTRIES.chunks(2).any(|known| known == country))
}

/// Two decimal degrees: latitude, longitude; not within a longer row of numbers.
pub(super) fn coordinates(sight: Sight<'_>) -> bool {
    let Ok(text) = std::str::from_utf8(sight.text) else { return false };
    let mut numbers = text.split([',', ' ', ';']).filter(|part| !part.is_empty()).map(str::parse::<f64>);
    let (Some(Ok(latitude)), Some(Ok(longitude))) = (numbers.next(), numbers.next()) else { return false };
    let row = matches!(sight.after, [b',', ..]) || sight.before.trim_ascii_end().ends_with(b",");
    latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && !row && !inside_number(sight, b".-")
}

/// A date in digits that can be a birth date: a year of four digits, or two with day and month.
pub(super) fn birth_date(sight: Sight<'_>) -> bool {
    let groups: Vec<u32> = sight
        .text
        .split(|b| !b.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(|group| group.iter().fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0'))))
        .collect();
    let letters = sight.text.iter().any(u8::is_ascii_alphabetic);
    let year = |year: u32| (1900..=2100).contains(&year) || year < 100;
    let right = match groups.as_slice() {
        [y, m, d] if *y > 999 => year(*y) && day(*m, *d),
        [a, b, y] => year(*y) && (day(*a, *b) || day(*b, *a)),
        [d, y] if letters => year(*y) && (1..=31).contains(d),
        _ => false,
    };
    right && !inside_number(sight, b"./-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_specifications() {
        assert!(
            vin(b"1M8GDM9AXKP042788") && vin(b"11111111111111111") != vin(b"1M8GDM9A1KP042788") || !vin(b"1M8GDM9A1KP042788")
        );
        assert!(!vin(b"1M8GDM9AXKP042789"));
        assert!(imei(&[4, 9, 0, 1, 5, 4, 2, 0, 3, 2, 3, 7, 5, 1, 8]) && !imei(&[4, 9, 0, 1, 5, 4, 2, 0, 3, 2, 3, 7, 5, 1, 9]));
        assert!(bic(b"DEUTDEFF500") && !bic(b"DEUTXXFF"));
        let book = |text: &str| isbn(text.as_bytes()).map(|(_, to)| text[..to].to_owned());
        for (text, found) in [
            ("ISBN 978-3-16-148410-0", Some("ISBN 978-3-16-148410-0")),
            ("ISBN-13: 9780306406157", Some("ISBN-13: 9780306406157")),
            ("ISBN-10: 0-306-40615-2", Some("ISBN-10: 0-306-40615-2")),
            ("isbn 080442957X", Some("isbn 080442957X")),
            ("ISBN 0-306-40615-2 1980", Some("ISBN 0-306-40615-2")),
            ("ISBN 978-3-16-148410-1", None),
            ("ISBN 0306406153", None),
            ("ISBN 03064061522", None),
        ] {
            assert_eq!(book(text).as_deref(), found, "{text}");
        }
        let seen = |text: &str| coordinates(Sight { before: b"", text: text.as_bytes(), after: b"" });
        assert!(seen("52.5200, 13.4050") && seen("-33.8688,151.2093") && !seen("91.0000, 13.4050"));
        let seen = |text: &str| birth_date(Sight { before: b"", text: text.as_bytes(), after: b"" });
        assert!(seen("1984-02-29") && seen("29.2.84") && seen("3 March 1970") && !seen("1984-02-30") && !seen("31/31/1990"));
    }
}
