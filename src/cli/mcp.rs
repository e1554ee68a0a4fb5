//! `servanda mcp`: an MCP server that speaks over standard input and output, behind the guard.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::render::{Answer, CliError, Outcome, Screen, safe};
use super::run::{log, notice};
use crate::base::clock::SystemClock;
use crate::base::names::Lane;
use crate::proxy::config::{Config, Listener, LogFormat};
use crate::proxy::serve::Signals;
use crate::proxy::stdio::{self, Setup};

/// Arguments of `servanda mcp`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  servanda mcp --pact support.pact.yaml -- npx -y @example/mcp-server\n\nWrite it where a host expects the command of an MCP server. Standard output is the server's alone; what the guard has to say goes to\nstandard error. The exit code is the server's."
)]
pub(super) struct McpCommand {
    /// The configuration; the listener with the lane `tools` says what holds.
    #[arg(short, long, value_name = "FILE", env = "SERVANDA_CONFIG")]
    config: Option<PathBuf>,
    /// The listener of the configuration whose route and limits hold, where several have the lane `tools`.
    #[arg(long, value_name = "NAME", requires = "config")]
    listener: Option<String>,
    /// The pact, portfolio or image to keep; without one it observes.
    #[arg(long, value_name = "FILE", env = "SERVANDA_PACT", conflicts_with = "config")]
    pact: Option<PathBuf>,
    /// Where the evidence goes, a folder for each server that runs at the same time; `servanda-evidence` when absent.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    evidence: Option<PathBuf>,
    /// The server's program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl McpCommand {
    /// Runs until the server has ended.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let (config, listener) = self.config()?;
        log(config.telemetry.log);
        let evidence = config.evidence.dir.display().to_string();
        let mode = config.route(&listener.name).mode;
        let notice = match config.telemetry.log {
            LogFormat::Text => Some(notice(&evidence)),
            LogFormat::Json => None,
        };
        let path = self.config.clone();
        let setup = Setup { config, path, listener, clock: SystemClock::shared(), notice, command: self.command.clone() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let signals = Signals::hear()?;
            stdio::run(setup, signals, tokio::io::stdin(), tokio::io::stdout(), |state| {
                let pacts: Vec<String> = state.now().pacts.iter().map(|p| format!("{} {}", p.pact, p.version)).collect();
                screen.note(format_args!("servanda: {}, {mode}, evidence in {}", safe(&pacts.join(", ")), safe(&evidence)));
            })
            .await
        });
        // A line of the client that nobody will read is not waited for.
        runtime.shutdown_background();
        Ok(outcome(ended.map_err(|error| CliError::new(error.to_string()))?))
    }

    fn config(&self) -> Result<(Config, Listener), CliError> {
        let Some(path) = &self.config else {
            let config = Config::of_command(self.pact.as_deref(), self.evidence.as_deref());
            let config = config.map_err(|error| CliError::new(error.to_string()))?;
            return chosen(config, None);
        };
        let (config, _) = Config::load(path).map_err(|error| CliError::new(error.to_string()))?;
        chosen(config, self.listener.as_deref())
    }
}

/// The listener of a config that holds for the server.
fn chosen(config: Config, name: Option<&str>) -> Result<(Config, Listener), CliError> {
    let fits = |listener: &&Listener| name.map_or(listener.lane == Lane::Tools, |name| listener.name == name);
    let mut found = config.listen.iter().filter(fits);
    let listener = match (found.next(), found.next()) {
        (Some(one), None) => one.clone(),
        (None, _) => {
            let what = name.map_or_else(|| "has the lane `tools`".to_owned(), |name| format!("is named `{}`", safe(name)));
            return Err(
                CliError::new(format!("no listener of the config {what}")).help("write one, or name another with --listener")
            );
        }
        (Some(_), Some(_)) => {
            return Err(CliError::new("several listeners of the config have the lane `tools`").help("name one with --listener"));
        }
    };
    Ok((config, listener))
}

/// The server's end as ours: its exit code, or 128 and the signal that ended it, as shells have it.
fn outcome(status: ExitStatus) -> Outcome {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    match u8::try_from(code & 0xFF).unwrap_or(1) {
        0 => Outcome::Fine,
        code => Outcome::Code(code),
    }
}
