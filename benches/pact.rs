//! The cost of authoring: checking a large pact beside the bare reading of its YAML, compiling many phrases of its own,
//! and loading the image of that.
//!
//! What is bounded is a ratio (`check` by the YAML parser, in the same run) and two times; see the README beside.

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
use servanda::pact::template::template;
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

/// The customer-support pact with so many phrases of its own, of one to three words each.
fn many_phrases(count: usize) -> String {
    const PARTS: [&str; 16] =
        ["bal", "kor", "min", "tes", "ra", "lo", "ven", "dis", "pu", "gar", "sol", "ne", "hup", "wick", "tam", "fi"];
    let word = |n: usize| format!("{}{}{}{}", PARTS[n % 16], PARTS[n / 16 % 16], PARTS[n / 256 % 16], PARTS[n / 4096 % 16]);
    let phrase = |n: usize| (0..=n % 3).map(|at| word(n + 7_919 * at)).collect::<Vec<_>>().join(" ");
    let phrases = (0..count).map(|n| format!("\"{}\"", phrase(n))).collect::<Vec<_>>().join(", ");
    let text = template("customer-support").unwrap();
    let own = text.replacen("phrases: [\"Globex\", \"Initech Desk\"]", &format!("phrases: [{phrases}]"), 1);
    assert!(own.len() > text.len());
    own
}

fn authoring(c: &mut Criterion) {
    let packs = Packs::shipped();
    let large = many_predicates(500);
    let mut group = c.benchmark_group("check 500 predicates");
    group.bench_function("the YAML parser alone", |b| {
        b.iter(|| saphyr_parser::Parser::new_from_str(black_box(&large)).map_while(Result::ok).count());
    });
    group.bench_function("check", |b| b.iter(|| read(black_box(&large), packs).0.unwrap()));
    group.finish();

    let phrases = many_phrases(10_000);
    let checked = read(&phrases, packs).0.unwrap();
    let program = compile(std::slice::from_ref(&checked), packs).unwrap();
    let bytes = image::write(&program, None, &[&phrases], None).unwrap();
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
