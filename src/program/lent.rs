//! Working memory on loan: made for a program, warm from its last use, given back when dropped.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::ir::Program;
use super::scratch::Scratch;
use crate::scan;

/// Working memory lent from a program's pool; goes back when dropped.
#[derive(Debug)]
pub struct Lent {
    program: Arc<Program>,
    scratch: Scratch,
}

impl Lent {
    /// Borrows working memory made for this program.
    pub fn new(program: &Arc<Program>) -> Self {
        Self { scratch: program.pool.take().unwrap_or_else(|| fresh(program)), program: Arc::clone(program) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.program.pool.put(std::mem::take(&mut self.scratch));
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

fn fresh(program: &Program) -> Scratch {
    Scratch { scans: program.scans.iter().map(|s| scan::Scratch::new(&s.scanner)).collect(), ..Scratch::default() }
}
