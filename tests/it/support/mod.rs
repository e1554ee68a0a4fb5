//! What several of the tests here need.

pub(crate) mod command;
