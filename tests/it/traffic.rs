//! Recorded exchanges of others through the whole guard: when nothing is found, upstream and client get what
//! was sent, byte for byte, and each exchange leaves one record.
//!
//! Needs the folder of `traffic_*.jsonl.gz` that `SERVANDA_DATA` names; without it, it says so and ends.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use servanda::base::names::Mode;
use servanda::evidence::Log;
use servanda::guard::{GuardLayer, GuardedBody, Route};
use servanda::program::Program;
use servanda::program::live::Live;
use tower::{Layer, ServiceExt};

use crate::support::guarded::{Pieces, enforce};
use crate::support::written::written;

/// Looks for what nobody writes, so that everything is read and nothing is found.
const CLEAN: &str = "\
format: 1
pact: clean
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
detectors:
  nothing: {phrases: ['zyzzogeton quincunx']}
predicates:
  - {id: nothing, dimension: safety, severity: critical, at: [request, result, response], check: {match: [own.nothing]}, act: block}
evidence:
  sources: {guard: interaction/1}
penalty:
  critical: {score: -100, pause: until_review, review: human, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";

/// One side of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    headers: HeaderMap,
    body: Bytes,
}

/// What was recorded.
struct Exchange {
    id: String,
    method: Method,
    uri: Uri,
    status: StatusCode,
    request: Message,
    answer: Message,
}

fn message(side: &Value) -> Message {
    let body = Bytes::from(side["body"].as_str().unwrap_or_default().to_owned());
    let mut headers = HeaderMap::new();
    for (name, values) in side["headers"].as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().unwrap();
        // Bodies were recorded without their coding and framing.
        if [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
            continue;
        }
        let one = std::slice::from_ref(values);
        for value in values.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str) {
            headers.append(&name, value.parse().unwrap());
        }
    }
    if !body.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Message { headers, body }
}

fn text(text: &str) -> Message {
    message(&serde_json::json!({"body": text, "headers": {"content-type": "application/json"}}))
}

/// The exchange on one line: recorded whole, or one body of it.
fn exchange(record: &Value) -> Option<Exchange> {
    let id = record["id"].as_str().unwrap().to_owned();
    if let Some(path) = record["request"]["path"].as_str() {
        return Some(Exchange {
            id,
            method: record["request"]["method"].as_str().unwrap().to_ascii_uppercase().parse().unwrap(),
            uri: path.parse().unwrap(),
            status: StatusCode::from_u16(record["response"]["status"].as_u64().unwrap() as u16).unwrap(),
            request: message(&record["request"]),
            answer: message(&record["response"]),
        });
    }
    let body = record["text"].as_str()?;
    let asks = record["meta"]["side"].as_str().is_some_and(|side| side.contains("request"));
    let chat = record["meta"]["api"].as_str().is_some_and(|api| api.contains("completions"));
    let uri = Uri::from_static(if chat { "/v1/chat/completions" } else { "/other" });
    let (request, answer) = if asks { (text(body), text("{}")) } else { (text("{}"), text(body)) };
    Some(Exchange { id, method: Method::POST, uri, status: StatusCode::OK, request, answer })
}

fn exchanges(folder: &Path) -> Vec<Exchange> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("traffic_")));
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let lines = BufReader::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap())).lines();
        out.extend(lines.filter_map(|line| exchange(&serde_json::from_str(&line.unwrap()).unwrap())));
    }
    out
}

