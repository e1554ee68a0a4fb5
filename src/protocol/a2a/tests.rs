//! What the golden files do not show: claims, versions, refusals, cards.

use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::*;
use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Why};
use crate::protocol::sse::Framer;
use crate::protocol::{Code, claim};

fn refusal<'a>(why: Why, block_as: BlockAs) -> Refusal<'a> {
    Refusal {
        why,
        stage: Stage::Request,
        predicate: Some("no-cards"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as,
    }
}

fn head<'a>(method: &'a Method, path: &'a str, headers: &'a HeaderMap, configured: Option<&'a str>) -> Head<'a> {
    Head { method, path, headers, configured }
}

/// The notes of a request that was sent to a path.
fn notes(path: &str, headers: &HeaderMap, request: Option<&Json>) -> RequestNotes {
    let method = if request.is_some() { Method::POST } else { Method::GET };
    let told = A2a.head_notes(&head(&method, path, headers, None));
    request.map_or_else(RequestNotes::default, |body| A2a.read_request(body.to_string().as_bytes()).unwrap().notes()).beside(told)
}

fn rpc(method: &str, params: Json) -> RequestNotes {
    notes("/a2a", &HeaderMap::new(), Some(&json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})))
}

fn sent(method: &str) -> RequestNotes {
    rpc(method, json!({"message": {"messageId": "m", "contextId": "ctx", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}))
}

fn body(answer: &Answer) -> Json {
    let text = std::str::from_utf8(&answer.body).unwrap();
    serde_json::from_str(text.strip_prefix("data: ").unwrap_or(text)).unwrap()
}

fn refused(notes: &RequestNotes, why: Why, block_as: BlockAs) -> (u16, Json) {
    let out = A2a.refuse_request(&refusal(why, block_as), notes);
    (out.status.as_u16(), body(&out))
}

#[test]
fn claims_by_head_and_path() {
    let mut headers = HeaderMap::new();
    let name =
        |method: Method, path: &str, configured, headers: &HeaderMap| claim(&head(&method, path, headers, configured)).name();
    for path in ["/a2a", "/agents/desk/a2a/", "/message:send", "/harbor/message:stream", "/v1/message:send"] {
        assert_eq!(name(Method::POST, path, None, &headers), "a2a", "{path}");
    }
    assert_eq!(name(Method::GET, "/.well-known/agent-card.json", None, &headers), "a2a");
    assert_eq!(name(Method::POST, "/", None, &headers), "generic");
    assert_eq!(name(Method::POST, "/", Some("a2a"), &headers), "a2a");
    assert_eq!(name(Method::POST, "/a2a", Some("generic"), &headers), "generic");
    headers.insert("a2a-version", "1.0".parse().unwrap());
    assert_eq!(name(Method::GET, "/tasks/t-1", None, &headers), "a2a");
    assert_eq!(name(Method::POST, "/v1/chat/completions", None, &headers), "openai_chat");
    headers.clear();
    headers.insert("content-type", "application/a2a+json".parse().unwrap());
    assert_eq!(name(Method::POST, "/", None, &headers), "a2a");
}

#[test]
fn a_refused_message_is_a_rejected_task_in_the_words_that_asked() {
    let (status, new) = refused(&sent("SendMessage"), Why::Content, BlockAs::Auto);
    assert_eq!((status, &new["id"], &new["result"]["task"]["contextId"]), (200, &json!(0), &json!("ctx")));
    let state = &new["result"]["task"]["status"];
    assert_eq!((&state["state"], &state["message"]["role"]), (&json!("TASK_STATE_REJECTED"), &json!("ROLE_AGENT")));
    assert!(state["message"]["parts"][0]["text"].as_str().unwrap().contains("no-cards"));
    assert_eq!(state["message"]["parts"][0].get("kind"), None);
    assert_eq!(state["message"]["metadata"]["servanda/decision"]["retryable"], false);

    let (_, old) = refused(&sent("message/send"), Why::Permission, BlockAs::Auto);
    let task = &old["result"];
    assert_eq!((&task["kind"], &task["status"]["state"]), (&json!("task"), &json!("rejected")));
    assert_eq!(
        (&task["status"]["message"]["kind"], &task["status"]["message"]["parts"][0]["kind"]),
        (&json!("message"), &json!("text"))
    );

    let message = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}});
    let (status, rest) = refused(&notes("/message:send", &HeaderMap::new(), Some(&message)), Why::Content, BlockAs::Auto);
    assert_eq!((status, &rest["task"]["status"]["state"]), (200, &json!("TASK_STATE_REJECTED")));
    let old = json!({"request": {"message_id": "m", "role": "ROLE_USER", "content": [{"text": "hi"}], "context_id": "ctx"}});
    let (_, rest) = refused(&notes("/v1/message:send", &HeaderMap::new(), Some(&old)), Why::Content, BlockAs::Auto);
    assert_eq!(rest["task"]["contextId"], "ctx");
    assert!(rest["task"]["status"]["message"]["content"][0]["text"].is_string());
}

