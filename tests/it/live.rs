//! Streams whose upstream takes its time: what the client has before the upstream goes on.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use servanda::base::names::Mode;
use servanda::evidence::Log;
use servanda::guard::{GuardLayer, GuardedBody, Route};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

use crate::support::guarded::{chat, chunk, enforce, support_pact};
use crate::support::upstream::{Pace, Pieces, paced};
use crate::support::written::written;

/// The answer to a chat as the guard hands it on, and the end at which the upstream writes.
pub(crate) async fn answer(route: Route, content_type: &'static str, log: Option<&Log>) -> (Pace, Response<GuardedBody<Pieces>>) {
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

/// What the client reads next, and when, in seconds after `start`.
async fn read(response: &mut Response<GuardedBody<Pieces>>, start: Instant) -> (u64, String) {
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    (start.elapsed().as_secs(), String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

pub(crate) fn text(text: &str) -> String {
    chunk(0, &json!({"content": text}), None)
}

fn call() -> String {
    let call = json!([{"index": 0, "id": "c1", "type": "function", "function": {"name": "ticket_create", "arguments": "{}"}}]);
    chunk(0, &json!({"tool_calls": call}), None)
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

const BEAT: &str = ": keep-alive\n\n";

fn every_ten_seconds(mode: Mode) -> Route {
    Route { mode, keep_alive: Some(Duration::from_secs(10)), ..enforce() }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_holds_back_says_that_it_lives() {
    let start = Instant::now();
    // A call is held to the end of its turn; of a text what may yet become a match; of an event its beginning.
    let half = text("a half event");
    let (first, second) = half.split_at(20);
    for (held, last) in [
        (call(), end("tool_calls")),
        (text("card 4111 1111 "), end("stop")),
        (first.to_owned(), second.to_owned() + &end("stop")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let (pace, mut response) = answer(every_ten_seconds(Mode::Enforce), "text/event-stream", Some(&log)).await;
        let begun = start.elapsed().as_secs();
        pace.send(text("One moment. ")).await;
        assert_eq!(read(&mut response, start).await, (begun, text("One moment. ")));
        pace.send(held.clone()).await;
        for beat in 1..=3 {
            assert_eq!(read(&mut response, start).await, (begun + 10 * beat, BEAT.to_owned()));
        }
        pace.send(last.clone()).await;
        drop(pace);
        let rest = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(rest, held + &last);
        log.close().unwrap();
        let record = written(dir.path()).into_iter().find(|r| r["kind"] == "exchange").unwrap();
        assert_eq!((&record["act"], &record["completion"]), (&json!("allow"), &json!("completed")));
        // The client got other bytes than the upstream sent, and the record commits to them.
        assert!(record["commit"]["delivered"].is_string(), "{record}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_passes_is_left_alone() {
    for mode in [Mode::Enforce, Mode::Flag, Mode::Observe] {
        let (pace, mut response) = answer(every_ten_seconds(mode), "text/event-stream", None).await;
        let start = Instant::now();
        pace.send(text("One moment. ")).await;
        assert_eq!(read(&mut response, start).await.1, text("One moment. "));
        // Nothing is held: the upstream itself is silent.
        let silent = tokio::time::timeout(Duration::from_secs(3600), response.body_mut().frame()).await;
        assert!(silent.is_err(), "{mode:?}");
        // What only watches holds nothing.
        if mode != Mode::Enforce {
            pace.send(call()).await;
            assert_eq!(read(&mut response, start).await.1, call());
            assert!(tokio::time::timeout(Duration::from_secs(3600), response.body_mut().frame()).await.is_err());
            continue;
        }
        // A call is held, but text goes on beside it.
        pace.send(call()).await;
        for _ in 0..20 {
            assert!(tokio::time::timeout(Duration::ZERO, response.body_mut().frame()).await.is_err());
            advance(Duration::from_secs(9)).await;
            pace.send(text("Still busy. ")).await;
            assert_eq!(read(&mut response, start).await.1, text("Still busy. "));
        }
        pace.send(end("tool_calls")).await;
        drop(pace);
        let rest = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&rest).contains("keep-alive"));
    }
}

fn line(text: &str) -> String {
    json!({"model": "m", "message": {"role": "assistant", "content": text}, "done": false}).to_string() + "\n"
}

#[tokio::test]
async fn lines_of_json_pass_one_by_one() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let (pace, mut response) = answer(every_ten_seconds(mode), "application/x-ndjson", None).await;
        let start = Instant::now();
        // Each line is with the client before the upstream writes the next.
        for text in ["One moment. ", "One \u{1F600} \"moment\". ", "Still busy. "] {
            let line = json!({"response": text, "done": false}).to_string() + "\n";
            pace.send(line.clone()).await;
            assert_eq!(read(&mut response, start).await.1, line, "{mode:?}");
        }
        drop(pace);
        assert!(response.body_mut().frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn lines_of_json_are_judged_each_and_together() {
    let all = async |mode, lines: &[String], size: usize| {
        let (pace, response) = answer(every_ten_seconds(mode), "application/x-ndjson; charset=utf-8", None).await;
        let rest = tokio::spawn(response.into_body().collect());
        for chunk in lines.concat().as_bytes().chunks(size) {
            // After a block nobody reads the upstream any more.
            if !pace.offer(Bytes::copy_from_slice(chunk)).await {
                break;
            }
        }
        // What is held is held in silence: a line has no place for a comment.
        advance(Duration::from_secs(60)).await;
        drop(pace);
        String::from_utf8(rest.await.unwrap().unwrap().to_bytes().to_vec()).unwrap()
    };
    let whole = [line("Your card 4111 1111 1111 1111 is on file"), line("Good bye")];
    let split = [line("Your card 4111 1111"), line(" 1111 1111 is on file"), line("Good bye")];
    let block = [line("Hello. "), line("I am a human"), line(" being. More.")];
    for size in [1, 13, 10_000] {
        assert_eq!(all(Mode::Enforce, &whole, size).await, whole.concat().replace("4111 1111 1111 1111", "[pii.payment_card]"));
        let seen = all(Mode::Enforce, &split, size).await;
        assert!(!seen.contains("1111"), "{seen}");
        assert_eq!(
            seen.lines()
                .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["message"]["content"].as_str().unwrap().to_owned())
                .collect::<String>(),
            "Your card [pii.payment_card] is on fileGood bye"
        );
        let seen = all(Mode::Enforce, &block, size).await;
        let last: serde_json::Value = serde_json::from_str(seen.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "content_filter", "{seen}");
        assert!(!seen.contains("human") && !seen.contains("More"), "{seen}");
        for lines in [&whole[..], &split[..], &block[..]] {
            assert_eq!(all(Mode::Observe, lines, size).await, lines.concat());
        }
    }
    // A line that is no JSON has escapes that a lenient reader would decode.
    let seen = all(Mode::Enforce, &["data: {\"a\":\"\\u0034111 1111 1111 1111\"}\n".to_owned()], 10_000).await;
    assert!(!seen.contains("1111"), "{seen}");
}
