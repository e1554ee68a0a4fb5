//! The evidence log: hot path per record, durable records against a naive log in the same run, and
//! verification.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may fail loudly, and its macro writes no docs")]

use std::hint::black_box;
use std::io::Write as _;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use servanda::base::names::{Lane, Mode, Stage};
use servanda::base::verdict::{Act, Severity};
use servanda::evidence::log::{Log, LogHandle};
use servanda::evidence::record::{Commit, Completion, Exchange, Hit, PactRef, Size, Text, Timing};
use servanda::evidence::verify::{Policy, verify};
use servanda::seal::{SigningKey, digest};

/// An exchange as a busy route writes it: about 900 bytes.
fn exchange() -> Exchange {
    let commitment = Text::from(digest(b"content").base64url());
    Exchange {
        act: Act::Redact,
        agent: Some(Text::from("did:web:vendor.example:agents:support")),
        commit: Some(Commit { request: Some(commitment.clone()), response: Some(commitment), ..Commit::default() }),
        completion: Some(Completion::Completed),
        hits: vec![Hit {
            act: Act::Redact,
            breach: false,
            count: 1u32.into(),
            detector: Some(Text::from("pii.payment_card")),
            place: None,
            predicate: Text::from("pii"),
            score_bp: Some(9_900u32.into()),
            severity: Severity::Critical,
            stage: Stage::Response,
        }],
        image: Some(digest(b"image")),
        lane: Some(Lane::Model),
        mode: Some(Mode::Enforce),
        model: Some(Text::from("example-llm")),
        pacts: vec![PactRef { id: Text::from("acme-support"), version: Text::from("2.1.0") }],
        protocol: Some(Text::from("openai")),
        size: Some(Size { held_max: None, r#in: 1024u32.into(), out: 4096u32.into() }),
        status: Some(200u32.into()),
        time: Some(Timing { total_us: 120_000u32.into(), ..Timing::default() }),
        ..Exchange::default()
    }
}

/// Hands over `count` records, as many as there is room for at once, and waits until all are durable.
fn fill(handle: &LogHandle, record: &Exchange, count: usize) {
    let mut left = count;
    while left > 0 {
        match handle.reserve() {
            Ok(slot) => {
                slot.write(record.clone());
                left -= 1;
            }
            Err(_) => drop(handle.flush().wait()),
        }
    }
    handle.flush().wait().unwrap();
}

fn log(c: &mut Criterion) {
    const GROUP: usize = 4096;
    let record = exchange();
    let mut group = c.benchmark_group("log");
    group.sample_size(20);

    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let handle = log.handle();
    group.throughput(Throughput::Elements(1));
    group.bench_function("hot_path", |b| {
        b.iter_batched(
            || loop {
                match handle.reserve() {
                    Ok(slot) => break (slot, record.clone()),
                    Err(_) => drop(handle.flush().wait()),
                }
            },
            |(slot, record)| slot.write(black_box(record)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("durable_one_waiter", |b| {
        b.iter(|| handle.reserve().unwrap().write_strict(record.clone()).wait().unwrap());
    });
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("durable_4096", |b| b.iter(|| fill(&handle, &record, GROUP)));
    log.close().unwrap();

    // What a log does without group commit and checkpoints: sync and sign every record.
    let bytes = serde_json::to_vec(&record).unwrap();
    let key = SigningKey::generate().unwrap();
    let mut file = std::fs::File::create(dir.path().join("naive")).unwrap();
    group.throughput(Throughput::Elements(1));
    group.bench_function("naive_sync_and_sign", |b| {
        b.iter(|| {
            file.write_all(&bytes).unwrap();
            file.write_all(&key.sign(&bytes).0).unwrap();
            file.sync_data().unwrap();
        });
    });

    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    fill(&log.handle(), &record, 20_000);
    let records = log.close().unwrap();
    group.throughput(Throughput::Elements(records));
    group.bench_function("verify", |b| {
        b.iter(|| {
            let report = verify(dir.path(), &Policy::default()).unwrap();
            assert!(report.is_valid());
        });
    });
    group.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
