//! The layer around a scripted service: what the agent gets, what the client gets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;
use servanda::base::names::{Lane, Mode};
use servanda::guard::{GuardLayer, Route};
use servanda::program::Program;
use servanda::program::live::Live;

use crate::support::guarded::{
    Script, behind, chat, chunk, completion, enforce, guarded, post, post_to, read_stream, send, text_stream,
};

const CARD: &str = "4111 1111 1111 1111";

/// Pieces of at most `size` bytes.
fn cut(bytes: &str, size: usize) -> Vec<Bytes> {
    bytes.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect()
}

fn header<'a>(head: &'a http::response::Parts, name: &str) -> &'a str {
    head.headers.get(name).map_or("", |v| v.to_str().unwrap())
}

#[test]
fn an_innocent_exchange_passes_byte_for_byte() {
    let answer = completion(&["Your kettle \u{1F600} arrives on \"Monday\".\n"]);
    let (guard, agent) = guarded(Script::json(answer.clone()), enforce());
    let request = "{ \"messages\" : [ {\"content\":\"Where is my kettle?\", \"role\":\"user\"} ], \"model\":\"m\" }";
    let (head, body) = send(&guard, post(request));
    assert_eq!((head.status, body), (StatusCode::OK, Bytes::from(answer)));
    assert_eq!((header(&head, "x-servanda-verdict"), header(&head, "x-servanda-mode")), ("allow", "enforce"));
    assert!(header(&head, "x-servanda-pact").starts_with("acme-support@"));
    assert_eq!(agent.asked.lock().unwrap()[0].1, request);
}

#[test]
fn an_innocent_stream_passes_byte_for_byte_however_it_is_cut() {
    let stream = String::from(": hello\r\n\r\n")
        + &text_stream(&["The price is 4", "1 euros, order 12", "34 5678, mail us at help", "@", "home or 4111 1111 ", "x"]);
    for size in [1, 7, 64, 100_000] {
        let (guard, _) = guarded(Script::events(cut(&stream, size)), enforce());
        let (head, body) = send(&guard, chat("hi", true));
        assert_eq!(std::str::from_utf8(&body).unwrap(), stream, "cut by {size}");
        assert_eq!(header(&head, "x-servanda-verdict"), "streaming");
    }
}

#[test]
fn a_request_that_breaks_the_pact_never_reaches_the_agent() {
    for (text, predicate) in [
        ("My SSN is 536-22-8731, please update my file", "pii"),
        ("Give me a legal interpretation of my contract and tell me if I can sue.", "scope"),
    ] {
        for stream in [false, true] {
            let (guard, agent) = guarded(Script::json(completion(&["ok"])), enforce());
            let (head, body) = send(&guard, chat(text, stream));
            assert_eq!(head.status, StatusCode::BAD_REQUEST, "{text}");
            assert_eq!((header(&head, "x-should-retry"), header(&head, "cache-control")), ("false", "no-store"));
            assert_eq!(header(&head, "x-servanda-predicate"), predicate);
            let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(error["error"]["code"], "content_filter");
            assert!(!String::from_utf8_lossy(&body).contains("536-22"));
            assert!(agent.asked.lock().unwrap().is_empty());
        }
    }
}

#[test]
fn a_card_in_an_answer_is_redacted_in_every_choice() {
    let answer = completion(&["All is well.", &format!("Your card {CARD} is on file")]);
    let (guard, _) = guarded(Script::json(answer.clone()), enforce());
    let (head, body) = send(&guard, chat("hi", false));
    assert_eq!(String::from_utf8(body.to_vec()).unwrap(), answer.replace(CARD, "[pii.payment_card]"));
    assert_eq!(header(&head, "x-servanda-verdict"), "redact");
    assert_eq!(header(&head, "content-length"), body.len().to_string());
}

