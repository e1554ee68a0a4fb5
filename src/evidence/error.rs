//! Why a log cannot be opened, written or read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::seal::SealError;

/// Why a log cannot be opened, written or read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The queue has no room. The record was not taken; it is counted in a `gap` record.
    Full,
    /// The log is closed.
    Closed,
    /// The record is larger than a record may be.
    TooLarge(usize),
    /// Another process has the directory open.
    Locked {
        /// The directory.
        dir: PathBuf,
        /// What the lock file says about the holder.
        holder: String,
    },
    /// A file could not be read or written.
    File(PathBuf, Arc<std::io::Error>),
    /// A key could not be read, made or used.
    Seal(Arc<SealError>),
    /// A name that cannot stand in an origin or a key.
    BadName(String),
    /// A note, key or proof that cannot be read, or does not hold.
    Malformed(&'static str),
    /// What was asked for is not in the log.
    NotFound(String),
    /// No signed head covers this record yet.
    Uncovered(u64),
    /// A receipt of a record of an earlier log, whose key ended with its process: the origin of that log.
    KeyGone(String),
    /// The directory was written by a newer version.
    TooNew(PathBuf),
    /// A sink cannot be made from its settings: its name, and what to write instead.
    Sink(String, String),
    /// The thread of the log could not be started, or has ended.
    Thread,
}

impl LogError {
    /// Ties an I/O error to its file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::File(path.to_owned(), Arc::new(error))
    }
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("the evidence log has no room"),
            Self::Closed => f.write_str("the evidence log is closed"),
            Self::TooLarge(size) => write!(f, "a record of {size} bytes is larger than a record may be"),
            Self::Locked { dir, holder } => write!(
                f,
                "the evidence directory {} is in use by another process ({holder}); give each sidecar a directory of its own, \
                 or stop the other one",
                dir.display()
            ),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Seal(error) => error.fmt(f),
            Self::BadName(name) => {
                write!(f, "`{name}` cannot stand in an origin: letters, digits, dot, dash, underscore, colon and slash only")
            }
            Self::Malformed(why) => f.write_str(why),
            Self::NotFound(what) => write!(f, "{what} is not in this log"),
            Self::Uncovered(index) => {
                write!(
                    f,
                    "no signed head covers record {index}: a running sidecar signs within a second, so ask again; of a process \
                     that died only the next log vouches for its last records"
                )
            }
            Self::KeyGone(origin) => write!(
                f,
                "the record stands in {origin}, an earlier log: the key that could sign a receipt ended with its process; ask for \
                 its proof"
            ),
            Self::TooNew(path) => write!(f, "{} was written by a newer version", path.display()),
            Self::Sink(name, why) => write!(f, "the evidence sink `{name}`: {why}"),
            Self::Thread => f.write_str("the thread of the evidence log has ended"),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Seal(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SealError> for LogError {
    fn from(error: SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}
