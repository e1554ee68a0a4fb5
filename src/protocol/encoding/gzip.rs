//! The gzip wrapper (RFC 1952): header, raw deflate, checksum and length; members may follow one another.

use flate2::Decompress;

use super::{Checksum, inflate_step};

/// A header with a name or comment longer than this is no honest header.
const HEADER_MAX: usize = 4096;

/// Where in the stream it stands.
#[derive(Debug)]
pub(super) enum Gzip {
    /// In a header; the bytes of it so far, and whether a member went before.
    Header(Vec<u8>, bool),
    /// In the deflated data.
    Data(Decompress, Checksum),
    /// In the eight bytes after it, with the checksum and length that they must have.
    Trailer(Vec<u8>, u32, u32),
}

impl Default for Gzip {
    fn default() -> Self {
        Self::Header(Vec::new(), false)
    }
}

impl Gzip {
    /// Whether the stream may end here.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Header(bytes, true) if bytes.is_empty())
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<(usize, usize)> {
        match self {
            Self::Header(bytes, _) => {
                // Byte by byte: the header's length is known only as it is read.
                for (at, byte) in input.iter().enumerate() {
                    bytes.push(*byte);
                    match header(bytes)? {
                        Header::More => {}
                        Header::Ended => {
                            *self = Self::Data(Decompress::new(false), Checksum::new());
                            return Some((at + 1, 0));
                        }
                    }
                }
                Some((input.len(), 0))
            }
            Self::Data(inflate, checksum) => {
                let (read, written, ended) = inflate_step(inflate, input, output)?;
                checksum.update(output.get(..written)?);
                if ended {
                    *self = Self::Trailer(Vec::with_capacity(8), checksum.sum(), checksum.amount());
                }
                Some((read, written))
            }
            Self::Trailer(bytes, sum, amount) => {
                let taken = input.get(..input.len().min(8 - bytes.len()))?;
                bytes.extend_from_slice(taken);
                if bytes.len() == 8 {
                    let right = bytes.get(..4)? == sum.to_le_bytes() && bytes.get(4..)? == amount.to_le_bytes();
                    *self = right.then_some(Self::Header(Vec::new(), true))?;
                }
                Some((taken.len(), 0))
            }
        }
    }
}

enum Header {
    More,
    Ended,
}

/// Whether `bytes` are a whole header; `None` when they cannot become one.
fn header(bytes: &[u8]) -> Option<Header> {
    const MAGIC: &[u8] = &[0x1F, 0x8B, 8];
    let (checked, extra, name, comment) = (2, 4, 8, 16);
    let begun = bytes.get(..MAGIC.len().min(bytes.len()))?;
    if !MAGIC.starts_with(begun) || bytes.len() > HEADER_MAX {
        return None;
    }
    let Some(flags) = bytes.get(3) else { return Some(Header::More) };
    if flags & 0xE0 != 0 {
        return None;
    }
    let mut at = 10;
    if flags & extra != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Some(Header::More) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [name, comment] {
        if flags & flag != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Some(Header::More) };
            at += end + 1;
        }
    }
    if flags & checked != 0 {
        at += 2;
    }
    Some(if bytes.len() >= at { Header::Ended } else { Header::More })
}
