//! The cost of judging: one event of each kind, clean and not, whole and in deltas of a stream.
//!
//! Texts differ from round to round (4 MiB of them), so that no branch predictor learns one by heart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a bench may fail loudly, and its macro writes no docs"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use servanda::base::names::{Lane, Stage};
use servanda::engine::event::{Event, EventText, ToolEvent};
use servanda::engine::exchange::Exchange;
use servanda::engine::facts::Facts;
use servanda::engine::judge::{Lent, judge};
use servanda::engine::session::Session;
use servanda::engine::stream::Gate;
use servanda::program::Program;

const PACT: &str = include_str!("../config/templates/customer-support.pact.yaml");

/// 2026-06-01.
const NOW_US: i64 = 1_780_272_000_000_000;

/// A small generator, so that the texts are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Prose of about so many bytes; one in `dirty` has a card number.
fn texts(bytes: usize, dirty: u64) -> Vec<String> {
    const WORDS: &[&str] = &[
        "the",
        "order",
        "kettle",
        "arrived",
        "yesterday",
        "and",
        "customer",
        "is",
        "happy",
        "about",
        "delivery",
        "of",
        "7",
        "items",
        "please",
        "let",
        "us",
        "know",
        "if",
        "something",
        "else",
        "can",
        "be",
        "done",
        "for",
        "your",
        "account",
        "12:30",
        "v2.1",
        "EUR",
    ];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let count = (4 << 20) / bytes;
    let text = |random: &mut Random| {
        let mut text = String::with_capacity(bytes + 32);
        while text.len() < bytes {
            text.push_str(WORDS[(random.next() % WORDS.len() as u64) as usize]);
            text.push(' ');
        }
        if dirty > 0 && random.next().is_multiple_of(dirty) {
            text.push_str("card 4111 1111 1111 1111");
        }
        text
    };
    (0..count).map(|_| text(&mut random)).collect()
}

fn program() -> Arc<Program> {
    match Program::compile_text(PACT) {
        Ok(program) => Arc::new(program),
        Err(mistakes) => panic!("{}", mistakes.render("customer-support.pact.yaml", PACT)),
    }
}

fn whole(c: &mut Criterion) {
    let program = program();
    let (session, facts) = (Session::default(), Facts::new());
    let mut scratch = Lent::new(&program);
    let mut group = c.benchmark_group("judge");
    for (name, stage, bytes, dirty) in [
        ("request 1 KiB", Stage::Request, 1 << 10, 0),
        ("request 16 KiB", Stage::Request, 16 << 10, 0),
        ("response 1 KiB", Stage::Response, 1 << 10, 0),
        ("response 1 KiB, one in ten redacted", Stage::Response, 1 << 10, 10),
    ] {
        let texts = texts(bytes, dirty);
        let mut at = 0;
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 1) % texts.len();
                let text = [EventText::new(&texts[at])];
                let mut exchange = Exchange::new(Arc::clone(&program), Lane::Inbound);
                let event = Event::new(stage, Lane::Inbound, NOW_US).texts(&text);
                black_box(judge(&mut exchange, &session, &event, &facts, &mut scratch).act)
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("call", |b| {
        b.iter(|| {
            let mut exchange = Exchange::new(Arc::clone(&program), Lane::Model);
            let tool = ToolEvent::new("refund_create", r#"{"amount": 120, "order": 4711, "note": "kettle does not heat"}"#);
            let event = Event::new(Stage::Call, Lane::Model, NOW_US).tool(tool);
            black_box(judge(&mut exchange, &session, &event, &facts, &mut scratch).act)
        });
    });
    group.bench_function("end, no text", |b| {
        b.iter(|| {
            let mut exchange = Exchange::new(Arc::clone(&program), Lane::Inbound);
            let event = Event::new(Stage::End, Lane::Inbound, NOW_US);
            black_box(judge(&mut exchange, &session, &event, &facts, &mut scratch).act)
        });
    });
    group.finish();
}

fn stream(c: &mut Criterion) {
    let program = program();
    let (session, facts) = (Session::default(), Facts::new());
    let texts = texts(4 << 10, 0);
    let mut group = c.benchmark_group("stream");
    for delta in [6, 24, 256] {
        let mut at = 0;
        group.throughput(Throughput::Bytes(4 << 10));
        group.bench_function(format!("response 4 KiB in deltas of {delta} B"), |b| {
            b.iter_batched(
                || {
                    at = (at + 1) % texts.len();
                    (Exchange::new(Arc::clone(&program), Lane::Inbound), texts[at].as_str(), Lent::new(&program))
                },
                |(mut exchange, text, mut scratch)| {
                    let event = Event::new(Stage::Response, Lane::Inbound, NOW_US);
                    let (gate, _) = Gate::open(&mut exchange, &session, &event, &facts, &mut scratch, false);
                    let mut judge = gate.channel(true);
                    let mut safe = 0;
                    for piece in text.as_bytes().chunks(delta) {
                        safe = judge.push(&mut exchange, std::str::from_utf8(piece).unwrap_or_default()).safe_to;
                    }
                    black_box((safe, judge.finish(&mut exchange).act))
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, whole, stream);
criterion_main!(benches);
