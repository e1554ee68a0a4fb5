//! One system call of the real binary fails, at each place where it stands: what is written, synced, made, renamed, cut and
//! removed for the evidence, in the start, in the thread of the log and in that of a sink. Whatever failed, what was acknowledged
//! is there, the next start takes the folder up, `fsck` finds nothing, and what the process could not do it said.
//!
//! Acknowledged is a call with an effect outside that was let through: it leaves once its record is on disk.
//!
//! A few calls here; each with each error with `SERVANDA_DEEP=1`. Needs `strace`, and the disk that is full a mount of its own,
//! so root; without them the tests say so and pass, unless `SERVANDA_REQUIRE_SERVICES=1`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use servanda::pact::template::template;

use crate::support::client::http1;
use crate::support::command::servanda;
use crate::support::running::Running;
use crate::support::upstream::{Script, Upstream};
use crate::support::written::written;

const CLEAN: &str = r#"{"model":"m","messages":[{"role":"user","content":"Refund order 7, please"}]}"#;
/// What `/readyz` notes while nothing can be recorded.
const UNWRITTEN: &str = "the evidence log cannot be written";
/// The calls by which evidence reaches the disk.
const CALLS: [&str; 8] = ["pwrite64", "fdatasync", "fsync", "rename", "ftruncate", "unlinkat", "mkdir", "openat"];

fn required() -> bool {
    std::env::var("SERVANDA_REQUIRE_SERVICES").as_deref() == Ok("1")
}

/// Whether processes can be traced here.
fn strace() -> bool {
    let run = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let there = run.is_ok_and(|status| status.success());
    assert!(there || !required(), "no strace that can trace");
    if !there {
        println!("skipped: no strace");
    }
    there
}

/// The pact, and a configuration in which calls that cannot be undone wait for their record.
fn configure(folder: &Path, upstream: &str, evidence: &str) {
    let tools = "tools: {refund_create: {action: write, target: order, effect: external, reversible: false}}\n";
    std::fs::write(folder.join("p.pact.yaml"), template("minimal").unwrap().to_owned() + tools).unwrap();
    // Certificates are many files, and none is needed.
    std::fs::write(folder.join("no.pem"), "").unwrap();
    let config = format!(
        "version: 1\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: '{upstream}'}}]\nadmin: {{bind: '127.0.0.1:0'}}\n\
         pacts: [p.pact.yaml]\nroutes: [{{mode: enforce, durability: strict}}]\nevidence: {{dir: log{evidence}}}\n"
    );
    std::fs::write(folder.join("servanda.yaml"), config).unwrap();
}

/// A folder whose oldest log is to go at the next start, with an archive that has all of it.
fn lived_in(upstream: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    configure(folder.path(), upstream, ", keep: {local: 1h}, sinks: [{file: {dir: archive}}]");
    for _ in 0..2 {
        start(folder.path(), &[]).unwrap().stop();
    }
    folder
}

/// A copy of it, half a day later.
fn copy(of: &Path) -> tempfile::TempDir {
    fn walk(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                walk(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), &to).unwrap();
                let before = entry.metadata().unwrap().modified().unwrap() - Duration::from_secs(43_200);
                std::fs::File::options().write(true).open(&to).unwrap().set_modified(before).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    walk(of, folder.path());
    folder
}

fn start(folder: &Path, before: &[&str]) -> Result<Running, String> {
    Running::under(before, folder, &["run", "--config", "servanda.yaml"], &[("SSL_CERT_FILE", "no.pem")])
}

/// Whose calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// From the first instruction of the process on.
    Start,
    /// Of the thread with this name, once the process listens.
    Thread(&'static str),
}

/// What is traced of a run, and made to fail.
struct Trace<'t> {
    whose: Whose,
    options: &'t [&'t str],
    file: &'t Path,
}

/// A tracer that was attached to a thread; it ends with the thread.
struct Attached(Child);

