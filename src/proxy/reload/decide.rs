//! Whether a pact may come into force: a pure function of what is there, what comes, and the time.
//!
//! Signatures, audience and dates are the pact's own matter ([`activate`]); here its version is held
//! against what runs and against the highest seen. Promises: with a trust file, nothing older than what
//! was seen before and nothing of another content under a known version is let in. Without one, an
//! edited file comes in at the same version, unsigned.

use std::fmt;

use crate::pact::term::Date;
use crate::pact::{Beside, Demands, PactError, SealedPact, VerifiedPact, activate};
use crate::program::image::ImageError;

use super::memory::{InForce, Memory};

/// A pact may come into force.
#[derive(Clone, Debug, PartialEq)]
pub struct Accept {
    /// The proof.
    pub verified: VerifiedPact,
    /// What will be in force.
    pub in_force: InForce,
    /// Whether the very same is in force already.
    pub unchanged: bool,
    /// The end of its term, where another was said beside it than the document's.
    pub until: Option<Date>,
}

/// Why a pact or config does not come into force. The old state stays.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// A file cannot be read.
    Unreadable(String),
    /// The pact or file that it is about, and what.
    Of(String, Box<Self>),
    /// The portfolio is of another agent.
    OtherAgent {
        /// Whose it is.
        portfolio: String,
        /// Who is here.
        here: String,
    },
    /// A document has mistakes: all of them, rendered.
    Broken(String),
    /// The pact may not be enforced here and now.
    Pact(PactError),
    /// It cannot be compiled here.
    Uncompilable(String),
    /// The image in this file is not what it says, or not signed by anyone who may.
    Image(String, ImageError),
    /// A critical or major predicate is more than this build can check.
    Unenforced(Vec<String>),
    /// It needs facts that nothing in the config tells.
    FactSource(Vec<String>),
    /// It fails its own cases.
    Cases(Vec<String>),
    /// The change takes a restart.
    NeedsRestart(&'static str),
    /// What was seen could not be written down.
    Memory(String),
}

impl Refused {
    /// The same with the pact or file that it is about.
    pub(super) fn of(self, called: String) -> Self {
        Self::Of(called, Box::new(self))
    }

    /// Stable word for metrics, records and `/readyz`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Of(_, refused) => refused.code(),
            Self::OtherAgent { .. } => "wrong_audience",
            Self::Broken(_) => "broken",
            Self::Pact(error) => error.code(),
            Self::Uncompilable(_) => "uncompilable",
            Self::Image(_, ImageError::Signer(_)) => "image_signer",
            Self::Image(..) => "bad_image",
            Self::Unenforced(_) => "unenforced",
            Self::FactSource(_) => "fact_source",
            Self::Cases(_) => "case_failed",
            Self::NeedsRestart(_) => "needs_restart",
            Self::Memory(_) => "memory",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Broken(why) | Self::Uncompilable(why) | Self::Memory(why) => f.write_str(why),
            Self::Of(called, refused) => write!(f, "{called}: {refused}"),
            Self::OtherAgent { portfolio, here } => write!(f, "the portfolio is of {portfolio}, and this is {here}"),
            Self::Image(name, error) => write!(f, "{name}: {error}"),
            Self::Pact(error) => write!(f, "{error}"),
            Self::Unenforced(predicates) => {
                let list = predicates.join(", ");
                write!(f, "this build cannot check {list}; accept that by `accept_unenforced: [{list}]`, or do not enforce")
            }
            Self::FactSource(facts) => {
                write!(f, "no source for the fact {}; name it under `facts`, or write `facts_missing: accept`", facts.join(", "))
            }
            Self::Cases(cases) => write!(f, "it fails its own cases: {}", cases.join("; ")),
            Self::NeedsRestart(what) => write!(f, "{what} cannot change while running: restart the sidecar"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<PactError> for Refused {
    fn from(error: PactError) -> Self {
        Self::Pact(error)
    }
}

/// Whether `sealed` may come into force after `current`.
///
/// # Errors
/// Why not.
pub fn decide(
    current: Option<&InForce>,
    sealed: SealedPact,
    demands: &Demands<'_>,
    memory: &Memory,
) -> Result<Accept, PactError> {
    let verified = match activate(sealed.clone(), demands) {
        Err(PactError::Expired(on)) if cut_short(current, &sealed, demands) => {
            // What runs must learn of its end: verified as if that were yet to come, it is in force until then.
            let until = Some(Date { at: demands.now.saturating_add(1), ..on });
            activate(sealed, &Demands { beside: Beside { until, ..demands.beside }, ..*demands })?
        }
        activated => activated?,
    };
    let checked = verified.checked();
    let in_force = InForce {
        pact: checked.pact().id.clone(),
        agent: checked.pact().subject.agent.clone(),
        version: checked.pact().version,
        digest: checked.digest(),
        signed: !verified.is_unsigned(),
        expires: demands.until(verified.sealed()).map(|date| date.at),
    };
    let current = current.filter(|c| c.pact == in_force.pact && c.agent == in_force.agent);
    // What an unsigned file once ran as binds no signed one.
    // Nor does what both parties have gone back from; what is seen stays seen, so that nothing else old comes in.
    let left = |version| demands.beside.back_from.is_some_and(|from| in_force.version < version && version <= from);
    if let Some(current) = current.filter(|c| c.signed && !left(c.version)) {
        verified.may_follow(current.version, &current.digest)?;
    }
    if let Some(seen) = memory.seen(&in_force.pact, in_force.agent.as_deref()).filter(|seen| !left(seen.version)) {
        verified.may_follow(seen.version, &seen.digest)?;
    }
    let unchanged = current == Some(&in_force);
    Ok(Accept { verified, in_force, unchanged, until: demands.beside.until })
}

/// Whether the very pact in force has an end by now that it does not know of.
fn cut_short(current: Option<&InForce>, sealed: &SealedPact, demands: &Demands<'_>) -> bool {
    let digest = sealed.checked().digest();
    let later = |c: &InForce, on: Date| c.expires.is_none_or(|expires| expires > on.at);
    let said = demands.beside.until;
    current.zip(said).is_some_and(|(c, on)| c.signed && c.digest == digest && later(c, on))
}

#[cfg(test)]
mod tests;
