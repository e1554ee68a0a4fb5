//! The log: opening a directory, the thread that writes, closing.

use std::path::Path;
use std::sync::Arc;

pub use super::error::LogError;
pub use super::handle::{Full, GapCause, LogHandle, Slot};
pub use super::options::LogOptions;
pub use super::privacy::Commitment;
pub use super::ticket::Ticket;

use super::boot;
use super::files::{Disk, Files};
use super::handle::Message;
use super::ticket::promise;

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
        self.handle.shared.wake();
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
