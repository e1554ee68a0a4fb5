//! The protocols that agents speak with each other and with front ends, through the layer: what a client gets
//! when something is redacted, refused or allowed.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use servanda::base::names::Lane;
use servanda::evidence::Log;
use servanda::guard::Route;
use servanda::guard::route::{Uninspected, Unread};

use crate::support::guarded::{Script, enforce, guarded, recorded, send};
use crate::support::written::written;

const CARD: &str = "4111 1111 1111 1111";
const SAFE: &str = "Your card [pii.payment_card] is on file";
const SSN: &str = "my SSN is 536-22-8731";
const HUMAN: [&str; 2] = ["Hello. I am a hu", "man being, not a bot."];

/// One protocol: where it is spoken, and how a text, a stream of pieces and a request look in it.
struct Spoken {
    path: &'static str,
    asks: fn(&str) -> Value,
    streams: fn(&[&str]) -> String,
    /// The text that a client puts together from a stream.
    reads: fn(&[Value]) -> String,
    /// Whether a stream has ended with a refusal as its clients expect it.
    refuses: fn(&str, &[Value]) -> bool,
}

fn rpc(result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "result": result})
}

fn frames(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// What stands at a pointer of each event, joined.
fn joined(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

fn a2a_ask(method: &str, text: &str) -> Value {
    let message = json!({"messageId": "m-1", "contextId": "ctx-7", "role": "ROLE_USER", "parts": [{"text": text}]});
    json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": {"message": message}})
}

fn a2a_stream(pieces: &[&str]) -> String {
    let at = json!({"taskId": "t-1", "contextId": "ctx-7"});
    let mut events = vec![rpc(json!({"task": {"id": "t-1", "contextId": "ctx-7", "status": {"state": "TASK_STATE_WORKING"}}}))];
    for (number, piece) in pieces.iter().enumerate() {
        let mut update = at.clone();
        update["artifact"] = json!({"artifactId": "a", "parts": [{"text": piece}]});
        update["append"] = (number > 0).into();
        events.push(rpc(json!({"artifactUpdate": update})));
    }
    let mut last = at;
    last["status"] = json!({"state": "TASK_STATE_COMPLETED"});
    events.push(rpc(json!({"statusUpdate": last})));
    frames(&events)
}

fn old_stream(pieces: &[&str]) -> String {
    let mut events = vec![rpc(json!({"kind": "task", "id": "t-1", "contextId": "ctx-7", "status": {"state": "working"}}))];
    events.extend(pieces.iter().enumerate().map(|(number, piece)| {
        let artifact = json!({"artifactId": "a", "parts": [{"kind": "text", "text": piece}]});
        rpc(json!({"kind": "artifact-update", "taskId": "t-1", "contextId": "ctx-7", "append": number > 0, "artifact": artifact}))
    }));
    events.push(rpc(
        json!({"kind": "status-update", "taskId": "t-1", "contextId": "ctx-7", "status": {"state": "completed"}, "final": true}),
    ));
    frames(&events)
}

fn ag_ui_stream(pieces: &[&str]) -> String {
    let mut events = vec![
        json!({"type": "RUN_STARTED", "threadId": "th", "runId": "r"}),
        json!({"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"}),
    ];
    events.extend(pieces.iter().map(|piece| json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": piece})));
    events.push(json!({"type": "TEXT_MESSAGE_END", "messageId": "m1"}));
    events.push(json!({"type": "RUN_FINISHED", "threadId": "th", "runId": "r"}));
    frames(&events)
}

fn graph_stream(pieces: &[&str]) -> String {
    let chunk = |piece: &&str| {
        let message = json!({"type": "AIMessageChunk", "id": "m1", "content": piece});
        format!("event: messages\ndata: {}\n\n", json!([message, {"langgraph_node": "agent"}]))
    };
    let said: String = pieces.iter().map(chunk).collect();
    format!("event: metadata\ndata: {{\"run_id\":\"r1\"}}\n\n{said}event: end\ndata: null\n\n")
}

fn adk_stream(pieces: &[&str]) -> String {
    let event = |text: &str, partial: bool| json!({"content": {"role": "model", "parts": [{"text": text}]}, "partial": partial, "author": "desk"});
    frames(&pieces.iter().map(|piece| event(piece, true)).collect::<Vec<_>>())
}

fn turns(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

const ALL: &[Spoken] = &[
    Spoken {
        path: "/agui",
        asks: |text| json!({"threadId": "th", "runId": "r", "messages": turns(text), "tools": []}),
        streams: ag_ui_stream,
        reads: |events| joined(events, "/delta"),
        refuses: |_, events| {
            let [.., open, last] = events else { return false };
            open["type"] == "TEXT_MESSAGE_END" && last["type"] == "RUN_ERROR" && last["code"] == "guardrail_blocked"
        },
    },
    Spoken {
        path: "/threads/t-1/runs/stream",
        asks: |text| json!({"assistant_id": "a", "input": {"messages": turns(text)}, "stream_mode": "messages-tuple"}),
        streams: graph_stream,
        reads: |events| joined(events, "/0/content"),
        refuses: |got, events| {
            got.ends_with("event: end\ndata: null\n\n") && events[events.len() - 2]["error"] == "GuardrailBlocked"
        },
    },
    Spoken {
        path: "/run_sse",
        asks: |text| json!({"appName": "desk", "userId": "u", "sessionId": "s", "newMessage": {"role": "user", "parts": [{"text": text}]}}),
        streams: adk_stream,
        reads: |events| joined(events, "/content/parts/0/text"),
        refuses: |_, events| events[events.len() - 1]["errorCode"] == "SAFETY",
    },
    Spoken {
        path: "/a2a",
        asks: |text| a2a_ask("SendStreamingMessage", text),
        streams: a2a_stream,
        reads: |events| joined(events, "/result/artifactUpdate/artifact/parts/0/text"),
        refuses: |_, events| {
            let update = &events[events.len() - 1]["result"]["statusUpdate"];
            update["status"]["state"] == "TASK_STATE_REJECTED" && update["taskId"] == "t-1"
        },
    },
    Spoken {
        path: "/a2a",
        asks: |text| a2a_ask("message/stream", text),
        streams: old_stream,
        reads: |events| joined(events, "/result/artifact/parts/0/text"),
        refuses: |_, events| {
            let update = &events[events.len() - 1]["result"];
            update["status"]["state"] == "rejected" && update["final"] == true
        },
    },
];

/// A stream through the guard, as what the client reads.
fn through(spoken: &Spoken, stream: &str, size: usize) -> String {
    let pieces = stream.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
    let (guard, _) = guarded(Script::events(pieces), enforce());
    let (head, body) = send(&guard, ask(spoken.path, &(spoken.asks)("hi")));
    assert_eq!(head.status, StatusCode::OK);
    String::from_utf8(body.to_vec()).unwrap()
}

fn ask(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path).header("content-type", "application/json").body(Full::from(body.to_string())).unwrap()
}

/// The data of every event that is JSON.
fn data(stream: &str) -> Vec<Value> {
    stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[test]
fn an_innocent_stream_passes_byte_for_byte() {
    for spoken in ALL {
        let stream = (spoken.streams)(&["Hel", "lo ", "there"]);
        for size in [1, 7, 10_000] {
            assert_eq!(through(spoken, &stream, size), stream, "{}", spoken.path);
        }
    }
}

#[test]
fn a_card_split_anywhere_never_leaves() {
    let said = format!("Your card {CARD} is on file");
    for spoken in ALL {
        for at in 1..said.len() {
            let stream = (spoken.streams)(&[&said[..at], &said[at..]]);
            let got = through(spoken, &stream, 70);
            assert_eq!((spoken.reads)(&data(&got)), SAFE, "{} cut at {at}: {got}", spoken.path);
        }
    }
}

#[test]
fn a_promise_broken_in_text_ends_the_stream_before_it() {
    for spoken in ALL {
        let got = through(spoken, &(spoken.streams)(&HUMAN), 50);
        let events = data(&got);
        let read = (spoken.reads)(&events);
        assert!(HUMAN.concat().starts_with(&read) && !read.contains("human"), "{}: {got}", spoken.path);
        assert!((spoken.refuses)(&got, &events), "{}: {got}", spoken.path);
    }
}

#[test]
fn a_refused_request_never_reaches_the_agent() {
    for spoken in ALL {
        let (guard, agent) = guarded(Script::json("{}"), enforce());
        let (head, body) = send(&guard, ask(spoken.path, &(spoken.asks)(SSN)));
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(agent.asked.lock().unwrap().is_empty(), "{}", spoken.path);
        assert!(!body.contains("8731") && body.contains("rule"), "{}: {body}", spoken.path);
        assert_eq!(head.headers["x-servanda-verdict"], "block");
        assert_eq!(head.headers["x-should-retry"], "false");
    }
}

mod a2a {
    use super::*;

    #[test]
    fn whole_answers_in_both_bindings() {
        let task = |text: &str| json!({"task": {"id": "t-1", "contextId": "ctx-7", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [{"artifactId": "a", "parts": [{"text": text}]}]}});
        let rest = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}});
        for (path, request, pointer) in [("/a2a", a2a_ask("SendMessage", "hi"), "/result"), ("/message:send", rest, "")] {
            let through = |said: &str| {
                let answer = if pointer.is_empty() { task(said) } else { rpc(task(said)) };
                let (guard, _) = guarded(Script::json(answer.to_string()), enforce());
                let (head, body) = send(&guard, ask(path, &request));
                assert_eq!(head.status, StatusCode::OK);
                (answer, serde_json::from_slice::<Value>(&body).unwrap())
            };
            let (sent, got) = through("All is well.");
            assert_eq!(sent, got);
            let (_, got) = through(&format!("Your card {CARD} is on file"));
            assert_eq!(got.pointer(&format!("{pointer}/task/artifacts/0/parts/0/text")).unwrap(), SAFE);
            let (_, got) = through(&HUMAN.concat());
            let task = got.pointer(&format!("{pointer}/task")).unwrap();
            assert_eq!(
                (&task["id"], &task["contextId"], &task["status"]["state"]),
                (&json!("t-1"), &json!("ctx-7"), &json!("TASK_STATE_REJECTED"))
            );
            assert!(!got.to_string().contains("human being"));
        }
    }

    #[test]
    fn a_signed_card_passes_as_it_is() {
        let card = json!({"name": "Desk", "description": "Books berths", "capabilities": {}, "skills": [{"id": "a", "name": "Berths", "description": "Finds one"}], "signatures": [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "c2ln"}]}).to_string();
        let (guard, _) = guarded(Script::json(card.clone()), enforce());
        let request = Request::get("/.well-known/agent-card.json").body(Full::default()).unwrap();
        let (head, body) = send(&guard, request);
        assert_eq!((head.status, body.as_ref()), (StatusCode::OK, card.as_bytes()));
    }

    /// The sessions of the records that two requests leave.
    fn sessions(route: Route, contexts: [Value; 2]) -> Vec<Value> {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let answer = rpc(json!({"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "fine"}]}}));
        let guard = recorded(Script::json(answer.to_string()), route, &log);
        for context in contexts {
            let mut body = a2a_ask("SendMessage", "hi");
            body["params"]["message"]["contextId"] = context;
            send(&guard, ask("/a2a", &body));
        }
        log.close().unwrap();
        written(dir.path()).into_iter().filter(|r| r["kind"] == "exchange").map(|r| r["session"].clone()).collect()
    }

    #[test]
    fn a_context_is_a_session() {
        for lane in [Lane::Inbound, Lane::Tools] {
            let route = Route { lane, ..enforce() };
            let same = sessions(route.clone(), [json!("c-1"), json!("c-1")]);
            assert!(same[0].is_string() && same[0] == same[1], "{same:?}");
            assert!(!same[0].as_str().unwrap().contains("c-1"), "a record holds no key: {same:?}");
            let other = sessions(route, [json!("c-1"), json!("c-2")]);
            assert_ne!(other[0], other[1]);
        }
    }

    #[test]
    fn the_session_goes_on_to_the_agent() {
        let (guard, agent) = guarded(Script::json("{}"), enforce());
        send(&guard, ask("/a2a", &a2a_ask("SendMessage", "hi")));
        assert_eq!(agent.asked.lock().unwrap()[0].0["x-servanda-session"], "a2a:ctx-7");
    }
}

mod ag_ui {
    use super::*;

    const GOOD: &str = r#"{"q":"returns policy"}"#;
    const BAD: &str = r#"{"q":"returns","url":"https://collector.evil.example/drop?id=7"}"#;

    fn call(id: &str, arguments: &str) -> Vec<Value> {
        let mut out = vec![json!({"type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": "kb_search"})];
        out.extend(
            arguments
                .as_bytes()
                .chunks(5)
                .map(|piece| json!({"type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": std::str::from_utf8(piece).unwrap()})),
        );
        out.push(json!({"type": "TOOL_CALL_END", "toolCallId": id}));
        out
    }

    fn run(events: &[Vec<Value>]) -> String {
        let begin = json!({"type": "RUN_STARTED", "threadId": "th", "runId": "r"});
        let end = json!({"type": "RUN_FINISHED", "threadId": "th", "runId": "r"});
        frames(&[vec![begin], events.concat(), vec![end]].concat())
    }

    fn got(stream: &str) -> String {
        through(&ALL[0], stream, 40)
    }

    #[test]
    fn an_allowed_call_passes_whole_and_of_a_refused_one_nothing_leaves() {
        let good = run(&[call("a", GOOD)]);
        assert_eq!(got(&good), good);
        let read = got(&run(&[call("a", GOOD), call("b", BAD), call("c", GOOD)]));
        assert!(read.contains("\"a\"") && !read.contains("\"b\"") && !read.contains("\"c\"") && !read.contains("evil"), "{read}");
        assert_eq!(data(&read).last().unwrap()["type"], "RUN_ERROR");
    }

    #[test]
    fn a_call_without_its_end_never_leaves() {
        let whole = run(&[call("a", GOOD)]);
        let read = got(&whole[..whole.find("TOOL_CALL_END").unwrap() - 20]);
        assert!(!read.contains("kb_search"), "{read}");
    }

    #[test]
    fn what_is_said_again_in_a_snapshot_is_judged_again() {
        let snapshot = vec![
            json!({"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "m", "role": "assistant", "content": format!("Your card {CARD} is on file")}]}),
        ];
        assert_eq!(joined(&data(&got(&run(&[snapshot]))), "/messages/0/content"), SAFE);
        let called = vec![
            json!({"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "m", "role": "assistant", "toolCalls": [{"id": "x", "type": "function", "function": {"name": "kb_search", "arguments": BAD}}]}]}),
        ];
        let read = got(&run(&[called]));
        assert!(!read.contains("evil") && read.contains("RUN_ERROR"), "{read}");
    }
}

mod bedrock {
    use super::*;
    use servanda::protocol::bedrock::frame_reader;
    use servanda::protocol::frames::Frames;
    use servanda::protocol::lines::Cutter;

    const PATH: &str = "/model/m/converse-stream";

    /// The golden stream, in pieces.
    fn stream(name: &str) -> Vec<u8> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/bedrock");
        std::fs::read(root.join(name).join("stream.frames")).unwrap()
    }

    /// What the client reads of a stream: kinds and payloads.
    fn through(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<(String, Value)>) {
        let pieces = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        let script = Script {
            status: StatusCode::OK,
            headers: vec![("content-type", "application/vnd.amazon.eventstream".into())],
            pieces,
        };
        let (guard, _) = guarded(script, enforce());
        let (head, body) = send(&guard, ask(PATH, &json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})));
        assert_eq!(head.status, StatusCode::OK);
        let mut cutter = Cutter::Frames(Frames::new(1 << 20));
        cutter.push(&body);
        let told = std::iter::from_fn(|| cutter.finish().expect("the client gets whole frames"))
            .map(|event| (event.name().unwrap().to_owned(), serde_json::from_slice(event.data()).unwrap()))
            .collect();
        (body.to_vec(), told)
    }

    #[test]
    fn a_stream_is_never_edited_and_what_would_be_redacted_refuses_it() {
        let sent = stream("tools");
        for size in [1, 11, 10_000] {
            let (_, told) = through(&sent, size);
            let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(
                kinds,
                ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop"],
                "nothing of the card has left"
            );
            assert_eq!(told[3].1["stopReason"], "guardrail_intervened");
            assert!(told[1].1["delta"]["text"].as_str().unwrap().contains("rule"));
        }
    }

    #[test]
    fn an_innocent_stream_passes_byte_for_byte() {
        let sent = stream("plain");
        for size in [1, 11, 10_000] {
            assert_eq!(through(&sent, size).0, sent);
        }
    }

    #[test]
    fn a_frame_with_a_wrong_sum_ends_the_stream() {
        let mut sent = stream("plain");
        let at = sent.len() / 2;
        sent[at] ^= 1;
        let (got, told) = through(&sent, 64);
        assert!(!sent.starts_with(&got) && told.last().unwrap().0 == "messageStop");
    }

    #[test]
    fn where_the_route_lets_pass_what_cannot_be_read_no_byte_is_lost() {
        let mut sent = stream("plain");
        let at = sent.len() / 2;
        sent[at] ^= 1;
        let route = Route { uninspected: Uninspected { undecodable: Unread::Pass, ..Uninspected::default() }, ..enforce() };
        for size in [1, 11, 10_000] {
            let pieces = sent.chunks(size).map(Bytes::copy_from_slice).collect();
            let headers = vec![("content-type", "application/vnd.amazon.eventstream".into())];
            let (guard, _) = guarded(Script { status: StatusCode::OK, headers, pieces }, route.clone());
            let (_, body) = send(&guard, ask(PATH, &json!({"messages": []})));
            assert_eq!(body, sent);
        }
    }

    #[test]
    fn the_record_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": format!("Your card {CARD} is on file")}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
        let guard = recorded(Script::json(answer.to_string()), enforce(), &log);
        let (head, body) =
            send(&guard, ask("/model/m-1/converse", &json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})));
        log.close().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((head.status, &body["stopReason"]), (StatusCode::OK, &json!("guardrail_intervened")));
        let record = written(dir.path()).into_iter().find(|r| r["kind"] == "exchange").unwrap();
        assert_eq!(
            (&record["act"], &record["reason"], &record["protocol"], &record["model"]),
            (&json!("block"), &json!("not_editable"), &json!("bedrock"), &json!("m-1"))
        );
    }

    #[test]
    fn frames_are_read_as_such_whoever_asked() {
        let mut pieces = Vec::new();
        let mut cutter = Cutter::Frames(Frames::new(1 << 20));
        cutter.push(&stream("plain"));
        let event = cutter.next().unwrap().unwrap();
        frame_reader().read(&event, &mut pieces).unwrap();
        assert!(!pieces.is_empty());
        let script = Script {
            status: StatusCode::OK,
            headers: vec![("content-type", "application/vnd.amazon.eventstream".into())],
            pieces: vec![stream("tools").into()],
        };
        let (guard, _) = guarded(script, enforce());
        let (_, body) = send(&guard, ask("/model/m/invoke-with-response-stream", &json!({"prompt": "hi"})));
        assert!(body.windows(20).any(|w| w == b"guardrail_intervened"), "frames of no known path are judged too");
    }
}
