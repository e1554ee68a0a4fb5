//! Bypasses that come in an answer, whole or streamed.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use servanda::guard::GuardLayer;
use servanda::program::Program;
use servanda::program::live::Live;

use super::{CARD, utf16};
use crate::support::coded;
use crate::support::guarded::{Script, behind, chat, chunk, completion, enforce, guarded, read_stream, send, text_stream};

/// What the client gets of an answer with these headers.
fn answered(headers: &[(&'static str, &str)], body: impl Into<Bytes>, stream: bool) -> (http::response::Parts, String) {
    let script = Script {
        status: StatusCode::OK,
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        pieces: vec![body.into()],
    };
    let (guard, _) = guarded(script, enforce());
    let (head, body) = send(&guard, chat("hi", stream));
    (head, String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn texts_in_every_place_of_an_answer() {
    let message = |message: Value| {
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string()
    };
    let text = format!("Card {CARD}.");
    for (name, body) in [
        ("26 refusal", message(json!({"role": "assistant", "content": null, "refusal": text}))),
        ("26 reasoning", message(json!({"role": "assistant", "content": "hi", "reasoning": text}))),
        ("26 reasoning_content", message(json!({"role": "assistant", "content": "hi", "reasoning_content": text}))),
        ("26 parts", message(json!({"role": "assistant", "content": [{"type": "output_text", "text": text}]}))),
        (
            "26 annotations",
            message(json!({"role": "assistant", "content": "hi", "annotations": [{"url_citation": {"title": text}}]})),
        ),
        ("26 an unknown field", message(json!({"role": "assistant", "content": "hi", "later": {"deep": [text]}}))),
        ("27 the second choice", completion(&["hi", &text])),
        ("error body", json!({"error": {"message": text, "type": "x"}}).to_string()),
        (
            "a JSON-RPC error",
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no", "data": {"a": text}}}).to_string(),
        ),
    ] {
        let (_, body) = answered(&[("content-type", "application/json")], body, false);
        assert!(!body.contains("4111"), "{name}: {body}");
    }
    for status in [400, 401, 404, 429, 500, 503] {
        let script = Script {
            status: StatusCode::from_u16(status).unwrap(),
            ..Script::json(json!({"error": {"message": text}}).to_string())
        };
        let (guard, _) = guarded(script, enforce());
        let (head, body) = send(&guard, chat("hi", false));
        assert_eq!(head.status.as_u16(), status, "the status is the upstream's");
        assert!(!String::from_utf8_lossy(&body).contains("4111"), "error body of {status}");
    }
}

#[test]
fn answers_that_are_not_what_they_say() {
    let events = text_stream(&["Your card 4111 1111", " 1111 1111 is on file"]);
    let whole = completion(&[&format!("Card {CARD}")]);
    let gzip = coded::encode("gzip", events.as_bytes());
    for (name, headers, body, stream) in [
        ("55 events under JSON", vec![("content-type", "application/json")], events.clone().into_bytes(), false),
        ("55 events without a type", vec![], events.clone().into_bytes(), true),
        ("55 events where none were asked for", vec![("content-type", "text/event-stream")], events.clone().into_bytes(), false),
        ("55 JSON where events were asked for", vec![("content-type", "application/json")], whole.clone().into_bytes(), true),
        ("33 JSON under octet-stream", vec![("content-type", "application/octet-stream")], whole.clone().into_bytes(), false),
        ("33 JSON under events", vec![("content-type", "text/event-stream")], whole.clone().into_bytes(), true),
        (
            "33 JSON with escapes under events",
            vec![("content-type", "text/event-stream")],
            whole.replace("4111 1", "\\u0034111 1").into_bytes(),
            true,
        ),
        ("57 coded events", vec![("content-type", "text/event-stream"), ("content-encoding", "gzip")], gzip.clone(), true),
        (
            "57 coded events under JSON",
            vec![("content-type", "application/json"), ("content-encoding", "gzip")],
            gzip.clone(),
            true,
        ),
        ("57 coded events, and nobody says so", vec![("content-type", "text/event-stream")], gzip.clone(), true),
        (
            "29 a coded answer, and nobody says so",
            vec![("content-type", "application/json")],
            coded::encode("gzip", whole.as_bytes()),
            false,
        ),
        ("34 utf-16 that nobody names", vec![("content-type", "application/json")], utf16(whole.as_bytes(), false), false),
    ] {
        let (head, body) = answered(&headers, body, stream);
        assert!(!body.contains("4111") && !body.contains("1111 1111"), "{name}: {body}");
        assert!(!body.as_bytes().starts_with(b"\x1f"), "{name}");
        assert_ne!(head.headers["x-servanda-verdict"], "allow", "{name}");
    }
}

#[test]
fn events_in_every_form() {
    let delta = |text: &str| chunk(0, &json!({"content": text}), None);
    let data = delta(&format!("Card {CARD}. "));
    let object = data.trim_end().strip_prefix("data: ").unwrap().to_owned();
    // One JSON text over three data lines, cut where JSON has white space.
    let lines = object.replacen(",\"", ",\ndata: \"", 2);
    let end = chunk(0, &json!({}), Some("stop")) + "data: [DONE]\n\n";
    for (name, stream) in [
        ("45 lines that end in CR", format!("{data}{end}").replace('\n', "\r")),
        ("45 lines that end in CR LF", format!("{data}{end}").replace('\n', "\r\n")),
        ("45 mixed", format!("data: {object}\r\n\n{end}")),
        ("46 a byte order mark", format!("\u{feff}{data}{end}")),
        ("47 several data lines", format!("data: {lines}\n\n{end}")),
        ("47 data without a space", format!("data:{object}\n\n{end}")),
        ("47 data without a colon", format!("data\ndata: {object}\n\n{end}")),
        ("48 no blank line at the end", format!("data: {object}\n")),
        ("48 no line end at all", format!("data: {object}")),
        ("49 in the event's name", format!("event: Card {CARD}.\n{}{end}", delta("hi"))),
        ("49 in the id", format!("id: Card {CARD}.\n{}{end}", delta("hi"))),
        ("49 in the retry", format!("retry: 4111111111111111\n{}{end}", delta("hi"))),
        ("49 in a comment", format!(": Card {CARD}.\n\n{}{end}", delta("hi"))),
        ("49 in an unknown field", format!("later: Card {CARD}.\n{}{end}", delta("hi"))),
        ("52 an event that is no JSON", format!("data: {{\"choices\": Card {CARD}\n\n{}{end}", delta("hi"))),
        (
            "52 a number where a text belongs",
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":4111111111111111}}}}]}}\n\n{end}"),
        ),
        ("17 escapes", format!("{}{end}", data.replace("4111 1", "\\u0034111 1"))),
        ("26 a refusal", chunk(0, &json!({"refusal": format!("Card {CARD}.")}), None) + &end),
        ("26 reasoning", chunk(0, &json!({"reasoning": format!("Card {CARD}.")}), None) + &end),
        ("26 an unknown field", chunk(0, &json!({"later": format!("Card {CARD}.")}), None) + &end),
        ("27 the second choice", chunk(1, &json!({"content": format!("Card {CARD}.")}), None) + &end),
    ] {
        for asked in [true, false] {
            let (_, body) = answered(&[("content-type", "text/event-stream")], stream.clone(), asked);
            assert!(!body.contains("4111"), "{name}: {body}");
        }
    }
}

#[test]
fn calls_under_every_name() {
    let call = |index: usize, name: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "type": "function", "function": {"name": name, "arguments": arguments}}]});
    let end = chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n";
    let evil = json!({"link": "https://collect.evil.example.net/x"}).to_string();
    let nested = json!({"note": json!({"inner": evil}).to_string()}).to_string();
    for (name, calls) in [
        ("23 JSON in JSON in JSON", vec![call(0, "ticket_create", &nested)]),
        ("24 no arguments", vec![call(0, "account_wipe", "")]),
        ("24 an empty object", vec![call(0, "account_wipe", "{}")]),
        ("25 another case", vec![call(0, "Account_Wipe", "{}")]),
        ("25 white space", vec![call(0, "account_wipe ", "{}")]),
        ("25 a trailing NUL", vec![call(0, "account_wipe\0", "{}")]),
        ("25 a prefix", vec![call(0, "functions.account_wipe", "{}")]),
        ("56 the second of two", vec![call(0, "ticket_create", "{}"), call(1, "ticket_create", &evil)]),
        (
            "56 the first of two, interleaved",
            vec![
                call(0, "ticket_create", "{\"link\": \"https://collect."),
                call(1, "ticket_create", "{"),
                json!({"tool_calls": [{"index": 0, "function": {"arguments": "evil.example.net/x\"}"}}]}),
                json!({"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]}),
            ],
        ),
    ] {
        let stream = calls.iter().map(|delta| chunk(0, delta, None)).collect::<String>() + &end;
        let (_, body) = answered(&[("content-type", "text/event-stream")], stream, true);
        let seen = read_stream(body.as_bytes());
        assert_eq!((seen[0].calls, seen[0].finish.as_deref()), (0, Some("content_filter")), "{name}: {body}");
    }
}

#[test]
fn streams_that_fill_what_holds_them() {
    let call = chunk(
        0,
        &json!({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "ticket_create", "arguments": "{"}}]}),
        None,
    );
    // 51: one event beyond every buffer; events without text behind a call that never ends, of some size and tiny.
    let huge = format!("data: {{\"choices\":[],\"a\":\"{}\"}}\n\n", "x".repeat(9 << 20));
    let padded = format!(": {}\n{}", "x".repeat(4_000), chunk(0, &json!({}), None));
    let large = format!("{call}{}", padded.repeat(5_000));
    let small = format!("{call}{}", chunk(0, &json!({}), None).repeat(120_000));
    let tiny = format!("{call}{}", "data: {\"choices\":[{}]}\n\n".repeat(140_000));
    for (name, stream) in [("one event", huge), ("very many", large), ("small ones", small), ("tiny ones", tiny)] {
        let length = stream.len();
        let (_, body) = answered(&[("content-type", "text/event-stream")], stream, true);
        assert!(body.len() < 4096, "{name}: {} of {length}", body.len());
        assert!(body.contains("content_filter") && !body.contains("ticket_create"), "{name}: {body}");
    }
}

