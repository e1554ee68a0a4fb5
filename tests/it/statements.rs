//! Statements beside a pact over the admin port: sent, kept, acting, listed, and known again after a restart.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::{Value, json};
use servanda::pact::{Role, read_statement};
use servanda::proxy::serve::Sidecar;

use crate::pacts::{AGENT, BOTH, CLEAN, DAY, HARDER, TOLD, draft, in_force, key, rows, seal, sealed, send, standing, trusted};
use crate::sidecar::{House, address, json as ask};
use crate::support::client::{http1, post};
use crate::support::written::written;

const OTHER: &str = "did:web:customer.example";
const SHOP: &[(u8, Role)] = &[(2, Role::Counterparty)];
const ALONE: &[(u8, Role)] = &[(1, Role::Agent)];

fn signed(text: &str, signers: &[(u8, Role)], at: i64) -> String {
    let (read, out) = read_statement(text);
    let read = read.unwrap_or_else(|| panic!("{}", out.render("statement", text)));
    let all = signers.iter().fold(read, |signed, (seed, role)| signed.sign(&key(*seed), *role, at).unwrap());
    all.to_json().unwrap()
}

fn notice(version: &str, change: &str, signers: &[(u8, Role)], at: i64) -> String {
    let head = format!("notice: 1\npact: first-pact\nversion: \"{version}\"\nagent: {AGENT}\ncounterparty: {OTHER}\n");
    signed(&format!("{head}{change}\n"), signers, at)
}

fn subscription(accepts: &str, at: i64) -> String {
    let text = format!("subscription: 1\npact: first-pact\nagent: {AGENT}\ncounterparty: {OTHER}\naccepts: \"{accepts}\"\n");
    signed(&text, SHOP, at)
}

/// A version that only the agent has signed.
fn alone(version: &str, edit: &[(&str, &str)]) -> String {
    seal(&draft(version, edit), ALONE, TOLD)
}

/// What each statement does, by its kind.
async fn effects(admin: SocketAddr) -> Vec<String> {
    let (status, answer) = ask(admin, "/v1/pacts/first-pact/statements").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let word = |v: &Value, key: &str| v[key].as_str().unwrap().to_owned();
    answer["statements"].as_array().unwrap().iter().map(|s| format!("{} {}", word(s, "kind"), word(s, "status"))).collect()
}

async fn traffic(sidecar: &Sidecar) -> StatusCode {
    http1().request(post(address(sidecar), "/v1/chat/completions", CLEAN)).await.unwrap().status()
}

fn loads(house: &House) -> Vec<String> {
    let records = written(&house.at("log"));
    let loads = records.iter().filter(|r| r["kind"] == "pact.load");
    loads.map(|r| format!("{} {}", r["result"].as_str().unwrap(), r["pacts"][0]["version"].as_str().unwrap_or("-"))).collect()
}

