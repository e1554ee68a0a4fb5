//! What every guarding process begins and ends with: the evidence log and its sinks, the pacts in force, what its
//! guards share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::base::limits::SINK_DRAIN_SECONDS;
use crate::engine::session::Sessions;
use crate::evidence::log::{Log, LogOptions};
use crate::evidence::sink::Sinks;
use crate::evidence::sink::run::shipped;
use crate::guard::Budget;
use crate::guard::layer::Notice;

use super::config::Config;
use super::error::ProxyError;
use super::refusals::Refusals;
use super::reload::run::{Reloader, Teller};
use super::stack::Common;
use super::state::Shared;
use super::upstream::Upstreams;

/// The parts of a process that stand before it takes traffic.
pub(super) struct Started {
    pub(super) log: Log,
    pub(super) sinks: Arc<Sinks>,
    pub(super) reloader: Reloader,
    pub(super) common: Common,
}

impl Started {
    /// Opens the log, then brings the pacts into force.
    pub(super) async fn begin(
        config: Config,
        path: Option<PathBuf>,
        clock: SharedClock,
        notice: Option<Notice>,
        state: &Shared,
    ) -> Result<Self, ProxyError> {
        let log = open_log(&config, &clock)?;
        let sinks = Sinks::start(&log.handle(), &config.evidence.dir, &config.evidence.sinks, &clock);
        let sinks = Arc::new(sinks.map_err(|error| ProxyError::Evidence(error.to_string()))?);
        let told = Teller { state: state.clone(), log: Some(log.handle()), clock: Arc::clone(&clock) };
        // Reading, compiling and fetching wait: not on a thread that serves.
        let starting = tokio::task::spawn_blocking(move || Reloader::start(config, path, told)).await;
        let reloader = starting.map_err(|error| ProxyError::Process(format!("the start was cut off: {error}")))??;
        let config = reloader.config();
        let common = Common {
            refusals: Arc::new(Refusals::new(log.handle(), reloader.live().clone(), Arc::clone(&clock))),
            live: reloader.live().clone(),
            log: log.handle(),
            budget: Arc::new(Budget::new(config.limits.body_total_max, config.limits.parallel_max)),
            sessions: Arc::new(Sessions::default()),
            turns: Arc::default(),
            upstreams: Upstreams::new(&config)?,
            clock,
            notice,
            fulfilment: reloader.fulfilment().clone(),
        };
        Ok(Self { log, sinks, reloader, common })
    }
}

/// Seals the log, lets the sinks take what is left of it to a deadline, and gives its records.
///
/// # Errors
/// The log cannot be sealed; the next start recovers it.
pub(super) async fn seal(log: Log, sinks: Arc<Sinks>) -> Result<u64, ProxyError> {
    let sealed = tokio::task::spawn_blocking(move || {
        let sealed = log.close();
        // What is not sealed is not whole: the next start sends it.
        if sealed.is_ok() {
            sinks.end(Duration::from_secs(SINK_DRAIN_SECONDS));
        }
        sealed
    });
    let why = match sealed.await {
        Ok(Ok(records)) => return Ok(records),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(ProxyError::Evidence(format!("the evidence log could not be sealed: {why}")))
}

fn open_log(config: &Config, clock: &SharedClock) -> Result<Log, ProxyError> {
    let options = LogOptions {
        root_key: Some(config.evidence.root_key.clone()),
        clock: Arc::clone(clock),
        keep: config.evidence.keep,
        keep_bytes: config.evidence.keep_bytes,
        shipped: shipped(&config.evidence.dir, &config.evidence.sinks),
        ..LogOptions::new(&config.evidence.dir)
    };
    Log::open_with(options).map_err(|error| {
        ProxyError::Evidence(format!("the evidence log in {} cannot be opened: {error}", config.evidence.dir.display()))
    })
}
