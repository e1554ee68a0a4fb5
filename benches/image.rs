//! The cost of reading a pact, of compiling it, of writing its image, checking the image and compiling it again.
//!
//! Beside a pact as people write them stand two large ones: five hundred predicates, whose reading is compared with what the
//! YAML parser alone takes for the same text, and ten thousand phrases of the pact's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a bench may fail loudly, and its macro writes no docs"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use servanda::pact::{Packs, read};
use servanda::program::Program;
use servanda::program::image::{Image, write};

const PACT: &str = include_str!("../config/templates/customer-support.pact.yaml");

fn image(c: &mut Criterion) {
    let program = match Program::compile_text(PACT) {
        Ok(program) => program,
        Err(mistakes) => panic!("{}", mistakes.render("customer-support.pact.yaml", PACT)),
    };
    let bytes = write(&program, &[PACT], None).expect("small enough");
    let image = Image::read(&bytes).expect("just written");
    let mut group = c.benchmark_group("image");
    group.sample_size(20);
    group.bench_function("compile", |b| b.iter(|| black_box(Program::compile_text(black_box(PACT)).is_ok())));
    group.bench_function("load: compile again and compare", |b| {
        b.iter(|| black_box(image.program_unsigned(Packs::shipped()).is_ok()));
    });
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("write", |b| b.iter(|| black_box(write(&program, &[PACT], None).map(|b| b.len()))));
    group.bench_function("check", |b| b.iter(|| black_box(Image::read(black_box(&bytes)).is_ok())));
    group.finish();
}

/// The pact with `count` more predicates of every kind.
fn many_predicates(count: usize) -> String {
    let more: String = (0..count)
        .map(|n| match n % 5 {
            0 => format!(
                "  - {{id: p{n}, dimension: safety, severity: major, at: call, where: 'tool.name == \"refund_create\" && task.amount > {n}', \
                 check: {{args: {{properties: {{amount: {{type: number, maximum: {n}}}}}}}}}}}\n"
            ),
            1 => format!("  - {{id: p{n}, dimension: reliability, severity: minor, at: request, check: {{bound: open_tasks, max: {n}}}}}\n"),
            2 => format!("  - {{id: p{n}, dimension: security, severity: critical, at: [call, response], check: {{match: [secret]}}, act: block}}\n"),
            3 => format!(
                "  - {{id: p{n}, dimension: safety, severity: major, at: response, \
                 check: {{require: 'session.called(\"order_read\") || task.amount < {n}'}}}}\n"
            ),
            _ => format!("  - {{id: p{n}, dimension: safety, severity: major, at: call, check: {{set: host, allow: [\"h{n}.acme.example\"]}}}}\n"),
        })
        .collect();
    PACT.replacen("\nevidence:\n", &format!("{more}\nevidence:\n"), 1)
}

/// The pact with `count` phrases of its own, of one to three words each.
fn many_phrases(count: usize) -> String {
    const PARTS: [&str; 16] =
        ["bal", "kor", "min", "tes", "ra", "lo", "ven", "dis", "pu", "gar", "sol", "ne", "hup", "wick", "tam", "fi"];
    let word = |n: usize| format!("{}{}{}{}", PARTS[n % 16], PARTS[n / 16 % 16], PARTS[n / 256 % 16], PARTS[n / 4096 % 16]);
    let phrase = |n: usize| (0..=n % 3).map(|at| word(n + 7_919 * at)).collect::<Vec<_>>().join(" ");
    let phrases = (0..count).map(|n| format!("\"{}\"", phrase(n))).collect::<Vec<_>>().join(", ");
    PACT.replacen("phrases: [\"Globex\", \"Initech Desk\"]", &format!("phrases: [{phrases}]"), 1)
}

fn large(c: &mut Criterion) {
    let mut group = c.benchmark_group("large pacts");
    group.sample_size(20);
    let text = many_predicates(486);
    let pact = read(&text, Packs::shipped()).0.expect("it reads");
    assert_eq!(pact.pact().predicates.len(), 500);
    group.bench_function("500 predicates: YAML parser alone", |b| {
        b.iter(|| saphyr_parser::Parser::new_from_str(black_box(&text)).map_while(Result::ok).count());
    });
    group.bench_function("500 predicates: check", |b| {
        b.iter(|| {
            let (pact, mistakes) = read(black_box(&text), Packs::shipped());
            black_box((pact.is_some(), mistakes.errors()))
        });
    });
    let text = many_phrases(10_000);
    let program = Program::compile_text(&text).unwrap_or_else(|mistakes| panic!("{}", mistakes.render("phrases", &text)));
    let bytes = write(&program, &[&text], None).expect("small enough");
    group.bench_function("10,000 phrases: compile", |b| b.iter(|| black_box(Program::compile_text(black_box(&text)).is_ok())));
    group.bench_function("10,000 phrases: load the image", |b| {
        b.iter(|| black_box(Image::read(black_box(&bytes)).is_ok_and(|image| image.program_unsigned(Packs::shipped()).is_ok())));
    });
    group.finish();
}

criterion_group!(benches, image, large);
criterion_main!(benches);
