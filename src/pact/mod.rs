//! The pact as types and text: an invalid one has no type.
//!
//! [`read`] turns text into a [`CheckedPact`] or into every mistake at once; [`SealedPact`] is one whose
//! signatures fit, and [`VerifiedPact`] the proof that it may be enforced; [`template`](template::template)
//! gives texts to begin with.

pub mod args;
pub mod calendar;
pub mod change;
mod checked;
pub mod condition;
pub mod constraint;
pub mod decimal;
pub mod fulfilment;
pub mod history;
pub mod import;
pub mod life;
pub mod model;
pub mod pack;
mod place;
pub mod portfolio;
mod read;
pub mod sealed;
mod signature;
pub mod statement;
pub mod template;
pub mod term;
#[cfg(test)]
mod tests;
pub mod trust;

pub use checked::CheckedPact;
pub use history::{History, NotAdmitted};
pub use life::Life;
pub use pack::Packs;
pub use portfolio::Portfolio;
pub use read::{is_portfolio, read, read_portfolio, read_statement, read_trust, statement_kind};
pub use sealed::{Beside, Demands, PactError, Provenance, SealedPact, VerifiedPact, activate, vouch};
pub use signature::PactSignature;
pub use statement::{SignedStatement, Statement, StatementKind};
pub use trust::{Role, TrustFile};
