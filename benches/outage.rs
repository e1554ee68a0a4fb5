//! A broker that is away for a day: what the log takes on disk and in memory meanwhile, and how fast it goes out after.
//!
//! A day at ten records a second is written as fast as the log takes it, with a sink to NATS JetStream that finds nobody;
//! then the broker starts. `cargo bench --bench outage --features sink-nats` prints the figures; it needs `nats-server`.
//! `OUTAGE_RECORDS=` writes another number.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "a measuring program: it may fail loudly, and it reads the clock"
)]

#[path = "log/record.rs"]
#[allow(dead_code, reason = "what a record may be is the other bench's")]
mod record;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use record::{Random, exchange, fill};
use servanda::base::clock::SystemClock;
use servanda::evidence::log::Log;
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
    let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = Settings::default();
    settings.set("url", format!("nats://127.0.0.1:{port}"));
    let wanted = [Wanted::of(row("nats").unwrap(), settings)];
    let log = Log::open(dir.path()).unwrap();
    let sinks = Sinks::start(&log.handle(), dir.path(), &wanted, &SystemClock::shared()).unwrap();

    let (mut random, began) = (Random(1), Instant::now());
    let mut held = Vec::new();
    for _ in 0..10 {
        fill(&log.handle(), (0..records / 10).map(|_| exchange(&mut random)));
        held.push((bytes(dir.path()), resident()));
    }
    let ((tenth, first), (end, last)) = (held[0], held[9]);
    println!(
        "{records} records in {:.1} s while nobody answers ({} tries)",
        began.elapsed().as_secs_f64(),
        sinks.status()[0].failures
    );
    println!("disk: {end} bytes, {} predicted from the first tenth ({:.3})", tenth * 10, end as f64 / (tenth * 10) as f64);
    println!("memory: {last} KiB, {first} after the first tenth ({:.3})", last as f64 / first as f64);
    println!("        by tenths: {:?}", held.iter().map(|(_, resident)| *resident).collect::<Vec<_>>());

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
