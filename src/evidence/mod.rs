//! Evidence: every exchange leaves one record in a signed, append-only log that anyone can verify
//! from files and a public key alone.
//!
//! Promises: a record that was acknowledged is on disk; an index once given is never given again;
//! nothing is signed that has not been read back from the disk; a record that could not be written is
//! counted in one that was. Not promised: that traffic could not go around the guard, or that a
//! detector was right.

mod attest;
mod audit;
mod boot;
mod check;
mod counters;
pub mod erase;
mod error;
pub(crate) mod explain;
mod files;
mod find;
pub mod follow;
pub mod fsck;
mod handle;
mod index;
pub mod keeping;
pub mod kind;
mod latest;
pub mod log;
pub mod merkle;
pub mod note;
mod options;
mod privacy;
pub mod prove;
pub mod query;
mod read;
pub mod receipt;
mod receipts;
pub mod record;
mod recover;
pub mod report;
mod retention;
pub mod revoke;
mod revoked;
mod segment;
pub mod shape;
pub mod shipped;
pub mod show;
#[cfg(feature = "guard")]
pub mod sink;
mod spool;
pub mod standing;
mod ticket;
pub mod traffic;
pub mod verified;
pub mod verify;
mod writer;

pub use error::LogError;
pub use latest::SignedHead;
pub use log::{Full, Log, LogHandle, LogOptions, Slot, Ticket};
pub use privacy::pseudonym_in;
