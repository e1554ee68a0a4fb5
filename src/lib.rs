//! Servanda: a runtime guardrail for AI agents.
//!
//! It compiles signed behavioural pacts into fast matchers, stands in an agent's traffic as a tower
//! middleware or a sidecar reverse proxy, allows, flags, redacts, holds or blocks what passes, and
//! leaves signed evidence that anyone can verify. Start with the README and `ARCHITECTURE.md`.

#![cfg_attr(
    test,
    allow(
        clippy::all,
        clippy::pedantic,
        clippy::let_underscore_must_use,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        reason = "a test may be plain, and may fail loudly; the code beside it is linted in the other build"
    )
)]

pub mod base;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod evidence;
#[cfg(feature = "guard")]
pub mod guard;
pub mod pact;
pub mod program;
pub mod protocol;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod scan;
pub mod seal;
pub mod trial;
