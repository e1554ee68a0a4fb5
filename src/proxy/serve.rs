//! Builds the parts in order and runs them; the only file of the sidecar that starts long-lived tasks.
//!
//! Order of the start: evidence and its sinks, pact, sockets, traffic. Order of the end: readiness off, no more
//! connections, streams drain to a deadline, evidence is sealed, sinks take what is left of it to a deadline.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::base::clock::SharedClock;
use crate::base::limits::STORE_LOOK_SECONDS_MAX;
use crate::evidence::log::Log;
use crate::evidence::sink::Sinks;
use crate::guard::layer::Notice;

use super::admin::{self, Context, Wish, token::Token};
use super::config::{Config, Listener};
use super::drain::Drain;
use super::ends::Ends;
use super::error::ProxyError;
use super::listener::Accept;
use super::metrics;
use super::refusals::Refusals;
use super::reload::run::{Did, Reloader};
use super::reload::watch::Watch;
use super::reverse::Reverse;
use super::stack::{App, Common, Stack, Upstream, forward};
use super::start::{Started, seal};
use super::state::{ListenerState, Reload, Shared, State};
use super::upstream::Upstreams;

/// How long files must be quiet before they are read: editors write more than once.
const QUIET: Duration = Duration::from_millis(50);

/// How often histograms are folded, so that they do not grow between scrapes, refusals that were only counted are
/// written, and it is looked which pact ends soon.
const UPKEEP: Duration = Duration::from_secs(5);

/// Wishes for a reload that may wait.
const WISHES_MAX: usize = 16;

/// What a sidecar is started with.
pub struct Setup {
    /// The config.
    pub config: Config,
    /// The file it was read from, watched and read anew; none for the short form.
    pub path: Option<PathBuf>,
    /// Source of time.
    pub clock: SharedClock,
    /// Is told of every intervention.
    pub notice: Option<Notice>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("config", &self.config).field("path", &self.path).finish_non_exhaustive()
    }
}

/// A running sidecar.
#[derive(Debug)]
pub struct Sidecar {
    serving: Serving,
    admin: SocketAddr,
    token: Option<PathBuf>,
    tasks: JoinSet<()>,
    drain: Drain,
    state: Shared,
    wishes: mpsc::Sender<Wish>,
    refusals: Arc<Refusals>,
    log: Log,
    sinks: Arc<Sinks>,
}

/// How a sidecar ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that did not end in time.
    pub cut_off: usize,
    /// Records in the sealed log.
    pub records: u64,
}

/// The signals that a sidecar minds, heard from here on: made before it is announced, so that none that
/// follows the announcement ends the process with an open log.
#[derive(Debug)]
pub struct Signals {
    pub(super) term: Signal,
    pub(super) int: Signal,
    pub(super) hup: Signal,
}

impl Signals {
    /// Hears them from now on.
    ///
    /// # Errors
    /// They cannot be heard.
    pub fn hear() -> Result<Self, ProxyError> {
        let hear = |kind| signal(kind).map_err(|error| ProxyError::Process(format!("signals cannot be heard: {error}")));
        Ok(Self { term: hear(SignalKind::terminate())?, int: hear(SignalKind::interrupt())?, hup: hear(SignalKind::hangup())? })
    }
}