#[tokio::test]
async fn a_subscription_brings_small_steps_into_force_and_a_restart_knows_it() {
    let (house, sidecar, clock) = trusted().await;
    let admin = sidecar.admin();
    let (status, answer) = send(&house, admin, alone("2.1.0", &[])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("unsigned")));
    let (status, said) = send(&house, admin, subscription("^2.0.0", TOLD)).await;
    assert_eq!((status.as_u16(), &said["status"], &said["kind"]), (201, &json!("acts"), &json!("subscription")), "{said}");
    assert!(said["problem"].is_null() && said["says"].as_str().unwrap().ends_with("accepts first-pact ^2.0.0"), "{said}");
    assert_eq!(send(&house, admin, subscription("^2.0.0", TOLD)).await.0, StatusCode::OK, "sent twice it is known");
    let (status, answer) = send(&house, admin, alone("2.1.0", &[])).await;
    assert_eq!((status.as_u16(), &answer["status"], &answer["consent"]), (201, &json!("active"), &said["id"]), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0");
    for (what, text, why) in [
        ("a major version", alone("3.0.0", &[HARDER]), "it accepts ^2.0.0"),
        ("a major change", alone("2.2.0", &[HARDER]), "from 2.0.0, which it signed, to 2.2.0 is a major step"),
    ] {
        let (status, answer) = send(&house, admin, text).await;
        assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("unsigned")), "{what}");
        assert!(answer["detail"].as_str().unwrap().contains(why), "{what}: {answer}");
    }
    let (_, listed) = ask(admin, "/v1/pacts/first-pact/statements").await;
    assert!(listed["statements"][0]["means"].as_str().unwrap().ends_with("on 2.1.0"), "{listed}");
    sidecar.stop().await.unwrap();
    assert_eq!(loads(&house), ["loaded 2.0.0", "stored -", "stored -", "loaded 2.1.0"]);

    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!((in_force(&sidecar).await.as_str(), effects(sidecar.admin()).await.len()), ("first-pact@2.1.0", 1));
    // Narrowed: the counterparty's newest word counts, and what it no longer accepts is not loaded anew.
    let (status, answer) = send(&house, sidecar.admin(), subscription("2.0.0", TOLD + 1)).await;
    assert_eq!((status.as_u16(), &answer["problem"]["code"]), (201, &json!("rolled_back")), "{answer}");
    assert_eq!(effects(sidecar.admin()).await, ["subscription acts", "subscription acts"], "nothing was loaded");
    let told = sidecar.reload().await.unwrap();
    assert_eq!((told.outcome, told.code), ("refused", Some("rolled_back")), "{told:?}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0", "the old state stays, and says so");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn what_does_not_count_is_refused_with_a_word_and_not_kept() {
    let (house, sidecar, _) = trusted().await;
    let admin = sidecar.admin();
    let rollback = "rollback: {to: '1.0.0'}";
    let approval = "approval: 1\npact: first-pact\nversion: \"2.0.0\"\npredicate: pii\nrecord: r\ncall: c\ndecision: approve\napprover: did:web:customer.example\n";
    let elsewhere = |text: String| text.replace("first-pact", "other-pact");
    let by_other = notice("2.0.0", rollback, &[], TOLD).replace(AGENT, "did:web:vendor.example:agents:other");
    for (what, text, status, code) in [
        ("one party alone", notice("2.0.0", rollback, ALONE, TOLD), 422, "unsigned"),
        ("by a stranger", notice("2.0.0", rollback, &[(1, Role::Agent), (9, Role::Counterparty)], TOLD), 422, "untrusted"),
        ("changed", notice("2.0.0", rollback, BOTH, TOLD).replace("1.0.0", "1.0.1"), 422, "bad_signature"),
        ("of another pact", elsewhere(subscription("^2.0.0", TOLD)), 422, "no_pact"),
        ("of another agent", by_other, 422, "wrong_audience"),
        ("of a version not known", notice("1.0.0", "runtime: {model: m}", ALONE, TOLD), 422, "no_version"),
        ("no longer", notice("2.0.0", "extension: {until: 2030-01-01}", BOTH, TOLD), 422, "other_pact"),
        ("for a trigger it has not", notice("2.0.0", "termination: {on: 2027-01-01, because: model_major}", ALONE, TOLD), 422, "other_pact"),
        ("an approval", signed(approval, &[(2, Role::Approver)], TOLD), 422, "untrusted"),
        ("back to what is greater", "notice: 1\npact: first-pact\nversion: \"2.0.0\"\nagent: did:web:a.example\ncounterparty: did:web:b.example\nrollback: {to: '3.0.0'}\n".to_owned(), 400, "broken"),
    ] {
        let (got, answer) = send(&house, admin, text).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{what}: {answer}");
        assert!(!answer["detail"].as_str().unwrap().is_empty());
    }
    assert!(effects(admin).await.is_empty() && !house.at("kept").exists());
    let (status, answer) = ask(admin, "/v1/pacts/nobody/statements").await;
    assert_eq!((status.as_u16(), &answer["code"]), (404, &json!("no_pact")));
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn both_go_back_to_one_version_and_a_greater_one_takes_over() {
    let (house, sidecar, clock) = trusted().await;
    let admin = sidecar.admin();
    send(&house, admin, sealed("2.1.0", &[])).await;
    let back = notice("2.1.0", "rollback: {to: '2.0.0'}", BOTH, TOLD + 9);
    let (status, answer) = send(&house, admin, back.clone()).await;
    assert_eq!((status.as_u16(), &answer["status"]), (201, &json!("acts")), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "active"), ("2.1.0", "rolled_back")]));
    assert_eq!(sidecar.reload().await.unwrap().outcome, "unchanged");
    sidecar.stop().await.unwrap();
    assert_eq!(loads(&house), ["loaded 2.0.0", "stored -", "loaded 2.1.0", "stored -", "loaded 2.0.0"]);

    // A restart goes to the same version, and nothing else old comes in.
    let sidecar = house.start_at(clock).await.unwrap();
    let admin = sidecar.admin();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    let (status, answer) = send(&house, admin, sealed("1.9.0", &[])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("rolled_back")));
    house.write("first.pact.json", &sealed("1.9.0", &[]));
    assert_ne!(sidecar.reload().await.unwrap().outcome, "loaded");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    house.write("first.pact.json", &sealed("2.0.0", &[]));
    // What is not known here is asked for, and then comes.
    let further = notice("2.0.0", "rollback: {to: '1.9.0'}", BOTH, TOLD + 10);
    let (_, answer) = send(&house, admin, further).await;
    assert_eq!((&answer["status"], &answer["code"]), (&json!("idle"), &json!("no_version")), "{answer}");
    let (status, answer) = send(&house, admin, sealed("1.9.0", &[("\n  change: {notice: 30d}", ""), HARDER])).await;
    assert_eq!((status.as_u16(), &answer["status"]), (201, &json!("active")), "{answer}");
    assert_eq!(standing(&sidecar).await, rows(&[("1.9.0", "active"), ("2.0.0", "rolled_back"), ("2.1.0", "rolled_back")]));
    // A greater version ends it for good.
    assert_eq!(send(&house, admin, sealed("2.1.1", &[])).await.1["status"], "active");
    assert_eq!(effects(admin).await, ["notice superseded", "notice superseded"]);
    assert_eq!(send(&house, admin, back).await.0, StatusCode::OK);
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.1");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_termination_ends_the_pact_and_an_extension_lengthens_it() {
    let (house, sidecar, clock) = trusted().await;
    let admin = sidecar.admin();
    let until = async || ask(admin, "/v1/pacts/first-pact").await.1["until"].as_str().unwrap().to_owned();
    let expires = || sidecar.state().pacts[0].expires.unwrap();
    let was = expires();
    let (status, answer) = send(&house, admin, notice("2.0.0", "extension: {until: 2037-01-01}", BOTH, TOLD)).await;
    assert_eq!((status.as_u16(), &answer["status"]), (201, &json!("acts")), "{answer}");
    assert_eq!((until().await.as_str(), expires()), ("2037-01-01T00:00:00Z", was + 366 * DAY));
    let (_, dates) = ask(admin, "/v1/pacts/first-pact/calendar").await;
    assert!(dates["dates"].to_string().contains("2037-01-01") && !dates["dates"].to_string().contains("2036-01-01"), "{dates}");
    // On a day to come.
    let (_, answer) = send(&house, admin, notice("2.0.0", "termination: {on: 2026-09-23}", BOTH, TOLD + 1)).await;
    assert_eq!((&answer["status"], until().await.as_str()), (&json!("waits"), "2026-09-23T00:00:00Z"), "{answer}");
    let (_, dates) = ask(admin, "/v1/pacts/first-pact/calendar").await;
    assert!(dates["dates"].to_string().contains("a signed notice terminates it"), "{dates}");
    assert_eq!(traffic(&sidecar).await, StatusCode::OK);
    clock.advance_us(DAY as u64 * 1_000_000);
    assert_eq!(traffic(&sidecar).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(admin, "/v1/status").await.1["expired"], true);
    assert_eq!(ask(admin, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(effects(admin).await, ["notice superseded", "notice acts"]);
    let (status, answer) = send(&house, admin, sealed("2.0.1", &[])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("expired")), "what was signed before does not outlive it");
    // What both sign anew does.
    let anew = seal(&draft("2.0.1", &[]), BOTH, TOLD + DAY);
    assert_eq!(send(&house, admin, anew).await.1["status"], "active");
    assert_eq!(traffic(&sidecar).await, StatusCode::OK);
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_that_has_passed_already_ends_what_runs() {
    let (house, sidecar, clock) = trusted().await;
    let (status, answer) = send(&house, sidecar.admin(), notice("2.0.0", "termination: {on: 2020-01-01}", BOTH, TOLD)).await;
    assert_eq!((status.as_u16(), &answer["status"]), (201, &json!("acts")), "{answer}");
    assert_eq!(traffic(&sidecar).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(sidecar.admin(), "/v1/status").await.1["expired"], true);
    let told = sidecar.reload().await.unwrap();
    assert_eq!((told.outcome, told.code), ("refused", Some("expired")));
    sidecar.stop().await.unwrap();
    let error = house.start_at(clock).await.err().unwrap().to_string();
    assert!(error.contains("expired on 2020-01-01"), "{error}");
}

#[tokio::test]
async fn a_key_that_was_announced_signs_the_next_version() {
    let (house, sidecar, clock) = trusted().await;
    let admin = sidecar.admin();
    let (old, new) = (key(1).verifying(), key(3).verifying());
    let change = format!("key: {{of: '{AGENT}', key: {new}, replaces: {old}, from: 2026-10-01}}");
    assert_eq!(send(&house, admin, notice("2.0.0", &change, ALONE, TOLD)).await.1["status"], "waits");
    let (_, dates) = ask(admin, "/v1/pacts/first-pact/calendar").await;
    assert!(dates["dates"].to_string().contains("signs with another key"), "{dates}");
    clock.advance_us(20 * DAY as u64 * 1_000_000);
    let at = TOLD + 15 * DAY;
    let by = |seed| seal(&draft("2.1.0", &[]), &[(seed, Role::Agent), (2, Role::Counterparty)], at);
    let (status, answer) = send(&house, admin, by(1)).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("untrusted")));
    assert_eq!(send(&house, admin, by(3)).await.1["status"], "active");
    assert_eq!((effects(admin).await, in_force(&sidecar).await.as_str()), (vec!["notice acts".to_owned()], "first-pact@2.1.0"));
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn the_version_before_a_major_one_is_maintained_and_then_retires() {
    let (house, sidecar, clock) = trusted().await;
    let admin = sidecar.admin();
    let change = ("change: {notice: 30d}", "change: {notice: 30d, maintenance_after: 10d, retire_after: 20d}");
    assert_eq!(send(&house, admin, sealed("3.0.0", &[change])).await.1["status"], "waiting");
    assert_eq!(send(&house, admin, sealed("4.0.0", &[change, HARDER])).await.1["status"], "waiting");
    let mut states = sidecar.watch();
    clock.set_wall_us((TOLD + 30 * DAY) * 1_000_000);
    sidecar.reload().await.unwrap();
    states.wait_for(|s| s.pacts.iter().any(|p| p.version == "4.0.0")).await.unwrap();
    let at = async |days: i64| {
        clock.set_wall_us((TOLD + days * DAY) * 1_000_000);
        standing(&sidecar).await
    };
    let with = |word: &'static str| rows(&[("2.0.0", "superseded"), ("3.0.0", word), ("4.0.0", "active")]);
    assert_eq!(at(39).await, with("superseded"));
    assert_eq!(at(40).await, with("maintained"));
    assert_eq!(at(50).await, with("retired"));
    let (_, dates) = ask(admin, "/v1/pacts/first-pact/calendar?version=3.0.0").await;
    assert!(dates["dates"].to_string().contains("this version retires, after 4.0.0"), "{dates}");
    // No way back to it: it had retired before that was agreed.
    let (_, answer) = send(&house, admin, notice("4.0.0", "rollback: {to: '3.0.0'}", BOTH, TOLD + 50 * DAY)).await;
    assert_eq!((&answer["status"], &answer["code"]), (&json!("idle"), &json!("retired")), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@4.0.0");
    // To the one that grants no end, there is.
    send(&house, admin, notice("4.0.0", "rollback: {to: '2.0.0'}", BOTH, TOLD + 50 * DAY)).await;
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn in_development_statements_are_kept_and_change_nothing() {
    let house = House::new().await;
    house.write("first.pact.yaml", &draft("2.0.0", &[]));
    house.config("pacts: [first.pact.yaml]");
    let clock = std::sync::Arc::new(servanda::base::clock::ManualClock::at((TOLD + DAY) * 1_000_000));
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    let admin = sidecar.admin();
    let (status, answer) = send(&house, admin, notice("2.0.0", "termination: {on: 2020-01-01}", BOTH, TOLD)).await;
    assert_eq!((status.as_u16(), &answer["status"], &answer["code"]), (201, &json!("idle"), &json!("development")), "{answer}");
    assert_eq!(send(&house, admin, notice("2.0.0", "runtime: {model: m}", &[], TOLD)).await.0.as_u16(), 422);
    assert_eq!((traffic(&sidecar).await, in_force(&sidecar).await.as_str()), (StatusCode::OK, "first-pact@2.0.0;unsigned"));
    sidecar.stop().await.unwrap();
    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!(effects(sidecar.admin()).await, ["notice idle"]);
    sidecar.stop().await.unwrap();
}
