//! `servanda evidence export`: verified records in the shapes of another system, and nothing of a log that does not verify.

use std::path::Path;

use serde_json::Value;

use crate::support::command::servanda;
use crate::support::written::segments;

#[test]
fn what_is_verified_is_exported_and_what_is_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["demo", "--exit", "--evidence", "log"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let export = |args: &[&str]| servanda(folder.path(), &[&["evidence", "export", "log", "--to", "armalo"], args].concat());

    let run = export(&["--shape", "interaction"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let lines: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 5, "{}", run.out);
    assert!(
        lines
            .iter()
            .all(|line| line["completionStatus"].is_string() && line["recordId"].is_string() && line["inputHash"].is_null())
    );
    assert!(lines.iter().any(|line| line["inputCommitment"].is_string()), "{}", run.out);
    assert!(run.err.contains("not carried as the shape has it") && run.err.contains("inputHash, outputHash"), "{}", run.err);

    let told = export(&["--shape", "trust", "--json"]).json();
    let document = &told["documents"][0];
    assert!(document["compositeScore"].is_null() && document["overallFulfillmentRate"].is_number(), "{told}");
    assert_eq!(document["activePacts"], 1, "{told}");
    assert!(told["left"].as_array().unwrap().iter().any(|left| left["field"] == "certificationLevel"), "{told}");

    let pact = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/export/desk.pact.yaml");
    let run = export(&["--shape", "fulfillment", "--pact", pact.to_str().unwrap(), "-o", "kept.json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("kept.json")).unwrap()).unwrap();
    assert!(kept["overallFulfillmentRate"].is_null() && kept["evaluated"] == 0, "nothing happened under another pact: {kept}");
    assert_eq!(export(&["--shape", "fulfillment"]).code, 2, "of which pact");
    assert_eq!(export(&["--shape", "summary"]).code, 2);

    let segment = segments(&folder.path().join("log")).pop().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|w| w == b"exchange").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let run = export(&["--shape", "interaction"]);
    assert_eq!((run.code, run.out.lines().count()), (0, lines.len() - 1), "{}", run.err);
    assert!(run.err.contains("the log is incomplete"), "{}", run.err);
    let run = export(&["--shape", "trust"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""), "a rate of a part: {}", run.err);
    let logs = segment.parent().unwrap();
    std::fs::write(logs.join("checkpoint"), "no note\n").unwrap();
    let run = export(&["--shape", "interaction"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
}
