//! Recorded exchanges of others, read where the folder named by `SERVANDA_DATA` is at hand.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use super::{events, pieces};
use crate::protocol::adapter::Piece;
use crate::protocol::{Adapter, Head, Message, RequestNotes, Shape, claim, leaves, sniff};

/// The strings of the fields that people read, wherever they stand.
fn spoken(value: &Value, key: &str, out: &mut Vec<String>) {
    match value {
        Value::String(text)
            if matches!(key, "content" | "text" | "refusal" | "arguments" | "name" | "message") && !text.is_empty() =>
        {
            out.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| spoken(item, key, out)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "logprobs" | "image_url" | "input_audio" | "file"))
            .for_each(|(key, value)| spoken(value, key, out)),
        _ => {}
    }
}

fn read_of(message: &Message<'_>) -> Vec<String> {
    let mut out: Vec<String> = message.parts.iter().map(|p| p.text.as_str().to_owned()).collect();
    for call in &message.calls {
        out.push(call.name.as_str().to_owned());
        out.push(call.arguments.as_str().to_owned());
        out.extend(leaves(&call.arguments).unwrap_or_default().iter().map(|l| l.text.as_str().to_owned()));
    }
    out
}

fn covers(read: &[String], body: &str, what: &str) {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return };
    let mut wanted = Vec::new();
    spoken(&value, "", &mut wanted);
    for text in wanted {
        assert!(read.contains(&text), "{what}: {text:?} was not read");
    }
}

#[derive(Default)]
struct Count {
    requests: usize,
    answers: usize,
    streams: usize,
    pieces: usize,
    generic: usize,
}

fn request(adapter: &dyn Adapter, body: &str, what: &str, count: &mut Count) -> RequestNotes {
    if sniff(None, body.as_bytes()) != Shape::Json {
        return RequestNotes::default();
    }
    let message = adapter.read_request(body.as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
    covers(&read_of(&message), body, what);
    count.requests += 1;
    message.notes()
}

fn answer(adapter: &dyn Adapter, notes: &RequestNotes, body: &str, what: &str, count: &mut Count) {
    if sniff(None, body.as_bytes()) != Shape::EventStream {
        let message = adapter.read_answer(body.as_bytes()).unwrap_or_else(|e| panic!("{what}: {e}"));
        covers(&read_of(&message), body, what);
        count.answers += 1;
        return;
    }
    let raw: Vec<u8> = events(body.as_bytes()).iter().flat_map(|e| e.raw().to_vec()).collect();
    assert_eq!(raw, body.as_bytes(), "{what}");
    for (event, pieces) in pieces(adapter, notes, body.as_bytes()) {
        let read: Vec<String> = pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Text { place, .. } => vec![event.text(place).as_str().to_owned()],
                Piece::Call { name, arguments, .. } => {
                    [name, arguments].into_iter().flatten().map(|p| event.text(p).as_str().to_owned()).collect()
                }
                _ => Vec::new(),
            })
            .collect();
        covers(&read, std::str::from_utf8(event.data()).unwrap(), what);
        count.pieces += pieces.len();
    }
    count.streams += 1;
}

fn file(path: &Path, count: &mut Count) {
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())).lines();
    let headers = http::HeaderMap::new();
    for line in lines {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let what = record["id"].as_str().unwrap_or("?").to_owned();
        let head = |path| claim(&Head { method: &http::Method::POST, path, headers: &headers, configured: None });
        if let Some(path) = record["request"]["path"].as_str() {
            let adapter = head(path.split('?').next().unwrap());
            count.generic += usize::from(adapter.name() == "generic");
            let notes = request(adapter, record["request"]["body"].as_str().unwrap_or(""), &what, count);
            answer(adapter, &notes, record["response"]["body"].as_str().unwrap_or(""), &what, count);
        } else if let Some(text) = record["text"].as_str() {
            let chat = record["meta"]["api"].as_str().is_some_and(|api| api.contains("completions"));
            let adapter = head(if chat { "/v1/chat/completions" } else { "/" });
            if record["meta"]["side"].as_str().is_some_and(|side| side.contains("request")) {
                request(adapter, text, &what, count);
            } else {
                answer(adapter, &RequestNotes::default(), text, &what, count);
            }
        }
    }
}

#[test]
fn recorded_traffic_is_read() {
    let Some(folder) = std::env::var_os("SERVANDA_DATA").map(std::path::PathBuf::from).filter(|f| f.is_dir()) else {
        println!("skipped: SERVANDA_DATA names no folder with recorded traffic");
        return;
    };
    let mut count = Count::default();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("traffic_")));
    files.sort();
    for path in files {
        file(&path, &mut count);
    }
    let Count { requests, answers, streams, pieces, generic } = count;
    println!("{requests} requests, {answers} answers, {streams} streams with {pieces} pieces; {generic} exchanges by generic");
    assert!(requests > 0 && answers > 0 && streams > 0);
}
