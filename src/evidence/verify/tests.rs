//! A log that was touched is found out, and where.

use std::fs;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::verdict::Act;
use crate::evidence::log::{Log, LogOptions};
use crate::evidence::merkle::{Tree, leaf_hash};
use crate::evidence::note::{self, Checkpoint};
use crate::evidence::prove;
use crate::evidence::record::{Completion, Exchange, Intervention};
use crate::evidence::segment::{self, Frame, FrameKind, HEADER, Step};
use crate::evidence::show::show;
use crate::seal::digest;

struct Small {
    dir: tempfile::TempDir,
    log: PathBuf,
}

/// A sealed log with `count` exchanges, each committed on its own, every third one blocked.
fn sealed(count: usize) -> Small {
    let dir = tempfile::tempdir().unwrap();
    let mut options = LogOptions::new(dir.path());
    options.clock = std::sync::Arc::new(ManualClock::at(1_760_000_000_000_000));
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    for n in 0..count {
        let slot = handle.reserve().unwrap();
        let act = if n % 3 == 0 { Act::Block } else { Act::Allow };
        if act == Act::Block {
            slot.strict(Intervention { act, ..Intervention::default() }).wait().unwrap();
        }
        slot.write_strict(Exchange { act, completion: Some(Completion::Completed), ..Exchange::default() }).wait().unwrap();
    }
    log.close().unwrap();
    let log = fs::read_dir(dir.path().join("logs")).unwrap().next().unwrap().unwrap().path();
    Small { dir, log }
}

impl Small {
    fn verify(&self) -> Report {
        verify(self.dir.path(), &Policy::default()).unwrap()
    }

    fn segment(&self) -> PathBuf {
        self.log.join(segment::name(0, 0))
    }

    /// The frames of the one segment.
    fn frames(&self) -> Vec<(FrameKind, u64, Vec<u8>)> {
        let file = fs::read(self.segment()).unwrap();
        frames_of(&file).iter().map(|f| (f.kind, f.index, f.bytes.to_vec())).collect()
    }

    /// Writes the segment anew from frames, as an attacker would who knows the format: checksums fit.
    fn rewrite(&self, frames: &[(FrameKind, u64, Vec<u8>)]) {
        let mut file = fs::read(self.segment()).unwrap()[..HEADER].to_vec();
        for (kind, index, bytes) in frames {
            let mut bytes = bytes.clone();
            if *kind == FrameKind::Commit {
                let running = crc32c::crc32c(&file).to_le_bytes();
                bytes[40..44].copy_from_slice(&running);
            }
            segment::push_frame(&mut file, *kind, *index, &bytes);
        }
        fs::write(self.segment(), file).unwrap();
    }

    /// The first finding that names a record.
    fn first_wrong(&self) -> (Outcome, Option<u64>) {
        let report = self.verify();
        (report.outcome, report.logs[0].findings.iter().filter_map(|f| f.index).min())
    }
}

fn frames_of(file: &[u8]) -> Vec<Frame<'_>> {
    let (mut at, mut out) = (HEADER, Vec::new());
    while let Step::Frame(frame) = segment::step(file, at) {
        at = frame.end();
        out.push(frame);
    }
    out
}

#[test]
fn an_untouched_log_is_valid() {
    let small = sealed(4);
    let report = small.verify();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!(report.trust, "self-certified root");
    let log = &report.logs[0];
    assert_eq!((log.state, log.uncovered, log.records, log.signed), (State::Sealed, 0, 9, 9));
    assert_eq!(log.acts["block"], 2);
    let key = fs::read_to_string(small.dir.path().join("root.vkey")).unwrap();
    let pinned = verify(small.dir.path(), &Policy::pinned(&key).unwrap()).unwrap();
    assert!(pinned.is_valid() && pinned.trust == "pinned root");
    let policy = fs::read_to_string(small.dir.path().join("policy")).unwrap();
    assert!(verify(small.dir.path(), &Policy::parse(&policy).unwrap()).unwrap().is_valid());
    let other = sealed(1);
    let other = fs::read_to_string(other.dir.path().join("root.vkey")).unwrap();
    assert_eq!(verify(small.dir.path(), &Policy::pinned(&other).unwrap()).unwrap().outcome, Outcome::Invalid);
    // One log by itself.
    assert!(verify(&small.log, &Policy::default()).unwrap().is_valid());
}

