//! What shipped packs find and leave alone, and what a broken one is told.

use std::sync::Arc;

use super::*;
use crate::scan::StreamScanner;
use crate::scan::span::join_pieces;

#[test]
fn a_broken_pack_is_told_everything_at_once() {
    let text = "pack: x\nversion: \"1.0.0\"\nabout: y\nentries:\n  - {label: a.b, regex: x, phrases: [y], score: 2, locale: any, source: z}\n  - {lable: a.b, regex: x, verify: lun, score: 1, locale: any, source: z}\n";
    let faults = Packs::load([("x.yaml", text)]).unwrap_err();
    let mut codes: Vec<_> = faults[0].1.iter().map(|d| d.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["kind", "missing_key", "score", "unknown_key", "unknown_word"]);
}

#[test]
fn prefixes_end_at_dots() {
    assert!(under("pii.email", "pii") && under("pii", "pii") && !under("pii.email", "pi") && !under("pii", "pii.email"));
}

#[test]
fn every_shipped_pack_reads() {
    if let Err(faults) = Packs::load(SHIPPED.iter().copied()) {
        for (name, mistakes) in faults {
            let text = SHIPPED.iter().find(|(n, _)| *n == name).unwrap().1;
            eprintln!("{}", mistakes.render(&name, text));
        }
        panic!("a shipped pack does not read");
    }
}

#[test]
fn every_example_is_found_and_no_near_miss() {
    for pack in Packs::shipped().iter() {
        for entry in &pack.entries {
            let id = &entry.pattern.detector;
            assert!(entry.examples.len() >= 4 && entry.near_misses.len() >= 4, "{id} needs four examples and near misses");
            assert!(!entry.source.is_empty() && !entry.locale.is_empty(), "{id}");
        }
        for entry in &pack.topics {
            assert!(entry.examples.len() >= 4 && entry.near_misses.len() >= 4, "{}", entry.topic.label);
        }
        assert_eq!(pack.test().unwrap(), [], "pack {}", pack.name);
    }
}

#[test]
fn every_example_is_found_the_same_in_every_single_cut() {
    let packs = Packs::shipped();
    let scanner = Arc::new(packs.scanner().unwrap());
    let mut scratch = Scratch::new(&scanner);
    let texts = packs.entries().flat_map(|(_, entry)| entry.examples.iter().chain(&entry.near_misses));
    let topics = packs.topics().flat_map(|(_, entry)| entry.examples.iter().chain(&entry.near_misses));
    for text in texts.chain(topics) {
        let (mut whole, mut streamed) = (Vec::new(), Vec::new());
        scanner.scan(text, &mut scratch, &mut whole);
        let topics = scanner.topics_of(&scratch);
        let mut stream = StreamScanner::new(&scanner);
        for (at, _) in text.char_indices() {
            stream.reset();
            streamed.clear();
            stream.push(&text[..at], &mut streamed);
            stream.push(&text[at..], &mut streamed);
            stream.finish(&mut streamed);
            join_pieces(&mut streamed);
            assert_eq!(streamed, whole, "{text:?} cut at {at}");
            assert_eq!(stream.topics(), topics);
        }
    }
}
