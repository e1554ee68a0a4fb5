//! The scanner: all patterns of a program over a text.

use super::pattern::{Pattern, Topic};
use super::span::Hit;

/// Why a set of patterns cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// The detector at fault.
    pub detector: String,
    /// Stable code: `regex_syntax`, `regex_too_large`, `regex_unbounded`, `regex_empty`, `phrase_empty`, …
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "detector `{}`: {}", self.detector, self.message)
    }
}

impl std::error::Error for ScanError {}

/// All patterns of a program: immutable, shared by `Arc`.
#[derive(Debug)]
pub struct Scanner {
    pub(super) patterns: Vec<Pattern>,
    pub(super) topics: Vec<Topic>,
}

/// Room for one scan at a time, kept between scans: a scan of clean text with a used one allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {}

impl Scratch {
    /// Room for scans with this scanner. A scratch of another scanner works too; it grows.
    pub fn new(_scanner: &Scanner) -> Self {
        Self::default()
    }
}

impl Scanner {
    /// Builds the scanner.
    ///
    /// # Errors
    /// The first pattern that cannot be built, and why.
    pub fn new(patterns: Vec<Pattern>, topics: Vec<Topic>) -> Result<Self, ScanError> {
        Ok(Self { patterns, topics })
    }

    /// Checks one pattern as [`Scanner::new`] would, without building a scanner.
    pub fn check(pattern: &Pattern) -> Result<(), ScanError> {
        Self::new(vec![pattern.clone()], Vec::new()).map(|_| ())
    }

    /// Adds the hits of `text` to `hits`, sorted, at most [`crate::base::limits::HITS_MAX`]. Gives how many more there were.
    pub fn scan(&self, _text: &str, _scratch: &mut Scratch, _hits: &mut Vec<Hit>) -> u64 {
        0
    }

    /// The topics over their thresholds, with their sums.
    pub fn topics(&self, _text: &str, _scratch: &mut Scratch) -> Vec<(u32, u32)> {
        Vec::new()
    }

    /// A pattern by the index a hit carries.
    pub fn pattern(&self, index: u32) -> Option<&Pattern> {
        self.patterns.get(index as usize)
    }

    /// A topic by its index.
    pub fn topic(&self, index: u32) -> Option<&Topic> {
        self.topics.get(index as usize)
    }

    /// Every pattern, in order of index.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Most bytes that a pattern can hold back in a stream: longest match and look-ahead.
    pub fn hold_back(&self, _pattern: u32) -> usize {
        0
    }

    /// The largest of all hold-backs.
    pub fn hold_back_max(&self) -> usize {
        0
    }
}
