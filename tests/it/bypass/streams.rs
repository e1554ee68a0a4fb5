//! Bypasses that are in how a stream ends, and in how a message is framed over HTTP/2.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use servanda::evidence::Log;

use super::CARD;
use crate::live::{answer, text};
use crate::sockets::before;
use crate::support::client::{http2, post};
use crate::support::guarded::{chunk, enforce, read_stream};
use crate::support::upstream::Upstream;
use crate::support::written::written;

#[tokio::test]
async fn who_leaves_while_a_match_is_open_gets_nothing_of_it_and_is_recorded() {
    // 59
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let (pace, mut response) = answer(enforce(), "text/event-stream", Some(&log)).await;
    pace.send(text("One moment. ")).await;
    let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    pace.send(text(&CARD[..9])).await;
    drop(response);
    pace.gone().await;
    log.close().unwrap();
    assert_eq!(first, text("One moment. "));
    let records = written(dir.path());
    let exchanges: Vec<_> = records.iter().filter(|record| record["kind"] == "exchange").collect();
    assert_eq!(exchanges.len(), 1);
    assert_eq!((&exchanges[0]["act"], &exchanges[0]["completion"]), (&json!("allow"), &json!("cancelled")));
}

#[tokio::test]
async fn after_a_block_the_upstream_is_read_no_more() {
    // 60
    let (pace, response) = answer(enforce(), "text/event-stream", None).await;
    let reads = tokio::spawn(response.into_body().collect());
    pace.send(text("Well. ")).await;
    pace.send(text("I am a human being.")).await;
    // Two more frames at most, though it would go on for ever.
    let mut more = 0;
    while pace.offer(text("And more.")).await {
        more += 1;
    }
    assert!(more <= 2, "{more} frames were read behind the block");
    let got = reads.await.unwrap().unwrap().to_bytes();
    let seen = read_stream(&got);
    assert!("Well. I am a human being.".starts_with(&seen[0].text) && !seen[0].text.contains("human"), "{seen:?}");
    assert_eq!(seen[0].finish.as_deref(), Some("content_filter"));
    assert!(got.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn what_a_refusal_says_forges_no_event() {
    // 50: the name of a tool is the model's choice.
    let name = "account_wipe\r\n\r\ndata: {\"forged\":1}\n\nevent: x";
    let call = json!([{"index": 0, "id": "c\r\ndata: 1", "type": "function", "function": {"name": name, "arguments": "{}"}}]);
    let (pace, response) = answer(enforce(), "text/event-stream", None).await;
    let reads = tokio::spawn(response.into_body().collect());
    pace.send(chunk(0, &json!({"tool_calls": call}), None)).await;
    pace.send(chunk(0, &json!({}), Some("tool_calls")) + "data: [DONE]\n\n").await;
    drop(pace);
    let got = reads.await.unwrap().unwrap().to_bytes();
    let got = std::str::from_utf8(&got).unwrap();
    for line in got.lines().filter(|line| !line.is_empty()) {
        let said = line.strip_prefix("data: ").unwrap_or_else(|| panic!("{line:?} is no line of ours"));
        assert!(
            said == "[DONE]" || serde_json::from_str::<serde_json::Value>(said).is_ok_and(|v| v["choices"].is_array()),
            "{line}"
        );
    }
    assert_eq!((read_stream(got.as_bytes())[0].calls, got.contains("content_filter")), (0, true), "{got}");
}

#[tokio::test]
async fn over_http2_one_authority_and_one_length_count() {
    // 39
    let upstream = Upstream::start().await;
    let (_proxy, address) = before(&upstream, "").await;
    let mut other = post(address, "/a", "{}");
    other.headers_mut().insert("host", "other.example".parse().unwrap());
    let answer = http2().request(other).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(upstream.idle());
    for length in ["1", "9"] {
        let request = Request::post(format!("http://{address}/a")).header("content-length", length);
        let lies = http2().request(request.body(Full::<bytes::Bytes>::from("{\"a\":1}")).unwrap()).await;
        assert!(lies.is_err() || lies.is_ok_and(|answer| !answer.status().is_success()), "{length}");
        assert!(upstream.idle(), "{length}: it reached the upstream whole");
    }
}
