//! `/v1/status`: one screen for the person on call, as JSON.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::seal::encode;

use super::Context;

/// Version, listeners, pacts, reloads, evidence.
pub(super) async fn status(State(context): State<Context>) -> Json<Value> {
    let state = context.state.now();
    let now_us = context.clock.wall_us();
    let expired = (!state.pacts.is_empty()).then(|| state.pacts.iter().any(|pact| pact.is_over(now_us)));
    let [loaded, unchanged, refused] = context.state.counts();
    let evidence = context.log.as_ref().map(|log| {
        json!({
            "log": log.log_id(),
            "origin": log.origin(),
            "records": log.durable_records(),
            "spool_bytes": log.spool_bytes(),
            "filling": log.is_filling(),
            "failing": log.is_failing(),
            "sinks": context.sinks.status(),
            "checkpoint": log.signed_head().map(|signed| json!({
                "origin": signed.head.origin,
                "size": signed.head.size,
                "root": encode::base64(&signed.head.root.0),
                "time_us": signed.time_us,
                "note": signed.note,
            })),
        })
    });
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": context.clock.steady_ns() / 1_000_000_000,
        "draining": state.draining,
        "trust": state.trust,
        "pacts": state.pacts,
        "expired": expired,
        "listeners": state.listeners,
        "reload": state.reload,
        "reloads": {"loaded": loaded, "unchanged": unchanged, "refused": refused},
        "evidence": evidence,
    }))
}
