//! A disk that is full (case 8 of the design): what callers are told, what the reserve is for, and that it
//! goes on by itself when there is room again.

use super::*;
use crate::evidence::report::{Outcome, Report};
use crate::evidence::spool::SEGMENT_MIN;

/// A log whose disk is full: what it has prepared is used up, and more is refused.
struct Crowded {
    dir: tempfile::TempDir,
    disk: Simulated,
    log: Log,
    clock: Arc<ManualClock>,
    /// Exchanges that were taken, each with a record to come.
    taken: u64,
}

fn crowded(queue: usize) -> Crowded {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(3);
    let (mut options, clock) = options(dir.path());
    options.queue_records = queue;
    let log = Log::open_in(&options, Arc::new(disk.clone()), None).unwrap();
    // Room for heads and keys, none for a segment.
    disk.limit(Some(disk.used() + SEGMENT_MIN / 16));
    let mut taken = 0;
    let mut told = Ok(0);
    while told.is_ok() {
        assert!(taken < 10_000);
        for _ in 0..queue {
            log.handle().reserve().unwrap().write(exchange(Act::Allow));
            taken += 1;
        }
        told = log.handle().flush().wait();
    }
    assert!(matches!(told, Err(LogError::File(_, error)) if error.kind() == std::io::ErrorKind::StorageFull));
    // A part of the last round may have been written before the disk was full: its places are taken again.
    while let Ok(slot) = log.handle().reserve() {
        slot.write(exchange(Act::Allow));
        taken += 1;
    }
    log.handle().flush().wait().unwrap_err();
    assert!(log.handle().is_failing());
    Crowded { dir, disk, log, clock, taken }
}

impl Crowded {
    /// What a stranger sees of it.
    fn seen(&self) -> Report {
        let seen = tempfile::tempdir().unwrap();
        for (path, bytes) in self.disk.content() {
            let path = seen.path().join(path.strip_prefix(self.dir.path()).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::copy(self.dir.path().join("root.key"), seen.path().join("root.key")).unwrap();
        verify(seen.path(), &Policy::default()).unwrap()
    }

    fn reserve(&self) -> bool {
        self.disk.content().contains_key(&self.dir.path().join("reserve"))
    }
}

#[test]
fn a_full_disk_refuses_and_owns_up_from_the_reserve_until_there_is_room() {
    let mut it = crowded(32);
    let handle = it.log.handle();
    // All places are taken by what could not be written: there is none for a strict record, and none for
    // another exchange.
    assert!(it.reserve());
    assert_eq!(handle.reserve().unwrap_err(), Full);
    assert!(matches!(handle.strict(Intervention::default()).wait(), Err(LogError::Full)));
    (0..3).for_each(|_| handle.pass_with_gap());
    handle.shed();
    handle.flush().wait().unwrap_err();
    // What was lost is already recorded, and signed.
    let seen = it.seen();
    assert!(seen.is_valid(), "{}", seen.text());
    assert_eq!((seen.logs[0].lost, seen.logs[0].kinds["gap"], seen.logs[0].uncovered), (4, 2, 0));
    assert!(handle.is_failing());
    // More is declared once a heartbeat, not with each try.
    for _ in 0..5 {
        handle.pass_with_gap();
        handle.flush().wait().unwrap_err();
    }
    assert_eq!(it.seen().logs[0].lost, 4);
    it.clock.advance_us(61_000_000);
    handle.flush().wait().unwrap_err();
    assert_eq!(it.seen().logs[0].lost, 9);
    // When nothing else is left, it stands in the reserve.
    let mut lost = 9;
    while it.reserve() {
        assert!(lost < 100);
        handle.pass_with_gap();
        lost += 1;
        it.clock.advance_us(61_000_000);
        handle.flush().wait().unwrap_err();
    }
    assert_eq!(it.seen().logs[0].lost, lost);
    assert!(handle.is_failing());
    // There is room again: everything that was taken is written, without a restart.
    it.disk.limit(None);
    handle.flush().wait().unwrap();
    assert!(!handle.is_failing() && it.reserve());
    let slot = handle.reserve().unwrap();
    slot.write_strict(exchange(Act::Block)).wait().unwrap();
    it.taken += 1;
    it.clock.advance_us(2_000_000);
    handle.flush().wait().unwrap();
    let Crowded { dir, disk, log, taken, .. } = it;
    log.close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!((report.acts["allow"] + report.acts["block"], report.logs[0].lost), (taken, lost));
}

#[test]
fn a_strict_record_on_a_full_disk_is_told_so() {
    let it = crowded(32);
    it.disk.limit(None);
    it.log.handle().flush().wait().unwrap();
    // A place is free, the disk is full once more.
    it.disk.limit(Some(it.disk.used()));
    let handle = it.log.handle();
    let mut told = Ok(0);
    let mut count = 0u64;
    while told.is_ok() {
        assert!(count < 10_000);
        told = handle.reserve().unwrap().write_strict(exchange(Act::Flag)).wait();
        count += u64::from(told.is_ok());
    }
    assert!(matches!(told, Err(LogError::File(..))), "{told:?}");
    it.disk.limit(None);
    handle.flush().wait().unwrap();
    let taken = it.taken;
    let Crowded { dir, disk, log, .. } = it;
    log.close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    // What was refused to the one who waited is written all the same.
    assert_eq!((report.acts["allow"], report.acts["flag"]), (taken, count + 1));
}

#[test]
fn a_log_is_sealed_from_the_reserve_and_the_next_start_needs_room() {
    let it = crowded(32);
    let held = 32;
    it.disk.limit(Some(0));
    let Crowded { dir, disk, log, taken, .. } = it;
    // The seal and its head are stored; the head could not be published.
    assert!(matches!(log.close(), Err(LogError::File(..))));
    let error = simulated(dir.path(), &disk).unwrap_err();
    assert!(matches!(error, LogError::File(..)), "{error}");
    disk.limit(None);
    simulated(dir.path(), &disk).unwrap().close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!((report.logs[0].lost + report.acts["allow"], report.logs[0].lost), (taken, held));
    assert!(!report.logs[1].kinds.contains_key("recovery"), "{}", report.text());
}

/// The disk is full from any byte on, and is emptied again: nothing acknowledged is lost, and the log is
/// whole before and after.
#[test]
fn full_at_any_moment_loses_nothing_acknowledged() {
    for room in (0..40).map(|n| n * 90_001) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Simulated::new(room | 1);
        disk.limit(Some(room));
        let opened = simulated(dir.path(), &disk);
        let Ok(log) = opened else {
            assert!(room < 3 * SEGMENT_MIN, "{room}: {opened:?}");
            continue;
        };
        let origin = log.handle().origin().to_owned();
        let mut acknowledged = drive(&log, 6);
        disk.limit(Some(disk.used()));
        acknowledged.extend(drive(&log, 6));
        disk.limit(None);
        acknowledged.extend(drive(&log, 6));
        log.handle().flush().wait().unwrap();
        log.close().unwrap();
        disk.dump();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert_eq!(report.outcome, Outcome::Valid, "{room}: {}", report.text());
        let stored = stored(dir.path(), &origin);
        assert!(acknowledged.iter().all(|record| stored.contains(record)), "{room}");
    }
}
