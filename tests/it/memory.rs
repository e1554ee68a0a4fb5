//! Memory of the real binary: while a body is judged, at most three times its decoded size above idle.
//!
//! Each body goes through a process of its own, as a request and then as an answer.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use servanda::pact::template::template;

use crate::support::client::{body, http1};
use crate::support::coded::encode;
use crate::support::running::Running;
use crate::support::upstream::{Script, Upstream};

const SIZE: usize = 6 << 20;
const TIMES: usize = 3;
/// Bytes that are kept of each of very many short texts while they are judged, beyond the body itself. There
/// are at most `TEXTS_MAX` of them, so this is at most 24 MiB.
const A_TEXT: usize = 96;
/// Texts of a body that has very many.
const TEXTS: usize = 200_000;

/// Prose without end, in which nothing is found.
fn prose(size: usize) -> String {
    const WORDS: [&str; 16] = [
        "the ", "harbour ", "opens ", "at ", "dawn ", "and ", "every ", "boat ", "leaves ", "with ", "its ", "nets ", "full ",
        "of ", "light ", "again ",
    ];
    let mut out = String::with_capacity(size + 16);
    let mut state = 1u64;
    while out.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out += WORDS[(state >> 60) as usize];
    }
    out.truncate(size);
    out
}

/// As many of `item` with commas between as make a body of the size.
fn repeated(item: &str) -> String {
    vec![item; SIZE / (item.len() + 1)].join(",")
}

/// One body: how it is called, its type, its coding, itself, and its decoded size.
struct Case {
    name: &'static str,
    path: &'static str,
    content_type: &'static str,
    coding: Option<&'static str>,
    request: Bytes,
    answer: Bytes,
    /// The other side's body.
    nothing: Bytes,
    /// How many texts it has, where they are so short that each counts.
    texts: usize,
}

const CHAT: &str = "/v1/chat/completions";

fn chat(name: &'static str, messages: &str, extra: &str, content: &str) -> Case {
    Case {
        name,
        path: CHAT,
        content_type: "application/json",
        coding: None,
        request: format!(r#"{{"model":"m","messages":[{messages}]{extra}}}"#).into(),
        answer: format!(r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{content}}}}}]{extra}}}"#).into(),
        nothing: "{}".into(),
        texts: 0,
    }
}

fn user(content: &str) -> String {
    format!(r#"{{"role":"user","content":{content}}}"#)
}

fn cases() -> Vec<Case> {
    let text = json!(prose(SIZE)).to_string();
    let long = || chat("one long string", &user(&text), "", &text);
    let turns = vec![user(&json!(prose(120)).to_string()); SIZE / 160].join(",");
    let parts = repeated(&json!({"type": "text", "text": prose(120)}).to_string());
    let escapes = format!("\"{}\"", r"h\u0061rbour\n".repeat(SIZE / 14));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let short = |name, extra: String| chat(name, &user("\"hi\""), &format!(",\"extra\":[{extra}]"), "\"hi\"");
    let many = |name, text| Case { texts: TEXTS, ..short(name, vec![text; TEXTS].join(",")) };
    let mut out = vec![
        long(),
        chat("many messages", &turns, "", &format!("[{parts}]")),
        many("tiny strings", "\"ab cd ef gh ij kl mn op\""),
        short("numbers", repeated("12.5")),
        short("deep nesting", repeated(&deep)),
        many("objects", r#"{"amounts":[1,2,3,4,5,6,7,8]}"#),
        chat("escapes", &user(&escapes), "", &escapes),
    ];
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let mut case = long();
        (case.name, case.coding) = (coding, Some(coding));
        out.push(case);
    }
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Bytes>();
    let half = json!(prose(SIZE / 2)).to_string();
    let mut case = chat("UTF-16LE", &user(&half), "", &half);
    (case.content_type, case.nothing, case.request, case.answer) = (
        "application/json; charset=utf-16le",
        wide("{}"),
        wide(std::str::from_utf8(&case.request).unwrap()),
        wide(std::str::from_utf8(&case.answer).unwrap()),
    );
    out.push(case);
    let plain = Bytes::from(prose(SIZE));
    let (path, content_type) = ("/other", "text/plain");
    out.push(Case {
        name: "text/plain",
        path,
        content_type,
        coding: None,
        request: plain.clone(),
        answer: plain,
        nothing: "{}".into(),
        texts: 0,
    });
    out
}

/// A line of `/proc/PID/status`, in bytes.
fn status(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// From now on the peak is counted anew.
fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

async fn ask(running: &Running, upstream: &Upstream, case: &Case, request: &Bytes, answer: &Bytes) {
    let dress = |bytes: &Bytes| case.coding.map_or(bytes.clone(), |coding| encode(coding, bytes).into());
    let (request, answer) = (dress(request), dress(answer));
    let mut response = Response::builder().header("content-type", case.content_type);
    let mut asking = Request::post(format!("http://{}{}", running.address, case.path)).header("content-type", case.content_type);
    if let Some(coding) = case.coding {
        response = response.header("content-encoding", coding);
        asking = asking.header("content-encoding", coding);
    }
    upstream.will(Script::Whole(response.body(Full::new(answer.clone())).unwrap()));
    let came = http1().request(asking.body(Full::new(request.clone())).unwrap()).await.unwrap();
    let status = came.status();
    let came = body(came).await;
    assert!(status.is_success(), "{}: {status} {}", case.name, String::from_utf8_lossy(&came[..came.len().min(300)]));
    assert_eq!((came.len(), came == answer), (answer.len(), true), "{}", case.name);
    let seen = upstream.next().await;
    assert!(seen.body == request, "{}", case.name);
}

/// The peak of one case above idle in bytes, in a process of its own.
async fn peak(case: &Case, request: &Bytes, answer: &Bytes) -> usize {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.pact.yaml"), template("customer-support").unwrap()).unwrap();
    let upstream = Upstream::start().await;
    let running = Running::start(folder.path(), &upstream.url(), &["--pact", "p.pact.yaml", "--lane", "inbound"]);
    let small = chat("small", &user("\"hi\""), "", "\"hi\"");
    ask(&running, &upstream, &small, &small.request, &small.answer).await;
    let idle = status(running.pid(), "VmRSS");
    forget_peak(running.pid());
    ask(&running, &upstream, case, request, answer).await;
    status(running.pid(), "VmHWM").saturating_sub(idle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_takes_at_most_three_times_its_size() {
    let mut told = Vec::new();
    let mut over = 0;
    for case in cases() {
        let mut sides = String::new();
        for (side, request, answer) in [("request", &case.request, &case.nothing), ("answer", &case.nothing, &case.answer)] {
            let decoded = request.len().max(answer.len());
            let peak = peak(&case, request, answer).await;
            over += usize::from(peak > TIMES * decoded + case.texts * A_TEXT);
            sides += &format!("  {side} {:.2}", peak as f64 / decoded as f64);
        }
        told.push(format!("{:16}{sides}", case.name));
    }
    let told = told.join("\n");
    println!("peak above idle in decoded sizes:\n{told}");
    assert_eq!(over, 0, "over {TIMES} times the decoded size:\n{told}");
}
