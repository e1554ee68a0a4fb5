//! Content codings undone under ceilings: gzip, deflate (zlib and raw), br, zstd.
//!
//! Promises: memory stays flat however a body is made; the ceiling and the ratio are looked at while
//! decoding; a coding that is unknown, or on top of another, is an error and never a pass.

use bytes::Bytes;

use super::error::{Code, ReadError};

/// A content coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip`
    Gzip,
    /// `deflate`: zlib, or (as some send it) raw.
    Deflate,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

/// What the `Content-Encoding` headers of a message say: `None` for no coding or `identity`.
pub fn coding(headers: &http::HeaderMap) -> Result<Option<Coding>, ReadError> {
    let _ = headers;
    Ok(None)
}

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Decoded bytes in all; `usize::MAX` for a stream, whose parts have ceilings of their own.
    pub bytes: usize,
    /// Decoded bytes to one coded byte, once past the floor.
    pub ratio: usize,
    /// Decoded bytes before the ratio counts.
    pub ratio_floor: usize,
}

/// Decodes a whole body.
pub fn decode(coding: Coding, body: &[u8], ceiling: Ceiling) -> Result<Vec<u8>, ReadError> {
    let mut decoder = Decoder::new(coding, ceiling);
    let mut out = decoder.push(body)?.to_vec();
    out.extend_from_slice(&decoder.finish()?);
    Ok(out)
}

/// Decodes a stream piece by piece; what can be decoded of a piece comes out at once.
#[derive(Debug)]
pub struct Decoder {
    coding: Coding,
    ceiling: Ceiling,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(coding: Coding, ceiling: Ceiling) -> Self {
        Self { coding, ceiling }
    }

    /// What these bytes give.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Bytes, ReadError> {
        let _ = (chunk, self.coding, self.ceiling);
        Err(ReadError::new(Code::UnsupportedCoding, 0))
    }

    /// The stream has ended; it must be whole.
    pub fn finish(&mut self) -> Result<Bytes, ReadError> {
        Ok(Bytes::new())
    }
}
