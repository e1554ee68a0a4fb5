//! A follower hands out every record once, wherever it comes from.

use super::*;
use crate::base::verdict::Act;
use crate::evidence::log::{Log, LogOptions};
use crate::evidence::read::frames;
use crate::evidence::record::{Exchange, Text};

fn exchange() -> Exchange {
    Exchange {
        act: Act::Allow,
        model: Some(Text::from("m".repeat(250))),
        route: Some(Text::from("r".repeat(250))),
        ..Exchange::default()
    }
}

fn open(dir: &Path) -> Log {
    let mut options = LogOptions::new(dir);
    // Segments of 1 MiB.
    options.keep_bytes = 16 << 20;
    Log::open_with(&options).unwrap()
}

#[test]
fn it_goes_from_segment_to_segment_and_on_into_the_next_logs() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    let mut follower = Follower::new(dir.path()).unwrap();
    let mut seen: Vec<(String, u64)> = Vec::new();
    for boot in 0..3 {
        for n in 0..2_000 {
            log.handle().fast(exchange()).unwrap();
            if n % 150 == 0 {
                log.handle().flush().wait().unwrap();
                follower.poll(&mut |boot, index, _| seen.push((boot.to_owned(), index))).unwrap();
            }
        }
        log.close().unwrap();
        if boot == 1 {
            // The end of one log and the start of the next are found in one look.
            log = open(dir.path());
            continue;
        }
        follower.poll(&mut |boot, index, _| seen.push((boot.to_owned(), index))).unwrap();
        log = open(dir.path());
    }
    log.close().unwrap();
    follower.poll(&mut |boot, index, _| seen.push((boot.to_owned(), index))).unwrap();
    let mut all = Vec::new();
    let (logs, _) = logs_of(dir.path()).unwrap();
    let mut count = 0;
    for log in &logs {
        count += segments(log).unwrap().len();
        let boot = log.file_name().unwrap().to_str().unwrap().to_owned();
        frames(log, &mut |kind, index, _| {
            if kind == FrameKind::Record {
                all.push((boot.clone(), index));
            }
            true
        })
        .unwrap();
    }
    assert!(count >= logs.len() + 3, "{count} segments of {} logs", logs.len());
    assert_eq!(seen, all);
}

#[test]
fn what_is_not_committed_is_not_handed_out_until_the_next_log_takes_it_up() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.handle().strict(exchange()).wait().unwrap();
    log.close().unwrap();
    let (logs, _) = logs_of(dir.path()).unwrap();
    let path = logs[0].join(segment::name(0, 0));
    let file = std::fs::read(&path).unwrap();
    // The log as it stood before the commit of each group, as if the writer had been stopped there.
    let (mut at, mut records, mut commits) = (HEADER, 0u64, 0u64);
    while let Step::Frame(frame) = segment::step(&file, at) {
        at = frame.end();
        records += u64::from(frame.kind == FrameKind::Record);
        std::fs::write(&path, &file[..at]).unwrap();
        let mut follower = Follower::new(dir.path()).unwrap();
        let mut seen = 0;
        if frame.kind == FrameKind::Commit {
            commits = records;
        }
        follower.poll(&mut |_, _, _| seen += 1).unwrap();
        assert_eq!(seen, commits);
        follower.poll(&mut |_, _, _| seen += 1).unwrap();
        assert_eq!(seen, commits);
    }
    // A torn record at the end is waited for.
    std::fs::write(&path, &file[..HEADER + 40]).unwrap();
    let mut follower = Follower::new(dir.path()).unwrap();
    let mut seen = Vec::new();
    follower.poll(&mut |_, index, _| seen.push(index)).unwrap();
    assert_eq!(seen, [] as [u64; 0]);
    std::fs::write(&path, &file).unwrap();
    follower.poll(&mut |_, index, _| seen.push(index)).unwrap();
    assert_eq!(seen, (0..records).collect::<Vec<_>>());
}
