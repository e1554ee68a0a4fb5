//! What the golden files do not show: claims, sessions, turns, ends.

use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};

use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Piece, Why};
use crate::protocol::sse::Framer;
use crate::protocol::{Adapter, Code, Head, ReadError, Refusal, RequestNotes, Role, claim};

use super::adk::ADK;
use super::ag_ui::AG_UI;
use super::langgraph::LANGGRAPH;

fn refusal<'a>(why: Why, block_as: BlockAs) -> Refusal<'a> {
    Refusal {
        why,
        stage: Stage::Response,
        predicate: Some("no-cards"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as,
    }
}

fn head<'a>(path: &'a str, headers: &'a HeaderMap, configured: Option<&'a str>) -> Head<'a> {
    Head { method: &Method::POST, path, headers, configured }
}

/// The pieces of a stream, and its end where it is refused after all of them have gone out.
fn run(adapter: &dyn Adapter, stream: &str, block_as: BlockAs) -> (Vec<Result<Vec<Piece>, ReadError>>, String) {
    let mut reader = adapter.stream_reader(&RequestNotes::default());
    let mut framer = Framer::new(1 << 20);
    framer.push(stream.as_bytes());
    let mut out = Vec::new();
    while let Some(event) = framer.next().unwrap() {
        let mut pieces = Vec::new();
        let read = reader.read(&event, &mut pieces);
        reader.released(&event, &pieces, &[]);
        out.push(read.map(|()| pieces));
    }
    (out, String::from_utf8(reader.refuse(&refusal(Why::Content, block_as)).to_vec()).unwrap())
}

