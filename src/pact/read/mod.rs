//! Text to pact: every mistake at once, with line, column, field, code and way out.
//!
//! The document is walked section by section; each file reads one. Keys are closed, and a key that a
//! section does not know is first held against the five confusions (C1 to C5).

mod cases;
mod catalogue;
mod check;
mod confusions;
mod consequences;
mod couplings;
mod cursor;
mod evidence;
mod measure;
mod names;
mod penalty;
mod places;
mod portfolio;
mod predicate;
mod renewal;
mod statement;
mod subject;
mod trust;
mod uses;
mod whole;

pub use portfolio::{is_portfolio, read_portfolio};
pub use statement::{read_statement, statement_kind};
pub use trust::read_trust;
pub(super) use whole::KEYS;
pub use whole::read;
