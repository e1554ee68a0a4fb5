//! Tool arguments against a compiled subset of JSON Schema.
//!
//! The profile: `type enum const minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength
//! pattern required properties additionalProperties items`; anything else does not compile. Where it
//! differs from JSON Schema it is stricter: a numeric, string, array or object keyword implies its type
//! (the string `"900"` breaches `maximum: 500`), arguments are an object, keys are unique, and numbers
//! compare exactly as decimals.

mod compile;
mod json;
mod order;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

pub use compile::compile;
pub use schema::{Constant, Kind, Pattern, Schema};
pub use validate::{Breach, Keyword};
