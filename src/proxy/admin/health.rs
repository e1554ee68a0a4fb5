//! `/livez`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::base::names::Mode;
use crate::proxy::problem::Problem;

use super::Context;

/// The event loop turns.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether traffic should come, and what a person should know.
pub(super) async fn ready(State(context): State<Context>) -> Response {
    let state = context.state.now();
    let failing = context.log.as_ref().is_some_and(crate::evidence::log::LogHandle::is_failing);
    let expired = state.pact.as_ref().is_some_and(|pact| pact.is_over(context.clock.wall_us()));
    // Who refuses everything is no place for traffic.
    let refusing = expired && state.listeners.iter().any(|l| l.mode == Mode::Enforce.as_str());
    let ready = !state.draining && state.pact.is_some() && !refusing;
    let mut notes: Vec<Value> = Vec::new();
    if state.draining {
        notes.push("the process is ending".into());
    }
    if state.pact.is_none() {
        notes.push("no pact is in force".into());
    }
    if expired {
        let what =
            if refusing { "where it is enforced every exchange is refused" } else { "exchanges pass, and their records say so" };
        notes.push(format!("the pact has expired: {what}; bring a newer one").into());
    }
    if state.pact.as_ref().is_some_and(|p| !p.signed) {
        notes.push("development: there is no trust file, and nobody vouches for the pact".into());
    }
    if let Some(reload) = state.reload.as_ref().filter(|r| r.outcome == "refused") {
        notes.push(format!("the last reload was refused: {}", reload.reason.as_deref().unwrap_or_default()).into());
    }
    notes.extend(context.shelf.now().notes.iter().cloned().map(Value::from));
    if failing {
        notes.push("the evidence log cannot be written".into());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "trust": state.trust,
        "pact": state.pact,
        "reload": state.reload,
        "notes": notes,
    });
    (status, Json(body)).into_response()
}

/// Everything counted, in Prometheus' text form.
pub(super) async fn metrics(State(context): State<Context>) -> Response {
    let Some(metrics) = &context.metrics else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_metrics", "the metrics of this process go elsewhere")
            .into_response();
    };
    if let Some(expires) = context.state.now().pact.and_then(|p| p.expires) {
        let now = context.clock.wall_us().div_euclid(1_000_000);
        crate::base::telemetry::pact_expires_seconds(expires.saturating_sub(now) as f64);
    }
    metrics.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}
