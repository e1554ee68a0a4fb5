//! Whole documents: the templates, and the corpus of bad pacts under `tests/cases/pact`.

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
