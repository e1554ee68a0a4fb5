//! What answers on one listener: the gate, then the stack in force, which is the guard over the reverse
//! proxy. The one place where the guard is plugged in; a reload swaps the stack whole.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::base::clock::SharedClock;
use crate::base::names::{Lane, Mode};
use crate::engine::placing::Outer;
use crate::engine::session::Sessions;
use crate::evidence::log::LogHandle;
use crate::evidence::record::RecordId;
use crate::guard::layer::Notice;
use crate::guard::subject::FactKind;
use crate::guard::{self, Budget, FactSource, Fulfilment, Guard, GuardLayer, GuardedBody, Peer, Pins, Turns};
use crate::program::{Live, Program};

use super::body::{Answer, AnswerError};
use super::config::{Config, Listener};
use super::gate;
use super::listener::Answers;
use super::refusals::{Door, Refusals, Refuser};
use super::reverse::{Forward, Reverse};
use super::upstream::Upstreams;

/// The reverse proxy beneath the guard.
pub(super) type Beneath = Reverse<GuardedBody<Incoming>>;

/// What answers.
pub(super) enum Stack {
    /// Forwards and judges nothing.
    Bare(Reverse<Incoming>),
    /// Judges, then forwards.
    Guarded(Guard<Beneath>, Door, Arc<Refusals>),
}

impl Stack {
    /// Records what never became an exchange. Gives what the record is called and the log it stands in.
    fn refused(&self, refuser: Refuser, what: &str) -> Option<(RecordId, &str, Mode)> {
        let Self::Guarded(_, door, refusals) = self else { return None };
        Some((refusals.refused(door, refuser, what)?, refusals.log_id(), door.mode))
    }
}

/// A listener's application.
pub(super) struct App {
    stack: ArcSwap<Stack>,
}

impl App {
    pub(super) fn new(stack: Stack) -> Self {
        Self { stack: ArcSwap::from_pointee(stack) }
    }

    /// Requests from now on are answered by another stack; those under way are not touched.
    pub(super) fn swap(&self, stack: Stack) {
        self.stack.store(Arc::new(stack));
    }
}

impl Answers for App {
    type Body = Reply;

    async fn answer(self: Arc<Self>, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Reply> {
        let stack = self.stack.load_full();
        if let Err(problem) = gate::check(request.method(), request.uri(), request.version(), request.headers()) {
            tracing::debug!(%peer, code = problem.code, "{}", problem.detail);
            let mut answer = problem.answer();
            if let Some((record, log, mode)) =
                stack.refused(Refuser::Gate, problem.code).filter(|(.., mode)| *mode != Mode::Observe)
            {
                guard::headers::refused_early(answer.headers_mut(), &record.to_string(), log, mode);
            }
            return answer;
        }
        request.extensions_mut().insert(Peer(peer));
        match &*stack {
            Stack::Bare(reverse) => {
                let Ok(response) = reverse.clone().call(request).await;
                response.map(Reply::Own)
            }
            Stack::Guarded(guard, ..) => {
                let Ok(response) = guard.clone().call(request).await;
                response.map(Reply::Guarded)
            }
        }
    }

    fn refused(&self, what: &'static str) {
        self.stack.load().refused(Refuser::Framing, what);
    }
}

/// Body of every answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// Of the gate, or of a bare reverse proxy.
    Own(Answer),
    /// Of the guard.
    Guarded(GuardedBody<Answer>),
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self::Own(Answer::from(bytes))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match self.get_mut() {
            Self::Own(answer) => Pin::new(answer).poll_frame(cx),
            Self::Guarded(guarded) => Pin::new(guarded).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(answer) => answer.is_end_stream(),
            Self::Guarded(guarded) => guarded.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(answer) => answer.size_hint(),
            Self::Guarded(guarded) => guarded.size_hint(),
        }
    }
}

