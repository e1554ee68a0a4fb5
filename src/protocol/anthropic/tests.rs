//! What the golden files do not show: refusals, claims, ends of streams.

use serde_json::Value as Json;

use super::*;
use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Piece, Why};
use crate::protocol::sse::{Event, Framer};
use crate::protocol::{Code, claim};

fn events(stream: &str) -> Vec<Event> {
    let mut framer = Framer::new(1 << 20);
    framer.push(stream.as_bytes());
    let mut out = Vec::new();
    while let Some(event) = framer.finish().unwrap() {
        out.push(event);
    }
    out
}

fn refusal<'a>(block_as: BlockAs) -> Refusal<'a> {
    Refusal {
        why: Why::Content,
        stage: Stage::Response,
        predicate: Some("pii"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as,
    }
}

fn json(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn requests_are_refused_in_the_envelope() {
    let notes = RequestNotes { model: Some("m".into()), ..RequestNotes::default() };
    let refused = |refusal: Refusal<'_>| {
        let out = AnthropicMessages.refuse_request(&refusal, &notes);
        let body = json(&out.body);
        assert_eq!((body["type"].as_str(), body["request_id"].as_str()), (Some("error"), refusal.record));
        (
            out.status.as_u16(),
            body["error"]["type"].as_str().unwrap().to_owned(),
            body["error"]["details"]["error_code"].as_str().unwrap().to_owned(),
        )
    };
    let auto = refusal(BlockAs::Auto);
    let is = |status: u16, kind: &str, code: &str| (status, kind.to_owned(), code.to_owned());
    assert_eq!(refused(auto), is(400, "invalid_request_error", "content_filter"));
    assert_eq!(refused(Refusal { why: Why::Permission, ..auto }), is(403, "permission_error", "guardrail_blocked"));
    assert_eq!(refused(Refusal { why: Why::Engine, ..auto }), is(503, "api_error", "guardrail_unavailable"));
    assert_eq!(
        refused(Refusal { why: Why::Unreadable(Code::BodyTooLarge), ..auto }),
        is(413, "request_too_large", "body_too_large")
    );
}

#[test]
fn a_soft_refusal_is_a_message() {
    let notes = RequestNotes { model: Some("m".into()), ..RequestNotes::default() };
    let out = AnthropicMessages.refuse_request(&refusal(BlockAs::Refusal), &notes);
    let body = json(&out.body);
    assert_eq!((out.status.as_u16(), body["stop_reason"].as_str(), body["model"].as_str()), (200, Some("refusal"), Some("m")));
    assert!(body["content"][0]["text"].as_str().unwrap().contains("rule `pii`"));
    let out = AnthropicMessages.refuse_request(&refusal(BlockAs::Refusal), &RequestNotes { streaming: true, ..notes });
    let names: Vec<_> = events(std::str::from_utf8(&out.body).unwrap()).iter().map(|e| e.name().unwrap().to_owned()).collect();
    let wanted =
        ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"];
    assert_eq!(names, wanted);
}

#[test]
fn an_answer_keeps_what_is_not_said() {
    let body = br#"{"model":"m","id":"msg_1","content":[{"text":"bad","type":"text"}],"type":"message","usage":{"input_tokens":3,"output_tokens":4},"stop_reason":"end_turn"}"#;
    let out = json(&AnthropicMessages.refuse_answer(&refusal(BlockAs::Auto), body, &[0], &RequestNotes::default()).body);
    assert_eq!((out["id"].as_str(), out["usage"]["output_tokens"].as_u64()), (Some("msg_1"), Some(4)));
    assert_eq!((out["content"].as_array().unwrap().len(), out["stop_reason"].as_str()), (0, Some("refusal")));
    assert!(out["stop_details"]["explanation"].as_str().unwrap().contains("rule `pii`"));
    let error = AnthropicMessages.refuse_answer(
        &refusal(BlockAs::Auto),
        br#"{"type":"error","error":{"message":"x"}}"#,
        &[0],
        &RequestNotes::default(),
    );
    assert_eq!(error.status, 400);
}

const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// The frames that end the stream after so many events were let go.
fn ended_after(count: usize, block_as: BlockAs) -> Vec<(String, Json)> {
    let mut reader = AnthropicMessages.stream_reader(&RequestNotes::default());
    for (at, event) in events(STREAM).into_iter().enumerate() {
        let mut pieces = Vec::new();
        reader.read(&event, &mut pieces).unwrap();
        assert!(pieces.iter().any(|piece| matches!(piece, Piece::InOrder(_))));
        if at < count {
            reader.released(&event, &pieces, &[]);
        }
    }
    let end = reader.refuse(&refusal(block_as));
    assert!(reader.refuse(&refusal(block_as)).is_empty());
    events(std::str::from_utf8(&end).unwrap()).iter().map(|e| (e.name().unwrap().to_owned(), json(e.data()))).collect()
}

#[test]
fn a_stream_ends_by_the_protocol_wherever_it_stood() {
    let names = |count, block_as| ended_after(count, block_as).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(0, BlockAs::Auto), ["message_start", "message_delta", "message_stop"]);
    assert_eq!(names(1, BlockAs::Auto), ["message_delta", "message_stop"]);
    assert_eq!(names(3, BlockAs::Auto), ["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names(4, BlockAs::Auto), ["message_delta", "message_stop"]);
    assert_eq!(names(5, BlockAs::Auto), ["message_stop"]);
    assert!(names(6, BlockAs::Auto).is_empty());
    assert_eq!(names(3, BlockAs::Error), ["error"]);
    let end = ended_after(3, BlockAs::Refusal);
    let note: Vec<_> = end.iter().filter(|(_, data)| data["index"] == 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(note, ["content_block_start", "content_block_delta", "content_block_stop"]);
    let (_, delta) = end.iter().find(|(name, _)| name == "message_delta").unwrap();
    assert_eq!((delta["delta"]["stop_reason"].as_str(), delta["usage"]["output_tokens"].as_u64()), (Some("refusal"), Some(7)));
}

#[test]
fn claims_by_path_and_version() {
    let mut headers = http::HeaderMap::new();
    let name = |path: &str, configured, headers: &http::HeaderMap| {
        claim(&Head { method: &http::Method::POST, path, headers, configured }).name()
    };
    assert_eq!(name("/v1/messages", None, &headers), "anthropic_messages");
    assert_eq!(name("/anthropic/v1/messages/count_tokens", Some("auto"), &headers), "anthropic_messages");
    assert_eq!(name("/v1/messages/batches", None, &headers), "generic");
    assert_eq!(name("/v1/messages", Some("generic"), &headers), "generic");
    assert_eq!(name("/threads/t/messages", None, &headers), "generic");
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(name("/x/messages", None, &headers), "anthropic_messages");
}

#[test]
fn history_is_old_and_system_is_not() {
    let body = br#"{"messages":[{"role":"user","content":"a"},{"role":"system","content":"s"},{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"f","input":{"x":1}}]},{"content":[{"type":"tool_result","content":"r"}],"role":"user"},{"role":"assistant","content":"prefill"}]}"#;
    let message = AnthropicMessages.read_request(body).unwrap();
    let fresh: Vec<&str> = message.parts.iter().filter(|p| p.fresh).map(|p| p.text.as_str()).collect();
    assert_eq!(fresh, ["s", "r", "prefill"]);
    assert!(!message.calls[0].fresh);
    assert_eq!(message.calls[0].arguments.as_str(), r#"{"x":1}"#);
}
