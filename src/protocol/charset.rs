//! Bytes of a declared charset as UTF-8, for judging.
//!
//! UTF-8 (US-ASCII is a part of it), UTF-16 and UTF-32 of both byte orders, told by their byte order mark
//! or by the `charset` of the content type. All else, and a mark that belies the type, is an error:
//! a body that two readers could read in two ways is not judged.

use std::borrow::Cow;

use super::error::{Code, ReadError};

/// A body as UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcoded<'b> {
    /// The body without byte order mark.
    pub body: Cow<'b, [u8]>,
    /// Whether the original was UTF-8, so that an edited body may go on in its place. Otherwise the
    /// original may only be forwarded unchanged.
    pub editable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    /// Two or four bytes a unit; without a known order it is big-endian (RFC 2781).
    Wide {
        size: usize,
        little: Option<bool>,
    },
}

const UTF16_LE: Charset = Charset::Wide { size: 2, little: Some(true) };
const UTF16_BE: Charset = Charset::Wide { size: 2, little: Some(false) };
const UTF32_LE: Charset = Charset::Wide { size: 4, little: Some(true) };
const UTF32_BE: Charset = Charset::Wide { size: 4, little: Some(false) };

/// Whether a body is in units of two or four bytes, by its type, its mark or its first bytes: text, although its
/// bytes look like none. A type that is media outranks a mark.
pub fn is_wide(content_type: Option<&str>, start: &[u8]) -> bool {
    let wide = |charset: Option<Charset>| matches!(charset, Some(Charset::Wide { .. }));
    let mime = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
    if ["image/", "audio/", "video/", "font/"].iter().any(|media| mime.starts_with(media)) {
        return false;
    }
    let declared = content_type.and_then(|value| declared(value).ok()).flatten();
    wide(declared) || wide(mark(start).0) || declared.is_none() && wide(guess(start))
}

/// The body as UTF-8. Bytes that are no UTF-8 under a type that names no charset are given as they
/// are, for they may be no text at all: see [`sniff`](super::sniff::sniff).
pub fn to_utf8<'b>(content_type: Option<&str>, body: &'b [u8]) -> Result<Transcoded<'b>, ReadError> {
    let declared = content_type.map(declared).transpose()?.flatten();
    let (marked, rest) = mark(body);
    let charset = match (declared, marked) {
        (None, None) => guess(body).unwrap_or(Charset::Utf8),
        (None, Some(charset)) | (Some(charset), None) => charset,
        (Some(declared), Some(marked)) => agree(declared, marked).ok_or(ReadError::new(Code::UnsupportedCharset, 0))?,
    };
    match charset {
        Charset::Utf8 => {
            if let Some(error) = declared.and_then(|_| std::str::from_utf8(rest).err()) {
                return Err(ReadError::new(Code::InvalidUtf8, body.len() - rest.len() + error.valid_up_to()));
            }
            Ok(Transcoded { body: Cow::Borrowed(rest), editable: true })
        }
        Charset::Wide { size, little } => {
            let text = widen(rest, size, little.unwrap_or(false))
                .map_err(|at| ReadError::new(Code::UnsupportedCharset, body.len() - rest.len() + at))?;
            Ok(Transcoded { body: Cow::Owned(text.into_bytes()), editable: false })
        }
    }
}

/// The charset that a content type names. Two that differ, and unknown ones, are errors.
fn declared(content_type: &str) -> Result<Option<Charset>, ReadError> {
    let mut found = None;
    for parameter in content_type.split(';').skip(1) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("charset") {
            continue;
        }
        let charset = match value.trim().trim_matches('"').to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Charset::Utf8,
            "utf-16" => Charset::Wide { size: 2, little: None },
            "utf-16le" => UTF16_LE,
            "utf-16be" => UTF16_BE,
            "utf-32" => Charset::Wide { size: 4, little: None },
            "utf-32le" => UTF32_LE,
            "utf-32be" => UTF32_BE,
            _ => return Err(ReadError::new(Code::UnsupportedCharset, 0)),
        };
        if found.is_some_and(|other| other != charset) {
            return Err(ReadError::new(Code::UnsupportedCharset, 0));
        }
        found = Some(charset);
    }
    Ok(found)
}

/// The charset of a byte order mark, and the body behind it.
fn mark(body: &[u8]) -> (Option<Charset>, &[u8]) {
    let marks: [(&[u8], Charset); 5] = [
        (b"\xEF\xBB\xBF", Charset::Utf8),
        (b"\xFF\xFE\0\0", UTF32_LE),
        (b"\0\0\xFE\xFF", UTF32_BE),
        (b"\xFF\xFE", UTF16_LE),
        (b"\xFE\xFF", UTF16_BE),
    ];
    let found = marks.iter().find_map(|(mark, charset)| Some((Some(*charset), body.strip_prefix(*mark)?)));
    found.unwrap_or((None, body))
}

