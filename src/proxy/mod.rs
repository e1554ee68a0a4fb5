//! The sidecar: a failed reload changes nothing.

pub mod config;
pub mod error;

pub use config::Config;
pub use error::ProxyError;
