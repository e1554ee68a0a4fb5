//! A text that no answer may carry, planted in each place of every golden answer by itself: in every string
//! whatever it means, as the name of a member of every object, whole and streamed. It never leaves.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use servanda::guard::GuardLayer;
use servanda::program::Program;
use servanda::program::live::Live;

use crate::support::guarded::{Script, behind, enforce, post_to, send};

/// Takes one text out, wherever it stands.
const PACT: &str = "\
format: 1
pact: planted
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
detectors:
  word: {phrases: ['5555 4444 3333 1111']}
predicates:
  - {id: word, dimension: safety, severity: critical, at: [request, call, result, response], check: {match: [own.word]}, act: redact}
evidence:
  sources: {guard: interaction/1}
penalty:
  critical: {score: -100, pause: until_review, review: human, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";

const WORD: &str = "5555 4444 3333 1111";

/// The folders of golden files, a path at which each protocol is spoken, and a request in it.
fn protocols() -> [(&'static str, &'static str, Value); 6] {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
    [
        ("openai_chat", "/v1/chat/completions", json!({"messages": []})),
        ("openai_responses", "/v1/responses", json!({"input": []})),
        ("anthropic_messages", "/v1/messages", json!({"messages": []})),
        ("gemini", "/v1beta/models/m:generateContent", json!({"contents": []})),
        ("mcp", "/mcp", call),
        ("generic", "/other", json!({})),
    ]
}

fn layer(act: &str) -> GuardLayer {
    let program = Arc::new(Program::compile_text(&PACT.replace("act: redact", &format!("act: {act}"))).unwrap());
    GuardLayer::builder(Live::new(program)).without_evidence().route(enforce()).build()
}

/// Where something can be planted in a value.
#[derive(Clone, Debug)]
enum Spot {
    /// In place of a string.
    Instead(String),
    /// Behind a string.
    Behind(String),
    /// As the name of another member.
    Name(String),
}

fn spots(value: &Value, at: &str, out: &mut Vec<Spot>) {
    match value {
        Value::String(_) => out.extend([Spot::Instead(at.to_owned()), Spot::Behind(at.to_owned())]),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| spots(item, &format!("{at}/{n}"), out)),
        Value::Object(members) => {
            out.push(Spot::Name(at.to_owned()));
            for (key, member) in members {
                spots(member, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        _ => {}
    }
}

fn plant(value: &Value, spot: &Spot) -> String {
    let mut value = value.clone();
    match spot {
        // Pieces of a stream are put together: nothing may stand right before or behind it.
        Spot::Instead(at) => *value.pointer_mut(at).unwrap() = format!(" {WORD} ").into(),
        Spot::Behind(at) => {
            let text = value.pointer_mut(at).unwrap();
            *text = format!("{} {WORD} ", text.as_str().unwrap()).into();
        }
        Spot::Name(at) => {
            value.pointer_mut(at).unwrap().as_object_mut().unwrap().insert(WORD.to_owned(), true.into());
        }
    }
    value.to_string()
}

/// Every way to plant in a body: of JSON, or of one event's JSON.
fn planted(body: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        let mut found = Vec::new();
        spots(&value, "", &mut found);
        out.extend(found.iter().map(|spot| (format!("{spot:?}"), plant(&value, spot))));
        return out;
    }
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(data) = line.strip_prefix("data:") else { continue };
        let Ok(value) = serde_json::from_str::<Value>(data.trim()) else { continue };
        let mut found = Vec::new();
        spots(&value, "", &mut found);
        for spot in found {
            let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
            let changed = format!("data: {}{end}", plant(&value, &spot));
            let body: String = lines.iter().enumerate().map(|(n, line)| if n == at { changed.as_str() } else { line }).collect();
            out.push((format!("line {at} {spot:?}"), body));
        }
    }
    out
}

#[test]
fn in_no_place_of_an_answer_does_it_leave() {
    let layers = [layer("redact"), layer("block")];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let (mut count, mut redacted, mut left) = (0, 0, Vec::new());
    for (protocol, path, request) in protocols() {
        for case in std::fs::read_dir(root.join(protocol)).unwrap() {
            let case = case.unwrap();
            for (file, content_type) in [("response.json", "application/json"), ("stream.sse", "text/event-stream")] {
                let Ok(body) = std::fs::read_to_string(case.path().join(file)) else { continue };
                for ((spot, body), layer) in
                    planted(&body).into_iter().flat_map(|each| layers.iter().map(move |layer| (each.clone(), layer)))
                {
                    let headers = vec![("content-type", content_type.to_owned())];
                    let script = Script { status: StatusCode::OK, headers, pieces: vec![Bytes::from(body)] };
                    let (guard, agent) = behind(layer, script);
                    let (_, answer) = send(&guard, post_to(path, request.to_string()));
                    assert_eq!(agent.asked.lock().unwrap().len(), 1, "{protocol}");
                    let answer = String::from_utf8_lossy(&answer);
                    count += 1;
                    redacted += usize::from(answer.contains("[own.word]"));
                    if answer.contains(WORD) {
                        left.push(format!("{protocol} {} {file} {spot}", case.file_name().display()));
                    }
                }
            }
        }
    }
    println!("{count} places, {redacted} redacted, the others refused");
    assert!(left.is_empty(), "{} of {count}:\n{}", left.len(), left.join("\n"));
    assert!(count > 2_000 && redacted * 4 > count, "{redacted} of {count} redacted");
}

#[test]
fn in_the_name_of_a_tool_it_is_refused() {
    let name = format!("f {WORD}");
    let named = |name: &str, about: &str| json!({"name": name, "description": about});
    let function = move |name: &str, about: &str| json!({"type": "function", "function": named(name, about)});
    // Each as a request with the name and the description of one tool.
    type Asking = Box<dyn Fn(&str, &str) -> Value>;
    let asking: [(&str, &str, Asking); 6] = [
        (
            "tools",
            "/v1/chat/completions",
            Box::new(move |n, d| json!({"messages": [], "tools": [function("a", "b"), function(n, d)]})),
        ),
        ("functions", "/v1/chat/completions", Box::new(move |n, d| json!({"messages": [], "functions": [named(n, d)]}))),
        (
            "a custom tool",
            "/v1/chat/completions",
            Box::new(move |n, d| json!({"messages": [], "tools": [{"type": "custom", "custom": named(n, d)}]})),
        ),
        (
            "responses",
            "/v1/responses",
            Box::new(|n, d| json!({"input": [], "tools": [{"type": "function", "name": n, "description": d}]})),
        ),
        ("messages", "/v1/messages", Box::new(move |n, d| json!({"messages": [], "tools": [named(n, d)]}))),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            Box::new(move |n, d| json!({"contents": [], "tools": [{"functionDeclarations": [named(n, d)]}]})),
        ),
    ];
    let layer = layer("redact");
    for (what, path, ask) in asking {
        let (guard, agent) = behind(&layer, Script::json("{}"));
        let (head, body) = send(&guard, post_to(path, ask(&name, "clean").to_string()));
        let body = String::from_utf8_lossy(&body);
        assert!(head.status.is_client_error() && !body.contains(WORD), "{what}: {} {body}", head.status);
        assert!(agent.asked.lock().unwrap().is_empty(), "{what}");
        let (guard, agent) = behind(&layer, Script::json("{}"));
        let (head, _) = send(&guard, post_to(path, ask("clean", &format!("of {WORD}.")).to_string()));
        let asked = String::from_utf8(agent.asked.lock().unwrap()[0].1.to_vec()).unwrap();
        assert!(head.status.is_success() && asked.contains("of [own.word].") && !asked.contains(WORD), "{what}: {asked}");
    }
    // And a call of it, which a tool would get.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}});
    let (guard, agent) = behind(&layer, Script::json("{}"));
    let (_, body) = send(&guard, post_to("/mcp", call.to_string()));
    assert!(agent.asked.lock().unwrap().is_empty() && !String::from_utf8_lossy(&body).contains(WORD));
}