impl Attached {
    fn new(running: &Running, trace: &Trace<'_>, name: &str) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap().map(|task| task.unwrap().path());
        let mut those = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
        let thread = those.next().unwrap_or_else(|| panic!("no thread {name}"));
        let mut child = Command::new("strace")
            .args(["-p", thread.file_name().unwrap().to_str().unwrap(), "-o"])
            .arg(trace.file)
            .args(trace.options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("attached") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{said}");
        }
        Self(child)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.wait().ok();
    }
}

/// What a client and an orchestrator saw of one run.
#[derive(Default)]
struct Seen {
    /// Records of exchanges whose calls were let through.
    acknowledged: Vec<String>,
    statuses: Vec<StatusCode>,
    ready: Option<StatusCode>,
    notes: String,
    /// What it said on standard error.
    told: String,
}

async fn ask(address: SocketAddr, path: &str, body: &'static str) -> Option<Response<hyper::body::Incoming>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request =
        Request::builder().method(method).uri(format!("http://{address}{path}")).header("content-type", "application/json");
    http1().request(request.body(Full::<Bytes>::from(body)).unwrap()).await.ok()
}

/// Asks for an answer with so many calls; its status, and the record of the exchange where the calls came.
async fn call(running: &Running, upstream: &Upstream, calls: usize) -> Option<(StatusCode, Option<String>)> {
    let function = json!({"name": "refund_create", "arguments": "{\"amount\": 12}"});
    let calls: Vec<Value> =
        (0..calls).map(|n| json!({"id": format!("c{n}"), "type": "function", "function": function})).collect();
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let body = json!({"id": "a", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    let answer = Response::builder().header("content-type", "application/json").body(Full::from(body.to_string())).unwrap();
    upstream.will(Script::Whole(answer));
    let answer = ask(running.address, "/v1/chat/completions", CLEAN).await?;
    let (status, record) = (answer.status(), answer.headers().get("x-servanda-record").map(|id| id.to_str().unwrap().to_owned()));
    let came = answer.into_body().collect().await.ok()?.to_bytes();
    let let_through = status == StatusCode::OK && String::from_utf8_lossy(&came).contains("refund_create");
    Some((status, record.filter(|_| let_through)))
}

async fn ready(running: &Running) -> (Option<StatusCode>, String) {
    let Some(answer) = ask(running.admin, "/readyz", "").await else { return (None, String::new()) };
    (Some(answer.status()), String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// Starts it, asks it three times, and ends it in order.
async fn live(folder: &Path, upstream: &Upstream, trace: Option<Trace<'_>>) -> Seen {
    let mut seen = Seen::default();
    let mut before: Vec<&str> = Vec::new();
    if let Some(trace) = trace.as_ref().filter(|trace| trace.whose == Whose::Start) {
        // The tracer is a grandchild, so that the process is ours; only its first thread starts anything.
        before.extend(["strace", "-D", "-qq", "-o", trace.file.to_str().unwrap()]);
        before.extend(trace.options);
    }
    let running = match start(folder, &before) {
        Ok(running) => running,
        Err(told) => return Seen { told, ..seen },
    };
    let attached = trace.as_ref().and_then(|trace| match trace.whose {
        Whose::Thread(name) => Some(Attached::new(&running, trace, name)),
        Whose::Start => None,
    });
    for _ in 0..3 {
        let Some((status, record)) = call(&running, upstream, 1).await else { continue };
        seen.statuses.push(status);
        seen.acknowledged.extend(record);
    }
    (seen.ready, seen.notes) = ready(&running).await;
    seen.told = running.end();
    drop(attached);
    seen
}

/// Holds the folder against what was seen: the next start works, nothing is wrong, nothing acknowledged is missing.
async fn hold(folder: &Path, upstream: &Upstream, seen: &Seen, why: &str) {
    let again = live(folder, upstream, None).await;
    assert_eq!(again.ready, Some(StatusCode::OK), "{why}: the next start says {} {}", again.notes, again.told);
    assert_eq!(again.acknowledged.len(), 3, "{why}: {:?}", again.statuses);
    let fsck = servanda(folder, &["evidence", "fsck", "log"]);
    assert_eq!(fsck.code, 0, "{why}: {}{}", fsck.out, fsck.err);
    let records = written(&folder.join("log"));
    for id in seen.acknowledged.iter().chain(&again.acknowledged) {
        let there = records.iter().any(|record| record["exchange"] == id.as_str() && record["kind"] == "intervention");
        assert!(there, "{why}: the intervention of {id} is lost; it said {}", seen.told);
    }
}

/// How often each call is made, by what was traced; of `openat` only where the evidence lies.
fn places(trace: &str) -> BTreeMap<&'static str, Vec<usize>> {
    let mut out: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines() {
        let called = CALLS.into_iter().find(|call| line.strip_prefix(call).is_some_and(|rest| rest.starts_with('(')));
        let Some(call) = called else { continue };
        let count = seen.entry(call).or_default();
        *count += 1;
        if call != "openat" || line.contains("\"log") || line.contains("archive") {
            out.entry(call).or_default().push(*count);
        }
    }
    out
}

async fn fail(template: &Path, upstream: &Upstream, whose: Whose, call: &str, how: &str, nth: usize) {
    let folder = copy(template);
    let why = format!("{how} at {call} {nth} of {whose:?}");
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{how}:when={nth}"));
    let options = ["-e", &trace, "-e", &inject];
    let file = folder.path().join("trace");
    let seen = live(folder.path(), upstream, Some(Trace { whose, options: &options, file: &file })).await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("(INJECTED)") || whose != Whose::Start, "{why}: it never came");
    hold(folder.path(), upstream, &seen, &why).await;
    if how == "error=EINTR" {
        // Interrupted is not failed.
        assert_eq!((seen.acknowledged.len(), seen.ready), (3, Some(StatusCode::OK)), "{why}: {}", seen.told);
    } else if seen.acknowledged.len() < 3 {
        // Who was refused was told so, and so was whoever reads the log.
        assert!(["evidence", "log/", "archive"].iter().any(|word| seen.told.contains(word)), "{why}: it said {:?}", seen.told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_anywhere_loses_nothing_acknowledged_and_is_told() {
    if !strace() {
        return;
    }
    let upstream = Upstream::start().await;
    let template = lived_in(&upstream.url());
    let deep = std::env::var_os("SERVANDA_DEEP").is_some();
    let (mut points, mut all) = (0, BTreeMap::new());
    let calls = format!("trace={}", CALLS.join(","));
    for whose in [Whose::Start, Whose::Thread("evidence"), Whose::Thread("sink-file")] {
        let folder = copy(template.path());
        let file = folder.path().join("trace");
        let seen = live(folder.path(), &upstream, Some(Trace { whose, options: &["-e", &calls], file: &file })).await;
        assert_eq!((seen.acknowledged.len(), seen.ready), (3, Some(StatusCode::OK)), "{}", seen.told);
        let trace = std::fs::read_to_string(&file).unwrap();
        let wanted = match whose {
            Whose::Start => "removed/",
            Whose::Thread("evidence") => "checkpoint.new",
            Whose::Thread(_) => "cursors/",
        };
        assert!(trace.contains(wanted), "no {wanted} in what {whose:?} did: {trace}");
        for (call, nths) in places(&trace) {
            // Here one in the middle, of those that every file takes.
            let few = matches!(call, "pwrite64" | "fdatasync" | "fsync" | "rename");
            let chosen = nths.iter().enumerate().filter(|(at, _)| deep || (few && *at == nths.len() / 2));
            for nth in chosen.map(|(_, nth)| *nth) {
                let hows: &[&str] = match call {
                    _ if !deep => &["error=EIO"],
                    "pwrite64" => &["error=EIO", "error=ENOSPC", "error=EINTR", "retval=0"],
                    "fdatasync" | "fsync" | "ftruncate" => &["error=EIO", "error=ENOSPC", "error=EINTR"],
                    _ => &["error=EIO", "error=ENOSPC"],
                };
                for how in hows {
                    fail(template.path(), &upstream, whose, call, how, nth).await;
                    points += 1;
                }
            }
            all.insert((whose, call), nths.len());
        }
    }
    println!("{points} calls made to fail, of {all:?}");
}

/// A disk that does not come back: what is strict is refused, readiness and log say so, and what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stays_broken_is_said_and_refuses_what_is_strict() {
    if !strace() {
        return;
    }
    let upstream = Upstream::start().await;
    let template = lived_in(&upstream.url());
    let folder = copy(template.path());
    let file = folder.path().join("trace");
    let options = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=3+"];
    let trace = Trace { whose: Whose::Thread("evidence"), options: &options, file: &file };
    let seen = live(folder.path(), &upstream, Some(trace)).await;
    assert!((1..3).contains(&seen.acknowledged.len()), "{:?}", seen.statuses);
    assert_eq!(seen.statuses.last(), Some(&StatusCode::SERVICE_UNAVAILABLE), "{:?}", seen.statuses);
    assert!(seen.notes.contains(UNWRITTEN), "{}", seen.notes);
    assert!(seen.told.contains("evidence could not be written"), "{}", seen.told);
    hold(folder.path(), &upstream, &seen, "a disk that stays broken").await;
}

/// A mount that goes with the value.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir(&place).unwrap();
        let options = format!("{options},mode=0700");
        let run = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place).stderr(Stdio::null()).status();
        let there = run.is_ok_and(|status| status.success());
        assert!(there || !required(), "nothing can be mounted");
        if !there {
            println!("skipped: a small disk needs root");
        }
        there.then_some(Self(place))
    }

    /// Takes all the room that is left, in a file.
    fn crowd(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("crowd")).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

/// Evidence that could not be kept is not begun: the start says which folder it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_written_stops_the_start_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    configure(folder.path(), &upstream.url(), "");
    let refused = |why: &str| {
        let told = start(folder.path(), &[]).err().unwrap_or_else(|| panic!("it started with {why}"));
        assert!(told.contains("the evidence log in log cannot be opened: log"), "{why}: {told}");
        std::fs::remove_file(folder.path().join("stderr")).unwrap();
    };
    // A file in its place, and a link that leads nowhere.
    std::fs::write(folder.path().join("log"), "").unwrap();
    refused("a file");
    std::fs::remove_file(folder.path().join("log")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("log")).unwrap();
    refused("a link");
    assert!(!folder.path().join("nowhere").exists());
    std::fs::remove_file(folder.path().join("log")).unwrap();
    let Some(disk) = Mounted::new(folder.path().join("log"), "ro") else { return };
    refused("a disk that is only read");
    drop(disk);
    start(folder.path(), &[]).unwrap().stop();
}

/// A disk with room for the start and no more: what is strict is refused once what is prepared is used up, and let through again
/// when there is room, without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_disk_that_is_full_refuses_says_so_and_recovers() {
    const CALLS: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(folder.path().join("log"), "size=4m") else { return };
    let upstream = Upstream::start().await;
    configure(folder.path(), &upstream.url(), "");
    let running = start(folder.path(), &[]).unwrap();
    disk.crowd();
    let mut acknowledged = Vec::new();
    let refused = loop {
        match call(&running, &upstream, CALLS).await.unwrap() {
            (_, Some(record)) => acknowledged.push(record),
            (status, None) => break status,
        }
        assert!(acknowledged.len() < 1_000, "a disk of 4 MiB is never full");
    };
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    let (_, notes) = ready(&running).await;
    assert!(notes.contains(UNWRITTEN), "{notes}");
    let before = acknowledged.len();
    std::fs::remove_file(disk.0.join("crowd")).unwrap();
    let (status, record) = call(&running, &upstream, CALLS).await.unwrap();
    assert_eq!(status, StatusCode::OK, "there is room again");
    acknowledged.extend(record);
    let (_, notes) = ready(&running).await;
    assert!(!notes.contains(UNWRITTEN), "{notes}");
    assert!(running.end().contains("evidence could not be written"));
    let fsck = servanda(folder.path(), &["evidence", "fsck", "log"]);
    assert_eq!(fsck.code, 0, "{}{}", fsck.out, fsck.err);
    let records = written(&disk.0);
    for id in &acknowledged {
        let calls = records.iter().filter(|record| record["exchange"] == id.as_str() && record["kind"] == "intervention").count();
        assert_eq!(calls, CALLS, "the calls of {id}");
    }
    println!("{before} answers of {CALLS} calls let through on a disk of 4 MiB before it was full");
}
