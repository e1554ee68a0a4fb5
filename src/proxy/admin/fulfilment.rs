//! `/v1/pacts/{id}/fulfillment`: how the version in force is kept, since it came into force here.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use crate::base::verdict::Severity;
use crate::pact::fulfilment::{Measured, measured};
use crate::proxy::problem::Problem;

use super::Context;
use super::pacts::{Answer, Asked, Which, asked, key, rows, time};

/// A promise that an evidence rule measures; this build draws no statistics yet.
fn promise(measured: &Measured) -> Value {
    let Measured { predicate, what, limit } = measured;
    json!({"predicate": predicate, "what": what, "current": null, "limit": limit, "status": "not_measured"})
}

/// The counts of the version in force; a version that is not in force has none.
pub(super) async fn of(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let asked = asked(query)?;
    let rows = rows(&shelved, &id, asked.agent.as_deref())?;
    let active = rows.iter().find(|row| row.active);
    let kept = active.and_then(|row| Some((row, context.fulfilment.of(&row.sealed.checked().digest().0)?)));
    let Some((row, kept)) = kept else {
        let why = "no version of it is in force, and only that is counted";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_in_force", why));
    };
    let (pact, tally) = (row.sealed.checked().pact(), &kept.tally);
    Ok(Json(json!({
        "pact": id,
        "agent": key(&row.sealed).1,
        "version": pact.version.to_string(),
        "since": time(kept.since_us.div_euclid(1_000_000)),
        "lane": kept.lane,
        "evaluated": tally.evaluated,
        "compliant": tally.compliant,
        "rate": tally.rate(),
        "lowest": tally.lowest().map(|(predicate, rate)| json!({"predicate": predicate, "rate": rate})),
        "violations": {
            "critical": tally.count(Severity::Critical),
            "major": tally.count(Severity::Major),
            "minor": tally.count(Severity::Minor),
        },
        "at_least": tally.beyond > 0,
        "promises": measured(pact).iter().map(promise).collect::<Vec<_>>(),
    })))
}
