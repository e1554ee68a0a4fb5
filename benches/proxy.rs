//! The sidecar beside a bare pass-through, in one run: requests per second, CPU per request, first delta.
//!
//! Three processes and one rule: the proxy under test has a core of its own; load and upstream share
//! another. Both are hand-written over TCP, so that neither is what is measured. Rounds alternate
//! between the proxies and the ratios are medians of the rounds, since machines drift.
//!
//! `cargo bench --bench proxy` prints the table; `-- --quick` takes one short round.

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

#[path = "proxy/bare.rs"]
mod bare;
#[path = "proxy/load.rs"]
mod load;
#[path = "proxy/parts.rs"]
mod parts;
#[path = "proxy/upstream.rs"]
mod upstream;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Which of the processes this is; the measuring one when unset.
const ROLE: &str = "SERVANDA_BENCH_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("upstream") => return upstream::serve(),
        Ok("bare") => return bare::serve(),
        _ => {}
    }
    // `cargo test --benches` calls us with other arguments; there is nothing to test here.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let quick = std::env::args().any(|a| a == "--quick");
    measure(if quick { 1 } else { 5 }, Duration::from_millis(if quick { 700 } else { 2000 }));
}

/// A process of ours and where it listens.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts `command` on core `core` and waits until it says where it listens.
    fn start(core: &str, program: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = if Command::new("taskset").arg("-V").output().is_ok() {
            let mut pinned = Command::new("taskset");
            pinned.args(["-c", core]).arg(program);
            pinned
        } else {
            Command::new(program)
        };
        let mut child = command
            .args(args)
            .envs(env.iter().copied())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, heard) = std::sync::mpsc::sync_channel(64);
        for pipe in
            [Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>, Box::new(child.stderr.take().unwrap())]
        {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    // After the address nobody listens any more; the pipe is still drained.
                    drop(said.try_send(line));
                }
            });
        }
        let mut all = String::new();
        let address = loop {
            let Ok(line) = heard.recv_timeout(Duration::from_secs(20)) else {
                panic!("{} did not listen:\n{all}", program.display())
            };
            if let Some(at) = line.find("http://").filter(|_| line.contains("listening")) {
                break line[at + 7..].split([' ', '/', ',']).next().unwrap().to_owned();
            }
            all.push_str(&line);
            all.push('\n');
        };
        Self { child, address }
    }

    /// User and system time so far, in seconds.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().filter_map(|&i| fields.get(i)?.parse::<f64>().ok()).sum();
        ticks / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What one round gave.