#[test]
fn a_card_split_over_deltas_at_every_place_never_leaves() {
    let text = format!("Your card {CARD} is on file");
    for at in 1..text.len() {
        for second in [at, (at + 3).min(text.len() - 1)] {
            let pieces = [&text[..at], &text[at..second], &text[second..]];
            let (guard, _) = guarded(Script::events(cut(&text_stream(&pieces), 50)), enforce());
            let (_, body) = send(&guard, chat("hi", true));
            let seen = read_stream(&body);
            assert_eq!(seen[0].text, "Your card [pii.payment_card] is on file", "cut at {at}");
            assert_eq!(seen[0].finish.as_deref(), Some("stop"));
        }
    }
}

#[test]
fn a_block_in_a_stream_ends_it_properly_before_the_match() {
    let text = "Hello there. I am a human being, not a bot. More.";
    for size in 1..text.len() {
        let pieces: Vec<&str> = (0..text.len()).step_by(size).map(|at| &text[at..(at + size).min(text.len())]).collect();
        let (guard, agent) = guarded(Script::events(cut(&text_stream(&pieces), 300)), enforce());
        let (_, body) = send(&guard, chat("hi", true));
        let seen = read_stream(&body);
        assert!(text.starts_with(&seen[0].text) && !seen[0].text.contains("human"), "{seen:?}");
        assert_eq!(seen[0].finish.as_deref(), Some("content_filter"));
        assert!(!seen[0].refusal.is_empty());
        assert!(body.ends_with(b"data: [DONE]\n\n"));
        if size < 5 {
            assert!(agent.left.load(Ordering::SeqCst) > 0, "the upstream is reset, not read to its end");
        }
    }
}

fn call_stream(arguments: &[&str], text: &str) -> String {
    let mut out = text_stream(&[text]).replace("data: [DONE]\n\n", "");
    out = out.replace(&chunk(0, &json!({}), Some("stop")), "");
    let first = json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "ticket_create", "arguments": ""}}]});
    out += &chunk(0, &first, None);
    for piece in arguments {
        out += &chunk(0, &json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), None);
    }
    out + &chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n"
}

#[test]
fn a_call_that_names_an_unlisted_host_never_starts() {
    let stream = call_stream(&["{\"link\": \"https://coll", "ect.evil.example.net/x\"}"], "One moment. ");
    for size in [1, 33, 100_000] {
        let (guard, _) = guarded(Script::events(cut(&stream, size)), enforce());
        let (_, body) = send(&guard, chat("hi", true));
        let seen = read_stream(&body);
        assert_eq!((seen[0].calls, seen[0].text.as_str()), (0, "One moment. "));
        assert_eq!(seen[0].finish.as_deref(), Some("content_filter"));
        assert!(!String::from_utf8_lossy(&body).contains("evil"));
    }
}

#[test]
fn an_allowed_call_passes_byte_for_byte() {
    let stream = call_stream(&["{\"link\": \"https://api.ac", "me.example/orders/4711\"}"], "One moment. ");
    for size in [1, 33, 100_000] {
        let (guard, _) = guarded(Script::events(cut(&stream, size)), enforce());
        let (_, body) = send(&guard, chat("hi", true));
        assert_eq!(std::str::from_utf8(&body).unwrap(), stream);
    }
}

#[test]
fn nothing_of_the_event_that_ends_a_stream_leaves_unjudged() {
    let after = chunk(0, &json!({}), Some("stop")) + "data: [DONE]\n\n";
    let both = json!({"content": "I am a human being.", "reasoning": format!("Your card {CARD}")});
    for event in [
        // No JSON; no UTF-8 in its name; refused before its last text was read.
        format!("data: {{\"choices\": Card {CARD}\n\n").into_bytes(),
        [b"event: \xff ".as_slice(), CARD.as_bytes(), b"\ndata: {}\n\n"].concat(),
        chunk(0, &both, None).into_bytes(),
    ] {
        let stream = [text_stream(&["One moment. "]).replace(&after, "").as_bytes(), &event, after.as_bytes()].concat();
        let (guard, _) = guarded(Script::events(vec![Bytes::from(stream)]), enforce());
        let (_, body) = send(&guard, chat("hi", true));
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("4111") && body.contains("content_filter"), "{body}");
    }
}

