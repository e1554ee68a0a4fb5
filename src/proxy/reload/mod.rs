//! New pacts and configs while the sidecar runs: verify, build, try the pact's own cases, swap.
//!
//! Promises: a bad file changes nothing and is told in log, metric, `/readyz` and evidence; an exchange
//! under way ends under the program it began with; starting is a reload from nothing.

pub mod decide;
pub mod memory;
pub mod watch;

pub use decide::{Accept, Candidate, Refused, Seal, Standard, decide};
pub use memory::{InForce, Memory};
