//! What the golden files do not show: claims, refusals, what is never edited.

use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};

use super::*;
use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Why};
use crate::protocol::claim;
use crate::protocol::frames::{Frames, frame};
use crate::protocol::lines::Cutter;
use crate::protocol::sse::Event;

fn refusal<'a>(why: Why, block_as: BlockAs) -> Refusal<'a> {
    Refusal {
        why,
        stage: Stage::Response,
        predicate: Some("pii"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as,
    }
}

fn body(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap()
}

fn cut(bytes: &[u8]) -> Vec<Event> {
    let mut cutter = Cutter::Frames(Frames::new(1 << 20));
    cutter.push(bytes);
    std::iter::from_fn(|| cutter.finish().unwrap()).collect()
}

/// Kind and payload of every frame.
fn told(bytes: &[u8]) -> Vec<(String, Json)> {
    cut(bytes).iter().map(|event| (event.name().unwrap().to_owned(), serde_json::from_slice(event.data()).unwrap())).collect()
}

#[test]
fn claims_by_path_which_tells_model_and_stream() {
    let headers = HeaderMap::new();
    let head = |path, configured| Head { method: &Method::POST, path, headers: &headers, configured };
    for path in ["/model/anthropic.claude-v9%3A0/converse", "/model/m/converse-stream"] {
        assert_eq!(claim(&head(path, None)).name(), "bedrock", "{path}");
        assert_eq!(claim(&head(path, Some("bedrock"))).name(), "bedrock", "{path}");
        assert_eq!(claim(&head(path, Some("generic"))).name(), "generic", "{path}");
    }
    assert_eq!(claim(&head("/model/m/invoke", None)).name(), "generic");
    let notes = Bedrock.head_notes(&head("/model/m/converse-stream", None));
    assert_eq!((notes.model.as_deref(), notes.streaming), (Some("m"), true));
    assert!(!Bedrock.head_notes(&head("/model/m/converse", None)).streaming);
}

#[test]
fn words_are_sorted() {
    assert!(read::WORDS.is_sorted());
}

#[test]
fn nothing_may_be_edited() {
    assert!(Bedrock.read_request(br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#).unwrap().fixed);
    assert!(Bedrock.read_answer(br#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}}}"#).unwrap().fixed);
}

#[test]
fn a_request_that_is_no_json_is_the_text_it_is() {
    let broken = br#"{"messages":[{"role":"user","content":[{"text":"4111 1111 1111 1111"}]}]"#;
    let read = Bedrock.read_request(broken).unwrap();
    assert!(read.fixed && read.parts.iter().any(|part| part.text.as_str().contains("4111 1111 1111 1111")));
    // Not where a lenient reader would read other words than we do.
    for unclear in [&br#"{"messages":[{"role":"user","content":[{"text":"\u0034111"}]}]"#[..], br#"{"a":1,"a":2}"#] {
        assert!(Bedrock.read_request(unclear).is_err());
    }
}

#[test]
fn a_refused_request_is_an_error_that_names_itself_in_the_body() {
    for (why, status, name) in [
        (Why::Content, 400, "ValidationException"),
        (Why::Permission, 403, "AccessDeniedException"),
        (Why::Engine, 503, "ServiceUnavailableException"),
    ] {
        let out = Bedrock.refuse_request(&refusal(why, BlockAs::Auto), &RequestNotes::default());
        let body = body(&out);
        assert_eq!((out.status.as_u16(), &body["code"], &body["__type"]), (status, &json!(name), &json!(name)));
        assert!(body["message"].as_str().unwrap().contains("pii"));
    }
    let soft = Bedrock.refuse_request(&refusal(Why::Content, BlockAs::Refusal), &RequestNotes::default());
    assert_eq!((soft.status.as_u16(), &body(&soft)["stopReason"]), (200, &json!("guardrail_intervened")));
    let notes = RequestNotes { streaming: true, ..RequestNotes::default() };
    let soft = Bedrock.refuse_request(&refusal(Why::Content, BlockAs::Refusal), &notes);
    assert_eq!(soft.content_type, "application/vnd.amazon.eventstream");
    assert_eq!(told(&soft.body).first().unwrap().0, "messageStart");
}

#[test]
fn a_refused_answer_is_a_message_of_the_guardrail() {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "bad"}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}}).to_string();
    let out =
        body(&Bedrock.refuse_answer(&refusal(Why::Content, BlockAs::Auto), answer.as_bytes(), &[], &RequestNotes::default()));
    assert_eq!((&out["stopReason"], &out["usage"]["totalTokens"]), (&json!("guardrail_intervened"), &json!(14)));
    assert!(!out.to_string().contains("bad"));
    let none =
        Bedrock.refuse_answer(&refusal(Why::Content, BlockAs::Auto), b"{\"message\":\"x\"}", &[], &RequestNotes::default());
    assert_eq!(none.status.as_u16(), 400);
}

#[test]
fn a_stream_ends_with_the_reason_as_a_block_of_its_own() {
    let given = [
        frame(false, "messageStart", r#"{"role":"assistant"}"#),
        frame(false, "contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Hel"}}"#),
    ];
    let end = |block_as| {
        let mut reader = frame_reader();
        for event in given.iter().flat_map(|frame| cut(frame)) {
            let mut pieces = Vec::new();
            reader.read(&event, &mut pieces).unwrap();
            reader.released(&event, &pieces, &[]);
        }
        told(&reader.refuse(&refusal(Why::Content, block_as)))
    };
    let soft = end(BlockAs::Auto);
    let kinds: Vec<&str> = soft.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["contentBlockStop", "contentBlockDelta", "contentBlockStop", "messageStop"]);
    assert_eq!((&soft[0].1["contentBlockIndex"], &soft[1].1["contentBlockIndex"]), (&json!(0), &json!(1)));
    assert_eq!(soft[3].1["stopReason"], "guardrail_intervened");
    let strict = end(BlockAs::Error);
    assert_eq!((strict.len(), strict[0].0.as_str()), (1, "validationException"));
}
