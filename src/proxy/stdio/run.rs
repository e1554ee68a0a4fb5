//! One child from its start to its end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::JoinSet;
use tower_layer::Layer as _;

use crate::base::clock::SharedClock;
use crate::guard::layer::Notice;
use crate::guard::{Pins, Unread};
use crate::proxy::config::{Config, Listener};
use crate::proxy::error::ProxyError;
use crate::proxy::refusals::Door;
use crate::proxy::serve::Signals;
use crate::proxy::stack::route;
use crate::proxy::start::{Started, seal};
use crate::proxy::state::Shared;

use super::lines::Lines;
use super::pass::Pass;
use super::server::Server;

/// What a child is guarded by.
pub struct Setup {
    /// The config.
    pub config: Config,
    /// The file it was read from.
    pub path: Option<PathBuf>,
    /// The listener whose route, lane and limits hold for the child.
    pub listener: Listener,
    /// Source of time.
    pub clock: SharedClock,
    /// Is told of every intervention.
    pub notice: Option<Notice>,
    /// The child's program and its arguments.
    pub command: Vec<OsString>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("listener", &self.listener).field("command", &self.command).finish_non_exhaustive()
    }
}

/// Starts the child and stands between it and a client that writes to `input` and reads from `output`, until the child
/// has ended; `begun` is told by which pacts. Its standard error is ours. Signals go on to it.
///
/// # Errors
/// The log cannot be opened or sealed, the pacts do not come into force, or the child cannot be started.
pub async fn run<R, W>(
    setup: Setup,
    signals: Signals,
    input: R,
    output: W,
    begun: impl FnOnce(&Shared),
) -> Result<ExitStatus, ProxyError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Setup { config, path, listener, clock, notice, command } = setup;
    let state = Shared::default();
    let Started { log, sinks, reloader, common } = Started::begin(config, path, clock, notice, &state).await?;
    begun(&state);
    let config = reloader.config();
    let ended = async {
        let mut child = start(&command)?;
        let (Some(to_child), Some(from_child)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ProxyError::Process("the MCP server has no standard input or output".to_owned()));
        };
        let mut chosen = route(&config, &listener);
        // Half a line cannot be passed on: what is too long is refused whatever the route says.
        chosen.uninspected.over_limit = Unread::Block;
        let max = chosen.body_max;
        let door = Door { route: chosen.name.clone(), lane: chosen.lane, mode: chosen.mode };
        let program = common.live.pin();
        let layer = common.layer(&config, &listener, &program, chosen, &Arc::<Pins>::default());
        let server = Server::new(to_child);
        let session = format!("stdio-{}", uuid::Uuid::now_v7());
        let pass = Arc::new(Pass {
            guard: layer.layer(server.clone()),
            server,
            client: Turn::new(output),
            session: HeaderValue::try_from(session).unwrap_or_else(|_| HeaderValue::from_static("stdio")),
            door,
            refusals: Arc::clone(&common.refusals),
            over: Notify::new(),
        });
        let mut ways = JoinSet::new();
        ways.spawn(Arc::clone(&pass).up(Lines::new(BufReader::new(input), max)));
        ways.spawn(pass.down(Lines::new(BufReader::new(from_child), max)));
        watch(&mut child, &mut ways, signals).await
    };
    let ended = ended.await;
    common.refusals.settle();
    seal(log, sinks).await?;
    ended
}

fn start(command: &[OsString]) -> Result<Child, ProxyError> {
    let (program, arguments) = command.split_first().ok_or_else(|| ProxyError::Process("no MCP server is named".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    command.spawn().map_err(|error| {
        ProxyError::Process(format!("the MCP server `{}` cannot be started: {error}", program.to_string_lossy()))
    })
}

/// Waits until the child has ended and both directions are done; signals that come meanwhile go on to it.
async fn watch(child: &mut Child, ways: &mut JoinSet<()>, signals: Signals) -> Result<ExitStatus, ProxyError> {
    let Signals { mut term, mut int, mut hup } = signals;
    let mut status = None;
    while status.is_none() || !ways.is_empty() {
        let signal = tokio::select! {
            ended = child.wait(), if status.is_none() => {
                let ended = ended.map_err(|error| ProxyError::Process(format!("the MCP server was lost: {error}")))?;
                status = Some(ended);
                continue;
            }
            Some(_) = ways.join_next(), if !ways.is_empty() => continue,
            _ = term.recv() => rustix::process::Signal::TERM,
            _ = int.recv() => rustix::process::Signal::INT,
            _ = hup.recv() => rustix::process::Signal::HUP,
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = rustix::process::kill_process(pid, signal)
        {
            tracing::debug!(%error, "the signal did not reach the MCP server");
        }
    }
    status.ok_or_else(|| ProxyError::Process("the MCP server was lost".to_owned()))
}
