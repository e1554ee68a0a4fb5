//! `Guard<S>`: the tower service, and how a refusal becomes an answer.
//!
//! One exchange walks down this file from top to bottom: admitted, its request read and judged, forwarded;
//! its answer read and judged, handed back. Every way out of it ends the exchange and so writes its record.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, TE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::body::{GuardedBody, open_head};
use super::exchange::{End, Exchange};
use super::fields;
use super::head;
use super::headers;
use super::message::Side;
use super::refused::Refused;
use super::shared::Shared;
use super::stream::Stream;
use super::subject;
use super::whole::{self, Collected, Judged};
use crate::base::names::{Stage, UnjudgedReason};
use crate::protocol::frames::says_frames;
use crate::protocol::lines::says_lines;
use crate::protocol::sniff::hidden;
use crate::protocol::{self, Adapter, Answer, Code, Head, ReadError, RequestNotes, Shape, Why, charset, multipart, sniff};

/// A service with a guard before it. It has no error of its own: what it refuses is answered.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Guard<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

/// The future of a guarded exchange, up to the head of its answer.
pub struct GuardFuture<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> fmt::Debug for GuardFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardFuture")
    }
}

impl<T> Future for GuardFuture<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<S, B, R> Service<Request<B>> for Guard<S>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = GuardFuture<Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Only the clone that was readied may be called.
        let fresh = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, fresh);
        GuardFuture(Box::pin(serve(Arc::clone(&self.shared), ready, request)))
    }
}

/// Stands in the extensions of an answer that is not the upstream's but a refusal of the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined;

/// What the answer's side needs of the request's.
struct Asked {
    adapter: &'static dyn Adapter,
    notes: RequestNotes,
    trailers: bool,
    headless: bool,
}

async fn serve<S, B, R>(shared: Arc<Shared>, mut inner: S, request: Request<B>) -> Result<Response<GuardedBody<R>>, S::Error>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    let (mut head, body) = request.into_parts();
    let told =
        Head { method: &head.method, path: head.uri.path(), headers: &head.headers, configured: shared.protocol.as_deref() };
    let adapter = protocol::claim(&told);
    let notes = adapter.head_notes(&told);
    let peer = head.extensions.get::<subject::Peer>().copied();
    let subject = subject::resolve(shared.route.lane, peer, &mut head.headers, &shared.facts, &shared.sessions);
    let mut asked = Asked { adapter, notes, trailers: wants_trailers(&head.headers), headless: head.method == Method::HEAD };
    let mut exchange = match Exchange::begin(&shared, adapter.name(), subject, &head.headers) {
        Ok(exchange) => exchange,
        Err((exchange, refused)) => return Ok(refuse(&asked, exchange, &refused).await),
    };

    let up = match take_request(&mut exchange, &mut asked, &mut head, body).await {
        Ok(up) => up,
        Err(Some(refused)) => {
            let onward = exchange.with_refusal(&refused, |refusal| asked.adapter.refuse_onward(refusal, &asked.notes));
            let Some(onward) = onward else { return Ok(refuse(&asked, exchange, &refused).await) };
            if let Some(wait) = exchange.intervene(&refused, false) {
                wait.await;
            }
            headers::body_changed(&mut head.headers, Some(onward.len()));
            exchange.forwarded(&onward);
            GuardedBody::full(onward)
        }
        // The client left while it was sending: nobody waits for an answer.
        Err(None) => {
            let refused = Refused::unread(Stage::Request, Why::Unreadable(Code::Truncated));
            exchange.end_as(End::Cancelled);
            return Ok(refuse(&asked, exchange, &refused).await);
        }
    };
    headers::clear(&mut head.headers);
    if exchange.acts() {
        headers::restrict_accept_encoding(&mut head.headers);
    }
    exchange.hand_session(&mut head.headers);

    exchange.upstream_called();
    let answer = match inner.call(Request::from_parts(head, up)).await {
        Ok(answer) => answer,
        Err(error) => {
            exchange.end(End::UpstreamError);
            return Err(error);
        }
    };
    Ok(take_answer(exchange, &asked, answer).await)
}

