//! `/v1/pacts`: the pacts in force and those that are kept, their versions, differences, coverage and dates.
//!
//! All of it is answered from memory, as of the last load. Where one name stands for pacts of several agents,
//! `?agent=` says which; without `?version=` the version in force is meant, else the newest.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::pact::calendar::{Known, calendar};
use crate::pact::change::compare;
use crate::pact::life::Effect;
use crate::pact::statement::KeyChange;
use crate::pact::term::SemVer;
use crate::pact::{Packs, SealedPact};
use crate::program::compile::compile_one;
use crate::proxy::problem::Problem;
use crate::proxy::store::{Heard, Row, Shelved, Standing};

use super::Context;

pub(super) type Answer = Result<Json<Value>, Problem>;

/// Which version of which pact is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    pub(super) agent: Option<String>,
    version: Option<String>,
}

/// Between which versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    agent: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// What a question says behind the path; a misspelt key is a mistake.
pub(super) type Asked<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

pub(super) fn asked<T>(asked: Asked<T>) -> Result<T, Problem> {
    asked.map(|Query(asked)| asked).map_err(|error| Problem::bad_request("query", error.body_text()))
}

/// Unix seconds as people and programs read them.
pub(super) fn time(at: i64) -> Value {
    jiff::Timestamp::from_second(at).map_or(Value::Null, |at| at.to_string().into())
}

/// One version.
pub(super) fn row(row: &Row, standing: Standing) -> Value {
    let (checked, signatures) = (row.sealed.checked(), row.sealed.signatures());
    let pact = checked.pact();
    let signers = signatures.iter().map(|s| json!({"role": s.role, "by": s.by, "key": s.key.multibase(), "at": time(s.at)}));
    json!({
        "pact": pact.id,
        "agent": pact.subject.agent,
        "version": pact.version.to_string(),
        "status": standing,
        "digest": checked.digest().hex(),
        "signed": row.signed,
        "kept": row.kept,
        "from": row.from.map(time),
        "until": row.until().map(|date| time(date.at)),
        "notice_until": row.notice.map(time),
        "consent": row.consent.map(|by| by.hex()),
        "end": row.end.as_ref().map(|end| json!({"terminated": end.terminated, "by": end.by.hex()})),
        "later": row.age.as_ref().map(|age| json!({
            "version": age.by.to_string(),
            "maintained": age.maintained.map(|date| time(date.at)),
            "retired": age.retired.map(|date| time(date.at)),
        })),
        "problem": row.problem.as_ref().map(|(code, why)| json!({"code": code, "detail": why})),
        "signatures": signers.collect::<Vec<_>>(),
    })
}

/// Every pact: its version in force, the newest, and what comes next.
pub(super) async fn all(State(context): State<Context>) -> Json<Value> {
    let (shelved, now) = (context.shelf.now(), context.now_s());
    let list = shelved.rows.chunk_by(|a, b| key(&a.sealed) == key(&b.sealed)).map(|rows| {
        let version = |row: &Row| row.sealed.checked().pact().version.to_string();
        let active = rows.iter().find(|r| r.active);
        let next = rows.iter().find(|r| r.standing(now) == Standing::Waiting);
        let newest = rows.last();
        let pact = newest.map(|r| r.sealed.checked().pact());
        json!({
            "pact": pact.map(|p| &p.id),
            "agent": pact.and_then(|p| p.subject.agent.as_ref()),
            "counterparty": pact.and_then(|p| p.subject.counterparty.as_ref()),
            "active": active.map(version),
            "signed": active.map(|r| r.signed),
            "newest": newest.map(version),
            "next": next.map(|r| json!({"version": version(r), "from": r.from.map(time)})),
            "versions": rows.len(),
        })
    });
    Json(json!({"pacts": list.collect::<Vec<_>>(), "store": shelved.dir, "broken": shelved.broken}))
}

pub(super) fn key(sealed: &SealedPact) -> (&str, Option<&str>) {
    let pact = sealed.checked().pact();
    (&pact.id, pact.subject.agent.as_deref())
}

/// The versions of one pact of one agent, from the oldest to the newest; never none.
pub(super) fn rows<'s>(shelved: &'s Shelved, id: &str, agent: Option<&str>) -> Result<Vec<&'s Row>, Problem> {
    let rows: Vec<&Row> = shelved
        .rows
        .iter()
        .filter(|row| key(&row.sealed).0 == id && agent.is_none_or(|agent| key(&row.sealed).1 == Some(agent)))
        .collect();
    let mut agents: Vec<&str> = rows.iter().filter_map(|row| key(&row.sealed).1).collect();
    agents.dedup();
    if rows.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_pact", "no such pact is in force or kept; /v1/pacts lists all"));
    }
    if agents.len() > 1 {
        let why = format!("several agents have a pact of that name: add ?agent= with one of {}", agents.join(", "));
        return Err(Problem::new(StatusCode::CONFLICT, "which_agent", why));
    }
    Ok(rows)
}

/// One of them by its number.
fn numbered<'s>(rows: &[&'s Row], text: &str) -> Result<&'s Row, Problem> {
    let number = SemVer::parse(text)
        .ok_or_else(|| Problem::bad_request("version", "a version is major, minor and patch, such as 2.1.0"))?;
    let found = rows.iter().copied().find(|row| row.sealed.checked().pact().version == number);
    found.ok_or_else(|| {
        let known: Vec<String> = rows.iter().map(|row| row.sealed.checked().pact().version.to_string()).collect();
        Problem::new(StatusCode::NOT_FOUND, "no_version", format!("version {number} is not known; {} are", known.join(", ")))
    })
}

