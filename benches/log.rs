//! The evidence log, as ratios within one run: so a slow or busy machine does not matter much.
//!
//! Rounds of the two sides of a ratio alternate, and the ratio is the median of the rounds' ratios. Each line says what is
//! compared, both figures, the ratio and what is aimed at.
//!
//! `cargo bench --bench log` prints the table; `-- --quick` takes one short round: enough to see whether it works.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a measuring program: it may fail loudly, and it reads the clock"
)]

#[path = "log/record.rs"]
mod record;

#[path = "proxy/load.rs"]
#[allow(dead_code, reason = "streams are the other bench's")]
mod load;
#[path = "proxy/upstream.rs"]
mod upstream;

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use record::{Random, SIZES, TIMES, exchange, fill};
use servanda::evidence::log::Log;
use servanda::evidence::merkle::{Tree, leaf_hash};
use servanda::evidence::record::Exchange;
use servanda::evidence::sink::reader::{Limit, LogReader, Piece};
use servanda::evidence::verify::{Policy, verify};
use servanda::seal::SigningKey;
use sha2::Digest as _;

const ROLE: &str = "SERVANDA_BENCH_ROLE";
const HEADER: usize = 64;
const FRAME: usize = 18;
const RECORD: u8 = 1;
const COMMIT: u8 = 2;

fn main() {
    if std::env::var(ROLE).as_deref() == Ok("upstream") {
        return upstream::serve();
    }
    // `cargo test --benches` calls us with other arguments; there is nothing to test here.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let quick = std::env::args().any(|a| a == "--quick");
    let rounds = if quick { 1 } else { 7 };
    println!("servanda {}, {rounds} rounds; ratios are medians of the rounds' ratios\n", env!("CARGO_PKG_VERSION"));
    println!("{:<66} {:>14} {:>14} {:>8}  aim", "", "ours", "other", "ratio");
    durable(rounds, if quick { 20_000 } else { 100_000 });
    canonical(rounds);
    let hot_us = hot(rounds);
    verification(rounds, if quick { 20_000 } else { 100_000 });
    recovery(rounds);
    share(hot_us, rounds, Duration::from_millis(if quick { 700 } else { 2_000 }));
}

fn line(what: &str, ours: &str, other: &str, ratio: f64, aim: &str) {
    println!("{what:<66} {ours:>14} {other:>14} {ratio:>8.2}  {aim}");
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn records(count: usize) -> Vec<Exchange> {
    let mut random = Random(0x5EED_1234_5678_9ABC);
    (0..count).map(|_| exchange(&mut random)).collect()
}

/// The newest log of a folder.
fn newest(dir: &Path) -> PathBuf {
    let mut logs: Vec<PathBuf> = std::fs::read_dir(dir.join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    logs.pop().unwrap()
}

fn segments(log: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut out: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    out.sort();
    out
}

/// Calls for each frame: kind, content, where it ends.
fn frames(file: &[u8], mut each: impl FnMut(u8, &[u8], usize)) {
    let mut at = HEADER;
    while let Some(head) = file.get(at..at + FRAME) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        let Some(content) = file.get(at + FRAME..at + FRAME + length).filter(|_| length > 0) else { break };
        at += FRAME + length;
        each(head[16], content, at);
    }
}

/// Durable signed records against a naive log, and against the bare writes and syncs of the same bytes in the same groups.
fn durable(rounds: usize, count: usize) {
    const NAIVE: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let bytes = serde_json::to_vec(&records(1)[0]).unwrap();
    let (mut per_s, mut naive, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let place = dir.path().join(format!("{round}"));
        let log = Log::open(&place).unwrap();
        let batch = records(count);
        per_s.push(count as f64 / seconds(|| fill(&log.handle(), batch)));
        log.close().unwrap();
        let mut file = std::fs::File::create(dir.path().join("naive")).unwrap();
        let took = seconds(|| {
            for _ in 0..NAIVE {
                file.write_all(&bytes).unwrap();
                file.write_all(&key.sign(&bytes).0).unwrap();
                file.sync_data().unwrap();
            }
        });
        naive.push(NAIVE as f64 / took);
        // The files are filled with zeros before, as the log's are.
        let mut took = 0.0;
        for path in segments(&newest(&place)) {
            let content = std::fs::read(path).unwrap();
            let file = std::fs::File::create(dir.path().join("bare")).unwrap();
            file.write_all_at(&vec![0; content.len()], 0).unwrap();
            file.sync_all().unwrap();
            let mut groups = Vec::new();
            frames(&content, |kind, _, end| groups.extend((kind == COMMIT).then_some(end)));
            took += seconds(|| {
                let mut from = 0;
                for end in groups {
                    file.write_all_at(&content[from..end], from as u64).unwrap();
                    file.sync_data().unwrap();
                    from = end;
                }
            });
        }
        bare.push(count as f64 / took);
        std::fs::remove_dir_all(&place).unwrap();
    }
    let ratio = |other: &[f64]| median(per_s.iter().zip(other).map(|(ours, other)| ours / other));
    let show = |all: &[f64]| format!("{:.0}/s", median(all.iter().copied()));
    line("durable signed records, against sync and sign each", &show(&per_s), &show(&naive), ratio(&naive), ">= 100");
    line("  against bare write and fdatasync of the same groups", &show(&per_s), &show(&bare), ratio(&bare), ">= 0.70");
}

/// Nanoseconds a call.
fn each_ns(times: u32, mut work: impl FnMut()) -> f64 {
    seconds(|| (0..times).for_each(|_| work())) * 1e9 / f64::from(times)
}

fn canonical(rounds: usize) {
    let record = &records(1)[0];
    let bytes = serde_json::to_vec(record).unwrap();
    assert_eq!(bytes, serde_json_canonicalizer::to_vec(record).unwrap());
    let mut buffer = Vec::with_capacity(2 * bytes.len());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(each_ns(50_000, || {
            buffer.clear();
            serde_json::to_writer(&mut buffer, black_box(record)).unwrap();
            black_box(&buffer);
        }));
        theirs.push(each_ns(10_000, || drop(black_box(serde_json_canonicalizer::to_vec(black_box(record)).unwrap()))));
    }
    let ratio = median(theirs.iter().zip(&ours).map(|(theirs, ours)| theirs / ours));
    let show = |all: &[f64]| format!("{:.0} ns", median(all.iter().copied()));
    line(
        &format!("canonical form of {} bytes, against serde_json_canonicalizer", bytes.len()),
        &show(&ours),
        &show(&theirs),
        ratio,
        ">= 8",
    );
}

