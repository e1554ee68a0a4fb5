//! Multipart bodies, read to the letter of RFC 2046 and RFC 7578.
//!
//! Promises: what two readers could cut in two ways is refused: a boundary that is missing, given twice or
//! not of its alphabet; anything before the first or after the last; lines that end in a bare line feed;
//! folded part headers; parts in a transfer coding or another charset than UTF-8, or multipart themselves.
//! Names, file names and all other part headers are texts. A part is read by its bytes: JSON, text, or
//! media that nobody reads. Judged, never edited.

use super::error::{Code, ReadError};
use super::form;
use super::generic;
use super::message::{Message, Part, Role};
use super::text::Text;
use super::tree::Collector;

/// Longest head of one part, in bytes.
const PART_HEAD_MAX: usize = 8 << 10;

/// Most parts of one body.
const PARTS_MAX: usize = 1024;

/// The boundary that a content type names; none where it is no multipart type.
///
/// # Errors
/// It is one, and its boundary is missing, given twice or malformed.
pub fn boundary(content_type: &str) -> Result<Option<String>, ReadError> {
    let mut parts = content_type.split(';');
    let mime = parts.next().unwrap_or_default().trim();
    if !mime.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Ok(None);
    }
    let bad = || ReadError::new(Code::InvalidCoding, 0);
    let mut found = None;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').ok_or_else(bad)?;
        if !name.trim().eq_ignore_ascii_case("boundary") {
            continue;
        }
        // White space beside the sign is no parameter, and some readers take it as one.
        let value = value.trim_end();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        let known = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
        if name.trim_start() != name.trim() || !(1..=70).contains(&value.len()) || !value.bytes().all(known) || found.is_some() {
            return Err(bad());
        }
        found = Some(value.to_owned());
    }
    found.ok_or_else(bad).map(Some)
}

/// Reads a body with this boundary.
///
/// # Errors
/// It is not beyond doubt where its parts begin and end, or a part cannot be read.
pub fn read<'b>(body: &'b [u8], boundary: &str, role: Role) -> Result<Message<'b>, ReadError> {
    let bad = |at: usize| ReadError::new(Code::InvalidCoding, at);
    let delimiter = format!("\r\n--{boundary}");
    let first = delimiter.get(2..).unwrap_or_default().as_bytes();
    let mut collector = Collector::default();
    collector.message.choices = 1;
    let mut at = body.starts_with(first).then_some(first.len()).ok_or_else(|| bad(0))?;
    for _ in 0..PARTS_MAX {
        let rest = body.get(at..).unwrap_or_default();
        if let Some(end) = rest.strip_prefix(b"--") {
            // Nothing but a line end may follow.
            return if matches!(end, b"" | b"\r\n") { Ok(collector.message) } else { Err(bad(at)) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or_else(|| bad(at))?;
        let length = memchr::memmem::find(part, delimiter.as_bytes()).ok_or(ReadError::new(Code::Truncated, at))?;
        let (part, _) = part.split_at_checked(length).unwrap_or((part, &[]));
        // A reader that takes bare line feeds would cut here.
        if memchr::memmem::find_iter(part, first).any(|found| found.checked_sub(1).and_then(|i| part.get(i)) == Some(&b'\n')) {
            return Err(bad(at));
        }
        one(part, role, &mut collector).map_err(|error| ReadError::new(error.code, at + error.at))?;
        at += 2 + length + delimiter.len();
    }
    Err(ReadError::new(Code::TooManyTexts, at))
}

fn one<'b>(part: &'b [u8], role: Role, collector: &mut Collector<'b>) -> Result<(), ReadError> {
    let bad = ReadError::new(Code::InvalidCoding, 0);
    // A part without a head begins with its empty line.
    let length = if part.starts_with(b"\r\n") { 0 } else { memchr::memmem::find(part, b"\r\n\r\n").ok_or(bad)? + 2 };
    if length > PART_HEAD_MAX {
        return Err(bad);
    }
    let (head, content) = part.split_at_checked(length).ok_or(bad)?;
    let head = std::str::from_utf8(head).map_err(|_| ReadError::new(Code::InvalidUtf8, 0))?;
    let content = content.strip_prefix(b"\r\n").ok_or(bad)?;
    for line in head.split_terminator("\r\n") {
        let (name, value) = line.split_once(':').ok_or(bad)?;
        if line.starts_with([' ', '\t']) || name.contains([' ', '\t']) || line.contains(['\r', '\n', '\0']) {
            return Err(bad);
        }
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
        {
            return Err(ReadError::new(Code::UnsupportedCoding, 0));
        }
        if name.eq_ignore_ascii_case("content-type") {
            plain_type(value)?;
        }
        collector.part(Role::Other, Text::opaque(value), 0, false)?;
        if value.contains('%')
            && let Ok(decoded) = form::decode(value)
        {
            collector.part(Role::Other, Text::opaque(decoded), 0, false)?;
        }
    }
    let message = generic::read(content, role, 0)?;
    for part in message.parts {
        collector.push(Part { editable: false, ..part })?;
    }
    for unread in message.unread {
        collector.unread(unread.what, unread.reason);
    }
    Ok(())
}

