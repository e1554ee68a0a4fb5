//! HTTP/1 framing held to the letter, before the HTTP library sees it.
//!
//! The library below is lenient where RFC 9112 lets a recipient repair: it drops a `Content-Length`
//! beside a `Transfer-Encoding`, joins equal lengths, takes bare line feeds. Whoever stands before us may
//! repair otherwise, and that difference is how requests are smuggled. This reader follows the framing of
//! a connection byte by byte and refuses every message whose end is not beyond doubt: two lengths, equal
//! or not; a length beside a transfer coding; any coding but one plain `chunked`; either of them on
//! HTTP/1.0 where it has no meaning; folded lines, bare CR or LF; a chunk size that is not plain
//! hexadecimal. The refusal is made by handing on a byte that no head or chunk may contain, so that the
//! library answers 400 (or fails the body) and closes.
//!
//! HTTP/2 passes: its frames carry their lengths, and the library checks them against `content-length`.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use memchr::{memchr, memchr2};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::limits::HEAD_MAX;

/// What stands in place of a refused message.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Longest line of a chunk size with its extensions.
const CHUNK_LINE_MAX: usize = 1024;

/// A connection whose reading side is held to the letter.
#[derive(Debug)]
pub struct Strict<T> {
    io: T,
    framing: Framing,
    /// What is still to be handed on after a refusal.
    poison: Option<&'static [u8]>,
    refused: Refused,
}

/// Why a connection was refused, once it was; whoever serves it reads this at its end.
pub type Refused = Arc<OnceLock<&'static str>>;

