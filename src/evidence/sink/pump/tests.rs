//! The driver against a store that fails in every way, step by step, under a clock that is moved by hand.

use super::*;
use crate::base::limits::{QUARANTINE_MAX, SINK_BACKOFF_MS_MAX};
use crate::evidence::sink::conformance::batches;
use crate::evidence::sink::driven::{self, Driven, ended, live};
use crate::evidence::sink::sample::{Memory, Sample, forged};

fn drive(sample: &Sample, store: &Memory, level: Level, journal: Option<LogHandle>) -> Driven {
    driven::drive(sample, Box::new(store.clone()), Level::Durable, level, journal)
}

fn whole(sample: &Sample) -> Vec<(String, Vec<(u64, u64)>)> {
    let ranges = |log: &PathBuf| {
        let all = batches(log);
        (all[0].origin().to_owned(), all.iter().map(|b| (b.first(), b.last())).collect())
    };
    sample.logs().iter().map(ranges).collect()
}

fn assert_complete(sample: &Sample, store: &Memory) {
    for (origin, ranges) in whole(sample) {
        assert_eq!(store.ranges(&origin), ranges);
    }
}

#[test]
fn what_is_signed_is_sent_in_order_and_once_over_restarts() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    let mut driven = drive(&sample, &store, Level::Durable, Some(log.handle()));
    for count in [2, 0, 1_500] {
        sample.write(&log, count);
        driven.settle(&sample, &live(&log));
        let at = live(&log);
        assert_eq!(driven.told.now().lag_records, 0);
        assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty(), "an idle sink has saved its cursor");
        assert_eq!(driven.shipped.lacking(&at.boot, at.signed + 1), ["store"]);
    }
    drop(driven);
    sample.write(&log, 3);
    let before = store.with(|store| store.deliveries);
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    assert_eq!(store.with(|store| store.deliveries), before + 1, "only what is new");
    // The next start of the process finishes the log of this one, then goes on with its own.
    let boot = live(&log).boot;
    log.close().unwrap();
    let log = sample.log();
    sample.write(&log, 1);
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    assert!(driven.pump.cursor.logs[&boot].done, "the old log is finished before the new one is followed");
    log.close().unwrap();
    driven.settle(&sample, &ended());
    assert_complete(&sample, &store);
    assert_eq!(driven.told.now().failures, 0);
}

#[test]
fn a_lost_cursor_and_a_lost_answer_send_nothing_twice() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    for _ in 0..6 {
        sample.write(&log, 2);
    }
    store.with(|store| store.lost_acks = 3);
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    assert_eq!(driven.told.now().failures, 3);
    let deliveries = store.with(|store| store.deliveries);
    assert_eq!(deliveries, 7, "the store was asked what became of it");
    std::fs::remove_dir_all(sample.dir.path().join("cursors")).unwrap();
    drive(&sample, &store, Level::Durable, None).settle(&sample, &live(&log));
    std::fs::write(Cursor::path(sample.dir.path(), "store"), "garbage").unwrap();
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    assert_eq!(store.with(|store| store.deliveries), deliveries);
    let at = live(&log);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
}

#[test]
fn a_store_that_is_away_costs_nothing_but_lag() {
    let (sample, store) = (Sample::new(), Memory::default());
    store.with(|store| store.closed = true);
    let log = sample.log();
    let mut driven = drive(&sample, &store, Level::Durable, None);
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        sample.write(&log, 1);
        let Turn::Wait(wait) = driven.pump.turn(&live(&log)) else { panic!("it does not wait") };
        longest = longest.max(wait);
        // Not before its time.
        let failures = driven.told.now().failures;
        driven.pump.turn(&live(&log));
        assert_eq!(driven.told.now().failures, failures);
        sample.clock.advance_us(wait.as_micros() as u64 + 1);
    }
    let status = driven.told.now();
    assert_eq!((status.state, status.failures), (State::Waiting, 40));
    assert!(status.lag_records >= 40 && status.why.unwrap().contains("nobody answers"));
    assert!(longest > Duration::from_secs(1) && longest <= Duration::from_millis(SINK_BACKOFF_MS_MAX));
    store.with(|store| store.closed = false);
    driven.settle(&sample, &live(&log));
    assert_eq!(driven.told.now().lag_records, 0);
    log.close().unwrap();
    driven.settle(&sample, &ended());
    assert_complete(&sample, &store);
}

