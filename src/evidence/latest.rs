//! The last signed head of a log, for whoever asks the running process.

use std::sync::{Arc, Mutex, PoisonError};

use super::note::Checkpoint;

/// A head that was signed and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// Origin, size and root.
    pub head: Checkpoint,
    /// When it was signed, in microseconds since the Unix epoch.
    pub time_us: i64,
    /// The signed note, as in the file `checkpoint`.
    pub note: String,
}

/// Where the writer leaves the last one.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Arc<SignedHead>>>);

impl Latest {
    pub(crate) fn put(&self, head: SignedHead) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(head));
    }

    pub(crate) fn get(&self) -> Option<Arc<SignedHead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
