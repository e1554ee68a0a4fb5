//! The layer and its builder.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::budget::Budget;
use super::fulfilment::Fulfilment;
use super::pins::Pins;
use super::route::Route;
use super::service::Guard;
use super::shared::Shared;
pub use super::shared::{Intervened, Notice};
use super::subject::FactSource;
use super::turns::Turns;
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::names::{Lane, Mode};
use crate::engine::placing::Outer;
use crate::engine::session::Sessions;
use crate::evidence::log::LogHandle;
use crate::program::live::Live;

/// A [`Layer`] that puts a [`Guard`] before a service.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    shared: Arc<Shared>,
}

impl GuardLayer {
    /// Begins a layer that enforces what `live` holds.
    pub fn builder(live: Live) -> Builder<Undecided> {
        Builder { settings: Settings::new(live), evidence: Undecided }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard::new(inner, Arc::clone(&self.shared))
    }
}

/// It has not been said yet whether evidence is kept.
#[derive(Clone, Copy, Debug)]
pub struct Undecided;

/// Whether evidence is kept has been said.
#[derive(Clone)]
pub struct Decided(Option<LogHandle>);

impl fmt::Debug for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Evidence" } else { "WithoutEvidence" })
    }
}

/// Builds a [`GuardLayer`]. Evidence must be decided, one way or the other, before it can be built.
#[derive(Debug)]
pub struct Builder<E> {
    settings: Settings,
    evidence: E,
}

struct Settings {
    live: Live,
    route: Route,
    outer: Outer,
    facts: Vec<FactSource>,
    sessions: Option<Arc<Sessions>>,
    turns: Option<Arc<Turns>>,
    budget: Option<Arc<Budget>>,
    clock: Option<SharedClock>,
    protocol: Option<String>,
    notice: Option<Notice>,
    fulfilment: Fulfilment,
    pins: Arc<Pins>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("route", &self.route).field("outer", &self.outer).finish_non_exhaustive()
    }
}

impl Settings {
    fn new(live: Live) -> Self {
        Self {
            live,
            route: Route::default(),
            outer: Outer::default(),
            facts: Vec::new(),
            sessions: None,
            turns: None,
            budget: None,
            clock: None,
            protocol: None,
            notice: None,
            fulfilment: Fulfilment::default(),
            pins: Arc::default(),
        }
    }
}

impl Builder<Undecided> {
    /// Every exchange leaves its record in this log.
    pub fn evidence(self, log: impl Into<LogHandle>) -> Builder<Decided> {
        Builder { settings: self.settings, evidence: Decided(Some(log.into())) }
    }

    /// No record is kept.
    pub fn without_evidence(self) -> Builder<Decided> {
        Builder { settings: self.settings, evidence: Decided(None) }
    }
}

impl<E> Builder<E> {
    /// Which way the guard faces.
    pub fn lane(mut self, lane: Lane) -> Self {
        self.settings.route.lane = lane;
        self
    }

    /// Judge only, judge and mark, or judge and act.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings.route.mode = mode;
        self
    }

    /// All settings of the route at once, lane and mode included.
    pub fn route(mut self, route: Route) -> Self {
        self.settings.route = route;
        self
    }

    /// Which lanes the deployment has beside this one.
    pub fn outer(mut self, outer: Outer) -> Self {
        self.settings.outer = outer;
        self
    }

    /// Where facts come from.
    pub fn facts(mut self, facts: Vec<FactSource>) -> Self {
        self.settings.facts = facts;
        self
    }

    /// Sessions shared with other guards.
    pub fn sessions(mut self, sessions: Arc<Sessions>) -> Self {
        self.settings.sessions = Some(sessions);
        self
    }

    /// What is remembered of earlier turns, shared with other guards.
    pub fn turns(mut self, turns: Arc<Turns>) -> Self {
        self.settings.turns = Some(turns);
        self
    }

    /// Room shared with other guards.
    pub fn budget(mut self, budget: Arc<Budget>) -> Self {
        self.settings.budget = Some(budget);
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.settings.clock = Some(clock);
        self
    }

    /// The protocol, where it is not to be told from the request: an adapter's name.
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.settings.protocol = Some(name.into());
        self
    }

    /// Is told of every intervention.
    pub fn notice(mut self, notice: Notice) -> Self {
        self.settings.notice = Some(notice);
        self
    }

    /// Counts, shared with other guards, of how the pacts in force are kept.
    pub fn fulfilment(mut self, fulfilment: Fulfilment) -> Self {
        self.settings.fulfilment = fulfilment;
        self
    }

    /// What is known of the upstream's tools, where a guard takes the place of another before the same upstream.
    pub fn pins(mut self, pins: Arc<Pins>) -> Self {
        self.settings.pins = pins;
        self
    }
}

impl Builder<Decided> {
    /// The layer.
    pub fn build(self) -> GuardLayer {
        let s = self.settings;
        GuardLayer {
            shared: Arc::new(Shared {
                live: s.live,
                log: self.evidence.0,
                route: s.route,
                outer: s.outer,
                facts: s.facts,
                sessions: s.sessions.unwrap_or_default(),
                turns: s.turns.unwrap_or_default(),
                budget: s.budget.unwrap_or_default(),
                clock: s.clock.unwrap_or_else(SystemClock::shared),
                protocol: s.protocol,
                notice: s.notice,
                fulfilment: s.fulfilment,
                pins: s.pins,
            }),
        }
    }
}