/// Whether a part is of a type that is read as it is.
fn plain_type(value: &str) -> Result<(), ReadError> {
    if value.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Err(ReadError::new(Code::UnsupportedCoding, 0));
    }
    for parameter in value.split(';').skip(1) {
        let Some((name, charset)) = parameter.split_once('=') else { continue };
        let charset = charset.trim().trim_matches('"');
        let known = ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
        if name.trim().eq_ignore_ascii_case("charset") && !known {
            return Err(ReadError::new(Code::UnsupportedCharset, 0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Result<Vec<String>, Code> {
        read(body.as_bytes(), "b", Role::User)
            .map(|m| m.parts.iter().map(|p| p.text.as_str().to_owned()).collect())
            .map_err(|e| e.code)
    }

    #[test]
    fn parts_and_their_heads_are_texts() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nhello\r\n--b\r\nX: y%20z\r\nContent-Type: application/json\r\n\r\n{\"a\":\"\\u0041\"}\r\n--b\r\n\r\nbare\r\n--b--\r\n";
        assert_eq!(
            texts(body).unwrap(),
            ["form-data; name=\"n\"", "hello", "y%20z", "y z", "application/json", "a", "A", "bare"]
        );
        let media = read(b"--b\r\n\r\n\x89PNG\r\n\x1a\n\0\r\n--b--", "b", Role::User).unwrap();
        assert_eq!(media.unread.len(), 1);
    }

    #[test]
    fn what_could_be_cut_in_two_ways_is_refused() {
        for body in [
            "",
            "before\r\n--b\r\n\r\nx\r\n--b--",
            "--b\r\n\r\nx\r\n--b--after",
            "--b\r\n\r\nx\r\n--b--\r\nafter",
            "--b\n\nx\n--b--",
            "--b\r\n\r\nx\n--b\r\n\r\ny\r\n--b--",
            "--b \r\n\r\nx\r\n--b--",
            "--b\r\nA: b\r\n c\r\n\r\nx\r\n--b--",
            "--b\r\nA : b\r\n\r\nx\r\n--b--",
            "--b\r\nA: b\nB: c\r\n\r\nx\r\n--b--",
            "--b\r\nno colon\r\n\r\nx\r\n--b--",
            "--b\r\n\r\nx",
            "--b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--",
            "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--b--",
            "--b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\nx\r\n--b--",
        ] {
            assert!(texts(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn boundaries() {
        let of = |text: &str| boundary(text).map_err(|e| e.code);
        assert_eq!(of("text/plain; boundary=b"), Ok(None));
        assert_eq!(of("Multipart/Form-Data; boundary=\"a-b\""), Ok(Some("a-b".to_owned())));
        for bad in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a; Boundary=a",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=a b",
            "multipart/form-data; boundary =a",
            "multipart/form-data; boundary",
        ] {
            assert_eq!(of(bad), Err(Code::InvalidCoding), "{bad}");
        }
    }
}
