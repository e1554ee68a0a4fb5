//! `servanda import` and the calendar of `servanda check`, as a person uses them.

use std::path::Path;

use crate::support::command::servanda;

fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/import")
}

#[test]
fn a_foreign_document_becomes_a_draft_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    for (file, from) in [("armalo", "armalo"), ("conditions", "armalo"), ("nomotic", "nomotic"), ("eidos", "eidos")] {
        let source = cases().join(format!("{file}.json"));
        let out = format!("{file}.pact.yaml");
        let args = ["import", source.to_str().unwrap(), "--from", from, "-o", &out];
        let run = servanda(folder.path(), &args);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
        assert!(
            run.err.contains("not carried as it stood") && run.err.contains("before it can be signed it needs"),
            "{}",
            run.err
        );
        assert_eq!(servanda(folder.path(), &["check", &out]).code, 0, "{file}");
        assert_eq!(servanda(folder.path(), &args).code, 2, "overwritten unasked");
        let said = servanda(folder.path(), &["import", source.to_str().unwrap(), "--from", from, "--json"]).json();
        assert!(said["left"].as_array().is_some_and(|l| !l.is_empty()), "{said}");
        assert_eq!(said["draft"], std::fs::read_to_string(folder.path().join(&out)).unwrap());
    }
    std::fs::write(folder.path().join("list.json"), "[1]").unwrap();
    assert_eq!(servanda(folder.path(), &["import", "list.json", "--from", "eidos"]).code, 1);
    assert_eq!(servanda(folder.path(), &["import", "list.json", "--from", "someone"]).code, 2);
}

#[test]
fn the_calendar_says_what_is_due() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(servanda(folder.path(), &["init", "-o", "s.pact.yaml"]).code, 0);
    let run = servanda(folder.path(), &["check", "s.pact.yaml", "--calendar"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    for line in
        ["2026-01-01", "2035-12-02", "an extension must have been signed", "2036-01-01", "a pause longer than 72h ends it"]
    {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    let said = servanda(folder.path(), &["check", "s.pact.yaml", "--calendar", "--json"]).json();
    assert_eq!(said["calendar"]["dates"][2]["on"], "2036-01-01", "{said}");
    assert!(said["calendar"]["dates"][2]["days"].is_i64());
}
