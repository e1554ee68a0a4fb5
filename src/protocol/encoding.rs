//! Content codings undone under ceilings: gzip, deflate (zlib and raw), br, zstd.
//!
//! Promises: memory stays flat however a body is made (windows are bounded, output is counted while
//! it comes); what a piece of a stream can give comes out at once; a coding that is unknown, or on top
//! of another, is an error and never a pass; a body that ends early, or goes on after its end, is too.

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use http::header::CONTENT_ENCODING;
use zstd::stream::raw::{DParameter, InBuffer, Operation as _, OutBuffer};

use super::error::{Code, ReadError};
use crate::base::limits::{DECODE_RATIO_FLOOR, DECODE_RATIO_MAX};

mod gzip;

/// Output that is made in one step.
const STEP: usize = 16 << 10;

/// The largest zstd window, as RFC 9659 has it for HTTP: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

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

/// What the `Content-Encoding` headers of a message say: `None` for no coding or `identity`. Two
/// codings, in one header or in two, and unknown ones are [`Code::UnsupportedCoding`].
pub fn coding(headers: &http::HeaderMap) -> Result<Option<Coding>, ReadError> {
    const UNSUPPORTED: ReadError = ReadError::new(Code::UnsupportedCoding, 0);
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for word in value.to_str().map_err(|_| UNSUPPORTED)?.split(',') {
            let coding = match word.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                _ => return Err(UNSUPPORTED),
            };
            if found.replace(coding).is_some() {
                return Err(UNSUPPORTED);
            }
        }
    }
    Ok(found)
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

impl Ceiling {
    /// The usual ratio under a ceiling of bytes.
    pub const fn of(bytes: usize) -> Self {
        Self { bytes, ratio: DECODE_RATIO_MAX, ratio_floor: DECODE_RATIO_FLOOR }
    }
}

/// Decodes a whole body.
pub fn decode(coding: Coding, body: &[u8], ceiling: Ceiling) -> Result<Vec<u8>, ReadError> {
    let mut decoder = Decoder::new(coding, ceiling)?;
    let mut out = Vec::new();
    decoder.push_to(body, &mut out)?;
    decoder.finish()?;
    Ok(out)
}

