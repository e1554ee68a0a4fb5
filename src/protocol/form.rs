//! Form bodies (`application/x-www-form-urlencoded`): every name and every value, decoded.
//!
//! Promises: an escape that is none refuses the body, since readers repair it each in their own way. What
//! is read has no way back: a form is judged, never edited.

use std::borrow::Cow;

use super::error::{Code, ReadError};
use super::message::{Message, Part, Role};
use super::text::Text;
use super::tree::Collector;

/// Reads a form.
///
/// # Errors
/// An escape is broken, or decodes to no UTF-8; there are too many texts.
pub fn read(body: &[u8], role: Role) -> Result<Message<'_>, ReadError> {
    let text = std::str::from_utf8(body).map_err(|e| ReadError::new(Code::InvalidUtf8, e.valid_up_to()))?;
    let mut collector = Collector::default();
    collector.message.choices = 1;
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        collector.part(Role::Other, Text::opaque(decode(name)?), 0, false)?;
        let text = Text::opaque(decode(value)?);
        collector.push(Part { role, text, fresh: true, choice: 0, editable: false, value: true })?;
    }
    Ok(collector.message)
}

/// The path of a target with its escapes undone; as it is written where one is broken.
pub fn path(path: &str) -> Cow<'_, str> {
    unescape(path, false).unwrap_or(Cow::Borrowed(path))
}

/// The parameters of a query, names and values decoded. Nobody is refused for a broken escape in a query: such a
/// text is given as it is written.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let read = |text| decode(text).unwrap_or(Cow::Borrowed(text));
    query.split('&').map(move |pair| pair.split_once('=').unwrap_or((pair, ""))).map(move |(n, v)| (read(n), read(v)))
}

/// A text with its `+` and percent escapes undone.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, ReadError> {
    unescape(text, true)
}

/// The same; `plus`: a plus sign is a blank.
fn unescape(text: &str, plus: bool) -> Result<Cow<'_, str>, ReadError> {
    if !(text.contains('%') || plus && text.contains('+')) {
        return Ok(Cow::Borrowed(text));
    }
    let bad = || ReadError::new(Code::InvalidCoding, 0);
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' if plus => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(bad);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).map_err(|_| bad())?
            }
            other => other,
        });
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| ReadError::new(Code::InvalidUtf8, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Result<Vec<String>, Code> {
        read(body.as_bytes(), Role::User)
            .map(|m| m.parts.iter().map(|p| p.text.as_str().to_owned()).collect())
            .map_err(|e| e.code)
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert_eq!(texts("a=1+2&b%20c=%C3%A9&d&=e").unwrap(), ["a", "1 2", "b c", "\u{e9}", "d", "e"]);
        assert_eq!(texts("").unwrap(), [""; 0]);
    }

    #[test]
    fn parameters_of_a_query_are_decoded_where_they_can_be() {
        let read: Vec<_> = parameters("a%20b=%C3%A9+1&c&d=50%&=e").map(|(name, value)| format!("{name}|{value}")).collect();
        assert_eq!(read, ["a b|\u{e9} 1", "c|", "d|50%", "|e"]);
        assert_eq!((path("/a%20b+c").as_ref(), path("/50%").as_ref()), ("/a b+c", "/50%"));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for body in ["a=%", "a=%2", "a=%zz", "%u0041=b"] {
            assert_eq!(texts(body), Err(Code::InvalidCoding), "{body}");
        }
        assert_eq!(texts("a=%ff"), Err(Code::InvalidUtf8));
    }
}