#[test]
fn the_version_of_the_head_counts_before_the_path() {
    let mut headers = HeaderMap::new();
    let message = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}});
    headers.insert("a2a-version", "1.0".parse().unwrap());
    let (_, new) = refused(&notes("/v1/message:send", &headers, Some(&message)), Why::Content, BlockAs::Auto);
    assert!(new["task"]["status"]["message"]["parts"].is_array());
}

#[test]
fn who_waits_for_a_stream_gets_one() {
    let message = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}});
    for notes in
        [sent("SendStreamingMessage"), sent("message/stream"), notes("/message:stream", &HeaderMap::new(), Some(&message))]
    {
        assert!(notes.streaming);
        let out = A2a.refuse_request(&refusal(Why::Content, BlockAs::Auto), &notes);
        assert_eq!((out.status.as_u16(), out.content_type), (200, "text/event-stream"));
        let text = std::str::from_utf8(&out.body).unwrap();
        assert!(text.starts_with("data: {") && text.ends_with("}\n\n"), "{text}");
        let error = A2a.refuse_request(&refusal(Why::Engine, BlockAs::Auto), &notes);
        assert_eq!((error.status.as_u16(), error.retry_after), (503, Some(1)));
    }
}

#[test]
fn errors_have_the_shape_of_their_binding() {
    let (status, error) = refused(&sent("SendMessage"), Why::Content, BlockAs::Error);
    assert_eq!((status, error["error"]["code"].as_i64()), (200, Some(4030)));
    assert_eq!(
        (&error["error"]["data"][0]["domain"], &error["error"]["data"][0]["reason"]),
        (&json!("servanda"), &json!("content_filter"))
    );
    let (status, error) = refused(&rpc("ListTasks", json!({"contextId": "ctx"})), Why::Permission, BlockAs::Auto);
    assert_eq!((status, error["error"]["code"].as_i64(), error.get("result")), (200, Some(4030), None));
    let (_, task) = refused(&rpc("GetTask", json!({"id": "task-3"})), Why::Content, BlockAs::Auto);
    assert_eq!((&task["result"]["id"], &task["result"]["status"]["state"]), (&json!("task-3"), &json!("TASK_STATE_REJECTED")));
    let message = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}});
    let (status, error) = refused(&notes("/message:send", &HeaderMap::new(), Some(&message)), Why::Permission, BlockAs::Error);
    assert_eq!((status, &error["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    assert_eq!(error["error"]["details"][0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    let (status, _) = refused(&notes("/.well-known/agent-card.json", &HeaderMap::new(), None), Why::Permission, BlockAs::Auto);
    assert_eq!(status, 403);
}

#[test]
fn a_refused_answer_keeps_the_ids_that_the_agent_gave() {
    let answer = json!({"jsonrpc": "2.0", "id": 0, "result": {"task": {"id": "task-9", "contextId": "ctx-9", "status": {"state": "TASK_STATE_WORKING"}}}});
    let out = A2a.refuse_answer(&refusal(Why::Content, BlockAs::Auto), answer.to_string().as_bytes(), &[], &sent("SendMessage"));
    let task = &body(&out)["result"]["task"];
    assert_eq!((&task["id"], &task["contextId"]), (&json!("task-9"), &json!("ctx-9")));
    let error = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32001, "message": "x"}});
    let out = A2a.refuse_answer(&refusal(Why::Content, BlockAs::Auto), error.to_string().as_bytes(), &[], &sent("SendMessage"));
    assert_eq!((&body(&out)["id"], &body(&out)["result"]["task"]["contextId"]), (&json!(0), &json!("ctx")));
}

