//! Live streams through the layer: what memory each takes, and how soon its deltas leave.
//!
//! A stream is held open where the middle of an answer would be; the counting allocator says what it keeps, and the same
//! service without the layer says what of that is not ours. Then one answer is written delta by delta, as models cut text, and
//! for each it is noted whether all its bytes have left when the next one has been written.
//!
//! `cargo bench --bench live` prints both; with `SERVANDA_DELTAS=FILE`, in which each line is a JSON list of the deltas of a
//! recorded stream, the latter for those too.

#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a measuring program: it may fail loudly, and an allocator is unsafe by its trait"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use servanda::base::names::Lane;
use servanda::evidence::Log;
use servanda::guard::{GuardLayer, Route};
use servanda::program::{Live, Program};
use tokio::sync::mpsc;
use tower::{Layer, Service, ServiceExt};

/// Streams that are open at once.
const STREAMS: usize = 1_000;
/// Deltas that each has had by then.
const DELTAS: usize = 40;

/// An allocator that knows how many bytes are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; beside it a number is changed.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An answer whose pieces come when they are sent.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The agent: answers with a stream, and leaves the end that writes it in the channel.
#[derive(Clone)]
struct Agent(mpsc::Sender<mpsc::Sender<Bytes>>);

impl<B> Service<Request<B>> for Agent {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let (write, read) = mpsc::channel(4);
        self.0.try_send(write).unwrap();
        let answer = Response::builder().header("content-type", "text/event-stream").body(Pieces(read)).unwrap();
        std::future::ready(Ok(answer))
    }
}

/// A question that asks for a stream.
fn question() -> Request<Full<Bytes>> {
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Where is my parcel?"}]}"#;
    let request = Request::post("/v1/chat/completions").header("content-type", "application/json");
    request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

fn delta(content: &str) -> Bytes {
    let delta = serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
    Bytes::from(format!("data: {delta}\n\n"))
}

/// A stream in the middle of its answer.
struct Open<B> {
    write: mpsc::Sender<Bytes>,
    answer: Response<B>,
}

/// Asks once.
async fn open<S, B>(service: &S, writers: &mut mpsc::Receiver<mpsc::Sender<Bytes>>) -> Open<B>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
{
    let answer = service.clone().oneshot(question()).await.unwrap();
    Open { write: writers.recv().await.unwrap(), answer }
}

impl<B: Body<Data = Bytes> + Unpin> Open<B> {
    /// Writes a delta, and gives what leaves at once.
    async fn step(&mut self, content: &str) -> Vec<u8> {
        self.write.try_send(delta(content)).unwrap();
        // Or the runtime would find that we have read enough for once.
        tokio::task::yield_now().await;
        self.left()
    }

    /// What has left and was not taken yet.
    fn left(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(self.answer.body_mut()).poll_frame(&mut context) {
            out.extend(frame.into_data().unwrap_or_default());
        }
        out
    }
}

/// Bytes that each of many open streams keeps.
async fn memory<S, B>(service: &S, writers: &mut mpsc::Receiver<mpsc::Sender<Bytes>>) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes> + Unpin,
{
    let words: Vec<&str> = TEXT.split_inclusive(' ').collect();
    // What is made once is there before the count begins.
    let mut first = open(service, writers).await;
    for word in words.iter().take(DELTAS) {
        drop(first.step(word).await);
    }
    let mut streams = Vec::with_capacity(STREAMS);
    let before = IN_USE.load(Ordering::Relaxed);
    for _ in 0..STREAMS {
        streams.push(open(service, writers).await);
    }
    for word in words.iter().cycle().take(DELTAS) {
        for stream in &mut streams {
            drop(stream.step(word).await);
        }
    }
    let after = IN_USE.load(Ordering::Relaxed);
    drop((streams, first));
    (after - before) / STREAMS
}

/// An answer as support agents write them, with what is looked at more closely: numbers, dates, addresses, names, code.
const TEXT: &str = "Thank you for your message. I have looked up the order you mean: it was placed on 3 March and left our \
    depot in Rotterdam two days later, in two parcels. The first one (12 items, 4.2 kg) was handed over on Thursday at 14:35; the \
    second is still with the carrier. You can follow both at https://acme.example/track with the number that stands on your \
    receipt. If you would rather send something back, here is how:\n\n1. Pack the articles so that nothing can move.\n2. Print the \
    label; it is free of charge for thirty days.\n3. Leave the parcel at any of the 1,250 shops that take part.\n\nWe refund the \
    price within 5 to 7 working days, less 2.50 for what was opened. Our team in the shop will tell you more: ask for Mrs \
    O'Neill, extension 204, or write to us from your account. For developers, the call is `GET /orders?limit=20&after=81`, and \
    it answers `{\"status\": \"sent\", \"items\": 12}`; a request that asks too often gets 429 and a date to come back. Is there \
    anything else that I can do for you? I am an assistant of the shop and cannot see your payment details, but I can open a \
    ticket, and one of us calls you back between 9 and 17 h. ";

/// Texts cut as models cut them: a word with the blank before it, long words and numbers in pieces.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices().skip(1) {
        let before = text[from..at].chars().next_back().unwrap_or(' ');
        let cuts = c == ' '
            || (c.is_alphanumeric() != before.is_alphanumeric() && before != ' ')
            || at - from >= if c.is_ascii_digit() { 3 } else { 7 };
        if cuts {
            out.push(&text[from..at]);
            from = at;
        }
    }
    out.push(&text[from..]);
    out
}