#[test]
fn what_a_store_lost_is_sent_again_at_the_next_comparison() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    let mut driven = drive(&sample, &store, Level::Durable, Some(log.handle()));
    for _ in 0..5 {
        sample.write(&log, 2);
    }
    driven.settle(&sample, &live(&log));
    let at = live(&log);
    // The broker is struck by a power cut and has lost its last batches, which it had acknowledged.
    store.with(|store| {
        store.batches.pop_last();
        store.batches.pop_last();
    });
    driven.settle(&sample, &at);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty(), "nobody has noticed yet");
    sample.clock.advance_us((SINK_COMPARE_SECONDS + 1) * 1_000_000);
    assert_eq!(driven.pump.turn(&at), Turn::Again);
    assert_eq!(driven.shipped.lacking(&at.boot, at.signed), ["store"], "retention hears of it before anything is sent");
    driven.settle(&sample, &at);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
    // All of it.
    store.with(|store| store.batches.clear());
    sample.clock.advance_us((SINK_COMPARE_SECONDS + 1) * 1_000_000);
    driven.settle(&sample, &at);
    log.close().unwrap();
    driven.settle(&sample, &ended());
    assert_complete(&sample, &store);
    // It stands in the log what happened.
    let notes = batches(&sample.logs()[0]);
    let notes: Vec<String> = notes
        .iter()
        .flat_map(Batch::records)
        .map(|(_, record)| String::from_utf8(record.to_vec()).unwrap())
        .filter(|record| record.contains("\"subject\":\"sink\""))
        .collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().all(|note| note.contains("the store lost")));
}

#[test]
fn a_store_with_other_records_is_left_as_it_is() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 2);
    log.close().unwrap();
    let forged = forged(&batches(&sample.logs()[0]));
    let origin = forged[0].origin().to_owned();
    store.with(|store| store.batches.insert((origin.clone(), 0), forged[0].clone()));
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &ended());
    let status = driven.told.now();
    assert!(status.state == State::Fork && status.why.unwrap().contains("other records"));
    sample.clock.advance_us((SINK_COMPARE_SECONDS + 1) * 1_000_000);
    for _ in 0..10 {
        assert_eq!(driven.pump.turn(&ended()), Turn::Wait(IDLE));
    }
    assert_eq!(store.with(|store| (store.deliveries, store.batches[&(origin, 0)].id())), (0, forged[0].id()));
    assert_eq!(driven.shipped.lacking(super::super::batch::boot_of(forged[0].origin()), 1), ["store"]);
}

#[test]
fn a_refused_batch_goes_aside_and_the_others_pass() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    for _ in 0..4 {
        sample.write(&log, 2);
    }
    store.with(|store| store.poison = Some(5));
    let mut driven = drive(&sample, &store, Level::Durable, Some(log.handle()));
    driven.settle(&sample, &live(&log));
    let origin = log.handle().origin().to_owned();
    let kept = store.ranges(&origin);
    let holes: Vec<(u64, u64)> =
        kept.iter().zip(kept.iter().skip(1)).filter(|(a, b)| a.1 + 1 < b.0).map(|(a, b)| (a.1 + 1, b.0 - 1)).collect();
    assert!(holes.len() == 1 && (holes[0].0..=holes[0].1).contains(&5), "{kept:?}");
    let folder = quarantine::folder(sample.dir.path(), "store");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let put = Batch::parse(&std::fs::read(&names[0]).unwrap()).unwrap();
    assert_eq!((put.first(), put.last()), holes[0]);
    assert_eq!(std::fs::read_to_string(&names[1]).unwrap(), "poison\n");
    let status = driven.told.now();
    assert_eq!((status.state, status.quarantined, status.lag_records), (State::Current, 1, 0));
    // It is here, aside, so the log may go.
    let at = live(&log);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
}

#[test]
fn who_refuses_everything_is_no_longer_asked_to() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    for _ in 0..QUARANTINE_MAX + 3 {
        sample.write(&log, 1);
    }
    let mut driven = drive(&sample, &store, Level::Durable, None);
    store.with(|store| store.faults.extend(vec![Fault::Refused { why: "no".to_owned(), too_large: false }; QUARANTINE_MAX + 1]));
    for _ in 0..QUARANTINE_MAX + 10 {
        if driven.pump.turn(&live(&log)) != Turn::Again {
            break;
        }
    }
    let status = driven.told.now();
    assert!(status.state == State::Settings && status.why.as_ref().unwrap().contains("clear it"), "{status:?}");
    assert_eq!(quarantine::count(sample.dir.path(), "store"), QUARANTINE_MAX);
    // Once the reason is gone it goes on.
    driven.settle(&sample, &live(&log));
    assert_eq!(driven.told.now().lag_records, 0);
}

