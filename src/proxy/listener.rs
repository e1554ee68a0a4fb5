//! Accept loops: connections under a ceiling, HTTP/1.1 and HTTP/2 with prior knowledge, a graceful end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::base::limits::{H2_STREAMS_MAX, HEAD_FIELDS_MAX, HEAD_MAX, HEAD_READ_SECONDS_MAX};

use super::body::BoxError;
use super::drain::{self, Drain};
use super::framing::{Refused, Strict};

/// What answers the requests of a listener.
pub(super) trait Answers: Send + Sync + 'static {
    /// Body of its answers.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request of a client.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;

    /// Is told why a connection ended whose message was none: it was answered without being asked for.
    fn refused(&self, what: &'static str);
}

/// One accept loop. Ends after the drain, with its connections.
pub(super) struct Accept<A> {
    /// The bound socket.
    pub(super) socket: TcpListener,
    /// What answers.
    pub(super) app: Arc<A>,
    /// Places for connections, shared by all listeners.
    pub(super) places: Arc<Semaphore>,
    /// When to end.
    pub(super) drain: Drain,
    /// How long streams may take to end.
    pub(super) limit: Duration,
}

impl<A: Answers> Accept<A> {
    /// Accepts until the drain begins, then lets connections finish. Gives how many were cut off.
    pub(super) async fn run(self) -> usize {
        let Self { socket, app, places, drain, limit } = self;
        let server = Arc::new(server());
        let mut connections = JoinSet::new();
        let mut end = pin!(drain.wait());
        loop {
            // A place first: beyond the ceiling clients wait in the backlog of the system.
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (socket.accept().await, place)
            };
            tokio::select! {
                () = &mut end => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                (accepted, place) = accepted => match accepted {
                    Ok((stream, peer)) => {
                        let connection = connection(Arc::clone(&server), stream, peer, Arc::clone(&app), drain.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        // Out of descriptors: give those in use a moment to come back.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                },
            }
        }
        drop(socket);
        drain::finish(&mut connections, limit).await
    }
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_READ_SECONDS_MAX))
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    server
}

async fn connection<A: Answers>(
    server: Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    app: Arc<A>,
    drain: Drain,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let answers = Arc::clone(&app);
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answers).answer(request, peer);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let refused = Refused::default();
    let mut serving = pin!(server.serve_connection(TokioIo::new(Strict::new(stream, Arc::clone(&refused))), service));
    let mut end = pin!(drain.wait());
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = &mut end => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    let unreadable = outcome.as_ref().err().and_then(|error| unreadable(&**error));
    if let Some(what) = refused.get().copied().or(unreadable) {
        app.refused(what);
    }
    if let Err(error) = outcome {
        tracing::debug!(%peer, error, "a connection broke off");
    }
}

/// Why the library refused a head that the framing let pass. A connection that merely broke off is no refusal.
fn unreadable(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let error = error.downcast_ref::<hyper::Error>()?;
    match error {
        _ if error.is_parse_too_large() => Some("the head is too long"),
        _ if error.is_parse() => Some("the head cannot be read"),
        _ => None,
    }
}