#[test]
fn in_the_name_of_a_call_it_is_refused() {
    let name = format!("f {WORD}");
    let chat = |delta: bool, name: &str| {
        let call = json!([{"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}]);
        let key = if delta { "delta" } else { "message" };
        json!({"choices": [{"index": 0, key: {"role": "assistant", "content": null, "tool_calls": call}, "finish_reason": "tool_calls"}]})
    };
    let events = |events: &[Value]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
    let block = |name: &str, kind: &str| json!({"type": kind, "id": "c", "name": name, "input": {"a": "b"}});
    let item = |name: &str, kind: &str| json!({"type": kind, "id": "i", "call_id": "c", "name": name, "arguments": "{}"});
    let gemini = |name: &str| json!({"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}}]}, "finishReason": "STOP"}]});
    let streamed = |block: &Value| {
        events(&[
            json!({"type": "message_start", "message": {"id": "m", "content": []}}),
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
            json!({"type": "message_stop"}),
        ])
    };
    let told = |item: &Value| {
        events(&[
            json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
            json!({"type": "response.completed", "response": {"id": "r", "output": [item], "status": "completed"}}),
        ])
    };
    // In pieces too: a name may come in several events of a chat.
    let pieces = |parts: &[&str]| {
        let delta =
            |name: &&str| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": name}}]}}]});
        events(&parts.iter().map(delta).collect::<Vec<_>>()) + &events(&[chat(true, "")]) + "data: [DONE]\n\n"
    };
    let layer = layer("redact");
    let bodies = |name: &str| {
        let (left, right) = name.split_at(name.len() / 2);
        vec![
            ("chat", "/v1/chat/completions", chat(false, name).to_string()),
            ("chat, streamed", "/v1/chat/completions", events(&[chat(true, name)])),
            ("chat, in pieces", "/v1/chat/completions", pieces(&[left, right])),
            ("messages", "/v1/messages", json!({"content": [block(name, "tool_use")]}).to_string()),
            ("messages, run", "/v1/messages", json!({"content": [block(name, "server_tool_use")]}).to_string()),
            ("messages, streamed", "/v1/messages", streamed(&block(name, "tool_use"))),
            ("messages, run and streamed", "/v1/messages", streamed(&block(name, "mcp_tool_use"))),
            ("responses", "/v1/responses", json!({"output": [item(name, "function_call")]}).to_string()),
            ("responses, run", "/v1/responses", json!({"output": [item(name, "mcp_call")]}).to_string()),
            ("responses, streamed", "/v1/responses", told(&item(name, "function_call"))),
            ("responses, run and streamed", "/v1/responses", told(&item(name, "mcp_call"))),
            ("gemini", "/v1beta/models/m:generateContent", gemini(name).to_string()),
            ("gemini, streamed", "/v1beta/models/m:generateContent", events(&[gemini(name)])),
        ]
    };
    for ((what, path, body), (.., clean)) in bodies(&name).into_iter().zip(bodies("get_weather")) {
        let stream = body.starts_with("data:");
        for (body, passes) in [(body, false), (clean, true)] {
            let headers = vec![("content-type", if stream { "text/event-stream" } else { "application/json" }.to_owned())];
            let script = Script { status: StatusCode::OK, headers, pieces: vec![Bytes::from(body.clone())] };
            let (guard, _) = behind(&layer, script);
            let (_, answer) = send(&guard, post_to(path, json!({"messages": [], "input": [], "contents": []}).to_string()));
            assert_eq!(answer == body, passes, "{what}: {}", String::from_utf8_lossy(&answer));
            assert!(!String::from_utf8_lossy(&answer).contains(WORD), "{what}");
        }
    }
    // A list of tools loses the one that is named so.
    let list = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a"}, {"name": name}, {"name": "b"}]}});
    let (guard, _) = behind(&layer, Script::json(list.to_string()));
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let (_, body) = send(&guard, post_to("/mcp", ask.to_string()));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let names: Vec<&str> =
        body["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"], "{body}");
}