/// What the guard sets or takes away on purpose, whatever it found.
fn without_ours(mut headers: HeaderMap, mode: Mode) -> HeaderMap {
    let ours: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("x-servanda-")).cloned().collect();
    for name in ours {
        assert_ne!(mode, Mode::Observe, "{name} although it only observes");
        headers.remove(name);
    }
    if mode == Mode::Enforce {
        // An answer in a coding the guard cannot undo is not asked for; a stream may end early.
        headers.remove(ACCEPT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    headers
}

/// How the two differ, or nothing.
fn difference(what: &str, got: &Message, sent: &Message, mode: Mode) -> Option<String> {
    let (headers, wanted) = (without_ours(got.headers.clone(), mode), without_ours(sent.headers.clone(), mode));
    if headers != wanted {
        return Some(format!("{what}: headers {headers:?} are not {wanted:?}"));
    }
    if got.body == sent.body {
        return None;
    }
    let at = got.body.iter().zip(&sent.body).take_while(|(a, b)| a == b).count();
    let from = at.saturating_sub(40);
    let near = |body: &Bytes| String::from_utf8_lossy(&body[from.min(body.len())..(at + 80).min(body.len())]).into_owned();
    Some(format!("{what}: differs at byte {at}: {:?} is not {:?}", near(&got.body), near(&sent.body)))
}

/// One exchange through a guard; says what is not as it should be.
async fn passes(exchange: &Exchange, layer: &GuardLayer, mode: Mode) -> Option<String> {
    let asked: Arc<Mutex<Option<Message>>> = Arc::default();
    let (seen, status, answer) = (Arc::clone(&asked), exchange.status, exchange.answer.clone());
    let upstream = tower::service_fn(move |request: Request<GuardedBody<Full<Bytes>>>| {
        let (seen, answer) = (Arc::clone(&seen), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            *seen.lock().unwrap() = Some(Message { headers: head.headers, body });
            let pieces = (0..answer.body.len()).step_by(1000).map(|at| answer.body.slice(at..(at + 1000).min(answer.body.len())));
            let mut response = Response::new(Pieces::of(pieces));
            (*response.status_mut(), *response.headers_mut()) = (status, answer.headers.clone());
            Ok::<_, Infallible>(response)
        }
    });
    let mut request = Request::new(Full::new(exchange.request.body.clone()));
    (*request.method_mut(), *request.uri_mut()) = (exchange.method.clone(), exchange.uri.clone());
    *request.headers_mut() = exchange.request.headers.clone();
    let response = layer.layer(upstream).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let Some(asked) = asked.lock().unwrap().take() else {
        return Some(format!("never reached the upstream: {} {}", head.status, String::from_utf8_lossy(&body)));
    };
    if head.status != status {
        return Some(format!("{} is not {status}: {}", head.status, String::from_utf8_lossy(&body)));
    }
    let got = Message { headers: head.headers, body };
    difference("request", &asked, &exchange.request, mode).or_else(|| difference("answer", &got, &exchange.answer, mode))
}

#[tokio::test]
async fn recorded_traffic_passes_byte_for_byte() {
    let Some(folder) = std::env::var_os("SERVANDA_DATA").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        println!("skipped: SERVANDA_DATA names no folder with recorded traffic");
        return;
    };
    let program = Arc::new(Program::compile_text(CLEAN).unwrap());
    let exchanges = exchanges(&folder);
    assert!(exchanges.len() > 100, "{} exchanges", exchanges.len());
    for mode in [Mode::Enforce, Mode::Observe] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let route = Route { mode, ..enforce() };
        let layer = GuardLayer::builder(Live::new(Arc::clone(&program))).evidence(log.handle()).route(route).build();
        let mut wrong = Vec::new();
        for exchange in &exchanges {
            wrong.extend(passes(exchange, &layer, mode).await.map(|how| format!("{}: {how}", exchange.id)));
        }
        log.close().unwrap();
        assert!(wrong.is_empty(), "{mode:?}: {} of {}:\n{}", wrong.len(), exchanges.len(), wrong.join("\n"));
        let records = written(dir.path());
        let ours: Vec<&Value> = records.iter().filter(|record| record["kind"] == "exchange").collect();
        assert_eq!(ours.len(), exchanges.len(), "{mode:?}: one record each");
        assert!(ours.iter().all(|record| record["act"] == "allow" && record["completion"] == "completed"));
        println!("{mode:?}: {} exchanges", exchanges.len());
    }
}

/// Looks for what may be found over a seam, and for what a head could hold.
const KEYS: &str = "\
format: 1
pact: keys
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
predicates:
  - {id: keys, dimension: safety, severity: critical, at: [request, call], check: {match: [secret, pii]}, act: block}
evidence:
  sources: {guard: interaction/1}
penalty:
  critical: {score: -100, pause: until_review, review: human, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";

#[tokio::test]
async fn nothing_is_found_in_recorded_heads_and_over_recorded_values() {
    let Some(folder) = std::env::var_os("SERVANDA_DATA").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        println!("skipped: SERVANDA_DATA names no folder with recorded traffic");
        return;
    };
    let program = Arc::new(Program::compile_text(KEYS).unwrap());
    let exchanges = exchanges(&folder);
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let route = Route { mode: Mode::Observe, ..enforce() };
    let layer = GuardLayer::builder(Live::new(program)).evidence(log.handle()).route(route).build();
    for exchange in &exchanges {
        passes(exchange, &layer, Mode::Observe).await;
    }
    log.close().unwrap();
    let records = written(dir.path());
    let hits = records.iter().filter(|r| r["kind"] == "exchange").flat_map(|r| r["hits"].as_array().into_iter().flatten());
    let (beside, within): (Vec<&Value>, Vec<&Value>) = hits.partition(|hit| hit.get("place").is_some());
    println!("{} exchanges, {} hits in bodies", exchanges.len(), within.len());
    assert!(beside.is_empty(), "{beside:#?}");
}

