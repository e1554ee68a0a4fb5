//! Text matching: knows no rules, only patterns.

pub mod host;
pub mod pattern;
mod set;
pub mod span;
mod stream;

pub use set::{ScanError, Scanner, Scratch};
pub use stream::StreamScanner;
