//! A guard around a scripted service, without sockets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use servanda::base::names::{Lane, Mode};
use servanda::guard::{Guard, GuardLayer, GuardedBody, Route};

use servanda::program::Program;
use servanda::program::live::Live;
use tower::{Layer, Service, ServiceExt};

/// A body whose pieces are ready one after the other; notes when it is dropped early.
#[derive(Debug)]
pub(crate) struct Pieces {
    left: std::collections::VecDeque<Bytes>,
    dropped: Arc<AtomicUsize>,
}

impl Pieces {
    /// A body in these pieces.
    pub(crate) fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self { left: pieces.into_iter().collect(), dropped: Arc::default() }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.dropped.store(self.left.len(), Ordering::SeqCst);
    }
}

/// What the scripted service answers.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) pieces: Vec<Bytes>,
}

impl Script {
    /// A JSON answer in one piece.
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, headers: vec![("content-type", "application/json".into())], pieces: vec![body.into()] }
    }

    /// An event stream, cut where the caller says.
    pub(crate) fn events(pieces: Vec<Bytes>) -> Self {
        Self { status: StatusCode::OK, headers: vec![("content-type", "text/event-stream".into())], pieces }
    }
}

/// The scripted service.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    script: Arc<Script>,
    pub(crate) asked: Arc<Mutex<Vec<(http::HeaderMap, Bytes)>>>,
    /// Pieces of the last answer that nobody took.
    pub(crate) left: Arc<AtomicUsize>,
}

impl Service<Request<GuardedBody<Full<Bytes>>>> for Agent {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<GuardedBody<Full<Bytes>>>) -> Self::Future {
        let (head, body) = request.into_parts();
        // Bodies that the guard hands on are whole here, so this never waits.
        let body = futures_now(body.collect()).map_or_else(Bytes::new, |collected| collected.unwrap().to_bytes());
        self.asked.lock().unwrap().push((head.headers, body));
        let mut response = Response::builder().status(self.script.status);
        for (name, value) in &self.script.headers {
            response = response.header(*name, value);
        }
        let pieces = Pieces { left: self.script.pieces.iter().cloned().collect(), dropped: Arc::clone(&self.left) };
        ready(Ok(response.body(pieces).unwrap()))
    }
}

/// The result of a future that is ready.
fn futures_now<F: std::future::Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The customer-support pact, compiled once.
pub(crate) fn support_pact() -> Live {
    static PROGRAM: std::sync::LazyLock<Arc<Program>> = std::sync::LazyLock::new(|| {
        Arc::new(Program::compile_text(servanda::pact::template::template("customer-support").unwrap()).unwrap())
    });
    Live::new(Arc::clone(&PROGRAM))
}

/// A guard in front of a script, and the script's own view.
pub(crate) fn guarded(script: Script, route: Route) -> (Guard<Agent>, Agent) {
    let agent = Agent { script: Arc::new(script), asked: Arc::default(), left: Arc::default() };
    let layer = GuardLayer::builder(support_pact()).without_evidence().route(route).build();
    (layer.layer(agent.clone()), agent)
}

/// A layer in front of a script, and the script's own view.
pub(crate) fn behind(layer: &GuardLayer, script: Script) -> (Guard<Agent>, Agent) {
    let agent = Agent { script: Arc::new(script), asked: Arc::default(), left: Arc::default() };
    (layer.layer(agent.clone()), agent)
}

/// The same with a log.
pub(crate) fn recorded(script: Script, route: Route, log: &servanda::evidence::Log) -> Guard<Agent> {
    let agent = Agent { script: Arc::new(script), asked: Arc::default(), left: Arc::default() };
    GuardLayer::builder(support_pact()).evidence(log.handle()).route(route).build().layer(agent)
}

/// An enforcing route on the inbound lane.
pub(crate) fn enforce() -> Route {
    Route { mode: Mode::Enforce, lane: Lane::Inbound, ..Route::default() }
}

/// A chat request with one user message.
pub(crate) fn chat(text: &str, stream: bool) -> Request<Full<Bytes>> {
    let body = serde_json::json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]});
    post(body.to_string())
}

/// A chat request with this body.
pub(crate) fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    post_to("/v1/chat/completions", body)
}

/// A request with this JSON body at a path.
pub(crate) fn post_to(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).header("content-type", "application/json").body(Full::new(body.into())).unwrap()
}

/// Sends a request through a guard and reads the whole answer.
pub(crate) fn send(guard: &Guard<Agent>, request: Request<Full<Bytes>>) -> (http::response::Parts, Bytes) {
    futures_now(async {
        let response = guard.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    })
    .expect("nothing here waits")
}

/// An answer of the chat protocol.
pub(crate) fn completion(contents: &[&str]) -> String {
    let choices: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(index, text)| {
            serde_json::json!({"index": index, "message": {"role": "assistant", "content": text, "refusal": null}, "finish_reason": "stop"})
        })
        .collect();
    serde_json::json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices,
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}})
    .to_string()
}

/// One event of a chat stream.
pub(crate) fn chunk(choice: usize, delta: &serde_json::Value, finish: Option<&str>) -> String {
    let chunk = serde_json::json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": choice, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

/// A whole stream of text pieces for one choice.
pub(crate) fn text_stream(pieces: &[&str]) -> String {
    let mut out = chunk(0, &serde_json::json!({"role": "assistant", "content": ""}), None);
    for piece in pieces {
        out += &chunk(0, &serde_json::json!({"content": piece}), None);
    }
    out + &chunk(0, &serde_json::json!({}), Some("stop")) + "data: [DONE]\n\n"
}

/// The text that a client reads from a chat stream, by choice; refusals apart.
pub(crate) fn read_stream(bytes: &[u8]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    for line in std::str::from_utf8(bytes).unwrap().lines() {
        let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else { continue };
        let value: serde_json::Value = serde_json::from_str(data).unwrap();
        for choice in value["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap() as usize;
            seen.resize_with(seen.len().max(index + 1), Seen::default);
            let delta = &choice["delta"];
            seen[index].text += delta["content"].as_str().unwrap_or("");
            seen[index].refusal += delta["refusal"].as_str().unwrap_or("");
            seen[index].calls += usize::from(delta["tool_calls"].is_array());
            if let Some(reason) = choice["finish_reason"].as_str() {
                seen[index].finish = Some(reason.to_owned());
            }
        }
    }
    seen
}

/// What a client has of one choice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) calls: usize,
    pub(crate) finish: Option<String>,
}
