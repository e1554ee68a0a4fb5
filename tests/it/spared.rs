//! What is refused at its head, and what becomes of it where verdicts are only noted.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use servanda::base::clock::ManualClock;
use servanda::base::names::Mode;
use servanda::evidence::Log;
use servanda::guard::{Budget, Expired, GuardLayer, Route};

use crate::support::guarded::{Script, behind, chat, completion, enforce, send, support_pact};
use crate::support::written::written;

/// 2026-11-21 and 2046-11-21 in microseconds.
const IN_TERM: i64 = 1_795_219_200_000_000;
const AFTER: i64 = 2_426_371_200_000_000;

/// Sends one chat that breaks nothing; gives the status, the header of the verdict, whether the agent was
/// asked, and the record.
fn ask(mode: Mode, room: usize, now_us: i64) -> (StatusCode, Option<String>, bool, Vec<Value>) {
    ask_route(Route { mode, ..enforce() }, room, now_us, "hi")
}

/// The same on a route, with a text.
fn ask_route(route: Route, room: usize, now_us: i64, text: &str) -> (StatusCode, Option<String>, bool, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let layer = GuardLayer::builder(support_pact())
        .evidence(log.handle())
        .route(route)
        .budget(Arc::new(Budget::new(1 << 20, room)))
        .clock(Arc::new(ManualClock::at(now_us)))
        .build();
    let (guard, agent) = behind(&layer, Script::json(completion(&["fine"])));
    let (head, _) = send(&guard, chat(text, false));
    log.close().unwrap();
    let verdict = head.headers.get("x-servanda-verdict").map(|v| v.to_str().unwrap().to_owned());
    let asked = !agent.asked.lock().unwrap().is_empty();
    let records = written(dir.path()).into_iter().filter(|r| r["kind"] == "exchange" || r["kind"] == "intervention");
    (head.status, verdict, asked, records.collect())
}

#[test]
fn room_and_term_refuse_where_verdicts_are_carried_out_and_are_noted_elsewhere() {
    for (room, now_us, status, reason) in [
        (0, IN_TERM, StatusCode::SERVICE_UNAVAILABLE, "parallel_max"),
        (8, AFTER, StatusCode::FORBIDDEN, "expired"),
        (8, 0, StatusCode::FORBIDDEN, "not_in_force"),
    ] {
        let (seen, verdict, asked, records) = ask(Mode::Enforce, room, now_us);
        assert_eq!((seen, verdict.as_deref(), asked), (status, Some("block"), false), "{reason}");
        assert_eq!(records.len(), 2, "{records:?}");
        assert!(records.iter().all(|r| r["reason"] == reason && r["act"] == "block"), "{records:?}");
        let exchange = records.iter().find(|r| r["kind"] == "exchange").unwrap();
        assert_ne!(exchange["completion"], "completed");

        for (mode, verdict) in [(Mode::Flag, Some("block")), (Mode::Observe, None)] {
            let (seen, marked, asked, records) = ask(mode, room, now_us);
            assert_eq!((seen, marked.as_deref(), asked), (StatusCode::OK, verdict, true), "{reason} {mode:?}");
            assert_eq!(records.len(), 1, "{records:?}");
            let told = (&records[0]["act"], &records[0]["reason"], &records[0]["mode"], &records[0]["completion"]);
            assert_eq!(told, (&json!("block"), &json!(reason), &json!(mode.as_str()), &json!("completed")));
        }
    }
}

#[test]
fn a_pact_that_is_over_flags_where_the_route_says_so_and_is_kept_to_as_before() {
    for (mode, marked) in [(Mode::Enforce, Some("flag")), (Mode::Flag, Some("flag")), (Mode::Observe, None)] {
        let (seen, verdict, asked, records) = ask_route(Route { mode, expired: Expired::Flag, ..enforce() }, 8, AFTER, "hi");
        assert_eq!((seen, verdict.as_deref(), asked, records.len()), (StatusCode::OK, marked, true, 1), "{mode:?}");
        assert_eq!((&records[0]["act"], &records[0]["reason"]), (&json!("flag"), &json!("expired")));
    }
    let route = Route { expired: Expired::Flag, ..enforce() };
    let (seen, verdict, asked, _) = ask_route(route.clone(), 8, AFTER, "my SSN is 536-22-8731");
    assert_eq!((seen, verdict.as_deref(), asked), (StatusCode::BAD_REQUEST, Some("block"), false), "what it forbids it forbids");
    // Before its day it binds nobody, whatever is said of its end.
    assert_eq!(ask_route(route, 8, 0, "hi").0, StatusCode::FORBIDDEN);
}

#[test]
fn with_room_and_in_term_nothing_is_noted() {
    for mode in [Mode::Enforce, Mode::Flag, Mode::Observe] {
        let (seen, _, asked, records) = ask(mode, 1, IN_TERM);
        assert_eq!((seen, asked, records.len()), (StatusCode::OK, true, 1));
        assert_eq!((&records[0]["act"], &records[0]["reason"]), (&json!("allow"), &Value::Null));
    }
}
