//! `/v1/evidence`: records found again, explained, proven and acknowledged; `/v1/checkpoint`: the last signed head.
//!
//! Records need the token: they say which message of which session broke what, and in a pod the guarded agent shares the
//! loopback. The head is free: it tells nothing but a count. One question at a time reads the log, away from the traffic.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::base::limits::QUERY_LOOK_BYTES_MAX;
use crate::evidence::LogError;
use crate::evidence::log::LogHandle;
use crate::evidence::prove::prove;
use crate::evidence::query::{BadQuery, Parameter, Query, query};
use crate::evidence::receipt::Level;
use crate::evidence::show::show;
use crate::proxy::problem::Problem;

use super::Context;
use super::pacts::{Answer, Asked, asked};

/// What a proof is sent as.
const TEXT: &str = "text/plain; charset=utf-8";

/// Records that fit, the newest first, with a cursor.
pub(super) async fn list(State(context): State<Context>, headers: HeaderMap, given: Asked<Vec<(String, String)>>) -> Answer {
    context.allows(&headers)?;
    let log = log(&context)?;
    let mut wanted = Query::default();
    let now = context.clock.wall_us();
    for (name, value) in asked(given)? {
        let value = match Parameter::parse(&name) {
            // Records have pseudonyms; who asks may know the session by its name.
            Some(Parameter::Session) if !is_pseudonym(&value) => log.pseudonym("session", &value),
            _ => value,
        };
        wanted.set(&name, &value, now).map_err(|bad| refused(&bad))?;
    }
    let dir = Arc::clone(&context.evidence);
    let page = reading(&context, move || query(&*dir, &wanted, QUERY_LOOK_BYTES_MAX, true)).await?;
    told(&page)
}

/// One record with what belongs to it, and what it says in words.
pub(super) async fn one(State(context): State<Context>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    context.allows(&headers)?;
    let dir = Arc::clone(&context.evidence);
    let shown = reading(&context, move || show(&*dir, &id)).await?;
    told(&shown)
}

/// A proof of one record that stands alone, as a C2SP tlog-proof.
pub(super) async fn proof(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    context.allows(&headers)?;
    let dir = Arc::clone(&context.evidence);
    let proof = reading(&context, move || prove(&*dir, &id)).await?;
    Ok(([(CONTENT_TYPE, TEXT)], proof.text).into_response())
}

/// What is asked of a receipt.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    level: Option<String>,
}

/// A receipt of one record of the open log, signed for the one who asks.
pub(super) async fn receipt(
    State(context): State<Context>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Asked<Wanted>,
) -> Result<Response, Problem> {
    context.allows(&headers)?;
    let level = match asked(query)?.level {
        None => Level::Durable,
        Some(word) => Level::parse(&word)
            .ok_or_else(|| Problem::bad_request("query", "`level` of a receipt: give `signed` or `durable`"))?,
    };
    let (dir, log) = (Arc::clone(&context.evidence), log(&context)?.clone());
    let issued = reading(&context, move || log.receipt_of(&*dir, &id, level)).await?;
    Ok(([(CONTENT_TYPE, TEXT)], issued.text).into_response())
}

/// The last signed head, as the signed note it is.
pub(super) async fn checkpoint(State(context): State<Context>) -> Result<Response, Problem> {
    let head = log(&context)?.signed_head();
    let head = head.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no_head", "the log has signed no head yet"))?;
    Ok(([(CONTENT_TYPE, TEXT)], head.note.clone()).into_response())
}

fn log(context: &Context) -> Result<&LogHandle, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "no_evidence", "this sidecar keeps no evidence");
    context.log.as_ref().ok_or_else(none)
}

fn told(answer: &impl serde::Serialize) -> Answer {
    let value: Result<Value, _> = serde_json::to_value(answer);
    value.map(Json).map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "document", e.to_string()))
}

fn refused(bad: &BadQuery) -> Problem {
    Problem::bad_request("query", bad.to_string())
}

fn is_pseudonym(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Reads the log on a thread that may wait for the disk.
async fn reading<T: Send + 'static>(
    context: &Context,
    read: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, Problem> {
    let Ok(one) = Arc::clone(&context.reading).try_acquire_owned() else {
        return Err(Problem::busy("another question for evidence is being answered"));
    };
    let task = tokio::task::spawn_blocking(move || {
        let answer = read();
        drop(one);
        answer
    });
    match task.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error @ LogError::NotFound(_))) => {
            Err(Problem::new(StatusCode::NOT_FOUND, "no_record", format!("{error}; retention may have taken it")))
        }
        Ok(Err(error @ LogError::Uncovered(_))) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_signed_yet", error.to_string()))
        }
        Ok(Err(error @ LogError::KeyGone(_))) => Err(Problem::new(StatusCode::GONE, "key_gone", error.to_string())),
        Ok(Err(error @ (LogError::Full | LogError::Closed))) => Err(Problem::busy(error.to_string())),
        Ok(Err(error)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "evidence", error.to_string())),
        Err(_) => Err(Problem::busy("the process is ending")),
    }
}