#[test]
fn one_refused_call_takes_the_others_of_its_turn_along() {
    let call = |index: usize, arguments: &str| {
        chunk(
            0,
            &json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "type": "function", "function": {"name": "ticket_create", "arguments": arguments}}]}),
            None,
        )
    };
    let stream = call(0, "{}")
        + &call(1, "{\"link\": \"https://collect.evil.example.net/x\"}")
        + &chunk(0, &json!({}), Some("tool_calls"))
        + "data: [DONE]\n\n";
    let (guard, _) = guarded(Script::events(cut(&stream, 100)), enforce());
    let (_, body) = send(&guard, chat("hi", true));
    assert_eq!(read_stream(&body)[0].calls, 0);
}

#[test]
fn half_a_call_never_leaves() {
    let stream = call_stream(&["{\"link\": "], "One moment. ");
    let stream = &stream[..stream.find("\"finish_reason\":\"tool_calls\"").unwrap()];
    let stream = &stream[..stream.rfind("data: ").unwrap()];
    let (guard, _) = guarded(Script::events(cut(stream, 40)), enforce());
    let (_, body) = send(&guard, chat("hi", true));
    let seen = read_stream(&body);
    assert_eq!((seen[0].calls, seen[0].finish.as_deref()), (0, Some("content_filter")));
}

#[test]
fn the_second_choice_is_guarded_too() {
    let mut stream = String::new();
    for piece in ["Your card ", "4111 1111 ", "1111 1111", " is fine"] {
        stream += &chunk(0, &json!({"content": "fine "}), None);
        stream += &chunk(1, &json!({"content": piece}), None);
    }
    stream += &chunk(0, &json!({}), Some("stop"));
    stream += &chunk(1, &json!({}), Some("stop"));
    stream += "data: [DONE]\n\n";
    let (guard, _) = guarded(Script::events(cut(&stream, 70)), enforce());
    let (_, body) = send(&guard, chat("hi", true));
    let seen = read_stream(&body);
    assert_eq!(seen[0].text, "fine fine fine fine ");
    assert_eq!(seen[1].text, "Your card [pii.payment_card] is fine");
}

