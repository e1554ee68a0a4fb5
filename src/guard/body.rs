//! The body that the guard hands on: a request on its way up, an answer on its way down.
//!
//! Whatever ends it (the last byte, a drop, an error of the other side) ends the exchange that it carries,
//! and so writes its one record.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::exchange::{End, Exchange};
use super::headers;
use super::pending::Durable;
use super::pulse::{KEEP_ALIVE, Pulse};
use super::refused::Refused;
use super::stream::{Moved, Stream};
use crate::base::names::Stage;
use crate::protocol::Why;
use crate::protocol::encoding::Decoder;

/// Bytes gathered before a frame is handed on although more is ready.
const MERGE_MAX: usize = 64 << 10;

/// A body that has passed the guard, or is passing it.
pub struct GuardedBody<B: Body> {
    kind: Kind<B>,
    /// Ended by the last byte or by drop.
    exchange: Option<Box<Exchange>>,
}

enum Kind<B: Body> {
    /// Known whole.
    Full(Option<Bytes>),
    /// Passed on unread, after what was already taken from it.
    Rest { first: VecDeque<Bytes>, rest: Pin<Box<B>> },
    /// Judged while it passes.
    Stream(Box<Passing<B>>),
}

struct Passing<B: Body> {
    /// What was taken from the body to see what it is.
    first: VecDeque<Bytes>,
    rest: Option<Pin<Box<B>>>,
    decoder: Option<Decoder>,
    stream: Stream,
    /// What waits for the log.
    wait: Option<(Durable, Moved)>,
    out: bytes::BytesMut,
    pulse: Pulse,
    trailers: bool,
    over: bool,
    /// How the upstream failed; told to the client once what was decided has gone out.
    failed: Option<B::Error>,
}

impl<B: Body> std::fmt::Debug for GuardedBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.kind {
            Kind::Full(_) => "full",
            Kind::Rest { .. } => "rest",
            Kind::Stream(_) => "stream",
        };
        f.debug_struct("GuardedBody").field("kind", &kind).field("exchange", &self.exchange).finish()
    }
}

impl<B: Body<Data = Bytes>> GuardedBody<B> {
    /// A body without an exchange: a request going up.
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self { kind: Kind::Full(Some(bytes).filter(|b| !b.is_empty())), exchange: None }
    }

    /// A whole answer, which ends the exchange.
    pub(crate) fn answer(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        Self { exchange: Some(exchange), ..Self::full(bytes) }
    }

    /// A body passed on unread behind `first`.
    pub(crate) fn rest(first: VecDeque<Bytes>, rest: Pin<Box<B>>, exchange: Option<Box<Exchange>>) -> Self {
        Self { kind: Kind::Rest { first, rest }, exchange }
    }

    /// An answer judged while it passes. `trailers`: the client reads them.
    pub(crate) fn stream(
        first: VecDeque<Bytes>,
        rest: Option<Pin<Box<B>>>,
        decoder: Option<Decoder>,
        stream: Stream,
        trailers: bool,
        exchange: Box<Exchange>,
    ) -> Self {
        let passing = Passing {
            first,
            rest,
            decoder,
            pulse: Pulse::new(exchange.route().keep_alive.filter(|_| stream.has_comments())),
            stream,
            wait: None,
            out: bytes::BytesMut::new(),
            trailers,
            over: false,
            failed: None,
        };
        Self { kind: Kind::Stream(Box::new(passing)), exchange: Some(exchange) }
    }

    fn end(&mut self, end: End) {
        if let Some(exchange) = self.exchange.take() {
            exchange.end(end);
        }
    }
}

