//! The log as a whole, on a real disk and on one that fails.

use std::path::PathBuf;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::names::{Lane, Mode};
use crate::base::verdict::Act;
use crate::evidence::record::{Completion, Exchange, Intervention};

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
    let log = Log::open_with(options).unwrap();
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
