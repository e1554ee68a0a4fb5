//! The cost of compiling a pact, writing its image, checking the image and compiling it again.

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
use servanda::pact::Packs;
use servanda::program::Program;
use servanda::program::image::{Image, write};

const PACT: &str = include_str!("../config/templates/customer-support.pact.yaml");

fn image(c: &mut Criterion) {
    let program = match Program::compile_text(PACT) {
        Ok(program) => program,
        Err(mistakes) => panic!("{}", mistakes.render("customer-support.pact.yaml", PACT)),
    };
    let bytes = write(&program, None, &[PACT], None).expect("small enough");
    let image = Image::read(&bytes).expect("just written");
    let mut group = c.benchmark_group("image");
    group.sample_size(20);
    group.bench_function("compile", |b| b.iter(|| black_box(Program::compile_text(black_box(PACT)).is_ok())));
    group.bench_function("load: compile again and compare", |b| {
        b.iter(|| black_box(image.program_unsigned(Packs::shipped()).is_ok()));
    });
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("write", |b| b.iter(|| black_box(write(&program, None, &[PACT], None).map(|b| b.len()))));
    group.bench_function("check", |b| b.iter(|| black_box(Image::read(black_box(&bytes)).is_ok())));
    group.finish();
}

criterion_group!(benches, image);
criterion_main!(benches);
