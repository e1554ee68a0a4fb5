//! What is counted of an exchange, and committed to, while it passes.

use http::{HeaderMap, StatusCode};

use crate::evidence::log::Commitment;
use crate::evidence::record;
use crate::protocol::Usage;

/// What has been counted of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) size_in: u64,
    pub(crate) size_out: u64,
    pub(crate) held_max: usize,
    pub(crate) hold_ns_max: u64,
    pub(crate) judge_ns: u64,
    pub(crate) upstream_ns: Option<u64>,
    pub(crate) first_byte_ns: Option<u64>,
    pub(crate) reply_chars: u64,
    pub(crate) usage: Option<Usage>,
    pub(crate) model: Option<String>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) calls: Vec<record::Call>,
    pub(crate) turns: Known,
}

/// Texts of earlier turns that were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Passed over.
    pub(crate) skipped: u64,
    /// Rewritten as they were before.
    pub(crate) redacted: u64,
    /// Replaced by a note.
    pub(crate) withheld: u64,
}

/// Commitments under way.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    pub(crate) request: Option<Commitment>,
    pub(crate) forwarded: Option<Commitment>,
    pub(crate) response: Option<Commitment>,
    pub(crate) delivered: Option<Commitment>,
    /// What the client gets is committed to on its own: it differs, or may yet.
    pub(crate) apart: bool,
    /// The client has got other bytes than the upstream sent.
    pub(crate) altered: bool,
}

/// Adds bytes to a commitment that is under way.
pub(crate) fn update(commitment: &mut Option<Commitment>, bytes: &[u8]) {
    if let Some(commitment) = commitment {
        commitment.update(bytes);
    }
}

/// The trace id of a W3C `traceparent` (Trace Context §3.2.2.3).
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let id = value.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}