impl Sidecar {
    /// Opens the log, brings the pact into force, binds every address, then accepts.
    ///
    /// # Errors
    /// The first of these that fails; nothing is left behind but the log, sealed.
    pub async fn start(setup: Setup) -> Result<Self, ProxyError> {
        let Setup { config, path, clock, notice } = setup;
        let metrics = metrics::exporter().ok();
        let state = Shared::default();
        let Started { log, sinks, reloader, common } = Started::begin(config, path, clock, notice, &state).await?;
        let config = reloader.config();
        let (clock, refusals) = (Arc::clone(&common.clock), Arc::clone(&common.refusals));
        let drain = Drain::default();
        let program = reloader.live().pin();
        let mut guarded = Vec::new();
        let admin_socket = bind("admin", config.admin.bind).await?;
        let serving = Serving::start(&config, &drain, |listener| {
            let upstream = common.upstream(&config, listener);
            let app = Arc::new(App::new(common.guarded(&config, listener, &program, &upstream)));
            guarded.push(Seat { listener: listener.clone(), app: Arc::clone(&app), upstream });
            app
        })
        .await?;
        state.change(|s| s.listeners = listeners(&config, &serving.addresses));

        let (wishes, inbox) = mpsc::channel(WISHES_MAX);
        let (token, made) = Token::open(&config.admin.token_file)?;
        let context = Context {
            state: state.clone(),
            metrics: metrics.clone(),
            token: Arc::new(token),
            wishes: wishes.clone(),
            shelf: reloader.shelf().clone(),
            live: reloader.live().clone(),
            fulfilment: reloader.fulfilment().clone(),
            compiling: Arc::new(Semaphore::new(1)),
            log: Some(log.handle()),
            evidence: Arc::new(config.evidence.dir.clone()),
            reading: Arc::new(Semaphore::new(1)),
            sinks: Arc::clone(&sinks),
            clock: Arc::clone(&clock),
        };
        let admin = admin_socket.local_addr().map_err(|why| cannot_bind("admin", config.admin.bind, why))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(admin_socket, admin::router(context)).await {
                tracing::error!(%error, "the admin port has ended");
            }
        });
        let counted = Arc::clone(&refusals);
        let (watched, time) = (state.clone(), Arc::clone(&clock));
        tasks.spawn(async move {
            let mut ends = Ends::default();
            loop {
                for told in ends.look(&watched.now().pacts, time.wall_us()) {
                    if told.over {
                        tracing::error!("{}", told.what);
                    } else {
                        tracing::warn!("{}", told.what);
                    }
                }
                tokio::time::sleep(UPKEEP).await;
                counted.settle();
                if let Some(metrics) = &metrics {
                    metrics.run_upkeep();
                }
            }
        });
        tasks.spawn(Reloads::start(reloader, common, guarded, inbox, state.clone(), clock)?.run());
        let token = made.then(|| config.admin.token_file.clone());
        Ok(Self { serving, admin, token, tasks, drain, state, wishes, refusals, log, sinks })
    }

    /// Where it listens, by name of the listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.serving.addresses
    }

    /// Where the admin port is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The token file, if this run made it: its path should be printed.
    pub fn made_token(&self) -> Option<&PathBuf> {
        self.token.as_ref()
    }

    /// What it says of itself.
    pub fn state(&self) -> State {
        self.state.now()
    }

    /// The same, to be waited on.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<State> {
        self.state.watch()
    }

    /// Reads config and pact anew, and tells how that ended; none where the process is ending.
    pub async fn reload(&self) -> Option<Reload> {
        let (told, outcome) = tokio::sync::oneshot::channel();
        self.wishes.send(Wish::Reload(Some(told))).await.ok()?;
        outcome.await.ok()
    }

    /// Runs until SIGTERM or SIGINT, reloading on SIGHUP, and ends as [`Self::stop`] does.
    ///
    /// # Errors
    /// The log cannot be sealed.
    pub async fn run(self, signals: Signals) -> Result<Ended, ProxyError> {
        let Signals { mut term, mut int, mut hup } = signals;
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                _ = hup.recv() => {
                    if self.wishes.try_send(Wish::Reload(None)).is_err() {
                        tracing::debug!("reloads are waiting already");
                    }
                }
            }
        }
        self.stop().await
    }

    /// Readiness off, no more connections, streams drain to the deadline, evidence sealed.
    ///
    /// # Errors
    /// The log cannot be sealed; the next start recovers it.
    pub async fn stop(mut self) -> Result<Ended, ProxyError> {
        self.state.change(|state| state.draining = true);
        tracing::info!("draining");
        self.drain.begin();
        let cut_off = self.serving.end().await;
        if cut_off > 0 {
            tracing::warn!(cut_off, "connections did not end in time");
        }
        self.tasks.shutdown().await;
        self.refusals.settle();
        let records = seal(self.log, self.sinks).await?;
        Ok(Ended { cut_off, records })
    }
}

