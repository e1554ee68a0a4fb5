//! The ground: words, limits, time, mistakes and documents. Knows nothing of what stands above.

pub mod clock;
pub mod diagnostic;
pub mod document;
pub mod limits;
pub mod names;
pub mod normal;
pub mod telemetry;
#[cfg(feature = "tls")]
pub mod trust;
pub mod verdict;
