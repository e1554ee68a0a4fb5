//! Cut-invariance of the whole guard: however an answer is cut, the client gets the same bytes and the log the
//! same records.
//!
//! Every single cut of every golden stream as it is, of our own with every line end, of every golden JSON answer and
//! of a text, and ten thousand random multi-cuts of all of them with every line end. With `SERVANDA_DEEP=1`, as
//! `.ci/deep cuts` sets it, the golden streams too are cut everywhere with every line end. About 70,000 exchanges, some fifty seconds of processor time without optimisation.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use servanda::base::clock::ManualClock;
use servanda::evidence::{Log, LogOptions};
use servanda::guard::Route;
use servanda::guard::route::Durability;
use servanda::protocol::frames::Frames;
use servanda::protocol::lines::Cutter;
use tower::ServiceExt;

use crate::support::coded::encode;
use crate::support::guarded::{Script, enforce, recorded};
use crate::support::written::{lasting, written};

const EVENTS: &str = "text/event-stream";
const FRAMES: &str = "application/vnd.amazon.eventstream";
const MULTI_CUTS: usize = 10_000;

/// One answer, and how it comes.
struct Case {
    name: String,
    path: &'static str,
    content_type: &'static str,
    coding: Option<&'static str>,
    /// Cut everywhere at every change.
    everywhere: bool,
    bytes: Bytes,
}

/// What came of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    head: Vec<(String, String)>,
    body: String,
}

/// One delta, as short as the protocol lets it be.
fn delta(choice: usize, inner: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":{choice},\"delta\":{{{inner}}}}}]}}\n\n")
}

/// A delta of text, written as JSON has it.
fn text(choice: usize, json: &str) -> String {
    delta(choice, &format!("\"content\":\"{json}\""))
}

fn call(json: &str) -> String {
    delta(0, &format!("\"tool_calls\":[{{\"index\":0,{json}}}]"))
}

fn finish(choice: usize, reason: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
}

const DONE: &str = "data: [DONE]\n\n";

