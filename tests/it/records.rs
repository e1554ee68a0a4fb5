//! Every exchange leaves exactly one record, whatever ended it, and the log of them verifies.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use servanda::evidence::show::show;
use servanda::evidence::verify::{Policy, verify};
use servanda::evidence::{Log, LogOptions};
use servanda::guard::{Guard, GuardedBody, Route, WhenFull};
use tower::ServiceExt;

use crate::support::guarded::{Agent, Pieces, Script, chat, chunk, completion, enforce, post, recorded, text_stream};

/// All records of a sealed log that is valid.
fn records(dir: &Path) -> Vec<Value> {
    let report = verify(dir, &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    (0..report.records).map(|index| show(dir, &index.to_string()).unwrap().record).collect()
}

fn kinds(records: &[Value]) -> BTreeMap<&str, usize> {
    let mut out = BTreeMap::new();
    for record in records {
        *out.entry(record["kind"].as_str().unwrap()).or_default() += 1;
    }
    out
}

async fn ask(guard: &Guard<Agent>, request: Request<Full<Bytes>>) -> Response<GuardedBody<Pieces>> {
    guard.clone().oneshot(request).await.unwrap()
}

async fn drain(response: Response<GuardedBody<Pieces>>) {
    response.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn allowed_refused_redacted_cut_and_left_exchanges_leave_one_record_each() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let card = Script::json(completion(&["Your card 4111 1111 1111 1111 is on file"]));
    let stream = |pieces: &[&str]| Script::events(vec![Bytes::from(text_stream(pieces))]);

    drain(ask(&recorded(Script::json(completion(&["fine"])), enforce(), &log), chat("hi", false)).await).await;
    drain(ask(&recorded(card, enforce(), &log), chat("hi", false)).await).await;
    drain(ask(&recorded(Script::json(completion(&["x"])), enforce(), &log), chat("My SSN is 536-22-8731", false)).await).await;
    drain(ask(&recorded(stream(&["I am a human", " being."]), enforce(), &log), chat("hi", true)).await).await;
    drain(ask(&recorded(Script::json(completion(&["x"])), enforce(), &log), post("{\"a\":1,\"a\":2}")).await).await;
    // The client leaves: before the head is read, and in the middle of the stream.
    drop(recorded(Script::json(completion(&["x"])), enforce(), &log).oneshot(chat("hi", false)));
    drop(ask(&recorded(stream(&["one", "two"]), enforce(), &log), chat("hi", true)).await);

    log.close().unwrap();
    let records = records(dir.path());
    let exchanges: Vec<&Value> = records.iter().filter(|r| r["kind"] == "exchange").collect();
    let told: Vec<(&str, &str)> =
        exchanges.iter().map(|r| (r["act"].as_str().unwrap(), r["completion"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("allow", "completed"),
            ("redact", "completed"),
            ("block", "declined"),
            ("block", "declined"),
            ("block", "declined"),
            ("allow", "cancelled"),
        ],
        "a future that was never polled has not begun"
    );
    assert_eq!(kinds(&records)["intervention"], 3);
    assert_eq!(exchanges[2]["hits"][0]["predicate"], "pii");
    assert_eq!(exchanges[3]["moment"], "mid_stream");
    assert_eq!(exchanges[4]["reason"], "duplicate_key");
    assert_eq!(exchanges[4]["unjudged"], json!([{"reason": "undecodable", "what": "duplicate_key"}]));
    assert!(exchanges[0]["commit"]["delivered"].is_null() && exchanges[1]["commit"]["delivered"].is_string());
    let text = records.iter().map(Value::to_string).collect::<String>();
    for secret in ["536-22", "4111 1111", "1111 1111", "41111111", "human being"] {
        assert!(!text.contains(secret), "no record holds matched text");
    }
}

#[tokio::test]
async fn a_released_call_that_cannot_be_undone_is_on_disk_before_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let call = |name: &str, arguments: &str| {
        let first = json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]});
        let stream = chunk(0, &first, None) + &chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n";
        Script::events(vec![Bytes::from(stream)])
    };
    let guard = recorded(call("refund_create", "{\"amount\": 120}"), enforce(), &log);
    let mut body = ask(&guard, chat("refund me", true)).await.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&frame).contains("refund_create"));
    // The call is out; its record is on disk although nothing was flushed.
    let on_disk = (0..8).filter_map(|index| show(dir.path(), &index.to_string()).ok()).any(|shown| {
        shown.record["kind"] == "intervention" && shown.record["tool"] == "refund_create" && shown.record["act"] == "allow"
    });
    assert!(on_disk);
    drop(body);
    log.close().unwrap();
    let records = records(dir.path());
    let exchange = records.iter().find(|r| r["kind"] == "exchange").unwrap();
    assert_eq!((&exchange["calls"][0]["tool"], &exchange["interventions"]), (&json!("refund_create"), &json!(1)));
}

/// A log with no room (case 8): refused where the route says so, else passed, and counted either way.
#[tokio::test]
async fn a_full_log_refuses_or_lets_pass_with_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = LogOptions::new(dir.path());
    options.queue_records = 1;
    let log = Log::open_with(&options).unwrap();
    let guard = |when_full| {
        let route = Route { when_full, ..enforce() };
        recorded(Script::json(completion(&["fine"])), route, &log)
    };
    let taken = log.handle().reserve().unwrap();
    let refused = ask(&guard(WhenFull::Block), chat("hi", false)).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after") || refused.headers().contains_key("x-should-retry"));
    drain(refused).await;
    let passed = ask(&guard(WhenFull::PassWithGap), chat("hi", false)).await;
    assert_eq!(passed.status(), 200);
    drain(passed).await;
    drop(taken);
    log.handle().flush().wait().unwrap();
    // There is room again.
    let answered = ask(&guard(WhenFull::Block), chat("hi", false)).await;
    assert_eq!(answered.status(), 200);
    drain(answered).await;
    log.close().unwrap();
    let records = records(dir.path());
    assert_eq!(kinds(&records)["exchange"], 2);
    let gaps: Vec<(&str, u64)> = records
        .iter()
        .filter(|r| r["kind"] == "gap")
        .map(|r| (r["cause"].as_str().unwrap(), r["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(gaps, [("fail_open", 1)]);
    let shed = records.iter().filter(|r| r["kind"] == "heartbeat").map(|r| r["shed"].as_u64().unwrap()).max();
    assert_eq!(shed, Some(1));
}
