//! What a sink is doing, for those who ask the running process.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::evidence::shipped::Level;

/// Where a sink stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was not reached yet.
    Starting,
    /// It takes what comes.
    Sending,
    /// It has all that is signed.
    Current,
    /// It failed and is tried again.
    Waiting,
    /// A person must change something; it is tried again as well.
    Settings,
    /// It holds other records than the log: nothing more is sent until the next start.
    Fork,
    /// The process is ending, or its thread has ended.
    Ended,
}

impl State {
    /// Whether a person has to look.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Settings | Self::Fork)
    }
}

/// What is told of one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it stands.
    pub state: State,
    /// Why it does not take what comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The level that is asked of it.
    pub level: Level,
    /// Nothing goes by age that it has not got.
    pub required: bool,
    /// What it has counts as archived.
    pub archive: bool,
    /// Signed records that it has not got.
    pub lag_records: u64,
    /// Records that it took since the start.
    pub delivered_records: u64,
    /// Batches that it took since the start.
    pub delivered_batches: u64,
    /// Calls that failed since the start.
    pub failures: u64,
    /// Batches that it refused, and that are kept aside.
    pub quarantined: usize,
}

/// The status of one sink, shared by its thread and those who ask.
#[derive(Clone, Debug)]
pub(crate) struct Told(Arc<Mutex<SinkStatus>>);

impl Told {
    pub(crate) fn new(status: SinkStatus) -> Self {
        Self(Arc::new(Mutex::new(status)))
    }

    pub(crate) fn now(&self) -> SinkStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SinkStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
