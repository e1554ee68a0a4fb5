//! A portfolio in the sidecar: which pacts a task stands under, what becomes of a pact that is sent, that is over, that
//! changes; and going from one pact to a portfolio and back.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use servanda::base::clock::ManualClock;
use servanda::proxy::serve::Sidecar;

use crate::pacts::{BOTH, DAY, TOLD, seal, send, trust};
use crate::portfolio::{BILLING, SUPPORT};
use crate::sidecar::{House, Load, address, json as ask, minimal};
use crate::support::client::{http1, post};
use crate::support::guarded::completion;
use crate::support::upstream::Script;
use crate::support::written::written;

const AGENT: &str = "did:web:vendor.example:agents:first";
const CLEAN: &str = r#"{"model":"m","messages":[{"role":"user","content":"Where is my order?"}]}"#;
const TASKS: &str = "facts: {task.type: {header: x-task-type, from: [127.0.0.1/32]}}";

/// A portfolio of these entries, without braces.
fn portfolio(entries: &[&str]) -> String {
    let entries: String = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    format!("agent: {AGENT}\npacts:\n{entries}")
}

/// The smallest pact under another name.
fn named(id: &str, version: &str) -> String {
    minimal(version).replace("first-pact", id)
}

fn request(sidecar: &Sidecar, task: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = post(address(sidecar), "/v1/chat/completions", CLEAN);
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    if let Some(task) = task {
        request.headers_mut().insert("x-task-type", task.parse().unwrap());
    }
    request
}

/// The status, the verdict and the pacts that a request of this task meets.
async fn meets(sidecar: &Sidecar, task: Option<&str>) -> (StatusCode, String, String) {
    let response = http1().request(request(sidecar, task)).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    (response.status(), header("x-servanda-verdict"), header("x-servanda-pact"))
}

