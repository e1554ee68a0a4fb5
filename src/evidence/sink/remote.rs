//! What the sinks over a network share: calls that end, secrets that are not shown, and trust in the other end.
//!
//! A sink is driven by a thread that may wait, and its client wants a runtime: each sink has one of its own, made at its
//! first call, so that reading a config starts nothing.
//!
//! Promises: every call ends within `SINK_ANSWER_SECONDS`; secrets and roots are read anew at each connection, so that they
//! can be changed under a running process; no fault shows a secret.

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::contract::Fault;
use super::settings::Settings;
use crate::base::limits::{SINK_ANSWER_SECONDS, SINK_SECRET_BYTES_MAX};
use crate::base::trust;

/// Calls over a network, from a thread that may wait for them.
#[derive(Debug, Default)]
pub(super) struct Caller(Option<tokio::runtime::Runtime>);

impl Caller {
    /// Does it, or gives up on it in time.
    pub(super) fn call<T>(&mut self, what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let runtime = match self.0.take() {
            Some(runtime) => runtime,
            // One thread beside ours keeps the connection alive between calls.
            None => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(2)
                .thread_name("sink-io")
                .enable_all()
                .build()
                .map_err(|error| Fault::later(format!("no thread for the connection: {error}")))?,
        };
        let limit = Duration::from_secs(SINK_ANSWER_SECONDS);
        let result = runtime.block_on(async { tokio::time::timeout(limit, what).await });
        self.0 = Some(runtime);
        result.unwrap_or_else(|_| Err(Fault::later(format!("no answer within {SINK_ANSWER_SECONDS} s"))))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // What still waits for an answer is left to itself.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where a secret is read from; never what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// There is none.
    None,
    /// This file.
    File(PathBuf),
    /// This variable of the environment.
    Variable(String),
}

impl Secret {
    /// By the keys `<name>_file` and `<name>_env`.
    pub(super) fn of(settings: &Settings, file: &str, variable: &str) -> Result<Self, String> {
        match (settings.path(file), settings.text(variable)) {
            (Some(_), Some(_)) => Err(format!("write `{file}` or `{variable}`, not both")),
            (Some(path), None) => Ok(Self::File(path.to_owned())),
            (None, Some(variable)) => Ok(Self::Variable(variable.to_owned())),
            (None, None) => Ok(Self::None),
        }
    }

    /// What it is now, without the end of its line.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        let (text, place) = match self {
            Self::None => return Ok(None),
            Self::File(path) => {
                let place = path.display().to_string();
                let size = std::fs::metadata(path).map_err(|error| Fault::Settings(format!("{place}: {error}")))?.len();
                if size > SINK_SECRET_BYTES_MAX {
                    return Err(Fault::Settings(format!("{place}: {size} bytes are no secret of one line")));
                }
                let text = std::fs::read_to_string(path).map_err(|error| Fault::Settings(format!("{place}: {error}")))?;
                (Zeroizing::new(text), place)
            }
            Self::Variable(name) => {
                let unset = |_| Fault::Settings(format!("the variable {name} of the environment is not set, or is not text"));
                (Zeroizing::new(std::env::var(name).map_err(unset)?), format!("the variable {name}"))
            }
        };
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.contains(['\r', '\n']) {
            return Err(Fault::Settings(format!("{place}: a secret is one line that is not empty")));
        }
        Ok(Some(Zeroizing::new(line.to_owned())))
    }
}

/// Trust in the other end: the system's roots, and those of the file under `ca_file`.
pub(super) fn trusted(ca_file: Option<&PathBuf>, required: bool) -> Result<ClientConfig, Fault> {
    trust::client(ca_file.map(PathBuf::as_path), required, "ca_file: roots.pem")
        .map_err(|untrusted| Fault::Settings(untrusted.to_string()))
}

/// An error with what lies behind it, and whether a person has to change something: TLS that fails once fails again.
pub(super) fn fault(doing: &str, error: &(dyn Error + 'static)) -> Fault {
    let (mut text, mut secure) = (format!("{doing}: {error}"), false);
    let mut next = Some(error);
    while let Some(error) = next {
        secure |= error.is::<rustls::Error>();
        // What an I/O error carries is no source of it.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = carried.map(|carried| carried as &(dyn Error + 'static)).or_else(|| error.source());
        let said = next.map(ToString::to_string).unwrap_or_default();
        if !said.is_empty() && !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    if secure { Fault::Settings(text) } else { Fault::later(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let mut settings = Settings::default();
        assert_eq!(Secret::of(&settings, "token_file", "token_env").unwrap().read().unwrap(), None);
        settings.set_path("token_file", &path);
        let secret = Secret::of(&settings, "token_file", "token_env").unwrap();
        assert!(matches!(secret.read(), Err(Fault::Settings(why)) if why.contains("token")));
        for (text, wanted) in [("one\n", "one"), ("two\r\n", "two"), ("three", "three")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(secret.read().unwrap().unwrap().as_str(), wanted);
        }
        for text in ["", "\n", "a\nb\n", &"x".repeat(1 << 20)] {
            std::fs::write(&path, text).unwrap();
            let Err(Fault::Settings(why)) = secret.read() else { panic!("{} bytes are taken", text.len()) };
            assert!(why.contains("token") && !why.contains("a\nb") && !why.contains("xxx"), "{why}");
        }
        settings.set("token_env", "SERVANDA_TEST_NO_SUCH_VARIABLE");
        assert!(Secret::of(&settings, "token_file", "token_env").unwrap_err().contains("not both"));
        let unset = Secret::Variable("SERVANDA_TEST_NO_SUCH_VARIABLE".to_owned()).read();
        assert!(matches!(unset, Err(Fault::Settings(why)) if why.contains("is not set")));
    }

    #[test]
    fn an_error_of_tls_is_found_behind_others() {
        let inner = std::io::Error::other(rustls::Error::DecryptError);
        let Fault::Settings(why) = fault("connecting", &inner) else { panic!("nobody is told") };
        assert!(why.contains("connecting") && why.contains("decrypt"), "{why}");
        let plain = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(matches!(fault("connecting", &plain), Fault::Later { .. }));
    }
}
