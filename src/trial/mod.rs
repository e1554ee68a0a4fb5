//! Cases and offline judging, by public doors only.
//!
//! What a pact says of itself in `cases` and what `servanda judge` reads line by line are the same
//! events, played through the same engine as real traffic.

pub mod case;
pub mod jsonl;
pub mod play;
