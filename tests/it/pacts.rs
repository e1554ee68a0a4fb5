//! `/v1/pacts` and the store behind it: pacts sent, kept, brought into force when they are due, and asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use servanda::base::clock::ManualClock;
use servanda::pact::{Packs, Role, SealedPact, read};
use servanda::proxy::serve::Sidecar;
use servanda::seal::SigningKey;

use crate::sidecar::{House, address, json, minimal};
use crate::support::client::{body, http1, post};
use crate::support::written::written;

pub(crate) const AGENT: &str = "did:web:vendor.example:agents:first";
pub(crate) const TOLD: i64 = 1_790_000_000;
pub(crate) const DAY: i64 = 86_400;
pub(crate) const CLEAN: &str = r#"{"model":"m","messages":[{"role":"user","content":"Where is my order?"}]}"#;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The smallest pact at a version, with thirty days of notice, and edited.
pub(crate) fn draft(version: &str, edit: &[(&str, &str)]) -> String {
    let mut text =
        minimal(version).replace("counters_on_extension: reset", "counters_on_extension: reset\n  change: {notice: 30d}");
    for (from, to) in edit {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

pub(crate) fn seal(text: &str, signers: &[(u8, Role)], at: i64) -> String {
    let (pact, out) = read(text, Packs::shipped());
    let mut sealed = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", text)))).unwrap();
    for (seed, role) in signers {
        sealed = sealed.sign(&key(*seed), *role, at).unwrap();
    }
    sealed.to_json().unwrap()
}

pub(crate) const BOTH: &[(u8, Role)] = &[(1, Role::Agent), (2, Role::Counterparty)];
pub(crate) const HARDER: (&str, &str) = ("score: -100", "score: -200");

pub(crate) fn sealed(version: &str, edit: &[(&str, &str)]) -> String {
    seal(&draft(version, edit), BOTH, TOLD)
}

pub(crate) fn trust() -> String {
    let key = |seed: u8| key(seed).verifying().multibase();
    format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  - {{did: 'did:web:customer.example', keys: [{{key: {}}}], roles: [counterparty]}}\n",
        key(1),
        key(2)
    )
}

/// A sidecar in trusted mode with 2.0.0 in force, a day after all were signed.
pub(crate) async fn trusted() -> (House, Sidecar, Arc<ManualClock>) {
    let house = House::new().await;
    house.write("trust.yaml", &trust());
    house.write("first.pact.json", &sealed("2.0.0", &[]));
    house.config(&format!("agent: '{AGENT}'\ntrust: {{keys: trust.yaml}}\npacts: [first.pact.json]\nstore: {{dir: kept}}"));
    let clock = Arc::new(ManualClock::at((TOLD + DAY) * 1_000_000));
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    (house, sidecar, clock)
}

/// Sends a pact with the token of the house.
pub(crate) async fn send(house: &House, admin: SocketAddr, text: impl Into<bytes::Bytes>) -> (StatusCode, Value) {
    let token = std::fs::read_to_string(house.at("log/admin.token")).unwrap();
    let request = Request::post(format!("http://{admin}/v1/pacts")).header("authorization", format!("Bearer {}", token.trim()));
    let response = http1().request(request.body(Full::new(text.into())).unwrap()).await.unwrap();
    let status = response.status();
    let place = response.headers().get("location").map(|v| v.to_str().unwrap().to_owned());
    let mut answer: Value = serde_json::from_slice(&body(response).await).unwrap();
    if let Some(place) = place {
        answer["location"] = place.into();
    }
    (status, answer)
}

pub(crate) async fn in_force(sidecar: &Sidecar) -> String {
    let response = http1().request(post(address(sidecar), "/v1/chat/completions", CLEAN)).await.unwrap();
    response.headers()["x-servanda-pact"].to_str().unwrap().to_owned()
}

/// The versions of the first pact and where each stands.
pub(crate) async fn standing(sidecar: &Sidecar) -> Vec<(String, String)> {
    let (status, answer) = json(sidecar.admin(), "/v1/pacts/first-pact/versions").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    answer["versions"].as_array().unwrap().iter().map(|v| (text(&v["version"]), text(&v["status"]))).collect()
}

pub(crate) fn rows(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn a_greater_version_is_kept_and_comes_into_force_and_a_restart_knows_it() {
    let (house, sidecar, clock) = trusted().await;
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "active")]));
    assert!(!house.at("kept").exists());
    let (status, answer) = send(&house, sidecar.admin(), sealed("2.1.0", &[])).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(
        (&answer["status"], &answer["follows"], &answer["level"], &answer["kept"], &answer["signed"], &answer["location"]),
        (
            &json!("active"),
            &json!("2.0.0"),
            &json!("patch"),
            &json!(true),
            &json!(true),
            &json!("/v1/pacts/first-pact?version=2.1.0")
        )
    );
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0");
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "superseded"), ("2.1.0", "active")]));
    let (status, again) = send(&house, sidecar.admin(), sealed("2.1.0", &[])).await;
    assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("active")));
    sidecar.stop().await.unwrap();

    let loads: Vec<String> = written(&house.at("log"))
        .iter()
        .filter(|r| r["kind"] == "pact.load")
        .map(|r| format!("{}{}", r["result"].as_str().unwrap(), r["pacts"][0]["version"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(loads, ["loaded2.0.0", "stored", "loaded2.1.0"]);

    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0");
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "superseded"), ("2.1.0", "active")]));
    // A greater file takes over, and what is kept stays.
    house.write("first.pact.json", &sealed("2.2.0", &[]));
    assert_ne!(sidecar.reload().await.unwrap().outcome, "refused");
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "superseded"), ("2.1.0", "superseded"), ("2.2.0", "active")]));
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn what_may_not_be_kept_is_refused_with_a_word_and_nothing_is_lost() {
    let (house, sidecar, _) = trusted().await;
    let admin = sidecar.admin();
    assert_eq!(send(&house, admin, sealed("2.1.0", &[])).await.0, StatusCode::CREATED);
    let stranger: &[(u8, Role)] = &[(1, Role::Agent), (9, Role::Counterparty)];
    let other = ("did:web:vendor.example:agents:first", "did:web:vendor.example:agents:other");
    let past = ("effective: 2026-01-01\n  expires: 2036-01-01", "effective: 2020-01-01\n  expires: 2021-01-01");
    for (what, text, status, code) in [
        ("older", sealed("2.0.9", &[]), 409, "rolled_back"),
        ("the same version, another content", sealed("2.1.0", &[HARDER]), 409, "same_version"),
        ("more changed than the number says", sealed("2.2.0", &[HARDER]), 409, "version_too_low"),
        ("another counterparty", sealed("3.0.0", &[("did:web:customer.example", "did:web:other.example")]), 422, "untrusted"),
        ("unsigned", draft("3.0.0", &[]), 422, "unsigned"),
        ("half signed", seal(&draft("3.0.0", &[]), &BOTH[..1], TOLD), 422, "unsigned"),
        ("signed by a stranger", seal(&draft("3.0.0", &[]), stranger, TOLD), 422, "untrusted"),
        ("signed tomorrow", seal(&draft("3.0.0", &[]), BOTH, TOLD + 2 * DAY), 422, "bad_signature"),
        ("changed after it was signed", sealed("3.0.0", &[]).replace("3.0.0", "3.0.1"), 422, "bad_signature"),
        ("for another agent", sealed("3.0.0", &[other]), 422, "wrong_audience"),
        ("over", sealed("3.0.0", &[past]), 422, "expired"),
        ("no pact", "format: 1\npact: [".to_owned(), 400, "broken"),
        ("a draft", "format: 1\npact: first-pact\n".to_owned(), 422, "draft"),
        ("a notice", "notice: 1\n".to_owned(), 400, "broken"),
    ] {
        let (got, answer) = send(&house, admin, text).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{what}: {answer}");
        assert!(!answer["detail"].as_str().unwrap().is_empty());
    }
    let (status, answer) = send(&house, admin, vec![0xff]).await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::BAD_REQUEST, Some("broken")));
    let (status, answer) = send(&house, admin, vec![b' '; (4 << 20) + 1]).await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, Some("too_large")));
    let response = http1().request(post(admin, "/v1/pacts", sealed("2.2.0", &[]))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "superseded"), ("2.1.0", "active")]));
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0");
    assert_eq!(std::fs::read_dir(house.at("kept/first-pact")).unwrap().count(), 2);
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_major_version_waits_for_its_notice_and_then_comes_by_itself() {
    let (house, sidecar, clock) = trusted().await;
    let (status, answer) = send(&house, sidecar.admin(), sealed("3.0.0", &[HARDER])).await;
    assert_eq!(
        (status, &answer["status"], &answer["level"]),
        (StatusCode::CREATED, &json!("waiting"), &json!("major")),
        "{answer}"
    );
    let due = TOLD + 30 * DAY;
    let from: jiff::Timestamp = answer["from"].as_str().unwrap().parse().unwrap();
    assert_eq!((from.as_second(), &answer["from"]), (due, &answer["notice_until"]));
    assert!(answer["means"].as_str().unwrap().contains("notice"), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    // What follows it waits as long.
    let (_, answer) = send(&house, sidecar.admin(), sealed("3.0.1", &[HARDER])).await;
    assert_eq!((&answer["status"], answer["from"].as_str()), (&json!("waiting"), Some(from.to_string().as_str())));
    let (_, all) = json(sidecar.admin(), "/v1/pacts").await;
    let pact = &all["pacts"][0];
    assert_eq!(
        (&pact["active"], &pact["newest"], &pact["next"]["version"], &pact["versions"], &all["broken"]),
        (&json!("2.0.0"), &json!("3.0.1"), &json!("3.0.0"), &json!(3), &json!([]))
    );
    // A reload before the day changes nothing.
    assert_eq!(sidecar.reload().await.unwrap().outcome, "unchanged");
    clock.set_wall_us((due - 1) * 1_000_000);
    let mut states = sidecar.watch();
    assert_eq!(sidecar.reload().await.unwrap().outcome, "unchanged");
    clock.advance_us(1_000_000);
    states.wait_for(|s| s.pacts.iter().any(|p| p.version == "3.0.1")).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@3.0.1");
    assert_eq!(standing(&sidecar).await, rows(&[("2.0.0", "superseded"), ("3.0.0", "superseded"), ("3.0.1", "active")]));
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_kept_pact_that_cannot_come_into_force_says_why() {
    let (house, sidecar, clock) = trusted().await;
    // Its own case fails; what is in force stays.
    let (status, answer) = send(&house, sidecar.admin(), sealed("2.1.0", &[("expect: block", "expect: allow")])).await;
    assert_eq!(
        (status, &answer["status"], &answer["problem"]["code"]),
        (StatusCode::CREATED, &json!("refused"), &json!("case_failed"))
    );
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    // A good one after it comes.
    let (_, answer) = send(&house, sidecar.admin(), sealed("2.1.1", &[])).await;
    assert_eq!(&answer["status"], "active", "{answer}");
    // Not yet its day.
    let later = [("effective: 2026-01-01", "effective: 2027-01-01")];
    let (_, answer) = send(&house, sidecar.admin(), sealed("3.0.0", &later)).await;
    assert_eq!((&answer["status"], answer["from"].as_str()), (&json!("waiting"), Some("2027-01-01T00:00:00Z")));
    sidecar.stop().await.unwrap();
    // Whom the trust file no longer knows, nobody is bound by.
    house.write("first.pact.json", &seal(&draft("2.1.2", &[]), &[(3, Role::Agent), (2, Role::Counterparty)], TOLD));
    house.write("trust.yaml", &trust().replace(&key(1).verifying().multibase(), &key(3).verifying().multibase()));
    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.2");
    let (_, answer) = json(sidecar.admin(), "/v1/pacts/first-pact?version=3.0.0").await;
    assert_eq!(
        (&answer["status"], &answer["problem"]["code"], &answer["from"]),
        (&json!("refused"), &json!("untrusted"), &Value::Null)
    );
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn hostile_files_in_the_store_are_named_and_stop_nobody() {
    let (house, sidecar, clock) = trusted().await;
    send(&house, sidecar.admin(), sealed("2.1.0", &[])).await;
    sidecar.stop().await.unwrap();
    std::fs::write(house.at("kept/first-pact/zero.pact.json"), [0u8; 64]).unwrap();
    let forged = seal(&draft("9.0.0", &[]), &[(8, Role::Agent), (9, Role::Counterparty)], TOLD);
    let (pact, _) = read(&forged, Packs::shipped());
    let name = format!("kept/first-pact/9.0.0-{}.pact.json", &pact.unwrap().digest().hex()[..16]);
    std::fs::write(house.at(&name), forged).unwrap();
    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.1.0");
    let (_, all) = json(sidecar.admin(), "/v1/pacts").await;
    assert!(all["broken"][0]["file"].as_str().unwrap().ends_with("zero.pact.json"), "{all}");
    assert!(standing(&sidecar).await.contains(&("9.0.0".to_owned(), "refused".to_owned())));
    // The forged one stands in nobody's way.
    let (_, answer) = send(&house, sidecar.admin(), sealed("2.1.1", &[])).await;
    assert_eq!(&answer["status"], "active", "{answer}");
    assert!(house.at(&name).exists() && house.at("kept/first-pact/zero.pact.json").exists());
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn every_question_has_an_answer() {
    let (house, sidecar, _) = trusted().await;
    let admin = sidecar.admin();
    send(&house, admin, sealed("3.0.0", &[HARDER])).await;
    let (_, one) = json(admin, "/v1/pacts/first-pact").await;
    assert_eq!(
        (&one["version"], &one["status"], &one["document"]["pact"]),
        (&json!("2.0.0"), &json!("active"), &json!("first-pact"))
    );
    assert_eq!(one["document"]["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&one["signatures"][1]["role"], &one["signatures"][0]["at"]),
        (&json!("counterparty"), &json!("2026-09-21T14:13:20Z"))
    );
    let text = one["document"].to_string();
    assert!(SealedPact::new(read(&text, Packs::shipped()).0.unwrap()).is_ok(), "the document can be verified as it is");
    let (_, diff) = json(admin, "/v1/pacts/first-pact/diff?from=2.0.0&to=3.0.0").await;
    assert_eq!((&diff["level"], &diff["ok"], &diff["least"]), (&json!("major"), &json!(true), &json!("3.0.0")));
    assert_eq!(diff, json(admin, "/v1/pacts/first-pact/diff").await.1, "from the one in force to the newest");
    let (_, now) = json(admin, "/v1/pacts/first-pact/coverage").await;
    let (_, then) = json(admin, "/v1/pacts/first-pact/coverage?version=3.0.0").await;
    assert_eq!(
        (&now["version"], &then["version"], &now["predicates"][0]["id"]),
        (&json!("2.0.0"), &json!("3.0.0"), &json!("pii"))
    );
    let (_, dates) = json(admin, "/v1/pacts/first-pact/calendar").await;
    assert_eq!((&dates["version"], &dates["dates"][0]["on"]), (&json!("2.0.0"), &json!("2026-01-01")));
    assert!(dates["standing"].to_string().contains("30d"), "{dates}");
    for (path, status, code) in [
        ("/v1/pacts/nobody", 404, "no_pact"),
        ("/v1/pacts/first-pact?version=7.0.0", 404, "no_version"),
        ("/v1/pacts/first-pact?version=7", 400, "version"),
        ("/v1/pacts/first-pact?vresion=7.0.0", 400, "query"),
        ("/v1/pacts/first-pact?agent=did:web:nobody.example", 404, "no_pact"),
        ("/v1/pacts/first-pact/diff?from=1.0.0", 404, "no_version"),
        ("/v1/pacts/first-pact/fame", 404, "no_route"),
    ] {
        let (got, answer) = json(admin, path).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{path}: {answer}");
    }
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn in_development_pacts_are_kept_and_only_the_file_runs() {
    let house = House::new().await;
    house.write("first.pact.yaml", &draft("1.0.0", &[]));
    house.config("pacts: [first.pact.yaml]");
    let clock = Arc::new(ManualClock::at((TOLD + DAY) * 1_000_000));
    let sidecar = house.start_at(clock.clone()).await.unwrap();
    let (_, one) = json(sidecar.admin(), "/v1/pacts/first-pact").await;
    assert_eq!((&one["status"], &one["signed"], &one["kept"]), (&json!("active"), &json!(false), &json!(false)));
    let (status, answer) = send(&house, sidecar.admin(), draft("1.1.0", &[])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("unsigned")));
    let (status, answer) = send(&house, sidecar.admin(), sealed("1.1.0", &[])).await;
    assert_eq!((status.as_u16(), &answer["status"], &answer["signed"]), (201, &json!("stored"), &json!(false)), "{answer}");
    assert!(answer["means"].as_str().unwrap().contains("in development"), "{answer}");
    assert_eq!(in_force(&sidecar).await, "first-pact@1.0.0;unsigned");
    let (status, answer) = send(&house, sidecar.admin(), sealed("1.0.5", &[])).await;
    assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("rolled_back")));
    // Another agent's pact of the same name: then the name alone says too little.
    let other = (AGENT, "did:web:vendor.example:agents:other");
    assert_eq!(send(&house, sidecar.admin(), sealed("1.0.0", &[other])).await.1["status"], "stored");
    let (status, answer) = json(sidecar.admin(), "/v1/pacts/first-pact").await;
    assert_eq!((status.as_u16(), &answer["code"]), (409, &json!("which_agent")));
    let (_, answer) = json(sidecar.admin(), "/v1/pacts/first-pact?agent=did:web:vendor.example:agents:other").await;
    assert_eq!(&answer["status"], "stored");
    sidecar.stop().await.unwrap();
    let sidecar = house.start_at(clock).await.unwrap();
    let (_, all) = json(sidecar.admin(), "/v1/pacts").await;
    assert_eq!(all["pacts"].as_array().unwrap().len(), 2, "{all}");
    assert!(all["store"].as_str().unwrap().ends_with("log/pacts"));
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_pinned_document_says_with_which_key_a_party_signs() {
    let house = House::new().await;
    let document = |seed: u8| {
        let did = "did:web:customer.example";
        let method =
            json!({"id": "#key", "type": "Multikey", "controller": did, "publicKeyMultibase": key(seed).verifying().multibase()});
        json!({"id": did, "verificationMethod": [method], "assertionMethod": ["#key"]}).to_string()
    };
    house.write("customer.json", &document(2));
    house.write(
        "trust.yaml",
        &format!(
            "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  - {{did: 'did:web:customer.example', document: customer.json, roles: [counterparty]}}\n",
            key(1).verifying().multibase()
        ),
    );
    house.write("first.pact.json", &sealed("2.0.0", &[]));
    house.config(&format!("agent: '{AGENT}'\ntrust: {{keys: trust.yaml}}\npacts: [first.pact.json]"));
    let clock = Arc::new(ManualClock::at((TOLD + DAY) * 1_000_000));
    let sidecar = house.start_at(clock).await.unwrap();
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    // Another key in the document: what it signed before no longer counts, and the old state stays.
    house.write("customer.json", &document(7));
    let outcome = sidecar.reload().await.unwrap();
    assert_eq!((outcome.outcome, outcome.code), ("refused", Some("untrusted")), "{:?}", outcome.reason);
    std::fs::remove_file(house.at("customer.json")).unwrap();
    let outcome = sidecar.reload().await.unwrap();
    assert_eq!((outcome.outcome, outcome.code), ("refused", Some("unreadable")), "{:?}", outcome.reason);
    assert!(outcome.reason.unwrap().contains("customer.json"));
    assert_eq!(in_force(&sidecar).await, "first-pact@2.0.0");
    sidecar.stop().await.unwrap();
}
