//! Killed under load, fifty times in a row on one evidence folder: what was acknowledged is there, the log
//! verifies, what was cut off is reported, and the disk does not fill with empty segments.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use servanda::evidence::standing::{self, Standing};
use servanda::evidence::verify::Policy;
use servanda::pact::template::template;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::client::http1;
use crate::support::command::servanda;
use crate::support::guarded::chunk;
use crate::support::running::Running;
use crate::support::upstream::{Pace, Script, Upstream};

const KILLS: usize = 50;
/// Acknowledged exchanges that are waited for before a kill, at most.
const ACKNOWLEDGED: usize = 8;
const SSN: &str = r#"{"model":"m","messages":[{"role":"user","content":"My SSN is 536-22-8731"}]}"#;
const CLEAN: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Refund order 7, please"}]}"#;

fn write(folder: &Path, upstream: &Upstream) {
    let tools = "tools: {refund_create: {action: write, target: order, effect: external, reversible: false}}\n";
    std::fs::write(folder.join("p.pact.yaml"), template("minimal").unwrap().to_owned() + tools).unwrap();
    let config = format!(
        "version: 1\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}]\nadmin: {{bind: '127.0.0.1:0'}}\n\
         pacts: [p.pact.yaml]\nroutes: [{{mode: enforce, durability: strict}}]\nevidence: {{dir: log}}\n",
        upstream.url()
    );
    std::fs::write(folder.join("servanda.yaml"), config).unwrap();
}

fn start(folder: &Path) -> Running {
    Running::with(folder, &["run", "--config", "servanda.yaml"], &[])
}

fn ask(address: SocketAddr, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://{address}/v1/chat/completions")).header("content-type", "application/json");
    request.body(Full::from(body)).unwrap()
}

/// A call that cannot be undone: it leaves only once its record is on disk.
fn refund() -> String {
    let function = json!({"name": "refund_create", "arguments": "{\"amount\": 12}"});
    let call = json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]});
    chunk(0, &call, None) + &chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n"
}

/// Asks for what is refused until nobody answers, and tells each record that a refusal named.
async fn refused(address: SocketAddr, told: mpsc::Sender<String>) {
    let client = http1();
    while let Ok(response) = client.request(ask(address, SSN)).await {
        assert_eq!(response.status(), 400);
        let record = response.headers()["x-servanda-record"].to_str().unwrap().to_owned();
        if told.send(record).await.is_err() {
            return;
        }
    }
}

/// The record of one refusal.
async fn client_refused(address: SocketAddr) -> String {
    let response = http1().request(ask(address, SSN)).await.unwrap();
    let record = response.headers()["x-servanda-record"].to_str().unwrap().to_owned();
    response.into_body().collect().await.unwrap();
    record
}

/// Asks for a stream with a call, and tells the record of each call that came.
async fn released(address: SocketAddr, upstream: Arc<Upstream>, told: mpsc::Sender<String>) {
    let client = http1();
    loop {
        let answer = http::Response::builder().header("content-type", "text/event-stream");
        upstream.will(Script::Whole(answer.body(Full::from(refund())).unwrap()));
        let Ok(mut response) = client.request(ask(address, CLEAN)).await else { return };
        let record = response.headers()["x-servanda-record"].to_str().unwrap().to_owned();
        let mut came = Vec::new();
        while let Some(Ok(frame)) = response.body_mut().frame().await {
            came.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        // Another client's script may have answered: only a call that came is one.
        if String::from_utf8_lossy(&came).contains("refund_create") && told.send(record).await.is_err() {
            return;
        }
    }
}

/// A stream that never ends by itself.
async fn streaming(address: SocketAddr, upstream: &Upstream) -> (Pace, http::Response<hyper::body::Incoming>) {
    let pace = upstream.will_pace("text/event-stream");
    let asked = tokio::spawn(http1().request(ask(address, CLEAN)));
    pace.send(chunk(0, &json!({"content": "One moment, please. "}), None)).await;
    (pace, asked.await.unwrap().unwrap())
}

/// A durable receipt of a record, over the admin port; its exchange may end a moment after its answer.
async fn receipt(running: &Running, folder: &Path, record: &str) -> Vec<u8> {
    let token = std::fs::read_to_string(folder.join("log/admin.token")).unwrap();
    let url = format!("http://{}/v1/evidence/{record}/receipt", running.admin);
    loop {
        let request = Request::get(&url).header("authorization", format!("Bearer {}", token.trim()));
        let answer = http1().request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        let (status, body) = (answer.status(), answer.into_body().collect().await.unwrap().to_bytes());
        if status == 200 {
            return body.to_vec();
        }
        assert!(status == 404 || status == 503, "{status}");
    }
}

/// Bytes of the folder that the disk holds.
fn on_disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { on_disk(&path) } else { path.metadata().unwrap().blocks() * 512 }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Arc::new(Upstream::start().await);
    write(folder.path(), &upstream);
    let evidence = folder.path().join("log");
    let mut acknowledged = Vec::new();
    let (mut sizes, mut receipts) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        let running = start(folder.path());
        let address = running.address;
        let streams = [streaming(address, &upstream).await, streaming(address, &upstream).await];
        let (told, mut heard) = mpsc::channel(64);
        let mut load = JoinSet::new();
        load.spawn(refused(address, told.clone()));
        load.spawn(refused(address, told.clone()));
        load.spawn(released(address, Arc::clone(&upstream), told));
        for _ in 0..1 + kill % ACKNOWLEDGED {
            acknowledged.push(heard.recv().await.unwrap());
        }
        if kill % 10 == 0 {
            let refused = client_refused(address).await;
            receipts.push(receipt(&running, folder.path(), &refused).await);
        }
        running.kill();
        while let Some(record) = heard.recv().await {
            acknowledged.push(record);
        }
        while let Some(ended) = load.join_next().await {
            ended.unwrap();
        }
        drop(streams);
        sizes.push(on_disk(&evidence));
    }
    start(folder.path()).stop();

    let verified = servanda(folder.path(), &["evidence", "verify", "log", "--json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    let records = crate::support::written::written(&evidence);
    let named: std::collections::BTreeSet<&str> = records.iter().filter_map(|record| record["exchange"].as_str()).collect();
    let missing: Vec<&String> = acknowledged.iter().filter(|id| !named.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged are missing: {missing:?}", missing.len(), acknowledged.len());

    // What a caller was told is on disk is there, at its index, in the log that was recovered.
    for receipt in &receipts {
        let held = standing::receipt(&evidence, receipt, &Policy::default()).unwrap();
        assert!(held.standing <= Standing::Unsigned, "{}", held.why);
    }

    let recoveries: Vec<&Value> = records.iter().filter(|record| record["kind"] == "recovery").collect();
    assert_eq!(recoveries.len(), KILLS, "each restart says what it found");
    let sum = |key: &str| recoveries.iter().filter_map(|recovery| recovery[key].as_u64()).sum::<u64>();
    let open: usize = recoveries.iter().filter_map(|recovery| recovery["ids"].as_array()).map(Vec::len).sum();
    let grown = sizes[KILLS - 1].saturating_sub(sizes[0]) / (KILLS as u64 - 1);
    println!(
        "{} acknowledged, {} records; {} torn bytes cut, {open} exchanges open by name, {} by heartbeat; {grown} bytes a boot",
        acknowledged.len(),
        records.len(),
        sum("bytes"),
        sum("in_flight"),
    );
    assert!(grown < 512 << 10, "the disk grows by {grown} bytes a boot: {sizes:?}");
}
