//! The parts of the guard alone: scan, stream, judge, image, log. What they cost together shows `proxy`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measuring program may fail loudly; criterion's macro makes a public function"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use servanda::base::names::{Lane, Stage};
use servanda::engine::event::{Event, EventText, ToolEvent};
use servanda::engine::exchange::Exchange;
use servanda::engine::facts::Facts;
use servanda::engine::judge;
use servanda::engine::session::Session;
use servanda::pact::pack::Packs;
use servanda::pact::template::template;
use servanda::program::{Program, image};
use servanda::protocol::json::{Reader, Token};
use servanda::protocol::sse::Framer;
use servanda::scan::{Scanner, Scratch, StreamScanner};

/// A day in the template's term.
const NOW_US: i64 = 1_790_000_000_000_000;

/// Harmless prose, harmless numbers, and text with something in it.
const PROSE: &str = "The parcel left the depot this morning and is on its way to you. It was handed over at gate twelve, and the driver \
    expects to arrive in the afternoon. If nobody is at home, a neighbour can take it in; please tell us which one. ";
const NUMBERS: &str =
    "2026-11-20 04:12:09 worker 17 took 182.4 ms, 90210 of 104729 rows, build 4.18.0-372, exit 0, host node-14, pid 29931; ";
const FOUND: &str =
    "Write to jane.doe@example.com or call +1 212 555 0143; the card was 4111 1111 1111 1111 and the key AKIAIOSFODNN7EXAMPLE. ";

fn text(seed: &str, size: usize) -> String {
    seed.chars().cycle().take(size).collect()
}

fn scan(c: &mut Criterion) {
    let scanner = Packs::shipped().scanner().unwrap();
    let mut scratch = Scratch::new(&scanner);
    let mut hits = Vec::new();
    let mut group = c.benchmark_group("scan");
    for (name, seed) in [("prose", PROSE), ("numbers", NUMBERS), ("found", FOUND)] {
        for size in [1 << 10, 16 << 10] {
            let text = text(seed, size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_with_input(BenchmarkId::new(name, size), &text, |b, text| {
                b.iter(|| {
                    hits.clear();
                    scanner.scan(black_box(text), &mut scratch, &mut hits)
                });
            });
        }
    }
    group.bench_function("build all packs", |b| b.iter(|| Packs::shipped().scanner().unwrap()));
    group.finish();
}

fn stream(c: &mut Criterion) {
    let scanner: Arc<Scanner> = Arc::new(Packs::shipped().scanner().unwrap());
    let mut group = c.benchmark_group("stream");
    let words = text(PROSE, 4 << 10);
    group.throughput(Throughput::Bytes(words.len() as u64));
    group.bench_function("scan, deltas of 4 bytes", |b| {
        b.iter(|| {
            let mut stream = StreamScanner::new(&scanner);
            let mut hits = Vec::new();
            for at in (0..words.len()).step_by(4) {
                stream.push(words.get(at..at + 4).unwrap_or(""), &mut hits);
            }
            stream.finish(&mut hits);
            hits.len()
        });
    });
    let frames: String =
        (0..256).map(|i| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"w{i} \"}}}}]}}\n\n")).collect();
    group.throughput(Throughput::Bytes(frames.len() as u64));
    group.bench_function("frame 256 events", |b| {
        b.iter(|| {
            let mut framer = Framer::new(1 << 20);
            let mut count = 0;
            for piece in frames.as_bytes().chunks(1400) {
                framer.push(black_box(piece));
                while let Some(event) = framer.next().unwrap() {
                    count += event.data().len();
                }
            }
            count
        });
    });
    for size in [1 << 10, 16 << 10] {
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text(PROSE, size)}]}).to_string();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("walk JSON", size), &body, |b, body| {
            b.iter(|| {
                let mut reader = Reader::new(black_box(body).as_bytes()).unwrap();
                let mut strings = 0;
                loop {
                    match reader.next().unwrap() {
                        Token::String(_) => strings += 1,
                        Token::End => break strings,
                        _ => {}
                    }
                }
            });
        });
    }
    group.finish();
}

/// The program of the customer-support template.
fn program() -> Arc<Program> {
    Arc::new(Program::compile_text(template("customer-support").unwrap()).unwrap())
}

fn judge_group(c: &mut Criterion) {
    let program = program();
    let mut scratch = judge::Scratch::new(&program);
    let (session, facts) = (Session::default(), Facts::new());
    let mut group = c.benchmark_group("judge");
    for (name, stage) in [("request", Stage::Request), ("response", Stage::Response)] {
        for size in [1 << 10, 16 << 10] {
            let text = text(PROSE, size);
            let texts = [EventText::new(&text)];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    let mut exchange = Exchange::new(Arc::clone(&program), Lane::Model);
                    let event = Event::new(stage, Lane::Model, NOW_US).texts(black_box(&texts));
                    judge::judge(&mut exchange, &session, &event, &facts, &mut scratch).act
                });
            });
        }
    }
    let arguments = r#"{"query": "How do I return a parcel that was opened?", "limit": 5}"#;
    group.throughput(Throughput::Elements(1));
    group.bench_function("call", |b| {
        b.iter(|| {
            let mut exchange = Exchange::new(Arc::clone(&program), Lane::Model);
            let event = Event::new(Stage::Call, Lane::Model, NOW_US).tool(ToolEvent::new("kb_search", black_box(arguments)));
            judge::judge(&mut exchange, &session, &event, &facts, &mut scratch).act
        });
    });
    group.finish();
}

fn image_group(c: &mut Criterion) {
    let source = template("customer-support").unwrap();
    let program = program();
    let bytes = image::write(&program, &[source], None).unwrap();
    let mut group = c.benchmark_group("image");
    group.bench_function("read and verify", |b| b.iter(|| image::Image::read(black_box(&bytes)).unwrap()));
    group.bench_function("read the pact", |b| b.iter(|| servanda::pact::read(black_box(source), Packs::shipped())));
    group.sample_size(20);
    group.bench_function("compile again and compare", |b| {
        b.iter(|| image::Image::read(&bytes).unwrap().program_unsigned(Packs::shipped()).unwrap());
    });
    group.finish();
}

criterion_group!(parts, scan, stream, judge_group, image_group);
criterion_main!(parts);
