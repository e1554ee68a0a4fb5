//! What a stream costs before it is judged: frames cut out of chunks, text scanned delta by delta, bodies walked.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measuring program may fail loudly; criterion's macro makes a public function"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use servanda::pact::pack::Packs;
use servanda::protocol::json::{Reader, Token};
use servanda::protocol::sse::Framer;
use servanda::scan::{Scanner, StreamScanner};

/// Harmless prose.
const PROSE: &str = "The parcel left the depot this morning and is on its way to you. It was handed over at gate twelve, and the driver \
    expects to arrive in the afternoon. If nobody is at home, a neighbour can take it in; please tell us which one. ";
fn text(seed: &str, size: usize) -> String {
    seed.chars().cycle().take(size).collect()
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
    let events: Vec<String> =
        (0..256).map(|i| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"w{i} \"}}}}]}}\n\n")).collect();
    let events = events.concat();
    group.throughput(Throughput::Bytes(events.len() as u64));
    group.bench_function("frame 256 events", |b| {
        b.iter(|| {
            let mut framer = Framer::new(1 << 20);
            let mut count = 0;
            for piece in events.as_bytes().chunks(1400) {
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

criterion_group!(benches, stream);
criterion_main!(benches);
