//! The program: flat tables of rules beside their scanner, ready to be run.
//!
//! Promises: immutable, `Send + Sync`, shared by `Arc`; the order of predicates is that of the `checked`
//! bitmap and of `pact.load`. It knows neither pact texts nor wire formats.

use std::sync::Arc;

use crate::base::names::Stage;
use crate::base::verdict::Severity;

/// Whose promise a program keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Id of the pact.
    pub pact: Arc<str>,
    /// Version of the promise.
    pub version: Arc<str>,
    /// The agent it binds.
    pub agent: Arc<str>,
    /// SHA-256 of the canonical form of the document.
    pub digest: [u8; 32],
    /// Whether signatures were verified against a trust file.
    pub signed: bool,
    /// First instant in force, in microseconds since the Unix epoch.
    pub effective_us: Option<i64>,
    /// First instant no longer in force.
    pub expires_us: Option<i64>,
}

/// A predicate as records and people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateInfo {
    /// Its id; in a portfolio `<pact>/<id>`.
    pub id: Arc<str>,
    /// How grave its breach is.
    pub severity: Severity,
    /// The dimension it counts into.
    pub dimension: Arc<str>,
    /// Stages at which this build checks it.
    pub stages: Vec<Stage>,
    /// Whether some part of it cannot be run by this build, and which.
    pub unenforced: Option<Arc<str>>,
    /// Whether what this build cannot run is left to judges, which is never counted as enforced.
    pub judged: bool,
}

/// A fact the pact declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactInfo {
    /// Its name.
    pub name: Arc<str>,
    /// `string`, `number`, `bool` or `list`.
    pub kind: Arc<str>,
    /// Predicates that read it.
    pub predicates: Vec<u32>,
}

/// A compiled pact.
#[derive(Debug, Default)]
pub struct Program {
    pub(crate) identity: Identity,
    pub(crate) header: Arc<str>,
    pub(crate) digest: [u8; 32],
    pub(crate) predicates: Vec<PredicateInfo>,
    pub(crate) facts: Vec<FactInfo>,
}

impl Program {
    /// Whose promise it keeps.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Value of `x-servanda-pact`: `<pact>@<version>`, with `;unsigned` where it is not signed.
    pub fn header(&self) -> &Arc<str> {
        &self.header
    }

    /// SHA-256 over the lowered tables and pattern sources: what image and records call the program by.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// All predicates, in the order of the `checked` bitmap.
    pub fn predicates(&self) -> &[PredicateInfo] {
        &self.predicates
    }

    /// The predicate at this place.
    pub fn predicate(&self, index: u32) -> Option<&PredicateInfo> {
        self.predicates.get(index as usize)
    }

    /// The facts it declares.
    pub fn facts(&self) -> &[FactInfo] {
        &self.facts
    }

    /// Whether any rule looks at text at this stage; where not, nothing needs to be held or read for it.
    pub fn reads_text(&self, _stage: Stage) -> bool {
        true
    }

    /// Most bytes of text that a stream at this stage holds back, less what has no bound.
    pub fn hold_back(&self, _stage: Stage) -> usize {
        0
    }

    /// Whether its term has begun and not ended at this instant. A pact without dates is always in force.
    pub fn in_force(&self, now_us: i64) -> bool {
        self.identity.effective_us.is_none_or(|from| now_us >= from) && self.identity.expires_us.is_none_or(|to| now_us < to)
    }
}
