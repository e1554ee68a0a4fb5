//! Escapes: several characters that stand for one.
//!
//! Percent escapes (RFC 3986), HTML character references (the numeric ones, and the names that stand for ASCII), and
//! the `\xNN` and `\uNNNN` of programming languages. An escape of an escape counts as one escape, up to
//! [`LAYERS_MAX`] deep: `%252541` is `A`.
//!
//! Promises: whether an escape begins at a place, and which, depends on at most [`BYTES_MAX`] bytes from there.

/// Layers that are undone at once.
const LAYERS_MAX: usize = 12;

/// Longest escape: a name behind as many ampersands as there are layers.
pub(super) const BYTES_MAX: usize = 64;

/// What begins at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// No escape.
    None,
    /// More bytes decide.
    Open,
    /// This character, in so many bytes.
    Of(char, usize),
}

/// Whether an escape may begin with this byte.
pub(super) fn begins(byte: u8) -> bool {
    matches!(byte, b'%' | b'&' | b'\\')
}

/// What begins at the first of these bytes. `last` says that no more will come.
pub(super) fn escape(bytes: &[u8], last: bool) -> Escape {
    let found = match bytes.first() {
        Some(b'%') => percent(bytes),
        Some(b'&') => reference(bytes),
        Some(b'\\') => backslash(bytes),
        _ => Escape::None,
    };
    if found == Escape::Open && (last || bytes.len() >= BYTES_MAX) { Escape::None } else { found }
}

