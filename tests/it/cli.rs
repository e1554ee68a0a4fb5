//! The command as people and scripts meet it: what it prints where, and how it ends.

use crate::support::command::servanda;

#[test]
fn wrong_use_is_two_and_help_is_zero() {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["chekc"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("unrecognized subcommand"), "{}", run.err);
    let run = servanda(folder.path(), &["keygen", "--help"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("Example:"), "{}", run.out);
    assert_eq!(servanda(folder.path(), &["--version"]).out.trim(), concat!("servanda ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_key_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = servanda(folder.path(), &["keygen", "-o", "a.key", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let said = run.json();
    assert!(said["key"].as_str().unwrap().starts_with("z6Mk"));
    assert_eq!(said["did"], format!("did:key:{}", said["key"].as_str().unwrap()));
    assert!(!run.out.contains(std::fs::read_to_string(folder.path().join("a.key")).unwrap().trim()), "the secret is printed");
    let again = servanda(folder.path(), &["keygen", "-o", "a.key"]);
    assert_eq!((again.code, again.out.as_str()), (2, ""));
}

#[test]
fn completions_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    assert!(servanda(folder.path(), &["completions", "bash"]).out.contains("_servanda"));
    assert!(servanda(folder.path(), &["man"]).out.contains(".TH servanda 1"));
    assert_eq!(servanda(folder.path(), &["man", "-o", "pages"]).code, 0);
    assert!(folder.path().join("pages/servanda-keygen.1").exists());
}
