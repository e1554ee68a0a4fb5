//! Whole documents: the templates, and the corpus of bad pacts under `tests/cases/pact`.
//!
//! Each file of the corpus begins with `# wants:` and what the reader tells of it, in order of place: code,
//! line and column, a warning with `?` behind its code. Nothing more and nothing less may be told.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::model::Check;
use super::template::TEMPLATES;
use super::{Packs, constraint, read, read_statement};
use crate::base::diagnostic::{Diagnostics, Level};
use crate::base::verdict::Severity;

#[test]
fn every_template_reads_without_a_word() {
    for (name, text) in TEMPLATES {
        let (pact, out) = read(text, Packs::shipped());
        assert!(out.is_empty(), "{}", out.render(name, text));
        assert_eq!(pact.unwrap().lacks(), [] as [&str; 0], "{name}");
    }
}

#[test]
fn every_label_of_a_constraint_has_a_detector() {
    for constraint in constraint::all() {
        for stated in &constraint.checks {
            let constraint::Default::Check(check) = &stated.default else { continue };
            let Check::Match(matching) = &**check else { continue };
            for label in &matching.labels {
                assert!(Packs::shipped().select(label).next().is_some(), "{}: {label}", constraint.name);
            }
        }
    }
}

#[test]
fn a_constraint_is_one_predicate_with_a_check_per_stage_and_every_key_overrides() {
    let acts = |rest: &str| {
        let text = format!("format: 1\npredicates:\n  - constraint: NO_PII_EXFILTRATION\n{rest}");
        let (pact, out) = read(&text, Packs::shipped());
        let pact = pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)));
        let [predicate] = &pact.pact().predicates[..] else { panic!("one predicate") };
        let stages = predicate.checks.iter().flat_map(|c| c.stages.iter()).map(|(s, a)| format!("{s} {a}"));
        (predicate.id.clone(), predicate.severity, stages.collect::<Vec<_>>().join(", "))
    };
    let (id, severity, stages) = acts("");
    assert_eq!((id.as_str(), severity), ("no-pii-exfiltration", Severity::Critical));
    assert_eq!(stages, "request block, call block, egress block, response redact");
    assert_eq!(acts("    act: flag\n").2, "request flag, call flag, egress flag, response flag");
    assert_eq!(acts("    act: {response: block}\n").2, "request block, call block, egress block, response block");
    assert_eq!(acts("    at: response\n").2, "response redact");
    // A check of the pact's own keeps the stages and their acts.
    assert_eq!(acts("    check: {match: [pii.us_ssn]}\n").2, "request block, call block, response redact, egress block");
    let (id, severity, _) = acts("    id: pii\n    severity: major\n");
    assert_eq!((id.as_str(), severity), ("pii", Severity::Major));
}

#[test]
fn a_constraint_takes_the_checks_that_its_entries_name() {
    let stages = |rest: &str| {
        let text = format!("format: 1\npredicates:\n  - {rest}");
        let (pact, out) = read(&text, Packs::shipped());
        let pact = pact.ok_or_else(|| out.render("pact", &text))?;
        let checks = pact.pact().predicates[0].checks.clone();
        let stages = checks.iter().flat_map(|c| c.stages.iter().map(|(s, a)| format!("{} {s} {a}", c.check.word())));
        Ok::<_, String>(stages.collect::<Vec<_>>().join(", "))
    };
    // Without a check of the pact's own, the defaults; entries that only take one are left out.
    assert_eq!(stages("constraint: NO_ADVERSARIAL_TOOL_USE").unwrap(), "match call block, match call flag");
    assert_eq!(stages("constraint: RESPONSE_QUALITY_FLOOR").unwrap(), "bound end flag");
    // Each kind of check goes to the stages of the entry that takes it.
    let data = "constraint: NO_UNAUTHORIZED_DATA_ACCESS\n    check: {set: data, allow: [public]}";
    assert_eq!(stages(data).unwrap(), "set call block, set response block, set egress block");
    let target = "constraint: NO_UNAUTHORIZED_DATA_ACCESS\n    check: {set: target, deny: [crm]}\ntools:\n  a: {action: read, target: crm, effect: read}";
    assert!(stages(target).unwrap().starts_with("set call block"));
    let cap = "constraint: COST_PREDICTABILITY\n    check: {bound: tokens_out, max: 4000}";
    assert_eq!(stages(cap).unwrap(), "bound end flag");
    let links = "constraint: NO_HALLUCINATED_CITATIONS\n    check: {set: link_host, allow: [docs.example]}";
    assert_eq!(stages(links).unwrap(), "set response block");
    assert!(stages("constraint: NO_UNAUTHORIZED_DATA_ACCESS").unwrap_err().contains("set: target"));
    assert!(stages("constraint: LATENCY_SLA\n    check: {match: [pii]}").unwrap_err().contains("measure"));
}

#[test]
fn an_empty_draft_is_told_what_it_lacks() {
    let (pact, out) = read("format: 1\n", Packs::shipped());
    assert!(out.iter().all(|d| d.level == Level::Warning), "{out:?}");
    assert_eq!(pact.unwrap().lacks().len(), 8);
}

/// Holds every file of a folder against its first line. Gives how many there are.
fn corpus(folder: &str, read: impl Fn(&str) -> (bool, Diagnostics)) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut wrong = String::new();
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let wanted = text.lines().next().and_then(|l| l.strip_prefix("# wants:")).expect("a first line `# wants:`").trim();
        let (usable, out) = read(&text);
        let told: Vec<String> = out
            .iter()
            .map(|d| format!("{}{} {}:{}", d.code, if d.level == Level::Warning { "?" } else { "" }, d.span.line, d.span.column))
            .collect();
        let told = told.join(", ");
        assert_eq!(usable, !out.has_errors(), "{}", path.display());
        // The grammar of YAML has its own words; everything else names a way out.
        for d in out.iter().filter(|d| d.help.is_none() && d.code != "syntax") {
            writeln!(wrong, "{}: {} at {} has no way out: {}", path.display(), d.code, d.field, d.message).unwrap();
        }
        for d in out.iter().filter(|d| d.span.end > d.span.start) {
            assert!(text.get(d.span.start..d.span.end).is_some(), "{}: {} has no place", path.display(), d.code);
        }
        if told != wanted {
            writeln!(wrong, "{}\n wants {wanted}\n  told {told}\n{}", path.display(), out.render("", &text)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    files.len()
}

#[test]
fn bad_pacts_are_told_what_is_wrong_and_where() {
    let files = corpus("pact", |text| {
        let (pact, out) = read(text, Packs::shipped());
        (pact.is_some(), out)
    });
    assert!(files >= 200, "{files} files");
}

#[test]
fn bad_statements_are_told_what_is_wrong_and_where() {
    let files = corpus("statement", |text| {
        let (statement, out) = read_statement(text);
        (statement.is_some(), out)
    });
    assert!(files >= 15, "{files} files");
}
