//! What the sidecar says of itself: the one source of `/readyz`, `/v1/status` and the command line.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::base::names::Mode;
use crate::guard::Expired;

/// How the last reload ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reload {
    /// `loaded`, `unchanged` or `refused`.
    pub outcome: &'static str,
    /// Stable word for why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why it was refused, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// How many ended that way since the start, this one included.
    pub count: u64,
}

/// A pact in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PactState {
    /// Its id.
    pub pact: String,
    /// Its version.
    pub version: String,
    /// The agent it binds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Digest of its canonical form, hexadecimal.
    pub digest: String,
    /// Whether its signatures were verified against a trust file.
    pub signed: bool,
    /// First second no longer in force, since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Predicates checked inline.
    pub predicates: usize,
    /// Predicates of which this build checks nothing or only a part.
    pub unenforced: Vec<String>,
}

impl PactState {
    /// Whether its term is over.
    pub fn is_over(&self, now_us: i64) -> bool {
        self.expires.is_some_and(|from| now_us.div_euclid(1_000_000) >= from)
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerState {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Which way the guard faces.
    pub lane: &'static str,
    /// What is done with verdicts.
    pub mode: &'static str,
    /// What is done with exchanges whose pact is over.
    pub expired: Expired,
    /// Where requests go.
    pub upstream: String,
}

impl ListenerState {
    /// Whether it refuses what a pact governs that is over.
    pub fn refuses_expired(&self) -> bool {
        self.mode == Mode::Enforce.as_str() && self.expired == Expired::Refuse
    }
}

/// Everything that is shown; replaced piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// `development` or `trusted`.
    pub trust: &'static str,
    /// The pacts in force, in the order of the portfolio where one holds them.
    pub pacts: Vec<PactState>,
    /// The listeners.
    pub listeners: Vec<ListenerState>,
    /// How the last reload ended.
    pub reload: Option<Reload>,
    /// Whether the process is to end.
    pub draining: bool,
}

/// The state, shared; changes can be waited for.
#[derive(Clone, Debug)]
pub struct Shared {
    sender: Arc<watch::Sender<State>>,
    counts: Arc<Mutex<[u64; 3]>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(State::default())), counts: Arc::default() }
    }
}

impl Shared {
    /// The state now.
    pub fn now(&self) -> State {
        self.sender.borrow().clone()
    }

    /// A receiver of every change.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.sender.subscribe()
    }

    /// Changes it.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        self.sender.send_modify(change);
    }

    /// Notes how a reload ended.
    pub(super) fn reloaded(&self, outcome: &'static str, why: Option<(&'static str, String)>, at_us: i64) {
        let count = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let place = match outcome {
                "loaded" => 0,
                "unchanged" => 1,
                _ => 2,
            };
            counts.get_mut(place).map_or(0, |count| {
                *count += 1;
                *count
            })
        };
        let (code, reason) = why.map_or((None, None), |(code, reason)| (Some(code), Some(reason)));
        self.change(|state| state.reload = Some(Reload { outcome, code, reason, at_us, count }));
    }

    /// How many reloads ended as `loaded`, `unchanged`, `refused`.
    pub fn counts(&self) -> [u64; 3] {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