#[derive(Clone, Copy)]
struct Round {
    per_s: f64,
    cpu_us: f64,
    first_us: f64,
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(rounds: usize, span: Duration) {
    let own = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pact = folder.path().join("support.pact.yaml");
    let servanda = Path::new(env!("CARGO_BIN_EXE_servanda"));
    let made = Command::new(servanda).args(["init", "--template", "customer-support", "-o"]).arg(&pact).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let upstream = Server::start("0", &own, &[], &[(ROLE, "upstream")]);
    let url = format!("http://{}", upstream.address);
    let bare = Server::start("1", &own, &[], &[(ROLE, "bare"), ("SERVANDA_BENCH_UPSTREAM", &upstream.address)]);
    let evidence = folder.path().join("evidence");
    let args = ["run", "--upstream", &url, "--listen", "127.0.0.1:0", "--lane", "model", "--pact", pact.to_str().unwrap()];
    let guarded = Server::start(
        "1",
        servanda,
        &[&args[..], &["--evidence", evidence.to_str().unwrap(), "--admin", "127.0.0.1:0"]].concat(),
        &[],
    );
    let servers = [("bare", &bare), ("servanda", &guarded)];

    println!("servanda {}, customer-support pact in enforce, evidence on, default durability", env!("CARGO_PKG_VERSION"));
    println!("{rounds} rounds of {} ms each, alternating; ratios are medians of the rounds' ratios\n", span.as_millis());
    println!(
        "{:<22} {:>6} {:>14} {:>14} {:>9} {:>13} {:>13} {:>9}",
        "load", "conns", "bare req/s", "servanda", "ratio", "bare CPU µs", "servanda", "ratio"
    );
    let mut extra_us = Vec::new();
    for size in [1 << 10, 16 << 10] {
        for connections in [1, 16, 64] {
            let request = load::Request::plain(size);
            let results = alternate(&servers, rounds, |server| load::run(&server.address, &request, connections, span));
            let [a, b] = [&results[0], &results[1]];
            let ratio = |f: fn(&Round) -> f64| median(b.iter().zip(a).map(|(b, a)| f(b) / f(a)));
            println!(
                "{:<22} {connections:>6} {:>14.0} {:>14.0} {:>9.2} {:>13.1} {:>13.1} {:>9.2}",
                format!("{} KiB each way", size >> 10),
                median(a.iter().map(|r| r.per_s)),
                median(b.iter().map(|r| r.per_s)),
                ratio(|r| r.per_s),
                median(a.iter().map(|r| r.cpu_us)),
                median(b.iter().map(|r| r.cpu_us)),
                ratio(|r| r.cpu_us),
            );
            if connections == 16 {
                extra_us.push((size, median(b.iter().zip(a).map(|(b, a)| b.cpu_us - a.cpu_us))));
            }
        }
    }
    println!("\n{:<22} {:>6} {:>14} {:>14} {:>9}", "stream, 5 ms a delta", "conns", "bare first µs", "servanda", "ratio");
    let firsts: [(&str, &[u8]); 2] = [("to the first delta", b"assistant"), ("to the first text", b"some")];
    for ((what, wanted), connections) in firsts.into_iter().flat_map(|first| [(first, 1), (first, 16)]) {
        let request = load::Request::stream(wanted);
        let results = alternate(&servers, rounds, |server| load::run(&server.address, &request, connections, span));
        let [a, b] = [&results[0], &results[1]];
        println!(
            "{:<22} {connections:>6} {:>14.0} {:>14.0} {:>9.2}",
            what,
            median(a.iter().map(|r| r.first_us)),
            median(b.iter().map(|r| r.first_us)),
            median(b.iter().zip(a).map(|(b, a)| b.first_us / a.first_us)),
        );
    }
    interleaved(&servers);
    println!();
    parts::print(&pact, &extra_us);
}

/// Streams of each server among those of the other, sixteen at a time and one behind the other.
const INTERLEAVED: usize = 1_000;

/// Prints how much later the first text comes than through `bare`, over many streams.
fn interleaved(servers: &[(&str, &Server); 2]) {
    let request = load::Request::stream(b"some");
    // As long as one stream takes: each connection asks once.
    let span = upstream::GAP * upstream::DELTAS as u32;
    let mut firsts = [Vec::new(), Vec::new()];
    while firsts[0].len().min(firsts[1].len()) < INTERLEAVED {
        for (firsts, (_, server)) in firsts.iter_mut().zip(servers) {
            firsts.extend(load::run(&server.address, &request, 16, span).first_us);
        }
    }
    let [bare, ours] = firsts.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all
    });
    let at = |all: &[f64], share: f64| all[((all.len() - 1) as f64 * share) as usize];
    println!(
        "\nfirst text over {} interleaved streams, µs: median {:.0} against {:.0} ({:+.0}), 99th in 100 {:.0} against {:.0}",
        bare.len(),
        at(&ours, 0.5),
        at(&bare, 0.5),
        at(&ours, 0.5) - at(&bare, 0.5),
        at(&ours, 0.99),
        at(&bare, 0.99),
    );
}

/// Every server once a round, in turn; the results by server.
fn alternate(servers: &[(&str, &Server)], rounds: usize, run: impl Fn(&Server) -> load::Result) -> Vec<Vec<Round>> {
    let mut out = vec![Vec::new(); servers.len()];
    for (_, server) in servers {
        run(server); // warm
    }
    for _ in 0..rounds {
        for (at, (name, server)) in servers.iter().enumerate() {
            let before = server.cpu_s();
            let result = run(server);
            assert_eq!(result.failed, 0, "{name}: {} answers were not 200", result.failed);
            let done = result.done.max(1) as f64;
            out[at].push(Round {
                per_s: done / result.took.as_secs_f64(),
                cpu_us: (server.cpu_s() - before) * 1e6 / done,
                first_us: median(result.first_us),
            });
        }
    }
    out
}