fn frames(events: &[Json]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

#[test]
fn words_are_sorted() {
    for table in [&AG_UI, &LANGGRAPH, &ADK] {
        assert!(table.0.words.is_sorted(), "{}", table.name());
    }
}

#[test]
fn claims_by_path_or_word() {
    let headers = HeaderMap::new();
    for (path, word, wanted) in [
        ("/agui", None, "ag_ui"),
        ("/agents/desk/ag-ui", None, "ag_ui"),
        ("/", Some("ag-ui"), "ag_ui"),
        ("/runs/stream", None, "langgraph"),
        ("/threads/t-1/runs/stream", None, "langgraph"),
        ("/threads/t-1/runs/r-1/join", None, "langgraph"),
        ("/threads/t-1/state", Some("langgraph"), "langgraph"),
        ("/threads/t-1/state", None, "generic"),
        ("/run_sse", None, "adk"),
        ("/run", None, "generic"),
        ("/run", Some("adk"), "adk"),
    ] {
        assert_eq!(claim(&head(path, &headers, word)).name(), wanted, "{path}");
    }
}

#[test]
fn the_conversation_is_told_by_body_or_path() {
    let conversation = |adapter: &dyn Adapter, path: &str, body: Json| {
        let told = adapter.head_notes(&head(path, &HeaderMap::new(), None));
        adapter.read_request(body.to_string().as_bytes()).unwrap().notes().beside(told).conversation
    };
    assert_eq!(conversation(&AG_UI, "/agui", json!({"threadId": "th", "messages": []})).as_deref(), Some("th"));
    assert_eq!(conversation(&LANGGRAPH, "/threads/t-1/runs/stream", json!({})).as_deref(), Some("t-1"));
    assert_eq!(conversation(&LANGGRAPH, "/runs/stream", json!({})), None);
    assert_eq!(conversation(&ADK, "/run_sse", json!({"session_id": "s-1"})).as_deref(), Some("s-1"));
}

#[test]
fn a_turn_that_was_answered_is_history() {
    let body = json!({"messages": [{"role": "user", "content": "old"}, {"role": "assistant", "content": "said", "toolCalls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "user", "content": "new"}]}).to_string();
    let message = AG_UI.read_request(body.as_bytes()).unwrap();
    let part = |text: &str| message.parts.iter().find(|part| part.text.as_str() == text).map(|part| (part.role, part.fresh));
    assert_eq!(part("old"), Some((Role::User, false)));
    assert_eq!(part("said"), Some((Role::Assistant, false)));
    assert_eq!(part("new"), Some((Role::User, true)));
    assert_eq!((message.calls[0].name.as_str(), message.calls[0].fresh), ("f", false));
}

#[test]
fn an_open_message_is_closed_before_the_run_ends_with_an_error() {
    let start = json!({"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"});
    let delta = json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Hel"});
    let (_, end) = run(&AG_UI, &frames(&[start.clone(), delta]), BlockAs::Auto);
    let told: Vec<Json> =
        end.lines().filter_map(|l| l.strip_prefix("data: ")).map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&told[0]["type"], &told[0]["messageId"]), (&json!("TEXT_MESSAGE_END"), &json!("m1")));
    assert_eq!((&told[1]["type"], &told[1]["code"]), (&json!("RUN_ERROR"), &json!("guardrail_blocked")));
    let closed = json!({"type": "TEXT_MESSAGE_END", "messageId": "m1"});
    let (_, end) = run(&AG_UI, &frames(&[start, closed]), BlockAs::Auto);
    assert!(end.starts_with("data: {") && end.contains("RUN_ERROR") && !end.contains("TEXT_MESSAGE_END"), "{end}");
    let (_, end) = run(&AG_UI, &frames(&[json!({"type": "RUN_FINISHED"})]), BlockAs::Auto);
    assert_eq!(end, "", "nothing comes after the end");
}

#[test]
fn a_run_of_a_graph_ends_with_error_and_end() {
    let (_, end) = run(&LANGGRAPH, "event: metadata\ndata: {\"run_id\":\"r\"}\n\n", BlockAs::Auto);
    assert!(end.starts_with("event: error\ndata: {") && end.ends_with("event: end\ndata: null\n\n"), "{end}");
    let (_, end) = run(&LANGGRAPH, "event: end\ndata: null\n\n", BlockAs::Auto);
    assert_eq!(end, "");
}

#[test]
fn a_refused_answer_of_adk_is_a_list_of_one_event() {
    let out = ADK.refuse_answer(&refusal(Why::Content, BlockAs::Auto), b"[]", &[], &RequestNotes::default());
    let body: Json = serde_json::from_slice(&out.body).unwrap();
    assert_eq!((out.status.as_u16(), &body[0]["errorCode"], body[0].get("content")), (200, &json!("SAFETY"), None));
    let out = LANGGRAPH.refuse_answer(&refusal(Why::Permission, BlockAs::Auto), b"{}", &[], &RequestNotes::default());
    let body: Json = serde_json::from_slice(&out.body).unwrap();
    assert_eq!(out.status.as_u16(), 403);
    assert!(body["message"].as_str().unwrap().contains("no-cards"));
}

#[test]
fn texts_are_as_many_as_one_likes_and_open_calls_are_not() {
    let text = |n: usize| json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": format!("m{n}"), "delta": "x"});
    let (read, _) = run(&AG_UI, &frames(&(0..1000).map(text).collect::<Vec<_>>()), BlockAs::Auto);
    let ended = read.iter().flatten().flatten().filter(|piece| matches!(piece, Piece::TextEnd(_))).count();
    assert_eq!(ended, 2 * (1000 - 64), "one text for one of the oldest, in both roles");
    let call = |n: usize| json!({"type": "TOOL_CALL_START", "toolCallId": format!("c{n}"), "toolCallName": "f"});
    let (read, _) = run(&AG_UI, &frames(&(0..300).map(call).collect::<Vec<_>>()), BlockAs::Auto);
    assert_eq!(read.iter().filter_map(|read| read.as_ref().err()).next().unwrap().code, Code::TooManyChannels);
    let long = json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m".repeat(1000), "delta": "x"});
    assert!(run(&AG_UI, &frames(&[long]), BlockAs::Auto).0[0].is_err());
}
