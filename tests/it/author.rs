//! From a template to a sealed image and a verdict, by the commands alone.

use std::path::Path;

use crate::support::command::{servanda, servanda_with};

/// A folder with the customer-support pact in it.
fn with_pact() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["init", "-o", "support.pact.yaml"]);
    assert_eq!(run.code, 0, "{}", run.err);
    folder
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("support.pact.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "the template has no `{from}`");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn many_phrases_compile_without_a_sign_of_progress_where_nobody_looks() {
    let folder = with_pact();
    let phrases: Vec<String> = (0..10_000).map(|n| format!("rival number {n}")).collect();
    edit(folder.path(), "[\"Globex\", \"Initech Desk\"]", &format!("[{}]", phrases.join(", ")));
    for args in [&["check", "support.pact.yaml"][..], &["compile", "support.pact.yaml", "-o", "support.pactc"]] {
        let run = servanda(folder.path(), args);
        assert_eq!((run.code, run.err.contains("compiling"), run.out.contains('\r')), (0, false, false), "{}", run.err);
    }
}

#[test]
fn a_template_checks_and_keeps_its_cases() {
    let folder = with_pact();
    assert_eq!(servanda(folder.path(), &["init", "-o", "support.pact.yaml"]).code, 2, "overwritten unasked");
    let run = servanda(folder.path(), &["check", "support.pact.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("a stream holds back at most"), "{}", run.out);
    let report = servanda(folder.path(), &["check", "support.pact.yaml", "--json"]).json();
    assert_eq!(report["ok"], true);
    assert!(report["coverage"]["hold_back_max"].as_u64().unwrap() > 0);
    let run = servanda(folder.path(), &["test", "support.pact.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains(" 0 failed"), "{}", run.out);
    for template in ["customer-support", "transactional", "trading", "research", "code-generation", "minimal"] {
        let run = servanda(folder.path(), &["init", "--template", template, "--archetype", "healthcare-agent"]);
        std::fs::write(folder.path().join("t.pact.yaml"), &run.out).unwrap();
        let run = servanda(folder.path(), &["test", "t.pact.yaml"]);
        assert_eq!(run.code, 0, "{template}: {}", run.out);
        let report = servanda(folder.path(), &["check", "t.pact.yaml", "--json"]).json();
        let told = (&report["ok"], &report["lacks"], &report["diagnostics"]["list"]);
        assert_eq!(told, (&true.into(), &serde_json::json!([]), &serde_json::json!([])), "{template}");
        // What a template promises gravely, this build can keep.
        for predicate in report["coverage"]["predicates"].as_array().unwrap() {
            let inline = predicate["checks"].as_array().unwrap().iter().any(|c| c["how"] == "inline");
            assert!(inline || predicate["severity"] == "minor", "{template}: {predicate}");
        }
    }
    assert_eq!(servanda(folder.path(), &["init", "--template", "nope"]).code, 2);
}

#[test]
fn mistakes_come_all_at_once_with_places() {
    let folder = with_pact();
    edit(folder.path(), "predicates:", "predicatse:");
    edit(folder.path(), "format: 1", "format: 1\ncolour: blue");
    let run = servanda(folder.path(), &["check", "support.pact.yaml"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.contains("support.pact.yaml:4:1") && run.err.contains("did you mean"), "{}", run.err);
    assert!(run.err.contains("`colour`") && run.err.contains("`predicatse`"), "{}", run.err);
    let report = servanda(folder.path(), &["check", "support.pact.yaml", "--json"]).json();
    assert_eq!(report["ok"], false);
    assert!(report["diagnostics"]["list"].as_array().unwrap().len() >= 2, "{report}");
    assert_eq!(servanda(folder.path(), &["check", "missing.yaml"]).code, 2);
}

#[test]
fn a_failing_case_is_named() {
    let folder = with_pact();
    edit(folder.path(), "expect: block, predicate: pii", "expect: allow");
    let run = servanda(folder.path(), &["test", "support.pact.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("FAIL block") && run.out.contains("1 failed"), "{}", run.out);
}

#[test]
fn signed_by_both_compiled_and_verified() {
    let folder = with_pact();
    let at = folder.path();
    let mut keys = Vec::new();
    for name in ["agent", "shop", "stranger"] {
        keys.push(servanda(at, &["keygen", "-o", &format!("{name}.key"), "--json"]).json()["key"].as_str().unwrap().to_owned());
    }
    let run = servanda(at, &["verify", "support.pact.yaml"]);
    assert_eq!(run.code, 1, "an unsigned pact was called valid: {}", run.out);
    assert_eq!(servanda(at, &["sign", "support.pact.yaml", "--key", "agent.key", "--role", "agent"]).code, 0);
    assert_eq!(servanda(at, &["sign", "support.pact.json", "--key", "agent.key", "--role", "agent"]).code, 1, "signed twice");
    assert_eq!(servanda(at, &["sign", "support.pact.json", "--key", "shop.key", "--role", "counterparty"]).code, 0);
    assert_eq!(servanda(at, &["sign", "support.pact.json", "--key", "shop.key", "--role", "mayor"]).code, 2);
    let trust = |key: &str| {
        format!(
            "identities:\n  - {{did: 'did:web:vendor.example:agents:support', keys: [{{key: {key}}}], roles: [agent]}}\n  \
             - {{did: 'did:web:acme.example', keys: [{{key: {}}}], roles: [counterparty]}}\n",
            keys[1]
        )
    };
    std::fs::write(at.join("trust.yaml"), trust(&keys[0])).unwrap();
    std::fs::write(at.join("other.yaml"), trust(&keys[2])).unwrap();
    let run = servanda(at, &["verify", "support.pact.json", "--trust", "trust.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("counterparty"), "{}", run.out);
    let run = servanda(at, &["verify", "support.pact.json", "--trust", "other.yaml", "--json"]);
    assert_eq!((run.code, run.json()["code"].as_str()), (1, Some("untrusted")));
    let run =
        servanda(at, &["verify", "support.pact.json", "--trust", "trust.yaml", "--agent", "did:web:other.example", "--json"]);
    assert_eq!((run.code, run.json()["code"].as_str()), (1, Some("wrong_audience")));

    let run = servanda(at, &["compile", "support.pact.json", "-o", "support.pactc", "--key", "agent.key", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let first = run.json()["file_digest"].clone();
    let run = servanda(at, &["compile", "support.pact.json", "-o", "again.pactc", "--key", "agent.key", "--json"]);
    assert_eq!(run.json()["file_digest"], first, "the same pact gave another image");
    let run = servanda(at, &["verify", "support.pactc", "--trust", "trust.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(servanda(at, &["test", "support.pactc"]).code, 0);
    let mut image = std::fs::read(at.join("support.pactc")).unwrap();
    let middle = image.len() / 2;
    image[middle] ^= 1;
    std::fs::write(at.join("support.pactc"), image).unwrap();
    assert_ne!(servanda(at, &["verify", "support.pactc"]).code, 0);

    let text = std::fs::read_to_string(at.join("support.pact.json")).unwrap();
    std::fs::write(at.join("support.pact.json"), text.replace("Initech Desk", "Initech Dusk")).unwrap();
    let run = servanda(at, &["verify", "support.pact.json", "--json"]);
    assert_eq!((run.code, run.json()["code"].as_str()), (1, Some("bad_signature")));
}

#[test]
fn judge_reads_lines_and_answers_lines() {
    let folder = with_pact();
    let lines = concat!(
        r#"{"id": "a", "events": [{"at": "request", "text": "My SSN is 536-22-4819"}]}"#,
        "\n",
        r#"{"id": 2, "events": [{"at": "request", "text": "Which card?"}, {"at": "response", "text": "Your card 4111 1111 1111 1111 is on file"}]}"#,
        "\n",
        r#"{"id": 3, "events": [{"at": "call", "tool": "kb_search", "args": {"url": "https://collector.example.net/x"}}]}"#,
        "\n",
        r#"{"id": 4, "events": [{"at": "call", "tool": "kb_search", "args": {"q": "returns"}}]}"#,
        "\n",
    );
    let run = servanda_with(folder.path(), &["judge", "--pact", "support.pact.yaml", "--jsonl", "-"], lines);
    assert_eq!(run.code, 0, "{}", run.err);
    let said: Vec<serde_json::Value> = run.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let verdicts: Vec<_> = said.iter().map(|v| v["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["block", "redact", "block", "allow"]);
    assert_eq!(said[0]["id"], "a");
    assert_eq!(said[0]["events"][0]["violations"][0]["predicate"], "pii");
    assert_eq!(said[1]["events"][1]["text"], "Your card [pii.payment_card] is on file");
    let run = servanda_with(
        folder.path(),
        &["judge", "--pact", "support.pact.yaml", "--jsonl"],
        "{\"events\": [{\"at\": \"nowhere\"}]}\n",
    );
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    let run =
        servanda_with(folder.path(), &["scan", "--pact", "support.pact.yaml", "--json"], "ticket TCK-123456 of jane@example.com");
    let labels: Vec<String> =
        run.json()["findings"].as_array().unwrap().iter().map(|f| f["label"].as_str().unwrap().to_owned()).collect();
    assert_eq!(labels, ["own.ticket_id", "pii.email"]);
}

#[test]
fn a_pact_with_every_word_checks_compiles_and_keeps_its_cases() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../cases/whole/everything.pact.yaml");
    std::fs::write(folder.path().join("e.pact.yaml"), text).unwrap();
    let report = servanda(folder.path(), &["check", "e.pact.yaml", "--json"]).json();
    assert_eq!((&report["ok"], &report["lacks"]), (&true.into(), &serde_json::json!([])), "{report}");
    assert_eq!(report["diagnostics"]["list"], serde_json::json!([]), "{report}");
    let how: std::collections::BTreeMap<&str, &str> = report["coverage"]["predicates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p["checks"][0]["how"].as_str().unwrap()))
        .collect();
    assert_eq!((how["pii"], how["no-relay"], how["p99"], how["accurate"]), ("inline", "not in this build", "window", "judged"));
    assert_eq!(how.values().filter(|h| **h == "window").count(), 5);
    let told = servanda(folder.path(), &["check", "e.pact.yaml"]);
    assert!(
        told.out.contains("p99: measured as quantile 0.99 of latency_ms, at most 3000, over 7d, from 200 samples on"),
        "{}",
        told.out
    );
    let run = servanda(folder.path(), &["test", "e.pact.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let run = servanda(folder.path(), &["compile", "e.pact.yaml", "-o", "e.pactc"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(servanda(folder.path(), &["test", "e.pactc"]).code, 0);
}

#[test]
fn a_notice_is_signed_verified_and_held_against_its_pact() {
    let folder = with_pact();
    let at = folder.path();
    for name in ["agent", "shop"] {
        assert_eq!(servanda(at, &["keygen", "-o", &format!("{name}.key")]).code, 0);
    }
    let notice = "notice: 1\npact: acme-support\nversion: \"1.0.0\"\nagent: did:web:vendor.example:agents:support\n\
                  counterparty: did:web:acme.example\nrollback: {to: \"0.9.0\"}\n";
    std::fs::write(at.join("back.yaml"), notice).unwrap();
    let verify = |more: &[&str]| servanda(at, &[&["verify", "back.json", "--json"], more].concat());
    assert_eq!(servanda(at, &["sign", "back.yaml", "--key", "agent.key", "--role", "agent"]).code, 0);
    assert_eq!((verify(&[]).code, verify(&[]).json()["code"].as_str()), (1, Some("unsigned")));
    assert_eq!(servanda(at, &["sign", "back.json", "--key", "shop.key", "--role", "counterparty"]).code, 0);
    let run = verify(&["--pact", "support.pact.yaml"]);
    assert_eq!(
        (run.code, run.json()["says"].as_str()),
        (0, Some("notice on acme-support 1.0.0: version 0.9.0 may come into force again"))
    );
    edit(at, "version: \"1.0.0\"", "version: \"1.1.0\"");
    let run = verify(&["--pact", "support.pact.yaml"]);
    assert_eq!((run.code, run.json()["code"].as_str()), (1, Some("other_pact")));
    std::fs::write(at.join("bad.yaml"), notice.replace("rollback", "rolback")).unwrap();
    let run = servanda(at, &["sign", "bad.yaml", "--key", "agent.key", "--role", "agent"]);
    assert!(run.code == 1 && run.err.contains("did you mean `rollback`?"), "{}", run.err);
}
