//! Foreign documents with every field, and what becomes of each.

use super::*;
use crate::pact::read;

fn imported(text: &str, from: Origin) -> Imported {
    let imported = import(text, from, Packs::shipped()).unwrap();
    let (pact, mistakes) = read(&imported.draft, Packs::shipped());
    assert!(pact.is_some(), "{}\n{}", mistakes.render("draft", &imported.draft), imported.draft);
    imported
}

fn left<'i>(imported: &'i Imported, path: &str) -> &'i str {
    let found = imported.left.iter().find(|l| l.path == path);
    &found.unwrap_or_else(|| panic!("nothing is said of {path}: {:#?}", imported.left)).why
}

const ARMALO: &str = include_str!("../../../tests/cases/import/armalo.json");
const CONDITIONS: &str = include_str!("../../../tests/cases/import/conditions.json");
const NOMOTIC: &str = include_str!("../../../tests/cases/import/nomotic.json");
const EIDOS: &str = include_str!("../../../tests/cases/import/eidos.json");

#[test]
fn an_armalo_pact_says_what_it_said() {
    let got = imported(ARMALO, Origin::Armalo);
    for line in [
        "max: 1800",
        "set: task",
        "allow: [customer_support, ticket_routing]",
        "forbidden_topic",
        "bound: open_tasks",
        "min_samples: 500",
        "eval_set: ",
        "every: \"24h\"",
        "trim: 0.2",
        "constraint: NO_PII_EXFILTRATION",
        "severity: major",
        "forfeit: 0.75",
    ] {
        assert!(got.draft.contains(line), "{line}\n{}", got.draft);
    }
    assert!(left(&got, "constraintSet[2]").contains("comment"), "{:?}", got.left);
    assert!(left(&got, "constraintSet[3].constraint").contains("NO_BAD_MOOD"));
    assert!(left(&got, "scope.dataCategories").contains("marketing"));
    assert!(left(&got, "signedAt").contains("sign it anew"));
    assert!(left(&got, "evaluationConfig.evalProvider").contains("no word"));
    assert!(left(&got, "performanceCommitments.latencyP99Ms").contains("7d"));
    assert!(got.lacks.iter().any(|l| l.contains("counterparty")), "{:?}", got.lacks);
}

#[test]
fn live_conditions_become_checks_or_are_named() {
    let got = imported(CONDITIONS, Origin::Armalo);
    for line in ["bound: latency_ms, max: 2500", "max: 4000", "Globex", "judge: accuracy", "min: 0.9"] {
        assert!(got.draft.contains(line), "{line}\n{}", got.draft);
    }
    assert!(left(&got, "conditions[4]").contains("no check of this format"), "{:?}", got.left);
}

#[test]
fn a_nomotic_contract_keeps_its_normal_and_its_limits() {
    let got = imported(NOMOTIC, Origin::Nomotic);
    for line in [
        "measure: drift",
        "overall: 0.25",
        "version: \"2.0.0\"",
        "redact: 0.04",
        "measure: top_share",
        "measure: distinct",
        "local_hour",
        "start: 0.5",
    ] {
        assert!(got.draft.contains(line), "{line}\n{}", got.draft);
    }
    // Actions are words of the catalogue, which a contract does not have.
    assert!(left(&got, "invariants[0]").contains("comment"), "{:?}", got.left);
    assert!(left(&got, "authorized_scope.actions").contains("comment"));
    assert!(left(&got, "signature").contains("sign anew"));
}

#[test]
fn an_eidos_descriptor_promises_what_it_hints() {
    let got = imported(EIDOS, Origin::Eidos);
    for line in ["max: 1600", "deny: [medical_diagnosis, legal_interpretation]", "capability: support"] {
        assert!(got.draft.contains(line), "{line}\n{}", got.draft);
    }
    assert!(left(&got, "capabilities[1]").contains("one capability"));
    assert!(left(&got, "delegation").contains("deny"));
}

#[test]
fn whatever_comes_the_draft_reads() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let documents: Vec<(serde_json::Value, Origin)> =
        [(ARMALO, Origin::Armalo), (CONDITIONS, Origin::Armalo), (NOMOTIC, Origin::Nomotic), (EIDOS, Origin::Eidos)]
            .map(|(text, from)| (serde_json::from_str(text).unwrap(), from))
            .into();
    let odd = prop::sample::select(vec![
        serde_json::json!(null),
        serde_json::json!("x: y"),
        serde_json::json!(-1),
        serde_json::json!(1e300),
        serde_json::json!([]),
        serde_json::json!({"a.b": {"": "\u{7}"}}),
        serde_json::json!(["no", "#", "did:"]),
        serde_json::json!(true),
    ]);
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    let which = (0..documents.len(), prop::collection::vec((any::<prop::sample::Index>(), odd), 1..4));
    runner
        .run(&which, |(which, changes)| {
            let (mut value, from) = documents[which].clone();
            for (at, odd) in changes {
                let mut paths = Vec::new();
                pointers(&value, "", &mut paths);
                *value.pointer_mut(&paths[at.index(paths.len())]).unwrap() = odd;
            }
            if value.is_object() {
                imported(&value.to_string(), from);
            }
            Ok(())
        })
        .unwrap();
}

fn pointers(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
    out.push(path.to_owned());
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(k, v)| pointers(v, &format!("{path}/{}", k.replace('~', "~0").replace('/', "~1")), out));
        }
        serde_json::Value::Array(list) => list.iter().enumerate().for_each(|(n, v)| pointers(v, &format!("{path}/{n}"), out)),
        _ => {}
    }
}
