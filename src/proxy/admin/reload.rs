//! `/v1/reload`: reads config and pact anew, now. Needs the token.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use crate::proxy::problem::Problem;

use super::{Context, Wish};

/// Waits for the outcome: 200 where it is loaded or unchanged, 409 where it is refused.
pub(super) async fn reload(State(context): State<Context>, headers: HeaderMap) -> Response {
    if let Err(refusal) = context.allows(&headers) {
        return refusal.into_response();
    }
    let (told, outcome) = oneshot::channel();
    let gone = || Problem::busy("the process is ending").into_response();
    if context.wishes.send(Wish::Reload(Some(told))).await.is_err() {
        return gone();
    }
    match outcome.await {
        Ok(outcome) if outcome.outcome == "refused" => {
            Problem::new(StatusCode::CONFLICT, outcome.code.unwrap_or("refused"), outcome.reason.unwrap_or_default())
                .into_response()
        }
        Ok(outcome) => Json(outcome).into_response(),
        Err(_) => gone(),
    }
}
