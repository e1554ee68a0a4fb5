//! `servanda run`: the sidecar.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::render::{Answer, CliError, Outcome, Paint, Screen, count, safe};
use crate::base::clock::SystemClock;
use crate::base::names::{Lane, Mode};
use crate::guard::layer::{Intervened, Notice};
use crate::proxy::config::{Config, LogFormat};
use crate::proxy::serve::{Setup, Sidecar, Signals};

/// Arguments of `servanda run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  servanda run --upstream https://api.openai.com --pact support.pact.yaml\n\nWithout a pact it observes: it judges by the packs pii, secrets and injection, records, and changes nothing."
)]
pub(super) struct Run {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", env = "SERVANDA_CONFIG", required_unless_present = "upstream")]
    config: Option<PathBuf>,
    /// Where requests go; for this and the following no file is needed.
    #[arg(long, value_name = "URL", env = "SERVANDA_UPSTREAM", conflicts_with = "config")]
    upstream: Option<String>,
    /// The pact, portfolio or image to keep.
    #[arg(long, value_name = "FILE", env = "SERVANDA_PACT", requires = "upstream")]
    pact: Option<PathBuf>,
    /// Where to listen; 127.0.0.1:8080 when absent.
    #[arg(long, value_name = "ADDR", env = "SERVANDA_LISTEN", requires = "upstream")]
    listen: Option<SocketAddr>,
    /// Which way the guard faces: `model` before a provider, `inbound` before an agent; guessed by the upstream when absent.
    #[arg(long, value_name = "LANE", value_parser = parse_lane, requires = "upstream")]
    lane: Option<Lane>,
    /// Where the evidence goes; `servanda-evidence` when absent.
    #[arg(long, value_name = "DIR", requires = "upstream")]
    evidence: Option<PathBuf>,
    /// Where the admin port is; 127.0.0.1:9901 when absent.
    #[arg(long, value_name = "ADDR", requires = "upstream")]
    admin: Option<SocketAddr>,
}

fn parse_lane(text: &str) -> Result<Lane, String> {
    Lane::parse(text).filter(|lane| *lane != Lane::Egress).ok_or_else(|| "`inbound`, `model` or `tools`".to_owned())
}

impl Run {
    /// Runs until SIGTERM or SIGINT.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let config = self.config(screen)?;
        let format = config.telemetry.log;
        let evidence = config.evidence.dir.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let notice = match format {
                LogFormat::Text => Some(notice(&evidence.display().to_string())),
                LogFormat::Json => None,
            };
            let setup = Setup { config, path: self.config.clone(), clock: SystemClock::shared(), notice };
            let signals = Signals::hear().map_err(|e| CliError::new(e.to_string()))?;
            let sidecar = Sidecar::start(setup).await.map_err(|e| CliError::new(e.to_string()))?;
            match format {
                LogFormat::Text => announce(screen, &sidecar, &evidence)?,
                LogFormat::Json => log_start(&sidecar, &evidence),
            }
            screen.flush()?;
            sidecar.run(signals).await.map_err(|e| CliError::new(e.to_string()))
        });
        match (format, ended) {
            (LogFormat::Text, Ok(ended)) => {
                let records = count(usize::try_from(ended.records).unwrap_or(usize::MAX), "record");
                screen.line(format_args!("ended; {records} in the sealed log"))?;
                if ended.cut_off > 0 {
                    screen.note(format_args!("{} cut off", count(ended.cut_off, "connection")));
                }
            }
            (LogFormat::Json, Ok(ended)) => tracing::info!(records = ended.records, cut_off = ended.cut_off, "ended"),
            (LogFormat::Text, Err(error)) => return Err(error),
            (LogFormat::Json, Err(error)) => {
                tracing::error!("{error}");
                return Err(error.told());
            }
        }
        Ok(Outcome::Fine)
    }

    /// The config, and the log in the form that it asks for.
    fn config(&self, screen: &mut Screen) -> Result<Config, CliError> {
        if let Some(path) = &self.config {
            let (config, warnings) = Config::load(path).map_err(|e| CliError::new(e.to_string()))?;
            log(config.telemetry.log);
            match config.telemetry.log {
                LogFormat::Text => {
                    let text = super::input::document(path)?;
                    screen.diagnostics(&path.display().to_string(), &text, &warnings);
                }
                LogFormat::Json => {
                    for warning in &warnings {
                        tracing::warn!(file = %path.display(), field = warning.field, code = warning.code, "{}", warning.message);
                    }
                }
            }
            return Ok(config);
        }
        log(LogFormat::Text);
        let upstream = self.upstream.as_deref().unwrap_or_default();
        let short = Config::short(upstream, self.pact.as_deref(), self.listen, self.lane, self.evidence.as_deref());
        let mut config = short.map_err(|e| CliError::new(e.to_string()))?;
        if let Some(admin) = self.admin {
            config.admin.bind = admin;
        }
        Ok(config)
    }
}

