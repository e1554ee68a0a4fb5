//! Answers are what a look at every record would give, page by page, with summaries and without.

use std::fs;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::names::Stage;
use crate::base::verdict::Severity;
use crate::evidence::index::Shelf;
use crate::evidence::log::{Log, LogOptions};
use crate::evidence::record::{Exchange, Hit, Int, PactRef, Text};
use crate::evidence::segment;

const START: i64 = 1_760_000_000_000_000;

/// A folder with three logs of several segments each.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = std::sync::Arc::new(ManualClock::at(START));
        for boot in 0..3u64 {
            let mut options = LogOptions::new(dir.path());
            options.clock = clock.clone();
            // Segments of 1 MiB.
            options.keep_bytes = 16 << 20;
            let log = Log::open_with(&options).unwrap();
            for n in 0..2_200u64 {
                clock.advance_us(1_000);
                log.handle().fast(exchange(boot * 2_200 + n)).unwrap();
                if n % 100 == 0 {
                    log.handle().flush().wait().unwrap();
                }
            }
            log.close().unwrap();
            clock.advance_us(1_000_000);
        }
        Self { dir }
    }

    fn path(&self) -> &std::path::Path {
        self.dir.path()
    }
}

fn exchange(n: u64) -> Exchange {
    let act = Act::ALL[(n % 5) as usize];
    let hit = |predicate: &str| Hit {
        act,
        breach: false,
        count: Int::from(1u32),
        detector: Some(Text::from("x".repeat(200))),
        place: None,
        predicate: Text::from(predicate),
        score_bp: None,
        severity: Severity::Major,
        stage: Stage::Request,
    };
    Exchange {
        act,
        agent: Some(Text::from("did:web:vendor.example:agents:first")),
        hits: if n % 7 == 0 { vec![hit("desk/pii"), hit("limits")] } else { Vec::new() },
        pacts: vec![PactRef { id: Text::from("desk"), version: Text::from(if n < 3_000 { "1.0.0" } else { "1.1.0" }) }],
        session: Some(Text::from(format!("session-{:014}", n / 100))),
        model: Some(Text::from("m".repeat(200))),
        ..Exchange::default()
    }
}

fn asked(parts: &[(&str, &str)]) -> Query {
    let mut query = Query::default();
    for (name, value) in parts {
        query.set(name, value, START).unwrap();
    }
    query
}

