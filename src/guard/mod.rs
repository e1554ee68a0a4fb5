//! The tower layer: every exchange ends in exactly one record.
