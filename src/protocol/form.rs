//! Form bodies (`application/x-www-form-urlencoded`): every name and every value, decoded.
//!
//! Promises: an escape that is none refuses the body, since readers repair it each in their own way. What
//! is read has no way back: a form is judged, never edited.

use std::borrow::Cow;

use super::error::{Code, ReadError};
use super::message::{Message, Role};
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
        collector.part(role, Text::opaque(decode(value)?), 0, false)?;
    }
    Ok(collector.message)
}

/// A text with its `+` and percent escapes undone.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, ReadError> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let bad = || ReadError::new(Code::InvalidCoding, 0);
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
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
    fn broken_escapes_are_refused() {
        for body in ["a=%", "a=%2", "a=%zz", "%u0041=b"] {
            assert_eq!(texts(body), Err(Code::InvalidCoding), "{body}");
        }
        assert_eq!(texts("a=%ff"), Err(Code::InvalidUtf8));
    }
}
