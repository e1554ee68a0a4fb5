//! Segments roll and go while the log is written; what goes is owned up to first.

use super::*;
use crate::evidence::prove;
use crate::evidence::report::Outcome;
use crate::evidence::spool::SEGMENT_MIN;

/// Segments of a log, by their first index.
fn segments(log: &Path) -> Vec<(u64, PathBuf, u64)> {
    let mut out: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            let (first, _) = crate::evidence::segment::parse_name(entry.file_name().to_str()?)?;
            Some((first, entry.path(), entry.metadata().unwrap().len()))
        })
        .collect();
    out.sort();
    out
}

/// Writes so many exchanges, each with an intervention, in groups that fit the queue.
fn fill(log: &Log, count: usize) {
    let handle = log.handle();
    for n in 0..count {
        let slot = handle.reserve().unwrap();
        slot.fast(Intervention { act: Act::Block, ..Intervention::default() }).unwrap();
        slot.write(exchange(Act::Block));
        if n % 1000 == 999 {
            handle.flush().wait().unwrap();
        }
    }
    handle.flush().wait().unwrap();
}

fn bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir.join("logs")).unwrap().flat_map(|log| segments(&log.unwrap().path())).map(|(.., bytes)| bytes).sum()
}

#[test]
fn a_full_segment_is_closed_and_the_next_begins_while_records_come() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, _clock) = options(dir.path());
    options.keep_bytes = 16 * SEGMENT_MIN;
    let log = Log::open_with(&options).unwrap();
    fill(&log, 5_000);
    let own = newest(dir.path());
    let made = segments(&own);
    assert!(made.len() >= 3, "{made:?}");
    // All but the last are cut to what they hold. A frame may end with a zero, never with so many.
    for (_, path, length) in &made[..made.len() - 1] {
        let file = std::fs::read(path).unwrap();
        assert!(*length <= SEGMENT_MIN && !file.ends_with(&[0; 8]), "{}", path.display());
    }
    assert_eq!(log.handle().spool_bytes(), bytes(dir.path()) + small_files(&own));
    log.close().unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid() && report.acts["block"] == 5_000, "{}", report.text());
    let (first, ..) = made[2];
    let proof = prove::prove(dir.path(), &first.to_string()).unwrap();
    let key = crate::evidence::note::NoteKey::parse(&proof.key).unwrap();
    assert_eq!(prove::check(&proof.text, &key).unwrap().index, first);
    // A middle one that is gone without a word is missed, and nothing else is.
    std::fs::remove_file(&made[1].1).unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert_ne!(report.outcome, Outcome::Valid);
    assert_eq!(report.logs[0].missing, [(made[1].0, made[2].0 - 1)]);
}

fn small_files(log: &Path) -> u64 {
    let all: u64 = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    all - segments(log).iter().map(|(.., bytes)| bytes).sum::<u64>()
}

#[test]
fn the_oldest_segments_go_while_the_log_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, clock) = options(dir.path());
    options.keep_bytes = 3 * SEGMENT_MIN;
    options.keep = std::time::Duration::from_secs(400 * 365 * 86_400);
    let log = Log::open_with(&options).unwrap();
    assert!(!log.handle().is_filling());
    let mut filling = false;
    for _ in 0..8 {
        fill(&log, 1_000);
        clock.advance_us(2_000_000);
        filling |= log.handle().is_filling();
        assert!(bytes(dir.path()) <= options.keep_bytes + 2 * SEGMENT_MIN);
    }
    assert!(filling);
    let own = newest(dir.path());
    let first = segments(&own)[0].0;
    assert!(first > 0);
    let check = || verify(dir.path(), &Policy::default()).unwrap();
    assert_eq!(check().logs[0].pruned, first);
    // What is left is proven as before, and by the same head.
    let proof = prove::prove(dir.path(), &(first + 3).to_string()).unwrap();
    let key = crate::evidence::note::NoteKey::parse(&proof.key).unwrap();
    assert_eq!(prove::check(&proof.text, &key).unwrap().index, first + 3);
    log.close().unwrap();
    assert!(check().is_valid(), "{}", check().text());
    // The next start takes it up as it is.
    Log::open_with(&options).unwrap().close().unwrap();
    let report = check();
    assert!(report.is_valid() && report.logs.len() == 2, "{}", report.text());
    assert!(!report.logs[1].kinds.contains_key("recovery"), "{}", report.text());
    // One more that goes without a word is missed.
    let (first, path, _) = segments(&own).remove(0);
    std::fs::remove_file(&path).unwrap();
    let report = check();
    assert_eq!((report.outcome, report.logs[0].findings[0].code), (Outcome::Incomplete, "index_gap"), "{}", report.text());
    assert_eq!(report.logs[0].missing.first().map(|(from, _)| *from), Some(first));
}

