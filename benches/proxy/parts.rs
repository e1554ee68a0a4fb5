//! What each part of the guard costs alone, beside what the whole sidecar costs over the bare proxy.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method};
use servanda::base::names::{Lane, Mode, Stage};
use servanda::base::verdict::Act;
use servanda::engine::event::{Event, EventText};
use servanda::engine::exchange::Exchange;
use servanda::engine::facts::Facts;
use servanda::engine::judge::{Lent, judge};
use servanda::engine::session::Session;
use servanda::evidence::log::Log;
use servanda::evidence::record;
use servanda::program::Program;
use servanda::protocol::{self, Head};
use servanda::scan::span::Hit;

use super::upstream::prose;

/// A day in the template's term.
const NOW_US: i64 = 1_790_000_000_000_000;
/// Times each part is run.
const TIMES: u32 = 3000;

/// Prints the shares, given the extra CPU per request by body size.
pub(crate) fn print(pact: &Path, extra_us: &[(usize, f64)]) {
    let program = Arc::new(Program::compile_file(pact).unwrap());
    let log_us = log();
    println!("CPU of the sidecar over bare at 16 connections, and what its parts cost alone (µs an exchange)");
    println!(
        "{:<16} {:>8} {:>10} {:>10} {:>10} {:>8} {:>28}",
        "", "over", "scanner", "rules", "JSON walk", "log", "rest: guard, HTTP, buffers"
    );
    for (size, extra) in extra_us {
        let (scan, judged) = engine(&program, *size);
        let walk = walk(*size);
        println!(
            "{:<16} {extra:>8.1} {scan:>10.1} {:>10.1} {walk:>10.1} {log_us:>8.1} {:>28.1}",
            format!("{} KiB each way", size >> 10),
            judged - scan,
            extra - judged - walk - log_us,
        );
    }
}

/// Microseconds a call, the best of three rounds.
fn time(mut work: impl FnMut()) -> f64 {
    work();
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    (0..3).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

/// The scanners of both stages over both texts, and the whole judgement of both.
fn engine(program: &Arc<Program>, size: usize) -> (f64, f64) {
    let text = prose(size);
    let texts = [EventText::new(&text)];
    let (session, facts) = (Session::default(), Facts::new());
    let mut scratch = Lent::new(program);
    let judged = time(|| {
        let mut exchange = Exchange::new(Arc::clone(program), Lane::Model);
        for stage in [Stage::Request, Stage::Response] {
            let event = Event::new(stage, Lane::Model, NOW_US).texts(black_box(&texts));
            assert_eq!(judge(&mut exchange, &session, &event, &facts, &mut scratch).act, Act::Allow);
        }
    });
    let packs = servanda::pact::Packs::shipped();
    let scanner = |labels: &[&str]| {
        let patterns = labels.iter().flat_map(|label| packs.select(label)).map(|(_, entry)| entry.pattern.clone()).collect();
        servanda::scan::Scanner::new(patterns, Vec::new()).unwrap()
    };
    // What the template looks for on both ways, as near as the packs' labels say it.
    let scanners = [scanner(&["pii", "injection"]), scanner(&["pii", "secret", "impersonation"])];
    let mut hits: Vec<Hit> = Vec::new();
    let mut scratches = scanners.each_ref().map(servanda::scan::Scratch::new);
    let scan = time(|| {
        for (scanner, scratch) in scanners.iter().zip(&mut scratches) {
            hits.clear();
            scanner.scan(black_box(&text), scratch, &mut hits);
        }
    });
    (scan, judged)
}

/// Both bodies read by the protocol.
fn walk(size: usize) -> f64 {
    let headers = HeaderMap::new();
    let head = Head { method: &Method::POST, path: "/v1/chat/completions", headers: &headers, configured: None };
    let adapter = protocol::claim(&head);
    let request = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": prose(size)}]}).to_string();
    let message = serde_json::json!({"role": "assistant", "content": prose(size)});
    let answer =
        serde_json::json!({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string();
    time(|| {
        black_box(adapter.read_request(black_box(request.as_bytes())).unwrap());
        black_box(adapter.read_answer(black_box(answer.as_bytes())).unwrap());
    })
}

/// CPU of all threads of this process so far, in microseconds.
fn cpu_us() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("schedstat")).ok());
    stats.filter_map(|s| s.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
}

/// One record handed over and made durable by the log's thread, in groups as they come.
fn log() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).unwrap();
    let handle = log.handle();
    let record =
        record::Exchange { act: Act::Allow, lane: Some(Lane::Model), mode: Some(Mode::Enforce), ..record::Exchange::default() };
    let before = cpu_us();
    for _ in 0..TIMES {
        let slot = loop {
            match handle.reserve() {
                Ok(slot) => break slot,
                Err(_) => drop(handle.flush().wait()),
            }
        };
        slot.write(record.clone());
    }
    handle.flush().wait().unwrap();
    let spent = cpu_us() - before;
    log.close().unwrap();
    spent / f64::from(TIMES)
}
