//! New pacts and configs while the sidecar runs: verify, build, try the pacts' own cases, swap.
//!
//! Promises: a bad file changes nothing and is told in log, metric, `/readyz` and evidence; the pacts of a portfolio come
//! into force together or not at all; an exchange under way ends under the program it began with; starting is a reload
//! from nothing. A pact sent to the admin port is kept in the store first (`keep`), and then comes as a reload does, when
//! it is due.

pub mod decide;
pub(crate) mod hear;
pub(crate) mod keep;
pub(crate) mod load;
pub mod memory;
mod named;
pub(crate) mod run;
pub(crate) mod sent;
pub mod watch;

pub use decide::{Accept, Refused, decide};
pub use memory::{InForce, Memory, PactsInForce};