/// Another history before the first segment that is left does not lead to the signed heads.
#[test]
fn a_forged_edge_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, _clock) = options(dir.path());
    options.keep_bytes = 2 * SEGMENT_MIN;
    let log = Log::open_with(&options).unwrap();
    fill(&log, 5_000);
    log.close().unwrap();
    let (first, path, _) = segments(&newest(dir.path())).remove(0);
    let good = std::fs::read(&path).unwrap();
    let Step::Frame(edge) = step(&good, HEADER) else { panic!("no edge") };
    assert_eq!((edge.kind, edge.index), (FrameKind::Edge, first));
    let mut peaks = edge.bytes.to_vec();
    peaks[0] ^= 1;
    let mut bad = good[..HEADER].to_vec();
    crate::evidence::segment::push_frame(&mut bad, FrameKind::Edge, first, &peaks);
    bad.extend_from_slice(&good[edge.end()..]);
    std::fs::write(&path, bad).unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert_eq!(report.outcome, Outcome::Invalid);
    assert!(report.logs[0].findings.iter().any(|finding| finding.code == "root_mismatch"), "{}", report.text());
}

/// A log on the simulated disk that is closed in order, at a time.
fn closed(dir: &Path, disk: &Simulated, clock: &ManualClock) {
    disk.set_now(clock_seconds(clock));
    let (mut options, _) = options(dir);
    options.clock = Arc::new(ManualClock::at(clock_seconds(clock) * 1_000_000));
    let log = Log::open_in(&options, Arc::new(disk.clone()), None).unwrap();
    drive(&log, 3);
    log.close().unwrap();
}

fn clock_seconds(clock: &ManualClock) -> i64 {
    use crate::base::clock::Clock as _;
    clock.wall_us() / 1_000_000
}

const DAY_US: u64 = 86_400_000_000;

#[test]
fn old_logs_go_by_age_while_the_log_runs() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(1);
    let (mut options, clock) = options(dir.path());
    options.keep = std::time::Duration::from_secs(7 * 86_400);
    closed(dir.path(), &disk, &clock);
    clock.advance_us(3 * DAY_US);
    closed(dir.path(), &disk, &clock);
    let log = Log::open_in(&options, Arc::new(disk.clone()), None).unwrap();
    let logs = || disk.content().keys().filter(|path| path.ends_with("origin")).count();
    // The clock steps ahead by a year: that ages nothing.
    use crate::base::clock::Clock as _;
    clock.set_wall_us(clock.wall_us() + 365 * DAY_US as i64);
    log.handle().flush().wait().unwrap();
    clock.advance_us(61_000_000);
    log.handle().flush().wait().unwrap();
    assert_eq!(logs(), 3);
    // Five days pass: the first log is eight days old.
    clock.advance_us(5 * DAY_US);
    log.handle().flush().wait().unwrap();
    assert_eq!(logs(), 2);
    clock.advance_us(5 * DAY_US);
    log.handle().flush().wait().unwrap();
    assert_eq!(logs(), 1);
    log.close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
    assert_eq!(report.logs[0].kinds["config.change"], 2);
}

