//! The pact as types and text: an invalid one has no type.

pub mod args;
pub mod condition;
pub mod decimal;
pub mod model;
pub mod pack;
mod place;
pub mod term;
