//! What was recorded is found again, explained and proven: over the admin port, and by the command line from the files.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use servanda::evidence::note::NoteKey;
use servanda::evidence::prove;
use servanda::evidence::receipt::{self, Level};

use crate::pacts::CLEAN;
use crate::sidecar::{House, SSN, address, minimal};
use crate::support::client::{body, get, http1, post};
use crate::support::command::servanda;
use crate::support::running::Running;
use crate::support::upstream::Upstream;

/// Asks the admin port, with the token.
async fn ask(house: &House, admin: SocketAddr, path: &str) -> (StatusCode, String) {
    let token = std::fs::read_to_string(house.at("log/admin.token")).unwrap();
    let request = Request::get(format!("http://{admin}{path}")).header("authorization", format!("Bearer {}", token.trim()));
    let response = http1().request(request.body(Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(body(response).await.to_vec()).unwrap())
}

async fn found(house: &House, admin: SocketAddr, query: &str) -> Value {
    let (status, text) = ask(house, admin, &format!("/v1/evidence{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The answer once so many records are there: an exchange ends a moment after its last byte has come.
async fn settled(house: &House, admin: SocketAddr, query: &str, records: usize) -> Value {
    loop {
        let page = found(house, admin, query).await;
        if page["records"].as_array().unwrap().len() == records {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

/// Sends a message and gives the id of its record.
async fn said(address: SocketAddr, text: &str, session: &str) -> String {
    let mut request = post(address, "/v1/chat/completions", text.to_owned());
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request.headers_mut().insert("x-servanda-session", session.parse().unwrap());
    let response = http1().request(request).await.unwrap();
    let id = response.headers()["x-servanda-record"].to_str().unwrap().to_owned();
    body(response).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_found_explained_and_proven_over_the_admin_port() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let (admin, at) = (sidecar.admin(), address(&sidecar));
    let mut blocked = Vec::new();
    for n in 0..4 {
        said(at, CLEAN, "alice").await;
        blocked.push(said(at, SSN, if n < 2 { "alice" } else { "bob" }).await);
    }

    // By act, by predicate, by session, by kind, by pact; the newest first.
    let page = settled(&house, admin, "?kind=exchange&act=block", 4).await;
    let ids: Vec<&str> = page["records"].as_array().unwrap().iter().map(|r| r["record"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, blocked.iter().rev().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(page["next"], Value::Null);
    for (query, records) in [
        ("?kind=exchange", 8),
        ("?predicate=pii&kind=exchange", 4),
        ("?session=bob&kind=exchange", 2),
        ("?session=alice&act=block&kind=exchange", 2),
        ("?session=nobody", 0),
        ("?pact=first-pact@1.0.0&kind=exchange", 8),
        ("?pact=first-pact%401.0.1", 0),
        ("?kind=log.open", 1),
        ("?since=1h&until=2000-01-01T00:00:00Z", 0),
        ("?kind=exchange&since=1h", 8),
    ] {
        let (status, text) = ask(&house, admin, &format!("/v1/evidence{query}")).await;
        if query.contains("until") {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
            continue;
        }
        settled(&house, admin, query, records).await;
    }
    // Page by page.
    let first = settled(&house, admin, "?kind=exchange&limit=3", 3).await;
    let second = found(&house, admin, &format!("?kind=exchange&limit=5&cursor={}", first["next"].as_str().unwrap())).await;
    let all = found(&house, admin, "?kind=exchange").await;
    let both: Vec<&Value> = first["records"].as_array().unwrap().iter().chain(second["records"].as_array().unwrap()).collect();
    assert_eq!(both, all["records"].as_array().unwrap().iter().collect::<Vec<_>>());
    // What cannot be asked names the parameter and the way out.
    for (query, says) in
        [("?verdict=block", "since, until, kind"), ("?act=deny", "allow, flag, redact"), ("?limit=0", "from 1 to 1000")]
    {
        let (status, text) = ask(&house, admin, &format!("/v1/evidence{query}")).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        let parameter = query.trim_start_matches('?').split('=').next().unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!((status, problem["code"].as_str()), (StatusCode::BAD_REQUEST, Some("query")), "{text}");
        assert!(detail.contains(&format!("`{parameter}`")) && detail.contains(says), "{detail}");
    }

    // One record in words, with its intervention.
    let one = found(&house, admin, &format!("/{}", blocked[3])).await;
    let words = one["words"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect::<Vec<_>>().join("\n");
    assert!(
        words.contains("was refused before the upstream saw it") && words.contains("`pii` (critical) of first-pact 1.0.0"),
        "{words}"
    );
    assert_eq!(one["related"][0][1]["kind"], "intervention");

    // A proof, as soon as a head covers the record; it stands alone.
    let (key, text) = loop {
        let (status, text) = ask(&house, admin, &format!("/v1/evidence/{}/proof", blocked[0])).await;
        if status == StatusCode::OK {
            let delegation = std::fs::read_dir(house.at("log/logs")).unwrap().next().unwrap().unwrap().path();
            let note = std::fs::read_to_string(delegation.join("delegation.note")).unwrap();
            let key = note.lines().find_map(|line| line.strip_prefix("vkey ")).unwrap().to_owned();
            break (NoteKey::parse(&key).unwrap(), text);
        }
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
        assert!(text.contains("not_signed_yet") && text.contains("ask again"), "{text}");
        tokio::task::yield_now().await;
    };
    let proven = prove::check(&text, &key).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&proven.record).unwrap()["id"], blocked[0].as_str());
    let head = http1().request(get(admin, "/v1/checkpoint")).await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(body(head).await.starts_with(key.name().as_bytes()));

    // Records only with the token, and only those that are there.
    for path in ["/v1/evidence".to_owned(), format!("/v1/evidence/{}", blocked[0]), format!("/v1/evidence/{}/proof", blocked[0])]
    {
        assert_eq!(http1().request(get(admin, &path)).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let (status, text) = ask(&house, admin, "/v1/evidence/0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11").await;
    assert_eq!((status, text.contains("no_record")), (StatusCode::NOT_FOUND, true), "{text}");
    sidecar.stop().await.unwrap();

    // The same from the files alone.
    let folder = house.at("log").parent().unwrap().to_owned();
    let show = |args: &[&str]| servanda(&folder, &[&["evidence", "show", "log", "--json"], args].concat()).json();
    assert_eq!(show(&["--act", "block", "--kind", "exchange"])["records"].as_array().unwrap().len(), 4);
    assert_eq!(show(&["--session", "bob", "--kind", "exchange"])["records"].as_array().unwrap().len(), 2);
    assert_eq!(show(&[&blocked[3]])["words"], one["words"]);
    let run = servanda(&folder, &["evidence", "show", "log", "--act", "deny"]);
    assert_eq!((run.code, run.err.contains("--act: give one of allow")), (2, true), "{}", run.err);
    let run = servanda(&folder, &["evidence", "show", "log", "--limit", "2", "--kind", "exchange"]);
    assert_eq!((run.out.lines().count(), run.err.contains("--cursor 0")), (2, true), "{}{}", run.out, run.err);
    let run = servanda(&folder, &["evidence", "tail", "log", "--once", "-n", "3", "--act", "block", "--json"]);
    let tail: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((run.code, tail.len(), tail[2]["record"]["id"].as_str()), (0, 3, Some(blocked[3].as_str())), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_come_over_the_admin_port_and_are_checked_by_the_command_line() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let (admin, at) = (sidecar.admin(), address(&sidecar));
    let blocked = said(at, SSN, "alice").await;
    settled(&house, admin, "?kind=exchange", 1).await;
    let path = format!("/v1/evidence/{blocked}/receipt");
    // No head need cover it: it is on disk.
    let (status, durable) = ask(&house, admin, &path).await;
    assert_eq!(status, StatusCode::OK, "{durable}");
    let root = std::fs::read_to_string(house.at("log/root.vkey")).unwrap();
    let key = NoteKey::parse(root.trim()).unwrap();
    let said = receipt::open(durable.as_bytes(), &key, &[]).unwrap();
    assert_eq!((said.level(), said.record.to_string()), (Level::Durable, blocked.clone()));
    let (status, signed) = ask(&house, admin, &format!("{path}?level=signed")).await;
    assert_eq!((status, receipt::open(signed.as_bytes(), &key, &[]).unwrap().index), (StatusCode::OK, None), "{signed}");
    for (asked, status, says) in [
        (format!("{path}?level=proof"), StatusCode::BAD_REQUEST, "give `signed` or `durable`"),
        (format!("{path}?grade=durable"), StatusCode::BAD_REQUEST, "grade"),
        ("/v1/evidence/0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11/receipt".to_owned(), StatusCode::NOT_FOUND, "no_record"),
    ] {
        let answer = ask(&house, admin, &asked).await;
        assert!(answer.0 == status && answer.1.contains(says), "{asked}: {answer:?}");
    }
    assert_eq!(http1().request(get(admin, &path)).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    sidecar.stop().await.unwrap();
    // Another process has another key.
    let sidecar = house.start().await.unwrap();
    let (status, text) = ask(&house, sidecar.admin(), &path).await;
    assert!(status == StatusCode::GONE && text.contains("key_gone") && text.contains("its proof"), "{status} {text}");
    sidecar.stop().await.unwrap();

    let folder = house.at("log").parent().unwrap().to_owned();
    let run = |args: &[&str]| servanda(&folder, &[&["evidence"], args].concat());
    house.write("durable", &durable);
    house.write("signed", &signed);
    house.write("touched", &durable.replace("\nindex ", "\nindex 1"));
    let root = root.trim();
    for (file, code, says) in [
        ("durable", 0, "VALID: a durable receipt of "),
        ("signed", 0, "VALID: a signed receipt of "),
        ("touched", 1, "INVALID: "),
    ] {
        let verified = run(&["verify", file, "--key", root]);
        assert!(verified.code == code && verified.out.starts_with(says), "{file}: {}{}", verified.out, verified.err);
    }
    assert_eq!(run(&["verify", "durable", "--key", root, "--json"]).json()["index"], said.index.unwrap());
    let without = run(&["verify", "durable"]);
    assert!(without.code == 2 && without.err.contains("a receipt is held against a key"), "{}", without.err);
    for (file, standing) in [("durable", "KEPT"), ("signed", "KEPT"), ("touched", "INVALID")] {
        let held = run(&["receipt", "log", "--file", file, "--key", root, "--json"]);
        assert_eq!(
            (held.json()["standing"].as_str(), held.code),
            (Some(standing), i32::from(standing != "KEPT")),
            "{}",
            held.out
        );
    }
    // The promise in the headers, as before.
    assert!(run(&["receipt", "log", &blocked]).out.starts_with("KEPT"));
    assert_eq!(run(&["receipt", "log"]).code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_goes_on_over_restarts_and_crashes() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("first.pact.yaml"), minimal("1.0.0")).unwrap();
    let start = || Running::start(folder.path(), &upstream.url(), &["--pact", "first.pact.yaml", "--evidence", "log"]);
    let first = start();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_servanda"))
        .args(["evidence", "tail", "log", "--kind", "exchange", "-n", "100", "--json"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let mut boots = std::collections::BTreeSet::new();
    let mut sidecar = Some(first);
    for end in 0..3 {
        let running = sidecar.take().unwrap();
        for n in 0..3 {
            let id = said(running.address, if n == 1 { SSN } else { CLEAN }, "s").await;
            let row = next();
            assert_eq!(row["record"]["id"], id.as_str());
            boots.insert(row["boot"].as_str().unwrap().to_owned());
        }
        if end == 0 {
            running.kill();
        } else {
            running.stop();
        }
        sidecar = Some(start());
    }
    assert_eq!(boots.len(), 3);
    tail.kill().unwrap();
    tail.wait().unwrap();
}