#[test]
fn streams_that_nearly_fill_what_holds_them() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "ticket_create", "arguments": "{}"}}]});
    let end = chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n";
    // All of them wait for the end of the call, and each has texts: known ones, new ones, some to be redacted.
    let known = chunk(0, &json!({}), None);
    let fresh = |n: usize| known.replace("chatcmpl-1", &format!("chatcmpl-{n}"));
    let piece = |n: usize| {
        chunk(0, &json!({"tool_calls": [{"index": 0, "function": {"arguments": " "}}]}), None)
            .replace("chatcmpl-1", &n.to_string())
    };
    let clean = [
        ("known texts", known.repeat(110_000)),
        ("new texts", (0..10_000).map(fresh).collect()),
        ("pieces of the call", (0..10_000).map(piece).collect()),
    ];
    for (name, held) in clean {
        let stream = format!("{}{held}{end}", chunk(0, &call, None));
        let (_, body) = answered(&[("content-type", "text/event-stream")], stream.clone(), true);
        assert!(body == stream, "{name}: {} of {}", body.len(), stream.len());
    }
    // Text behind an event that waits, with as many redactions as events.
    let first = json!({"content": format!("card {CARD}. "), "tool_calls": call["tool_calls"]});
    let card = chunk(0, &json!({"content": format!("card {CARD}. ")}), None);
    let stream = format!("{}{}{end}", chunk(0, &first, None), card.repeat(4_000));
    let (_, body) = answered(&[("content-type", "text/event-stream")], stream, true);
    assert!(!body.contains("4111"));
    assert_eq!(body.matches("card [pii.payment_card]. ").count(), 4_001);
}

