//! The log: opening a directory, the thread that writes, closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use super::error::LogError;
pub use super::handle::{Full, GapCause, LogHandle, Slot, Ticket};
pub use super::privacy::Commitment;

use super::handle::{Message, Promise};
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
    /// Logs older than this are removed when the directory is opened, and hourly.
    pub keep: Duration,
    /// Oldest logs are removed while all together are larger.
    pub keep_bytes: u64,
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
}

impl Log {
    /// Opens the log of a directory with the defaults: makes what is missing, recovers what a crash
    /// left, and begins a new log that follows the last one.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        Self::open_with(LogOptions::new(dir))
    }

    /// Opens a log.
    pub fn open_with(options: LogOptions) -> Result<Self, LogError> {
        Self::open_in(options, Arc::new(super::files::Disk))
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
        let promise = Arc::new(Promise::default());
        let sent = self.handle.queue.send(Message::Close(promise.clone()));
        let result = match sent {
            Ok(()) => Ticket(promise).wait(),
            Err(_) => Err(LogError::Thread),
        };
        if thread.join().is_err() {
            return Err(LogError::Thread);
        }
        result
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

// The writing half follows in the next commit: until then records are taken, numbered and not kept.
impl Log {
    pub(crate) fn open_in(options: LogOptions, files: Arc<dyn super::files::Files>) -> Result<Self, LogError> {
        use super::handle::{IdSource, Shared};
        use crate::base::limits::{LOG_QUEUE_BYTES_MAX, LOG_QUEUE_RECORDS_MAX};
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(|_| LogError::from(crate::seal::SealError::NoRandom))?;
        let secrets = super::privacy::Secrets::open(files, options.dir.join("epochs"))?;
        let origin = format!("{}/evidence/unwritten", options.domain);
        let shared = Arc::new(Shared {
            start_ns: options.clock.steady_ns(),
            clock: options.clock,
            log: super::record::LogId::of(&origin),
            origin,
            ids: IdSource::new(secret),
            secrets,
            records: 0.into(),
            bytes: 0.into(),
            records_max: LOG_QUEUE_RECORDS_MAX,
            bytes_max: LOG_QUEUE_BYTES_MAX,
            started: 0.into(),
            shed: 0.into(),
            closed: false.into(),
            failing: false.into(),
            spool_bytes: 0.into(),
            durable: 0.into(),
            gaps: std::sync::Mutex::default(),
        });
        let (queue, messages) = std::sync::mpsc::sync_channel(LOG_QUEUE_RECORDS_MAX + 64);
        let handle = LogHandle { shared: shared.clone(), queue };
        let thread = std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || {
                let mut index = 0u64;
                for message in messages {
                    match message {
                        Message::Record(pending) => {
                            shared.give_back(pending.meta.charge);
                            if let Some(ticket) = pending.ticket {
                                ticket.keep(Ok(index));
                            }
                            index += 1;
                        }
                        Message::Flush(promise) => promise.keep(Ok(index)),
                        Message::Close(promise) => {
                            promise.keep(Ok(index));
                            break;
                        }
                    }
                }
            })
            .map_err(|_| LogError::Thread)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}