/// Dies at each call of the disk while three old logs go: before and after the next start, the chain is
/// whole, and everything that is gone is owned up to.
#[test]
fn dying_while_logs_go_never_reads_as_a_missing_log() {
    let mut done = false;
    for call in 0..200 {
        if std::mem::replace(&mut done, false) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let disk = Simulated::new(call + 1);
        let (mut options, clock) = options(dir.path());
        options.keep = std::time::Duration::from_secs(86_400);
        for _ in 0..3 {
            closed(dir.path(), &disk, &clock);
        }
        clock.advance_us(2 * DAY_US);
        disk.set_now(clock_seconds(&clock));
        disk.die_at(disk.calls() + call);
        if let Ok(log) = Log::open_in(&options, Arc::new(disk.clone()), None) {
            done = log.close().is_ok();
        }
        if call % 2 == 0 {
            disk.power_cut()
        } else {
            disk.killed()
        }
        let seen = tempfile::tempdir().unwrap();
        for (path, bytes) in disk.content() {
            let path = seen.path().join(path.strip_prefix(dir.path()).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let report = verify(seen.path(), &Policy::default()).unwrap();
        let missed = report.findings.iter().any(|finding| finding.detail.contains("which is not here"));
        assert!(!missed, "died at {call}: {}", report.text());
        // A log that died while opening has promised nothing, and need not be whole; one that died while
        // closing may have a head that was not published yet.
        let promised = report.logs.iter().filter(|log| log.state == crate::evidence::report::State::Sealed);
        assert!(promised.map(|log| log.outcome).all(|outcome| outcome < Outcome::Invalid), "died at {call}: {}", report.text());
        // The next start ends what was begun.
        Log::open_in(&options, Arc::new(disk.clone()), None).unwrap().close().unwrap();
        disk.dump();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert!(report.is_valid(), "died at {call}: {}", report.text());
        assert!(report.logs.len() <= 2, "died at {call}: {}", report.text());
        assert!(!disk.content().keys().any(|path| path.starts_with(dir.path().join("removed"))), "died at {call}");
    }
    panic!("it never got to its end");
}

/// A log whose process died behind its last commit goes with all the records that the log after it names.
#[test]
fn what_a_crash_left_behind_the_last_commit_is_declared_as_gone_too() {
    let dir = tempfile::tempdir().unwrap();
    let first = Simulated::new(1);
    let log = simulated(dir.path(), &first).unwrap();
    drive(&log, 3);
    let content = first.content();
    drop(log);
    let (path, segment) = content.iter().find(|(path, _)| path.to_string_lossy().contains("seg-")).unwrap();
    let (mut at, mut commit) = (HEADER, HEADER);
    while let Step::Frame(frame) = step(segment, at) {
        commit = if frame.kind == FrameKind::Commit { at } else { commit };
        at = frame.end();
    }
    let disk = Simulated::new(2);
    content.iter().for_each(|(path, bytes)| disk.put(path, bytes));
    let mut torn = segment[..commit].to_vec();
    torn.resize(segment.len(), 0);
    disk.put(path, &torn);
    let (mut options, clock) = options(dir.path());
    options.keep = std::time::Duration::from_secs(86_400);
    clock.advance_us(2 * DAY_US);
    Log::open_in(&options, Arc::new(disk.clone()), None).unwrap().close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid() && report.logs.len() == 1, "{}", report.text());
}

/// Killed boots leave what they held, not the room they had prepared.
#[test]
fn the_disk_does_not_grow_by_a_segment_a_killed_boot() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(5);
    let mut before = 0;
    for boot in 0..20 {
        let log = simulated(dir.path(), &disk).unwrap();
        drive(&log, 2);
        disk.die_at(disk.calls());
        drop(log);
        disk.killed();
        let used = disk.used();
        assert!(boot == 0 || used - before < 30_000, "{before} {used}");
        before = used;
    }
}

/// What a sink has not got stays beyond its age, and goes once it has it.
#[test]
fn what_a_sink_lacks_outlives_its_age() {
    use crate::evidence::shipped::{Hold, Shipped};
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(1);
    let (mut options, clock) = options(dir.path());
    options.keep = std::time::Duration::from_secs(86_400);
    let hold = |sink: &str, archive| Hold { sink: sink.to_owned(), required: true, archive };
    let shipped = Arc::new(Shipped::new(vec![hold("bus", false), hold("store", true)]));
    options.shipped = shipped.clone();
    closed(dir.path(), &disk, &clock);
    let boot = |path: &std::path::Path| path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let first = disk.content().keys().find(|path| path.ends_with("origin")).map(|path| boot(path)).unwrap();
    let log = Log::open_in(&options, Arc::new(disk.clone()), None).unwrap();
    let logs = || disk.content().keys().filter(|path| path.ends_with("origin")).count();
    let look = || {
        clock.advance_us(61_000_000);
        log.handle().flush().wait().unwrap();
        logs()
    };
    clock.advance_us(9 * DAY_US);
    assert_eq!(look(), 2);
    shipped.note("bus", &first, 1_000);
    assert_eq!(look(), 2, "the archive has nothing yet");
    shipped.note("store", &first, 1);
    assert_eq!(look(), 2, "nor the end of the log");
    shipped.note("store", &first, 1_000);
    assert_eq!(look(), 1);
    log.close().unwrap();
    disk.dump();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert!(report.is_valid(), "{}", report.text());
}

