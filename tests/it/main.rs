//! The one integration binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod author;
mod cli;
mod config;
mod docs;
mod examples;
mod forward;
mod guard;
mod records;
mod smuggle;
mod readme;
mod support;
mod tidy;
