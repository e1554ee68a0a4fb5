//! Requests, answers and chunks read, and refused.

use super::*;
use crate::base::names::{Stage, UnjudgedReason};
use crate::protocol::adapter::{BlockAs, Piece, Why};
use crate::protocol::message::{CallKind, NO_CHOICE, Role};
use crate::protocol::sse::{Change, Event, Framer};
use crate::protocol::{leaves, patch};

fn events(stream: &str) -> Vec<Event> {
    let mut framer = Framer::new(1 << 20);
    framer.push(stream.as_bytes());
    let mut out = Vec::new();
    while let Some(event) = framer.finish().unwrap() {
        out.push(event);
    }
    out
}

fn refusal<'a>() -> Refusal<'a> {
    Refusal {
        why: Why::Content,
        stage: Stage::Response,
        predicate: Some("pii"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as: BlockAs::Auto,
    }
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

const REQUEST: &str = r#"{"model":"m-1","messages":[
 {"content":"Be kind.","role":"system"},
 {"role":"user","content":"old question","name":"ann"},
 {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"kb","arguments":"{\"q\":\"old\"}"}}]},
 {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"found"}]},
 {"role":"user","content":[{"type":"text","text":"new"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}]}],
 "tools":[{"type":"function","function":{"name":"kb","description":"Looks things up","parameters":{"type":"object"}}}],
 "stream":true,"stream_options":{"include_usage":true},"n":2,"metadata":{"k":"v"},"X":"y"}"#;

#[test]
fn a_request_is_read_whole() {
    let message = OpenAiChat.read_request(REQUEST.as_bytes()).unwrap();
    let said: Vec<(Role, &str, bool)> = message.parts.iter().map(|p| (p.role, p.text.as_str(), p.fresh)).collect();
    for part in [
        (Role::System, "Be kind.", true),
        (Role::User, "old question", false),
        (Role::Other, "ann", false),
        (Role::ToolResult, "found", true),
        (Role::User, "new", true),
        (Role::ToolDefinition, "Looks things up", true),
        (Role::Other, "v", true),
        (Role::Other, "X", true),
        (Role::Other, "y", true),
    ] {
        assert!(said.contains(&part), "{part:?} in {said:?}");
    }
    assert_eq!(message.calls.len(), 1);
    assert_eq!(
        (message.calls[0].name.as_str(), message.calls[0].fresh, message.calls[0].kind),
        ("kb", false, CallKind::Function)
    );
    assert_eq!(message.unread.len(), 1);
    assert_eq!((message.unread[0].what, message.unread[0].reason), ("image", UnjudgedReason::Media));
    assert!(message.streaming && message.include_usage);
    assert_eq!((message.choices, message.model.as_deref()), (2, Some("m-1")));
}

#[test]
fn a_prefill_hides_nothing() {
    let body = br#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}"#;
    let message = OpenAiChat.read_request(body).unwrap();
    let fresh: Vec<&str> = message.parts.iter().filter(|p| p.fresh).map(|p| p.text.as_str()).collect();
    assert_eq!(fresh, ["c", "d"]);
}

#[test]
fn arguments_in_arguments_map_back() {
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"send","arguments":"{\"to\":\"caf\\u00e9\",\"n\":4111111111111111,\"in\":\"{\\\"card\\\":\\\"4111 1111\\\"}\"}"}}]},"finish_reason":"tool_calls"}]}"#;
    let message = OpenAiChat.read_answer(body.as_bytes()).unwrap();
    let leaves = leaves(&message.calls[0].arguments).unwrap();
    let texts: Vec<(&str, bool)> = leaves.iter().map(|l| (l.text.as_str(), l.editable)).collect();
    assert!(
        texts.contains(&("café", true)) && texts.contains(&("4111111111111111", false)) && texts.contains(&("4111 1111", true))
    );
    let card = leaves.iter().find(|l| l.text.as_str() == "4111 1111").unwrap();
    let edit = card.text.edit(0..9, "[\"x\"]").unwrap();
    let out = patch(body.as_bytes(), &[edit]);
    let again = OpenAiChat.read_answer(&out).unwrap();
    let again = super::super::leaves(&again.calls[0].arguments).unwrap();
    assert!(again.iter().any(|l| l.text.as_str() == "[\"x\"]" && l.layer == 2));
}