fn listeners(config: &Config, addresses: &[(String, SocketAddr)]) -> Vec<ListenerState> {
    config
        .listen
        .iter()
        .map(|listener| ListenerState {
            name: listener.name.clone(),
            address: addresses.iter().find(|(name, _)| *name == listener.name).map(|(_, a)| a.to_string()).unwrap_or_default(),
            lane: listener.lane.as_str(),
            mode: config.route(&listener.name).mode.as_str(),
            expired: config.route(&listener.name).expired,
            upstream: listener.upstream.to_string(),
        })
        .collect()
}

/// A listener whose stack can be swapped.
struct Seat {
    listener: Listener,
    app: Arc<App>,
    upstream: Upstream,
}

/// The task that reloads: one wish after another.
struct Reloads {
    reloader: Reloader,
    common: Common,
    seats: Vec<Seat>,
    inbox: mpsc::Receiver<Wish>,
    changed: mpsc::Receiver<()>,
    watch: Watch,
    state: Shared,
    clock: SharedClock,
}

impl Reloads {
    fn start(
        reloader: Reloader,
        common: Common,
        seats: Vec<Seat>,
        inbox: mpsc::Receiver<Wish>,
        state: Shared,
        clock: SharedClock,
    ) -> Result<Self, ProxyError> {
        let (sender, changed) = mpsc::channel(1);
        let mut watch = Watch::new(sender)?;
        let files = reloader.files();
        watch.files(files.iter().map(PathBuf::as_path))?;
        Ok(Self { reloader, common, seats, inbox, changed, watch, state, clock })
    }

    async fn run(mut self) {
        loop {
            let due = self.reloader.shelf().now().due(self.now_s());
            let wait = self.until(due);
            let wish = tokio::select! {
                wish = self.inbox.recv() => match wish {
                    Some(wish) => Some(wish),
                    None => return,
                },
                changed = self.changed.recv() => {
                    if changed.is_none() {
                        return;
                    }
                    // Wait until the writer is done.
                    while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changed.recv()).await {}
                    None
                }
                () = tokio::time::sleep(wait) => {
                    if due.is_none_or(|due| due > self.now_s()) {
                        continue;
                    }
                    None
                }
            };
            let Some(after) = self.heed(wish).await else { return };
            self = after;
        }
    }

    fn now_s(&self) -> i64 {
        self.clock.wall_us().div_euclid(1_000_000)
    }

    /// How long to wait for a pact that is due then. Never long, since the clock may be set.
    fn until(&self, due: Option<i64>) -> Duration {
        let wait = due.and_then(|due| u64::try_from(due.saturating_sub(self.now_s())).ok()).unwrap_or(u64::MAX);
        Duration::from_secs(wait.clamp(1, STORE_LOOK_SECONDS_MAX))
    }

    /// Does what was wished, or reloads, and tells whoever waits.
    async fn heed(self, wish: Option<Wish>) -> Option<Self> {
        let (after, left) = match wish {
            Some(Wish::Keep(text, told)) => {
                let (after, outcome) = self.with(move |reloader| reloader.take_in(&text)).await?;
                (after, told.send(outcome).is_err())
            }
            Some(Wish::Reload(told)) => {
                let (after, ()) = self.with(|reloader| ((), reloader.reload(true))).await?;
                let outcome = after.state.now().reload;
                let left = told.zip(outcome).is_some_and(|(told, outcome)| told.send(outcome).is_err());
                (after, left)
            }
            None => (self.with(|reloader| ((), reloader.reload(false))).await?.0, false),
        };
        if left {
            tracing::debug!("whoever waited for the outcome has left");
        }
        Some(after)
    }

    /// Compiling may take a while and reads files: not on a thread that serves.
    async fn with<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Reloader) -> (T, Did) + Send + 'static,
    ) -> Option<(Self, T)> {
        let Self { mut reloader, common, seats, inbox, changed, watch, state, clock } = self;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut reloader);
            (reloader, done)
        });
        let (reloader, (told, did)) = match done.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "reloading has ended; the state in force stays");
                return None;
            }
        };
        self = Self { reloader, common, seats, inbox, changed, watch, state, clock };
        if did == Did::Loaded {
            self.apply();
        }
        Some((self, told))
    }

    /// Puts the config in force before the listeners.
    fn apply(&mut self) {
        let config = self.reloader.config();
        let program = self.reloader.live().pin();
        for seat in &mut self.seats {
            let Some(listener) = config.listen.iter().find(|l| l.name == seat.listener.name) else { continue };
            if listener.upstream != seat.listener.upstream {
                seat.upstream = self.common.upstream(&config, listener);
            }
            seat.listener = listener.clone();
            seat.app.swap(self.common.guarded(&config, listener, &program, &seat.upstream));
        }
        self.state.change(|state| {
            let addresses: Vec<(String, SocketAddr)> =
                state.listeners.iter().filter_map(|l| Some((l.name.clone(), l.address.parse().ok()?))).collect();
            state.listeners = listeners(&config, &addresses);
        });
        let files = self.reloader.files();
        if let Err(error) = self.watch.files(files.iter().map(PathBuf::as_path)) {
            tracing::error!(%error, "new files cannot be watched; SIGHUP still reloads");
        }
    }
}

