//! The admin port: health, status, metrics, pacts, evidence, reload. Apart from the traffic, on an address of its own.
//!
//! Reading is free for who reaches the port, but for the records of the evidence; those, and what changes state, always need
//! the token, since in a pod the guarded agent shares the loopback. Errors are RFC 9457 problems. Numbers not yet measured
//! are null.

mod evidence;
mod fulfilment;
mod health;
mod keep;
mod pacts;
mod reload;
mod statements;
mod status;
pub mod token;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::base::clock::SharedClock;
use crate::evidence::log::LogHandle;
use crate::evidence::sink::Sinks;
use crate::guard::Fulfilment;
use crate::program::Live;

use super::problem::Problem;
use super::reload::keep::NotKept;
use super::reload::sent::Outcome;
use super::state::{Reload, Shared};
use super::store::Shelf;
use token::Token;

/// What the one task that changes pacts is asked for, and where to tell how it ended.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Read config and pact anew; nobody may wait for the outcome.
    Reload(Option<oneshot::Sender<Reload>>),
    /// Keep the sealed pact, or the statement, with this text.
    Keep(String, oneshot::Sender<Result<Outcome, NotKept>>),
}

/// What the routes need.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) state: Shared,
    pub(super) metrics: Option<PrometheusHandle>,
    pub(super) token: Arc<Token>,
    pub(super) wishes: mpsc::Sender<Wish>,
    pub(super) shelf: Shelf,
    pub(super) live: Live,
    pub(super) fulfilment: Fulfilment,
    /// One pact at a time is compiled for a question: that costs far more than asking.
    pub(super) compiling: Arc<Semaphore>,
    pub(super) log: Option<LogHandle>,
    /// The folder of the evidence.
    pub(super) evidence: Arc<std::path::PathBuf>,
    /// One question at a time reads the log.
    pub(super) reading: Arc<Semaphore>,
    pub(super) sinks: Arc<Sinks>,
    pub(super) clock: SharedClock,
}

impl Context {
    /// Whether a request may change something.
    fn allows(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let refusal = || {
            let how = "send `authorization: Bearer` with the content of the admin token file";
            Problem::new(StatusCode::UNAUTHORIZED, "token", how)
        };
        if self.token.allows(headers) { Ok(()) } else { Err(refusal()) }
    }

    fn now_s(&self) -> i64 {
        self.clock.wall_us().div_euclid(1_000_000)
    }
}

/// The routes.
pub(super) fn router(context: Context) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/checkpoint", get(evidence::checkpoint))
        .route("/v1/evidence", get(evidence::list))
        .route("/v1/evidence/{id}", get(evidence::one))
        .route("/v1/evidence/{id}/proof", get(evidence::proof))
        .route("/v1/evidence/{id}/receipt", get(evidence::receipt))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/pacts", get(pacts::all).post(keep::keep))
        .route("/v1/pacts/{id}", get(pacts::one))
        .route("/v1/pacts/{id}/versions", get(pacts::versions))
        .route("/v1/pacts/{id}/diff", get(pacts::diff))
        .route("/v1/pacts/{id}/coverage", get(pacts::coverage))
        .route("/v1/pacts/{id}/calendar", get(pacts::dates))
        .route("/v1/pacts/{id}/fulfillment", get(fulfilment::of))
        .route("/v1/pacts/{id}/statements", get(statements::all))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no_route", "no such route; see /v1/status"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this route has another method")
        })
        .with_state(context)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.answer()
    }
}