/// Takes one text out of the arguments of calls, and of nothing else.
const CALLS: &str = "\
format: 1
pact: calls
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
detectors:
  word: {phrases: ['zyzzogeton quincunx']}
predicates:
  - {id: word, dimension: safety, severity: critical, at: [call], check: {match: [own.word]}, act: redact}
evidence:
  sources: {guard: interaction/1}
penalty:
  critical: {score: -100, pause: until_review, review: human, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";

#[test]
fn a_call_that_comes_under_the_number_of_one_that_waits() {
    let layer = GuardLayer::builder(Live::new(Arc::new(Program::compile_text(CALLS).unwrap())));
    let layer = layer.without_evidence().route(enforce()).build();
    let call = |choice: usize, note: &str| {
        let function = json!({"name": "ticket_create", "arguments": json!({"note": note}).to_string()});
        chunk(choice, &json!({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}), None)
    };
    let end = |choice| chunk(choice, &json!({}), Some("tool_calls"));
    // The first call of choice 0 is decided and waits for that of choice 1, while another takes its number.
    let first = "zyzzogeton quincunx";
    let stream = [call(1, "one"), call(0, first), end(0), call(0, "other"), end(0), end(1), "data: [DONE]\n\n".to_owned()];
    let (guard, _) = behind(&layer, Script::events(vec![stream.concat().into()]));
    let (_, body) = send(&guard, chat("hi", true));
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(body, stream.concat().replace(first, "[own.word]"));
}

#[test]
fn headers_of_an_answer_are_judged() {
    let clean = completion(&["fine"]);
    let ask = |more: &[(&'static str, &str)], stream: bool| {
        let body = if stream { text_stream(&["fine"]) } else { clean.clone() };
        let mut headers = vec![("content-type", if stream { "text/event-stream" } else { "application/json" })];
        headers.extend_from_slice(more);
        answered(&headers, body, stream)
    };
    for stream in [false, true] {
        let (head, body) = ask(&[("x-note", &format!("Card {CARD} on file")), ("x-other", "kept as it is")], stream);
        assert_eq!(head.headers["x-note"], "Card [pii.payment_card] on file");
        assert_eq!(head.headers["x-other"], "kept as it is");
        assert!(body.contains("fine"));
        let (head, body) = ask(&[("x-note", "I am a human being, not a bot.")], stream);
        assert!(!head.headers.contains_key("x-note"), "{:?}", head.headers);
        assert!(!body.contains("\"fine\""), "{body}");
        // What is made to be numbers and ids passes, and what is secret is not looked at.
        let usual = [
            ("x-request-id", "req_4111111111111111"),
            ("x-ratelimit-reset-tokens", "2125550123"),
            ("set-cookie", "s=4111 1111 1111 1111"),
        ];
        let (head, _) = ask(&usual, stream);
        for (name, value) in usual {
            assert_eq!(head.headers[name], value);
        }
        assert_eq!(head.headers["x-servanda-verdict"], if stream { "streaming" } else { "allow" });
    }
}
