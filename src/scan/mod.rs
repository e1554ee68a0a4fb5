//! Text matching: knows no rules, only patterns.
//!
//! A [`Scanner`] finds all patterns of a program in one pass over a text; a [`StreamScanner`] finds the
//! same in a text that arrives in chunks. Per pattern the leftmost match counts, of those at one place the
//! longest, and a match that its second opinion refuses is no match: the search goes on at the next byte.
//!
//! The pass looks at each byte once, in a table of where anything can begin; what can
//! begin is tried there, after a look at where the word at hand ends and at a few telling bytes ahead, with an automaton of its own, which
//! dies at the first byte that fits no longer.
//! Steps read in vain have a budget, so that no text takes more than linear time; a text on which a pattern
//! ran out of it says so. It stays the reference for faster ones.
//!
//! Beside the text as it stands its views are scanned (`view`, `layer`): the plain reading around what is written in
//! disguise, and what runs in it decode to, a bounded number of times. A whole text can be read loosely too, which makes
//! out words of phrases that are misspelt on purpose; a stream is not. The hits of a view lie over the bytes that say
//! it, and the work that views add grows with the text as the pass does.

mod ahead;
mod bucket;
mod byteset;
mod check;
mod context;
mod dictionary;
pub mod explain;
mod filter;
pub mod host;
mod layer;
mod machines;
mod number;
mod opening;
mod pass;
pub mod pattern;
mod phrase;
mod regex;
mod set;
mod shape;
pub mod span;
mod stream;
mod tally;
mod view;
mod walk;
mod whole;

pub use machines::Machines;
pub use phrase::words_of as words;
pub use set::{ScanError, Scanner};
pub use stream::StreamScanner;
pub use whole::Scratch;

#[cfg(test)]
pub(crate) use check::bytes_looked_at;

#[cfg(test)]
mod tests;
