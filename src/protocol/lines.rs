//! Lines of JSON (NDJSON, JSON Lines), cut like events: one line, one event.
//!
//! Promises: as for [`sse`](super::sse): the raw bytes put together are the bytes that were pushed, cut
//! anywhere; a line over the ceiling is an error. A string of JSON holds no line end, so no text is cut.

use bytes::{Bytes, BytesMut};

use super::error::{Code, ReadError};
use super::frames::Frames;
use super::sse::{Event, Framer};

/// Cuts a stream into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    line_max: usize,
    /// Where the search for the end of the line goes on.
    searched: usize,
}

impl Lines {
    /// With a ceiling for one line.
    pub fn new(line_max: usize) -> Self {
        Self { buffer: BytesMut::new(), line_max, searched: 0 }
    }

    fn next(&mut self) -> Result<Option<Event>, ReadError> {
        let Some(found) = self.buffer.get(self.searched..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
            self.searched = self.buffer.len();
            return if self.searched > self.line_max { Err(self.too_long()) } else { Ok(None) };
        };
        let next = self.searched + found + 1;
        if next > self.line_max {
            return Err(self.too_long());
        }
        self.searched = 0;
        Ok(Some(Event::of_line(self.buffer.split_to(next).freeze())))
    }

    fn finish(&mut self) -> Result<Option<Event>, ReadError> {
        if let Some(event) = self.next()? {
            return Ok(Some(event));
        }
        self.searched = 0;
        let rest: Bytes = self.buffer.split().freeze();
        Ok((!rest.is_empty()).then(|| Event::of_line(rest)))
    }

    fn too_long(&self) -> ReadError {
        ReadError::new(Code::EventTooLarge, self.line_max)
    }
}

/// What cuts a stream into the units that are judged and let go.
#[derive(Debug)]
pub enum Cutter {
    /// Server-sent events.
    Events(Framer),
    /// Lines of JSON.
    Lines(Lines),
    /// Frames with sums.
    Frames(Frames),
}

impl Cutter {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Events(framer) => framer.push(chunk),
            Self::Lines(lines) => lines.buffer.extend_from_slice(chunk),
            Self::Frames(frames) => frames.push(chunk),
        }
    }

    /// The next whole unit, if its last byte is there.
    #[expect(clippy::should_implement_trait, reason = "more may come after nothing, and an error is final")]
    pub fn next(&mut self) -> Result<Option<Event>, ReadError> {
        match self {
            Self::Events(framer) => framer.next(),
            Self::Lines(lines) => lines.next(),
            Self::Frames(frames) => frames.next(),
        }
    }

    /// The stream has ended: what is left. To be called until it gives nothing.
    pub fn finish(&mut self) -> Result<Option<Event>, ReadError> {
        match self {
            Self::Events(framer) => framer.finish(),
            Self::Lines(lines) => lines.finish(),
            Self::Frames(frames) => frames.finish(),
        }
    }

    /// What is left of a stream that nobody reads any further.
    pub fn left(&mut self) -> Bytes {
        match self {
            Self::Frames(frames) => frames.left(),
            events => events.finish().ok().flatten().map(|event| event.raw().clone()).unwrap_or_default(),
        }
    }

    /// Bytes that wait for the rest of their unit.
    pub fn pending(&self) -> usize {
        match self {
            Self::Events(framer) => framer.pending(),
            Self::Lines(lines) => lines.buffer.len(),
            Self::Frames(frames) => frames.pending(),
        }
    }
}

/// Whether a content type names lines of JSON.
pub fn says_lines(content_type: &str) -> bool {
    const NAMES: [&str; 6] = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/stream+json",
    ];
    let mime = content_type.split(';').next().unwrap_or_default().trim();
    NAMES.iter().any(|name| mime.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::sse::Change;
    use crate::protocol::sse::{Place, Within};

    fn cut(text: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::Lines(Lines::new(64));
        let mut out = Vec::new();
        for chunk in text.chunks(size) {
            cutter.push(chunk);
            while let Some(event) = cutter.next().unwrap() {
                out.push(event.raw().to_vec());
            }
        }
        while let Some(event) = cutter.finish().unwrap() {
            out.push(event.raw().to_vec());
        }
        out
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"{\"a\":1}\r\n\n{\"b\":\"\\n\"}\n{\"c\":";
        let whole = cut(text, text.len());
        assert_eq!(whole.len(), 4);
        for size in 1..text.len() {
            assert_eq!(cut(text, size), whole);
        }
        assert_eq!(whole.concat(), text);
    }

    #[test]
    fn a_line_has_a_ceiling() {
        for text in [vec![b'a'; 65], [vec![b'a'; 64], vec![b'\n']].concat()] {
            let mut cutter = Cutter::Lines(Lines::new(64));
            cutter.push(&text);
            assert_eq!(cutter.next().unwrap_err().code, Code::EventTooLarge);
        }
    }

    #[test]
    fn what_is_written_into_a_line_cannot_end_it() {
        let event = Event::of_line(Bytes::from_static(b"secret\r\n"));
        assert_eq!(event.data(), b"secret");
        let place = Place { at: 0..6, within: Within::Data };
        let changed = event.rewrite(&[Change { place: &place, at: 0..6, with: "a\nb\r\nc" }]);
        assert_eq!(changed, "a b  c\r\n");
    }
}
