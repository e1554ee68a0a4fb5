//! What several of the tests here need.

pub(crate) mod alphabet;
pub(crate) mod client;
pub(crate) mod coded;
pub(crate) mod command;
pub(crate) mod guarded;
pub(crate) mod named;
pub(crate) mod running;
pub(crate) mod upstream;
pub(crate) mod written;