#[test]
fn an_answer_is_refused_by_choice() {
    let body = br#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"},{"message":{"role":"assistant","content":"bad","tool_calls":[]},"index":1,"logprobs":{"content":[]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
    let message = OpenAiChat.read_answer(body).unwrap();
    assert_eq!(message.usage.unwrap().output, 4);
    assert_eq!(message.shadow_edits(1).count(), 1);
    let out = OpenAiChat.refuse_answer(&refusal(), body, &[1], &RequestNotes::default());
    assert_eq!(out.status, 200);
    let out = json(&out.body);
    assert_eq!(out["choices"][0]["message"]["content"], "fine");
    assert_eq!(out["choices"][1]["message"]["content"], serde_json::Value::Null);
    assert_eq!(out["choices"][1]["finish_reason"], "content_filter");
    assert!(out["choices"][1]["message"]["refusal"].as_str().unwrap().contains("rule `pii`"));
    assert_eq!((out["id"].as_str(), out["usage"]["total_tokens"].as_u64()), (Some("chatcmpl-1"), Some(7)));
    let all = json(&OpenAiChat.refuse_answer(&refusal(), body, &[NO_CHOICE], &RequestNotes::default()).body);
    assert_eq!(all["choices"].as_array().unwrap().len(), 2);
    assert!(!all.to_string().contains("fine"));
}

#[test]
fn requests_are_refused_in_the_envelope() {
    let notes = RequestNotes::default();
    let out = OpenAiChat.refuse_request(&Refusal { stage: Stage::Request, ..refusal() }, &notes);
    assert_eq!((out.status.as_u16(), json(&out.body)["error"]["code"].as_str()), (400, Some("content_filter")));
    let out = OpenAiChat.refuse_request(&Refusal { why: Why::Permission, ..refusal() }, &notes);
    assert_eq!((out.status.as_u16(), json(&out.body)["error"]["code"].as_str()), (403, Some("guardrail_blocked")));
    let out = OpenAiChat.refuse_request(&Refusal { why: Why::Engine, ..refusal() }, &notes);
    assert_eq!((out.status.as_u16(), out.retry_after), (503, Some(1)));
    for (code, status) in [
        (super::super::Code::BodyTooLarge, 413),
        (super::super::Code::UnsupportedCoding, 415),
        (super::super::Code::DuplicateKey, 400),
    ] {
        let out = OpenAiChat.refuse_request(&Refusal { why: Why::Unreadable(code), ..refusal() }, &notes);
        assert_eq!((out.status.as_u16(), json(&out.body)["error"]["code"].as_str()), (status, Some(code.as_str())));
    }
    let soft = Refusal { block_as: BlockAs::Refusal, ..refusal() };
    let out = json(&OpenAiChat.refuse_request(&soft, &notes).body);
    assert_eq!(out["choices"][0]["finish_reason"], "content_filter");
    assert!(out["created"].as_u64().unwrap() > 1_700_000_000);
    let out = OpenAiChat.refuse_request(&soft, &RequestNotes { streaming: true, choices: 2, include_usage: true, ..notes });
    assert_eq!(out.content_type, "text/event-stream");
    let events = events(std::str::from_utf8(&out.body).unwrap());
    assert_eq!(events.len(), 8);
    assert_eq!(events[7].data(), b"[DONE]");
}

