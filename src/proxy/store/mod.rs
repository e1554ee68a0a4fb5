//! The store: sealed pacts on disk with their history, and what was signed beside them.
//!
//! One file a version, `<pact>/<version>-<sixteen digits of its digest>.pact.json`: the sealed pact itself, which
//! `servanda verify` takes as it is; beside them one file a statement, `<pact>/<kind>-<sixteen
//! digits>.statement.json`. Promises: a file is whole or not there, and is never changed, replaced or removed; what lies
//! in the folder and is neither is named and left alone; everything is read once, at the start, and no question reads the
//! disk. What it does not do: decide who counts or what comes into force.

mod file;
mod kept;
mod shelf;

pub use file::Broken;
pub use kept::{Store, StoreError};
pub use shelf::{Heard, Passed, Row, Shelf, Shelved, Standing};
