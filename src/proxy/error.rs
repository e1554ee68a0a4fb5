//! Why the sidecar could not start or go on.

use std::fmt;
use std::path::PathBuf;

use crate::base::diagnostic::Diagnostics;

/// The error of this folder.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The config has mistakes.
    Config {
        /// Its name, for messages.
        name: String,
        /// Its text, to show the lines.
        source: String,
        /// The mistakes.
        mistakes: Box<Diagnostics>,
    },
    /// A file could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What was wanted and why it failed.
        why: String,
    },
    /// An address could not be bound.
    Bind {
        /// Name of the listener.
        listener: String,
        /// The address.
        address: String,
        /// Why.
        why: std::io::Error,
    },
    /// TLS towards the upstream could not be prepared.
    Tls(String),
    /// The pacts could not be brought into force.
    Pacts(String),
    /// The evidence log could not be opened or sealed.
    Evidence(String),
    /// The process could not be prepared: signals, watching files, metrics.
    Process(String),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { name, source, mistakes } => f.write_str(mistakes.render(name, source).trim_end()),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Bind { listener, address, why } => write!(f, "listener `{listener}` cannot bind {address}: {why}"),
            Self::Tls(why) | Self::Pacts(why) | Self::Evidence(why) | Self::Process(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ProxyError {}
