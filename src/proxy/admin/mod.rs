//! The admin port: health, status, metrics, reload. Apart from the traffic, on an address of its own.
//!
//! Reading is free for who reaches the port; what changes state always needs the token, since in a pod
//! the guarded agent shares the loopback. Errors are RFC 9457 problems. Numbers not yet measured are
//! null.

mod health;
mod reload;
mod status;
pub mod token;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{mpsc, oneshot};

use crate::base::clock::SharedClock;
use crate::evidence::log::LogHandle;

use super::problem::Problem;
use super::state::{Reload, Shared};
use token::Token;

/// A wish for a reload, and where to tell how it ended.
#[derive(Debug)]
pub struct ReloadWish {
    /// Gets the outcome; none for a wish that nobody waits for.
    pub told: Option<oneshot::Sender<Reload>>,
}

/// What the routes need.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) state: Shared,
    pub(super) metrics: Option<PrometheusHandle>,
    pub(super) token: Arc<Token>,
    pub(super) reload: mpsc::Sender<ReloadWish>,
    pub(super) log: Option<LogHandle>,
    pub(super) clock: SharedClock,
}

/// The routes.
pub(super) fn router(context: Context) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/reload", post(reload::reload))
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
