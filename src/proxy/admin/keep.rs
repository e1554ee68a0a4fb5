//! `POST /v1/pacts`: a sealed pact to be kept, and brought into force when it is due; or a statement beside one, which
//! acts from then on. Needs the token.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;

use crate::base::limits::DOCUMENT_MAX;
use crate::proxy::problem::Problem;
use crate::proxy::reload::Refused;
use crate::proxy::reload::keep::{Kept, NotKept};
use crate::proxy::reload::sent::Outcome;
use crate::proxy::store::StoreError;

use super::{Context, Wish, pacts, statements};

/// 201 where it is kept now, 200 where it was kept before; `status` and `means` say what became of it.
pub(super) async fn keep(State(context): State<Context>, headers: HeaderMap, body: Body) -> Response {
    match sent(&context, &headers, body).await {
        Ok(Outcome::Pact(kept)) => answer(&kept),
        Ok(Outcome::Statement(listed)) => statements::kept(&listed, context.now_s()),
        Err(problem) => problem.into_response(),
    }
}

async fn sent(context: &Context, headers: &HeaderMap, body: Body) -> Result<Outcome, Problem> {
    context.allows(headers)?;
    let too_large = |_| {
        let why = format!("a pact has at most {DOCUMENT_MAX} bytes, and must be sent whole");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why)
    };
    let bytes = to_bytes(body, DOCUMENT_MAX).await.map_err(too_large)?;
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::bad_request("broken", "the pact is not UTF-8"))?;
    let gone = || Problem::busy("the process is ending");
    let (told, outcome) = oneshot::channel();
    context.wishes.send(Wish::Keep(text, told)).await.map_err(|_| gone())?;
    outcome.await.map_err(|_| gone())?.map_err(problem)
}

fn answer(kept: &Kept) -> Response {
    let mut body = pacts::row(&kept.row, kept.standing);
    if let Some(map) = body.as_object_mut() {
        map.insert("means".to_owned(), json!(kept.means));
        let follows = kept.comparison.as_ref();
        map.insert("follows".to_owned(), json!(follows.map(|c| c.old.to_string())));
        map.insert("level".to_owned(), json!(follows.map(|c| c.level())));
        map.insert("direction".to_owned(), json!(follows.map(|c| c.direction())));
    }
    let pact = kept.row.sealed.checked().pact();
    let status = if kept.known { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, Json(body)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/pacts/{}?version={}", pact.id, pact.version)) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn problem(why: NotKept) -> Problem {
    match why {
        NotKept::Refused(refused) => {
            let status = match &refused {
                Refused::Broken(_) => StatusCode::BAD_REQUEST,
                // Here it can only be the trust file.
                Refused::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Problem::new(status, refused.code(), refused.to_string())
        }
        NotKept::NotAdmitted(error) => Problem::new(StatusCode::CONFLICT, error.code(), error.to_string()),
        NotKept::Unheard(code, why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, why),
        NotKept::Store(error) => {
            let (status, code) = match &error {
                StoreError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "store_full"),
                StoreError::Disk { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
                StoreError::Unreadable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not_kept"),
            };
            Problem::new(status, code, error.to_string())
        }
    }
}
