//! Characters that read as others do: what they read as.
//!
//! Promises: what a character reads as depends on the character alone; ASCII reads as itself. Look-alikes
//! are those of UTS 39 (Unicode security mechanisms) whose skeleton is one ASCII letter or digit, of the scripts that are
//! written in practice; whether a word is disguised by them is for the reader to say.

use unicode_normalization::UnicodeNormalization;

/// What a character is to a reader's eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glyph {
    /// Itself.
    Plain,
    /// Nothing: it has no width, or only says how others are drawn.
    Hidden,
    /// A mark on the letter before it.
    Mark,
    /// A dash: a hyphen, where it joins.
    Dash,
    /// One ASCII character, whatever stands around it.
    Reads(u8),
    /// Several characters, some of them ASCII.
    Spells,
    /// A letter of another script that looks like this ASCII letter.
    Looks(u8),
}

/// What a character is. Of ASCII nothing but itself.
pub(super) fn glyph(c: char) -> Glyph {
    let code = c as u32;
    match code {
        0..0x80 => Glyph::Plain,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul and Khmer fillers, Mongolian
        // selectors, spaces without width, marks of direction, invisible operators, variation
        // selectors, the byte order mark, annotations, tags.
        0xAD
        | 0x34F
        | 0x61C
        | 0x115F
        | 0x1160
        | 0x17B4
        | 0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFA0
        | 0xFFF9..=0xFFFB
        | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF => Glyph::Hidden,
        0x300..=0x36F | 0x483..=0x489 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F => Glyph::Mark,
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 | 0xFF0D => Glyph::Dash,
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Glyph::Reads(b' '),
        _ => digit(code).map_or_else(|| letter(c), Glyph::Reads),
    }
}

/// What a character that [`Glyph::Spells`] spells.
pub(super) fn spelling(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c).nfkc()
}

/// Whether a letter belongs to the Latin script: words that mix it with another are disguised.
pub(super) fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c as u32, 0xC0..=0x24F | 0x1E00..=0x1EFF) && c.is_alphabetic()
}

/// The first digits of the decimal number systems of Unicode (general category Nd) that people type.
const ZEROS: &[u32] = &[
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040, 0x17E0,
    0x1810, 0xFF10,
];

fn digit(code: u32) -> Option<u8> {
    let at = ZEROS.partition_point(|zero| *zero <= code);
    let zero = ZEROS.get(at.checked_sub(1)?)?;
    u8::try_from(code - zero).ok().filter(|value| *value < 10).map(|value| b'0' + value)
}

fn letter(c: char) -> Glyph {
    if let Some(looks) = look_alike(c) {
        return Glyph::Looks(looks);
    }
    // Scripts whose compatibility forms spell no ASCII are left as they are; this spares them the look-up.
    if matches!(c as u32, 0x80..=0xA7 | 0xC0..=0x131 | 0x134..=0x1C3 | 0x370..=0x1CFF | 0x3041..=0x31FF | 0x3400..=0xD7FF | 0xE000..=0xFAFF)
    {
        return Glyph::Plain;
    }
    let mut spelled = spelling(c);
    match (spelled.next(), spelled.next()) {
        (Some(one), None) if one.is_ascii() => Glyph::Reads(u8::try_from(one).unwrap_or(b' ')),
        // A letter of mathematics, say, that is a look-alike once it is plain.
        (Some(one), None) if one != c => look_alike(one).map_or(Glyph::Plain, Glyph::Looks),
        (Some(one), Some(two)) if one.is_ascii() || two.is_ascii() => Glyph::Spells,
        _ => Glyph::Plain,
    }
}

