//! The pact as types and text: an invalid one has no type.
//!
//! [`read`] turns text into a [`CheckedPact`] or into every mistake at once; [`template`](template::template)
//! gives texts to begin with.

pub mod args;
mod checked;
pub mod condition;
pub mod constraint;
pub mod decimal;
pub mod model;
pub mod pack;
mod place;
mod read;
pub mod template;
pub mod term;
#[cfg(test)]
mod tests;

pub use checked::CheckedPact;
pub use pack::Packs;
pub use read::read;
