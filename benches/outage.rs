//! A broker that is away for a day: what the log takes on disk and in memory meanwhile, what a request pays for it, and how
//! fast it goes out after.
//!
//! A day at ten records a second is written as fast as the log takes it, with a sink to NATS JetStream that finds nobody;
//! then the broker starts. A log without sinks takes as much in turn, tenth by tenth: what the thread that writes pays with
//! the outage is held against what it pays without. `cargo bench --bench outage --features sink-nats` prints the figures; it
//! needs `nats-server`. `OUTAGE_RECORDS=` writes another number.
//!
//! Memory is what is in use, as a counting allocator says, when all is on disk. What the process holds beside it is what the
//! system's allocator keeps of the fullest moment of the queue, which has a ceiling of its own.

#![allow(
    missing_docs,
    unsafe_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "a measuring program: it may fail loudly, it reads the clock, and an allocator is unsafe by its trait"
)]

#[path = "log/record.rs"]
#[allow(dead_code, reason = "what a record may be is the other bench's")]
mod record;

#[path = "outage/counting.rs"]
mod counting;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use record::{Random, exchange, fill};
use servanda::base::clock::SystemClock;
use servanda::evidence::log::{Log, LogHandle};
use servanda::evidence::sink::settings::Settings;
use servanda::evidence::sink::status::State;
use servanda::evidence::sink::table::row;
use servanda::evidence::sink::{Sinks, Wanted};

const DAY: usize = 864_000;

/// Bytes below a folder.
fn bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.file_type().unwrap().is_dir() { bytes(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

/// KiB of memory that we hold now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Nanoseconds that this thread, or all of the process, has been on a core.
fn on_core(all: bool) -> u64 {
    let time = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0)
    };
    if all {
        std::fs::read_dir("/proc/self/task").unwrap().map(|task| time(&task.unwrap().path())).sum()
    } else {
        time(Path::new("/proc/thread-self"))
    }
}

/// Makes and writes so many, and gives what that cost: the thread that hands them over, and the process, in nanoseconds.
fn cost(log: &LogHandle, random: &mut Random, records: usize) -> [f64; 2] {
    let before = [on_core(false), on_core(true)];
    fill(log, (0..records).map(|_| exchange(random)));
    [(on_core(false) - before[0]) as f64, (on_core(true) - before[1]) as f64]
}

/// The middle of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn broker(port: u16, store: &Path) -> Child {
    let mut command = Command::new("nats-server");
    command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Server is ready") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "nats-server does not start");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    child
}

fn main() {
    let records = std::env::var("OUTAGE_RECORDS").map_or(DAY, |records| records.parse().unwrap());
    let (dir, store, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = Settings::default();
    settings.set("url", format!("nats://127.0.0.1:{port}"));
    let wanted = [Wanted::of(row("nats").unwrap(), settings)];
    let log = Log::open(dir.path()).unwrap();
    let sinks = Sinks::start(&log.handle(), dir.path(), &wanted, &SystemClock::shared()).unwrap();

    let without = Log::open(bare.path()).unwrap();
    // Both are warm before anything is counted.
    let mut random = Random(1);
    for log in [&without, &log] {
        cost(&log.handle(), &mut random, 1_000);
    }
    let (mut held, mut ratios, mut seconds) = (Vec::new(), [Vec::new(), Vec::new()], 0.0);
    for _ in 0..10 {
        let plain = cost(&without.handle(), &mut random, records / 10);
        counting::most();
        let began = Instant::now();
        let outage = cost(&log.handle(), &mut random, records / 10);
        seconds += began.elapsed().as_secs_f64();
        ratios.iter_mut().zip(outage.iter().zip(plain)).for_each(|(ratios, (with, without))| ratios.push(with / without));
        held.push((bytes(dir.path()), counting::in_use(), counting::most(), resident()));
    }
    without.close().unwrap();
    let ((tenth, first, ..), (end, last, ..)) = (held[0], held[9]);
    println!("{records} records in {seconds:.1} s while nobody answers ({} tries)", sinks.status()[0].failures);
    println!("disk: {end} bytes, {} predicted from the first tenth ({:.3})", tenth * 10, end as f64 / (tenth * 10) as f64);
    println!("memory in use: {last} bytes, {first} after the first tenth ({:.3}; at most 1.1)", last as f64 / first as f64);
    println!("        by tenths: {:?}", held.iter().map(|(_, used, ..)| *used).collect::<Vec<_>>());
    println!("        most in each: {:?}", held.iter().map(|(.., most, _)| *most).collect::<Vec<_>>());
    println!("        KiB resident after each: {:?}", held.iter().map(|(.., resident)| *resident).collect::<Vec<_>>());
    let [foreground, process] = ratios.map(median);
    println!(
        "CPU a record, with the outage against without: {foreground:.3} of the thread that makes it and hands it over (at most 1.1)"
    );
    println!("        {process:.3} of the whole process, with the threads of log and sink");

    let mut child = broker(port, store.path());
    // Its wait may be up to a minute after so long a time: the drain begins with its first batch.
    let mut first = None;
    let (rate, most) = loop {
        std::thread::sleep(Duration::from_millis(2));
        let status = sinks.status().remove(0);
        if status.delivered_records == 0 {
            continue;
        }
        let began = *first.get_or_insert_with(Instant::now);
        if status.state == State::Current && status.lag_records == 0 {
            break (status.delivered_records as f64 / began.elapsed().as_secs_f64(), resident());
        }
    };
    println!("drained: {rate:.0} records/s, {most} KiB of memory then, {} bytes there", bytes(store.path()));
    sinks.end(Duration::from_secs(4));
    log.close().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}