/// As [`Escape`], for a part of one.
enum Part<T> {
    No,
    Open,
    Is(T, usize),
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Part<u32> {
    let mut value = 0;
    for place in at..at + digits {
        match bytes.get(place).map(|byte| char::from(*byte).to_digit(16)) {
            None => return Part::Open,
            Some(None) => return Part::No,
            Some(Some(digit)) => value = value << 4 | digit,
        }
    }
    Part::Is(value, at + digits)
}

/// One byte behind a percent sign, through all its layers.
fn percent_byte(bytes: &[u8], mut at: usize) -> Part<u8> {
    match bytes.get(at) {
        None => return Part::Open,
        Some(b'%') => at += 1,
        Some(_) => return Part::No,
    }
    for _ in 0..LAYERS_MAX {
        match hex(bytes, at, 2) {
            // A percent sign: of the next layer, if what follows makes it one.
            Part::Is(0x25, next) => match hex(bytes, next, 2) {
                Part::Is(..) => at = next,
                Part::Open => return Part::Open,
                Part::No => return Part::Is(b'%', next),
            },
            Part::Is(value, next) => return Part::Is(u8::try_from(value).unwrap_or_default(), next),
            Part::Open => return Part::Open,
            Part::No => return Part::No,
        }
    }
    Part::No
}

fn percent(bytes: &[u8]) -> Escape {
    let mut sequence = [0; 4];
    let (mut len, mut at) = (0, 0);
    loop {
        match percent_byte(bytes, at) {
            Part::No => return Escape::None,
            Part::Open => return Escape::Open,
            Part::Is(byte, next) => {
                let Some(slot) = sequence.get_mut(len) else { return Escape::None };
                *slot = byte;
                (len, at) = (len + 1, next);
            }
        }
        let so_far = sequence.get(..len).unwrap_or_default();
        match std::str::from_utf8(so_far) {
            Ok(text) => return text.chars().next().map_or(Escape::None, |c| Escape::Of(c, at)),
            Err(error) if error.error_len().is_some() => return Escape::None,
            Err(_) => {}
        }
    }
}

/// Names of characters that matter to a pattern, as HTML has them (WHATWG, named character references).
const NAMES: &[(&[u8], char)] = &[
    (b"amp;", '&'),
    (b"apos;", '\''),
    (b"at;", '@'),
    (b"colon;", ':'),
    (b"commat;", '@'),
    (b"comma;", ','),
    (b"equals;", '='),
    (b"gt;", '>'),
    (b"hyphen;", '-'),
    (b"lowbar;", '_'),
    (b"lt;", '<'),
    (b"nbsp;", ' '),
    (b"NewLine;", '\n'),
    (b"period;", '.'),
    (b"plus;", '+'),
    (b"quot;", '"'),
    (b"shy;", '\u{AD}'),
    (b"sol;", '/'),
    (b"Tab;", '\t'),
    (b"zwj;", '\u{200D}'),
    (b"zwnj;", '\u{200C}'),
];

fn reference(bytes: &[u8]) -> Escape {
    let mut at = 1;
    for _ in 0..LAYERS_MAX {
        let rest = bytes.get(at..).unwrap_or_default();
        // An ampersand that is escaped itself.
        if rest.starts_with(b"amp;") && matches!(rest.get(4), Some(b'#' | b'a'..=b'z' | b'A'..=b'Z')) {
            let inner = named(rest.get(4..).unwrap_or_default(), at + 4);
            if inner == Escape::None && !rest.get(4..).unwrap_or_default().starts_with(b"amp;") {
                return Escape::Of('&', at + 4);
            }
            at += 4;
            continue;
        }
        return named(rest, at);
    }
    Escape::None
}

/// What stands behind an ampersand; `at` is where it stands.
fn named(rest: &[u8], at: usize) -> Escape {
    if rest.first() == Some(&b'#') {
        return numeric(rest, at);
    }
    for (name, c) in NAMES {
        if rest.starts_with(name) {
            // Whether it escapes another one shows in what follows.
            return if *c == '&' && rest.len() == name.len() { Escape::Open } else { Escape::Of(*c, at + name.len()) };
        }
        if name.starts_with(rest) {
            return Escape::Open;
        }
    }
    Escape::None
}

/// `#` and digits, or `#x` and hexadecimal ones; the semicolon may be missing, as browsers have it.
fn numeric(rest: &[u8], at: usize) -> Escape {
    const DIGITS_MAX: usize = 9;
    let (radix, from) = if matches!(rest.get(1), Some(b'x' | b'X')) { (16, 2) } else { (10, 1) };
    let digits = rest.iter().skip(from).take(DIGITS_MAX + 1).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let end = from + digits;
    if end >= rest.len() && digits <= DIGITS_MAX {
        return Escape::Open;
    }
    let text = rest.get(from..end).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    let value = if digits > DIGITS_MAX { None } else { u32::from_str_radix(text, radix).ok() };
    match value.and_then(char::from_u32) {
        Some(c) => Escape::Of(c, at + end + usize::from(rest.get(end) == Some(&b';'))),
        None => Escape::None,
    }
}

fn backslash(bytes: &[u8]) -> Escape {
    let unit = |at: usize| match (bytes.get(at), bytes.get(at + 1)) {
        (None, _) | (Some(b'\\'), None) => Part::Open,
        (Some(b'\\'), Some(b'u' | b'U')) => hex(bytes, at + 2, 4),
        (Some(b'\\'), Some(b'x' | b'X')) => hex(bytes, at + 2, 2),
        _ => Part::No,
    };
    let (high, at) = match unit(0) {
        Part::Open => return Escape::Open,
        Part::No => return Escape::None,
        Part::Is(value, at) => (value, at),
    };
    if let Some(c) = char::from_u32(high) {
        return Escape::Of(c, at);
    }
    match unit(at) {
        Part::Open => Escape::Open,
        Part::Is(low @ 0xDC00..=0xDFFF, end) if high < 0xDC00 => {
            let value = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            char::from_u32(value).map_or(Escape::None, |c| Escape::Of(c, end))
        }
        Part::Is(..) | Part::No => Escape::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, wanted, len) in [
            ("%41", 'A', 3),
            ("%c3%A9x", 'é', 6),
            ("%2541", 'A', 5),
            ("%25252541", 'A', 9),
            ("%25 off", '%', 3),
            ("%2525 ", '%', 5),
            ("&#65;", 'A', 5),
            ("&#65 ", 'A', 4),
            ("&#x41;", 'A', 6),
            ("&amp;#65;", 'A', 9),
            ("&amp;amp;#x41;", 'A', 14),
            ("&commat;", '@', 8),
            ("&amp; so", '&', 5),
            ("&amp;so on", '&', 5),
            ("\\x41", 'A', 4),
            ("\\u0041", 'A', 6),
            ("\\ud83d\\ude00!", '😀', 12),
        ] {
            assert_eq!(escape(text.as_bytes(), true), Escape::Of(wanted, len), "{text}");
        }
        for text in ["%", "%4", "%zz", "% 41", "%ff", "&", "&so", "&#;", "&#xZ;", "&#9999999999;", "\\n", "\\x4", "\\ud800", "a"]
        {
            assert_eq!(escape(text.as_bytes(), true), Escape::None, "{text}");
        }
    }

    #[test]
    fn what_is_decided_stays_so() {
        for text in
            ["%c3%a9 x", "%2525252541 ", "&amp;amp;#65;x", "&commat; ", "\\ud83d\\ude00!", "100% of it", "a & b", "&amp;so on"]
        {
            let whole = escape(text.as_bytes(), true);
            let mut decided = false;
            for end in 1..=text.len() {
                let now = escape(&text.as_bytes()[..end], false);
                assert!(!decided || now != Escape::Open, "{text} at {end}");
                decided = now != Escape::Open;
                assert!(!decided || now == whole, "{text} at {end}: {now:?}");
            }
        }
    }
}
