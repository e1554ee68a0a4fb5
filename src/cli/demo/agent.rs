//! The sample agent: a scripted server that speaks OpenAI's chat completions on a port of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::scene::{Reply, SCENES};

/// Between two deltas: as fast as a quick model.
const GAP: Duration = Duration::from_millis(2);

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    /// Where it listens.
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Agent {
    /// Starts it on the current runtime; it ends with the runtime.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&count)));
                    // A connection that breaks is the sidecar's affair.
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Ok(Self { address, asked })
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, asked: Arc<AtomicUsize>) -> Result<Response<Body>, Infallible> {
    asked.fetch_add(1, Ordering::SeqCst);
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let question =
        body.pointer("/messages").and_then(Value::as_array).and_then(|m| m.last()?.get("content")?.as_str()).unwrap_or("");
    let reply = SCENES
        .iter()
        .find(|s| s.question == question)
        .map_or(Reply::Texts(&["I am only a sample; try the questions of the demo."]), |s| s.reply);
    let streamed = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    Ok(if streamed { stream(frames(reply)) } else { whole(reply) })
}

fn whole(reply: Reply) -> Response<Body> {
    let texts: Vec<String> = match reply {
        Reply::Texts(texts) => texts.iter().map(|t| (*t).to_owned()).collect(),
        Reply::Deltas(pieces) => vec![pieces.concat()],
        Reply::Letters(text) => vec![text.to_owned()],
        Reply::Call { words, .. } => vec![words.to_owned()],
        Reply::Never => vec!["The sidecar let this through; it should not have.".to_owned()],
    };
    let choices: Vec<Value> = texts
        .into_iter()
        .enumerate()
        .map(|(i, text)| json!({"index": i, "message": {"role": "assistant", "content": text, "refusal": null}, "finish_reason": "stop"}))
        .collect();
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20});
    let body = json!({"id": "chatcmpl-demo", "object": "chat.completion", "created": 1_790_000_000, "model": "sample", "choices": choices, "usage": usage});
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// The frames of a streamed answer.
fn frames(reply: Reply) -> Vec<String> {
    let mut out = vec![frame(&json!({"role": "assistant", "content": ""}), None)];
    let mut finish = "stop";
    let say = |text: &str| frame(&json!({"content": text}), None);
    match reply {
        Reply::Texts(texts) => out.extend(texts.first().map(|t| say(t))),
        Reply::Deltas(pieces) => out.extend(pieces.iter().map(|p| say(p))),
        Reply::Letters(text) => out.extend(text.chars().map(|c| say(&c.to_string()))),
        Reply::Never => out.push(say("The sidecar let this through; it should not have.")),
        Reply::Call { words, tool, arguments } => {
            out.extend(words.split_inclusive(' ').map(say));
            let first = json!({"index": 0, "id": "call_demo", "type": "function", "function": {"name": tool, "arguments": ""}});
            out.push(frame(&json!({"tool_calls": [first]}), None));
            for piece in arguments.split_inclusive(' ') {
                out.push(frame(&json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), None));
            }
            finish = "tool_calls";
        }
    }
    out.push(frame(&json!({}), Some(finish)));
    out.push("data: [DONE]\n\n".to_owned());
    out
}

fn frame(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "sample", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

/// A stream that pauses between frames, as a model does.
fn stream(frames: Vec<String>) -> Response<Body> {
    let (send, receive) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for frame in frames {
            if send.send(Bytes::from(frame)).await.is_err() {
                break; // the sidecar has closed the stream
            }
            tokio::time::sleep(GAP).await;
        }
    });
    let mut response = Response::new(Channel(receive).boxed());
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
    response
}

/// The body of a stream.
struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

impl hyper::body::Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|b| Ok(Frame::data(b))))
    }
}
