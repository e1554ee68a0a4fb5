//! `/v1/pacts/{id}/statements`: what was signed beside a pact, and what each of it does now.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::proxy::reload::hear::Listed;
use crate::proxy::store::Heard;

use super::Context;
use super::pacts::{Answer, Asked, Which, asked, key, rows, time};

/// One statement.
fn row(heard: &Heard, now: i64) -> Value {
    let (said, signed) = (&heard.said, &heard.said.statement);
    let signers =
        signed.signatures().iter().map(|s| json!({"role": s.role, "by": s.by, "key": s.key.multibase(), "at": time(s.at)}));
    json!({
        "pact": heard.pact,
        "agent": heard.agent,
        "kind": signed.statement().kind(),
        "id": said.id.hex(),
        "digest": signed.digest().hex(),
        "says": signed.statement().to_string(),
        "status": said.effect(now),
        "means": said.means,
        "code": said.code,
        "signatures": signers.collect::<Vec<_>>(),
    })
}

/// 201 where it is kept now, 200 where it was kept before; `problem` says why the load that followed was refused.
pub(super) fn kept(listed: &Listed, now: i64) -> Response {
    let status = if listed.known { StatusCode::OK } else { StatusCode::CREATED };
    let mut body = row(&listed.heard, now);
    if let Some(map) = body.as_object_mut() {
        let problem = listed.problem.as_ref().map(|(code, why)| json!({"code": code, "detail": why}));
        map.insert("problem".to_owned(), json!(problem));
    }
    (status, Json(body)).into_response()
}

/// Every statement beside one pact of one agent, in the order in which they were signed.
pub(super) async fn all(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let rows = rows(&shelved, &id, asked(query)?.agent.as_deref())?;
    let agent = rows.first().and_then(|row| key(&row.sealed).1);
    let here = shelved.statements.iter().filter(|heard| heard.pact == id && heard.agent.as_deref() == agent);
    let list: Vec<Value> = here.map(|heard| row(heard, context.now_s())).collect();
    Ok(Json(json!({"pact": id, "agent": agent, "statements": list})))
}
