//! The demo as a newcomer meets it: every line as promised, the log verified at the end, and commands that
//! explain what was seen.

use crate::support::command::servanda;

#[test]
fn the_demo_shows_every_act_and_a_verified_log() {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["demo", "--exit", "--evidence", "evidence"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let acts: Vec<&str> = run
        .out
        .lines()
        .filter_map(|l| l.get(4..10).filter(|_| l.starts_with(char::is_whitespace) || l.starts_with('1')))
        .map(str::trim)
        .collect();
    let acts: Vec<&str> = acts.into_iter().filter(|a| ["allow", "redact", "block", "hold", "flag"].contains(a)).collect();
    assert_eq!(acts.iter().filter(|a| **a == "allow").count(), 3, "{}", run.out);
    assert_eq!(acts.iter().filter(|a| **a == "redact").count(), 3, "{}", run.out);
    assert_eq!(acts.len(), 13, "{}", run.out);
    assert!(!run.out.contains("4111") && !run.out.contains("it should not have"), "{}", run.out);
    assert!(run.out.contains("approvals") && run.out.contains("suspension"), "{}", run.out);
    let end = &run.out[run.out.find("verified offline").unwrap()..];
    assert!(end.contains("VALID") && !end.contains("INVALID"), "{end}");

    let verified = servanda(folder.path(), &["evidence", "verify", "evidence", "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    let explain = run.out.lines().find_map(|l| l.strip_prefix("explain a block: servanda ")).unwrap();
    let shown = servanda(folder.path(), &explain.split(' ').collect::<Vec<_>>());
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("no-impersonation"), "{}", shown.out);
    let record = explain.rsplit(' ').next().unwrap();
    let proven = servanda(folder.path(), &["evidence", "prove", "evidence", record, "-o", "block.proof"]);
    assert_eq!(proven.code, 0, "{}", proven.err);
    let key = proven.err.split('\'').nth(1).unwrap();
    let checked = servanda(folder.path(), &["evidence", "verify", "block.proof", "--key", key]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert!(checked.out.contains(record), "{}", checked.out);
    assert_eq!(servanda(folder.path(), &["evidence", "fsck", "evidence"]).code, 0);

    // One bit, anywhere in a segment, and the log is no longer what it was.
    let logs = std::fs::read_dir(folder.path().join("evidence/logs")).unwrap().next().unwrap().unwrap().path();
    let segment = std::fs::read_dir(logs).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "log"));
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    let broken = servanda(folder.path(), &["evidence", "verify", "evidence"]);
    assert_eq!(broken.code, 1, "{}", broken.out);
    assert!(!broken.out.starts_with("VALID"), "{}", broken.out);
}
