//! What shipped packs find and leave alone, and what a broken one is told.

use super::*;

#[test]
fn a_broken_pack_is_told_everything_at_once() {
    let text = "pack: x\nversion: \"1.0.0\"\nabout: y\nentries:\n  - {label: a.b, regex: x, phrases: [y], score: 2, locale: any, source: z}\n  - {lable: a.b, regex: x, verify: lun, score: 1, locale: any, source: z}\n";
    let faults = Packs::load([("x.yaml", text)]).unwrap_err();
    let codes: Vec<_> = faults[0].1.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["kind", "score", "missing_key", "unknown_key", "unknown_word"]);
}

#[test]
fn prefixes_end_at_dots() {
    assert!(under("pii.email", "pii") && under("pii", "pii") && !under("pii.email", "pi") && !under("pii", "pii.email"));
}
