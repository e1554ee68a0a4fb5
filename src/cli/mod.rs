//! The commands: prints; the library does not.
