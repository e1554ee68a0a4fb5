//! What the golden files do not show: refusals, claims, ends of streams.

use serde_json::Value as Json;

use super::*;
use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Piece, Why};
use crate::protocol::claim;
use crate::protocol::sse::{Event, Framer};

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
fn claims_by_method_and_path() {
    let headers = http::HeaderMap::new();
    let name = |method: http::Method, path: &str, configured| {
        claim(&Head { method: &method, path, headers: &headers, configured }).name()
    };
    let (get, post) = (http::Method::GET, http::Method::POST);
    for (method, path) in [
        (&post, "/v1/responses"),
        (&post, "/openai/v1/responses/"),
        (&post, "/v1/responses/compact"),
        (&get, "/v1/responses/resp_1"),
        (&get, "/v1/responses/resp_1/input_items"),
        (&post, "/v1/responses/resp_1/cancel"),
    ] {
        assert_eq!(name(method.clone(), path, None), "openai_responses", "{method} {path}");
        assert_eq!(name(method.clone(), path, Some("openai")), "openai_responses");
        assert_eq!(name(method.clone(), path, Some("generic")), "generic");
    }
    for (method, path) in [
        (&get, "/v1/responses"),
        (&get, "/survey/responses/7"),
        (&post, "/v1/responses/resp_1"),
        (&get, "/v1/responses/resp_1/x"),
    ] {
        assert_eq!(name(method.clone(), path, None), "generic", "{method} {path}");
    }
}

#[test]
fn refusals_before_the_upstream() {
    let notes = RequestNotes { model: Some("m".into()), ..RequestNotes::default() };
    let out = OpenAiResponses.refuse_request(&refusal(BlockAs::Auto), &notes);
    assert_eq!((out.status.as_u16(), json(&out.body)["error"]["code"].as_str()), (400, Some("content_filter")));
    let out = OpenAiResponses.refuse_request(&refusal(BlockAs::Refusal), &notes);
    let body = json(&out.body);
    assert_eq!((out.status.as_u16(), body["status"].as_str(), body["model"].as_str()), (200, Some("completed"), Some("m")));
    assert!(body["created_at"].as_u64().unwrap() > 1_700_000_000);
    assert!(body["output"][0]["content"][0]["refusal"].as_str().unwrap().contains("rule `pii`"));
    let out = OpenAiResponses.refuse_request(&refusal(BlockAs::Refusal), &RequestNotes { streaming: true, ..notes });
    let got: Vec<Json> = events(std::str::from_utf8(&out.body).unwrap()).iter().map(|e| json(e.data())).collect();
    let kinds: Vec<&str> = got.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    for (number, event) in got.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
}

#[test]
fn what_is_no_response_becomes_an_error() {
    for body in [&br#"{"object":"list","data":[]}"#[..], b"no json", br#"{"error":{"message":"x"}}"#] {
        assert_eq!(OpenAiResponses.refuse_answer(&refusal(BlockAs::Auto), body, &[0], &RequestNotes::default()).status, 400);
    }
    let whole = br#"{"id":"resp_9","object":"response","created_at":7,"model":"m","output":[],"usage":{"input_tokens":3,"output_tokens":4}}"#;
    let out = json(&OpenAiResponses.refuse_answer(&refusal(BlockAs::Auto), whole, &[0], &RequestNotes::default()).body);
    assert_eq!(
        (out["id"].as_str(), out["created_at"].as_u64(), out["usage"]["total_tokens"].as_u64()),
        (Some("resp_9"), Some(7), Some(7))
    );
    assert_eq!(OpenAiResponses.refuse_answer(&refusal(BlockAs::Error), whole, &[0], &RequestNotes::default()).status, 400);
}

#[test]
fn the_provider_runs_some_calls_and_the_client_others() {
    let body = br#"{"object":"response","output":[
        {"type":"function_call","call_id":"a","name":"f","arguments":"{}"},
        {"type":"web_search_call","id":"b","action":{"type":"search","query":"q"}},
        {"type":"shell_call","call_id":"c","action":{"commands":["ls"]}},
        {"type":"code_interpreter_call","id":"d","code":"1+1"}]}"#;
    let message = OpenAiResponses.read_answer(body).unwrap();
    let calls: Vec<(&str, bool, &str)> =
        message.calls.iter().map(|c| (c.name.as_str(), c.executed, c.arguments.as_str())).collect();
    assert_eq!(
        calls,
        [
            ("f", false, "{}"),
            ("web_search_call", true, r#"{"type":"search","query":"q"}"#),
            ("shell_call", false, r#"{"commands":["ls"]}"#),
            ("code_interpreter_call", true, "1+1")
        ]
    );
}

#[test]
fn a_replay_that_begins_in_the_middle_ends_with_the_right_numbers() {
    let stream = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":41,\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"x\"}\n\n";
    let mut reader = OpenAiResponses.stream_reader(&RequestNotes::default());
    let event = events(stream).remove(0);
    let mut pieces = Vec::new();
    reader.read(&event, &mut pieces).unwrap();
    assert!(pieces.iter().any(|piece| matches!(piece, Piece::InOrder(_))));
    reader.released(&event, &pieces, &[]);
    let end = reader.refuse(&refusal(BlockAs::Error));
    assert_eq!(json(events(std::str::from_utf8(&end).unwrap())[0].data())["sequence_number"], 42);
}
