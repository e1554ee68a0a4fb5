//! What may not come into force, on the real binary: the old pact stays, and log, metric, `/readyz` and evidence
//! say why; then a good one comes.

use std::path::{Path, PathBuf};

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use servanda::pact::template::template;
use servanda::pact::{Packs, Role, SealedPact, read};
use servanda::seal::SigningKey;

use crate::support::client::{body, get, http1, post};
use crate::support::command::servanda;
use crate::support::running::Running;
use crate::support::upstream::Upstream;
use crate::support::written::written;

const AGENT: &str = "did:web:vendor.example:agents:first";
const OTHER: &str = "did:web:vendor.example:agents:other";
const CLEAN: &str = r#"{"model":"m","messages":[{"role":"user","content":"Where is my order?"}]}"#;
const SIGNED_AT: i64 = 1_790_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn minimal(version: &str) -> String {
    template("minimal").unwrap().replace("1.0.0", version)
}

/// A pact signed by both of its parties.
fn sealed(text: &str) -> String {
    let (pact, mistakes) = read(text, Packs::shipped());
    let pact = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", mistakes.render("pact", text)))).unwrap();
    let pact = pact.sign(&key(1), Role::Agent, SIGNED_AT).unwrap();
    pact.sign(&key(2), Role::Counterparty, SIGNED_AT).unwrap().to_json().unwrap()
}

/// A trust file in which the key of the agent counts in `role`.
fn trust(role: &str) -> String {
    let key = |seed: u8| key(seed).verifying().multibase();
    format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {agent}}}], roles: [{role}]}}\n  - {{did: '{OTHER}', keys: [{{key: {agent}}}], roles: [agent]}}\n  - {{did: 'did:web:customer.example', keys: [{{key: {}}}], roles: [counterparty]}}\n  - {{did: 'did:web:builder.example', keys: [{{key: {}}}], roles: [image]}}\n  - {{did: 'did:web:retired.example', keys: [{{key: {}, until: 2020-01-01}}], roles: [image]}}\n  - {{did: 'did:web:clerk.example', keys: [{{key: {}}}], roles: [judge]}}\nimages: ['did:web:builder.example', 'did:web:retired.example', 'did:web:clerk.example']\n",
        key(2),
        key(5),
        key(6),
        key(7),
        agent = key(1),
    )
}

/// A folder in trusted mode, and what runs in it.
struct House {
    folder: tempfile::TempDir,
    upstream: Upstream,
    /// The pact or image that the config names.
    pact: &'static str,
    /// Codes of the refusals so far.
    refusals: Vec<&'static str>,
}

