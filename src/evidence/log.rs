//! The log: opening a directory, the thread that writes, closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use super::error::LogError;
pub use super::handle::{Full, GapCause, LogHandle, Slot, Ticket};
pub use super::privacy::Commitment;

use super::boot;
use super::files::{Disk, Files};
use super::handle::{Message, promise};
use crate::base::clock::{SharedClock, SystemClock};
use crate::seal::Digest;

/// How a log is opened. Every value has a working default.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The directory; made if it is not there.
    pub dir: PathBuf,
    /// Key file of the root; by default `root.key` in the directory, made on first run.
    pub root_key: Option<PathBuf>,
    /// Source of time. Cadences are read from it, so that tests drive them by hand and [`LogHandle::flush`].
    pub clock: SharedClock,
    /// First part of the origin.
    pub domain: String,
    /// The sidecar's part of the origin; by default drawn from the root key.
    pub name: Option<String>,
    /// A signed head at most so often while records arrive.
    pub checkpoint_every: Duration,
    /// Counters and a head at least so often, also when nothing happens.
    pub heartbeat_every: Duration,
    /// Logs older than this are removed when the directory is opened.
    pub keep: Duration,
    /// Oldest logs are removed while all together are larger.
    pub keep_bytes: u64,
    /// Records that may wait for the thread; at most [`crate::base::limits::LOG_QUEUE_RECORDS_MAX`].
    pub queue_records: usize,
    /// Digest of the program file, for `log.open`.
    pub build: Option<Digest>,
    /// Digest of the configuration, for `log.open`.
    pub config: Option<Digest>,
}

impl LogOptions {
    /// The defaults, in this directory.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            root_key: None,
            clock: SystemClock::shared(),
            domain: "servanda.local".to_owned(),
            name: None,
            checkpoint_every: Duration::from_secs(1),
            heartbeat_every: Duration::from_secs(60),
            keep: Duration::from_secs(7 * 86_400),
            keep_bytes: 10 << 30,
            queue_records: crate::base::limits::LOG_QUEUE_RECORDS_MAX,
            build: None,
            config: None,
        }
    }
}

/// An open log. Owns its thread and the lock on its directory; closing it seals it.
#[derive(Debug)]
pub struct Log {
    handle: LogHandle,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Held as long as the log is open; the kernel gives it back if we die.
    lock: Option<std::fs::File>,
}

impl Log {
    /// Opens the log of a directory with the defaults: makes what is missing, recovers what a crash
    /// left, and begins a new log that follows the last one.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        Self::open_with(LogOptions::new(dir))
    }

    /// Opens a log.
    pub fn open_with(options: impl std::borrow::Borrow<LogOptions>) -> Result<Self, LogError> {
        let options = options.borrow();
        let lock = boot::lock(&options.dir)?;
        Self::open_in(options, Arc::new(Disk), Some(lock))
    }

    /// Opens a log on these files.
    pub(crate) fn open_in(options: &LogOptions, files: Arc<dyn Files>, lock: Option<std::fs::File>) -> Result<Self, LogError> {
        let (handle, thread) = boot::start(options, files)?;
        Ok(Self { handle, thread: Some(thread), lock })
    }

    /// A handle for those who write.
    pub fn handle(&self) -> LogHandle {
        self.handle.clone()
    }

    /// Writes what is waiting, seals the log and signs its end. Handles that are still around write no
    /// more. Returns the size of the log.
    pub fn close(mut self) -> Result<u64, LogError> {
        self.end()
    }

    fn end(&mut self) -> Result<u64, LogError> {
        let Some(thread) = self.thread.take() else { return Err(LogError::Closed) };
        let (ticket, keeper) = promise();
        // If the thread is gone, the keeper goes with the message and answers.
        drop(self.handle.queue.send(Message::Close(keeper)));
        let result = ticket.wait();
        let ended = thread.join();
        self.lock = None;
        if ended.is_err() { Err(LogError::Thread) } else { result }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.thread.is_some()
            && let Err(error) = self.end()
        {
            tracing::error!(%error, "the evidence log could not be sealed; the next start recovers it");
        }
    }
}

impl From<&Log> for LogHandle {
    fn from(log: &Log) -> Self {
        log.handle()
    }
}

#[cfg(test)]
mod tests;