/// Takes out one card, wherever it stands.
const CARDS: &str = "\
format: 1
pact: cards
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
detectors:
  card: {phrases: ['4000 0012 3456 7899']}
predicates:
  - {id: card, dimension: safety, severity: critical, at: [request, call, result, response], check: {match: [own.card]}, act: redact}
evidence:
  sources: {guard: interaction/1}
penalty:
  critical: {score: -100, pause: until_review, review: human, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";

const CARD: &str = "4000 0012 3456 7899";

/// Fields that tell what an object is: with a card in them it would be another protocol's.
const TELLING: &[&str] = &["type", "role", "object", "method", "jsonrpc"];

/// Puts the card into every string of a value; into names only where `names` says so.
fn plant(value: &mut Value, key: &str, names: bool) {
    match value {
        Value::String(_) if key == "name" && !names => {}
        Value::String(text) if !TELLING.contains(&key) => {
            // Arguments are JSON in a string: a card in them stands inside.
            match serde_json::from_str::<Value>(text) {
                Ok(mut inner @ (Value::Object(_) | Value::Array(_))) => {
                    plant(&mut inner, "", names);
                    *text = inner.to_string();
                }
                // Pieces of a stream are put together: nothing may stand right before or behind it.
                _ => *text = format!("{text} {CARD} "),
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, key, names)),
        Value::Object(members) => members.iter_mut().for_each(|(key, member)| plant(member, key, names)),
        _ => {}
    }
}

/// A body with the card in every string: of JSON, or of every event's JSON.
fn planted(body: &Bytes, names: bool) -> Option<Bytes> {
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        plant(&mut value, "", names);
        return Some(value.to_string().into());
    }
    let text = std::str::from_utf8(body).ok()?;
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("data: ").map(serde_json::from_str::<Value>) {
            Some(Ok(mut value)) => {
                plant(&mut value, "", names);
                format!("data: {value}")
            }
            _ => line.to_owned(),
        })
        .collect();
    text.contains("data: ").then(|| (lines.join("\n") + "\n").into())
}

#[tokio::test]
async fn a_card_in_every_text_of_every_recorded_answer_never_leaves() {
    let Some(folder) = std::env::var_os("SERVANDA_DATA").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        println!("skipped: SERVANDA_DATA names no folder with recorded traffic");
        return;
    };
    let program = Arc::new(Program::compile_text(CARDS).unwrap());
    let layer = GuardLayer::builder(Live::new(program)).without_evidence().route(enforce()).build();
    let (mut count, mut redacted, mut left) = (0, 0, Vec::new());
    // The name of a tool cannot be rewritten, and an answer with the card in one is refused.
    let both = exchanges(&folder).into_iter().chain(exchanges(&folder)).zip(0..);
    let half = exchanges(&folder).len();
    for (exchange, number) in both {
        let Some(body) = planted(&exchange.answer.body, number >= half).filter(|body| memmem(body, CARD)) else { continue };
        let mut headers = exchange.answer.headers.clone();
        headers.remove(CONTENT_LENGTH);
        let (status, answer) = (exchange.status, body);
        let upstream = tower::service_fn(move |_: Request<GuardedBody<Full<Bytes>>>| {
            let (answer, headers) = (answer.clone(), headers.clone());
            async move {
                let pieces = (0..answer.len()).step_by(1000).map(|at| answer.slice(at..(at + 1000).min(answer.len())));
                let mut response = Response::new(Pieces::of(pieces));
                (*response.status_mut(), *response.headers_mut()) = (status, headers);
                Ok::<_, Infallible>(response)
            }
        });
        let mut request = Request::new(Full::new(exchange.request.body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (exchange.method.clone(), exchange.uri.clone());
        *request.headers_mut() = exchange.request.headers.clone();
        let response = layer.layer(upstream).oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        count += 1;
        redacted += usize::from(memmem(&body, "[own.card]"));
        if memmem(&body, CARD) {
            let text = String::from_utf8_lossy(&body).into_owned();
            let at = text.find(CARD).unwrap();
            let near: String = text[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
            left.push(format!("{} {}: …{near}", exchange.id, exchange.uri));
        }
    }
    println!("{count} answers, {redacted} redacted, the others refused");
    assert!(left.is_empty(), "{} of {count}:\n{}", left.len(), left.join("\n"));
    assert!(redacted * 2 > count, "{redacted} of {count} redacted");
}

fn memmem(body: &[u8], needle: &str) -> bool {
    body.windows(needle.len()).any(|window| window == needle.as_bytes())
}
