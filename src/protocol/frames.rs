//! Frames of `application/vnd.amazon.eventstream`, cut like events: one frame, one event.
//!
//! Source: the event stream encoding of the AWS SDKs: total length, length of the headers and a CRC-32 of both,
//! then headers, payload and a CRC-32 of all before it; numbers are big-endian. Promises: as for
//! [`sse`](super::sse): the raw bytes put together are the bytes that were pushed, cut anywhere; a frame over the
//! ceiling, with a wrong checksum or with headers that do not add up is an error. Its sums make a frame nothing
//! that could be edited in place: who changes a word in it would forge it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::error::{Code, ReadError};
use super::sse::{Event, Field, Line};

/// Both lengths and their sum.
const PRELUDE: usize = 12;

/// The sum at the end.
const TRAILER: usize = 4;

/// The type of a header's value that is a text.
const STRING: u8 = 7;

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    frame_max: usize,
}

impl Frames {
    /// With a ceiling for one frame.
    pub fn new(frame_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_max }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    pub(super) fn pending(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn next(&mut self) -> Result<Option<Event>, ReadError> {
        let Some(prelude) = self.buffer.get(..PRELUDE) else { return Ok(None) };
        let (total, headers) = (number(prelude, 0), number(prelude, 4));
        // Before its bytes are waited for: a wrong length would wait for ever.
        if crc32(prelude.get(..8).unwrap_or_default()) != number(prelude, 8) {
            return Err(ReadError::new(Code::InvalidFrame, 8));
        }
        let (total, headers) = (total as usize, headers as usize);
        if total > self.frame_max {
            return Err(ReadError::new(Code::EventTooLarge, self.frame_max));
        }
        let payload = PRELUDE.saturating_add(headers);
        let Some(sum) = total.checked_sub(TRAILER).filter(|sum| *sum >= payload) else {
            return Err(ReadError::new(Code::InvalidFrame, 0));
        };
        if self.buffer.len() < total {
            return Ok(None);
        }
        if crc32(self.buffer.get(..sum).unwrap_or_default()) != number(&self.buffer, sum) {
            return Err(ReadError::new(Code::InvalidFrame, sum));
        }
        let lines = lines(&self.buffer, PRELUDE..payload)?;
        Ok(Some(Event::of_frame(self.buffer.split_to(total).freeze(), payload..sum, lines)))
    }

    /// The bytes that were pushed and given in no event.
    pub(super) fn left(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }

    /// Nothing may be left at the end: half a frame is none, and no client takes it for one.
    pub(super) fn finish(&mut self) -> Result<Option<Event>, ReadError> {
        match self.next()? {
            None if !self.buffer.is_empty() => Err(ReadError::new(Code::Truncated, self.buffer.len())),
            event => Ok(event),
        }
    }
}

/// The headers as lines: the kind of the event or exception as its name, every other text and name as one that
/// stands beside it.
fn lines(raw: &[u8], headers: Range<usize>) -> Result<Vec<Line>, ReadError> {
    let mut out = Vec::new();
    let mut at = headers.start;
    let wrong = |at| ReadError::new(Code::InvalidFrame, at);
    while at < headers.end {
        let name = at + 1..at + 1 + usize::from(byte(raw, at));
        let kind = byte(raw, name.end);
        let from = name.end + 1;
        let value = match kind {
            0 | 1 => from..from,
            2 => from..from + 1,
            3 => from..from + 2,
            4 => from..from + 4,
            5 | 8 => from..from + 8,
            9 => from..from + 16,
            6 | STRING => from + 2..from + 2 + (usize::from(byte(raw, from)) << 8 | usize::from(byte(raw, from + 1))),
            _ => return Err(wrong(name.end)),
        };
        if value.end > headers.end {
            return Err(wrong(at));
        }
        let known = raw.get(name.clone()).unwrap_or_default();
        let field = match known {
            b":event-type" | b":exception-type" if kind == STRING => Field::Event,
            b":content-type" | b":message-type" if kind == STRING => Field::Id,
            _ => Field::Comment,
        };
        if field == Field::Comment {
            out.push(Line { whole: at..value.end, value: name, field });
        }
        if matches!(kind, 6 | STRING) {
            out.push(Line { whole: at..value.end, value: value.clone(), field });
        }
        at = value.end;
    }
    Ok(out)
}

fn byte(raw: &[u8], at: usize) -> u8 {
    raw.get(at).copied().unwrap_or_default()
}

/// Four bytes as a number.
fn number(raw: &[u8], at: usize) -> u32 {
    (at..at + 4).fold(0, |sum, at| sum << 8 | u32::from(byte(raw, at)))
}

/// A frame of JSON: an event of this kind, or an exception.
pub(super) fn frame(exception: bool, kind: &str, payload: &str) -> Vec<u8> {
    let (class, name) = if exception { ("exception", ":exception-type") } else { ("event", ":event-type") };
    let mut headers = Vec::new();
    for (name, value) in [(name, kind), (":content-type", "application/json"), (":message-type", class)] {
        headers.push(u8::try_from(name.len()).unwrap_or_default());
        headers.extend_from_slice(name.as_bytes());
        headers.push(STRING);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::with_capacity(PRELUDE + headers.len() + payload.len() + TRAILER);
    out.extend_from_slice(&length(PRELUDE + headers.len() + payload.len() + TRAILER));
    out.extend_from_slice(&length(headers.len()));
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out
}

/// Whether a content type names frames.
pub fn says_frames(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/vnd.amazon.eventstream")
}

/// CRC-32 as in gzip (ISO 3309), a table for each half of a byte.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        nibble(0),
        nibble(1),
        nibble(2),
        nibble(3),
        nibble(4),
        nibble(5),
        nibble(6),
        nibble(7),
        nibble(8),
        nibble(9),
        nibble(10),
        nibble(11),
        nibble(12),
        nibble(13),
        nibble(14),
        nibble(15),
    ];
    let step = |sum: u32, half: u32| TABLE.get((sum ^ half) as usize & 15).copied().unwrap_or_default() ^ sum >> 4;
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        let sum = step(sum, u32::from(*byte));
        step(sum, u32::from(*byte >> 4))
    })
}

