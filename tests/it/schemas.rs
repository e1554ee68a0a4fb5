//! The JSON Schemas: what is committed is what the binary prints, every document that the readers take fits,
//! and a key that they refuse does not.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use servanda::base::document;
use servanda::pact::{Packs, read};

use crate::support::command::servanda;
use crate::support::written::written;

const KINDS: &[&str] = &["pact", "portfolio", "config", "pack", "evidence", "interaction", "verdict", "incident"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn committed(kind: &str) -> Value {
    let path = root().join(format!("config/schemas/{kind}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn document(path: &Path) -> Value {
    document::parse(&std::fs::read_to_string(path).unwrap()).unwrap().to_json()
}

/// The files of a folder with this end.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
    let mut out: Vec<PathBuf> = entries.filter(|p| p.to_str().unwrap().ends_with(end)).collect();
    out.sort();
    assert!(!out.is_empty(), "no {end} in {folder}");
    out
}

#[test]
fn what_is_committed_is_what_is_printed() {
    for kind in KINDS {
        let run = servanda(&root(), &["schema", kind]);
        let path = root().join(format!("config/schemas/{kind}.schema.json"));
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(there, run.out, "`servanda schema {kind} > config/schemas/{kind}.schema.json` writes it anew");
        assert!(jsonschema::meta::is_valid(&run.json()), "{kind}");
    }
    let run = servanda(&root(), &["schema", "pcat"]);
    assert!(run.code == 2 && run.err.contains("there are: pact, portfolio, config"), "{}", run.err);
}

#[test]
fn documents_that_are_read_fit_their_schema() {
    let fits = |kind: &str, paths: Vec<PathBuf>| {
        let schema = jsonschema::validator_for(&committed(kind)).unwrap();
        for path in paths {
            let value = document(&path);
            let told: Vec<String> = schema.iter_errors(&value).map(|e| format!("{} at {}", e, e.instance_path())).collect();
            assert!(told.is_empty(), "{}: {told:#?}", path.display());
        }
    };
    fits("pact", files("config/templates", ".pact.yaml"));
    fits("portfolio", vec![root().join("tests/cases/portfolio/desk.portfolio.yaml")]);
    fits("pact", vec![root().join("tests/cases/whole/everything.pact.yaml"), root().join("tests/cases/diff/desk.pact.yaml")]);
    fits("config", vec![root().join("config/servanda.yaml"), root().join("config/enforce.yaml")]);
    fits("pack", files("invariants", ".yaml").into_iter().filter(|p| !p.ends_with("constraints.yaml")).collect());
}

#[test]
fn records_of_a_log_fit_their_schema() {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["demo", "--exit", "--evidence", "log"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let record = jsonschema::validator_for(&committed("evidence")).unwrap();
    let interaction = jsonschema::validator_for(&committed("interaction")).unwrap();
    let mut exchanges = 0;
    for one in &written(&folder.path().join("log")) {
        assert!(record.is_valid(one), "{:?}: {one}", record.iter_errors(one).map(|e| e.to_string()).collect::<Vec<_>>());
        if one["kind"] == "exchange" {
            exchanges += 1;
            let told: Vec<String> = interaction.iter_errors(one).map(|e| e.to_string()).collect();
            assert!(told.is_empty(), "{told:?}: {one}");
        }
    }
    assert!(exchanges >= 8, "{exchanges} exchanges");
}

/// Every map of a document, by the keys and places that lead to it.
fn maps(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            out.push(path.to_owned());
            for (key, value) in map {
                maps(value, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, v)| maps(v, &format!("{path}/{n}"), out)),
        _ => {}
    }
}

#[test]
fn a_key_that_the_reader_refuses_does_not_fit_the_schema() {
    let schema = jsonschema::validator_for(&committed("pact")).unwrap();
    let whole = document(&root().join("tests/cases/whole/everything.pact.yaml"));
    let mut paths = Vec::new();
    maps(&whole, "", &mut paths);
    let (mut refused, mut free) = (0, 0);
    for path in paths {
        let mut value = whole.clone();
        value.pointer_mut(&path).unwrap().as_object_mut().unwrap().insert("zzz".to_owned(), json!("zzz"));
        let (pact, mistakes) = read(&value.to_string(), Packs::shipped());
        // A schema knows no names: what only fails by being nobody's name is not its business.
        let unknown = mistakes.iter().any(|d| d.code == "unknown_key" && d.message.contains("`zzz`"));
        if unknown {
            refused += 1;
            assert!(!schema.is_valid(&value), "{path}: the reader knows no `zzz`, and the schema takes it");
        } else if pact.is_some() {
            free += 1;
            assert!(schema.is_valid(&value), "{path}: the reader takes `zzz`, and the schema does not");
        }
    }
    assert!(refused >= 60 && free >= 2, "{refused} refused, {free} free");
}
