//! The log as a whole, on a real disk and on one that fails.

use std::path::PathBuf;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::names::{Lane, Mode};
use crate::base::verdict::Act;
use crate::evidence::files::simulated::Simulated;
use crate::evidence::read::frames;
use crate::evidence::record::{Commit, Completion, Exchange, Intervention};
use crate::evidence::recover::recover;
use crate::evidence::segment::{FrameKind, HEADER, Step, step};
use crate::evidence::verify::{Policy, verify};

mod full;
mod keys;
#[cfg(feature = "guard")]
mod outage;
mod receipts;
mod retention;

fn options(dir: &Path) -> (LogOptions, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(1_760_000_000_000_000));
    let mut options = LogOptions::new(dir);
    options.clock = clock.clone();
    (options, clock)
}

fn exchange(act: Act) -> Exchange {
    Exchange {
        act,
        completion: Some(Completion::Completed),
        lane: Some(Lane::Model),
        mode: Some(Mode::Enforce),
        ..Exchange::default()
    }
}

/// The directory of the newest log.
fn newest(dir: &Path) -> PathBuf {
    let mut logs: Vec<_> = std::fs::read_dir(dir.join("logs")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    logs.pop().unwrap()
}

#[test]
fn records_are_numbered_sealed_and_cut_to_size() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    let slot = handle.reserve().unwrap();
    assert_eq!(slot.strict(Intervention { act: Act::Block, ..Intervention::default() }).wait().unwrap(), 1);
    assert_eq!(slot.write_strict(exchange(Act::Block)).wait().unwrap(), 2);
    drop(handle.reserve().unwrap());
    clock.advance_us(2_000_000);
    // The abandoned exchange, then a heartbeat.
    assert_eq!(handle.flush().wait().unwrap(), 5);
    let size = log.close().unwrap();
    assert_eq!(size, 7);
    assert!(matches!(handle.strict(exchange(Act::Allow)).wait(), Err(LogError::Closed)));
    let log = newest(dir.path());
    let segment = std::fs::metadata(log.join("seg-00000000000000000000.log")).unwrap();
    assert!(segment.len() < 10_000);
    assert!(std::fs::read_to_string(log.join("checkpoint")).unwrap().contains("\n7\n"));
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let error = Log::open(dir.path()).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }));
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    log.close().unwrap();
    Log::open(dir.path()).unwrap();
}

#[test]
fn the_disk_does_not_grow_by_a_segment_a_boot() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        Log::open(dir.path()).unwrap().close().unwrap();
    }
    let sizes: u64 = std::fs::read_dir(dir.path().join("logs"))
        .unwrap()
        .flat_map(|log| std::fs::read_dir(log.unwrap().path()).unwrap())
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(sizes < 60_000, "{sizes}");
}

#[test]
fn what_finds_no_room_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, _clock) = options(dir.path());
    options.queue_records = 3;
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    let slots: Vec<Slot> = (0..3).map(|_| handle.reserve().unwrap()).collect();
    assert_eq!(handle.reserve().unwrap_err(), Full);
    assert_eq!(handle.fast(Intervention::default()), Err(Full));
    assert!(matches!(slots[0].strict(Intervention::default()).wait(), Err(LogError::Full)));
    handle.pass_with_gap();
    handle.shed();
    // The ends of those that have a slot are written all the same.
    for slot in slots {
        slot.write(exchange(Act::Allow));
    }
    handle.flush().wait().unwrap();
    drop(handle.reserve().unwrap());
    log.close().unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!((report.logs[0].lost, report.acts["allow"]), (3, 4));
    assert_eq!(report.logs[0].kinds["gap"], 2);
}

