//! What `servanda run` says on standard error while traffic passes: in its form, and nothing of the traffic.

use std::net::SocketAddr;
use std::process::Stdio;

use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::sidecar::minimal;
use crate::support::client::raw;
use crate::support::upstream::{Script, Upstream};

/// What is sent and must not be said.
const SECRETS: [&str; 7] = [
    "token-in-authorization",
    "key-in-header",
    "cookie-of-the-client",
    "cookie-of-the-server",
    "key-in-query",
    "536-22-8731",
    "4111 1111",
];

fn request(line: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer token-in-authorization\r\nX-Api-Key: key-in-header\r\nCookie: s=cookie-of-the-client\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Runs the sidecar under traffic that is passed, redacted, refused, broken and unreachable. Gives both outputs.
async fn run(log: &str) -> (String, String) {
    let upstream = Upstream::start().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("first.pact.yaml"), minimal("1.0.0")).unwrap();
    // Nobody listens at port 1.
    let config = format!(
        "version: 1\nlisten:\n  - {{name: a, bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}\n  - {{name: b, bind: '127.0.0.1:0', lane: inbound, upstream: 'http://127.0.0.1:1'}}\nadmin: {{bind: '127.0.0.1:0'}}\nevidence: {{dir: log}}\npacts: [first.pact.yaml]\ntelemetry: {{log: {log}}}\n",
        upstream.url()
    );
    std::fs::write(dir.path().join("servanda.yaml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_servanda"))
        .args(["run", "-c", "servanda.yaml"])
        .current_dir(dir.path())
        .env("NO_COLOR", "1")
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut stdout, mut stderr) = (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
    let (mut out, mut err) = (String::new(), String::new());
    let mut listening: Vec<SocketAddr> = Vec::new();
    while listening.len() < 2 {
        // The start is told where the form says: to people on standard output, to collectors on standard error.
        let (from, seen) = if log == "json" {
            (&mut stderr as &mut (dyn tokio::io::AsyncBufRead + Unpin), &mut err)
        } else {
            (&mut stdout as _, &mut out)
        };
        let at = seen.len();
        assert_ne!(from.read_line(seen).await.unwrap(), 0, "{out}{err}");
        let line = &seen[at..];
        let address = match serde_json::from_str::<Value>(line) {
            Ok(event) if event["message"] == "listening" => event["address"].as_str().map(str::to_owned),
            Ok(_) => None,
            Err(_) => line.strip_prefix("listening  http://").map(|rest| rest.split(' ').next().unwrap().to_owned()),
        };
        listening.extend(address.map(|a| a.parse::<SocketAddr>().unwrap()));
    }
    // Read on, so that a full pipe stops nobody.
    let rest = tokio::spawn(async move {
        stderr.read_to_string(&mut err).await.unwrap();
        err
    });
    let card = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Card 4111 1111 1111 1111"}}]}"#;
    let answer = Response::builder().header("content-type", "application/json").header("set-cookie", "s=cookie-of-the-server");
    upstream.will(Script::Whole(answer.body(Full::from(card)).unwrap()));
    let clean = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let secret = r#"{"messages":[{"role":"user","content":"My SSN is 536-22-8731"}]}"#;
    for (to, bytes, status) in [
        (0, request("POST /v1/chat/completions?key=key-in-query", clean), "200"),
        (0, request("POST /v1/chat/completions?key=key-in-query", secret), "400"),
        (1, request("POST /v1/chat/completions?key=key-in-query", clean), "502"),
        (0, request("POST /a/../b?key=key-in-query", secret), "400"),
        (0, request("POST /v1/chat/completions?key=key-in-query", clean).replacen("Host", "Content-Length: 1\r\nHost", 1), "400"),
        (0, request("POST /v1/chat/completions?key=key-in-query", "{\"a\":\"536-22-8731"), "400"),
    ] {
        let answer = raw(listening[to], bytes.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let ended = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id().unwrap())).status().await.unwrap();
    assert!(ended.success());
    assert!(child.wait().await.unwrap().success());
    stdout.read_to_string(&mut out).await.unwrap();
    (out, rest.await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_have_their_form_and_nothing_of_the_traffic() {
    for log in ["json", "text"] {
        let (out, err) = run(log).await;
        for secret in SECRETS {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret} in the {log} log:\n{out}{err}");
        }
        if log == "text" {
            assert!(out.contains("ended; ") && err.contains("block at request by pii"), "{out}{err}");
            continue;
        }
        assert_eq!(out, "", "where logs are collected nothing else is said");
        let events: Vec<Value> =
            err.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
        let told = |message: &str| events.iter().find(|event| event["message"] == message);
        assert!(told("started").unwrap()["admin"].is_string());
        assert_eq!(told("the pact is in force").unwrap()["pact"], "first-pact");
        let intervention = told("intervention").unwrap();
        assert_eq!((intervention["act"].as_str(), intervention["predicate"].as_str()), (Some("block"), Some("pii")));
        assert!(intervention["record"].is_string() && intervention["timestamp"].is_string() && intervention["level"] == "INFO");
        assert!(told("ended").unwrap()["records"].as_u64().unwrap() > 5);
    }
}
