//! What a pass of all shipped packs costs: whole bodies, chunks, hostile bodies.
//!
//! More than 4 MB of distinct bodies, so that no branch predictor learns them.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may fail loudly, and its macro writes no docs")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use servanda::pact::pack::Packs;
use servanda::scan::{Scratch, StreamScanner};

/// Numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const COMMON: &str = "the of to and a in is it you that he was for on are with as his they be at one have this from or had by hot but \
    some what there we can out other were all your when up use word how said an each she which do their time if will way about many then \
    them would write like so these her long make thing see him two has look more day could go come did my sound no most number who over \
    know water than call first people may down side been now find any new work part take get place made live where after back little only \
    round man year came show every good me give our under name very through just form much great think say help low line before turn \
    cause same mean differ move right boy old too does tell sentence set three want air well also play small end put home read hand port \
    large spell add even land here must big high such follow act why ask men change went light kind off need house picture try us again";

/// Chat-shaped prose: short words are frequent, two of a hundred tokens are numbers, one of `dense` is a find.
fn bodies(total: usize, size: usize, dense: u64) -> Vec<String> {
    let words: Vec<&str> = COMMON.split_whitespace().collect();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut made = 0;
    let mut bodies = Vec::new();
    while made < total {
        let mut body = String::new();
        while body.len() < size {
            let pick = dice.roll(words.len() as u64).min(dice.roll(words.len() as u64)) as usize;
            match dice.roll(100) {
                0 => body.push_str(&format!("{}:{:02}", dice.roll(24), dice.roll(60))),
                1 => body.push_str(&dice.roll(10_000).to_string()),
                2..=12 => (0..3 + dice.roll(8)).for_each(|_| body.push(char::from(b'a' + dice.roll(26) as u8))),
                _ => body.push_str(words.get(pick).unwrap()),
            }
            if dense > 0 && dice.roll(dense) == 0 {
                body.push_str(&format!(" jane{}@example.com or 4111 1111 1111 1111", dice.roll(1000)));
            }
            body.push_str(match dice.roll(12) {
                0 => ". ",
                1 => ", ",
                _ => " ",
            });
        }
        made += body.len();
        bodies.push(body);
    }
    bodies
}

fn scan(c: &mut Criterion) {
    let scanner = Arc::new(Packs::shipped().scanner().unwrap());
    let mut group = c.benchmark_group("scan");
    group.sample_size(10);
    for (name, dense) in [("clean", 0), ("sparse", 6000), ("dense", 12)] {
        let bodies = bodies(4 << 20, 1024, dense);
        group.throughput(Throughput::Bytes(bodies.iter().map(String::len).sum::<usize>() as u64));
        let mut scratch = Scratch::new(&scanner);
        let mut hits = Vec::new();
        group.bench_function(format!("{name}/whole 1 KiB"), |b| {
            b.iter(|| {
                for body in &bodies {
                    hits.clear();
                    scanner.scan(black_box(body), &mut scratch, &mut hits);
                    black_box(&hits);
                }
            });
        });
        let text = bodies.concat();
        for size in [1024, 20] {
            group.bench_function(format!("{name}/chunks of {size} B"), |b| {
                let mut stream = StreamScanner::new(&scanner);
                b.iter(|| {
                    stream.reset();
                    for chunk in text.as_bytes().chunks(size) {
                        hits.clear();
                        black_box(stream.push(std::str::from_utf8(chunk).unwrap(), &mut hits));
                    }
                });
            });
        }
    }
    for (name, unit) in [("a:b", "a:b:"), ("colons", ":::"), ("digits", "4 1 1 1 "), ("anchors", "eyJ-"), ("at", "a.b@")] {
        let text = unit.repeat((256 << 10) / unit.len());
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut scratch = Scratch::new(&scanner);
        let mut hits = Vec::new();
        group.bench_function(format!("hostile/{name}"), |b| {
            b.iter(|| {
                hits.clear();
                scanner.scan(black_box(&text), &mut scratch, &mut hits);
            });
        });
    }
    group.finish();
    c.bench_function("scan/build all packs", |b| b.iter(|| Packs::shipped().scanner().unwrap()));
    c.bench_function("scan/new stream", |b| b.iter(|| StreamScanner::new(&scanner)));
}

criterion_group!(benches, scan);
criterion_main!(benches);
