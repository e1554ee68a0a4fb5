//! The two directions: lines of the client to the child, and what the child says to the client.
//!
//! Messages keep their order: the next line of a side is not looked at before the one ahead of it is where it goes.
//! Only answers are waited for beside the lines, each in a task that ends with its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as Turn, Notify, oneshot};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::guard::service::Declined;
use crate::guard::{Guard, GuardedBody, headers};
use crate::protocol::mcp::{Envelope, envelope};
use crate::proxy::refusals::{Door, Refusals, Refuser};

use super::lines::{Line, Lines};
use super::server::{Gone, Server, Up, Way, without_answer};

/// What both directions use.
pub(super) struct Pass<W> {
    pub(super) guard: Guard<Server>,
    pub(super) server: Server,
    /// Where the client reads.
    pub(super) client: Turn<W>,
    /// The one session that a child is.
    pub(super) session: HeaderValue,
    pub(super) door: Door,
    pub(super) refusals: Arc<Refusals>,
    /// The child says nothing any more.
    pub(super) over: Notify,
}

impl<W: AsyncWrite + Unpin + Send + 'static> Pass<W> {
    /// Lines of the client, until there are no more or nobody is left to hear them.
    pub(super) async fn up<R: AsyncBufRead + Unpin>(self: Arc<Self>, mut lines: Lines<R>) {
        let mut open = JoinSet::new();
        let mut calls: HashMap<String, Arc<Up>> = HashMap::new();
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                Some(_) = open.join_next(), if !open.is_empty() => {
                    // What has ended holds its half no more.
                    calls.retain(|_, call| Arc::strong_count(call) > 1);
                    continue;
                }
                () = self.over.notified() => break,
            };
            let Ok(Some(line)) = line else {
                self.server.close().await;
                break;
            };
            let told = envelope(&line.bytes).unwrap_or_default();
            let (passed, with_child) = oneshot::channel();
            let waits = told.id.clone().filter(|_| told.method.is_some());
            let up = Arc::new(Up { waits: waits.clone(), passed: Mutex::new(Some(passed)), ..Up::default() });
            let cancels = told.cancels.clone();
            if let Some(id) = waits {
                calls.insert(id, Arc::clone(&up));
            }
            open.spawn(Arc::clone(&self).one_up(line, told, up));
            // It is with the child, or it was refused.
            with_child.await.ok();
            if let Some((id, call)) = cancels.and_then(|id| calls.remove(&id).map(|call| (id, call))) {
                // Told first: a call that is taken back hears nothing, not that its answer will not come.
                call.cancelled.notify_one();
                self.server.forget(&id);
            }
        }
        // What is open ends with the child.
        while open.join_next().await.is_some() {}
    }

    /// One line of the client, and its answer.
    async fn one_up(self: Arc<Self>, line: Line, told: Envelope, up: Arc<Up>) {
        let mut request = Request::new(Full::new(line.bytes));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(Way::Up(Arc::clone(&up)));
        let answer = tokio::select! {
            biased;
            () = up.cancelled.notified() => None,
            answer = self.exchange(request) => match answer {
                Ok(answer) => Some(answer.into_body()),
                Err(why) => without_answer(&told, why),
            },
        };
        // What was refused has gone nowhere, and the next line need not wait for it.
        drop(up.passed());
        if let Some(answer) = answer {
            self.tell_client(&answer).await;
        }
        if let Some(gone) = up.answered() {
            // The reader of the child may have ended.
            gone.send(()).ok();
        }
    }

    /// What the child says, until it says nothing any more.
    pub(super) async fn down<R: AsyncBufRead + Unpin>(self: Arc<Self>, mut lines: Lines<R>) {
        while let Ok(Some(line)) = lines.next().await {
            let told = envelope(&line.bytes).unwrap_or_default();
            match (&told.id, &told.method) {
                _ if line.cut => {
                    // Whose answer it was stands in what was not read.
                    self.one_down(line.bytes, &told).await;
                    self.server.fail_all(Gone::TooLong);
                }
                (Some(id), None) => {
                    if !self.server.answer(id, line.bytes).await {
                        tracing::warn!("dropped an answer that nobody waits for");
                        self.refusals.refused(&self.door, Refuser::Framing, "unsolicited_answer");
                    }
                }
                _ => self.one_down(line.bytes, &told).await,
            }
        }
        self.server.close().await;
        self.server.fail_all(Gone::Ended);
        self.over.notify_one();
    }

    /// A message that nobody has asked for.
    async fn one_down(&self, line: Bytes, told: &Envelope) {
        let mut request = Request::new(Full::default());
        request.extensions_mut().insert(Way::Down(line));
        let Ok(answer) = self.exchange(request).await else { return };
        if answer.extensions().get::<Declined>().is_none() {
            return self.tell_client(answer.body()).await;
        }
        // A question is answered to the one who asked; of anything else nobody hears.
        if told.id.is_some() && told.method.is_some() && self.server.write(answer.body()).await.is_err() {
            tracing::debug!("the server does not read any more");
        }
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Gone> {
        request.headers_mut().insert(headers::SESSION, self.session.clone());
        *request.uri_mut() = http::Uri::from_static("/mcp");
        let answer: Response<GuardedBody<Full<Bytes>>> = self.guard.clone().oneshot(request).await?;
        let (head, body) = answer.into_parts();
        let Ok(body) = body.collect().await;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    async fn tell_client(&self, message: &[u8]) {
        if message.is_empty() {
            return;
        }
        let mut line: Vec<u8> = message.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
        line.push(b'\n');
        let mut client = self.client.lock().await;
        let written = match client.write_all(&line).await {
            Ok(()) => client.flush().await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            // Nobody reads any more: the child is told that nobody speaks any more either.
            drop(client);
            self.server.close().await;
        }
    }
}
