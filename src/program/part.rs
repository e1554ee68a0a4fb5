//! A pact on its way into a program, and whose promises a program of several keeps.

use std::sync::Arc;

use super::ir::Identity;
use crate::pact::model::Pact;
use crate::pact::term::Date;

/// Where a pact comes from, as the program tells it on.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// SHA-256 of the canonical form of the document.
    pub digest: [u8; 32],
    /// Whether its signatures were verified against a trust file.
    pub signed: bool,
    /// The document as read.
    pub source: Arc<str>,
    /// The end of its term, where another was said beside it than the document's.
    pub until: Option<Date>,
}

/// A pact on its way into a program.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    /// What it says.
    pub(crate) pact: &'a Pact,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Whose promises these are. All of them are in force from the last beginning to the first end.
pub(super) fn identity(parts: &[&Part<'_>]) -> Identity {
    let joined = |words: Vec<String>| words.join("+").into();
    let instant = |at: i64| at.saturating_mul(1_000_000);
    let renewals = || parts.iter().map(|part| &part.pact.renewal);
    let digest = match parts {
        [one] => one.origin.digest,
        several => {
            let digests: Vec<u8> = several.iter().flat_map(|part| part.origin.digest).collect();
            crate::seal::digest(&digests).0
        }
    };
    Identity {
        pact: joined(parts.iter().map(|part| part.pact.id.clone()).collect()),
        version: joined(parts.iter().map(|part| part.pact.version.to_string()).collect()),
        agent: parts.iter().find_map(|part| part.pact.subject.agent.as_deref()).unwrap_or_default().into(),
        digest,
        signed: parts.iter().all(|part| part.origin.signed),
        effective_us: renewals().filter_map(|r| r.effective).map(|d| instant(d.at)).max(),
        expires_us: parts.iter().filter_map(|p| p.origin.until.or(p.pact.renewal.expires)).map(|d| instant(d.at)).min(),
        written_end_us: renewals().filter_map(|r| r.expires).map(|d| instant(d.at)).min(),
    }
}

/// Value of `x-servanda-pact`.
pub(super) fn header(parts: &[&Part<'_>]) -> String {
    let one = |part: &&Part<'_>| {
        let unsigned = if part.origin.signed { "" } else { ";unsigned" };
        format!("{}@{}{unsigned}", part.pact.id, part.pact.version)
    };
    parts.iter().map(one).collect::<Vec<_>>().join(", ")
}