/// A stream that calls a tool with a link, given as two halves of an argument.
fn calling(halves: [&str; 2]) -> String {
    let first = call(r#""id":"c1","type":"function","function":{"name":"ticket_create","arguments":""}"#);
    let pieces = halves.map(|half| call(&format!(r#""function":{{"arguments":"{half}"}}"#)));
    text(0, "One moment. ") + &first + &pieces.concat() + &finish(0, "tool_calls") + DONE
}

/// Streams of our own, each with the act it must come to.
fn own() -> Vec<(&'static str, String)> {
    let spread: String = ["Your card 4111 1", "111 11", "11 111", "1 is on file"].map(|t| text(0, t)).concat();
    let escaped = [r"\ud83d\ude00\u0034111 \u0031\u0031", r"11\u002011", r"11 1111\ud83d\udc4b\n"].map(|t| text(0, t)).concat();
    let human: String = ["Hello. I am a hu", "man be", "ing, not a bot."].map(|t| text(0, t)).concat();
    let listed = calling([r#"{\"link\":\"https://api.ac"#, r#"me.example/4711\"}"#]);
    let unlisted = calling([r#"{\"link\":\"https://coll"#, r#"ect.evil.example.net\"}"#]);
    let second = text(0, "fine ") + &text(1, "card 4111 1111 ") + &text(0, "fine") + &text(1, "1111 1111.");
    let end = finish(0, "stop") + DONE;
    vec![
        ("redact", format!("{spread}{end}")),
        ("redact", format!("{escaped}{end}")),
        ("block", format!("{human}{end}")),
        ("allow", listed.clone()),
        ("block", unlisted),
        ("redact", second + &finish(0, "stop") + &finish(1, "stop") + DONE),
        ("allow", text(0, "Berth 6 is free. ") + &text(0, "Bye.") + &end),
        // Cut off before their end: between two events, in the middle of one, in a call.
        ("redact", spread.clone()),
        ("block", format!("{spread}{}", &text(0, "and then")[..40])),
        ("block", listed[..listed.find("me.example").unwrap()].to_owned()),
    ]
}

/// The folders of golden streams, and a path at which each protocol is spoken.
const PATHS: [(&str, &str); 11] = [
    ("openai_responses", "/v1/responses"),
    ("mcp", "/mcp"),
    ("a2a", "/a2a"),
    ("ag_ui", "/ag-ui"),
    ("langgraph", "/runs/stream"),
    ("adk", "/run_sse"),
    ("bedrock", "/model/m/converse-stream"),
    ("gemini", "/v1beta/models/m:streamGenerateContent"),
    ("openai_chat", "/v1/chat/completions"),
    ("anthropic_messages", "/v1/messages"),
    ("generic", "/events"),
];

/// Golden answers of this name, each with its case and the path that its adapter claims.
fn golden(file: &str) -> Vec<(String, &'static str, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut out = Vec::new();
    for (adapter, path) in PATHS {
        for entry in std::fs::read_dir(root.join(adapter)).unwrap() {
            let case = entry.unwrap();
            if let Ok(bytes) = std::fs::read(case.path().join(file)) {
                out.push((format!("{adapter} {}", case.file_name().display()), path, bytes));
            }
        }
    }
    out.sort();
    assert!(out.len() >= 2, "{file}: {}", out.len());
    out
}

/// Every stream with every line end; those with mixed ones also as they are.
fn cases() -> Vec<Case> {
    let mut streams = golden("stream.sse");
    for (at, (act, stream)) in own().into_iter().enumerate() {
        streams.push((format!("own {at} {act}"), "/v1/chat/completions", stream.into_bytes()));
    }
    let mut out = Vec::new();
    for (name, path, bytes) in golden("response.json") {
        out.push(Case { name, path, content_type: "application/json", coding: None, everywhere: true, bytes: bytes.into() });
    }
    for (name, path, bytes) in golden("stream.frames") {
        out.push(Case { name, path, content_type: FRAMES, coding: None, everywhere: true, bytes: bytes.into() });
    }
    let text = Bytes::from("Your card 4111 1111 1111 1111 is on file, \u{1F600}.\r\n");
    out.push(Case {
        name: "text".to_owned(),
        path: "/text",
        content_type: "text/plain",
        coding: None,
        everywhere: true,
        bytes: text,
    });
    for (name, path, bytes) in streams {
        let (mixed, golden) = (bytes.contains(&b'\r'), !name.starts_with("own "));
        let case = |how: &str, bytes: Vec<u8>| Case {
            name: format!("{name}, {how}"),
            path,
            content_type: EVENTS,
            coding: None,
            everywhere: !golden || how == if mixed { "as it is" } else { "LF" },
            bytes: bytes.into(),
        };
        if mixed {
            out.push(case("as it is", bytes.clone()));
        }
        let plain = String::from_utf8(bytes).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        for (end, how) in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")] {
            out.push(case(how, plain.replace('\n', end).into_bytes()));
        }
        if name.starts_with("own 0") {
            for coding in ["gzip", "deflate", "br", "zstd"] {
                let coded = Bytes::from(encode(coding, plain.as_bytes()));
                let name = format!("{name}, {coding}");
                out.push(Case { name, path, content_type: EVENTS, coding: Some(coding), everywhere: true, bytes: coded });
            }
        }
    }
    out
}

/// Frames as kinds and payloads: their sums are over the record's name too. What is no frame fails.
fn told(bytes: &[u8]) -> String {
    let mut cutter = Cutter::Frames(Frames::new(1 << 20));
    cutter.push(bytes);
    let frames = std::iter::from_fn(|| cutter.finish().unwrap());
    frames.map(|frame| format!("{:?} {}\n", frame.name(), String::from_utf8_lossy(frame.data()))).collect()
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread: a released call waits for the log.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The stream cut at these places, in order, each inside it.
fn pieces(stream: &Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let ends = cuts.iter().copied().chain([stream.len()]);
    let mut from = 0;
    ends.map(|to| stream.slice(std::mem::replace(&mut from, to)..to)).collect()
}

fn run(case: &Case, cuts: &[usize], log: &Log) -> Came {
    let mut script = Script::events(pieces(&case.bytes, cuts));
    script.headers[0].1 = case.content_type.to_owned();
    script.headers.extend(case.coding.map(|coding| ("content-encoding", coding.to_owned())));
    let guard = recorded(script, Route { durability: Durability::Fast, ..enforce() }, log);
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::post(case.path).header("content-type", "application/json").body(Full::from(body)).unwrap();
    wait(async {
        let (head, body) = guard.oneshot(request).await.unwrap().into_parts();
        // A refusal names its record, another in every run.
        let record = head.headers["x-servanda-record"].to_str().unwrap().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let body = if case.content_type == FRAMES { told(&body) } else { String::from_utf8(body.to_vec()).unwrap() };
        let body = body.replace(&record, "RECORD");
        let told = head.headers.iter().filter(|(name, _)| !["x-servanda-record", "x-servanda-log"].contains(&name.as_str()));
        let mut told: Vec<_> = told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        told.push(("status".to_owned(), head.status.to_string()));
        told.sort();
        Came { head: told, body }
    })
}

/// A log whose clock stands: refusals say when they were made.
fn still(dir: &Path) -> Log {
    Log::open_with(LogOptions { clock: Arc::new(ManualClock::at(1_790_000_000_000_000)), ..LogOptions::new(dir) }).unwrap()
}

/// The records of each exchange in a log, without what changes from run to run; its interventions go with it.
fn by_exchange(dir: &Path) -> Vec<Vec<Value>> {
    let records = written(dir);
    let mut out: Vec<Vec<Value>> = Vec::new();
    let mut before = Vec::new();
    for record in &records {
        match record["kind"].as_str().unwrap() {
            "intervention" => before.push(lasting(record)),
            "exchange" => {
                before.push(lasting(record));
                out.push(std::mem::take(&mut before));
            }
            _ => {}
        }
    }
    out
}

/// What each stream comes to in one piece.
fn whole(cases: &[Case]) -> Vec<(Came, Vec<Value>)> {
    let dir = tempfile::tempdir().unwrap();
    let log = still(dir.path());
    let came: Vec<Came> = cases.iter().map(|case| run(case, &[], &log)).collect();
    log.close().unwrap();
    let records = by_exchange(dir.path());
    assert_eq!(records.len(), cases.len());
    came.into_iter().zip(records).collect()
}

/// Runs every job, (case, cuts), on all cores, each worker with a log of its own, and compares.
fn same_as_whole(cases: &[Case], jobs: &[(usize, Vec<usize>)]) {
    let whole = whole(cases);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::<(usize, String)>::new());
    let worker = || {
        let dir = tempfile::tempdir().unwrap();
        let log = still(dir.path());
        let handle = log.handle();
        let mut ran = Vec::new();
        while let Some(at) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|at| *at < jobs.len()) {
            let (case, cuts) = &jobs[at];
            let came = run(&cases[*case], cuts, &log);
            if came != whole[*case].0 {
                failed.lock().unwrap().push((at, format!("{came:#?} is not {:#?}", whole[*case].0)));
            }
            ran.push(at);
            if ran.len().is_multiple_of(1000) {
                // No record may be lost to a full queue.
                handle.flush().wait().unwrap();
            }
        }
        log.close().unwrap();
        let records = by_exchange(dir.path());
        assert_eq!(records.len(), ran.len(), "one record each");
        for (at, records) in ran.into_iter().zip(records) {
            if records != whole[jobs[at].0].1 {
                failed.lock().unwrap().push((at, format!("{records:#?} are not {:#?}", whole[jobs[at].0].1)));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(worker);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    if let Some((at, how)) = failed.first() {
        let (case, cuts) = &jobs[*at];
        panic!("{} of {} differ; first `{}` cut at {cuts:?}: {how}", failed.len(), jobs.len(), cases[*case].name);
    }
    println!("{} runs of {} streams", jobs.len(), cases.len());
}

/// Numbers that are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Cuts of one stream: anywhere, or byte for byte from one place on.
fn some_cuts(dice: &mut Dice, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = match dice.below(3) {
        0 => (0..2 + dice.below(4)).map(|_| dice.below(length + 1)).collect(),
        1 => (0..2 + dice.below(60)).map(|_| dice.below(length + 1)).collect(),
        _ => {
            let from = dice.below(length);
            (from..(from + 2 + dice.below(60)).min(length)).collect()
        }
    };
    cuts.sort_unstable();
    cuts
}

#[test]
fn the_streams_come_to_what_they_are_there_for() {
    let cases = cases();
    for (case, (_, records)) in cases.iter().zip(whole(&cases)) {
        let act = records.last().unwrap()["act"].as_str().unwrap();
        if let Some(wanted) = case.name.strip_prefix("own ") {
            assert_eq!(wanted.split([' ', ',']).nth(1), Some(act), "{}", case.name);
        }
    }
}

#[test]
fn no_single_cut_shows() {
    let deep = std::env::var_os("SERVANDA_DEEP").is_some_and(|value| value == "1");
    let cases = cases();
    let chosen = cases.iter().enumerate().filter(|(_, case)| deep || case.everywhere);
    let jobs: Vec<_> = chosen.flat_map(|(at, case)| (0..=case.bytes.len()).map(move |cut| (at, vec![cut]))).collect();
    same_as_whole(&cases, &jobs);
}

#[test]
fn no_random_multi_cut_shows() {
    let cases = cases();
    let mut dice = Dice(7);
    let jobs: Vec<_> =
        (0..MULTI_CUTS).map(|n| (n % cases.len(), some_cuts(&mut dice, cases[n % cases.len()].bytes.len()))).collect();
    same_as_whole(&cases, &jobs);
}
