//! The service beneath the guard: hands a message to the child and waits for its answer, if one is to come.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::{Mutex as Turn, Notify, oneshot};
use tower_service::Service;

use crate::guard::GuardedBody;
use crate::protocol::mcp::Envelope;

/// The child as a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    input: Turn<Option<ChildStdin>>,
    /// Who waits for which answer, by its id as written.
    waiting: Mutex<HashMap<String, oneshot::Sender<Result<Answered, Gone>>>>,
}

/// An answer, and word that it has gone to the client: what the child says next waits for it.
#[derive(Debug)]
pub(super) struct Answered {
    line: Bytes,
    gone: oneshot::Sender<()>,
}

/// Which way a message goes; in the extensions of its request.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// To the child.
    Up(Arc<Up>),
    /// From the child, which waits for nobody here: the answer is the message.
    Down(Bytes),
}

/// A message to the child.
#[derive(Debug, Default)]
pub(super) struct Up {
    /// The answer with this id is waited for.
    pub(super) waits: Option<String>,
    /// Told when it is with the child.
    pub(super) passed: Mutex<Option<oneshot::Sender<()>>>,
    /// Told when the client has taken the call back.
    pub(super) cancelled: Notify,
    /// Told when the answer is with the client.
    pub(super) answered: Mutex<Option<oneshot::Sender<()>>>,
}

impl Up {
    /// Who waits for it to be with the child, told once.
    pub(super) fn passed(&self) -> Option<oneshot::Sender<()>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Who waits for its answer to be with the client, told once.
    pub(super) fn answered(&self) -> Option<oneshot::Sender<()>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The child has ended, or does not read any more.
    Ended,
    /// A call with the same id is still open.
    Reused,
    /// Its answer was too long to be read.
    TooLong,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the MCP server has ended",
            Self::Reused => "a call with this id is still open",
            Self::TooLong => "an answer of the MCP server was longer than a message may be",
        })
    }
}

impl std::error::Error for Gone {}

impl Server {
    pub(super) fn new(input: ChildStdin) -> Self {
        Self { shared: Arc::new(Shared { input: Turn::new(Some(input)), waiting: Mutex::default() }) }
    }

    /// Tells the child that no more will come.
    pub(super) async fn close(&self) {
        drop(self.shared.input.lock().await.take());
    }

    /// Writes a line to the child.
    pub(super) async fn write(&self, line: &[u8]) -> Result<(), Gone> {
        let mut input = self.shared.input.lock().await;
        let Some(pipe) = input.as_mut() else { return Err(Gone::Ended) };
        let mut whole = Vec::with_capacity(line.len() + 1);
        whole.extend(line.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        whole.push(b'\n');
        let written = match pipe.write_all(&whole).await {
            Ok(()) => pipe.flush().await,
            Err(error) => Err(error),
        };
        written.map_err(|_| {
            input.take();
            Gone::Ended
        })
    }

    /// Gives an answer to whoever waits for it, and waits until the client has it. False where nobody does.
    pub(super) async fn answer(&self, id: &str, line: Bytes) -> bool {
        let Some(waiting) = self.waiting().remove(id) else { return false };
        let (gone, there) = oneshot::channel();
        if waiting.send(Ok(Answered { line, gone })).is_err() {
            return false;
        }
        // An exchange that was cut off has nothing to tell any more.
        there.await.ok();
        true
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&self, id: &str) {
        self.waiting().remove(id);
    }

    /// No answer that is waited for now will come.
    pub(super) fn fail_all(&self, why: Gone) {
        for (_, waiting) in self.waiting().drain() {
            // Who does not wait any more need not hear it.
            waiting.send(Err(why)).ok();
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Result<Answered, Gone>>>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hand_up(self, up: Arc<Up>, line: Bytes) -> Result<Response<Full<Bytes>>, Gone> {
        let answer = match &up.waits {
            Some(id) => {
                let (sender, answer) = oneshot::channel();
                let mut waiting = self.waiting();
                if waiting.contains_key(id) {
                    return Err(Gone::Reused);
                }
                waiting.insert(id.clone(), sender);
                Some(answer)
            }
            None => None,
        };
        let written = self.write(&line).await;
        if let Some(passed) = up.passed() {
            // Whoever reads lines may have ended.
            passed.send(()).ok();
        }
        if let (Err(_), Some(id)) = (written, &up.waits) {
            self.forget(id);
        }
        written?;
        let Some(answer) = answer else {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::ACCEPTED;
            return Ok(response);
        };
        let Answered { line, gone } = answer.await.map_err(|_| Gone::Ended)??;
        *up.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(gone);
        Ok(message(line))
    }
}

/// A message as an answer of HTTP.
fn message(line: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(line));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Service<Request<GuardedBody<Full<Bytes>>>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Gone;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Gone>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<GuardedBody<Full<Bytes>>>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            match head.extensions.remove::<Way>() {
                Some(Way::Down(line)) => Ok(message(line)),
                Some(Way::Up(up)) => {
                    let Ok(body) = body.collect().await;
                    server.hand_up(up, body.to_bytes()).await
                }
                None => Err(Gone::Ended),
            }
        })
    }
}

/// What is told of a call that has no answer.
pub(super) fn without_answer(envelope: &Envelope, why: Gone) -> Option<Bytes> {
    let id: serde_json::Value = serde_json::from_str(envelope.id.as_deref()?).ok()?;
    let error = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": why.to_string()}});
    Some(Bytes::from(error.to_string()))
}
