//! What the golden files do not show: claims, refusals, batches, disguises.

use serde_json::{Value as Json, json};

use super::head::VERSION;
use super::*;
use crate::base::names::Stage;
use crate::protocol::adapter::{BlockAs, Why};
use crate::protocol::{Code, claim, patch};

fn refusal<'a>(why: Why) -> Refusal<'a> {
    Refusal {
        why,
        stage: Stage::Call,
        predicate: Some("tools-only-ours"),
        pact: Some("acme-support@2.1.0"),
        record: Some("0193a5e2-7c00-7000-8000-000000000001"),
        note: None,
        block_as: BlockAs::Auto,
    }
}

fn notes(request: &Json) -> RequestNotes {
    Mcp.read_request(request.to_string().as_bytes()).unwrap().notes()
}

fn refused(request: &Json, why: Why) -> (u16, Json) {
    let out = Mcp.refuse_request(&refusal(why), &notes(request));
    (out.status.as_u16(), serde_json::from_slice(&out.body).unwrap())
}

#[test]
fn a_refused_call_is_a_result_that_the_model_reads() {
    for id in [json!(0), json!("a-1"), json!(7)] {
        let (status, body) = refused(
            &json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "f", "arguments": {}}}),
            Why::Permission,
        );
        assert_eq!((status, &body["id"], &body["result"]["isError"]), (200, &id, &json!(true)));
        assert!(body["result"]["content"][0]["text"].as_str().unwrap().contains("tools-only-ours"));
        assert_eq!(body["result"].get("resultType"), None);
    }
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let (_, body) = refused(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f", "_meta": meta}}),
        Why::Content,
    );
    assert_eq!(body["result"]["resultType"], "complete");
}

#[test]
fn other_methods_get_an_error_at_status_200() {
    let (status, body) =
        refused(&json!({"jsonrpc": "2.0", "id": 3, "method": "prompts/get", "params": {"name": "p"}}), Why::Content);
    assert_eq!((status, body["error"]["code"].as_i64(), &body["id"]), (200, Some(4030), &json!(3)));
    assert_eq!(body["error"]["data"]["retryable"], false);
    for method in ["initialize", "server/discover"] {
        let (status, body) = refused(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}), Why::Permission);
        assert_eq!((status, body["error"]["code"].as_i64()), (403, Some(4030)));
    }
    let (status, body) =
        refused(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f"}}), Why::Engine);
    assert_eq!((status, body["error"]["data"]["retryable"].as_bool()), (503, Some(true)));
    let (status, body) = refused(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f"}}),
        Why::Unreadable(Code::HeaderDiffers),
    );
    assert_eq!((status, body["error"]["code"].as_i64()), (400, Some(-32020)));
}

#[test]
fn batches_and_disguises_are_refused() {
    let code = |body: &str| Mcp.read_request(body.as_bytes()).unwrap_err().code;
    assert_eq!(code(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f"}}]"#), Code::Batch);
    for method in ["tools/Call", "tools/call ", "tools\\u2044call", "tools.call", "TOOLS/LIST", "tools/call\\u0000"] {
        assert_eq!(
            code(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{}}}}"#)),
            Code::NotCanonical,
            "{method}"
        );
    }
    assert!(Mcp.read_request(br#"{"jsonrpc":"2.0","id":1,"method":"vendor/thing"}"#).is_ok());
    assert_eq!(Mcp.read_answer(b"[{\"id\":1}]").unwrap_err().code, Code::Batch);
    assert!(
        super::super::rpc::is_disguised("tools/Call", &["tools/call"])
            && !super::super::rpc::is_disguised("tools/call", &["tools/call"])
    );
}

#[test]
fn a_call_without_id_is_a_call() {
    let message =
        Mcp.read_request(br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"f","arguments":{"a":"b"}}}"#).unwrap();
    assert_eq!((message.calls[0].name.as_str(), message.calls[0].arguments.as_str()), ("f", r#"{"a":"b"}"#));
}

#[test]
fn a_refused_tool_goes_and_the_others_stay() {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b","description":"bad"},{"name":"c"}],"nextCursor":"n"}}"#;
    let message = Mcp.read_answer(body.as_bytes()).unwrap();
    let bad = message.parts.iter().find(|part| part.text.as_str() == "bad").unwrap();
    let list = message.listing.as_ref().unwrap();
    assert_eq!(list.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let out = patch(body.as_bytes(), &list.without(|number| number == bad.choice as usize));
    assert_eq!(std::str::from_utf8(&out).unwrap(), body.replace(r#"{"name":"b","description":"bad"},"#, ""));
    let whole =
        Mcp.refuse_answer(&refusal(Why::Content), body.as_bytes(), &[crate::protocol::NO_CHOICE], &RequestNotes::default());
    let whole: Json = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!((whole["id"].as_i64(), whole["error"]["code"].as_i64()), (Some(1), Some(4030)));
}

#[test]
fn a_version_is_nobodys_speech_and_what_stands_in_its_place_is() {
    let texts = |version: &str| {
        let version = json!(version);
        let up = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "f", "_meta": {VERSION: version}}});
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": version}});
        let down = json!({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": version, "supportedVersions": [version]}});
        let said = |message: &Message<'_>| message.parts.iter().filter(|part| version == part.text.as_str()).count();
        let up = [up, hello].map(|body| said(&Mcp.read_request(body.to_string().as_bytes()).unwrap()));
        [up[0], up[1], said(&Mcp.read_answer(down.to_string().as_bytes()).unwrap())]
    };
    assert_eq!(texts("2026-07-28"), [0, 0, 0]);
    assert_eq!(texts("2026-07-28 "), [1, 1, 2]);
    assert_eq!(texts("20260728"), [1, 1, 2]);
}

#[test]
fn claims_by_path_or_head() {
    let mut headers = HeaderMap::new();
    let name = |path: &str, configured, headers: &HeaderMap| {
        claim(&Head { method: &http::Method::POST, path, headers, configured }).name()
    };
    assert_eq!(name("/mcp", None, &headers), "mcp");
    assert_eq!(name("/tools", Some("mcp"), &headers), "mcp");
    assert_eq!(name("/mcp", Some("generic"), &headers), "generic");
    assert_eq!(name("/tools", None, &headers), "generic");
    headers.insert("mcp-protocol-version", "2026-07-28".parse().unwrap());
    assert_eq!(name("/tools", None, &headers), "mcp");
}