/// What half a byte adds to a sum.
const fn nibble(half: u32) -> u32 {
    let mut sum = half;
    let mut bit = 0;
    while bit < 4 {
        sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        bit += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8], size: usize) -> Result<Vec<Event>, ReadError> {
        let mut frames = Frames::new(1 << 16);
        let mut out = Vec::new();
        for chunk in bytes.chunks(size) {
            frames.push(chunk);
            while let Some(event) = frames.next()? {
                out.push(event);
            }
        }
        while let Some(event) = frames.finish()? {
            out.push(event);
        }
        Ok(out)
    }

    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!((crc32(b"123456789"), crc32(b"")), (0xCBF4_3926, 0));
    }

    #[test]
    fn an_empty_frame_is_that_of_the_encoding_s_own_vectors() {
        let empty = [0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xC2, 0x48, 0xEB, 0x7D, 0x98, 0xC8, 0xFF];
        let events = cut(&empty, 1).unwrap();
        assert_eq!((events.len(), events[0].raw().as_ref(), events[0].data()), (1, &empty[..], &b""[..]));
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let bytes = [frame(false, "messageStart", r#"{"role":"assistant"}"#), frame(true, "throttlingException", "{}")].concat();
        for size in 1..bytes.len() {
            let events = cut(&bytes, size).unwrap();
            let told: Vec<_> = events.iter().map(|event| (event.name().unwrap(), event.data())).collect();
            assert_eq!(told, [("messageStart", &br#"{"role":"assistant"}"#[..]), ("throttlingException", b"{}")]);
            assert_eq!(events.iter().flat_map(|event| event.raw().to_vec()).collect::<Vec<_>>(), bytes);
        }
    }

    #[test]
    fn what_does_not_add_up_is_an_error() {
        let good = frame(false, "contentBlockDelta", r#"{"delta":{"text":"hi"}}"#);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(cut(&bad, bad.len()).is_err(), "byte {at}");
        }
        assert_eq!(cut(&good[..good.len() - 1], 7).unwrap_err().code, Code::Truncated);
        let mut large = (1_u32 << 20).to_be_bytes().to_vec();
        large.extend_from_slice(&[0; 4]);
        large.extend_from_slice(&crc32(&large).to_be_bytes());
        assert_eq!(cut(&large, 12).unwrap_err().code, Code::EventTooLarge);
    }
}