/// Reads and judges the request. `Err(None)`: its sender failed.
async fn take_request<B: Body<Data = Bytes>>(
    exchange: &mut Exchange,
    asked: &mut Asked,
    head: &mut http::request::Parts,
    body: B,
) -> Result<GuardedBody<B>, Option<Refused>> {
    let empty = whole::is_empty(&head.headers, &body);
    let max = exchange.route().body_max;
    let collected = if empty {
        Collected::Whole(Bytes::new())
    } else {
        whole::collect(VecDeque::new(), Box::pin(body), max, exchange.lease()).await
    };
    let original = match collected {
        Collected::Whole(bytes) => bytes,
        Collected::TooLarge(first, rest) => {
            let why = Why::Unreadable(Code::BodyTooLarge);
            let refused = exchange.unread(Stage::Request, why, "request_body");
            return pass_or(refused.or_else(|| head::judge(exchange, head, None)), first, rest);
        }
        Collected::NoRoom(first, rest) => {
            // The room may be there in a moment: this refusal may be retried.
            let refused = exchange.unread(Stage::Request, Why::Unreadable(Code::BodyTooLarge), "body_budget");
            let refused = refused.map(|_| Refused::unread(Stage::Request, Why::Engine));
            return pass_or(refused.or_else(|| head::judge(exchange, head, None)), first, rest);
        }
        Collected::Failed(_) => return Err(None),
    };
    exchange.requested(&original);
    exchange.told(&asked.notes);
    let judged = whole::decode(&head.headers, &original, max, exchange.lease())
        .and_then(|decoded| whole::judge(exchange, asked.adapter, Side::Request, &head.headers, decoded));
    // After the body: what the task is about may decide which rules apply.
    let mirroring = judged.as_ref().ok().filter(|judged| !judged.decoded.is_empty()).map(|_| asked.adapter);
    let beside = head::judge(exchange, head, mirroring);
    let judged = match judged {
        Ok(judged) => judged,
        Err(error) => {
            let unread = exchange.unread(Stage::Request, Why::Unreadable(error.code), error.code.as_str());
            return match unread.or(beside) {
                Some(refused) => Err(Some(refused)),
                None => Ok(GuardedBody::full(original)),
            };
        }
    };
    asked.notes = judged.notes.beside(std::mem::take(&mut asked.notes));
    if !exchange.acts() {
        return Ok(GuardedBody::full(original));
    }
    if let Some(refused) = judged.ruling.refused.or(beside) {
        return Err(Some(refused));
    }
    let headers = &mut head.headers;
    let after = judged.changed.as_ref().unwrap_or(&judged.decoded);
    if let Err(error) = asked.adapter.mirror(headers, &judged.decoded, after) {
        let refused = exchange.unread(Stage::Request, Why::Unreadable(error.code), error.code.as_str());
        return refused.map_or_else(|| Ok(GuardedBody::full(original)), |refused| Err(Some(refused)));
    }
    if !judged.ruling.released.is_empty()
        && let Some(wait) = exchange.release_calls(&judged.ruling.released)
        && !wait.await
    {
        return Err(Some(Refused::unread(Stage::Call, Why::Engine)));
    }
    let Some(changed) = judged.changed else { return Ok(GuardedBody::full(original)) };
    headers::body_changed(headers, Some(changed.len()));
    exchange.forwarded(&changed);
    Ok(GuardedBody::full(changed))
}

/// Passes a request on unread behind `first`, or refuses it.
fn pass_or<B: Body<Data = Bytes>>(
    refused: Option<Refused>,
    first: VecDeque<Bytes>,
    rest: Pin<Box<B>>,
) -> Result<GuardedBody<B>, Option<Refused>> {
    match refused {
        Some(refused) => Err(Some(refused)),
        None => Ok(GuardedBody::rest(first, rest, None)),
    }
}