/// The last frame of a stream that is refused after these frames have gone out.
fn ended(notes: &RequestNotes, frames: &[Json], block_as: BlockAs) -> String {
    let mut reader = A2a.stream_reader(notes);
    let mut framer = Framer::new(1 << 20);
    for frame in frames {
        framer.push(format!("data: {frame}\n\n").as_bytes());
        let event = framer.next().unwrap().unwrap();
        let mut pieces = Vec::new();
        reader.read(&event, &mut pieces).unwrap();
        reader.released(&event, &pieces, &[]);
    }
    String::from_utf8(reader.refuse(&refusal(Why::Content, block_as)).to_vec()).unwrap()
}

#[test]
fn a_stream_ends_with_the_state_of_its_task() {
    let result = |result: Json| json!({"jsonrpc": "2.0", "id": 0, "result": result});
    let begun = result(json!({"task": {"id": "task-9", "contextId": "ctx-9", "status": {"state": "TASK_STATE_WORKING"}}}));
    let data =
        |text: &str| -> Json { serde_json::from_str(text.lines().find_map(|l| l.strip_prefix("data: ")).unwrap()).unwrap() };
    let end = data(&ended(&sent("SendStreamingMessage"), &[begun.clone()], BlockAs::Auto));
    let update = &end["result"]["statusUpdate"];
    assert_eq!(
        (&update["taskId"], &update["status"]["state"], update.get("final")),
        (&json!("task-9"), &json!("TASK_STATE_REJECTED"), None)
    );
    let none = data(&ended(&sent("SendStreamingMessage"), &[], BlockAs::Auto));
    assert_eq!(none["result"]["task"]["contextId"], "ctx");
    let old = result(json!({"kind": "task", "id": "task-9", "contextId": "ctx-9", "status": {"state": "working"}}));
    let end = data(&ended(&sent("message/stream"), &[old], BlockAs::Auto));
    assert_eq!(
        (&end["result"]["kind"], &end["result"]["final"], &end["result"]["status"]["state"]),
        (&json!("status-update"), &json!(true), &json!("rejected"))
    );
    let strict = ended(&sent("SendStreamingMessage"), &[begun.clone()], BlockAs::Error);
    assert!(strict.starts_with("event: error\n") && data(&strict)["error"]["code"] == 4030, "{strict}");
    let done =
        result(json!({"statusUpdate": {"taskId": "task-9", "contextId": "ctx-9", "status": {"state": "TASK_STATE_COMPLETED"}}}));
    assert_eq!(ended(&sent("SendStreamingMessage"), &[begun, done], BlockAs::Auto), "", "what has ended is not ended again");
}

#[test]
fn batches_and_disguises_are_refused() {
    let code = |body: &str| A2a.read_request(body.as_bytes()).unwrap_err().code;
    assert_eq!(code(r#"[{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{}}]"#), Code::Batch);
    for method in ["sendMessage", "SendMessage ", "message.send", "Message/Send", "tasks/Get"] {
        assert_eq!(code(&json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string()), Code::NotCanonical, "{method}");
    }
    assert!(A2a.read_request(br#"{"jsonrpc":"2.0","id":1,"method":"vendor.thing"}"#).is_ok());
}

#[test]
fn a_signed_card_is_never_edited_and_an_answer_is_no_card() {
    let card = json!({"name": "Desk", "description": "says much", "capabilities": {}, "skills": []});
    let parts = |value: &Json| {
        let text = value.to_string();
        let message = A2a.read_answer(text.as_bytes()).unwrap();
        let about = message.parts.iter().find(|part| part.text.as_str() == "says much").unwrap();
        (about.role, about.editable)
    };
    assert_eq!(parts(&card), (crate::protocol::Role::ToolDefinition, true));
    let mut signed = card.clone();
    signed["signatures"] = json!([{"protected": "x", "signature": "y"}]);
    assert_eq!(parts(&signed), (crate::protocol::Role::ToolDefinition, false));
    let mut hidden = card;
    hidden["message"] = json!({"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "hi"}]});
    assert_eq!(parts(&hidden), (crate::protocol::Role::Assistant, true));
}

#[test]
fn words_are_sorted() {
    assert!(read::WORDS.is_sorted());
}

#[test]
fn the_conversation_is_the_context() {
    let notes = sent("SendMessage");
    assert_eq!((notes.conversation.as_deref(), notes.task), (Some("ctx"), None));
}