#[test]
fn a_record_too_large_is_written_small() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let handle = log.handle();
    let huge = "x".repeat(1000);
    let hit = crate::evidence::record::Hit {
        act: Act::Flag,
        breach: false,
        count: 1u32.into(),
        detector: Some(huge.as_str().into()),
        place: Some(huge.as_str().into()),
        predicate: huge.as_str().into(),
        score_bp: None,
        severity: crate::base::verdict::Severity::Minor,
        stage: crate::base::names::Stage::Response,
    };
    let record = Exchange { hits: vec![hit; 40], agent: Some(huge.as_str().into()), ..exchange(Act::Flag) };
    let waiting = vec![huge.as_str().into(); 1];
    handle.reserve().unwrap().write(Exchange { waiting, ..record });
    log.close().unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid() && report.acts["flag"] == 1 && report.logs[0].unjudged == 1, "{}", report.text());
}

#[test]
fn commitments_open_with_one_key_and_pseudonyms_stay() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let handle = log.handle();
    let slot = handle.reserve().unwrap();
    let commit = |pieces: &[&str]| {
        let mut commitment = slot.commitment("request");
        pieces.iter().for_each(|piece| commitment.update(piece.as_bytes()));
        commitment.finish()
    };
    assert_eq!(commit(&["hello"]), commit(&["he", "", "llo"]));
    assert_ne!(commit(&["hello"]), commit(&["hello "]));
    let mut opened = Commitment::with_key(&handle.opening(slot.id(), "request"), "request");
    opened.update(b"hello");
    assert_eq!(opened.finish(), commit(&["hello"]));
    let mut other = handle.commitment(handle.new_id(), "request");
    other.update(b"hello");
    assert_ne!(other.finish(), commit(&["hello"]));
    let name = handle.pseudonym("caller", "anna@example.org");
    assert_eq!(name.len(), 22);
    assert_ne!(name, handle.pseudonym("session", "anna@example.org"));
    drop(slot);
    log.close().unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().handle().pseudonym("caller", "anna@example.org"), name);
}

/// Case 60: without the key of its day no commitment opens, and the log holds as before.
#[test]
fn a_key_that_is_destroyed_closes_its_day_and_leaves_the_log_valid() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let slot = log.handle().reserve().unwrap();
    let id = slot.id();
    let mut request = slot.commitment("request");
    request.update(b"hello");
    let request = request.finish();
    let commit = Commit { request: Some(request.as_str().into()), ..Commit::default() };
    slot.write(Exchange { commit: Some(commit), ..exchange(Act::Allow) });
    log.close().unwrap();
    let opens = || {
        let log = Log::open_with(&options).unwrap();
        let mut opened = Commitment::with_key(&log.handle().opening(id, "request"), "request");
        opened.update(b"hello");
        let opened = opened.finish();
        log.close().unwrap();
        assert!(verify(dir.path(), &Policy::default()).unwrap().is_valid());
        opened == request
    };
    assert!(opens());
    std::fs::remove_file(dir.path().join("epochs").join(format!("{}.key", id.day()))).unwrap();
    assert!(!opens() && !opens());
}

/// Case 67: what a newer version wrote is left as it lies, and nobody calls it valid.
#[test]
fn a_folder_of_a_newer_format_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    drive(&log, 2);
    log.close().unwrap();
    let path = newest(dir.path()).join("seg-00000000000000000000.log");
    let mut file = std::fs::read(&path).unwrap();
    file[8..12].copy_from_slice(&2u32.to_le_bytes());
    let crc = crc32c::crc32c(&file[..HEADER - 4]).to_le_bytes();
    file[HEADER - 4..HEADER].copy_from_slice(&crc);
    std::fs::write(&path, &file).unwrap();
    let error = Log::open(dir.path()).unwrap_err();
    assert!(matches!(&error, LogError::TooNew(which) if *which == path), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), file);
    assert_eq!(newest(dir.path()), path.parent().unwrap());
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert_eq!((report.outcome, report.logs[0].findings[0].code), (crate::evidence::verify::Outcome::Invalid, "bad_segment"));
}

#[test]
fn a_clock_that_jumps_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    clock.set_wall_us(1_000_000_000);
    log.handle().flush().wait().unwrap();
    clock.advance_us(61_000_000);
    log.handle().flush().wait().unwrap();
    log.close().unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!((report.logs[0].kinds["clock.step"], report.logs[0].kinds["heartbeat"]), (1, 2));
}

