//! The signed log: a record acknowledged is on disk.
