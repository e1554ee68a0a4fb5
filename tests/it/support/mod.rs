//! What several of the tests here need.

pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod upstream;
