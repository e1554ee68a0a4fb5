//! Lines under a ceiling. What is over it is cut, told, and skipped to its end; it never fills memory.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Cuts what a side writes into lines. A call that is dropped loses nothing.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    line: BytesMut,
    max: usize,
    ended: bool,
}

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Of a line that is too long one byte more than there may be.
    pub(super) bytes: Bytes,
    /// It was longer.
    pub(super) cut: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, max: usize) -> Self {
        Self { from, line: BytesMut::new(), max, ended: false }
    }

    /// The next line that is not blank; none at the end. A last line needs no end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        while !self.ended {
            let chunk = self.from.fill_buf().await?;
            let end = memchr::memchr(b'\n', chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            self.ended = chunk.is_empty();
            let room = (self.max + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.from.consume(used);
            if end.is_none() && !self.ended {
                continue;
            }
            let mut bytes = self.line.split().freeze();
            let cut = bytes.len() > self.max;
            if !cut && bytes.ends_with(b"\r") {
                bytes.truncate(bytes.len() - 1);
            }
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Line { bytes, cut }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], buffer: usize, max: usize) -> Vec<(String, bool)> {
        let mut lines = Lines::new(tokio::io::BufReader::with_capacity(buffer, text), max);
        let mut out = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            out.push((String::from_utf8(line.bytes.to_vec()).unwrap(), line.cut));
        }
        out
    }

    #[tokio::test]
    async fn the_same_lines_however_the_bytes_come() {
        let text = b"one\r\n\n \ntwo\nlonger than eight\n12345678\nlast";
        for buffer in 1..text.len() + 2 {
            let wanted = [("one", false), ("two", false), ("longer th", true), ("12345678", false), ("last", false)];
            assert_eq!(all(text, buffer, 8).await, wanted.map(|(line, cut)| (line.to_owned(), cut)), "{buffer}");
        }
        assert_eq!(all(b"", 4, 8).await, []);
    }
}
