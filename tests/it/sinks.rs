//! The binary with a sink: killed under load, without its folder or server, and rebuilt from what the sink has.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use servanda::pact::template::template;

use crate::support::client::http1;
use crate::support::command::servanda;
use crate::support::running::Running;
use crate::support::upstream::Upstream;

#[cfg(feature = "full")]
mod servers;

const KILLS: usize = 8;
const SSN: &str = r#"{"model":"m","messages":[{"role":"user","content":"My SSN is 536-22-8731"}]}"#;

/// The folder of the archive, as a sink.
const ARCHIVE: &str = "file: {dir: archive}";

fn write(folder: &Path, upstream: &Upstream, sink: &str) {
    std::fs::write(folder.join("p.pact.yaml"), template("minimal").unwrap()).unwrap();
    let config = format!(
        "version: 1\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}]\nadmin: {{bind: '127.0.0.1:0'}}\n\
         pacts: [p.pact.yaml]\nevidence: {{dir: log, sinks: [{{{sink}}}]}}\n",
        upstream.url()
    );
    std::fs::write(folder.join("servanda.yaml"), config).unwrap();
}

fn start(folder: &Path) -> Running {
    Running::with(folder, &["run", "--config", "servanda.yaml"], &[])
}

/// Asks for what is refused, so often.
async fn ask(running: &Running, count: usize) {
    let client = http1();
    for _ in 0..count {
        let request = Request::post(format!("http://{}/v1/chat/completions", running.address));
        let request = request.header("content-type", "application/json").body(Full::<Bytes>::from(SSN)).unwrap();
        assert_eq!(client.request(request).await.unwrap().status(), 400);
    }
}

async fn admin(running: &Running, path: &str) -> Value {
    let request = Request::get(format!("http://{}{path}", running.admin)).body(Full::<Bytes>::default()).unwrap();
    let answer = http1().request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&answer).unwrap()
}

/// Verifies a folder under the root key of the log, and gives how many records of each act there are.
fn verified(folder: &Path, dir: &str) -> Value {
    let key = std::fs::read_to_string(folder.join("log/root.vkey")).unwrap();
    let run = servanda(folder, &["evidence", "verify", dir, "--key", key.trim(), "--json"]);
    assert_eq!(run.code, 0, "{dir}: {}{}", run.out, run.err);
    run.json()["acts"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_is_killed_leaves_its_archive_whole_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    let upstream = Upstream::start().await;
    write(folder.path(), &upstream, ARCHIVE);
    for kill in 0..KILLS {
        let running = start(folder.path());
        ask(&running, 1 + kill * 7).await;
        running.kill();
    }
    let running = start(folder.path());
    let status = admin(&running, "/v1/status").await;
    let sink = &status["evidence"]["sinks"][0];
    assert_eq!(
        (sink["name"].as_str(), sink["kind"].as_str(), sink["level"].as_str()),
        (Some("file"), Some("file"), Some("durable"))
    );
    running.stop();
    let local = verified(folder.path(), "log");
    assert_eq!(verified(folder.path(), "archive"), local);
    // What was lost is made again from what is left.
    let arguments = ["evidence", "rebuild", "-c", "servanda.yaml", "--from", "file", "--into", "restored"];
    let run = servanda(folder.path(), &arguments);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(verified(folder.path(), "restored"), local);
    let run = servanda(folder.path(), &["evidence", "rebuild", "-c", "servanda.yaml", "--from", "nobody", "--into", "x"]);
    assert!(run.code == 2 && run.err.contains("it has: file"), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_folder_holds_up_nothing_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    write(folder.path(), &upstream, ARCHIVE);
    let running = start(folder.path());
    ask(&running, 3).await;
    let mut ready = admin(&running, "/readyz").await;
    // Its thread may not have looked yet.
    while !ready["notes"].to_string().contains("the evidence sink `file` takes nothing") {
        ask(&running, 1).await;
        ready = admin(&running, "/readyz").await;
    }
    assert_eq!(ready["ready"], true);
    assert!(ready["notes"].to_string().contains("make it, or mount it"), "{ready}");
    running.stop();
    assert!(!folder.path().join("archive").exists());
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    start(folder.path()).stop();
    assert_eq!(verified(folder.path(), "archive"), verified(folder.path(), "log"));
}