/// A log on the simulated disk; its root key is real.
fn simulated(dir: &Path, disk: &Simulated) -> Result<Log, LogError> {
    let (options, _) = options(dir);
    Log::open_in(&options, Arc::new(disk.clone()), None)
}

/// Records of the log with this origin, as they lie in the directory.
fn stored(dir: &Path, origin: &str) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    for log in std::fs::read_dir(dir.join("logs")).unwrap().map(|e| e.unwrap().path()) {
        if std::fs::read_to_string(log.join("origin")).unwrap().trim_end() == origin {
            frames(&log, &mut |kind, index, bytes| {
                if kind == FrameKind::Record {
                    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                    out.push((index, value["id"].as_str().unwrap().to_owned()));
                }
                true
            })
            .unwrap();
        }
    }
    out
}

/// Writes a few exchanges; gives back what was acknowledged.
fn drive(log: &Log, count: usize) -> Vec<(u64, String)> {
    let handle = log.handle();
    let mut acknowledged = Vec::new();
    for n in 0..count {
        let Ok(slot) = handle.reserve() else { continue };
        let id = slot.id().to_string();
        if n % 3 == 0 {
            let intervention = handle.new_id();
            let record = Intervention { id: intervention, act: Act::Block, ..Intervention::default() };
            if let Ok(index) = slot.strict(record).wait() {
                acknowledged.push((index, intervention.to_string()));
            }
        }
        if n % 2 == 0 {
            slot.write(exchange(Act::Allow));
        } else if let Ok(index) = slot.write_strict(exchange(Act::Flag)).wait() {
            acknowledged.push((index, id));
        }
    }
    acknowledged
}

/// Dies at a call of the disk, comes back, and is held against what was acknowledged.
fn die_and_recover(seed: u64, call: u64, power: bool, again: u64) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(seed);
    disk.die_at(call);
    let mut acknowledged = Vec::new();
    let mut origin = String::new();
    if let Ok(log) = simulated(dir.path(), &disk) {
        origin = log.handle().origin().to_owned();
        acknowledged = drive(&log, 8);
        drop(log);
    }
    let back = || if power { disk.power_cut() } else { disk.killed() };
    back();
    // Killed again while recovering.
    disk.die_at(disk.calls() + again);
    drop(simulated(dir.path(), &disk));
    back();
    let log = simulated(dir.path(), &disk).unwrap();
    let last = drive(&log, 2);
    let second = log.handle().origin().to_owned();
    log.close().unwrap();
    disk.dump();
    for (origin, acknowledged) in [(origin, acknowledged), (second, last)] {
        if !acknowledged.is_empty() {
            let stored = stored(dir.path(), &origin);
            for record in acknowledged {
                assert!(
                    stored.contains(&record),
                    "acknowledged {record:?} is lost; died at {call}, then at {again}, power {power}"
                );
            }
        }
    }
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "died at {call}, then at {again}, power {power}: {}", report.text());
}

