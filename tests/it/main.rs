//! The one integration binary.

#![allow(
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test may be plain, and may fail loudly"
)]

mod agents;
mod author;
mod bypass;
mod cli;
mod config;
mod cuts;
mod demo;
mod docs;
mod evidence;
mod examples;
mod export;
mod faults;
mod forward;
mod fulfilment;
mod guard;
mod import;
mod interop;
mod kill;
mod live;
mod logs;
mod memory;
mod mutations;
mod pacts;
mod planted;
mod portfolio;
mod protocols;
mod readme;
mod records;
mod refusals;
mod reload;
mod schemas;
mod sidecar;
mod sinks;
mod smuggle;
mod sockets;
mod spared;
mod statements;
mod stdio;
mod support;
mod syscalls;
mod tidy;
mod together;
mod tools;
mod traffic;
mod turns;
mod versions;
