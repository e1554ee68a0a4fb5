//! The client of the demo: asks as an agent's user would, and says in one line what came back.

use std::io::Write as _;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::scene::{Reply, Scene, Send};
use crate::base::limits::SSE_EVENT_MAX;
use crate::base::verdict::Act;
use crate::cli::render::CliError;
use crate::protocol::sse::Framer;

/// Asks the sidecar.
#[derive(Debug)]
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    url: String,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: u16,
    /// The text of each choice.
    pub(super) texts: Vec<String>,
    pub(super) refusal: String,
    /// Tool calls that reached the client, as `name(arguments)`.
    pub(super) call: String,
    pub(super) finish: String,
    /// Code of an error body.
    pub(super) code: String,
    headers: HeaderMap,
}

impl Client {
    /// A client of the sidecar at `base`.
    pub(super) fn new(base: &str) -> Self {
        let pool = Pool::builder(TokioExecutor::new()).build_http();
        Self { pool, url: format!("{base}/v1/chat/completions") }
    }

    /// Asks one question and reads the answer to its end.
    pub(super) async fn ask(&self, scene: &Scene) -> Result<Seen, CliError> {
        let failed = |e: &dyn std::fmt::Display| CliError::new(format!("the sidecar did not answer: {e}"));
        let body = body(scene)?;
        let mut request = Request::post(&self.url).header("content-type", "application/json").header("te", "trailers");
        if scene.send == Send::Gzip {
            request = request.header("content-encoding", "gzip");
        }
        let request = request.body(Full::new(body)).map_err(|e| failed(&e))?;
        let (head, body) = self.pool.request(request).await.map_err(|e| failed(&e))?.into_parts();
        let body = body.collect().await.map_err(|e| failed(&e))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let body = body.to_bytes();
        let mut seen = Seen { status: head.status.as_u16(), headers: head.headers, ..Seen::default() };
        let streamed = seen.header("content-type").starts_with("text/event-stream");
        if streamed {
            seen.stream(&body)?;
        } else {
            seen.whole(&body);
        }
        // A stream's head says only that it streams; its trailers say how it ended.
        for (name, value) in &trailers {
            seen.headers.insert(name, value.clone());
        }
        Ok(seen)
    }
}

/// The body of the question.
fn body(scene: &Scene) -> Result<Bytes, CliError> {
    let choices = if let Reply::Texts(texts) = scene.reply { texts.len() } else { 1 };
    let request = json!({
        "model": "sample", "stream": scene.send == Send::Streamed, "n": choices,
        "messages": [{"role": "system", "content": "You are the support agent of a parcel shop."}, {"role": "user", "content": scene.question}],
    });
    let text = request.to_string();
    Ok(match scene.send {
        Send::Plain | Send::Streamed => text.into(),
        Send::KeyTwice => {
            let innocent = r#""content":"Hello","content":"#;
            let at = text.rfind(r#""content":"#).unwrap_or(0);
            let (before, after) = text.split_at(at);
            format!("{before}{innocent}{}", after.strip_prefix(r#""content":"#).unwrap_or(after)).into()
        }
        Send::Gzip => {
            let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            coder.write_all(text.as_bytes())?;
            coder.finish()?.into()
        }
    })
}

impl Seen {
    /// A header of the answer, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// What the sidecar did, as far as a client can tell: a stream's head only says that it streams.
    pub(super) fn act(&self) -> Act {
        Act::parse(self.header("x-servanda-verdict")).unwrap_or_else(|| {
            if self.status != StatusCode::OK.as_u16() || self.finish == "content_filter" {
                Act::Block
            } else if self.texts.iter().any(|t| t.contains("[pii.")) {
                Act::Redact
            } else {
                Act::Allow
            }
        })
    }

    fn whole(&mut self, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
        text(body.pointer("/error/code")).clone_into(&mut self.code);
        for choice in body.get("choices").and_then(Value::as_array).into_iter().flatten() {
            self.texts.push(text(choice.pointer("/message/content")));
            self.refusal.push_str(&text(choice.pointer("/message/refusal")));
            self.finish = text(choice.get("finish_reason"));
        }
    }

    fn stream(&mut self, body: &[u8]) -> Result<(), CliError> {
        let unreadable = |e: crate::protocol::ReadError| CliError::new(format!("the stream cannot be read: {e}"));
        let mut framer = Framer::new(SSE_EVENT_MAX);
        framer.push(body);
        while let Some(event) = framer.next().map_err(unreadable)? {
            self.event(event.data());
        }
        Ok(())
    }

    fn event(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return };
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            let index = choice.get("index").and_then(Value::as_u64).and_then(|i| usize::try_from(i).ok()).unwrap_or(0).min(16);
            let delta = |key: &str| choice.get("delta").and_then(|d| d.get(key));
            if let Some(text) = delta("content").and_then(Value::as_str) {
                while self.texts.len() <= index {
                    self.texts.push(String::new());
                }
                if let Some(slot) = self.texts.get_mut(index) {
                    slot.push_str(text);
                }
            }
            self.refusal.push_str(delta("refusal").and_then(Value::as_str).unwrap_or(""));
            for call in delta("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                for key in ["name", "arguments"] {
                    self.call.push_str(call.get("function").and_then(|f| f.get(key)).and_then(Value::as_str).unwrap_or(""));
                }
            }
            if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
                finish.clone_into(&mut self.finish);
            }
        }
    }
}
