//! The binary with a sink to a real server, which is killed in the middle of the load and started again, as the sidecar is:
//! at the end the store has every record of the log, and each once.
//!
//! Where a server's program is missing the test says so and passes, unless `SERVANDA_REQUIRE_SERVICES=1`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use serde_json::Value;

use self::server::{Nats, PASSWORD, Postgres};
use super::*;
use crate::support::written::written;

#[path = "../../../src/evidence/sink/server.rs"]
#[allow(dead_code, unused_imports, reason = "the tests of the sinks use the rest")]
mod server;

const ROUNDS: usize = 5;

/// Kills the server and starts it again, so often while exchanges come without a pause; the sidecar goes down with the second.
/// What the store has in the end is brought to a folder; gives how many batches and records those are.
async fn killed_under_load(folder: &Path, upstream: &Upstream, sink: &str, server: &mut dyn FnMut(bool)) -> (u64, u64) {
    write(folder, upstream, sink);
    let mut running = Arc::new(start(folder));
    for round in 0..ROUNDS {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let load = tokio::spawn({
            let (running, over, asked) = (Arc::clone(&running), Arc::clone(&over), Arc::clone(&asked));
            async move {
                while !over.load(SeqCst) {
                    ask(&running, 1).await;
                    asked.fetch_add(1, SeqCst);
                }
            }
        });
        let sink = async || admin(&running, "/v1/status").await["evidence"]["sinks"][0].clone();
        let count = |sink: &Value, key: &str| sink[key].as_u64().unwrap();
        // Batches come and go; then nobody answers, and exchanges are answered as before.
        while count(&sink().await, "delivered_batches") < 2 {}
        let failures = count(&sink().await, "failures");
        server(false);
        let before = asked.load(SeqCst);
        while count(&sink().await, "failures") == failures || asked.load(SeqCst) < before + 20 {}
        over.store(true, SeqCst);
        load.await.unwrap();
        if round == 1 {
            Arc::into_inner(running).unwrap().kill();
            server(true);
            running = Arc::new(start(folder));
        } else {
            server(true);
        }
    }
    // What it did not get yet it gets before the end, or at the next start.
    loop {
        let status = admin(&running, "/v1/status").await;
        let sink = &status["evidence"]["sinks"][0];
        if sink["state"] == "current" && sink["lag_records"] == 0 {
            break;
        }
        assert_ne!(sink["state"], "fork", "{sink}");
    }
    Arc::into_inner(running).unwrap().stop();
    let kind = if sink.starts_with("nats") { "nats" } else { "postgres" };
    let run = servanda(folder, &["evidence", "rebuild", "-c", "servanda.yaml", "--from", kind, "--into", "restored", "--json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(verified(folder, "restored"), verified(folder, "log"));
    let (there, here) = (written(&folder.join("restored")), written(&folder.join("log")));
    assert!(here.len() > ROUNDS * 20 && there == here, "{} records here, {} there", here.len(), there.len());
    let told = run.json();
    assert_eq!(told["records"], here.len());
    println!("{} records in {} batches, over {ROUNDS} kills of the server", told["records"], told["batches"]);
    (told["batches"].as_u64().unwrap(), here.len() as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_that_is_killed_under_load_ends_with_the_log_once() {
    let Some(mut nats) = Nats::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let sink = format!("nats: {{url: 'nats://127.0.0.1:{}', stream: s}}", nats.port);
    let (batches, _) =
        killed_under_load(folder.path(), &upstream, &sink, &mut |up| if up { nats.up() } else { nats.kill() }).await;
    let client = async_nats::connect(format!("127.0.0.1:{}", nats.port)).await.unwrap();
    let info = client.request("$JS.API.STREAM.INFO.s", "".into()).await.unwrap();
    let info: Value = serde_json::from_slice(&info.payload).unwrap();
    assert_eq!(info["state"]["messages"], batches, "{info}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_that_is_killed_under_load_ends_with_the_log_once() {
    let Some(mut postgres) = Postgres::start(&[], &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    std::fs::write(folder.path().join("word"), PASSWORD).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port);
    let sink = format!("postgres: {{url: '{url}', tls: 'off', password_file: word}}");
    let stored =
        killed_under_load(folder.path(), &upstream, &sink, &mut |up| if up { postgres.up() } else { postgres.kill() }).await;
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.password(PASSWORD).connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let count = async |table: &str| {
        let sql = format!("select count(*) from servanda_evidence.{table}");
        client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) as u64
    };
    assert_eq!((count("batch").await, count("record").await), stored);
}
