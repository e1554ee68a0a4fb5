//! The tower layer: every exchange ends in exactly one record.
//!
//! [`GuardLayer`] wraps any HTTP service. A request is collected, judged and passed on or refused; an
//! answer is judged whole or while it streams. Nothing here waits before a verdict but for the bytes
//! themselves; an act that must be durable waits for the log before it is let go, and for nothing else.

pub mod body;
pub mod budget;
pub(crate) mod exchange;
pub(crate) mod fields;
pub mod fulfilment;
pub(crate) mod head;
pub mod headers;
pub(crate) mod held;
pub(crate) mod history;
pub mod layer;
pub(crate) mod line;
pub(crate) mod listing;
pub(crate) mod message;
pub(crate) mod pending;
pub mod pins;
pub(crate) mod pulse;
pub(crate) mod refused;
pub mod route;
pub mod service;
pub(crate) mod shared;
pub(crate) mod stream;
pub mod subject;
pub(crate) mod tally;
pub mod turns;
pub(crate) mod whole;

pub use body::GuardedBody;
pub use budget::Budget;
pub use fulfilment::Fulfilment;
pub use layer::{Builder, GuardLayer};
pub use pins::Pins;
pub use route::{BlockAs, Durability, Expired, Route, ToolsChanged, Uninspected, Unread, WhenFull};
pub use service::{Guard, GuardFuture};
pub use subject::{FactKind, FactSource, Peer};
pub use turns::Turns;