/// The one in force, else the newest.
fn current<'s>(rows: &[&'s Row]) -> Option<&'s Row> {
    rows.iter().copied().find(|row| row.active).or_else(|| rows.last().copied())
}

/// The version that is asked for.
fn which<'s>(shelved: &'s Shelved, id: &str, which: &Which) -> Result<&'s Row, Problem> {
    let rows = rows(shelved, id, which.agent.as_deref())?;
    if let Some(version) = &which.version {
        return numbered(&rows, version);
    }
    current(&rows).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no_pact", "no such pact"))
}

/// One version, with its document as it was signed.
pub(super) async fn one(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let found = which(&shelved, &id, &asked(query)?)?;
    let mut body = row(found, found.standing(context.now_s()));
    let unwritten = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "document", why);
    let text = found.sealed.to_json().map_err(|e| unwritten(e.to_string()))?;
    let document: Value = serde_json::from_str(&text).map_err(|e| unwritten(e.to_string()))?;
    if let Some(map) = body.as_object_mut() {
        map.insert("document".to_owned(), document);
    }
    Ok(Json(body))
}

/// Every version.
pub(super) async fn versions(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let rows = rows(&shelved, &id, asked(query)?.agent.as_deref())?;
    let agent = rows.first().and_then(|row| key(&row.sealed).1);
    let list: Vec<Value> = rows.iter().map(|r| row(r, r.standing(context.now_s()))).collect();
    Ok(Json(json!({"pact": id, "agent": agent, "versions": list})))
}

/// What changed from one version to another: without `from` from the one in force, without `to` to the newest.
pub(super) async fn diff(State(context): State<Context>, Path(id): Path<String>, query: Asked<Between>) -> Answer {
    let shelved = context.shelf.now();
    let between = asked(query)?;
    let rows = rows(&shelved, &id, between.agent.as_deref())?;
    let chosen = |text: &Option<String>, other: Option<&'_ Row>| match text {
        Some(text) => numbered(&rows, text).map(|row| Arc::clone(&row.sealed)),
        None => other.map(|row| Arc::clone(&row.sealed)).ok_or_else(|| Problem::bad_request("version", "from and to are needed")),
    };
    let old = chosen(&between.from, current(&rows))?;
    let new = chosen(&between.to, rows.last().copied())?;
    Ok(Json(compare(old.checked(), new.checked()).report()))
}

/// What of a version this build enforces, where, and at what cost.
pub(super) async fn coverage(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let found = which(&shelved, &id, &asked(query)?)?;
    let program = context.live.pin();
    // Another one may have come into force since; and a portfolio's says what all its pacts are together.
    if found.active
        && !program.is_of_portfolio()
        && program.coverage().version == found.sealed.checked().pact().version.to_string()
    {
        return told(program.coverage());
    }
    let Ok(_one) = Arc::clone(&context.compiling).try_acquire_owned() else {
        return Err(Problem::busy("another pact is being compiled"));
    };
    let (sealed, signed) = (Arc::clone(&found.sealed), found.signed);
    let compiled = tokio::task::spawn_blocking(move || {
        compile_one(sealed.checked(), signed, Packs::shipped()).map(|program| program.coverage().clone())
    });
    match compiled.await {
        Ok(Ok(coverage)) => told(&coverage),
        Ok(Err(mistakes)) => {
            let why = format!("this build cannot compile it: {}", mistakes.render(&id, "").trim_end());
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "uncompilable", why))
        }
        Err(_) => Err(Problem::busy("the process is ending")),
    }
}

fn told(coverage: &crate::program::coverage::Coverage) -> Answer {
    let body = serde_json::to_value(coverage);
    body.map(Json).map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "document", e.to_string()))
}

/// The dates of a version, and what waits for something to happen.
pub(super) async fn dates(State(context): State<Context>, Path(id): Path<String>, query: Asked<Which>) -> Answer {
    let shelved = context.shelf.now();
    let found = which(&shelved, &id, &asked(query)?)?;
    let pact = found.sealed.checked().pact();
    let known = Known { end: found.end.as_ref(), age: found.age.as_ref(), keys: keys(&shelved, found) };
    let mut body = calendar(pact, &known).report(context.now_s());
    if let Some(map) = body.as_object_mut() {
        map.insert("pact".to_owned(), json!(pact.id));
        map.insert("version".to_owned(), json!(pact.version.to_string()));
        map.insert("timezone".to_owned(), json!(pact.evidence.timezone));
    }
    Ok(Json(body))
}

/// The keys that were announced for a pact.
fn keys<'s>(shelved: &'s Shelved, row: &Row) -> Vec<&'s KeyChange> {
    let (pact, agent) = key(&row.sealed);
    let here = |heard: &&Heard| heard.pact == pact && heard.agent.as_deref() == agent;
    let acts = |heard: &&Heard| heard.said.effect(i64::MAX) == Effect::Acts;
    shelved
        .statements
        .iter()
        .filter(here)
        .filter(acts)
        .filter_map(|heard| heard.said.statement.statement().key_change())
        .collect()
}
