//! A scripted upstream: answers what it is told, records what it received, and is paced by channels.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// What the upstream received.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

/// What the upstream answers next.
pub(crate) enum Script {
    /// This, at once.
    Whole(Response<Full<Bytes>>),
    /// The head at once, the body as its [`Pace`] says.
    Paced(Response<Pieces>),
    /// Whatever the test sends, when it sends it.
    Late(oneshot::Receiver<Response<Full<Bytes>>>),
    /// The request's body, piece by piece.
    Echo,
}

/// Ends of a body that the test paces.
pub(crate) struct Pace(mpsc::Sender<Frame<Bytes>>);

impl Pace {
    pub(crate) async fn send(&self, bytes: impl Into<Bytes>) {
        self.0.send(Frame::data(bytes.into())).await.expect("someone still reads");
    }

    /// The same; false once nobody reads any more.
    pub(crate) async fn offer(&self, bytes: impl Into<Bytes>) -> bool {
        self.0.send(Frame::data(bytes.into())).await.is_ok()
    }

    pub(crate) async fn trailers(&self, trailers: HeaderMap) {
        self.0.send(Frame::trailers(trailers)).await.expect("someone still reads");
    }

    /// Ready once nobody reads the body any more.
    pub(crate) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// A body made of what its [`Pace`] sends.
pub(crate) struct Pieces(mpsc::Receiver<Frame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

pub(crate) fn paced() -> (Pace, Pieces) {
    let (sender, receiver) = mpsc::channel(1);
    (Pace(sender), Pieces(receiver))
}

/// The upstream. Without a script it answers `200 ok`.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    seen: tokio::sync::Mutex<mpsc::Receiver<Seen>>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With TLS, ALPN for both versions of HTTP.
    pub(crate) async fn start_tls(config: tokio_rustls::rustls::ServerConfig) -> Self {
        Self::start_with(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let scripts: Arc<Mutex<VecDeque<Script>>> = Arc::default();
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (record, seen) = mpsc::channel(1024);
        let (count, plan) = (Arc::clone(&connections), Arc::clone(&scripts));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let (plan, record, tls) = (Arc::clone(&plan), record.clone(), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let script = plan.lock().unwrap().pop_front();
                        answer(request, script, record.clone())
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(server.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, scripts, seen: tokio::sync::Mutex::new(seen), connections, task }
    }

    /// Adds to what it answers.
    pub(crate) fn will(&self, script: Script) {
        self.scripts.lock().unwrap().push_back(script);
    }

    /// Answers with a body the test paces.
    pub(crate) fn will_pace(&self, content_type: &str) -> Pace {
        let (pace, pieces) = paced();
        self.will(Script::Paced(Response::builder().header("content-type", content_type).body(pieces).unwrap()));
        pace
    }

    /// The next request it received whole.
    pub(crate) async fn next(&self) -> Seen {
        self.seen.lock().await.recv().await.unwrap()
    }

    /// Whether a request came that was not asked for yet.
    pub(crate) fn idle(&self) -> bool {
        self.seen.try_lock().unwrap().is_empty()
    }

    /// Connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(std::sync::atomic::Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

type Boxed = http_body_util::combinators::UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

async fn answer(
    request: Request<Incoming>,
    script: Option<Script>,
    record: mpsc::Sender<Seen>,
) -> Result<Response<Boxed>, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    if let Some(Script::Echo) = script {
        return Ok(Response::new(body.map_err(Into::into).boxed_unsync()));
    }
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    let seen = Seen {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        body: collected.to_bytes(),
        trailers,
    };
    // Under load nobody reads them: then what is beyond the channel is not recorded.
    if let Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) = record.try_send(seen) {
        return Err("the upstream is gone".into());
    }
    Ok(match script {
        Some(Script::Whole(response)) => response.map(|b| b.map_err(|never| match never {}).boxed_unsync()),
        Some(Script::Paced(response)) => response.map(|b| b.map_err(|never| match never {}).boxed_unsync()),
        Some(Script::Late(answer)) => answer.await?.map(|b| b.map_err(|never| match never {}).boxed_unsync()),
        Some(Script::Echo) | None => Response::new(Full::from("ok").map_err(|never| match never {}).boxed_unsync()),
    })
}
