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

/// Bodies that make work for one part of the scanner or another, each of about `bytes`.
fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let repeated = |unit: &str| unit.repeat(bytes / unit.len());
    let base64 = |bytes: usize| {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize])
        };
        (0..bytes).map(|_| next()).collect::<String>()
    };
    let key = ["api_", "key = \"9f86d081884c7d659a2feaa0c55ad015\" "].concat();
    vec![
        ("colon groups", repeated("a:b:")),
        ("colons", repeated(":")),
        ("digits, spaced", repeated("1 2 3 4 5 6 7 8 9 0 ")),
        ("digits", repeated("4111111111111112")),
        ("cards that are none", repeated("4111 1111 1111 1112 ")),
        ("an anchor, repeated", repeated("eyJhbGciOiJIUzI1NiJ9-")),
        ("an anchor and nothing", repeated("eyJ")),
        ("one base64 run", base64(bytes)),
        ("base64 lines", base64(76).chars().chain(['\n']).collect::<String>().repeat(bytes / 77)),
        ("a keyword and hex", repeated(&key)),
        ("a keyword and nothing", repeated("password=")),
        ("hex", repeated("9f86d081884c7d65")),
        ("at signs", repeated("@")),
        ("mailboxes without a host", repeated("a@")),
        ("mailboxes", repeated("jane@example.com ")),
        ("quotes", repeated("\"'")),
        ("back slashes", repeated("\\")),
        ("one long word", repeated("a")),
        ("dots", repeated("1.2.3.")),
        ("slashes", repeated("../")),
        ("percent escapes", repeated("%41%20")),
        ("URLs", repeated("http://a.b/?c=")),
        ("pluses", repeated("+44 20 ")),
        ("unfinished phrases", repeated("ignore all previous pretend you are act as if you ")),
        ("weighted phrases without an end", repeated("ignore your rules what does disregard the instructions mean ")),
        ("weighted phrases in sentences", repeated("Ignore all. Your rules! What does it mean? ")),
        ("openings of long forms", repeated("-----BEGIN PRIVATE KEY-----\n")),
        ("closings of long forms", repeated("-----END PRIVATE KEY-----\n")),
        ("characters without width", repeated("\u{200b}")),
        ("tag characters", repeated("\u{e0041}")),
        ("letters beyond ASCII", repeated("é")),
        ("empty lines", repeated("\n\n")),
        ("markdown images", repeated("![a](b ")),
        ("letters and hyphens", repeated("a-")),
        ("hyphens", repeated("-")),
        ("paths that look encoded", repeated("abc/def+")),
        ("short runs of base64", repeated("aWdub3JlLi4 ")),
        ("base64 of base64", repeated("WVZka2RXSXpTbXhNYVRRPQ ")),
        ("prefixes of hex", repeated("0x")),
        ("bytes of hex", repeated("0x41 ")),
        ("hex with colons", repeated("69:67:6e:6f:72:65:2e:2e ")),
        ("base32", repeated("NFTW433SMUQGS5A= ")),
        ("escaped percent signs", repeated("%25")),
        ("unfinished percent escapes", repeated("%2")),
        ("escaped ampersands", repeated("&amp;")),
        ("ampersands", repeated("&")),
        ("unicode escapes", repeated("\\u0069")),
        ("look-alikes", repeated("іgnоrе ")),
        ("look-alikes run together", repeated("і")),
        ("words parted by no width", repeated("ig\u{200b}nore ")),
        ("letters with many marks", repeated("e\u{301}\u{302}")),
        ("marks", repeated("\u{301}")),
        ("wide letters", repeated("ｉｇｎｏｒｅ ")),
        ("digits for letters", repeated("1gn0r3 ")),
        ("words run together", repeated("ignoreallprevious ")),
        ("words run together without an end", repeated("ignoreallprevious")),
        ("letters held apart", repeated("i ")),
        ("letters held apart in words", repeated("i g n o r e  ")),
        ("odd accents", repeated("ígñórê ")),
        ("marks of tokens", ["gh", "p_", "AK", "IA", "sk", "-", "xo", "xb-"].concat().repeat(bytes / 16)),
    ]
}

/// Fails where a doubled body takes `work` more than twice what it took before, or any body more than `most` a byte.
fn grows_no_faster_than_bodies(mut work: impl FnMut(&str) -> u64, most: u64) {
    let sizes = [64, 128, 256].map(|kib| hostile(kib << 10));
    let mut over = Vec::new();
    for bodies in sizes.windows(2) {
        for ((name, once), (_, twice)) in bodies[0].iter().zip(&bodies[1]) {
            let (one, two) = (work(once), work(twice));
            if two > one * 22 / 10 + 4096 {
                over.push(format!("{name}: {one} for {} bytes, {two} for {}", once.len(), twice.len()));
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
    // Nor is there one that costs beyond all measure.
    for (name, text) in &sizes[2] {
        let steps = work(text);
        assert!(steps < most * text.len() as u64, "{name}: {} a byte", steps / text.len() as u64);
    }
}

#[test]
fn no_body_makes_the_work_grow_faster_than_itself() {
    let scanner = Packs::shipped().scanner().unwrap();
    let mut scratch = Scratch::new(&scanner);
    let mut hits = Vec::new();
    let work = |text: &str| {
        let before = crate::scan::bytes_looked_at();
        hits.clear();
        scanner.scan_loosely(text, &mut scratch, &mut hits);
        scratch.steps() + crate::scan::bytes_looked_at() - before
    };
    grows_no_faster_than_bodies(work, 3_000);
}

#[test]
fn nor_does_it_in_a_stream() {
    let scanner = Arc::new(Packs::shipped().scanner().unwrap());
    let mut stream = StreamScanner::new(&scanner);
    let mut hits = Vec::new();
    for chunk in [100, 20_000] {
        let work = |text: &str| {
            let before = crate::scan::bytes_looked_at();
            stream.reset();
            hits.clear();
            let mut from = 0;
            while from < text.len() {
                let to = text.floor_char_boundary(from + chunk);
                stream.push(&text[from..to], &mut hits);
                from = to;
            }
            stream.finish(&mut hits);
            stream.steps() + crate::scan::bytes_looked_at() - before
        };
        grows_no_faster_than_bodies(work, 4_000);
    }
}

#[test]
fn what_begins_within_a_character_that_reads_as_several_is_never_late() {
    let scanner = Arc::new(Packs::shipped().scanner().unwrap());
    let text = "\n3 3\u{7}.1\u{0}1.201.1.11.1.12\u{7}#499m.1½.1.201.1. ";
    let mut whole = Vec::new();
    scanner.scan(text, &mut Scratch::new(&scanner), &mut whole);
    assert!(whole.iter().any(|hit| text[hit.start..].starts_with('½')), "{whole:?}");
    let mut stream = StreamScanner::new(&scanner);
    for (first, _) in text.char_indices() {
        for (second, _) in text[first..].char_indices() {
            stream.reset();
            let (mut hits, mut from) = (Vec::new(), 0);
            for to in [first, first + second, text.len()] {
                let safe = stream.push(&text[from..to], &mut hits);
                let late = |hit: &&crate::scan::span::Hit| (hit.start as u64) < safe && !hits.contains(hit);
                assert_eq!(whole.iter().find(late), None, "cut at {first} and {}, decided up to {safe}", first + second);
                from = to;
            }
        }
    }
}