/// Listeners that are bound and accept.
#[derive(Debug)]
struct Serving {
    addresses: Vec<(String, SocketAddr)>,
    tasks: JoinSet<usize>,
}

impl Serving {
    async fn start(config: &Config, drain: &Drain, mut app: impl FnMut(&Listener) -> Arc<App>) -> Result<Self, ProxyError> {
        let places = Arc::new(Semaphore::new(config.limits.connections_max));
        let mut bound = Vec::new();
        for listener in &config.listen {
            let socket = bind(&listener.name, listener.bind).await?;
            let address = socket.local_addr().map_err(|why| cannot_bind(&listener.name, listener.bind, why))?;
            bound.push((listener, socket, address));
        }
        // All are bound before one accepts.
        let mut serving = Self { addresses: Vec::new(), tasks: JoinSet::new() };
        for (listener, socket, address) in bound {
            serving.addresses.push((listener.name.clone(), address));
            let accept = Accept {
                socket,
                app: app(listener),
                places: Arc::clone(&places),
                drain: drain.clone(),
                limit: config.limits.drain,
            };
            serving.tasks.spawn(accept.run());
        }
        Ok(serving)
    }

    /// Waits until every listener has drained. Gives how many connections were cut off.
    async fn end(mut self) -> usize {
        let mut cut = 0;
        while let Some(ended) = self.tasks.join_next().await {
            cut += ended.unwrap_or_default();
        }
        cut
    }
}

async fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, ProxyError> {
    TcpListener::bind(address).await.map_err(|why| cannot_bind(name, address, why))
}

fn cannot_bind(name: &str, address: SocketAddr, why: std::io::Error) -> ProxyError {
    ProxyError::Bind { listener: name.to_owned(), address: address.to_string(), why }
}

/// The listeners of a config without a guard: a plain reverse proxy, judged by nobody and recorded
/// nowhere. What the guard's cost is measured against; never what `servanda run` starts.
#[derive(Debug)]
pub struct PassThrough {
    serving: Serving,
    drain: Drain,
}

impl PassThrough {
    /// Binds and accepts.
    ///
    /// # Errors
    /// An address cannot be bound, or TLS cannot be prepared.
    pub async fn start(config: &Config) -> Result<Self, ProxyError> {
        let upstreams = Upstreams::new(config)?;
        let drain = Drain::default();
        let serving = Serving::start(config, &drain, |listener| {
            let reverse = Reverse::new(&upstreams, forward(config, listener));
            Arc::new(App::new(Stack::Bare(reverse)))
        })
        .await?;
        Ok(Self { serving, drain })
    }

    /// Where it listens, by name of the listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.serving.addresses
    }

    /// Stops accepting, lets exchanges end, and gives how many connections were cut off.
    pub async fn stop(self) -> usize {
        self.drain.begin();
        self.serving.end().await
    }
}
