//! `/v1/pacts/{id}/fulfillment`: counted while it runs, and the same as an export of the records.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::{Value, json};

use crate::pacts::{CLEAN, draft};
use crate::sidecar::{House, SSN, address, json as ask};
use crate::support::client::{body, http1, post};
use crate::support::command::servanda;

/// The smallest pact with one promise more, which an evidence rule measures.
fn pact(version: &str) -> String {
    let slow = "\n  - {id: slow, dimension: reliability, severity: minor, at: end, check: {bound: latency_ms, max: 90000}}\n\nevidence:\n  \
                sources: {guard: interaction/1}\n  rules: {slow: {from: guard, ok_share: 0.95, window: 24h}}\n";
    let text = draft(version, &[("\n\nevidence:\n  sources: {guard: interaction/1}\n", slow)]);
    text.replace("penalty:\n", "penalty:\n  minor: {score: -1}\n")
}

/// What is told once so many exchanges have been counted: an exchange ends a moment after its last byte has come.
async fn counted(admin: SocketAddr, evaluated: u64) -> Value {
    loop {
        let (status, told) = ask(admin, "/v1/pacts/first-pact/fulfillment").await;
        assert_eq!(status, StatusCode::OK, "{told}");
        if told["evaluated"] == evaluated {
            return told;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_counted_is_what_the_records_say() {
    let house = House::new().await;
    house.write("first.pact.yaml", &pact("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let admin = sidecar.admin();
    let nothing = counted(admin, 0).await;
    assert_eq!(
        (&nothing["rate"], &nothing["lowest"], &nothing["lane"], &nothing["violations"]["critical"]),
        (&Value::Null, &Value::Null, &Value::Null, &json!(0)),
        "{nothing}"
    );
    assert_eq!(
        nothing["promises"],
        json!([{"predicate": "slow", "what": "kept", "current": null, "limit": 0.95, "status": "not_measured"}])
    );
    for text in [CLEAN, SSN, CLEAN, CLEAN] {
        let mut request = post(address(&sidecar), "/v1/chat/completions", text);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        body(http1().request(request).await.unwrap()).await;
    }
    let told = counted(admin, 4).await;
    assert_eq!(
        (&told["version"], &told["lane"], &told["compliant"], &told["rate"], &told["at_least"]),
        (&json!("1.0.0"), &json!("inbound"), &json!(3), &json!(0.75), &json!(false)),
        "{told}"
    );
    assert_eq!(told["lowest"], json!({"predicate": "pii", "rate": 0.75}));
    assert_eq!(told["violations"], json!({"critical": 1, "major": 0, "minor": 0}));
    // Another config keeps the counts; another version begins anew.
    house.config("pacts: [first.pact.yaml]\nroutes: {inbound: {mode: observe}}");
    sidecar.reload().await.unwrap();
    let again = counted(admin, 4).await;
    assert_eq!(again["since"], told["since"]);
    house.write("next.yaml", &pact("1.0.1"));
    house.config("pacts: [next.yaml]");
    sidecar.reload().await.unwrap();
    assert_eq!((counted(admin, 0).await["version"].as_str(), told["since"] == nothing["since"]), (Some("1.0.1"), true));
    sidecar.stop().await.unwrap();

    let export = ["evidence", "export", "log", "--to", "armalo", "--shape", "fulfillment", "--pact", "first.pact.yaml", "--json"];
    let run = servanda(house.at("log").parent().unwrap(), &export);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let exported = &run.json()["documents"][0];
    assert_eq!(
        (&exported["overallFulfillmentRate"], &exported["evaluated"], &exported["lowest"]),
        (&told["rate"], &told["evaluated"], &told["lowest"])
    );
    assert_eq!(exported["constraintAdherence"]["criticalViolations"], told["violations"]["critical"]);
}

#[tokio::test]
async fn what_is_not_in_force_is_not_counted() {
    let (house, sidecar, _) = crate::pacts::trusted().await;
    let admin = sidecar.admin();
    for (path, status, code) in [
        ("/v1/pacts/nobody/fulfillment", 404, "no_pact"),
        ("/v1/pacts/first-pact/fulfillment?agent=did:web:nobody.example", 404, "no_pact"),
        ("/v1/pacts/first-pact/fulfillment?since=1", 400, "query"),
    ] {
        let (got, answer) = ask(admin, path).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{path}: {answer}");
    }
    let other = crate::pacts::draft("1.0.0", &[("first-pact", "other-pact")]);
    let other = crate::pacts::seal(&other, crate::pacts::BOTH, crate::pacts::TOLD);
    assert_eq!(crate::pacts::send(&house, admin, other).await.1["status"], "stored");
    let (status, answer) = ask(admin, "/v1/pacts/other-pact/fulfillment").await;
    assert_eq!((status.as_u16(), &answer["code"]), (404, &json!("not_in_force")));
    sidecar.stop().await.unwrap();
}