#[tokio::test]
async fn a_task_is_judged_by_the_pacts_it_stands_under_and_an_unknown_one_by_all() {
    let house = House::new().await;
    std::fs::create_dir(house.at("desk")).unwrap();
    let head = |name: &str| format!("format: 1\npact: {name}\nversion: \"1.0.0\"\nsubject: {{agent: \"{AGENT}\"}}\n");
    house.write("desk/support.pact.yaml", &(head("support") + SUPPORT));
    house.write("desk/billing.pact.yaml", &(head("billing") + BILLING));
    let entries = [
        "pact: support.pact.yaml, tasks: [support, billing], weight: 0.5",
        "pact: billing.pact.yaml, tasks: [billing], weight: 0.5",
    ];
    house.write("desk/desk.portfolio.yaml", &portfolio(&entries));
    house.config(&format!("pacts: [desk/desk.portfolio.yaml]\n{TASKS}"));
    let sidecar = house.start().await.unwrap();
    let both = "support@1.0.0;unsigned, billing@1.0.0;unsigned";
    let mut seen = Vec::new();
    for (task, status, verdict, pacts) in [
        (Some("support"), StatusCode::OK, "allow", "support@1.0.0;unsigned"),
        (Some("billing"), StatusCode::OK, "flag", both),
        // Neither allows a task that nobody names, and a silent source is the stricter case.
        (Some("gossip"), StatusCode::BAD_REQUEST, "block", both),
        (None, StatusCode::BAD_REQUEST, "block", both),
    ] {
        let json = Response::builder().header("content-type", "application/json");
        house.upstream.will(Script::Whole(json.body(Full::from(completion(&["Initech does."]))).unwrap()));
        assert_eq!(meets(&sidecar, task).await, (status, verdict.to_owned(), pacts.to_owned()), "{task:?}");
        seen.push(pacts.matches('@').count());
    }
    let (_, status) = ask(sidecar.admin(), "/v1/status").await;
    let shown: Vec<(&str, u64)> = status["pacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["pact"].as_str().unwrap(), p["predicates"].as_u64().unwrap()))
        .collect();
    assert_eq!((shown, &status["expired"]), (vec![("support", 3), ("billing", 3)], &json!(false)));
    let (_, all) = ask(sidecar.admin(), "/v1/pacts").await;
    assert_eq!((&all["pacts"][0]["active"], &all["pacts"][1]["active"]), (&json!("1.0.0"), &json!("1.0.0")), "{all}");
    let (_, alone) = ask(sidecar.admin(), "/v1/pacts/billing/coverage").await;
    assert_eq!((&alone["pact"], &alone["predicates"][0]["id"]), (&json!("billing"), &json!("tasks")));
    sidecar.stop().await.unwrap();
    let records = written(&house.at("log"));
    let governed: Vec<usize> =
        records.iter().filter(|r| r["kind"] == "exchange").map(|r| r["pacts"].as_array().unwrap().len()).collect();
    assert_eq!(governed, seen);
    let load = records.iter().find(|r| r["kind"] == "pact.load").unwrap();
    assert_eq!((load["pacts"].as_array().unwrap().len(), &load["predicates"][3]), (2, &json!("billing/tasks")));
}

#[tokio::test]
async fn a_portfolio_that_no_source_parts_says_so() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.write("second.pact.yaml", &named("second-pact", "1.0.0"));
    let entries = ["pact: first.pact.yaml, tasks: [order], weight: 0.5", "pact: second.pact.yaml, tasks: [refund], weight: 0.5"];
    house.write("desk.portfolio.yaml", &portfolio(&entries));
    house.config("pacts: [desk.portfolio.yaml]");
    let sidecar = house.start().await.unwrap();
    let both = "first-pact@1.0.0;unsigned, second-pact@1.0.0;unsigned";
    assert_eq!(meets(&sidecar, Some("order")).await.2, both);
    let (_, ready) = ask(sidecar.admin(), "/readyz").await;
    assert!(ready["notes"].to_string().contains("nothing under `facts` tells `task.type`"), "{ready}");
    house.config(&format!("pacts: [desk.portfolio.yaml]\n{TASKS}"));
    assert_ne!(sidecar.reload().await.unwrap().outcome, "refused");
    assert_eq!(meets(&sidecar, Some("order")).await.2, "first-pact@1.0.0;unsigned");
    let (_, ready) = ask(sidecar.admin(), "/readyz").await;
    assert!(!ready["notes"].to_string().contains("task.type"), "{ready}");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_that_any_member_asks_for_is_left_out_unsaid() {
    let house = House::new().await;
    let head = format!("format: 1\npact: second-pact\nversion: \"1.0.0\"\nsubject: {{agent: \"{AGENT}\"}}\n");
    let slow = "predicates: [{id: slow, dimension: latency, severity: major, at: window, check: {measure: quantile, of: latency_ms, q: 0.99}}]
evidence: {sources: {guard: interaction/1}, rules: {slow: {from: guard, max: 3000, window: 7d, min_samples: 200}}}
";
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.write("second.pact.yaml", &format!("{head}{slow}"));
    house
        .write("desk.portfolio.yaml", &portfolio(&["pact: first.pact.yaml, weight: 0.5", "pact: second.pact.yaml, weight: 0.5"]));
    house.config("pacts: [desk.portfolio.yaml]");
    let error = house.start().await.unwrap_err().to_string();
    assert!(error.contains("this build cannot check second-pact/slow"), "{error}");
    house.config("pacts: [desk.portfolio.yaml]\naccept_unenforced: [second-pact/slow]");
    let sidecar = house.start().await.unwrap();
    assert_eq!(sidecar.state().pacts[1].unenforced, ["second-pact/slow"]);
    assert!(sidecar.state().pacts[0].unenforced.is_empty());
    // A fact that nothing tells.
    let task = "predicates: [{id: tasks, dimension: scope, severity: major, at: request, check: {set: task, allow: [order]}}]\n";
    house.write("second.pact.yaml", &format!("{head}{task}"));
    let outcome = sidecar.reload().await.unwrap();
    assert_eq!((outcome.outcome, outcome.code), ("refused", Some("fact_source")), "{:?}", outcome.reason);
    assert_eq!(sidecar.state().pacts[1].unenforced, ["second-pact/slow"], "the old state stays");
    sidecar.stop().await.unwrap();
    house.config("pacts: [first.pact.yaml, second.pact.yaml]");
    let error = house.start().await.unwrap_err().to_string();
    assert!(error.contains("2 documents; a sidecar keeps one") && error.contains("or a portfolio"), "{error}");
}

#[tokio::test]
async fn a_member_is_watched_where_it_lies() {
    let house = House::new().await;
    std::fs::create_dir(house.at("apart")).unwrap();
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.write("apart/second.pact.yaml", &named("second-pact", "1.0.0"));
    house.write(
        "desk.portfolio.yaml",
        &portfolio(&["pact: first.pact.yaml, weight: 0.5", "pact: apart/second.pact.yaml, weight: 0.5"]),
    );
    house.config("pacts: [desk.portfolio.yaml]");
    let sidecar = house.start().await.unwrap();
    let mut states = sidecar.watch();
    let versions = |s: &servanda::proxy::state::State| s.pacts.iter().map(|p| p.version.clone()).collect::<Vec<_>>();
    assert_eq!(versions(&states.borrow()), ["1.0.0", "1.0.0"]);
    house.write("apart/second.pact.yaml", &named("second-pact", "1.1.0"));
    states.wait_for(|s| versions(s) == ["1.0.0", "1.1.0"]).await.unwrap();
    house.write("desk.portfolio.yaml", &portfolio(&["pact: apart/second.pact.yaml, weight: 1"]));
    states.wait_for(|s| versions(s) == ["1.1.0"]).await.unwrap();
    assert_eq!(meets(&sidecar, None).await.2, "second-pact@1.1.0;unsigned");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_pact_that_is_over_refuses_what_it_governs_and_nothing_else() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.write("second.pact.yaml", &named("second-pact", "1.0.0").replace("expires: 2036-01-01", "expires: 2030-01-01"));
    let entries = ["pact: first.pact.yaml, tasks: [order], weight: 0.5", "pact: second.pact.yaml, tasks: [refund], weight: 0.5"];
    house.write("desk.portfolio.yaml", &portfolio(&entries));
    house.config(&format!("pacts: [desk.portfolio.yaml]\n{TASKS}"));
    // One second before the end of 2029.
    let clock = Arc::new(ManualClock::at(1_893_455_999_000_000));
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    let statuses =
        async || [meets(&sidecar, Some("order")).await.0, meets(&sidecar, Some("refund")).await.0, meets(&sidecar, None).await.0];
    let (ok, refused) = (StatusCode::OK, StatusCode::FORBIDDEN);
    assert_eq!(statuses().await, [ok, ok, ok]);
    assert_eq!(ask(sidecar.admin(), "/v1/status").await.1["expired"], false);
    clock.advance_us(1_000_000);
    assert_eq!(statuses().await, [ok, refused, refused]);
    let (status, ready) = ask(sidecar.admin(), "/readyz").await;
    assert_eq!((status, &ready["ready"]), (ok, &json!(true)), "orders still pass: {ready}");
    let notes = ready["notes"].to_string();
    assert!(notes.contains("`second-pact` has expired") && !notes.contains("`first-pact` has"), "{notes}");
    assert_eq!(ask(sidecar.admin(), "/v1/status").await.1["expired"], true);
    // A reload would bring what is over into force: the old state stays, and the reason names it.
    let outcome = sidecar.reload().await.unwrap();
    assert_eq!((outcome.outcome, outcome.code), ("refused", Some("expired")));
    assert!(outcome.reason.unwrap().contains("`second-pact` 1.0.0"));
    clock.set_wall_us(2_082_758_400_000_000);
    assert_eq!(statuses().await, [refused, refused, refused]);
    assert_eq!(ask(sidecar.admin(), "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    sidecar.stop().await.unwrap();
}

/// A pact signed by both of its parties, with a fact of this type.
fn sealed(id: &str, version: &str, vip: &str) -> String {
    seal(&named(id, version).replace("packs:", &format!("facts: {{vip: {vip}}}\npacks:")), BOTH, TOLD)
}

/// The same without a fact.
fn plain(id: &str, version: &str) -> String {
    seal(&named(id, version), BOTH, TOLD)
}

async fn standing(sidecar: &Sidecar, id: &str) -> Vec<(String, String)> {
    let (status, answer) = ask(sidecar.admin(), &format!("/v1/pacts/{id}/versions")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    answer["versions"].as_array().unwrap().iter().map(|v| (text(&v["version"]), text(&v["status"]))).collect()
}

fn rows(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn of_each_member_the_greatest_with_which_the_whole_stands_is_in_force() {
    let house = House::new().await;
    house.write("trust.yaml", &trust());
    house.write("first.pact.json", &sealed("first-pact", "2.0.0", "bool"));
    house.write("second.pact.json", &plain("second-pact", "2.0.0"));
    house
        .write("desk.portfolio.yaml", &portfolio(&["pact: first.pact.json, weight: 0.5", "pact: second.pact.json, weight: 0.5"]));
    house.config(&format!("agent: '{AGENT}'\ntrust: {{keys: trust.yaml}}\npacts: [desk.portfolio.yaml]\nstore: {{dir: kept}}"));
    let clock = Arc::new(ManualClock::at((TOLD + DAY) * 1_000_000));
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    let in_force = async |sidecar: &Sidecar| meets(sidecar, None).await.2;
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0, second-pact@2.0.0");
    // A member is activated when it is due.
    let (status, answer) = send(&house, sidecar.admin(), plain("second-pact", "2.0.1")).await;
    assert_eq!((status, &answer["status"]), (StatusCode::CREATED, &json!("active")), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0, second-pact@2.0.1");
    // It is good by itself, and cannot be kept beside the other: what is in force stays.
    let (_, answer) = send(&house, sidecar.admin(), sealed("second-pact", "2.1.0", "string")).await;
    assert_eq!((&answer["status"], &answer["problem"]["code"]), (&json!("refused"), &json!("uncompilable")), "{answer}");
    let why = answer["problem"]["detail"].as_str().unwrap();
    assert!(why.contains("`vip` is a bool in `first-pact` and a string in `second-pact`"), "{why}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0, second-pact@2.0.1");
    // The other one is raised all the same.
    let (_, answer) = send(&house, sidecar.admin(), sealed("first-pact", "2.1.0", "bool")).await;
    assert_eq!(&answer["status"], "active", "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0, second-pact@2.0.1");
    assert_eq!(
        standing(&sidecar, "second-pact").await,
        rows(&[("2.0.0", "superseded"), ("2.0.1", "active"), ("2.1.0", "refused")])
    );
    // A restart chooses the same, though the files are older than what was seen.
    sidecar.stop().await.unwrap();
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0, second-pact@2.0.1");
    // With one that fits, both come at once.
    let (_, answer) = send(&house, sidecar.admin(), sealed("first-pact", "3.0.0", "string")).await;
    assert_eq!(&answer["status"], "active", "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@3.0.0, second-pact@2.1.0");
    assert_eq!(sidecar.reload().await.unwrap().outcome, "unchanged");
    // Whose name no entry says is kept, and does not come.
    let (_, answer) = send(&house, sidecar.admin(), plain("third-pact", "1.0.0")).await;
    assert_eq!(&answer["status"], "stored", "{answer}");
    assert!(answer["means"].as_str().unwrap().contains("enforces first-pact, second-pact"), "{answer}");
    sidecar.stop().await.unwrap();
    // What was seen of a member is not forgotten: without the store the older file is refused.
    std::fs::remove_dir_all(house.at("kept")).unwrap();
    let error = house.start_at(clock).await.unwrap_err().to_string();
    assert!(error.contains("`first-pact` 2.0.0") && error.contains("older than 3.0.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_pact_to_a_portfolio_and_back_while_requests_go_on() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.write("second.pact.yaml", &named("second-pact", "1.0.0"));
    house
        .write("desk.portfolio.yaml", &portfolio(&["pact: first.pact.yaml, weight: 0.5", "pact: second.pact.yaml, weight: 0.5"]));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let mut load = Load::on(&sidecar, 2);
    let (one, both) = ("first-pact@1.0.0;unsigned", "first-pact@1.0.0;unsigned, second-pact@1.0.0;unsigned");
    for _ in 0..2 {
        for (file, shown) in [("desk.portfolio.yaml", both), ("first.pact.yaml", one)] {
            house.config(&format!("pacts: [{file}]"));
            assert_ne!(sidecar.reload().await.unwrap().outcome, "refused");
            assert_eq!(sidecar.state().pacts.len(), shown.matches('@').count());
            assert_eq!(meets(&sidecar, None).await.2, shown);
            load.goes_on().await;
        }
    }
    load.end().await;
    sidecar.stop().await.unwrap();
    let loads = written(&house.at("log"));
    let counts: Vec<usize> =
        loads.iter().filter(|r| r["kind"] == "pact.load").map(|r| r["pacts"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1, 2, 1, 2, 1]);
}