/// Every record that fits, the newest first, found without any of what is tested.
fn plainly(dir: &std::path::Path, wanted: &Query) -> Vec<(String, u64)> {
    let mut out = Vec::new();
    let mut logs: Vec<_> = fs::read_dir(dir.join("logs")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    for log in logs {
        let boot = log.file_name().unwrap().to_str().unwrap().to_owned();
        super::super::read::frames(&log, &mut |kind, index, bytes| {
            if kind == FrameKind::Record && wanted.fits(&serde_json::from_slice(bytes).unwrap()) {
                out.push((boot.clone(), index));
            }
            true
        })
        .unwrap();
    }
    out.reverse();
    out
}

/// All pages of an answer.
fn pages(dir: &std::path::Path, wanted: &Query, budget: u64, indexed: bool) -> (Vec<(String, u64)>, u64) {
    let (mut wanted, mut out, mut looked) = (wanted.clone(), Vec::new(), 0);
    loop {
        let page = query(dir, &wanted, budget, indexed).unwrap();
        assert!(page.records.len() <= wanted.limit);
        looked += page.looked_bytes;
        out.extend(page.records.into_iter().map(|row| (row.boot, row.index)));
        let Some(next) = page.next else { return (out, looked) };
        wanted.cursor = None;
        wanted.set("cursor", &next.to_string(), START).unwrap();
    }
}

#[test]
fn every_way_of_asking_finds_the_same_records() {
    let folder = Folder::new();
    let dir = folder.path();
    let segments: usize =
        fs::read_dir(dir.join("logs")).unwrap().map(|log| super::segments(&log.unwrap().path()).unwrap().len()).sum();
    assert!(segments >= 6, "{segments} segments");
    for parts in [
        &[][..],
        &[("act", "block")],
        &[("act", "hold"), ("pact", "desk@1.1.0")],
        &[("pact", "desk")],
        &[("predicate", "pii")],
        &[("predicate", "desk/pii"), ("act", "allow")],
        &[("predicate", "limits")],
        &[("session", "session-00000000000012")],
        &[("kind", "log.open")],
        &[("agent", "did:web:vendor.example:agents:first"), ("kind", "exchange")],
        &[("since", "2025-10-09T08:53:21.5Z"), ("until", "2025-10-09T08:53:23Z")],
        &[("pact", "desk@9.0.0")],
        &[("session", "nobody")],
    ] {
        let wanted = asked(parts);
        let all = plainly(dir, &wanted);
        assert_eq!(all.is_empty(), parts.iter().any(|(_, v)| *v == "nobody" || v.ends_with("9.0.0")), "{parts:?}");
        for (limit, budget) in [(1_000, u64::MAX), (97, 1), (400, 3 << 20)] {
            let wanted = Query { limit, ..wanted.clone() };
            assert_eq!(pages(dir, &wanted, budget, false).0, all, "{parts:?} {limit} {budget}");
            assert_eq!(pages(dir, &wanted, budget, true).0, all, "{parts:?} {limit} {budget} with summaries");
        }
    }
    // With summaries only what may hold the session is read.
    let wanted = asked(&[("session", "session-00000000000012")]);
    let (without, with) = (pages(dir, &wanted, u64::MAX, false).1, pages(dir, &wanted, u64::MAX, true).1);
    assert!(with * 2 < without, "{with} of {without} bytes");
}

#[test]
fn a_summary_that_is_wrong_gone_or_of_another_segment_hides_nothing() {
    let folder = Folder::new();
    let dir = folder.path();
    let wanted = asked(&[("predicate", "limits"), ("limit", "1000")]);
    let all = pages(dir, &wanted, u64::MAX, true).0;
    let mut summaries: Vec<_> = fs::read_dir(dir.join("index"))
        .unwrap()
        .flat_map(|boot| fs::read_dir(boot.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    summaries.sort();
    assert!(summaries.len() >= 5);
    let good: Vec<Vec<u8>> = summaries.iter().map(|path| fs::read(path).unwrap()).collect();
    for (n, path) in summaries.iter().enumerate() {
        for bad in [Vec::new(), good[n][..good[n].len() / 2].to_vec(), good[(n + 1) % good.len()].clone(), vec![0xff; 40]] {
            fs::write(path, bad).unwrap();
            assert_eq!(pages(dir, &wanted, u64::MAX, true).0, all);
            assert_eq!(fs::read(path).unwrap(), good[n], "it is made anew");
        }
    }
    // What retention takes takes its summaries along.
    let logs: Vec<_> = fs::read_dir(dir.join("logs")).unwrap().map(|e| e.unwrap().path()).collect();
    let oldest = logs.iter().min().unwrap();
    let first = oldest.join(segment::name(0, 0));
    fs::remove_file(&first).unwrap();
    drop(Shelf::of(dir));
    assert!(!summaries[0].exists() && summaries[1].exists());
    fs::remove_dir_all(oldest).unwrap();
    drop(Shelf::of(dir));
    assert!(!dir.join("index").join(oldest.file_name().unwrap()).exists());
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_way_out() {
    for (parts, names, says) in [
        (&[("verdict", "block")][..], "verdict", "since, until, kind, act"),
        (&[("act", "deny")], "act", "one of allow, flag, redact, hold, block"),
        (&[("kind", "exchanges")], "kind", "one of exchange, intervention"),
        (&[("since", "yesterday")], "since", "2026-11-21T10:00:00Z"),
        (&[("since", "99999999999999999999s")], "since", "Unix seconds"),
        (&[("since", "1h"), ("until", "2h")], "until", "swap them"),
        (&[("limit", "0")], "limit", "from 1 to 1000"),
        (&[("limit", "1001")], "limit", "from 1 to 1000"),
        (&[("cursor", "../x:1")], "cursor", "the `next` of an answer"),
        (&[("cursor", "17")], "cursor", "the `next` of an answer"),
        (&[("agent", "")], "agent", "leave it out"),
        (&[("pact", "a"), ("pact", "b")], "pact", "given twice"),
        (&[("limit", "5"), ("limit", "6")], "limit", "given twice"),
    ] {
        let mut query = Query::default();
        let bad = parts.iter().find_map(|(name, value)| query.set(name, value, START).err()).unwrap();
        assert_eq!(bad.parameter, names);
        assert!(bad.why.contains(says), "{bad}");
    }
}

#[test]
fn times_are_read_as_people_write_them() {
    for (text, us) in [
        ("1760000000", START),
        ("2025-10-09T08:53:20Z", START),
        ("2025-10-09T10:53:20+02:00", START),
        ("90s", START - 90_000_000),
        ("2h", START - 7_200_000_000),
        ("7d", START - 7 * 86_400_000_000),
    ] {
        assert_eq!(time(text, START), Ok(us), "{text}");
    }
}
