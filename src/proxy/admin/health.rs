//! `/livez`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::proxy::ends::near;
use crate::proxy::problem::Problem;
use crate::proxy::state::ListenerState;

use super::Context;

/// The event loop turns.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Whether traffic should come, and what a person should know.
pub(super) async fn ready(State(context): State<Context>) -> Response {
    let state = context.state.now();
    let failing = context.log.as_ref().is_some_and(crate::evidence::log::LogHandle::is_failing);
    let now_us = context.clock.wall_us();
    // Who refuses everything is no place for traffic. A portfolio may still have tasks that no pact of those which are
    // over governs.
    let program = context.live.pin();
    let nothing_left = !program.in_force(now_us) && program.tasks().all(|(_, program)| !program.in_force(now_us));
    let refuses = state.listeners.iter().any(ListenerState::refuses_expired);
    let refusing = nothing_left && refuses;
    let ready = !state.draining && !state.pacts.is_empty() && !refusing;
    let mut notes: Vec<Value> = Vec::new();
    if state.draining {
        notes.push("the process is ending".into());
    }
    if state.pacts.is_empty() {
        notes.push("no pact is in force".into());
    }
    for pact in state.pacts.iter().filter(|pact| pact.is_over(now_us)) {
        let what = if refuses {
            "where it is enforced every exchange that it governs is refused, unless the route flags instead"
        } else {
            "exchanges pass, and their records say so"
        };
        notes.push(format!("the pact `{}` has expired: {what}; bring a newer one", pact.pact).into());
    }
    notes.extend(state.pacts.iter().filter_map(|pact| near(pact, now_us)).map(Value::from));
    if state.pacts.iter().any(|p| !p.signed) {
        notes.push("development: there is no trust file, and nobody vouches for the pact".into());
    }
    if let Some(reload) = state.reload.as_ref().filter(|r| r.outcome == "refused") {
        notes.push(format!("the last reload was refused: {}", reload.reason.as_deref().unwrap_or_default()).into());
    }
    notes.extend(context.shelf.now().notes.iter().cloned().map(Value::from));
    if failing {
        notes.push("the evidence log cannot be written".into());
    }
    for sink in context.sinks.status().iter().filter(|sink| sink.state.needs_a_person()) {
        notes
            .push(format!("the evidence sink `{}` takes nothing: {}", sink.name, sink.why.as_deref().unwrap_or_default()).into());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "trust": state.trust,
        "pacts": state.pacts,
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
    if let Some(expires) = context.state.now().pacts.iter().filter_map(|pact| pact.expires).min() {
        let now = context.clock.wall_us().div_euclid(1_000_000);
        crate::base::telemetry::pact_expires_seconds(expires.saturating_sub(now) as f64);
    }
    metrics.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}
