//! How a log is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::shipped::Shipped;
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::limits::LOG_QUEUE_RECORDS_MAX;
use crate::seal::Digest;

/// How a log is opened. Every value has a working default.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The directory; made if it is not there.
    pub dir: PathBuf,
    /// Key file of the root; by default `root.key` in the directory, made on first run.
    pub root_key: Option<PathBuf>,
    /// Source of time. Cadences are read from it, so that tests drive them by hand and [`super::handle::LogHandle::flush`].
    pub clock: SharedClock,
    /// First part of the origin.
    pub domain: String,
    /// The sidecar's part of the origin; by default drawn from the root key.
    pub name: Option<String>,
    /// A signed head at most so often while records arrive.
    pub checkpoint_every: Duration,
    /// Counters and a head at least so often, also when nothing happens.
    pub heartbeat_every: Duration,
    /// Closed segments and logs older than this are removed, once every sink that must have them does.
    pub keep: Duration,
    /// The oldest are removed while all together are larger, whoever has them. A segment is at most a sixteenth of it, at least 1 MiB.
    pub keep_bytes: u64,
    /// Records that may wait for the thread; at most [`LOG_QUEUE_RECORDS_MAX`].
    pub queue_records: usize,
    /// Digest of the program file, for `log.open`.
    pub build: Option<Digest>,
    /// Digest of the configuration, for `log.open`.
    pub config: Option<Digest>,
    /// How far sinks have got: what they lack stays beyond its age. Without sinks nothing is held back.
    pub shipped: Arc<Shipped>,
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
            heartbeat_every: Duration::new(60, 0),
            keep: Duration::new(7 * 86_400, 0),
            keep_bytes: 10 << 30,
            queue_records: LOG_QUEUE_RECORDS_MAX,
            build: None,
            config: None,
            shipped: Arc::default(),
        }
    }
}
