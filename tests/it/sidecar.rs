//! The whole sidecar: guard, log, admin port, reloads, its end. On port 0, before a scripted upstream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use servanda::base::clock::{ManualClock, SharedClock, SystemClock};
use servanda::pact::template::template;
use servanda::pact::{Packs, Role, SealedPact, read};
use servanda::proxy::serve::{Setup, Sidecar};
use servanda::proxy::{Config, ProxyError};
use servanda::seal::SigningKey;

use crate::support::client::{body, get, http1, http2, post};
use crate::support::upstream::{Script, Upstream};

pub(crate) const SSN: &str = r#"{"model":"m","messages":[{"role":"user","content":"My SSN is 536-22-8731"}]}"#;
const CLEAN: &str = r#"{"model":"m","messages":[{"role":"user","content":"Where is my order?"}]}"#;
const AGENT: &str = "did:web:vendor.example:agents:first";

/// A folder with a config and what it names.
pub(crate) struct House {
    dir: tempfile::TempDir,
    pub(crate) upstream: Upstream,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), upstream: Upstream::start().await }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        // As careful writers do: whole, then renamed.
        std::fs::write(self.at(".new"), text).unwrap();
        std::fs::rename(self.at(".new"), self.at(name)).unwrap();
    }

    pub(crate) fn config(&self, more: &str) {
        let text = format!(
            "version: 1\nlisten: [{{name: inbound, bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}]\nadmin: {{bind: '127.0.0.1:0'}}\nevidence: {{dir: log}}\n{more}\n",
            self.upstream.url()
        );
        self.write("servanda.yaml", &text);
    }

    pub(crate) async fn start(&self) -> Result<Sidecar, ProxyError> {
        self.start_at(SystemClock::shared()).await
    }

    pub(crate) async fn start_at(&self, clock: SharedClock) -> Result<Sidecar, ProxyError> {
        let path = self.at("servanda.yaml");
        let (config, _) = Config::load(&path)?;
        Sidecar::start(Setup { config, path: Some(path), clock, notice: None }).await
    }
}

pub(crate) fn address(sidecar: &Sidecar) -> SocketAddr {
    sidecar.addresses()[0].1
}

pub(crate) async fn json(address: SocketAddr, path: &str) -> (StatusCode, Value) {
    let response = http1().request(get(address, path)).await.unwrap();
    (response.status(), serde_json::from_slice(&body(response).await).unwrap())
}

pub(crate) fn minimal(version: &str) -> String {
    template("minimal").unwrap().replace("1.0.0", version)
}

fn signed(version: &str) -> String {
    let (pact, _) = read(&minimal(version), Packs::shipped());
    let sealed = SealedPact::new(pact.unwrap()).unwrap();
    let sealed = sealed.sign(&SigningKey::from_seed(&[1; 32]), Role::Agent, 1_790_000_000).unwrap();
    sealed.sign(&SigningKey::from_seed(&[2; 32]), Role::Counterparty, 1_790_000_000).unwrap().to_json().unwrap()
}

fn trust() -> String {
    let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).verifying().multibase();
    format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  - {{did: 'did:web:customer.example', keys: [{{key: {}}}], roles: [counterparty]}}\n",
        key(1),
        key(2)
    )
}

#[tokio::test]
async fn without_a_pact_it_observes_and_changes_nothing() {
    let house = House::new().await;
    house.config("");
    let sidecar = house.start().await.unwrap();
    let answer = r#"{"choices":[{"message":{"role":"assistant","content":"Card 4111 1111 1111 1111"}}]}"#;
    for version2 in [false, true] {
        let json = Response::builder().header("content-type", "application/json").body(Full::from(answer)).unwrap();
        house.upstream.will(Script::Whole(json));
        let mut request = post(address(&sidecar), "/v1/chat/completions", SSN);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request.headers_mut().insert("authorization", "Bearer sk-test".parse().unwrap());
        let client = if version2 { http2() } else { http1() };
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().keys().all(|name| !name.as_str().starts_with("x-servanda")), "{:?}", response.headers());
        assert_eq!(body(response).await, answer);
        let seen = house.upstream.next().await;
        assert_eq!((seen.body.clone(), seen.header("authorization")), (Bytes::from(SSN), Some("Bearer sk-test")));
    }
    let (status, ready) = json(sidecar.admin(), "/readyz").await;
    assert_eq!(
        (status, ready["pacts"][0]["pact"].as_str(), ready["trust"].as_str()),
        (StatusCode::OK, Some("servanda-observe"), Some("development"))
    );
    let ended = sidecar.stop().await.unwrap();
    assert!(ended.records >= 3, "{ended:?}");
}