#[test]
fn dying_at_any_call_loses_nothing_acknowledged() {
    for call in (0..60).step_by(2) {
        die_and_recover(call + 1, call, call % 4 == 0, call % 13);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn power_cuts_lose_nothing_acknowledged(seed: u64, call in 0u64..90, again in 0u64..30, power: bool) {
        die_and_recover(seed, call, power, again);
    }

    /// Calls that fail now and then: nothing acknowledged is lost, the log stays whole.
    #[test]
    fn faults_lose_nothing_acknowledged(seed: u64, faults in proptest::collection::vec(14u64..80, 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Simulated::new(seed);
        disk.fail_at(&faults);
        let Ok(log) = simulated(dir.path(), &disk) else { return Ok(()) };
        let origin = log.handle().origin().to_owned();
        let acknowledged = drive(&log, 10);
        // A seal that fails leaves the log to the next start.
        drop(log.close());
        disk.fail_at(&[]);
        simulated(dir.path(), &disk).unwrap().close().unwrap();
        disk.dump();
        let stored = stored(dir.path(), &origin);
        for record in acknowledged {
            proptest::prop_assert!(stored.contains(&record), "acknowledged {:?} is lost after faults at {:?}", record, faults);
        }
        let report = verify(dir.path(), &Policy::default()).unwrap();
        proptest::prop_assert!(report.is_valid(), "faults at {:?}: {}", faults, report.text());
    }
}

/// A segment of a log that died, cut at every byte: the whole records before the cut are kept, and
/// being killed in the middle of it changes nothing.
#[test]
fn a_tail_torn_at_any_byte_is_cut_to_whole_records() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(1);
    let log = simulated(dir.path(), &disk).unwrap();
    drive(&log, 2);
    let content = disk.content();
    drop(log);
    let (path, segment) = content.iter().find(|(path, _)| path.to_string_lossy().contains("seg-")).unwrap();
    let used = segment.len() - segment.iter().rev().take_while(|b| **b == 0).count();
    let log = path.parent().unwrap();
    let boot = log.file_name().unwrap().to_str().unwrap();
    let attic = dir.path().join("recovery");
    let mut ends = Vec::new();
    let mut at = HEADER;
    while let Step::Frame(frame) = step(segment, at) {
        at = frame.end();
        if frame.kind == FrameKind::Record {
            ends.push(at);
        }
    }
    for cut in HEADER..=used {
        let disk = Simulated::new(7);
        for (path, bytes) in content.iter().filter(|(path, _)| path.starts_with(log)) {
            disk.put(path, bytes);
        }
        let mut torn = segment[..cut].to_vec();
        torn.resize(cut + 64, 0);
        disk.put(path, &torn);
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        if cut % 3 == 0 {
            disk.die_at(disk.calls() + cut as u64 % 4);
            drop(recover(&disk, log, boot, &attic));
            disk.killed();
        }
        let found = recover(&disk, log, boot, &attic).unwrap();
        assert_eq!(found.as_ref().map_or(0, |f| f.size), whole, "cut at {cut}");
        let once = disk.content();
        let again = recover(&disk, log, boot, &attic).unwrap();
        assert_eq!(disk.content(), once, "cut at {cut}");
        assert_eq!(again.as_ref().map(|f| (f.size, f.root, f.cut)), found.as_ref().map(|f| (f.size, f.root, f.cut)));
        let kept: usize = once.iter().filter(|(path, _)| path.starts_with(&attic)).map(|(_, bytes)| bytes.len()).sum();
        if let Some(found) = found {
            assert_eq!(found.cut.map_or(0, |(bytes, _)| bytes), kept as u64, "cut at {cut}");
        }
    }
}

/// A log that was killed: what is cut below its signed head is found out, above it counted.
#[test]
fn an_unsealed_log_is_held_against_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(1);
    let log = simulated(dir.path(), &disk).unwrap();
    drive(&log, 4);
    disk.dump();
    drop(log);
    let check = || verify(dir.path(), &Policy::default()).unwrap();
    let report = check();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!((report.logs[0].signed, report.logs[0].uncovered), (1, report.logs[0].records - 1));
    let path = newest(dir.path()).join("seg-00000000000000000000.log");
    let whole = std::fs::read(&path).unwrap();
    let mut at = HEADER;
    let mut records = 0;
    while let Step::Frame(frame) = step(&whole, at) {
        let mut bad = whole.clone();
        bad[at..].fill(0);
        std::fs::write(&path, bad).unwrap();
        let report = check();
        assert_eq!(report.is_valid(), records > 0 && report.logs[0].findings.is_empty(), "{}", report.text());
        if report.is_valid() {
            assert_eq!(report.logs[0].uncovered, records - 1);
        }
        records += u64::from(frame.kind == FrameKind::Record);
        at = frame.end();
    }
}
