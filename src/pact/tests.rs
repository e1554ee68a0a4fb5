//! Whole documents: the templates, and the corpus of bad pacts under `tests/cases/pact`.
//!
//! Each file of the corpus begins with `# wants:` and what the reader tells of it, in order of place: code,
//! line and column, a warning with `?` behind its code. Nothing more and nothing less may be told.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::template::TEMPLATES;
use super::{Packs, read};
use crate::base::diagnostic::Level;

#[test]
fn every_template_reads_without_a_word() {
    for (name, text) in TEMPLATES {
        if Packs::shipped().get("secrets").is_none() && text.contains("secrets:") {
            continue;
        }
        let (pact, out) = read(text, Packs::shipped());
        assert!(out.is_empty(), "{}", out.render(name, text));
        assert_eq!(pact.unwrap().lacks(), [] as [&str; 0], "{name}");
    }
}

#[test]
fn an_empty_draft_is_told_what_it_lacks() {
    let (pact, out) = read("format: 1\n", Packs::shipped());
    assert!(out.iter().all(|d| d.level == Level::Warning), "{out:?}");
    assert_eq!(pact.unwrap().lacks().len(), 8);
}

#[test]
fn bad_pacts_are_told_what_is_wrong_and_where() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/pact");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut wrong = String::new();
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let wanted = text.lines().next().and_then(|l| l.strip_prefix("# wants:")).expect("a first line `# wants:`").trim();
        let (pact, out) = read(&text, Packs::shipped());
        let told: Vec<String> = out
            .iter()
            .map(|d| format!("{}{} {}:{}", d.code, if d.level == Level::Warning { "?" } else { "" }, d.span.line, d.span.column))
            .collect();
        let told = told.join(", ");
        assert_eq!(pact.is_none(), out.has_errors(), "{}", path.display());
        if told != wanted {
            writeln!(wrong, "{}\n wants {wanted}\n  told {told}\n{}", path.display(), out.render("", &text)).unwrap();
        }
    }
    assert!(files.len() >= 40, "{} files", files.len());
    assert!(wrong.is_empty(), "{wrong}");
}