#[tokio::test]
async fn with_a_pact_it_enforces() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let request = |text: &'static str| {
        let mut request = post(address(&sidecar), "/v1/chat/completions", text);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request
    };
    let response = http1().request(request(SSN)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["x-servanda-verdict"], "block");
    assert_eq!(response.headers()["x-servanda-pact"], "first-pact@1.0.0;unsigned");
    assert!(house.upstream.idle());
    let response = http1().request(request(CLEAN)).await.unwrap();
    assert_eq!((response.status(), &response.headers()["x-servanda-verdict"]), (StatusCode::OK, &"allow".parse().unwrap()));
    assert_eq!(body(response).await, "ok");
    assert_eq!(house.upstream.next().await.body, CLEAN);
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn the_admin_port_tells_and_asks_for_its_token() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let admin = sidecar.admin();
    let live = http1().request(get(admin, "/livez")).await.unwrap();
    assert_eq!(body(live).await, "ok\n");
    drop(body(http1().request(post(address(&sidecar), "/x", CLEAN)).await.unwrap()).await);
    let metrics = http1().request(get(admin, "/metrics")).await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let metrics = String::from_utf8(body(metrics).await.to_vec()).unwrap();
    for name in [
        "servanda_build_info{",
        "servanda_exchanges_total{",
        "servanda_judge_seconds_bucket{le=\"0.000001\"}",
        "servanda_reload_total{outcome=\"loaded\"}",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    let (status, state) = json(admin, "/v1/status").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((state["pacts"][0]["version"].as_str(), state["pacts"][0]["signed"].as_bool()), (Some("1.0.0"), Some(false)));
    assert_eq!(
        (state["listeners"][0]["mode"].as_str(), state["listeners"][0]["lane"].as_str()),
        (Some("enforce"), Some("inbound"))
    );
    assert_eq!(state["listeners"][0]["address"].as_str(), Some(address(&sidecar).to_string().as_str()));
    assert!(state["evidence"]["log"].is_string());
    // The head is the published one, or an earlier one of the same log: another may have been signed since.
    let head = &state["evidence"]["checkpoint"];
    let note = head["note"].as_str().unwrap();
    let signed =
        format!("{}\n{}\n{}\n\n\u{2014} ", head["origin"].as_str().unwrap(), head["size"], head["root"].as_str().unwrap());
    assert!(note.starts_with(&signed), "{note}");
    assert_eq!(head["origin"], state["evidence"]["origin"]);
    assert!(head["size"].as_u64().unwrap() <= state["evidence"]["records"].as_u64().unwrap());
    assert!(head["time_us"].as_i64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(json(admin, "/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(json(admin, "/v1/reload").await.0, StatusCode::METHOD_NOT_ALLOWED);

    let wish = |token: Option<&str>| {
        let mut request = Request::post(format!("http://{admin}/v1/reload"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        http1().request(request.body(Full::<Bytes>::default()).unwrap())
    };
    assert_eq!(wish(None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(wish(Some("0123456789abcdef")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let token = std::fs::read_to_string(sidecar.made_token().unwrap()).unwrap();
    let done = wish(Some(token.trim())).await.unwrap();
    assert_eq!(done.status(), StatusCode::OK);
    assert_eq!(serde_json::from_slice::<Value>(&body(done).await).unwrap()["outcome"], "unchanged");
    std::fs::write(house.at("first.pact.yaml"), "format: 2\n").unwrap();
    let done = wish(Some(token.trim())).await.unwrap();
    assert_eq!(done.status(), StatusCode::CONFLICT);
    assert_eq!(serde_json::from_slice::<Value>(&body(done).await).unwrap()["code"], "broken");
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn an_edited_file_is_taken_up_and_a_broken_one_is_not() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let mut states = sidecar.watch();
    house.write("first.pact.yaml", &minimal("1.1.0"));
    states.wait_for(|s| s.pacts.iter().any(|p| p.version == "1.1.0")).await.unwrap();
    house.write("first.pact.yaml", "format: 1\npact: [\n");
    states.wait_for(|s| s.reload.as_ref().is_some_and(|r| r.code == Some("broken"))).await.unwrap();
    let (status, ready) = json(sidecar.admin(), "/readyz").await;
    assert_eq!((status, ready["pacts"][0]["version"].as_str()), (StatusCode::OK, Some("1.1.0")), "the old one stays");
    assert!(ready["reload"]["reason"].as_str().unwrap().contains("first.pact.yaml"), "{ready}");
    // Its own case fails: it says of itself that it does not do what it promises.
    house.write("first.pact.yaml", &minimal("1.2.0").replace("expect: block", "expect: allow"));
    states.wait_for(|s| s.reload.as_ref().is_some_and(|r| r.code == Some("case_failed"))).await.unwrap();
    // The mode is part of the config: changed for what comes, without a restart.
    house.write("first.pact.yaml", &minimal("1.1.0"));
    house.config("pacts: [first.pact.yaml]\nroutes: [{match: {listener: inbound}, mode: observe}]");
    states.wait_for(|s| s.listeners[0].mode == "observe").await.unwrap();
    let response = http1().request(post(address(&sidecar), "/v1/chat/completions", SSN)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // What is bound cannot move.
    house.config("pacts: [first.pact.yaml]\nlimits: {parallel_max: 3}");
    states.wait_for(|s| s.reload.as_ref().is_some_and(|r| r.code == Some("needs_restart"))).await.unwrap();
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_kubernetes_mount_is_followed() {
    let house = House::new().await;
    let mount = house.at("mount");
    for version in ["1.0.0", "2.0.0"] {
        std::fs::create_dir_all(mount.join(version)).unwrap();
        std::fs::write(mount.join(version).join("first.pact.yaml"), minimal(version)).unwrap();
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, mount.join(name)).unwrap();
    link("1.0.0", "..data");
    link("..data/first.pact.yaml", "first.pact.yaml");
    house.config("pacts: [mount/first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let mut states = sidecar.watch();
    link("2.0.0", "..data_tmp");
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    states.wait_for(|s| s.pacts.iter().any(|p| p.version == "2.0.0")).await.unwrap();
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn trusted_mode_takes_only_signed_and_newer_pacts_and_remembers() {
    let house = House::new().await;
    house.write("trust.yaml", &trust());
    house.write("first.pact.json", &signed("2.0.0"));
    house.config(&format!("agent: '{AGENT}'\ntrust: {{keys: trust.yaml}}\npacts: [first.pact.json]"));
    let sidecar = house.start().await.unwrap();
    let response = http1().request(post(address(&sidecar), "/x", CLEAN)).await.unwrap();
    assert_eq!(response.headers()["x-servanda-pact"], "first-pact@2.0.0");
    for (text, code) in [
        (minimal("3.0.0"), "unsigned"),
        (signed("1.9.9"), "rolled_back"),
        (signed("2.0.0").replace("until_review", "48h"), "bad_signature"),
        (signed("3.0.0").replace("3.0.0", "3.0.1"), "bad_signature"),
        (signed("3.0.0").replace(AGENT, "did:web:other.example"), "bad_signature"),
    ] {
        house.write("first.pact.json", &text);
        let outcome = sidecar.reload().await.unwrap();
        assert_eq!((outcome.outcome, outcome.code), ("refused", Some(code)), "{:?}", outcome.reason);
        assert_eq!(sidecar.state().pacts[0].version, "2.0.0");
    }
    house.write("first.pact.json", &signed("2.1.0"));
    // The watch may have been first; then there is nothing left to load.
    assert_ne!(sidecar.reload().await.unwrap().outcome, "refused");
    assert_eq!(sidecar.state().pacts[0].version, "2.1.0");
    sidecar.stop().await.unwrap();
    // The restart has not forgotten, and the file cannot be talked out of its trust.
    house.write("first.pact.json", &signed("2.0.0"));
    let error = house.start().await.unwrap_err().to_string();
    assert!(error.contains("older than 2.1.0"), "{error}");
    house.write("first.pact.json", &signed("2.1.0"));
    let sidecar = house.start().await.unwrap();
    house.config("pacts: [first.pact.json]");
    let outcome = sidecar.reload().await.unwrap();
    assert_eq!((outcome.outcome, outcome.code), ("refused", Some("needs_restart")));
    sidecar.stop().await.unwrap();
}

/// Clients that ask a sidecar again and again, each as soon as it has its answer.
pub(crate) struct Load {
    clients: tokio::task::JoinSet<()>,
    end: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    seen: usize,
}

impl Load {
    /// So many of them.
    pub(crate) fn on(sidecar: &Sidecar, clients: usize) -> Self {
        let (target, end, done) = (address(sidecar), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut load = Self { clients: tokio::task::JoinSet::new(), end, done, seen: 0 };
        for _ in 0..clients {
            let (end, done) = (Arc::clone(&load.end), Arc::clone(&load.done));
            load.clients.spawn(async move {
                let client = http1();
                while !end.load(Ordering::SeqCst) {
                    let response = client.request(post(target, "/v1/chat/completions", CLEAN)).await.unwrap();
                    assert_eq!((response.status(), body(response).await), (StatusCode::OK, Bytes::from("ok")));
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        load
    }

    /// Waits until some request was answered since it was asked last.
    pub(crate) async fn goes_on(&mut self) {
        while self.done.load(Ordering::SeqCst) <= self.seen {
            if let Some(ended) = self.clients.try_join_next() {
                ended.expect("every request is answered");
            }
            tokio::task::yield_now().await;
        }
        self.seen = self.done.load(Ordering::SeqCst);
    }

    /// Ends it; every request was answered.
    pub(crate) async fn end(mut self) {
        self.end.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_during_a_hundred_reloads() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let mut load = Load::on(&sidecar, 4);
    for n in 1..=100 {
        // Every twentieth brings another pact, the others another mode: compiling is slow unoptimised.
        house.write("first.pact.yaml", &minimal(&format!("1.0.{}", n / 20)));
        let mode = if n % 2 == 0 { "flag" } else { "enforce" };
        house.config(&format!("pacts: [first.pact.yaml]\nroutes: [{{mode: {mode}}}]"));
        assert_ne!(sidecar.reload().await.unwrap().outcome, "refused");
        let state = sidecar.state();
        assert_eq!((state.pacts[0].version.clone(), state.listeners[0].mode), (format!("1.0.{}", n / 20), mode));
        load.goes_on().await;
    }
    load.end().await;
    sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn a_pact_that_cannot_be_enforced_stops_the_start() {
    let house = House::new().await;
    house.config("pacts: [missing.pact.yaml]");
    let error = house.start().await.unwrap_err().to_string();
    assert!(error.contains("missing.pact.yaml"), "{error}");
    house.write("first.pact.yaml", "format: 1\npredicate: []\n");
    house.config("pacts: [first.pact.yaml]");
    let error = house.start().await.unwrap_err().to_string();
    assert!(error.contains("first.pact.yaml:2:1") && error.contains("did you mean"), "{error}");
    assert!(Path::new(&house.at("log")).exists(), "the refusal is in evidence");
}

#[tokio::test]
async fn a_pact_that_runs_out_while_it_runs_is_told_and_refuses() {
    for (mode, after, ready_after, act) in [
        ("enforce", StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE, "block"),
        ("enforce, expired: flag", StatusCode::OK, StatusCode::OK, "flag"),
        ("observe", StatusCode::OK, StatusCode::OK, "block"),
    ] {
        let house = House::new().await;
        house.write("first.pact.yaml", &minimal("1.0.0"));
        house.config(&format!("pacts: [first.pact.yaml]\nroutes: [{{mode: {mode}}}]"));
        // One second before the end of 2035.
        let clock = Arc::new(ManualClock::at(2_082_758_399_000_000));
        let sidecar = house.start_at(clock.clone()).await.unwrap();
        let ask = || http1().request(post(address(&sidecar), "/a", CLEAN));
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
        let (status, ready) = json(sidecar.admin(), "/readyz").await;
        assert_eq!(status, StatusCode::OK);
        assert!(ready["notes"].to_string().contains("ends in 1 minute,"), "it warns ahead: {ready}");
        assert_eq!(json(sidecar.admin(), "/v1/status").await.1["expired"], false);
        clock.advance_us(1_000_000);
        assert_eq!(ask().await.unwrap().status(), after, "{mode}");
        let (status, ready) = json(sidecar.admin(), "/readyz").await;
        assert_eq!((status, &ready["ready"]), (ready_after, &Value::Bool(ready_after == StatusCode::OK)), "{mode}");
        assert!(ready["notes"].to_string().contains("expired"), "{ready}");
        assert_eq!(json(sidecar.admin(), "/v1/status").await.1["expired"], true);
        sidecar.stop().await.unwrap();
        let told: Vec<_> = crate::support::written::written(&house.at("log"))
            .iter()
            .filter(|r| r["kind"] == "exchange")
            .map(|r| (r["act"].as_str().unwrap().to_owned(), r["reason"].as_str().map(str::to_owned)))
            .collect();
        assert_eq!(told, [("allow".to_owned(), None), (act.to_owned(), Some("expired".to_owned()))], "{mode}");
    }
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_back() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]\nlimits: {parallel_max: 1}");
    let sidecar = house.start().await.unwrap();
    let pace = house.upstream.will_pace("text/event-stream");
    let streaming = http1().request(post(address(&sidecar), "/a", CLEAN)).await.unwrap();
    let response = http1().request(post(address(&sidecar), "/b", CLEAN)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    drop(streaming);
    pace.gone().await;
    sidecar.stop().await.unwrap();
}
