//! Conditions (`where`, `unless`, `require`): a typed subset of CEL.
//!
//! Text is read by a parser of our own with spans and bounds on size and depth, and typed against a
//! closed table of fields; what comes out is an [`Expr`] tree that lowers to a flat program. Logic is
//! three-valued, see [`expr`].

pub mod expr;
mod lex;
pub mod order;
mod parse;
mod show;
#[cfg(test)]
mod tests;
mod typing;

pub use expr::{ArithOp, CompareOp, Expr, ExprKind, Field, Literal, Quantifier, Type};
pub use typing::{Scope, WEEKDAYS, parse};