/// Pairs of a letter and the ASCII letter that it looks like, sorted.
const LOOK_ALIKES: &[(char, u8)] = &[
    ('ı', b'i'),
    ('ǀ', b'l'),
    ('ɑ', b'a'),
    ('ɡ', b'g'),
    ('ɩ', b'i'),
    ('ɪ', b'i'),
    ('ʏ', b'y'),
    // Greek.
    ('Ϳ', b'J'),
    ('Α', b'A'),
    ('Β', b'B'),
    ('Ε', b'E'),
    ('Ζ', b'Z'),
    ('Η', b'H'),
    ('Ι', b'I'),
    ('Κ', b'K'),
    ('Μ', b'M'),
    ('Ν', b'N'),
    ('Ο', b'O'),
    ('Ρ', b'P'),
    ('Τ', b'T'),
    ('Υ', b'Y'),
    ('Χ', b'X'),
    ('α', b'a'),
    ('γ', b'y'),
    ('η', b'n'),
    ('ι', b'i'),
    ('κ', b'k'),
    ('ν', b'v'),
    ('ο', b'o'),
    ('ρ', b'p'),
    ('σ', b'o'),
    ('τ', b't'),
    ('υ', b'u'),
    ('χ', b'x'),
    ('ω', b'w'),
    ('ϲ', b'c'),
    ('ϳ', b'j'),
    ('Ϲ', b'C'),
    // Cyrillic.
    ('Ѕ', b'S'),
    ('І', b'I'),
    ('Ј', b'J'),
    ('А', b'A'),
    ('В', b'B'),
    ('Е', b'E'),
    ('К', b'K'),
    ('М', b'M'),
    ('Н', b'H'),
    ('О', b'O'),
    ('Р', b'P'),
    ('С', b'C'),
    ('Т', b'T'),
    ('У', b'Y'),
    ('Х', b'X'),
    ('а', b'a'),
    ('в', b'b'),
    ('г', b'r'),
    ('е', b'e'),
    ('к', b'k'),
    ('м', b'm'),
    ('н', b'h'),
    ('о', b'o'),
    ('п', b'n'),
    ('р', b'p'),
    ('с', b'c'),
    ('т', b't'),
    ('у', b'y'),
    ('х', b'x'),
    ('ь', b'b'),
    ('ѕ', b's'),
    ('і', b'i'),
    ('ј', b'j'),
    ('ѡ', b'w'),
    ('Ѵ', b'V'),
    ('ѵ', b'v'),
    ('Ү', b'Y'),
    ('ү', b'y'),
    ('һ', b'h'),
    ('Ӏ', b'l'),
    ('ӏ', b'l'),
    ('ԁ', b'd'),
    ('Ԍ', b'G'),
    ('ԛ', b'q'),
    ('Ԝ', b'W'),
    ('ԝ', b'w'),
    // Armenian.
    ('Տ', b'S'),
    ('Օ', b'O'),
    ('ա', b'w'),
    ('գ', b'q'),
    ('զ', b'q'),
    ('հ', b'h'),
    ('յ', b'j'),
    ('ո', b'n'),
    ('ս', b'u'),
    ('ց', b'g'),
    ('օ', b'o'),
    // Cherokee.
    ('Ꭰ', b'D'),
    ('Ꭱ', b'R'),
    ('Ꭲ', b'T'),
    ('Ꭵ', b'i'),
    ('Ꭹ', b'y'),
    ('Ꭺ', b'A'),
    ('Ꭻ', b'J'),
    ('Ꭼ', b'E'),
    ('Ꮃ', b'W'),
    ('Ꮇ', b'M'),
    ('Ꮋ', b'H'),
    ('Ꮍ', b'Y'),
    ('Ꮐ', b'G'),
    ('Ꮒ', b'h'),
    ('Ꮓ', b'Z'),
    ('Ꮞ', b'4'),
    ('Ꮟ', b'b'),
    ('Ꮢ', b'R'),
    ('Ꮤ', b'W'),
    ('Ꮥ', b'S'),
    ('Ꮩ', b'V'),
    ('Ꮪ', b'S'),
    ('Ꮮ', b'L'),
    ('Ꮯ', b'C'),
    ('Ꮲ', b'P'),
    ('Ꮶ', b'K'),
    ('Ꮷ', b'd'),
    ('Ᏻ', b'G'),
    ('Ᏼ', b'B'),
    // Small capitals.
    ('ᴀ', b'a'),
    ('ᴄ', b'c'),
    ('ᴅ', b'd'),
    ('ᴇ', b'e'),
    ('ᴊ', b'j'),
    ('ᴋ', b'k'),
    ('ᴍ', b'm'),
    ('ᴏ', b'o'),
    ('ᴘ', b'p'),
    ('ᴛ', b't'),
    ('ᴜ', b'u'),
    ('ᴠ', b'v'),
    ('ᴡ', b'w'),
    ('ᴢ', b'z'),
];

fn look_alike(c: char) -> Option<u8> {
    LOOK_ALIKES.binary_search_by_key(&c, |(other, _)| *other).ok().and_then(|at| LOOK_ALIKES.get(at)).map(|(_, looks)| *looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(LOOK_ALIKES.is_sorted_by(|one, two| one.0 < two.0));
        assert!(ZEROS.is_sorted_by(|one, two| one < two));
    }

    #[test]
    fn what_characters_read_as() {
        for c in ('\0'..='\u{7F}').chain("éßñąж漢字かなカ한글עברית😀«»“”’".chars()) {
            assert_eq!(glyph(c), Glyph::Plain, "{c:?}");
        }
        for (c, wanted) in [
            ('а', Glyph::Looks(b'a')),
            ('Ꭺ', Glyph::Looks(b'A')),
            ('ο', Glyph::Looks(b'o')),
            ('օ', Glyph::Looks(b'o')),
            ('\u{1D6D0}', Glyph::Looks(b'o')),
            ('ａ', Glyph::Reads(b'a')),
            ('𝗶', Glyph::Reads(b'i')),
            ('𝟜', Glyph::Reads(b'4')),
            ('４', Glyph::Reads(b'4')),
            ('٤', Glyph::Reads(b'4')),
            ('४', Glyph::Reads(b'4')),
            ('ⓘ', Glyph::Reads(b'i')),
            ('＠', Glyph::Reads(b'@')),
            ('\u{3000}', Glyph::Reads(b' ')),
            ('ﬁ', Glyph::Spells),
            ('㎏', Glyph::Spells),
            ('\u{200B}', Glyph::Hidden),
            ('\u{E0041}', Glyph::Hidden),
            ('\u{301}', Glyph::Mark),
            ('‑', Glyph::Dash),
        ] {
            assert_eq!(glyph(c), wanted, "{c:?}");
        }
        assert_eq!(spelling('ﬁ').collect::<String>(), "fi");
    }
}
