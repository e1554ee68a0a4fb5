//! The real binary as a process of its own: `servanda run`, until it is dropped.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A sidecar that runs by itself.
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where its admin port is.
    pub(crate) admin: SocketAddr,
    errors: PathBuf,
}

impl Running {
    /// Starts `servanda run` in `folder`, before `upstream`, with further arguments, and waits until it listens.
    pub(crate) fn start(folder: &Path, upstream: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["run", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        arguments.extend(more);
        Self::with(folder, &arguments, &[])
    }

    /// Starts the binary with these arguments and variables, and waits until it listens.
    pub(crate) fn with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::under(&[], folder, arguments, variables).unwrap_or_else(|told| panic!("it did not start: {told}"))
    }

    /// The same under another program, whose words stand before; where it does not start, what it said.
    pub(crate) fn under(before: &[&str], folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self, String> {
        let errors = folder.join("stderr");
        let file = std::fs::File::options().create(true).append(true).open(&errors).unwrap();
        let mut words = before.iter().copied().chain([env!("CARGO_BIN_EXE_servanda")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        let mut child = command
            .args(arguments)
            .envs(variables.iter().copied())
            .env("NO_COLOR", "1")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let (mut address, mut admin) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let mut words = line.split_whitespace();
            match (words.next(), words.next().and_then(|url| url.strip_prefix("http://"))) {
                (Some("listening"), Some(at)) => address = at.parse().ok(),
                (Some("admin"), Some(at)) => {
                    admin = at.parse().ok();
                    break;
                }
                _ => {}
            }
        }
        let (Some(address), Some(admin)) = (address, admin) else {
            child.wait().unwrap();
            return Err(std::fs::read_to_string(&errors).unwrap());
        };
        Ok(Self { child, address, admin, errors })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// Ends it as a crash would: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as an orchestrator would, and waits until it has.
    pub(crate) fn stop(mut self) {
        assert!(self.terminate().success(), "{}", self.told());
    }

    /// The same, however it ends; with what it has written to standard error.
    pub(crate) fn end(mut self) -> String {
        self.terminate();
        self.told()
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        // One that has ended by itself is not there to be asked.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
