//! Streams whose upstream takes its time: what the client has before the upstream goes on.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use servanda::base::names::Mode;
use servanda::evidence::Log;
use servanda::guard::{GuardLayer, GuardedBody, Route};
use tower::{Layer, ServiceExt};

use crate::support::guarded::{chat, chunk, enforce, support_pact};
use crate::support::upstream::{Pace, Pieces, paced};
use crate::support::written::written;

/// The answer to a chat as the guard hands it on, and the end at which the upstream writes.
async fn answer(route: Route, content_type: &'static str, log: Option<&Log>) -> (Pace, Response<GuardedBody<Pieces>>) {
    let (pace, pieces) = paced();
    let mut pieces = Some(pieces);
    let upstream = tower::service_fn(move |_: Request<GuardedBody<Full<Bytes>>>| {
        let pieces = pieces.take().unwrap();
        let answer = Response::builder().header("content-type", content_type).body(pieces).unwrap();
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let builder = GuardLayer::builder(support_pact()).route(route);
    let layer = match log {
        Some(log) => builder.evidence(log.handle()).build(),
        None => builder.without_evidence().build(),
    };
    // Only one request is made, so that the pieces are taken once.
    let guard = layer.layer(Once(std::sync::Arc::new(tokio::sync::Mutex::new(upstream))));
    let response = guard.oneshot(chat("hi", true)).await.unwrap();
    (pace, response)
}

/// A service that need not be cloned itself.
struct Once<S>(std::sync::Arc<tokio::sync::Mutex<S>>);

impl<S> Clone for Once<S> {
    fn clone(&self) -> Self {
        Self(std::sync::Arc::clone(&self.0))
    }
}

impl<S, R> tower::Service<R> for Once<S>
where
    S: tower::Service<R, Error = Infallible> + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let inner = std::sync::Arc::clone(&self.0);
        Box::pin(async move { inner.lock().await.call(request).await })
    }
}

fn text(text: &str) -> String {
    chunk(0, &json!({"content": text}), None)
}

fn end(reason: &str) -> String {
    chunk(0, &json!({}), Some(reason)) + "data: [DONE]\n\n"
}

#[tokio::test]
async fn the_head_of_a_stream_does_not_wait_for_its_body() {
    for mode in [Mode::Observe, Mode::Flag, Mode::Enforce] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        // Before the upstream has written anything.
        let (pace, response) = answer(Route { mode, ..enforce() }, "text/event-stream; charset=utf-8", Some(&log)).await;
        let verdict = response.headers().get("x-servanda-verdict").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(verdict.as_deref(), (mode != Mode::Observe).then_some("streaming"));
        pace.send(text("Hello.")).await;
        let rest = tokio::spawn(response.into_body().collect());
        pace.send(end("stop")).await;
        drop(pace);
        assert_eq!(rest.await.unwrap().unwrap().to_bytes(), text("Hello.") + &end("stop"), "{mode:?}");
        log.close().unwrap();
        let record = written(dir.path()).into_iter().find(|r| r["kind"] == "exchange").unwrap();
        assert_eq!(
            (&record["act"], &record["completion"], &record["mode"]),
            (&json!("allow"), &json!("completed"), &json!(mode.as_str()))
        );
    }
}
