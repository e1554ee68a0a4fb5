//! Sinks: copies of the log in other stores, fed from disk at the pace of each.
//!
//! The local log is the source of truth and every store a replica of it. Batches are cut from the log's own segments
//! ([`reader`]), checkable by themselves ([`batch`]), and driven to each store by a thread of its own ([`run`]) from a
//! cursor that is synced before retention hears of it. Adding a kind of sink is one file and one row of the [`table`].
//!
//! Promises: nothing waits on a sink but that sink; what a store acknowledged and lost is found and sent again while it is
//! here; nothing in a store is overwritten. Not promised: that a store keeps what it said it has.

pub mod batch;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod contract;
pub(crate) mod cursor;
#[cfg(test)]
mod driven;
pub mod file;
#[cfg(feature = "proxy")]
mod http;
#[cfg(feature = "sink-nats")]
mod nats;
mod pace;
#[cfg(feature = "sink-postgres")]
mod postgres;
mod pump;
mod quarantine;
pub mod reader;
pub mod rebuild;
#[cfg(feature = "tls")]
mod remote;
pub mod run;
#[cfg(test)]
mod sample;
#[cfg(all(test, feature = "tls"))]
mod server;
pub mod settings;
pub mod status;
pub mod table;

pub use batch::Batch;
pub use contract::{Fault, Held, Sink};
pub use run::Sinks;
pub use status::SinkStatus;
pub use table::{TABLE, Wanted};