#[test]
fn what_is_too_large_is_sent_in_halves() {
    let (sample, store) = (Sample::new(), Memory::default());
    store.with(|store| store.most = Some(3));
    let log = sample.log();
    sample.write(&log, 10);
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    let ranges = store.ranges(log.handle().origin());
    assert!(ranges.iter().all(|(first, last)| last - first < 3));
    assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 + 1 == b.0), "{ranges:?}");
    assert_eq!(ranges.last().unwrap().1 + 1, live(&log).signed);
    assert_eq!(driven.told.now().quarantined, 0);
}

#[test]
fn verified_means_that_it_was_read_back() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 2);
    let mut driven = drive(&sample, &store, Level::Verified, None);
    driven.settle(&sample, &live(&log));
    let at = live(&log);
    assert!(driven.shipped.lacking(&at.boot, at.signed).is_empty());
    // A store that gives other bytes back than it was given.
    let origin = log.handle().origin().to_owned();
    sample.write(&log, 2);
    let wrong = store.with(|store| store.batches[&(origin.clone(), 0)].clone());
    struct Liar(Memory, Batch);
    impl Sink for Liar {
        fn open(&mut self) -> Result<(), Fault> {
            self.0.open()
        }
        fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
            self.0.deliver(batch)
        }
        fn head(&mut self, origin: &str) -> Result<Held, Fault> {
            self.0.head(origin)
        }
        fn read(&mut self, _: &str, _: u64) -> Result<Option<Vec<u8>>, Fault> {
            Ok(Some(self.1.wire().to_vec()))
        }
        fn logs(&mut self) -> Result<Vec<String>, Fault> {
            self.0.logs()
        }
    }
    driven.pump.sink = Box::new(Liar(store, wrong));
    driven.settle(&sample, &live(&log));
    assert_eq!(driven.told.now().state, State::Fork);
    assert_eq!(driven.shipped.lacking(&at.boot, at.signed + 1), ["store"]);
}

#[test]
fn what_cannot_be_read_here_is_left_out_and_said() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 3);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let path = dir.join("seg-00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"agents:1").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &ended());
    let origin = LogReader::open(&dir).unwrap().card().origin.clone();
    let ranges = store.ranges(&origin);
    let sent: Vec<u64> = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
    let last = ranges.last().unwrap().1;
    assert_eq!((0..=last).filter(|index| !sent.contains(index)).count(), 1);
    assert!(driven.pump.cursor.logs.values().all(|reached| reached.done));
}

/// What was sent and is damaged here afterwards is neither missed nor sent again.
#[test]
fn damage_behind_the_cursor_stops_nothing() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 3);
    drive(&sample, &store, Level::Durable, None).settle(&sample, &live(&log));
    let path = sample.logs()[0].join("seg-00000000000000000000.log");
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"agents:1").unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[bytes[at] ^ 1], at as u64).unwrap();
    sample.write(&log, 2);
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &live(&log));
    let ranges = store.ranges(log.handle().origin());
    assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 + 1 == b.0), "{ranges:?}");
    assert_eq!(ranges.last().unwrap().1 + 1, live(&log).signed);
    assert_eq!((store.with(|store| store.deliveries), driven.told.now().failures), (3, 0));
}

/// Case 16: somebody removed a closed segment before the sink had it. What is left goes, and the hole has its numbers.
#[test]
fn a_segment_that_somebody_removed_stops_nothing() {
    let (mut sample, store) = (Sample::new(), Memory::default());
    sample.options.keep_bytes = 16 * crate::evidence::spool::SEGMENT_MIN;
    let log = sample.log();
    sample.write(&log, 10_000);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let segments = crate::evidence::read::segments(&dir).unwrap();
    let gone = &segments[1];
    std::fs::remove_file(&gone.path).unwrap();
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &ended());
    let origin = LogReader::open(&dir).unwrap().card().origin.clone();
    let ranges = store.ranges(&origin);
    let holes = ranges.iter().zip(ranges.iter().skip(1)).filter(|(a, b)| a.1 + 1 != b.0).map(|(a, b)| (a.1 + 1, b.0 - 1));
    assert_eq!(holes.collect::<Vec<_>>(), [(gone.first, gone.next.unwrap() - 1)]);
    assert!(segments.len() >= 3 && ranges[0].0 == 0 && driven.pump.cursor.logs.values().all(|reached| reached.done));
    let status = driven.told.now();
    assert_eq!((status.state, status.quarantined, status.failures), (State::Current, 0, 0));
}

