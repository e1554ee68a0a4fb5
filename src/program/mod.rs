//! The compiled pact: an unverified image has no reader.
