//! Working memory of a judgement, and the pool that keeps it between judgements.
//!
//! A scanner's caches are worth keeping warm: a pool lives with its program, so that nothing in it was
//! warmed by another one. It keeps a bounded number; more are made and dropped.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::bits::Bits;
use super::page::Page;
use crate::base::verdict::Act;
use crate::scan;
use crate::scan::span::Hit;

/// Kept at once; about as many as threads that judge.
const KEPT_MAX: usize = 32;

/// A hit and where it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Place among the sources of the event.
    pub(crate) source: u32,
    pub(crate) hit: Hit,
    /// The harshest act that some rule demands for it.
    pub(crate) act: Act,
}

/// Working memory that is reused from event to event.
#[derive(Debug, Default)]
pub struct Scratch {
    /// By place of the program's scanners.
    pub(crate) scans: Vec<scan::Scratch>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) found: Vec<Found>,
    /// Rules of the stage whose guards let them apply.
    pub(crate) applies: Bits,
    /// Short values side by side. Empty between judgements.
    pub(crate) pages: [Page; 2],
    /// One line at a time.
    pub(crate) line: String,
}

/// The pool of a program.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    /// What was kept last, if anything.
    pub(crate) fn take(&self) -> Option<Scratch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps working memory for the next judgement.
    pub(crate) fn put(&self, scratch: Scratch) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(scratch);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