/// The hot path, canonical bytes, leaf and push, against one signature; gives its microseconds.
fn hot(rounds: usize) -> f64 {
    const TAKEN: usize = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let handle = log.handle();
    let key = SigningKey::generate().unwrap();
    let message = [7u8; 180];
    let (mut ours, mut signature) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut best = f64::INFINITY;
        for _ in 0..10 {
            let slots: Vec<_> = records(TAKEN).into_iter().map(|record| (handle.reserve().unwrap(), record)).collect();
            best = best.min(seconds(|| slots.into_iter().for_each(|(slot, record)| slot.write(record))) * 1e9 / TAKEN as f64);
            handle.flush().wait().unwrap();
        }
        ours.push(best);
        let once = || {
            black_box(key.sign(black_box(&message)));
        };
        signature.push((0..10).map(|_| each_ns(200, once)).fold(f64::INFINITY, f64::min));
    }
    log.close().unwrap();
    let ratio = median(ours.iter().zip(&signature).map(|(ours, signature)| ours / signature));
    let show = |all: &[f64]| format!("{:.0} ns", median(all.iter().copied()));
    line("hot path of a record, against one signature", &show(&ours), &show(&signature), ratio, "<= 0.125");
    median(ours) / 1e3
}

/// Verification with all its checks against hashing alone; and stored bytes against the entropy floor.
fn verification(rounds: usize, count: usize) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    fill(&log.handle(), records(count));
    let size = log.close().unwrap();
    let place = newest(dir.path());
    let (mut ours, mut hashed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(size as f64 / seconds(|| assert!(verify(dir.path(), &Policy::default()).unwrap().is_valid())));
        let took = seconds(|| {
            let mut tree = Tree::default();
            for path in segments(&place) {
                frames(&std::fs::read(path).unwrap(), |kind, content, _| {
                    if kind == RECORD {
                        tree.push(leaf_hash(content));
                    }
                });
            }
            assert_eq!(tree.size(), size);
            black_box(tree.root());
        });
        hashed.push(size as f64 / took);
    }
    let ratio = median(ours.iter().zip(&hashed).map(|(ours, hashed)| ours / hashed));
    let show = |all: &[f64]| format!("{:.0}/s", median(all.iter().copied()));
    line("verified with every check, against hashes alone", &show(&ours), &show(&hashed), ratio, ">= 0.70");

    // What cannot be guessed of a record: two digests, the random part of its id, two sizes, a time taken, and when it came.
    let bits = 2.0 * 256.0 + 74.0 + 2.0 * (SIZES as f64).log2() + (TIMES as f64).log2() + ARRIVAL_BITS;
    let floor = bits / 8.0 * count as f64;
    let raw: u64 = segments(&place).iter().map(|path| path.metadata().unwrap().len()).sum();
    let mut stored = 0;
    let mut reader = LogReader::open(&place).unwrap();
    while let Some(piece) = reader.next(Limit::Ended).unwrap() {
        let Piece::Batch(batch) = piece else { panic!("a hole") };
        stored += batch.wire().len();
    }
    let show = |bytes: f64| format!("{:.1} B", bytes / count as f64);
    line(
        "stored a record as sinks get it, against the entropy floor",
        &show(stored as f64),
        &show(floor),
        stored as f64 / floor,
        "<= 1.5",
    );
    line("  as it lies in segments, against the same", &show(raw as f64), &show(floor), raw as f64 / floor, "");
}

/// Microseconds from one record to the next, wall and steady: each about ten bits at these rates.
const ARRIVAL_BITS: f64 = 20.0;

