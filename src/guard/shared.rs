//! What all exchanges of one guard share, and how an intervention is told.

use std::fmt;
use std::sync::Arc;

use super::budget::Budget;
use super::fulfilment::Fulfilment;
use super::pins::Pins;
use super::route::Route;
use super::subject::FactSource;
use super::turns::Turns;
use crate::base::clock::SharedClock;
use crate::base::names::Mode;
use crate::engine::placing::Outer;
use crate::engine::session::Sessions;
use crate::evidence::LogHandle;
use crate::program::Live;

/// Everything that the exchanges of one guard share.
pub(crate) struct Shared {
    pub(crate) live: Live,
    pub(crate) log: Option<LogHandle>,
    pub(crate) route: Route,
    pub(crate) outer: Outer,
    pub(crate) facts: Vec<FactSource>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) clock: SharedClock,
    pub(crate) protocol: Option<String>,
    pub(crate) notice: Option<Notice>,
    pub(crate) fulfilment: Fulfilment,
    pub(crate) pins: Arc<Pins>,
}

/// Told of every intervention, for a person to read.
pub type Notice = Arc<dyn Fn(&Intervened<'_>) + Send + Sync>;

/// One intervention, as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Intervened<'a> {
    /// The act.
    pub act: crate::base::verdict::Act,
    /// Where.
    pub stage: crate::base::names::Stage,
    /// The rule.
    pub predicate: Option<&'a str>,
    /// What found it.
    pub detector: Option<&'a str>,
    /// The record that explains it.
    pub record: &'a str,
    /// Whether it was done or only noted.
    pub mode: Mode,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("route", &self.route).field("outer", &self.outer).finish_non_exhaustive()
    }
}
