//! What a body is, by its bytes where the content type may lie.

use super::error::Code;

/// The shape of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Begins as a JSON object, array or string.
    Json,
    /// Server-sent events.
    EventStream,
    /// Any other text.
    Text,
    /// Image, audio, video, archive: bytes that no detector reads.
    Binary,
    /// Nothing at all.
    Empty,
}

/// How much of a body is looked at.
pub const SNIFFED: usize = 512;

/// The shape of a body, from its first bytes ([`SNIFFED`] are enough) and its content type. Bytes
/// outrank the type: JSON under `text/plain` is JSON, events under `application/json` are events. The
/// type decides only what the bytes leave open: whether text is the beginning of a stream.
pub fn sniff(content_type: Option<&str>, start: &[u8]) -> Shape {
    let start = start.get(..SNIFFED).unwrap_or(start);
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let mime = content_type.and_then(|value| value.split(';').next()).map(|value| value.trim().to_ascii_lowercase());
    let says_events = mime.as_deref() == Some("text/event-stream");
    match start.trim_ascii_start().first() {
        None if says_events => return Shape::EventStream,
        None => return Shape::Empty,
        Some(b'{' | b'[' | b'"') if !says_events => return Shape::Json,
        Some(_) => {}
    }
    if says_events || begins_as_event(start) {
        return Shape::EventStream;
    }
    let text = match std::str::from_utf8(start) {
        Ok(_) => true,
        // A code point that the first bytes cut in two is no fault.
        Err(error) => error.error_len().is_none() && start.len() - error.valid_up_to() < 4,
    };
    if text && !start.contains(&0) { Shape::Text } else { Shape::Binary }
}

/// Why bytes that are no text are not simply media: they are in a coding that nobody declared, or under a
/// type that says text. None for media, and for what has no type at all.
pub fn hidden(content_type: Option<&str>, start: &[u8]) -> Option<Code> {
    let coded = start.starts_with(b"\x1f\x8b") || start.starts_with(b"\x28\xb5\x2f\xfd");
    let code = if coded { Code::UnsupportedCoding } else { Code::InvalidUtf8 };
    match content_type.and_then(|value| value.split(';').next()).map(|mime| mime.trim().to_ascii_lowercase()) {
        None => coded.then_some(code),
        Some(mime) => says_text(&mime).then_some(code),
    }
}

fn says_text(mime: &str) -> bool {
    const NAMES: [&str; 5] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
        "application/yaml",
    ];
    mime.starts_with("text/") || mime.ends_with("+json") || mime.ends_with("+xml") || NAMES.contains(&mime)
}

/// Whether the first line is a field of an event stream.
fn begins_as_event(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:"].iter().any(|field| start.starts_with(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outrank_the_type() {
        assert_eq!(sniff(Some("text/plain"), b" {\"a\":1}"), Shape::Json);
        assert_eq!(sniff(Some("application/json"), b"data: {\"a\":1}\n\n"), Shape::EventStream);
        assert_eq!(sniff(Some("application/octet-stream"), b"hello"), Shape::Text);
        assert_eq!(sniff(Some("text/plain"), b"\x89PNG\r\n\x1a\n\0\0"), Shape::Binary);
        assert_eq!(sniff(Some("text/event-stream; charset=utf-8"), b": ping\n"), Shape::EventStream);
        assert_eq!(sniff(None, b" \n"), Shape::Empty);
        assert_eq!(sniff(None, "aé".repeat(400).as_bytes()), Shape::Text);
    }
}