/// Decodes a stream piece by piece.
pub struct Decoder {
    engine: Engine,
    ceiling: Ceiling,
    coded: usize,
    decoded: usize,
    failed: Option<ReadError>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("coded", &self.coded).field("decoded", &self.decoded).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(coding: Coding, ceiling: Ceiling) -> Result<Self, ReadError> {
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(gzip::Gzip::default()),
            Coding::Deflate => Engine::Unsure(Vec::with_capacity(2)),
            Coding::Brotli => {
                let memory = brotli::enc::StandardAlloc::default;
                Engine::Brotli(Box::new(brotli::BrotliState::new_strict(memory(), memory(), memory())), false)
            }
            Coding::Zstd => {
                // The only failure is a want of memory.
                let failed = |_| ReadError::new(Code::InvalidCoding, 0);
                let mut decoder = zstd::stream::raw::Decoder::new().map_err(failed)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(failed)?;
                Engine::Zstd(decoder, true)
            }
        };
        Ok(Self { engine, ceiling, coded: 0, decoded: 0, failed: None })
    }

    /// What these bytes give. After an error every call gives that error again.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Bytes, ReadError> {
        let mut out = Vec::new();
        self.push_to(chunk, &mut out)?;
        Ok(Bytes::from(out))
    }

    /// The stream has ended; it must be whole.
    pub fn finish(&mut self) -> Result<(), ReadError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let whole = match &self.engine {
            Engine::Gzip(gzip) => gzip.is_whole(),
            Engine::Unsure(_) => false,
            Engine::Deflate(_, ended) | Engine::Brotli(_, ended) | Engine::Zstd(_, ended) => *ended,
        };
        // A body of no bytes at all is an empty body whatever its coding says.
        if whole || self.coded == 0 { Ok(()) } else { Err(ReadError::new(Code::Truncated, self.coded)) }
    }

    fn push_to(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        // The ratio is looked at along the way, as if the bytes had come in small pieces.
        for piece in chunk.chunks(STEP) {
            let before = self.coded;
            self.coded += piece.len();
            if let Err(code) = self.steps(piece, out) {
                let error = ReadError::new(code, before);
                self.failed = Some(error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn steps(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Code> {
        let mut rest = piece;
        let mut buffer = [0; STEP];
        loop {
            let (read, written) = self.engine.step(rest, &mut buffer).ok_or(Code::InvalidCoding)?;
            self.decoded += written;
            if self.decoded > self.ceiling.bytes {
                return Err(Code::BodyTooLarge);
            }
            if self.decoded > self.ceiling.ratio_floor && self.decoded / self.ceiling.ratio.max(1) > self.coded {
                return Err(Code::RatioTooHigh);
            }
            out.extend_from_slice(buffer.get(..written).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            if read == 0 && written == 0 {
                // Nothing moves: all that these bytes give has come out.
                return if rest.is_empty() { Ok(()) } else { Err(Code::InvalidCoding) };
            }
        }
    }
}

/// The decoders, each with whether its stream has ended.
enum Engine {
    Gzip(gzip::Gzip),
    /// `deflate` before it is known which: its first two bytes.
    Unsure(Vec<u8>),
    Deflate(Decompress, bool),
    Brotli(Box<BrotliState>, bool),
    Zstd(zstd::stream::raw::Decoder<'static>, bool),
}

type BrotliState = brotli::BrotliState<brotli::enc::StandardAlloc, brotli::enc::StandardAlloc, brotli::enc::StandardAlloc>;

impl Engine {
    /// Reads some of `input`, writes some of `output`, and says how much of both; `None` when the
    /// bytes are broken or go on after the end.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<(usize, usize)> {
        match self {
            Self::Gzip(gzip) => gzip.step(input, output),
            Self::Unsure(start) => {
                let wanted = 2 - start.len();
                let taken = input.get(..wanted.min(input.len())).unwrap_or_default();
                start.extend_from_slice(taken);
                if let [first, second] = **start {
                    let zlib = first & 0x0F == 8 && first >> 4 <= 7 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
                    let mut inflate = Decompress::new(zlib);
                    let (_, written, ended) = inflate_step(&mut inflate, &[first, second], output)?;
                    *self = Self::Deflate(inflate, ended);
                    return Some((taken.len(), written));
                }
                Some((taken.len(), 0))
            }
            Self::Deflate(_, true) | Self::Brotli(_, true) if !input.is_empty() => None,
            Self::Deflate(inflate, ended) => {
                if *ended {
                    return Some((0, 0));
                }
                let (read, written, done) = inflate_step(inflate, input, output)?;
                *ended = done;
                Some((read, written))
            }
            Self::Brotli(state, ended) => {
                if *ended {
                    return Some((0, 0));
                }
                let (mut left, mut read, mut room, mut written, mut total) = (input.len(), 0, output.len(), 0, 0);
                let result = brotli::BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    input,
                    &mut room,
                    &mut written,
                    output,
                    &mut total,
                    state,
                );
                *ended = matches!(result, brotli::BrotliResult::ResultSuccess);
                (!matches!(result, brotli::BrotliResult::ResultFailure)).then_some((read, written))
            }
            Self::Zstd(decoder, ended) => {
                if *ended && input.is_empty() {
                    return Some((0, 0));
                }
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(output);
                let left = decoder.run(&mut from, &mut to).ok()?;
                let (read, written) = (from.pos(), to.pos());
                // Frames may follow one another; between two the stream may end.
                *ended = left == 0;
                Some((read, written))
            }
        }
    }
}

/// One step of raw or zlib inflation: read, written, ended.
fn inflate_step(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> Option<(usize, usize, bool)> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None).ok()?;
    let moved = |now: u64, before: u64| usize::try_from(now - before).ok();
    Some((moved(inflate.total_in(), read)?, moved(inflate.total_out(), written)?, status == Status::StreamEnd))
}

/// The checksum of RFC 1952.
type Checksum = Crc;

#[cfg(test)]
mod tests;