/// At the ceiling the oldest goes whoever lacks it, and the record says who that was.
#[test]
fn the_ceiling_holds_and_says_who_lacked_what_went() {
    use crate::evidence::shipped::{Hold, Shipped};
    let dir = tempfile::tempdir().unwrap();
    let (mut options, clock) = options(dir.path());
    options.keep_bytes = 3 * SEGMENT_MIN;
    let hold = Hold { sink: "store".to_owned(), required: true, archive: true };
    options.shipped = Arc::new(Shipped::new(vec![hold]));
    let log = Log::open_with(&options).unwrap();
    for _ in 0..8 {
        fill(&log, 1_000);
        clock.advance_us(2_000_000);
        assert!(bytes(dir.path()) <= options.keep_bytes + 2 * SEGMENT_MIN);
    }
    let own = newest(dir.path());
    assert!(segments(&own)[0].0 > 0);
    log.close().unwrap();
    let mut said = 0;
    frames(&own, &mut |_, _, bytes| {
        said += usize::from(String::from_utf8_lossy(bytes).contains("keep.local_max; not at: store"));
        true
    })
    .unwrap();
    assert!(said > 0);
    assert!(verify(dir.path(), &Policy::default()).unwrap().is_valid());
}

/// What cannot be looked at is not let go and not taken for empty, at a start and while the log runs, whichever file or folder
/// of the old logs it is; what goes meanwhile is owned up to, and once it can be read all is as if nothing had been.
#[test]
fn what_cannot_be_read_or_listed_stays_and_is_not_taken_for_empty() {
    const DAY: u64 = 86_400;
    let dir = tempfile::tempdir().unwrap();
    let before = Simulated::new(1);
    let (mut options, clock) = options(dir.path());
    options.keep = std::time::Duration::from_secs(DAY);
    let open = |disk: &Simulated| Log::open_in(&options, Arc::new(disk.clone()), None);
    for _ in 0..3 {
        let log = open(&before).unwrap();
        drive(&log, 3);
        log.close().unwrap();
    }
    let (logs, content) = (dir.path().join("logs"), before.content());
    let boots = crate::evidence::files::Files::list(&before, &logs).unwrap();
    assert_eq!(boots.len(), 3);
    let folders = boots.iter().map(|boot| logs.join(boot));
    let files: Vec<PathBuf> = content.keys().filter(|path| path.starts_with(&logs)).cloned().collect();
    assert_eq!(files.len(), 3 * 4, "{files:?}");
    clock.advance_us(2 * DAY * 1_000_000);
    for hidden in folders.chain(files).chain([logs.clone()]) {
        let disk = Simulated::new(2);
        content.iter().for_each(|(path, bytes)| disk.put(path, bytes));
        let left = |disk: &Simulated| disk.content().into_keys().filter(|path| path.starts_with(&hidden)).collect::<Vec<_>>();
        let there = left(&disk);
        disk.hide(Some(&hidden));
        // Who cannot read what the next log must name does not start.
        if let Ok(log) = open(&disk) {
            clock.advance_us(61_000_000);
            log.handle().flush().wait().unwrap();
            log.close().unwrap();
        }
        // A folder's files may be looked at one by one; whether it is a folder of nothing may not.
        if hidden.extension().is_none() && hidden.file_name().is_some_and(|name| name != "origin" && name != "checkpoint") {
            assert_eq!(left(&disk), there, "{} went", hidden.display());
        }
        disk.hide(None);
        drop(std::fs::remove_dir_all(&logs));
        disk.dump();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert!(report.is_valid(), "{} was hidden: {}", hidden.display(), report.text());
        let log = open(&disk).unwrap();
        log.close().unwrap();
        drop(std::fs::remove_dir_all(&logs));
        disk.dump();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert!(report.is_valid(), "after {} was hidden: {}", hidden.display(), report.text());
    }
}

/// Somebody removed the origin of the newest log: its records are not ours to remove.
#[test]
fn a_log_without_its_origin_is_left_as_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    drive(&log, 3);
    log.close().unwrap();
    let own = newest(dir.path());
    let (origin, kept) = (own.join("origin"), dir.path().join("kept"));
    std::fs::rename(&origin, &kept).unwrap();
    let before = segments(&own);
    // Nor is a file that somebody left among the logs.
    let stray = dir.path().join("logs/stray");
    std::fs::write(&stray, "notes").unwrap();
    Log::open_with(&options).unwrap().close().unwrap();
    std::fs::remove_file(&stray).unwrap();
    assert_eq!(segments(&own), before);
    assert_eq!(verify(dir.path(), &Policy::default()).unwrap().outcome, Outcome::Invalid);
    // Put back, nothing of it is lost; the log that followed without it says so.
    std::fs::rename(&kept, &origin).unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert_eq!((report.outcome, report.logs[0].outcome), (Outcome::Incomplete, Outcome::Valid), "{}", report.text());
}