/// JSON without a mark: it begins with an ASCII character, so its zero bytes tell (RFC 4627 §3).
fn guess(body: &[u8]) -> Option<Charset> {
    match body {
        [0, 0, 0, b, ..] if *b != 0 => Some(UTF32_BE),
        [b, 0, 0, 0, ..] if *b != 0 => Some(UTF32_LE),
        [0, b, 0, c, ..] if *b != 0 && *c != 0 => Some(UTF16_BE),
        [b, 0, c, 0, ..] if *b != 0 && *c != 0 => Some(UTF16_LE),
        _ => None,
    }
    .filter(|_| body.iter().find(|b| **b != 0).is_some_and(|b| matches!(b, b'{' | b'[' | b'"' | b' ' | b'\n' | b'\r' | b'\t')))
}

fn agree(declared: Charset, marked: Charset) -> Option<Charset> {
    match (declared, marked) {
        (Charset::Wide { size, little: None }, Charset::Wide { size: other, little }) if size == other => {
            Some(Charset::Wide { size, little })
        }
        (a, b) => (a == b).then_some(a),
    }
}

/// Decodes units of two or four bytes; the error is the place of a broken one.
fn widen(bytes: &[u8], size: usize, little: bool) -> Result<String, usize> {
    if !bytes.len().is_multiple_of(size) {
        return Err(bytes.len());
    }
    let unit = |bytes: &[u8]| {
        let join = |sum: u32, b: &u8| (sum << 8) | u32::from(*b);
        if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    };
    let mut out = String::with_capacity(bytes.len() / 2);
    let mut units = bytes.chunks_exact(size).map(unit).enumerate();
    while let Some((at, first)) = units.next() {
        let code = match first {
            0xD800..0xDC00 if size == 2 => match units.next() {
                Some((_, low @ 0xDC00..0xE000)) => 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00),
                _ => return Err(at * size),
            },
            code => code,
        };
        out.push(char::from_u32(code).ok_or(at * size)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, size: usize, little: bool) -> Vec<u8> {
        let units: Vec<u32> =
            if size == 2 { text.encode_utf16().map(u32::from).collect() } else { text.chars().map(u32::from).collect() };
        units
            .into_iter()
            .flat_map(|unit| {
                let bytes = unit.to_be_bytes()[4 - size..].to_vec();
                if little { bytes.into_iter().rev().collect() } else { bytes }
            })
            .collect()
    }

    fn text(content_type: &str, body: &[u8]) -> Result<(String, bool), Code> {
        let out = to_utf8(Some(content_type), body).map_err(|e| e.code)?;
        Ok((String::from_utf8(out.body.into_owned()).unwrap(), out.editable))
    }

    #[test]
    fn wide_charsets_are_transcoded() {
        let sample = "{\"a\":\"é😀\"}";
        for (name, size, little) in
            [("utf-16le", 2, true), ("UTF-16BE", 2, false), ("\"utf-32le\"", 4, true), ("utf-32be", 4, false)]
        {
            let plain = wide(sample, size, little);
            let marked = wide(&format!("\u{feff}{sample}"), size, little);
            for body in [&plain, &marked] {
                assert_eq!(text(&format!("application/json; charset={name}"), body), Ok((sample.to_owned(), false)));
                assert_eq!(text("application/json", body), Ok((sample.to_owned(), false)), "{name} untold");
            }
        }
        assert_eq!(text("text/plain;charset=utf-16", &wide("ab", 2, false)), Ok(("ab".to_owned(), false)));
        assert_eq!(text("text/plain;charset=utf-16", &wide("\u{feff}ab", 2, true)), Ok(("ab".to_owned(), false)));
    }

    #[test]
    fn utf8_stays_and_its_mark_goes() {
        assert_eq!(text("application/json", b"\xEF\xBB\xBF{}"), Ok(("{}".to_owned(), true)));
        assert_eq!(text("application/json; charset=utf-8", "é".as_bytes()), Ok(("é".to_owned(), true)));
        assert!(matches!(to_utf8(None, b"abc").unwrap().body, Cow::Borrowed(_)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (content_type, body) in [
            ("text/plain; charset=utf-7", &b"+ADw-"[..]),
            ("text/plain; charset=ibm037", b"x"),
            ("text/plain; charset=utf-8; charset=utf-16le", b"x"),
            ("text/plain; charset=utf-8", b"\xFF\xFEa\0"),
            ("text/plain; charset=utf-16le", b"\xEF\xBB\xBFab"),
            ("text/plain; charset=utf-16le", b"abc"),
            ("text/plain; charset=utf-16be", b"\xD8\x00\x00\x61"),
            ("text/plain; charset=utf-32le", b"\0\0\x11\0"),
        ] {
            assert_eq!(text(content_type, body), Err(Code::UnsupportedCharset), "{content_type}");
        }
        assert_eq!(text("text/plain; charset=utf-8", b"a\xFF"), Err(Code::InvalidUtf8));
    }
}
