//! The cost of authoring: checking a large pact beside the bare reading of its YAML, compiling many phrases of its own,
//! and loading the image of that.
//!
//! What is bounded is a ratio (`check` by `parse`, in the same run) and two times; see the README beside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a bench may fail loudly, and its macro writes no docs"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use servanda::base::document;
use servanda::pact::{Packs, read};
use servanda::program::compile;
use servanda::program::image::{self, Image};

/// A pact of so many predicates of five kinds, all with a condition.
fn many_predicates(count: usize) -> String {
    let mut text = String::from(
        "format: 1\npact: large\nversion: \"1.0.0\"\nfacts: {task.type: string, task.amount: number}\n\
         tools: {refund: {action: write, target: order, effect: external}, look: {action: read, target: order, effect: read}}\n\
         predicates:\n",
    );
    for n in 0..count {
        let check = match n % 5 {
            0 => "at: response, check: {match: [pii]}".to_owned(),
            1 => format!(
                "at: call, check: {{args: {{properties: {{amount: {{type: number, maximum: {n}}}}}, required: [amount]}}}}"
            ),
            2 => "at: call, check: {set: tool, allow: [refund, look]}".to_owned(),
            3 => "at: call, check: {require: 'session.called(\"look\") || task.amount < 100'}".to_owned(),
            _ => "at: request, check: {bound: open_tasks, max: 50}".to_owned(),
        };
        writeln!(text, "  - {{id: p{n}, dimension: safety, severity: minor, where: 'task.amount > {n}', {check}}}").unwrap();
    }
    text
}

/// A pact of so many phrases, in detectors of a thousand.
fn many_phrases(count: usize) -> String {
    let mut text = String::from("format: 1\npact: phrases\nversion: \"1.0.0\"\ndetectors:\n");
    for (group, first) in (0..count).step_by(1_000).enumerate() {
        write!(text, "  d{group}: {{phrases: [").unwrap();
        for n in first..count.min(first + 1_000) {
            // Words that differ from their first letters on, as names do.
            write!(text, "\"{} {n} holdings\", ", ["acme", "globex", "initech", "umbrella", "stark"][n % 5]).unwrap();
        }
        text.push_str("]}\n");
    }
    text.push_str(
        "predicates:\n  - {id: names, dimension: scope, severity: minor, at: [request, response], check: {match: [own]}}\n",
    );
    text
}

fn authoring(c: &mut Criterion) {
    let packs = Packs::shipped();
    let large = many_predicates(500);
    let mut group = c.benchmark_group("check 500 predicates");
    group.bench_function("parse", |b| b.iter(|| document::parse(black_box(&large)).unwrap()));
    group.bench_function("check", |b| b.iter(|| read(black_box(&large), packs).0.unwrap()));
    group.finish();

    let phrases = many_phrases(10_000);
    let checked = read(&phrases, packs).0.unwrap();
    let program = compile(std::slice::from_ref(&checked), packs).unwrap();
    let bytes = image::write(&program, &[&phrases], None).unwrap();
    let mut group = c.benchmark_group("10,000 phrases");
    group.sample_size(20);
    group.bench_function("compile", |b| b.iter(|| compile(std::slice::from_ref(black_box(&checked)), packs).unwrap()));
    group.bench_function("load the image", |b| {
        b.iter(|| Image::read(black_box(&bytes)).unwrap().program_unsigned(packs).unwrap());
    });
    group.finish();
}

criterion_group!(benches, authoring);
criterion_main!(benches);