/// The text that some events say.
fn said(events: &[u8]) -> String {
    let text = std::str::from_utf8(events).unwrap();
    let events = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let content = |event: &str| {
        let event: serde_json::Value = serde_json::from_str(event).ok()?;
        Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned())
    };
    events.filter_map(content).collect()
}

/// Of the deltas of an answer, how many have left whole when the next has been written; and the most bytes of text that waited.
async fn timely<S, B, T>(service: &S, writers: &mut mpsc::Receiver<mpsc::Sender<Bytes>>, deltas: &[T]) -> (usize, usize, usize)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes> + Unpin,
    T: std::ops::Deref<Target = str>,
{
    let mut stream = open(service, writers).await;
    let (mut written, mut left, mut in_time, mut most) = (0, 0, 0, 0);
    for delta in deltas {
        let before = written;
        written += delta.len();
        left += said(&stream.step(delta).await).len();
        in_time += usize::from(left >= before);
        most = most.max(written - left);
    }
    (in_time, deltas.len(), most)
}

fn main() {
    // `cargo test --benches` calls us with other arguments; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::compile_text(servanda::pact::template::template("customer-support").unwrap()).unwrap();
    let hold_back = program.coverage().hold_back_max;
    let log = Log::open(folder.path()).unwrap();
    let route = Route { lane: Lane::Model, ..Route::default() };
    let layer = GuardLayer::builder(Live::new(Arc::new(program))).route(route).evidence(log.handle()).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (send, mut writers) = mpsc::channel(4);
        let bare = Agent(send);
        let guarded = layer.layer(bare.clone());
        let without = memory(&bare, &mut writers).await;
        let with = memory(&guarded, &mut writers).await;
        println!("memory of a live stream, of {STREAMS} after {DELTAS} deltas: {} bytes", with - without);
        let share = |(in_time, all, _): (usize, usize, usize)| 100.0 * in_time as f64 / all as f64;
        let own = timely(&guarded, &mut writers, &tokens(TEXT)).await;
        let (in_time, all, most) = own;
        println!("deltas that have left when the next is written: {in_time} of {all}, {:.1} %", share(own));
        println!("most text that waited: {most} bytes (`check` says at most {hold_back})");
        // Streams as they were recorded: a JSON list of deltas a line.
        if let Some(file) = std::env::var_os("SERVANDA_DELTAS") {
            let text = std::fs::read_to_string(file).unwrap();
            let (mut sum, mut streams) = ((0, 0, 0), 0);
            for line in text.lines() {
                let deltas: Vec<String> = serde_json::from_str(line).unwrap();
                let (in_time, all, most) = timely(&guarded, &mut writers, &deltas).await;
                sum = (sum.0 + in_time, sum.1 + all, sum.2.max(most));
                streams += 1;
            }
            let (in_time, all, most) = sum;
            println!("of {streams} recorded streams: {in_time} of {all}, {:.1} %; most that waited: {most} bytes", share(sum));
        }
    });
    log.close().unwrap();
}