/// Reads and judges the answer, whole or while it passes.
async fn take_answer<R: Body<Data = Bytes>>(
    mut exchange: Box<Exchange>,
    asked: &Asked,
    answer: Response<R>,
) -> Response<GuardedBody<R>> {
    let (mut head, body) = answer.into_parts();
    exchange.answered(head.status);
    if let Some(refused) = fields::judge(&mut exchange, &mut head.headers) {
        return refuse_answer(asked, exchange, head, &refused, &Bytes::new(), &[]).await;
    }
    if asked.headless || whole::is_empty(&head.headers, &body) || !may_have_body(head.status) {
        return settle(exchange, head, |exchange| GuardedBody::answer(Bytes::new(), exchange));
    }
    let mut body = Box::pin(body);
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let units = content_type.is_some_and(|t| says_lines(t) || says_frames(t));
    if units || content_type.is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("text/event-stream")) {
        // Its head waits for nothing: whatever comes is judged while it passes, and refused in the stream.
        return stream(exchange, asked, head, VecDeque::new(), body).await;
    }
    let Ok(first) = whole::peek(&mut body).await else { return broken_upstream(asked, exchange, head) };
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let coded = head.headers.contains_key(http::header::CONTENT_ENCODING);
    let start = first.front().cloned().unwrap_or_default();
    let parts = content_type.is_some_and(|t| !matches!(multipart::boundary(t), Ok(None)));
    let whole = coded || parts || charset::is_wide(content_type, &start);
    let shape = if whole { Shape::Text } else { sniff(content_type, &start) };
    let hidden = hidden(content_type, &start);
    match shape {
        Shape::EventStream => stream(exchange, asked, head, first, body).await,
        Shape::Binary => {
            let (why, what) = match hidden {
                Some(code) => (Why::Unreadable(code), code.as_str()),
                None => (Why::Uninspected(UnjudgedReason::Media), "answer_body"),
            };
            if let Some(refused) = exchange.unread(Stage::Response, why, what) {
                return refuse_answer(asked, exchange, head, &refused, &Bytes::new(), &[]).await;
            }
            settle(exchange, head, |exchange| GuardedBody::rest(first, body, Some(exchange)))
        }
        Shape::Json | Shape::Text | Shape::Empty => {
            let max = exchange.route().body_max;
            let original = match whole::collect(first, body, max, exchange.lease()).await {
                Collected::Whole(bytes) => bytes,
                Collected::TooLarge(first, rest) | Collected::NoRoom(first, rest) => {
                    let why = Why::Uninspected(UnjudgedReason::OverLimit);
                    if let Some(refused) = exchange.unread(Stage::Response, why, "answer_body") {
                        return refuse_answer(asked, exchange, head, &refused, &Bytes::new(), &[]).await;
                    }
                    return settle(exchange, head, |exchange| GuardedBody::rest(first, rest, Some(exchange)));
                }
                Collected::Failed(_) => return broken_upstream(asked, exchange, head),
            };
            exchange.received(&original);
            whole_answer(exchange, asked, head, original).await
        }
    }
}

async fn whole_answer<R: Body<Data = Bytes>>(
    mut exchange: Box<Exchange>,
    asked: &Asked,
    mut head: http::response::Parts,
    original: Bytes,
) -> Response<GuardedBody<R>> {
    let max = exchange.route().body_max;
    let decoded = match whole::decode(&head.headers, &original, max, exchange.lease()) {
        Ok(decoded) => decoded,
        Err(error) => return unread_answer(exchange, asked, head, original, error).await,
    };
    // A coded body tells only now what it is.
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if sniff(content_type, &decoded) == Shape::EventStream {
        let coded = head.headers.contains_key(http::header::CONTENT_ENCODING);
        if coded && exchange.acts() {
            headers::body_changed(&mut head.headers, None);
            return stream(exchange, asked, head, VecDeque::from([decoded]), None).await;
        }
        return stream(exchange, asked, head, VecDeque::from([original]), None).await;
    }
    let Judged { changed, ruling, decoded, .. } =
        match whole::judge(&mut exchange, asked.adapter, Side::Answer, &head.headers, decoded) {
            Ok(judged) => judged,
            Err(error) => return unread_answer(exchange, asked, head, original, error).await,
        };
    if !exchange.acts() {
        return settle(exchange, head, |exchange| GuardedBody::answer(original, exchange));
    }
    if let Some(refused) = ruling.refused {
        // What a refusal keeps of the answer is what would have been sent of it.
        let kept = changed.as_ref().unwrap_or(&decoded);
        return refuse_answer(asked, exchange, head, &refused, kept, &ruling.choices).await;
    }
    if let Some(wait) = ruling.wait
        && !wait.await
    {
        let refused = Refused::unread(Stage::Result, Why::Engine);
        return refuse_answer(asked, exchange, head, &refused, &decoded, &[]).await;
    }
    if !ruling.released.is_empty()
        && let Some(wait) = exchange.release_calls(&ruling.released)
        && !wait.await
    {
        let refused = Refused::unread(Stage::Call, Why::Engine);
        return refuse_answer(asked, exchange, head, &refused, &decoded, &[]).await;
    }
    let Some(changed) = changed else {
        return settle(exchange, head, |exchange| GuardedBody::answer(original, exchange));
    };
    headers::body_changed(&mut head.headers, Some(changed.len()));
    exchange.altered();
    settle(exchange, head, |exchange| GuardedBody::answer(changed, exchange))
}