/// What a listener's guard stands before. It outlives the guards that a reload puts in each other's place.
#[derive(Clone)]
pub(super) struct Upstream {
    beneath: Beneath,
    pins: Arc<Pins>,
}

/// What all guards of a process share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) live: Live,
    pub(super) log: LogHandle,
    pub(super) budget: Arc<Budget>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) turns: Arc<Turns>,
    pub(super) upstreams: Upstreams,
    pub(super) clock: SharedClock,
    pub(super) notice: Option<Notice>,
    pub(super) fulfilment: Fulfilment,
    pub(super) refusals: Arc<Refusals>,
}

impl Common {
    /// The upstream of a listener, with its own pool, of which nothing is known yet.
    pub(super) fn upstream(&self, config: &Config, listener: &Listener) -> Upstream {
        Upstream { beneath: Reverse::new(&self.upstreams, forward(config, listener)), pins: Arc::default() }
    }

    /// The guard of a listener over its reverse proxy.
    pub(super) fn guarded(&self, config: &Config, listener: &Listener, program: &Program, upstream: &Upstream) -> Stack {
        let route = route(config, listener);
        let door = Door { route: route.name.clone(), lane: route.lane, mode: route.mode };
        let layer = self.layer(config, listener, program, route, &upstream.pins);
        Stack::Guarded(layer.layer(upstream.beneath.clone()), door, Arc::clone(&self.refusals))
    }

    /// The guard of a listener, for whatever stands beneath it.
    pub(super) fn layer(
        &self,
        config: &Config,
        listener: &Listener,
        program: &Program,
        route: guard::Route,
        pins: &Arc<Pins>,
    ) -> GuardLayer {
        let mut builder = GuardLayer::builder(self.live.clone())
            .evidence(self.log.clone())
            .route(route)
            .outer(Outer { inbound: faces(config, Lane::Inbound), tools: faces(config, Lane::Tools) })
            .facts(facts(config, program))
            .sessions(Arc::clone(&self.sessions))
            .turns(Arc::clone(&self.turns))
            .budget(Arc::clone(&self.budget))
            .clock(Arc::clone(&self.clock))
            .fulfilment(self.fulfilment.clone())
            .pins(Arc::clone(pins));
        builder = builder.protocol(listener.protocol.as_str());
        if let Some(notice) = &self.notice {
            builder = builder.notice(Arc::clone(notice));
        }
        builder.build()
    }
}

/// What the config has decided for a listener.
pub(super) fn route(config: &Config, listener: &Listener) -> guard::Route {
    let chosen = config.route(&listener.name);
    guard::Route {
        name: listener.name.clone(),
        lane: listener.lane,
        mode: chosen.mode,
        block_as: chosen.block_as,
        uninspected: chosen.uninspected,
        durability: chosen.durability,
        when_full: config.evidence.when_full,
        expired: chosen.expired,
        tools_changed: chosen.tools_changed,
        body_max: config.limits.body_max,
        stream_hold_max: config.limits.stream_hold_max,
        tool_call_max: config.limits.tool_call_max,
        keep_alive: Some(config.limits.keep_alive),
    }
}

/// Whether a listener faces that way.
fn faces(config: &Config, lane: Lane) -> bool {
    config.listen.iter().any(|listener| listener.lane == lane)
}

/// How a listener forwards.
pub(super) fn forward(config: &Config, listener: &Listener) -> Forward {
    Forward { origin: listener.upstream.clone(), lane: listener.lane, idle: config.limits.idle }
}

/// The configured sources, typed by the pact in force.
fn facts(config: &Config, program: &Program) -> Vec<FactSource> {
    let kind = |name: &str| {
        let known = program.facts().iter().find(|fact| &*fact.name == name);
        known.map_or(FactKind::Text, |fact| FactKind::parse(fact.kind))
    };
    config
        .facts
        .iter()
        .map(|source| FactSource {
            fact: source.fact.clone(),
            kind: kind(&source.fact),
            header: source.header.clone(),
            from: source.from.clone(),
        })
        .collect()
}