impl<T> Strict<T> {
    /// A fresh connection. Why it is refused, if it is, is put into `refused`.
    pub fn new(io: T, refused: Refused) -> Self {
        Self { io, framing: Framing::default(), poison: None, refused }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Strict<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.poison.is_none() {
            let before = buf.filled().len();
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            let Err(refused) = this.framing.read(fresh) else { return Poll::Ready(Ok(())) };
            tracing::debug!(reason = refused.reason, "a message was refused for its framing");
            this.refused.set(refused.reason).ok();
            buf.set_filled(before + refused.at);
            this.poison = Some(POISON);
        }
        if let Some(poison) = this.poison {
            let (now, later) = poison.split_at_checked(buf.remaining()).unwrap_or((poison, &[]));
            buf.put_slice(now);
            this.poison = Some(later);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Strict<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// A message that is not beyond doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedFraming {
    /// Bytes of the chunk read last that may still be handed on.
    pub at: usize,
    /// Why, in a few words.
    pub reason: &'static str,
}

/// Where the reader stands in a sequence of requests. Fed with bytes cut anywhere.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// The part of the present line that came with earlier chunks.
    line: Vec<u8>,
    head: Head,
    /// Whether a head was read before: then the connection is HTTP/1 for good.
    begun: bool,
}

#[derive(Debug, Default)]
enum State {
    /// In a head, at its first line or a later one.
    #[default]
    Head,
    /// In a body of known length.
    Length(u64),
    /// At a chunk's size.
    ChunkSize,
    /// In a chunk's data.
    ChunkData(u64),
    /// At the line end after a chunk's data.
    ChunkEnd,
    /// In the trailers.
    Trailers,
    /// HTTP/2, or nothing we follow.
    Opaque,
}

#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    first_line: bool,
    old: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Follows the next bytes of the connection.
    ///
    /// # Errors
    /// A message is not beyond doubt. The connection is over then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), RefusedFraming> {
        let mut at = 0usize;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match &mut self.state {
                State::Opaque => return Ok(()),
                State::Length(left) | State::ChunkData(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    at += taken;
                    if *left == 0 {
                        self.state = if matches!(self.state, State::ChunkData(_)) { State::ChunkEnd } else { State::Head };
                    }
                }
                _ => {
                    let Some(end) = memchr(b'\n', rest) else {
                        return self.keep(rest).map_err(|reason| RefusedFraming { at, reason });
                    };
                    let (now, _) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
                    self.one_line(now).map_err(|reason| RefusedFraming { at, reason })?;
                    at += end + 1;
                }
            }
        }
    }

    /// Keeps the beginning of a line whose end has not come.
    fn keep(&mut self, part: &[u8]) -> Result<(), &'static str> {
        let limit = match self.state {
            State::ChunkSize => CHUNK_LINE_MAX,
            State::ChunkEnd => 2,
            _ => 2 * HEAD_MAX,
        };
        if self.line.len() + part.len() > limit {
            return Err("a line is too long");
        }
        // A long line over many chunks is looked at once: only its growth is bounded here.
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn one_line(&mut self, end: &[u8]) -> Result<(), &'static str> {
        if self.line.is_empty() {
            return self.line_read(end);
        }
        self.keep(end)?;
        let line = std::mem::take(&mut self.line);
        let outcome = self.line_read(&line);
        self.line = line;
        self.line.clear();
        outcome
    }

    /// One line with its end.
    fn line_read(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let line = line.strip_suffix(b"\r\n").ok_or("a line ends without CR LF")?;
        if memchr2(b'\r', 0, line).is_some() {
            return Err("a line contains CR or NUL");
        }
        match self.state {
            State::Head => self.head_line(line),
            State::ChunkSize => self.chunk_size(line),
            State::ChunkEnd if line.is_empty() => {
                self.state = State::ChunkSize;
                Ok(())
            }
            State::ChunkEnd => Err("a chunk is longer than its size"),
            State::Trailers if line.is_empty() => {
                self.state = State::Head;
                Ok(())
            }
            State::Trailers => {
                self.head.bytes += line.len() + 2;
                folded(line)?;
                if self.head.bytes > HEAD_MAX { Err("the trailers are too long") } else { Ok(()) }
            }
            State::Length(_) | State::ChunkData(_) | State::Opaque => Ok(()),
        }
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.head.bytes += line.len() + 2;
        if self.head.bytes > 2 * HEAD_MAX {
            return Err("the head is too long");
        }
        if !self.head.first_line {
            if line == b"PRI * HTTP/2.0" && !self.begun {
                self.state = State::Opaque;
            } else if !line.is_empty() {
                self.begun = true;
                self.head.first_line = true;
                self.head.old = line.ends_with(b" HTTP/1.0");
            }
            return Ok(());
        }
        if line.is_empty() {
            let head = std::mem::take(&mut self.head);
            self.state = match (head.chunked, head.length) {
                (true, _) => State::ChunkSize,
                (false, Some(length)) if length > 0 => State::Length(length),
                _ => State::Head,
            };
            return Ok(());
        }
        folded(line)?;
        let Some(colon) = memchr(b':', line) else { return Err("a field has no colon") };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.get(1..).unwrap_or_default();
        match colon {
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value),
            _ if name.iter().any(|b| matches!(b, b' ' | b'\t')) => Err("white space in a field name"),
            _ => Ok(()),
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.head.length.is_some() {
            return Err("two lengths");
        }
        if self.head.chunked {
            return Err("a length beside a transfer coding");
        }
        let digits = value.trim_ascii();
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err("a length that is no number");
        }
        self.head.length = Some(digits.iter().fold(0u64, |sum, b| sum * 10 + u64::from(b - b'0')));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.head.chunked {
            return Err("two transfer codings");
        }
        if self.head.length.is_some() {
            return Err("a length beside a transfer coding");
        }
        if self.head.old {
            return Err("a transfer coding on HTTP/1.0");
        }
        if !value.strip_prefix(b" ").unwrap_or(value).eq_ignore_ascii_case(b"chunked") {
            return Err("a transfer coding that is not chunked alone");
        }
        self.head.chunked = true;
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.len() > CHUNK_LINE_MAX {
            return Err("a line is too long");
        }
        let end = memchr(b';', line).unwrap_or(line.len());
        let digits = line.get(..end).unwrap_or_default();
        if digits.is_empty() || digits.len() > 15 {
            return Err("a chunk size that is no number");
        }
        let mut size = 0u64;
        for byte in digits {
            let digit = char::from(*byte).to_digit(16).ok_or("a chunk size that is no number")?;
            size = size * 16 + u64::from(digit);
        }
        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
        Ok(())
    }
}

/// Refuses the continuation of the line before.
fn folded(line: &[u8]) -> Result<(), &'static str> {
    match line.first() {
        Some(b' ' | b'\t') => Err("a folded line"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