async fn stream<R: Body<Data = Bytes>>(
    mut exchange: Box<Exchange>,
    asked: &Asked,
    mut head: http::response::Parts,
    first: VecDeque<Bytes>,
    rest: impl Into<Option<Pin<Box<R>>>>,
) -> Response<GuardedBody<R>> {
    let decoder = match whole::stream_decoder(&head.headers) {
        Ok(decoder) => decoder,
        Err(error) => {
            if let Some(refused) = exchange.unread(Stage::Response, Why::Unreadable(error.code), error.code.as_str()) {
                return refuse_answer(asked, exchange, head, &refused, &Bytes::new(), &[]).await;
            }
            let Some(rest) = rest.into() else { return settle(exchange, head, |e| GuardedBody::answer(Bytes::new(), e)) };
            return settle(exchange, head, |exchange| GuardedBody::rest(first, rest, Some(exchange)));
        }
    };
    if exchange.acts() {
        open_head(&mut head.headers, decoder.is_some());
    }
    if exchange.marks() {
        exchange.stamp(&mut head.headers, Some("streaming"));
    }
    exchange.streams();
    let stream = match head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) {
        Some(lines) if says_lines(lines) => Stream::lines(&exchange),
        Some(frames) if says_frames(frames) => Stream::frames(&exchange),
        _ => Stream::events(asked.adapter.stream_reader(&asked.notes), &exchange),
    };
    let trailers = asked.trailers && exchange.marks();
    let body = GuardedBody::stream(first, rest.into(), decoder, stream, trailers, exchange);
    Response::from_parts(head, body)
}

/// Stamps an answer that passes.
fn settle<R: Body<Data = Bytes>>(
    exchange: Box<Exchange>,
    mut head: http::response::Parts,
    body: impl FnOnce(Box<Exchange>) -> GuardedBody<R>,
) -> Response<GuardedBody<R>> {
    if exchange.marks() {
        exchange.stamp(&mut head.headers, None);
    }
    Response::from_parts(head, body(exchange))
}

/// An answer that nobody could read: refused, or passed on as it is.
async fn unread_answer<R: Body<Data = Bytes>>(
    mut exchange: Box<Exchange>,
    asked: &Asked,
    head: http::response::Parts,
    original: Bytes,
    error: ReadError,
) -> Response<GuardedBody<R>> {
    if let Some(refused) = exchange.unread(Stage::Response, Why::Unreadable(error.code), error.code.as_str()) {
        return refuse_answer(asked, exchange, head, &refused, &Bytes::new(), &[]).await;
    }
    settle(exchange, head, |exchange| GuardedBody::answer(original, exchange))
}

async fn refuse_answer<R: Body<Data = Bytes>>(
    asked: &Asked,
    mut exchange: Box<Exchange>,
    head: http::response::Parts,
    refused: &Refused,
    decoded: &Bytes,
    choices: &[u32],
) -> Response<GuardedBody<R>> {
    if let Some(wait) = exchange.intervene(refused, false) {
        wait.await;
    }
    let answer = exchange.with_refusal(refused, |refusal| asked.adapter.refuse_answer(refusal, decoded, choices, &asked.notes));
    put(exchange, head, answer)
}

/// Puts an answer of ours in the place of the upstream's; what the upstream said of itself stays.
fn put<R: Body<Data = Bytes>>(
    exchange: Box<Exchange>,
    mut head: http::response::Parts,
    answer: Answer,
) -> Response<GuardedBody<R>> {
    headers::body_changed(&mut head.headers, Some(answer.body.len()));
    head.status = answer.status;
    head.extensions.insert(Declined);
    dress(&exchange, &mut head.headers, &answer);
    Response::from_parts(head, GuardedBody::answer(answer.body, exchange))
}

/// The answer to a request that never reached the upstream.
async fn refuse<R: Body<Data = Bytes>>(
    asked: &Asked,
    mut exchange: Box<Exchange>,
    refused: &Refused,
) -> Response<GuardedBody<R>> {
    if let Some(wait) = exchange.intervene(refused, false) {
        wait.await;
    }
    let answer = exchange.with_refusal(refused, |refusal| asked.adapter.refuse_request(refusal, &asked.notes));
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    response.extensions_mut().insert(Declined);
    let (mut head, ()) = response.into_parts();
    dress(&exchange, &mut head.headers, &answer);
    let body = if asked.headless { Bytes::new() } else { answer.body };
    Response::from_parts(head, GuardedBody::answer(body, exchange))
}

fn broken_upstream<R: Body<Data = Bytes>>(
    asked: &Asked,
    mut exchange: Box<Exchange>,
    head: http::response::Parts,
) -> Response<GuardedBody<R>> {
    exchange.end_as(End::UpstreamError);
    let refused = Refused::unread(Stage::Response, Why::Engine);
    let mut answer = exchange.with_refusal(&refused, |refusal| asked.adapter.refuse_answer(refusal, b"", &[], &asked.notes));
    answer.status = StatusCode::BAD_GATEWAY;
    put(exchange, head, answer)
}

fn dress(exchange: &Exchange, headers: &mut HeaderMap, answer: &Answer) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if exchange.marks() {
        exchange.stamp(headers, None);
    }
    match answer.retry_after {
        Some(seconds) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        None => headers::final_refusal(headers),
    }
}

fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED)
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers::joined(headers, &TE).is_some_and(|te| te.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
}
