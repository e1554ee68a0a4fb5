//! Messages that never become an exchange: refused by framing or at the gate, and recorded all the same.

use serde_json::{Value, json};

use crate::sidecar::{House, address, minimal};
use crate::support::client::{raw, status};
use crate::support::written::written;

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: h\r\n";

/// What is sent, the status, and the record's reason and word.
fn cases() -> Vec<(String, u16, &'static str, &'static str)> {
    let many: String = (0..200).map(|i| format!("X-{i}: a\r\n")).collect();
    let gate = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: {more}close\r\n");
    vec![
        (format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"), 400, "framing", "two_lengths"),
        (
            format!("{HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            "framing",
            "a_length_beside_a_transfer_coding",
        ),
        (format!("{HEAD}X-A: b\nX-B: c\r\n\r\n"), 400, "framing", "a_line_ends_without_CR_LF"),
        (format!("{HEAD}{many}\r\n"), 431, "framing", "the_head_is_too_long"),
        (format!("{HEAD}X Y: a\r\n\r\n"), 400, "framing", "white_space_in_a_field_name"),
        ("GET\x01/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 400, "framing", "the_head_cannot_be_read"),
        (gate("GET /a/../b", "") + "\r\n", 400, "gate", "dot_segments"),
        (gate("GET /", "") + "Host: i\r\n\r\n", 400, "gate", "two_hosts"),
        (gate("CONNECT h:443", "") + "\r\n", 405, "gate", "connect"),
        (gate("GET /", "Upgrade, ") + "Upgrade: websocket\r\n\r\n", 426, "gate", "websocket"),
    ]
}

#[tokio::test]
async fn every_refused_message_leaves_one_record() {
    for mode in ["enforce", "observe"] {
        let house = House::new().await;
        house.write("first.pact.yaml", &minimal("1.0.0"));
        house.config(&format!("pacts: [first.pact.yaml]\nroutes: [{{mode: {mode}}}]"));
        let sidecar = house.start().await.unwrap();
        let mut receipts = Vec::new();
        for (bytes, expected, reason, what) in cases() {
            let answer = raw(address(&sidecar), bytes.as_bytes()).await;
            assert_eq!(status(&answer), Some(expected), "{what}: {answer}");
            let receipt = answer.lines().find_map(|line| line.strip_prefix("x-servanda-record: ")).map(str::to_owned);
            assert_eq!(receipt.is_some(), reason == "gate" && mode == "enforce", "{what}: {answer}");
            receipts.push(receipt);
        }
        assert!(house.upstream.idle());
        sidecar.stop().await.unwrap();
        let mut records: Vec<Value> = written(&house.at("log")).into_iter().filter(|r| r["kind"] == "exchange").collect();
        assert_eq!(records.len(), cases().len());
        for ((_, _, reason, what), receipt) in cases().into_iter().zip(receipts) {
            let found = records.iter().position(|r| r["unjudged"][0]["what"] == what && r["reason"] == reason);
            let record = records.swap_remove(found.unwrap_or_else(|| panic!("no record of {what}: {records:?}")));
            assert_eq!(
                (&record["act"], &record["completion"], &record["moment"]),
                (&json!("block"), &json!("declined"), &json!("before_upstream"))
            );
            assert_eq!(
                (&record["mode"], &record["lane"], &record["route"]),
                (&json!(mode), &json!("inbound"), &json!("inbound"))
            );
            assert_eq!(record["pacts"], json!([{"id": "first-pact", "version": "1.0.0"}]));
            if let Some(receipt) = receipt {
                assert_eq!(record["id"], receipt);
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_merely_ends_is_no_refusal() {
    let house = House::new().await;
    house.write("first.pact.yaml", &minimal("1.0.0"));
    house.config("pacts: [first.pact.yaml]");
    let sidecar = house.start().await.unwrap();
    let fine = raw(address(&sidecar), b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&fine), Some(200));
    drop(tokio::net::TcpStream::connect(address(&sidecar)).await.unwrap());
    sidecar.stop().await.unwrap();
    let records: Vec<Value> = written(&house.at("log")).into_iter().filter(|r| r["kind"] == "exchange").collect();
    assert_eq!((records.len(), &records[0]["act"]), (1, &json!("allow")));
}
