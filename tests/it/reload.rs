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
    /// The pacts in force, as a request meets them.
    shown: &'static str,
    /// Codes of the refusals so far.
    refusals: Vec<&'static str>,
}

impl House {
    /// `pact` is what the config names: a pact, a portfolio or an image.
    async fn new(pact: &str, shown: &'static str) -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap(), upstream: Upstream::start().await, shown, refusals: Vec::new() };
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
    async fn refuses(&mut self, running: &Running, code: &'static str) -> String {
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
        assert_eq!(in_force(running).await, self.shown, "after {code}");
        self.refusals.push(code);
        told["detail"].as_str().unwrap().to_owned()
    }

    /// A good one comes into force, and the log holds each refusal with its reason. Gives the record of the last load.
    async fn takes_and_ends(self, running: Running, name: &str, bytes: impl AsRef<[u8]>, shown: &str) -> Value {
        self.write(name, bytes);
        let (status, told) = self.reload(&running).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(in_force(&running).await, shown);
        running.stop();
        let records = written(&self.at("log"));
        let loads: Vec<&Value> = records.iter().filter(|record| record["kind"] == "pact.load").collect();
        for code in &self.refusals {
            let told = |load: &&&Value| load["reason"].as_str().is_some_and(|reason| reason.starts_with(&format!("{code}: ")));
            let load = loads.iter().find(told).unwrap_or_else(|| panic!("{code} is not in evidence: {loads:#?}"));
            assert_eq!(load["result"], "refused");
        }
        let last = *loads.last().unwrap();
        assert_eq!(last["result"], "loaded");
        last.clone()
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
    let mut house = House::new("first.pact.json", "first-pact@2.0.0").await;
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
    house.takes_and_ends(running, "first.pact.json", sealed(&minimal("2.1.0")), "first-pact@2.1.0").await;
}

/// An image of this pact, signed by the key of that seed.
fn image(folder: &Path, pact: &str, seed: Option<u8>) -> Vec<u8> {
    compiled(folder, &[("p.pact.json", pact)], seed)
}

/// An image of the first of these documents, signed by the key of that seed.
fn compiled(folder: &Path, documents: &[(&str, &str)], seed: Option<u8>) -> Vec<u8> {
    let make = folder.join("make");
    std::fs::create_dir_all(&make).unwrap();
    for (name, text) in documents {
        std::fs::write(make.join(name), text).unwrap();
    }
    let name = seed.map(|seed| format!("key-{seed}"));
    let mut arguments = vec!["compile", documents[0].0, "-o", "out.pactc"];
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
    let mut house = House::new("first.pactc", "first-pact@2.0.0").await;
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
    let load = house.takes_and_ends(running, "first.pactc", good, "first-pact@2.1.0").await;
    assert!(load["image"].is_string(), "{load}");
}

const PORTFOLIO: &str = "agent: did:web:vendor.example:agents:first
pacts:
  - {pact: first.pact.json, tasks: [order], weight: 0.5}
  - {pact: second.pact.json, tasks: [order, refund], weight: 0.5}
";

/// A second pact of the same agent, which ends a year before the first.
fn second(version: &str) -> String {
    minimal(version).replace("first-pact", "second-pact").replace("expires: 2036-01-01", "expires: 2035-01-01")
}

#[tokio::test]
async fn no_bad_member_of_a_portfolio_comes_into_force_and_keeps_the_others_out() {
    let mut house = House::new("desk.portfolio.yaml", "first-pact@2.0.0, second-pact@2.0.0").await;
    house.write("first.pact.json", sealed(&minimal("2.0.0")));
    house.write("second.pact.json", sealed(&second("2.0.0")));
    house.write("desk.portfolio.yaml", PORTFOLIO);
    let running = house.start();
    assert_eq!(in_force(&running).await, house.shown);
    let metrics = body(http1().request(get(running.admin, "/metrics")).await.unwrap()).await;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let left = metrics.lines().find_map(|line| line.strip_prefix("servanda_pact_expires_seconds ")).unwrap();
    let now = jiff::Timestamp::now().as_second();
    // 2035-01-01 and not 2036-01-01: the first to end counts.
    assert!((left.parse::<f64>().unwrap() as i64 + now - 2_051_222_400).abs() < 600, "{left}");

    let changed = |from: &str, to: &str| {
        let text = second("3.0.0");
        assert!(text.contains(from), "{from}");
        sealed(&text.replace(from, to))
    };
    let bad = [
        ("broken", "format: 1\npact: [\n".to_owned(), "second.pact.json:"),
        ("broken", PORTFOLIO.to_owned(), "second.pact.json: is a portfolio"),
        ("unsigned", second("3.0.0"), "`second-pact` 3.0.0"),
        ("bad_signature", sealed(&second("3.0.0")).replace("until_review", "48h"), "`second-pact` 3.0.0"),
        (
            "expired",
            changed("effective: 2026-01-01\n  expires: 2035-01-01", "effective: 2020-01-01\n  expires: 2021-01-01"),
            "`second-pact` 3.0.0",
        ),
        ("not_yet_effective", changed("effective: 2026-01-01", "effective: 2034-01-01"), "`second-pact` 3.0.0"),
        ("rolled_back", sealed(&second("1.9.9")), "`second-pact` 1.9.9"),
        ("same_version", sealed(&second("2.0.0").replace("until_review", "48h")), "`second-pact` 2.0.0"),
        ("wrong_audience", changed(AGENT, OTHER), "`second-pact` 3.0.0"),
        ("case_failed", changed("order?\", expect: allow", "order?\", expect: block"), "`second-pact` 3.0.0"),
        ("uncompilable", sealed(&minimal("2.0.0")), "two pacts are called `first-pact`"),
    ];
    for (code, text, told) in bad {
        house.write("second.pact.json", text);
        // Good by itself, and never in force without the other.
        house.write("first.pact.json", sealed(&minimal("2.1.0")));
        let why = house.refuses(&running, code).await;
        assert!(why.contains(told), "{code}: {why}");
    }
    std::fs::remove_file(house.at("second.pact.json")).unwrap();
    assert!(house.refuses(&running, "unreadable").await.contains("second.pact.json"));
    for (code, from, to, told) in [
        ("broken", "weight: 0.5}\n  -", "weight: 0.4}\n  -", "the weights add up to 0.9"),
        ("broken", "second.pact.json", "second.pactc", "second.pactc: is an image"),
        ("wrong_audience", AGENT, OTHER, "desk.portfolio.yaml: the portfolio is of did:web:vendor.example:agents:other"),
    ] {
        house.write("desk.portfolio.yaml", PORTFOLIO.replace(from, to));
        let why = house.refuses(&running, code).await;
        assert!(why.contains(told), "{code}: {why}");
    }
    // Nothing of all that was remembered.
    house.write("first.pact.json", sealed(&minimal("2.0.0")));
    house.write("second.pact.json", sealed(&second("2.0.0")));
    house.write("desk.portfolio.yaml", format!("# the same\n{PORTFOLIO}"));
    let (status, told) = house.reload(&running).await;
    assert_eq!((status, told["outcome"].as_str()), (StatusCode::OK, Some("unchanged")), "{told}");

    let shown = "first-pact@2.0.0, second-pact@2.1.0";
    let load = house.takes_and_ends(running, "second.pact.json", sealed(&second("2.1.0")), shown).await;
    let pacts: Vec<(&str, &str)> = load["pacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pact| (pact["id"].as_str().unwrap(), pact["version"].as_str().unwrap()))
        .collect();
    assert_eq!(pacts, [("first-pact", "2.0.0"), ("second-pact", "2.1.0")]);
    assert_eq!((load["signed"].as_bool(), load["signers"].as_array().unwrap().len()), (Some(true), 2), "each signer once");
    assert_eq!(load["predicates"], serde_json::json!(["first-pact/pii", "second-pact/pii"]));
}

#[tokio::test]
async fn no_bad_image_of_a_portfolio_comes_into_force() {
    let mut house = House::new("desk.pactc", "first-pact@2.0.0, second-pact@2.0.0").await;
    let folder = house.folder.path().to_owned();
    let made = |second: &str, seed| {
        let first = sealed(&minimal("2.0.0"));
        compiled(&folder, &[("desk.portfolio.yaml", PORTFOLIO), ("first.pact.json", &first), ("second.pact.json", second)], seed)
    };
    house.write("desk.pactc", made(&sealed(&second("2.0.0")), Some(5)));
    let running = house.start();
    assert_eq!(in_force(&running).await, house.shown);
    let mut flipped = made(&sealed(&second("3.0.0")), Some(5));
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (code, bytes, told) in [
        ("bad_image", flipped, "desk.pactc"),
        ("image_signer", made(&sealed(&second("3.0.0")), None), "desk.pactc"),
        ("unsigned", made(&second("3.0.0"), Some(5)), "`second-pact` 3.0.0"),
        ("rolled_back", made(&sealed(&second("1.0.0")), Some(5)), "`second-pact` 1.0.0"),
    ] {
        house.write("desk.pactc", bytes);
        let why = house.refuses(&running, code).await;
        assert!(why.contains(told), "{code}: {why}");
    }
    let good = made(&sealed(&second("2.1.0")), Some(5));
    for file in ["make/out.pactc", "make/desk.portfolio.yaml"] {
        let run = servanda(&folder, &["verify", file, "--trust", "trust.yaml", "--json"]);
        assert_eq!(run.code, 0, "{file}: {}{}", run.out, run.err);
        let (said, id) = (run.json(), |at: usize| run.json()["pacts"][at]["pact"].clone());
        assert_eq!((id(0), id(1)), ("first-pact".into(), "second-pact".into()), "{said}");
        assert_eq!((said["trusted"].as_bool(), said["pacts"][1]["signatures"].as_array().unwrap().len()), (Some(true), 2));
    }
    let load = house.takes_and_ends(running, "desk.pactc", good, "first-pact@2.0.0, second-pact@2.1.0").await;
    assert!(load["image"].is_string() && load["pacts"].as_array().unwrap().len() == 2, "{load}");
}
