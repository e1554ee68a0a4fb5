//! The sidecar: a failed reload changes nothing.

pub mod admin;
pub mod body;
pub mod config;
pub mod drain;
mod ends;
pub mod error;
pub mod framing;
mod gate;
mod headers;
pub(crate) mod identity;
mod listener;
pub mod metrics;
pub mod problem;
mod refusals;
pub mod reload;
pub mod reverse;
pub mod serve;
mod stack;
mod start;
pub mod state;
pub mod stdio;
pub mod store;
pub mod tls;
pub mod upstream;

pub use config::Config;
pub use error::ProxyError;
