//! Bodies on their way: counted towards the upstream, paced by an idle time-out back.
//!
//! Promises: frames pass as they come, one for one and byte for byte; dropping a body cancels what
//! stands behind it; there is no total time-out, only one between two reads.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::headers;

/// Any error of a body we did not make.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far a request body has come: read by the wait for the head of the answer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Four times the frames sent; the lowest bit is set once the body has ended, the next if it broke off.
    state: AtomicU64,
}

impl Progress {
    fn frame(&self) {
        self.state.fetch_add(4, Ordering::Relaxed);
    }

    fn end(&self) {
        self.state.fetch_or(1, Ordering::Relaxed);
    }

    fn broke(&self) {
        self.state.fetch_or(2, Ordering::Relaxed);
    }

    /// Whether the client broke its body off.
    pub(super) fn is_broken(&self) -> bool {
        self.state.load(Ordering::Relaxed) & 2 == 2
    }

    /// A mark that changes with every frame, and whether the body has ended.
    pub(super) fn mark(&self) -> (u64, bool) {
        let state = self.state.load(Ordering::Relaxed);
        (state, state & 1 == 1)
    }
}

/// A request body on its way to the upstream.
#[derive(Debug)]
pub struct Outgoing<B> {
    body: B,
    progress: Arc<Progress>,
}

impl<B: Body> Outgoing<B> {
    pub(super) fn new(body: B) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        if body.is_end_stream() {
            progress.end();
        }
        (Self { body, progress: Arc::clone(&progress) }, progress)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) => {
                self.progress.frame();
                if self.body.is_end_stream() {
                    self.progress.end();
                }
            }
            Poll::Ready(Some(Err(_))) => self.progress.broke(),
            Poll::Ready(None) => self.progress.end(),
            Poll::Pending => {}
        }
        polled.map_ok(clean_trailers)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Trailers keep only fields that may stand in trailers (RFC 9110 §6.5.1).
fn clean_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// The body of an answer: the upstream's, or the sidecar's own.
#[derive(Debug)]
pub enum Answer {
    /// From the upstream, as it comes.
    Upstream(Paced),
    /// Ours, whole.
    Own(Full<Bytes>),
}

impl From<Bytes> for Answer {
    fn from(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match self.get_mut() {
            Self::Upstream(paced) => Pin::new(paced).poll_frame(cx),
            Self::Own(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(paced) => paced.is_end_stream(),
            Self::Own(full) => full.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(paced) => paced.size_hint(),
            Self::Own(full) => full.size_hint(),
        }
    }
}

/// Why the body of an answer broke off.
#[derive(Debug)]
pub enum AnswerError {
    /// The upstream broke off.
    Upstream(hyper::Error),
    /// The upstream sent nothing for that long.
    Idle(Duration),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(error) => write!(f, "the upstream broke off: {error}"),
            Self::Idle(limit) => write!(f, "the upstream sent nothing for {limit:?}"),
        }
    }
}

impl std::error::Error for AnswerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Upstream(error) => Some(error),
            Self::Idle(_) => None,
        }
    }
}

/// An upstream's body under an idle time-out. The timer is set only while nothing is there to read.
#[derive(Debug)]
pub struct Paced {
    body: Incoming,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Paced {
    pub(super) fn new(body: Incoming, idle: Duration) -> Self {
        Self { body, idle, timer: None, waiting: false }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + idle);
        }
        timer.as_mut().poll(cx)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame.map(|f| f.map(clean_trailers).map_err(AnswerError::Upstream)));
        }
        self.poll_timer(cx).map(|()| Some(Err(AnswerError::Idle(self.idle))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