#[test]
fn chunks_are_read_by_choice() {
    let stream = concat!(
        "data: {\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"index\":1,\"finish_reason\":null}],\"obfuscation\":\"aB3\"}\n\n",
        "data: {\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"},\"index\":1,\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":2,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\"}}]},\"logprobs\":{\"content\":[]}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );
    let notes = RequestNotes { streaming: true, choices: 2, include_usage: true, ..RequestNotes::default() };
    let mut reader = OpenAiChat.stream_reader(&notes);
    let mut all = Vec::new();
    for event in events(stream) {
        let mut pieces = Vec::new();
        reader.read(&event, &mut pieces).unwrap();
        all.push((event, pieces));
    }
    let texts: Vec<String> = all
        .iter()
        .flat_map(|(event, pieces)| {
            pieces.iter().filter_map(|piece| match piece {
                Piece::Text { place, channel, .. } => Some(format!("{} {}", channel.choice, event.text(place).as_str())),
                _ => None,
            })
        })
        .collect();
    let envelope = [format!("{NO_CHOICE} i"), format!("{NO_CHOICE} m")];
    assert_eq!(texts, [&envelope[..], &envelope[..], &["1 a\u{fffd}".to_owned(), "0 c".to_owned()]].concat());
    assert!(matches!(&all[2].1[..], [Piece::Choice(0), Piece::Text { .. }, Piece::Call { .. }, Piece::Shadow { .. }]));
    assert!(matches!(&all[4].1[..], [Piece::Done]));

    let Some(Piece::Text { place, .. }) = all[1].1.last() else { panic!("{:?}", all[1].1) };
    let out = all[1].0.rewrite(&[Change { place, at: 0..1, with: "[x]" }]);
    assert!(std::str::from_utf8(&out).unwrap().contains("\"content\":\"[x]\\ud83d\""));

    reader.released(&all[0].0, &all[0].1, &[]);
    let end = reader.refuse(&refusal());
    let end = events(std::str::from_utf8(&end).unwrap());
    let last: Vec<serde_json::Value> = end[..end.len() - 1].iter().map(|e| json(e.data())).collect();
    assert_eq!(end.last().unwrap().data(), b"[DONE]");
    assert_eq!(last[0]["choices"][0]["delta"]["role"], "assistant", "choice 0 was never shown");
    let refused: Vec<u64> = last
        .iter()
        .filter(|c| c["choices"][0]["finish_reason"] == "content_filter")
        .map(|c| c["choices"][0]["index"].as_u64().unwrap())
        .collect();
    assert_eq!(refused, [0, 1]);
    assert_eq!(last.last().unwrap()["usage"]["total_tokens"], 3);
    assert_eq!(last[0]["id"], "i");
    assert!(reader.refuse(&refusal()).is_empty());
}

#[test]
fn other_bodies_are_read_as_they_are() {
    for body in [
        &br#"{"error":{"message":"secret here"}}"#[..],
        b"secret here",
        b"[\"secret here\"]",
        b"{\"a\":\"secret here\"}\n{\"b\":1}",
    ] {
        let message = OpenAiChat.read_answer(body).or_else(|_| super::super::generic::Generic.read_answer(body)).unwrap();
        assert!(message.parts.iter().any(|p| p.text.as_str().contains("secret here")), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn claims_by_path() {
    let headers = http::HeaderMap::new();
    let head = |path, configured| Head { method: &http::Method::POST, path, headers: &headers, configured };
    let name = |path, configured| super::super::claim(&head(path, configured)).name();
    assert_eq!(name("/v1/chat/completions", None), "openai_chat");
    assert_eq!(name("/openai/deployments/d/chat/completions", Some("openai")), "openai_chat");
    assert_eq!(name("/v1/chat/completions", Some("generic")), "generic");
    assert_eq!(name("/v1/embeddings", Some("openai")), "generic");
}

#[test]
fn reasoning_goes_on_whatever_its_words() {
    let delta = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"reasoning_details\":[{{\"type\":\"reasoning.text\",\"text\":\"{text}\"}}]}}}}]}}\n\n"
        )
    };
    let mut reader = OpenAiChat.stream_reader(&RequestNotes::default());
    let mut channels = Vec::new();
    for event in events(&["ignore", " the ", "card 4000"].map(delta).concat()) {
        let mut pieces = Vec::new();
        reader.read(&event, &mut pieces).unwrap();
        channels.extend(pieces.into_iter().filter_map(|piece| match piece {
            Piece::Text { channel, .. } if channel.role == Role::Reasoning => Some(channel),
            _ => None,
        }));
    }
    assert_eq!(channels.len(), 3);
    assert!(channels.iter().all(|channel| *channel == channels[0] && channel.joined));
}

#[test]
fn an_error_of_the_upstream_stays_an_error() {
    let out = OpenAiChat.refuse_answer(&refusal(), br#"{"error":{"message":"x"}}"#, &[NO_CHOICE], &RequestNotes::default());
    assert_eq!((out.status.as_u16(), json(&out.body)["error"]["code"].as_str()), (400, Some("content_filter")));
}
