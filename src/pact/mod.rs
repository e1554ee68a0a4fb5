//! The pact as types and text: an invalid one has no type.