/// Says where it listens, by which pacts, and where the evidence goes.
pub(super) fn announce(screen: &mut Screen, sidecar: &Sidecar, evidence: &std::path::Path) -> Result<(), CliError> {
    let state = sidecar.state();
    for listener in &state.listeners {
        let arrow = format!("{} -> {}", listener.lane, safe(&listener.upstream));
        let mode = screen.paint(Paint::Strong, listener.mode);
        screen.line(format_args!("listening  http://{}  {arrow}  {mode}", listener.address))?;
    }
    for pact in &state.pacts {
        let signed = if pact.signed { "" } else { ", unsigned: development, nobody vouches for it" };
        let predicates = count(pact.predicates, "predicate");
        screen.line(format_args!("pact       {} {}, {predicates}{signed}", safe(&pact.pact), safe(&pact.version)))?;
        if !pact.unenforced.is_empty() {
            let list = safe(&pact.unenforced.join(", ")).into_owned();
            screen.note(format_args!("not enforced by this build: {list}"));
        }
    }
    screen.line(format_args!("evidence   {}", evidence.display()))?;
    screen.line(format_args!("admin      http://{}", sidecar.admin()))?;
    if let Some(token) = sidecar.made_token() {
        screen.note(format_args!("made the token of the admin port: {}", token.display()));
    }
    Ok(())
}

/// The same for those who collect logs: every line is an event of its own.
fn log_start(sidecar: &Sidecar, evidence: &std::path::Path) {
    let state = sidecar.state();
    for l in &state.listeners {
        tracing::info!(listener = l.name, address = l.address, lane = l.lane, mode = l.mode, upstream = l.upstream, "listening");
    }
    for pact in state.pacts.iter().filter(|pact| !pact.unenforced.is_empty()) {
        tracing::warn!(predicates = pact.unenforced.join(", "), "not enforced by this build");
    }
    if let Some(token) = sidecar.made_token() {
        tracing::info!(file = %token.display(), "made the token of the admin port");
    }
    tracing::info!(evidence = %evidence.display(), admin = %sidecar.admin(), "started");
}

/// Tells every intervention in one line, with the command that explains it.
pub(super) fn notice(evidence: &str) -> Notice {
    let evidence = safe(evidence).into_owned();
    Arc::new(move |told: &Intervened<'_>| {
        let noted = if told.mode == Mode::Enforce { "" } else { " (noted, not done)" };
        let by = told.predicate.or(told.detector).unwrap_or("the guard");
        // Nobody is left to hear that standard error is closed.
        drop(writeln!(
            std::io::stderr(),
            "{} at {} by {}{noted}: servanda evidence show {evidence} {}",
            told.act,
            told.stage,
            safe(by),
            safe(told.record)
        ));
    })
}

/// Sends the library's events to standard error. `RUST_LOG` chooses which.
pub(super) fn log(format: LogFormat) {
    // For people interventions have a line of their own already.
    let default = match format {
        LogFormat::Text => "warn,servanda=info,servanda::guard=warn",
        LogFormat::Json => "warn,servanda=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Text => builder.with_target(false).with_ansi(false).compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A subscriber that is there already hears everything as well.
    installed.ok();
}