impl House {
    async fn new(pact: &'static str) -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap(), upstream: Upstream::start().await, pact, refusals: Vec::new() };
        house.write("trust.yaml", trust("agent"));
        let config = format!(
            "version: 1\nagent: '{AGENT}'\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}]\n\
             admin: {{bind: '127.0.0.1:0', token_file: token}}\ntrust: {{keys: trust.yaml}}\npacts: [{pact}]\nevidence: {{dir: log}}\n",
            house.upstream.url()
        );
        house.write("servanda.yaml", config);
        house
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes as careful writers do: whole, then renamed.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.at("new"), bytes).unwrap();
        std::fs::rename(self.at("new"), self.at(name)).unwrap();
    }

    fn start(&self) -> Running {
        Running::with(self.folder.path(), &["run", "--config", "servanda.yaml"], &[])
    }

    /// Asks for a reload.
    async fn reload(&self, running: &Running) -> (StatusCode, Value) {
        let token = std::fs::read_to_string(self.at("token")).unwrap();
        let request = Request::post(format!("http://{}/v1/reload", running.admin));
        let request = request.header("authorization", format!("Bearer {}", token.trim()));
        let response = http1().request(request.body(Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
        (response.status(), serde_json::from_slice(&body(response).await).unwrap())
    }

    /// What lies there now may not come into force, and everybody is told.
    async fn refuses(&mut self, running: &Running, code: &'static str) {
        let in_log = || running.told().matches(&format!("code=\"{code}\"")).count();
        let (lines, refused) = (in_log(), refusals(running).await);
        let (status, told) = self.reload(running).await;
        assert_eq!((status, told["code"].as_str()), (StatusCode::CONFLICT, Some(code)), "{told}");
        assert!(in_log() > lines, "{code} is not in the log:\n{}", running.told());
        assert!(refusals(running).await > refused, "{code} is not counted");
        let ready = ready(running).await;
        assert_eq!(
            (ready["reload"]["code"].as_str(), ready["pacts"][0]["version"].as_str()),
            (Some(code), Some("2.0.0")),
            "{ready}"
        );
        assert!(ready["notes"].to_string().contains("the last reload was refused"), "{ready}");
        assert_eq!(in_force(running).await, "first-pact@2.0.0", "after {code}");
        self.refusals.push(code);
    }

    /// A good one comes into force, and the log holds each refusal with its reason.
    async fn takes_and_ends(self, running: Running, bytes: impl AsRef<[u8]>) {
        self.write(self.pact, bytes);
        let (status, told) = self.reload(&running).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(in_force(&running).await, "first-pact@2.1.0");
        running.stop();
        let records = written(&self.at("log"));
        let loads: Vec<&Value> = records.iter().filter(|record| record["kind"] == "pact.load").collect();
        for code in &self.refusals {
            let told = |load: &&&Value| load["reason"].as_str().is_some_and(|reason| reason.starts_with(&format!("{code}: ")));
            let load = loads.iter().find(told).unwrap_or_else(|| panic!("{code} is not in evidence: {loads:#?}"));
            assert_eq!(load["result"], "refused");
        }
        assert_eq!(loads.last().unwrap()["result"], "loaded");
    }
}

async fn ready(running: &Running) -> Value {
    let response = http1().request(get(running.admin, "/readyz")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "a refused reload does not take traffic away");
    serde_json::from_slice(&body(response).await).unwrap()
}

/// The pact that a request meets.
async fn in_force(running: &Running) -> String {
    let response = http1().request(post(running.address, "/v1/chat/completions", CLEAN)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers()["x-servanda-pact"].to_str().unwrap().to_owned()
}

/// Refused reloads, as `/metrics` counts them.
async fn refusals(running: &Running) -> u64 {
    let response = http1().request(get(running.admin, "/metrics")).await.unwrap();
    let text = String::from_utf8(body(response).await.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("servanda_reload_total{outcome=\"refused\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn no_bad_pact_comes_into_force() {
    let mut house = House::new("first.pact.json").await;
    house.write("first.pact.json", sealed(&minimal("2.0.0")));
    let running = house.start();
    assert_eq!(in_force(&running).await, "first-pact@2.0.0");
    let changed = |from: &str, to: &str| {
        let text = minimal("3.0.0");
        assert!(text.contains(from), "{from}");
        sealed(&text.replace(from, to))
    };
    for (code, text) in [
        ("broken", "format: 1\npact: [\n".to_owned()),
        ("unsigned", minimal("3.0.0")),
        ("bad_signature", sealed(&minimal("3.0.0")).replace("until_review", "48h")),
        ("expired", changed("effective: 2026-01-01\n  expires: 2036-01-01", "effective: 2020-01-01\n  expires: 2021-01-01")),
        ("not_yet_effective", changed("effective: 2026-01-01", "effective: 2035-01-01")),
        ("rolled_back", sealed(&minimal("1.9.9"))),
        ("same_version", sealed(&minimal("2.0.0").replace("until_review", "48h"))),
        ("wrong_audience", changed(AGENT, OTHER)),
        ("case_failed", changed("expect: block", "expect: allow")),
    ] {
        house.write("first.pact.json", text);
        house.refuses(&running, code).await;
    }
    std::fs::remove_file(house.at("first.pact.json")).unwrap();
    house.refuses(&running, "unreadable").await;
    // The agent's key may sign, but not as an agent.
    house.write("first.pact.json", sealed(&minimal("3.0.0")).replace("3.0.0", "3.0.1"));
    house.write("trust.yaml", trust("guarantor"));
    house.write("first.pact.json", sealed(&minimal("3.0.0")));
    house.refuses(&running, "untrusted").await;
    house.write("trust.yaml", "identities: [\n");
    house.refuses(&running, "broken").await;
    house.write("first.pact.json", sealed(&minimal("2.0.0")));
    house.write("trust.yaml", trust("agent"));
    house.takes_and_ends(running, sealed(&minimal("2.1.0"))).await;
}

/// An image of this pact, signed by the key of that seed.
fn image(folder: &Path, pact: &str, seed: Option<u8>) -> Vec<u8> {
    let make = folder.join("make");
    std::fs::create_dir_all(&make).unwrap();
    std::fs::write(make.join("p.pact.json"), pact).unwrap();
    let name = seed.map(|seed| format!("key-{seed}"));
    let mut arguments = vec!["compile", "p.pact.json", "-o", "out.pactc"];
    if let (Some(seed), Some(name)) = (seed, &name) {
        if !make.join(name).exists() {
            key(seed).to_file(&make.join(name)).unwrap();
        }
        arguments.extend(["--key", name]);
    }
    let run = servanda(&make, &arguments);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    std::fs::read(make.join("out.pactc")).unwrap()
}

#[tokio::test]
async fn no_bad_image_comes_into_force() {
    let mut house = House::new("first.pactc").await;
    let folder = house.folder.path().to_owned();
    let pact = |version: &str| sealed(&minimal(version));
    let flipped = |from_end: usize| {
        let mut bytes = image(&folder, &pact("3.0.0"), Some(5));
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let bad = [
        ("bad_image", flipped(1)),
        ("bad_image", flipped(400)),
        ("image_signer", image(&folder, &pact("3.0.0"), None)),
        ("image_signer", image(&folder, &pact("3.0.0"), Some(8))),
        // Known, but out of its time; known, but for something else.
        ("image_signer", image(&folder, &pact("3.0.0"), Some(6))),
        ("image_signer", image(&folder, &pact("3.0.0"), Some(7))),
        ("unsigned", image(&folder, &minimal("3.0.0"), Some(5))),
        ("rolled_back", image(&folder, &pact("1.0.0"), Some(5))),
    ];
    // At the start none of them is taken either; only a version that was seen can be rolled back.
    for (code, bytes) in bad.iter().filter(|(code, _)| *code != "rolled_back") {
        house.write("first.pactc", bytes);
        let run = servanda(&folder, &["run", "--config", "servanda.yaml"]);
        assert_eq!(run.code, 2, "{code}: {}", run.err);
        assert!(
            run.err.contains("does not come into force") && run.err.contains(&format!("code=\"{code}\"")),
            "{code}: {}",
            run.err
        );
    }
    house.write("first.pactc", image(&folder, &pact("2.0.0"), Some(5)));
    let running = house.start();
    assert_eq!(in_force(&running).await, "first-pact@2.0.0");
    for (code, bytes) in bad {
        house.write("first.pactc", bytes);
        house.refuses(&running, code).await;
    }
    let good = image(&folder, &pact("2.1.0"), Some(5));
    house.takes_and_ends(running, good).await;
}