#[test]
fn every_flipped_bit_is_found() {
    let small = sealed(1);
    let root = small.dir.path().join("root.vkey");
    for path in [small.segment(), small.log.join("checkpoint"), small.log.join("delegation.note"), small.log.join("origin"), root]
    {
        let good = fs::read(&path).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        // Every bit of the small files; of the segment one bit of every byte here, and every bit in the tests
        // of the frames.
        let step = if path == small.segment() { 9 } else { 1 };
        for bit in (0..good.len() * 8).step_by(step) {
            use std::os::unix::fs::FileExt as _;
            file.write_all_at(&[good[bit / 8] ^ 1 << (bit % 8)], bit as u64 / 8).unwrap();
            let report = small.verify();
            assert!(!report.is_valid(), "{} bit {bit}", path.display());
            let all = report.findings.iter().chain(report.logs.iter().flat_map(|l| &l.findings));
            assert!(all.clone().any(|f| !f.file.is_empty()), "{} bit {bit}: {}", path.display(), report.text());
            if path == small.segment() {
                assert!(all.clone().any(|f| f.index.is_some()), "bit {bit}: {}", report.text());
            }
            file.write_all_at(&good[bit / 8..=bit / 8], bit as u64 / 8).unwrap();
        }
        assert!(small.verify().is_valid());
    }
}

#[test]
fn every_cut_of_a_sealed_log_is_found() {
    let small = sealed(1);
    let good = fs::read(small.segment()).unwrap();
    for cut in (0..HEADER + 40).chain((HEADER + 40..good.len()).step_by(7)).chain(good.len() - 400..good.len()) {
        fs::write(small.segment(), &good[..cut]).unwrap();
        assert!(!small.verify().is_valid(), "cut at {cut}");
    }
    fs::write(small.segment(), [good, vec![0]].concat()).unwrap();
    assert!(!small.verify().is_valid());
}

/// Frames moved as they are, with checksums over the segment made to fit.
#[test]
fn the_first_wrong_index_is_named() {
    let small = sealed(5);
    let good = small.frames();
    let records: Vec<usize> = (0..good.len()).filter(|at| good[*at].0 == FrameKind::Record).collect();
    for &at in &records {
        let index = good[at].1;
        let mut bad = good.clone();
        bad.remove(at);
        small.rewrite(&bad);
        assert_eq!(small.first_wrong(), (Outcome::Invalid, Some(index)), "deleted {index}");

        let mut bad = good.clone();
        bad.insert(at, good[at].clone());
        small.rewrite(&bad);
        assert_eq!(small.first_wrong(), (Outcome::Invalid, Some(index + 1)), "duplicated {index}");

        // Renumbered, so that only hashes can tell.
        let mut bad = good.clone();
        bad[at].2 = good[records[0]].2.clone();
        if at != records[0] {
            small.rewrite(&bad);
            assert_eq!(small.first_wrong(), (Outcome::Invalid, Some(index)), "replaced {index}");
        }
    }
    for pair in records.windows(2) {
        let mut bad = good.clone();
        bad.swap(pair[0], pair[1]);
        small.rewrite(&bad);
        assert_eq!(small.first_wrong(), (Outcome::Invalid, Some(good[pair[0]].1)), "swapped");

        let mut bad = good.clone();
        let (a, b) = (good[pair[0]].2.clone(), good[pair[1]].2.clone());
        bad[pair[0]].2 = b;
        bad[pair[1]].2 = a;
        small.rewrite(&bad);
        assert_eq!(small.first_wrong(), (Outcome::Invalid, Some(good[pair[0]].1)), "contents swapped");
    }
    small.rewrite(&good);
    assert!(small.verify().is_valid());
}

/// An attacker who rewrites everything but cannot sign.
#[test]
fn a_log_that_is_rebuilt_whole_fails_at_its_heads() {
    let small = sealed(3);
    let mut frames = small.frames();
    let victim = frames.iter().position(|f| f.0 == FrameKind::Record && f.1 == 2).unwrap();
    let text = String::from_utf8(frames[victim].2.clone()).unwrap();
    frames[victim].2 = text.replace("\"act\":\"block\"", "\"act\":\"allow\"").into_bytes();
    assert_ne!(frames[victim].2, text.into_bytes());
    let (mut tree, mut group) = (Tree::default(), Vec::new());
    for (kind, _, bytes) in &mut frames {
        match kind {
            FrameKind::Record => {
                group.push(leaf_hash(bytes));
                tree.push(leaf_hash(bytes));
            }
            FrameKind::Commit => *bytes = segment::commit(tree.size(), &tree.root(), 0, std::mem::take(&mut group).into_iter()),
            FrameKind::Checkpoint | FrameKind::Edge | FrameKind::Erased => {}
        }
    }
    small.rewrite(&frames);
    let report = small.verify();
    assert_eq!(report.outcome, Outcome::Invalid);
    assert!(report.logs[0].findings.iter().any(|f| f.code == "root_mismatch"), "{}", report.text());
}

#[test]
fn foreign_records_are_told() {
    let (small, other) = (sealed(2), sealed(2));
    let mut frames = small.frames();
    let at = frames.iter().position(|f| f.0 == FrameKind::Record && f.1 == 2).unwrap();
    frames[at] = other.frames()[at].clone();
    small.rewrite(&frames);
    assert!(small.verify().logs[0].findings.iter().any(|f| f.code == "foreign_record"));
    fs::copy(other.segment(), small.segment()).unwrap();
    assert!(small.verify().logs[0].findings.iter().any(|f| f.code == "bad_segment"));
}