/// A start that finds a full segment of 64 MiB unsealed, against one pass of SHA-256 over it.
fn recovery(rounds: usize) {
    const FULL: u64 = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path().join("live")).unwrap();
    let handle = log.handle();
    let place = newest(&dir.path().join("live"));
    // Until the next segment has begun: then the first is full.
    while segments(&place).len() < 2 {
        fill(&handle, records(5_000));
    }
    let boot = place.file_name().unwrap();
    let copy = |to: &Path| {
        let log = to.join("logs").join(boot);
        std::fs::create_dir_all(&log).unwrap();
        for name in ["origin", "delegation.note"] {
            std::fs::copy(place.join(name), log.join(name)).unwrap();
        }
        let first = segments(&place).remove(0);
        assert!(first.metadata().unwrap().len() > FULL * 9 / 10);
        let file = log.join(first.file_name().unwrap());
        std::fs::copy(&first, &file).unwrap();
        // Who died has not left 64 MiB to be written by the start.
        std::fs::File::open(&file).unwrap().sync_all().unwrap();
        std::fs::copy(dir.path().join("live/root.key"), to.join("root.key")).unwrap();
        file
    };
    let (mut ours, mut hashed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let to = dir.path().join(format!("{round}"));
        let file = copy(&to);
        hashed.push(seconds(|| {
            black_box(sha2::Sha256::digest(std::fs::read(&file).unwrap()));
        }));
        let mut open = None;
        ours.push(seconds(|| open = Some(Log::open(&to).unwrap())));
        open.unwrap().close().unwrap();
        std::fs::remove_dir_all(&to).unwrap();
    }
    log.close().unwrap();
    let ratio = median(ours.iter().zip(&hashed).map(|(ours, hashed)| ours / hashed));
    let show = |all: &[f64]| format!("{:.0} ms", median(all.iter().copied()) * 1e3);
    line("start on a full segment of 64 MiB, against one SHA-256 over it", &show(&ours), &show(&hashed), ratio, "<= 1.5");
}

/// A process that is ended with the value.
struct Server(Child, String);

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address =
            lines.find_map(|line| Some(line.split_once("http://")?.1.split([' ', '/', ',']).next()?.to_owned())).unwrap();
        // Read on, so that a full pipe stops nobody.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }

    /// CPU so far of the threads of this name, or of all, in microseconds.
    fn cpu_us(&self, name: Option<&str>) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().map(|task| task.unwrap().path());
        let those = tasks.filter(|task| {
            name.is_none_or(|name| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name))
        });
        let spent =
            those.filter_map(|task| std::fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok());
        spent.sum::<f64>() / 1e3
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// CPU of the evidence, its thread and what it takes of the request's, against that of the whole request.
fn share(hot_us: f64, rounds: usize, span: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let pact = folder.path().join("support.pact.yaml");
    let servanda = Path::new(env!("CARGO_BIN_EXE_servanda"));
    let made = Command::new(servanda).args(["init", "--template", "customer-support", "-o"]).arg(&pact).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let upstream = Server::start(Command::new(std::env::current_exe().unwrap()).env(ROLE, "upstream"));
    let url = format!("http://{}", upstream.1);
    let mut run = Command::new(servanda);
    run.args(["run", "--upstream", &url, "--listen", "127.0.0.1:0", "--lane", "model", "--admin", "127.0.0.1:0", "--pact"])
        .arg(&pact);
    let guarded = Server::start(run.arg("--evidence").arg(folder.path().join("evidence")));
    // Both bodies are committed to while they pass.
    let log = Log::open(folder.path().join("beside")).unwrap();
    let slot = log.handle().reserve().unwrap();
    let body = upstream::prose(1 << 10);
    let commit_us = each_ns(20_000, || {
        let mut commitment = slot.commitment("request");
        commitment.update(black_box(body.as_bytes()));
        black_box(commitment.finish());
    }) / 1e3;
    let request = load::Request::plain(1 << 10);
    load::run(&guarded.1, &request, 16, span); // warm
    let (mut evidence, mut all) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let before = (guarded.cpu_us(Some("evidence")), guarded.cpu_us(None));
        let result = load::run(&guarded.1, &request, 16, span);
        assert_eq!(result.failed, 0);
        let done = result.done as f64;
        evidence.push((guarded.cpu_us(Some("evidence")) - before.0) / done + hot_us + 2.0 * commit_us);
        all.push((guarded.cpu_us(None) - before.1) / done);
    }
    let ratio = median(evidence.iter().zip(&all).map(|(evidence, all)| evidence / all));
    let show = |all: &[f64]| format!("{:.2} µs", median(all.iter().copied()));
    line("CPU of evidence (thread, hot path, two commitments), of the request", &show(&evidence), &show(&all), ratio, "<= 0.01");
    let thread = median(evidence.iter().copied()) - hot_us - 2.0 * commit_us;
    println!("  of that: the thread {thread:.2} µs, the hot path {hot_us:.2} µs, each commitment to 1 KiB {commit_us:.2} µs");
}
