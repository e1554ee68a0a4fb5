//! What the README says is so: its pact compiles, keeps its cases, and blocks what is shown.

use std::fs;
use std::path::Path;

use crate::support::command::{servanda, servanda_with};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The first fenced block of a language.
fn block<'t>(text: &'t str, language: &str) -> &'t str {
    let start = text.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
    &text[start..start + text[start..].find("```").unwrap()]
}

#[test]
fn the_pact_is_short_compiles_and_keeps_its_cases() {
    let text = readme();
    let pact = block(&text, "yaml");
    assert!(pact.lines().count() <= 16, "a pact of {} lines is not short", pact.lines().count());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("parcel.pact.yaml"), pact).unwrap();
    for command in ["check", "test"] {
        let run = servanda(folder.path(), &[command, "parcel.pact.yaml"]);
        assert_eq!(run.code, 0, "{command}: {}{}", run.out, run.err);
    }
    let question = r#"{"events": [{"at": "request", "text": "My SSN is 536-22-4819"}]}"#;
    let run = servanda_with(folder.path(), &["judge", "--pact", "parcel.pact.yaml", "--json", "-"], question);
    assert_eq!(run.json()["verdict"], "block");
    assert!(text.contains("My SSN is 536-22-4819") && text.contains("x-servanda-predicate: pii"));
}

#[test]
fn its_two_commands_are_commands() {
    let text = readme();
    let commands: Vec<&str> = text.lines().filter(|l| l.starts_with("cargo ")).collect();
    assert_eq!(commands, ["cargo run --release --locked -- demo --exit", "cargo test --locked"]);
}

#[test]
fn every_command_it_names_exists() {
    let folder = tempfile::tempdir().unwrap();
    let pages = ["README.md", "src/docs/operations.md", "src/docs/pact.md", "src/docs/evidence.md", "examples/python/README.md"];
    for page in pages {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        for (at, _) in text.match_indices("servanda ") {
            let rest = &text[at + "servanda ".len()..];
            let command = rest.split([' ', '\n', '`']).next().unwrap_or("");
            let is_word = !command.is_empty() && command.bytes().all(|b| b.is_ascii_lowercase());
            let in_code = ["`", "$ ", "&& "].iter().any(|before| text[..at].ends_with(before));
            // The first line of signed bytes is no command.
            if rest.split(' ').nth(1).is_some_and(|word| word.starts_with("v1")) {
                continue;
            }
            if is_word && in_code {
                let run = servanda(folder.path(), &[command, "--help"]);
                assert_eq!(run.code, 0, "{page} names `servanda {command}`: {}", run.err);
            }
        }
    }
}

#[test]
fn the_layer_is_the_example() {
    let text = readme();
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/axum_layer.rs")).unwrap();
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let example = squeeze(&example);
    for line in block(&text, "rust").lines().filter(|l| !l.trim().is_empty()) {
        assert!(example.contains(&squeeze(line)), "examples/axum_layer.rs does not have the README's line `{line}`");
    }
}
