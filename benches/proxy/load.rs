//! The load of the bench: connections that ask again as soon as they have their answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream;

/// What is asked, as bytes made once.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: Arc<[u8]>,
    /// What is waited for in a streamed answer.
    first: Option<&'static [u8]>,
}

impl Request {
    /// A whole exchange with a body of about `size` bytes each way.
    pub(crate) fn plain(size: usize) -> Self {
        Self::new(size, None)
    }

    /// A short question with a streamed answer, in which `first` is waited for.
    pub(crate) fn stream(first: &'static [u8]) -> Self {
        Self::new(400, Some(first))
    }

    fn new(size: usize, first: Option<&'static [u8]>) -> Self {
        let switch = if first.is_some() { r#""stream":true,"# } else { "" };
        let body = format!(
            r#"{{"model":"m",{switch}"messages":[{{"role":"system","content":"You are a helpful agent."}},{{"role":"user","content":"{}"}}]}}"#,
            upstream::prose(size.saturating_sub(130))
        );
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { bytes: [head, body].concat().into_bytes().into(), first }
    }
}

/// What the load saw.
#[derive(Default)]
pub(crate) struct Result {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) took: Duration,
    pub(crate) first_us: Vec<f64>,
}

/// Asks over `connections` connections for `span`. Streams begin one after the other, evenly over the time that one
/// takes: all at once would measure how long the last of them stands in line.
pub(crate) fn run(address: &str, request: &Request, connections: usize, span: Duration) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let mut all = Result::default();
        let mut tasks = tokio::task::JoinSet::new();
        let apart =
            if request.first.is_some() { upstream::GAP * upstream::DELTAS as u32 / connections as u32 } else { Duration::ZERO };
        for at in 0..connections {
            let one = connection(address.to_owned(), request.clone(), start + span);
            tasks.spawn(async move {
                tokio::time::sleep(apart * at as u32).await;
                one.await
            });
        }
        for one in tasks.join_all().await {
            all.done += one.done;
            all.failed += one.failed;
            all.first_us.extend(one.first_us);
        }
        all.took = start.elapsed();
        all
    })
}

async fn connection(address: String, request: Request, until: Instant) -> Result {
    let mut out = Result::default();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(64 << 10);
    while Instant::now() < until {
        let start = Instant::now();
        socket.write_all(&request.bytes).await.unwrap();
        let mut first = None;
        let total = loop {
            if let Some(wanted) = request.first
                && first.is_none()
                && memchr::memmem::find(&buffer, wanted).is_some()
            {
                first = Some(start.elapsed());
            }
            if let Some((_, total)) = upstream::message(&buffer) {
                break total;
            }
            if socket.read_buf(&mut buffer).await.unwrap() == 0 {
                out.failed += 1;
                return out;
            }
        };
        if buffer.starts_with(b"HTTP/1.1 200") {
            out.done += 1;
        } else {
            out.failed += 1;
        }
        out.first_us.extend(first.map(|f| f.as_secs_f64() * 1e6));
        buffer.drain(..total);
    }
    out
}
