//! The program in force behind one atomic pointer.
//!
//! An exchange pins the program once and ends under it, whatever is swapped in meanwhile.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ir::Program;

/// The program in force; cheap to share.
#[derive(Clone, Debug)]
pub struct Live {
    current: Arc<ArcSwap<Program>>,
}

impl Live {
    /// A cell that holds `program`.
    pub fn new(program: impl Into<Arc<Program>>) -> Self {
        Self { current: Arc::new(ArcSwap::new(program.into())) }
    }

    /// The program in force now; stays whole for as long as the caller keeps it.
    pub fn pin(&self) -> Arc<Program> {
        self.current.load_full()
    }

    /// Puts another program in force and gives the one before.
    pub fn swap(&self, program: impl Into<Arc<Program>>) -> Arc<Program> {
        self.current.swap(program.into())
    }
}
