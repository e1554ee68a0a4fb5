//! Tests of the record types.