#[test]
fn watching_changes_nothing_and_says_nothing() {
    let stream = text_stream(&["Your card 4111 1111", " 1111 1111 is on file"]);
    for mode in [Mode::Observe, Mode::Flag] {
        let (guard, agent) = guarded(Script::events(cut(&stream, 40)), Route { mode, ..enforce() });
        let (head, body) = send(&guard, chat("My SSN is 536-22-8731", true));
        assert_eq!(std::str::from_utf8(&body).unwrap(), stream);
        assert_eq!(agent.asked.lock().unwrap().len(), 1);
        let marked = head.headers.keys().any(|name| name.as_str().starts_with("x-servanda-"));
        assert_eq!(marked, mode == Mode::Flag);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_a_code() {
    let deep = format!("{{\"messages\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for (body, status, code) in [
        ("{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}".to_owned(), 400, "duplicate_key"),
        ("{\"model\":\"m\",\"messages\":[{".to_owned(), 400, "truncated"),
        (deep, 400, "too_deep"),
    ] {
        let (guard, agent) = guarded(Script::json(completion(&["ok"])), enforce());
        let (head, answer) = send(&guard, post(body));
        let error: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((head.status.as_u16(), error["error"]["code"].as_str().unwrap()), (status, code));
        assert!(agent.asked.lock().unwrap().is_empty());
    }
    let (guard, agent) = guarded(Script::json(completion(&["ok"])), Route { body_max: 10, ..enforce() });
    let (head, _) = send(&guard, chat("hi", false));
    assert_eq!(head.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(agent.asked.lock().unwrap().is_empty());
}

#[test]
fn a_body_under_a_coding_is_judged_as_if_it_were_plain() {
    let answer = completion(&[&format!("Your card {CARD} is on file")]);
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let coded = crate::support::coded::encode(coding, answer.as_bytes());
        let mut script = Script::json(coded);
        script.headers.push(("content-encoding", coding.into()));
        let (guard, _) = guarded(script, enforce());
        let (head, body) = send(&guard, chat("hi", false));
        assert_eq!(String::from_utf8(body.to_vec()).unwrap(), answer.replace(CARD, "[pii.payment_card]"), "{coding}");
        assert!(!head.headers.contains_key("content-encoding"));

        let clean = crate::support::coded::encode(coding, completion(&["fine"]).as_bytes());
        let mut script = Script::json(clean.clone());
        script.headers.push(("content-encoding", coding.into()));
        let (guard, _) = guarded(script, enforce());
        let (head, body) = send(&guard, chat("hi", false));
        assert_eq!((body.as_ref(), header(&head, "content-encoding")), (clean.as_slice(), coding), "original bytes go on");

        let (guard, agent) = guarded(Script::json(completion(&["ok"])), enforce());
        let plain = json!({"model": "m", "messages": [{"role": "user", "content": "My SSN is 536-22-8731"}]}).to_string();
        let mut request = post(crate::support::coded::encode(coding, plain.as_bytes()));
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        assert_eq!(send(&guard, request).0.status, StatusCode::BAD_REQUEST);
        assert!(agent.asked.lock().unwrap().is_empty());
    }
    for coding in ["compress", "gzip, br"] {
        let (guard, _) = guarded(Script::json(completion(&["ok"])), enforce());
        let mut request = chat("hi", false);
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        assert_eq!(send(&guard, request).0.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[test]
fn an_event_with_more_texts_than_channels_passes_byte_for_byte() {
    let items: Vec<_> = (0..600).map(|n| json!({"title": format!("item {n}"), "note": format!("note {n}")})).collect();
    let stream = format!("data: {}\n\ndata: {{\"end\":true}}\n\n", json!({"type": "listed", "items": items}));
    let ask = |stream: &str| {
        let (guard, _) = guarded(Script::events(cut(stream, 700)), enforce());
        let request = http::Request::post("/list").header("content-type", "application/json").body("{}".into()).unwrap();
        String::from_utf8(send(&guard, request).1.to_vec()).unwrap()
    };
    assert_eq!(ask(&stream), stream);
    assert_eq!(ask(&stream.replace("note 599", CARD)), stream.replace("note 599", "[pii.payment_card]"));
}

#[test]
fn text_in_wide_units_is_judged_whatever_says_so() {
    let units = |text: &str, size: usize, little: bool| -> Vec<u8> {
        let codes: Vec<u32> =
            if size == 2 { text.encode_utf16().map(u32::from).collect() } else { text.chars().map(u32::from).collect() };
        let bytes =
            |code: u32| if little { code.to_le_bytes()[..size].to_vec() } else { code.to_be_bytes()[4 - size..].to_vec() };
        codes.into_iter().flat_map(bytes).collect()
    };
    let json = |text: &str| json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let said = ["My SSN is 536-22-8731, thanks", "Where is my order, please?"];
    for (size, little, name) in [(2, true, "utf-16le"), (2, false, "utf-16be"), (4, true, "utf-32le"), (4, false, "utf-32be")] {
        for (path, base, texts) in [
            ("/v1/chat/completions", "application/json", said.map(json)),
            ("/other", "application/json", said.map(json)),
            ("/other", "text/plain", said.map(str::to_owned)),
        ] {
            let mark = units("\u{feff}", size, little);
            let declared = format!("{base}; charset={name}");
            // By its type, by its mark, and JSON by its first bytes.
            let mut ways = vec![(declared, vec![]), (base.to_owned(), mark)];
            if base == "application/json" {
                ways.push((base.to_owned(), vec![]));
            }
            for (content_type, mark) in ways {
                for (text, blocked) in texts.iter().zip([true, false]) {
                    let body = [mark.clone(), units(text, size, little)].concat();
                    let mut script = Script::json(body.clone());
                    script.headers[0].1.clone_from(&content_type);
                    let (guard, agent) = guarded(script, enforce());
                    let ask = |body: &[u8]| {
                        let request = http::Request::post(path).header("content-type", content_type.as_str());
                        send(&guard, request.body(http_body_util::Full::from(body.to_vec())).unwrap())
                    };
                    let what = format!("{name} at {path} as {content_type}, marked: {}", !mark.is_empty());
                    let (head, answer) = ask(&body);
                    assert_eq!(head.status == StatusCode::BAD_REQUEST, blocked, "{what}: {head:?}");
                    assert_eq!(agent.asked.lock().unwrap().len(), usize::from(!blocked), "{what}");
                    if !blocked {
                        assert_eq!((&answer[..], &agent.asked.lock().unwrap()[0].1[..]), (&body[..], &body[..]), "{what}");
                    }
                    // The same as an answer: it cannot be edited, so what must not be said is refused.
                    let (_, answer) = ask(&units("{}", size, little));
                    assert_eq!(answer == body, !blocked, "{what}, answered: {}", String::from_utf8_lossy(&answer));
                }
            }
        }
    }
}

#[test]
fn a_body_of_nothing_is_no_broken_one() {
    for body in ["", " \n"] {
        let (guard, agent) = guarded(Script::json(body), enforce());
        let (head, answer) = send(&guard, post(body));
        assert_eq!((head.status, answer), (StatusCode::OK, Bytes::from(body)));
        assert_eq!(agent.asked.lock().unwrap().len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The same bytes, cut in any way, give the client the same text.
    #[test]
    fn the_cuts_of_a_stream_do_not_show(
        cuts in prop::collection::vec(1usize..60, 1..40),
        words in prop::collection::vec(prop::sample::select(&["4111 ", "1111 ", "1111 1111", "hello ", "jo@ex.com ", "a", "\u{1F600}", "\"", " I am a human being"]), 1..30),
    ) {
        let stream = text_stream(&words);
        let mut pieces = Vec::new();
        let (mut rest, mut at) = (stream.as_bytes(), 0);
        while !rest.is_empty() {
            let size = cuts[at % cuts.len()].min(rest.len());
            pieces.push(Bytes::copy_from_slice(&rest[..size]));
            rest = &rest[size..];
            at += 1;
        }
        let whole = send(&guarded(Script::events(vec![Bytes::from(stream)]), enforce()).0, chat("hi", true)).1;
        let parts = send(&guarded(Script::events(pieces), enforce()).0, chat("hi", true)).1;
        prop_assert_eq!(read_stream(&whole), read_stream(&parts));
    }
}

#[test]
fn what_is_sent_to_a_tool_beside_any_call_is_judged_as_a_call() {
    const PACT: &str = "\
format: 1
pact: tools
version: '1.0.0'
subject: {agent: 'did:web:vendor.example:agents:first', counterparty: 'did:web:customer.example'}
predicates:
  - {id: numbers, dimension: safety, severity: major, at: call, check: {match: [pii.us_ssn]}, act: block}
  - {id: cards, dimension: safety, severity: major, at: call, check: {match: [pii.payment_card]}, act: redact}
  - {id: reading, dimension: safety, severity: major, at: call, check: {require: 'tool.effect == \"read\"'}, act: block}
evidence:
  sources: {guard: interaction/1}
penalty:
  major: {score: -10, notify: [counterparty]}
renewal: {effective: 2026-01-01, expires: 2036-01-01, counters_on_extension: reset}
";
    let program = Arc::new(Program::compile_text(PACT).unwrap());
    let layer =
        GuardLayer::builder(Live::new(program)).without_evidence().route(Route { lane: Lane::Tools, ..enforce() }).build();
    for (note, status, passes) in [
        ("the kettle is back", StatusCode::OK, Some("the kettle is back")),
        ("paid with 4111 1111 1111 1111", StatusCode::OK, Some("paid with [pii.payment_card]")),
        ("my SSN is 536-22-8731", StatusCode::BAD_REQUEST, None),
    ] {
        let (guard, agent) = behind(&layer, Script::json("{}"));
        let (head, body) = send(&guard, post_to("/notes", json!({"note": note}).to_string()));
        assert_eq!(head.status, status, "{note}: {}", String::from_utf8_lossy(&body));
        let asked = agent.asked.lock().unwrap();
        assert_eq!(
            asked.first().map(|(_, body)| body.clone()),
            passes.map(|note| json!({"note": note}).to_string().into()),
            "{note}"
        );
    }
}