impl<B: Body<Data = Bytes>> Body for GuardedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        match &mut this.kind {
            Kind::Full(bytes) => {
                let Some(bytes) = bytes.take() else {
                    this.end(End::Completed);
                    return Poll::Ready(None);
                };
                if let Some(exchange) = &mut this.exchange {
                    exchange.delivered(&bytes);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Rest { first, rest } => {
                let frame = match first.pop_front() {
                    Some(bytes) => Some(Ok(Frame::data(bytes))),
                    None => ready!(rest.as_mut().poll_frame(cx)),
                };
                match &frame {
                    Some(Ok(frame)) => {
                        if let (Some(exchange), Some(bytes)) = (&mut this.exchange, frame.data_ref()) {
                            exchange.received(bytes);
                            exchange.delivered(bytes);
                        }
                    }
                    Some(Err(_)) => this.end(End::UpstreamError),
                    None => this.end(End::Completed),
                }
                Poll::Ready(frame)
            }
            Kind::Stream(passing) => {
                let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
                let frame = ready!(passing.poll(exchange, cx));
                match &frame {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => this.end(End::UpstreamError),
                    None => this.end(End::Completed),
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Only what has ended and written its record may be skipped by the server.
        match &self.kind {
            Kind::Full(bytes) => bytes.is_none() && self.exchange.is_none(),
            Kind::Rest { first, rest } => first.is_empty() && rest.is_end_stream() && self.exchange.is_none(),
            Kind::Stream(_) => self.exchange.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.remaining() as u64)),
            Kind::Rest { first, rest } => {
                let before = first.iter().map(|b| b.len() as u64).sum::<u64>();
                let mut hint = SizeHint::new();
                hint.set_lower(before + rest.size_hint().lower());
                if let Some(upper) = rest.size_hint().upper() {
                    hint.set_upper(before + upper);
                }
                hint
            }
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

impl<B: Body<Data = Bytes>> Passing<B> {
    fn poll(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            if let Some((wait, _)) = &mut self.wait {
                let Poll::Ready(durable) = Pin::new(wait).poll(cx) else { return self.idle(exchange, cx) };
                let Some((_, moved)) = self.wait.take() else { continue };
                let moved = if durable { moved } else { self.stream.abort(exchange, Refused::unread(Stage::Call, Why::Engine)) };
                self.take(Moved { wait: None, ..moved });
                continue;
            }
            if self.over {
                if let Some(frame) = self.hand_on(exchange) {
                    return Poll::Ready(Some(Ok(frame)));
                }
                if let Some(error) = self.failed.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                if std::mem::take(&mut self.trailers) {
                    let mut trailers = HeaderMap::new();
                    exchange.stamp(&mut trailers, None);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                return Poll::Ready(None);
            }
            if self.out.len() >= MERGE_MAX
                && let Some(frame) = self.hand_on(exchange)
            {
                return Poll::Ready(Some(Ok(frame)));
            }
            match self.next(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.chunk(exchange, &chunk),
                Poll::Ready(Some(Err(error))) => {
                    self.rest = None;
                    self.failed = Some(error);
                    let moved = self.stream.finish(exchange, false);
                    self.take(moved);
                    self.over = true;
                }
                Poll::Ready(None) => {
                    self.rest = None;
                    let moved = self.last(exchange);
                    self.take(moved);
                    self.over = true;
                }
                Poll::Pending => return self.idle(exchange, cx),
            }
        }
    }

    /// Nothing more can be decided now: hands on what there is, or a comment when it holds back for long.
    fn idle(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.hand_on(exchange) {
            self.pulse.rest();
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.wait.is_none() && !self.stream.holds() {
            self.pulse.rest();
            return Poll::Pending;
        }
        ready!(self.pulse.poll(cx));
        let comment = Bytes::from_static(KEEP_ALIVE);
        exchange.altered();
        exchange.delivered(&comment);
        Poll::Ready(Some(Ok(Frame::data(comment))))
    }

    /// The next bytes of the upstream. Its trailers are not passed on.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        if let Some(bytes) = self.first.pop_front() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        loop {
            match ready!(rest.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn chunk(&mut self, exchange: &mut Exchange, chunk: &Bytes) {
        exchange.received(chunk);
        let moved = match &mut self.decoder {
            None => self.stream.push(exchange, chunk),
            Some(decoder) => match decoder.push(chunk) {
                Ok(plain) => self.stream.push_decoded(exchange, chunk, &plain),
                Err(error) => self.stream.broken(exchange, error, chunk),
            },
        };
        self.take(moved);
    }

    fn last(&mut self, exchange: &mut Exchange) -> Moved {
        if let Some(mut decoder) = self.decoder.take()
            && let Err(error) = decoder.finish()
        {
            let moved = self.stream.broken(exchange, error, &Bytes::new());
            self.take(moved);
        }
        self.stream.finish(exchange, true)
    }

    fn take(&mut self, mut moved: Moved) {
        if moved.over {
            self.over = true;
            // The upstream is told at once: dropping its body resets it.
            self.rest = None;
        }
        if let Some(wait) = moved.wait.take() {
            self.wait = Some((wait, moved));
            return;
        }
        if self.out.is_empty() {
            self.out = moved.out;
        } else {
            self.out.extend_from_slice(&moved.out);
        }
    }

    fn hand_on(&mut self, exchange: &mut Exchange) -> Option<Frame<Bytes>> {
        if self.out.is_empty() {
            return None;
        }
        let bytes = self.out.split().freeze();
        exchange.delivered(&bytes);
        Some(Frame::data(bytes))
    }
}

/// The head of a stream cannot tell its length, nor how it was coded if it had to be opened.
pub(crate) fn open_head(headers: &mut HeaderMap, decoded: bool) {
    headers.remove(http::header::CONTENT_LENGTH);
    if decoded {
        headers::body_changed(headers, None);
    }
}