#[test]
fn a_rotted_record_leaves_its_neighbours_proven() {
    let small = sealed(4);
    let mut file = fs::read(small.segment()).unwrap();
    let at = frames_of(&file).iter().find(|f| f.kind == FrameKind::Record && f.index == 3).unwrap().at;
    file[at + 40] ^= 1;
    fs::write(small.segment(), file).unwrap();
    let report = small.verify();
    assert_eq!(report.outcome, Outcome::Incomplete, "{}", report.text());
    assert_eq!(report.logs[0].missing, [(3, 3)]);
    assert!(report.logs[0].findings.iter().all(|f| f.code == "bad_frame"), "{}", report.text());
}

#[test]
fn an_older_head_in_its_place_is_stale() {
    let small = sealed(2);
    let heads: Vec<_> = small.frames().into_iter().filter(|f| f.0 == FrameKind::Checkpoint).collect();
    assert!(heads.len() >= 2);
    fs::write(small.log.join("checkpoint"), &heads[0].2).unwrap();
    assert!(small.verify().logs[0].findings.iter().any(|f| f.code == "stale"));
}

#[test]
fn a_head_of_another_key_or_kind_is_refused() {
    let small = sealed(1);
    let origin = fs::read_to_string(small.log.join("origin")).unwrap();
    let head = Checkpoint { origin: origin.trim_end().to_owned(), size: 4, root: digest(b"") };
    let thief = crate::seal::SigningKey::from_seed(&[1; 32]);
    fs::write(small.log.join("checkpoint"), note::sign(&head.text(), origin.trim_end(), &thief).unwrap()).unwrap();
    assert!(small.verify().logs[0].findings.iter().any(|f| f.code == "bad_signature" && f.file == "checkpoint"));
    fs::copy(small.log.join("delegation.note"), small.log.join("checkpoint")).unwrap();
    assert!(small.verify().logs[0].findings.iter().any(|f| f.code == "bad_signature"));
}

#[test]
fn the_chain_from_log_to_log_is_held() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        Log::open(dir.path()).unwrap().close().unwrap();
    }
    let check = || verify(dir.path(), &Policy::default()).unwrap();
    let report = check();
    assert!(report.is_valid() && report.logs.len() == 3, "{}", report.text());
    let mut logs: Vec<_> = fs::read_dir(dir.path().join("logs")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    fs::rename(&logs[1], dir.path().join("hidden")).unwrap();
    let report = check();
    assert_eq!(report.outcome, Outcome::Incomplete);
    assert!(report.findings.iter().any(|f| f.code == "missing_log"));
}

#[test]
fn proofs_stand_alone_and_break() {
    let small = sealed(5);
    let log = fs::read_to_string(small.log.join("origin")).unwrap();
    for index in 0..10 {
        let proof = prove::prove(small.dir.path(), &index.to_string()).unwrap();
        let key = NoteKey::parse(&proof.key).unwrap();
        let proven = prove::check(&proof.text, &key).unwrap();
        assert_eq!((proven.index, proven.head.origin.as_str()), (index, log.trim_end()));
        let shown = show(small.dir.path(), &index.to_string()).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&proven.record).unwrap(), shown.record);
        assert!(prove::prove(small.dir.path(), shown.record["id"].as_str().unwrap()).unwrap().text == proof.text);
        if index == 4 {
            for at in 0..proof.text.len() {
                let mut bad = proof.text.clone().into_bytes();
                bad[at] ^= 1;
                if let Ok(bad) = String::from_utf8(bad) {
                    assert!(prove::check(&bad, &key).is_err(), "byte {at}");
                }
            }
        }
    }
    assert!(prove::prove(small.dir.path(), "99").is_err());
    let heads: Vec<u64> = small.frames().iter().filter(|f| f.0 == FrameKind::Checkpoint).map(|f| f.1).collect();
    let key = NoteKey::parse(&prove::prove(small.dir.path(), "0").unwrap().key).unwrap();
    let proof = prove::prove_consistency(small.dir.path(), heads[0]).unwrap();
    let (old, new) = prove::check_consistency(&proof, &key).unwrap();
    assert_eq!((old.size, new.size), (heads[0], *heads.last().unwrap()));
    for at in 0..proof.len() {
        let mut bad = proof.clone().into_bytes();
        bad[at] ^= 1;
        if let Ok(bad) = String::from_utf8(bad) {
            assert!(prove::check_consistency(&bad, &key).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_block_is_explained() {
    let small = sealed(1);
    let shown = show(small.dir.path(), "1").unwrap();
    let text = shown.text();
    assert_eq!(shown.words, ["2025-10-09T08:53:20Z it was refused."]);
    assert!(text.contains("\nintervention 1 of servanda.local/evidence/"), "{text}");
    assert!(text.contains("act          block") && text.contains("exchange 2 of"), "{text}");
    assert_eq!(shown.related.len(), 1);
    assert!(show(small.dir.path(), "nonsense").is_err());
}
