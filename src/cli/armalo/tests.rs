//! Records of a log against the documents that they make.

use super::*;
use crate::pact::{Packs, read};

const RECORDS: &str = include_str!("../../../tests/cases/export/records.jsonl");
const PACT: &str = include_str!("../../../tests/cases/export/desk.pact.yaml");

fn records() -> Vec<Value> {
    RECORDS.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn pact() -> Pact {
    let (checked, mistakes) = read(PACT, Packs::shipped());
    checked.unwrap_or_else(|| panic!("{}", mistakes.render("pact", PACT))).pact().clone()
}

/// Holds an export against the file of what it must be; `UPDATE_CASES=1` writes it anew.
fn golden(name: &str, exported: &Exported) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/export").join(name);
    let told = serde_json::to_string_pretty(exported).unwrap() + "\n";
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

#[test]
fn interactions_are_what_the_records_say() {
    let exported = interactions(&records());
    golden("interaction.golden.json", &exported);
    let first = &exported.documents[0];
    assert_eq!((&first["taskId"], &first["taskType"], &first["latencyMs"]), (&json!("t-77"), &json!("support"), &json!(812)));
    assert_eq!(
        (&exported.documents[1]["outputCommitment"], &exported.documents[1]["escalated"]),
        (&json!("shown-2"), &json!(true))
    );
    assert!(exported.documents[2]["dataCategories"].is_null(), "nothing found, and not all was read");
}

#[test]
fn fulfillment_holds_what_was_measured_against_the_pact() {
    let exported = fulfillment(&records(), &pact());
    golden("fulfillment.golden.json", &exported);
    let told = &exported.documents[0];
    assert_eq!((&told["overallFulfillmentRate"], &told["evaluated"]), (&json!(0.5), &json!(4)));
    assert_eq!(told["constraintAdherence"], json!({"criticalViolations": 1, "highViolations": 1, "mediumViolations": 0}));
    assert_eq!(told["taskCompletionRate"], json!({"current": 0.75, "threshold": 0.6, "status": "passing"}));
    assert_eq!(told["accuracyScore"], json!({"current": null, "threshold": 0.9, "status": null}));
    assert_eq!((&told["promises"][2]["current"], &told["promises"][2]["status"]), (&json!(2400.0), &json!("failing")));
    assert!(told["promises"][3]["current"].is_null(), "four samples of two hundred decide nothing");
    assert_eq!(told["lowest"]["rate"], json!(0.75));
    let nothing = fulfillment(&[], &pact());
    assert!(nothing.documents[0]["overallFulfillmentRate"].is_null() && nothing.documents[0]["lowest"].is_null());
}

#[test]
fn trust_counts_and_scores_nothing() {
    let load = json!({"kind": "pact.load", "result": "loaded", "pacts": [{"id": "desk", "version": "1.2.0"}]});
    let exported = trust(&records(), Some(&load), &[&pact()]);
    golden("trust.golden.json", &exported);
    let told = &exported.documents[0];
    assert!(told["compositeScore"].is_null() && told["certificationLevel"].is_null() && told["reputationScore"].is_null());
    assert_eq!((&told["activePacts"], &told["overallFulfillmentRate"]), (&json!(1), &json!(0.6)));
    assert_eq!(told["pacts"][0]["scopeSummary"], "support, routing");
    assert!(trust(&[], None, &[]).documents[0]["activePacts"].is_null());
}

#[test]
fn hits_of_a_portfolio_are_counted_for_their_own_pact() {
    let record = json!({"pacts": [{"id": "a", "version": "1.0.0"}, {"id": "b", "version": "1.0.0"}],
        "hits": [{"predicate": "a/pii", "severity": "critical"}, {"predicate": "b/pii", "severity": "minor"}]});
    assert_eq!(violations(&record, Some("a")), BTreeSet::from([("a/pii".to_owned(), Severity::Critical)]));
    assert_eq!(violations(&record, None).len(), 2);
}