/// Case 15: the disk had said that it was synced, and forgot, the cursor too; the store did not. It is found out at the next
/// start, recorded, nothing is overwritten, and what the store has convicts the folder.
#[test]
fn a_disk_that_forgot_what_it_synced_is_found_out_by_its_store() {
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        assert!(std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
    };
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 3);
    let (logs, had) = (sample.dir.path().join("logs"), sample.dir.path().join("had"));
    copy(&logs, &had);
    let before = live(&log).signed;
    sample.write(&log, 5);
    drive(&sample, &store, Level::Durable, Some(log.handle())).settle(&sample, &live(&log));
    let (origin, boot, signed) = (log.handle().origin().to_owned(), live(&log).boot, live(&log).signed);
    drop(log);
    std::fs::remove_dir_all(&logs).unwrap();
    std::fs::remove_dir_all(sample.dir.path().join("cursors")).unwrap();
    std::fs::rename(&had, &logs).unwrap();
    let log = sample.log();
    let mut driven = drive(&sample, &store, Level::Durable, Some(log.handle()));
    for _ in 0..2 {
        sample.write(&log, 1);
        driven.settle(&sample, &live(&log));
    }
    assert_eq!(driven.told.now().state, State::Current);
    let said = format!("store: the store has {signed} of {boot}, and the disk {before}");
    log.close().unwrap();
    driven.settle(&sample, &ended());
    assert_eq!(store.ranges(&origin).last().unwrap().1 + 1, signed, "nothing was overwritten");
    let mut notes = 0;
    crate::evidence::read::frames(&sample.logs()[1], &mut |_, _, bytes| {
        notes += usize::from(String::from_utf8_lossy(bytes).contains(&said));
        true
    })
    .unwrap();
    assert_eq!(notes, 1, "{said}");
    let restored = tempfile::tempdir().unwrap();
    let mut folder = crate::evidence::sink::file::FileSink::new(restored.path());
    crate::evidence::sink::rebuild::rebuild(&mut store.clone(), &mut folder, &mut |_| {}).unwrap();
    let key = std::fs::read_to_string(sample.dir.path().join("root.vkey")).unwrap();
    let report =
        crate::evidence::verify::verify(restored.path(), &crate::evidence::verify::Policy::pinned(&key).unwrap()).unwrap();
    let finding = &report.logs[0].findings[0];
    assert_eq!((finding.code, finding.index), ("inconsistent", Some(before)), "{}", report.text());
}

/// Who holds more of a log than was signed of it got that from somebody else.
#[test]
fn a_store_that_is_ahead_of_the_log_being_written_is_a_fork() {
    let (sample, store) = (Sample::new(), Memory::default());
    let log = sample.log();
    sample.write(&log, 3);
    drive(&sample, &store, Level::Durable, None).settle(&sample, &live(&log));
    std::fs::remove_dir_all(sample.dir.path().join("cursors")).unwrap();
    let mut driven = drive(&sample, &store, Level::Durable, None);
    driven.settle(&sample, &Live { signed: 1, ..live(&log) });
    assert_eq!(driven.told.now().state, State::Fork);
}

/// A naive model: whatever a store does wrong and whenever we die, in the end it has each record once.
#[test]
fn in_the_end_every_record_is_there_once() {
    for seed in 0..12u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let (sample, store) = (Sample::new(), Memory::default());
        let mut log = sample.log();
        let mut driven = drive(&sample, &store, Level::Durable, None);
        for _ in 0..60 {
            match roll(10) {
                0 => store.with(|store| store.lost_acks += 1),
                1 => store.with(|store| store.faults.push_back(Fault::later("busy"))),
                2 => store.with(|store| store.closed = !store.closed),
                3 => driven = drive(&sample, &store, Level::Durable, None),
                4 => {
                    log.close().unwrap();
                    log = sample.log();
                }
                5 => {
                    store.with(|store| store.batches.pop_last());
                    driven = drive(&sample, &store, Level::Durable, None);
                }
                6 => drop(std::fs::remove_file(Cursor::path(sample.dir.path(), "store"))),
                _ => sample.write(&log, roll(5) as usize),
            }
            for _ in 0..roll(6) {
                if let Turn::Wait(wait) = driven.pump.turn(&live(&log)) {
                    sample.clock.advance_us(wait.as_micros() as u64 + 1);
                }
            }
        }
        store.with(|store| store.closed = false);
        log.close().unwrap();
        drive(&sample, &store, Level::Durable, None).settle(&sample, &ended());
        assert_complete(&sample, &store);
    }
}
