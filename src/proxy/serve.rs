//! Builds the parts in order and runs them; the only file of the sidecar that starts long-lived tasks.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_service::Service as _;

use crate::base::clock::SharedClock;

use super::body::{Answer, AnswerError};
use super::config::{Config, Listener};
use super::drain::Drain;
use super::error::ProxyError;
use super::gate;
use super::listener::{Accept, Answers};
use super::reverse::{Forward, Peer, Reverse};
use super::upstream::Upstreams;

/// What answers on one listener: swapped whole when the config changes.
enum Stack {
    /// Forwards and judges nothing.
    Bare(Reverse<Incoming>),
}

/// A listener's application: the gate, then the stack in force.
struct App {
    stack: ArcSwap<Stack>,
}

/// Body of every answer.
#[derive(Debug)]
enum Reply {
    Bare(Answer),
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self::Bare(Answer::from(bytes))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match self.get_mut() {
            Self::Bare(answer) => Pin::new(answer).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bare(answer) => answer.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bare(answer) => answer.size_hint(),
        }
    }
}

impl Answers for App {
    type Body = Reply;

    async fn answer(self: Arc<Self>, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Reply> {
        if let Err(problem) = gate::check(request.method(), request.uri(), request.version(), request.headers()) {
            tracing::debug!(%peer, code = problem.code, "{}", problem.detail);
            return problem.answer();
        }
        request.extensions_mut().insert(Peer(peer));
        let stack = self.stack.load_full();
        match &*stack {
            Stack::Bare(reverse) => {
                let answered = reverse.clone().call(request).await;
                match answered {
                    Ok(response) => response.map(Reply::Bare),
                    Err(never) => match never {},
                }
            }
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
    async fn start(config: &Config, drain: &Drain, mut stack: impl FnMut(&Listener) -> Stack) -> Result<Self, ProxyError> {
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
            let app = Arc::new(App { stack: ArcSwap::from_pointee(stack(listener)) });
            let accept = Accept { socket, app, places: Arc::clone(&places), drain: drain.clone(), limit: config.limits.drain };
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

fn forward(listener: &Listener, idle: Duration, decodable_only: bool) -> Forward {
    Forward { origin: listener.upstream.clone(), lane: listener.lane, decodable_only, idle }
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
    pub async fn start(config: &Config, clock: SharedClock) -> Result<Self, ProxyError> {
        let upstreams = Upstreams::new(config)?;
        let drain = Drain::default();
        let serving = Serving::start(config, &drain, |listener| {
            Stack::Bare(Reverse::new(&upstreams, forward(listener, config.limits.idle, false), Arc::clone(&clock)))
        })
        .await?;
        Ok(Self { serving, drain })
    }

    /// Where it listens, by name of the listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.serving.addresses
    }

    /// The signal that ends it.
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Stops accepting, lets exchanges end, and gives how many connections were cut off.
    pub async fn stop(self) -> usize {
        self.drain.begin();
        self.serving.end().await
    }
}
