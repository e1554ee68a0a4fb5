//! Versions of pacts: level and direction of each case in `tests/cases/diff`, and the directions against the
//! engine, with events made of what stands in either document.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use servanda::base::document;
use servanda::pact::change::{Direction, Level, compare};
use servanda::pact::{CheckedPact, Packs, read};
use servanda::program::{Program, compile};

use crate::support::alphabet::{Alphabet, acts};
use crate::support::command::servanda;

/// One pair of versions.
pub struct Pair {
    file: String,
    pub name: String,
    pub text: String,
    wants: String,
    changes: Vec<String>,
    why: Option<String>,
}

const BASE: &str = include_str!("../cases/diff/desk.pact.yaml");

pub fn pairs() -> Vec<Pair> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/diff");
    let mut out = Vec::new();
    for file in ["patch.yaml", "widen.yaml", "predicates.yaml", "rest.yaml"] {
        let cases = document::parse(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap().to_json();
        for case in cases.as_array().unwrap() {
            let name = case["name"].as_str().unwrap().to_owned();
            let mut text = BASE.to_owned();
            for edit in case["edit"].as_array().unwrap() {
                let (from, to) = (edit[0].as_str().unwrap(), edit[1].as_str().unwrap());
                assert_eq!(text.matches(from).count(), 1, "{file}: {name}: `{from}` must stand once");
                text = text.replace(from, to);
            }
            let changes = case["changes"].as_array().into_iter().flatten().map(|c| c.as_str().unwrap().to_owned()).collect();
            let why = case["why"].as_str().map(str::to_owned);
            let wants = case["wants"].as_str().unwrap().to_owned();
            out.push(Pair { file: file.to_owned(), name, text, wants, changes, why });
        }
    }
    out
}

pub fn checked(text: &str, name: &str) -> CheckedPact {
    let (pact, out) = read(text, Packs::shipped());
    pact.unwrap_or_else(|| panic!("{name}: {}", out.render(name, text)))
}

#[test]
fn every_pair_has_its_level_and_direction() {
    let base = checked(BASE, "desk");
    let pairs = pairs();
    assert!(pairs.len() >= 100, "{} pairs", pairs.len());
    let mut wrong = String::new();
    for pair in &pairs {
        let name = format!("{}: {}", pair.file, pair.name);
        let new = checked(&pair.text, &name);
        let there = compare(&base, &new);
        let told = format!("{} {}", there.level(), there.direction());
        let paths: Vec<&str> = there.changes.iter().map(|c| c.path.as_str()).collect();
        let said = pair.why.as_ref().is_none_or(|w| there.changes.iter().any(|c| c.why.as_ref().is_some_and(|y| y.contains(w))));
        if told != pair.wants || paths != pair.changes || !said {
            wrong += &format!(
                "{name}\n  wants {} {:?} {:?}\n  told {told} {:#?}\n",
                pair.wants, pair.changes, pair.why, there.changes
            );
        }
        assert!(there.changes.iter().all(|c| !c.what.is_empty()), "{name}: {:?}", there.changes);
        // The way back is as grave or less, and goes the other way.
        let back = compare(&new, &base);
        if back.direction() != there.direction().turned() {
            wrong += &format!("{name}: back {} {:#?}\n", back.direction(), back.changes);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_pact_is_no_version_of_itself_and_needs_none() {
    let base = checked(BASE, "desk");
    let same = compare(&base, &base);
    assert!(same.same_document && same.holds() && same.changes.is_empty());
    assert_eq!((same.level(), same.direction(), same.declared()), (Level::Patch, Direction::Neutral, None));
    let whole = include_str!("../cases/whole/everything.pact.yaml");
    let respelt =
        format!("# spelt anew\n{}", whole.replace("format: 1\n", "").replace("pact: everything", "pact: everything\nformat: 1"));
    let there = compare(&checked(whole, "everything"), &checked(&respelt, "respelt"));
    assert_eq!(there.changes, []);
}

pub fn program(pact: &CheckedPact) -> Arc<Program> {
    Arc::new(compile(std::slice::from_ref(pact), Packs::shipped()).unwrap())
}

/// Holds what is said of every second pair of a file against the engine.
fn against_the_engine(rest: usize) {
    let base = checked(BASE, "desk");
    let old = program(&base);
    let mut strict = 0;
    for pair in pairs().iter().skip(rest).step_by(2) {
        let pact = checked(&pair.text, &pair.name);
        let comparison = compare(&base, &pact);
        let direction = comparison.direction();
        if direction == Direction::NotComparable {
            continue;
        }
        strict += 1;
        let new = program(&pact);
        let exchange = prop::collection::vec(Alphabet::of([&base, &pact]).event(), 1..7);
        let mut runner = TestRunner::new(Config { cases: 160, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&prop::collection::vec(exchange, 1..3), |exchanges| {
            for (was, is) in acts(&old, &exchanges).into_iter().zip(acts(&new, &exchanges)) {
                let fits = match direction {
                    Direction::Neutral => was == is,
                    Direction::Tighter => is >= was,
                    Direction::Looser => is <= was,
                    Direction::NotComparable => true,
                };
                prop_assert!(fits, "{}: {direction}, but {was} became {is}", pair.name);
                prop_assert!(comparison.level() != Level::Patch || was == is, "{}: a patch changed {was} to {is}", pair.name);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{}: {e}", pair.name));
    }
    assert!(strict >= 30, "{strict} pairs say which way they go");
}

#[test]
fn what_is_said_of_a_change_is_what_the_engine_does() {
    against_the_engine(0);
}

#[test]
fn what_is_said_of_a_change_is_what_the_engine_does_and_so_on() {
    against_the_engine(1);
}

#[test]
fn diff_says_level_direction_and_whether_the_version_admits_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("old.yaml", BASE);
    let tighter = BASE.replace("maximum: 500", "maximum: 300");
    write("low.yaml", &tighter.replace("1.2.3", "1.3.0"));
    write("high.yaml", &tighter.replace("1.2.3", "2.0.0"));
    write("same-version.yaml", &tighter);
    write("other.yaml", &BASE.replace("agents:desk", "agents:till").replace("1.2.3", "9.0.0"));
    write("broken.yaml", "format: 1\ncolour: blue\n");
    let diff = |args: &[&str]| servanda(folder.path(), &[&["diff"], args].concat());
    let run = diff(&["old.yaml", "low.yaml"]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("amount.maximum: 500 becomes 300"), "{}", run.out);
    assert!(run.out.contains("1.3.0 is too low: at least 2.0.0"), "{}", run.out);
    let run = diff(&["old.yaml", "high.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("major, tighter (1 change): both parties sign anew, after a notice of 30d"), "{}", run.out);
    assert_eq!(diff(&["old.yaml", "same-version.yaml"]).code, 1, "an edit under the same version");
    assert_eq!((diff(&["old.yaml", "old.yaml"]).code, diff(&["old.yaml", "other.yaml"]).code), (0, 1));
    assert_eq!((diff(&["old.yaml", "broken.yaml"]).code, diff(&["old.yaml", "missing.yaml"]).code), (2, 2));
    let said = diff(&["old.yaml", "low.yaml", "--json"]).json();
    assert_eq!(
        (&said["level"], &said["declared"], &said["direction"], &said["least"], &said["ok"]),
        (&json!("major"), &json!("minor"), &json!("tighter"), &json!("2.0.0"), &json!(false))
    );
    assert_eq!(said["changes"][0]["path"], "predicates.refund-size.check");
}
