//! Working memory of a judgement, and the pool that keeps it between judgements.
//!
//! A scanner's caches are worth keeping warm: a pool lives with its program, so that nothing in it was
//! warmed by another one. It keeps a bounded number; more are made and dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use super::bits::Bits;
use super::ir::Program;
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
}

impl Scratch {
    /// Working memory for this program.
    pub fn new(program: &Program) -> Self {
        let scans = program.scans.iter().map(|s| scan::Scratch::new(&s.scanner)).collect();
        Self { scans, ..Self::default() }
    }
}

/// The pool of a program.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

/// Working memory lent from a program's pool; goes back when dropped.
#[derive(Debug)]
pub struct Lent {
    program: Arc<Program>,
    scratch: Scratch,
}

impl Lent {
    /// Borrows working memory made for this program.
    pub fn new(program: &Arc<Program>) -> Self {
        let kept = program.pool.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { scratch: kept.unwrap_or_else(|| Scratch::new(program)), program: Arc::clone(program) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.program.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(std::mem::take(&mut self.scratch));
        }
    }
}

impl Deref for Lent {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}
