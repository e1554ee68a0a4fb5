//! The config of the sidecar: one YAML file, every value with a working default.
//!
//! Promises: unknown keys are mistakes with a suggestion, all mistakes are told at once with their
//! place, and a key whose work this build does not do is refused with what to write instead; nothing is
//! accepted and then ignored. Relative paths are taken from the folder of the config file.

mod evidence;
mod facts;
mod file;
mod listen;
mod process;
mod read;
mod route;
mod sinks;
mod store;
mod trust;
mod value;

pub use evidence::Evidence;
pub use facts::{FactSource, FactsMissing};
pub use file::Config;
pub use listen::{Listener, Origin, Protocol, guess_lane};
pub use process::{Admin, Limits, LogFormat, Telemetry, Tls};
pub use route::{ExpandWhen, Review, Rollout, Route};
pub use store::Kept;
pub use trust::Trust;
pub use value::{duration, network, size};
