//! Batches from logs that live, have ended, were cut, and are damaged.

use super::*;
use crate::evidence::sink::conformance::batches;
use crate::evidence::sink::sample::Sample;
use crate::evidence::spool::SEGMENT_MIN;

fn pieces(log: &Path, limit: Limit) -> Vec<Piece> {
    let mut reader = LogReader::open(log).unwrap();
    std::iter::from_fn(|| reader.next(limit).unwrap()).collect()
}

fn ranges(pieces: &[Piece]) -> Vec<(u64, u64, bool)> {
    let range = |piece: &Piece| match piece {
        Piece::Batch(batch) => (batch.first(), batch.last(), true),
        Piece::Hole { first, last } => (*first, *last, false),
    };
    pieces.iter().map(range).collect()
}

fn segments(log: &Path) -> Vec<PathBuf> {
    let mut out: Vec<_> = std::fs::read_dir(log).unwrap().map(|e| e.unwrap().path()).collect();
    out.retain(|path| path.extension().is_some_and(|e| e == "log"));
    out.sort();
    out
}

fn heads_in(segment: &[u8]) -> usize {
    let (mut at, mut heads) = (HEADER, 0);
    while let Step::Frame(frame) = segment::step(segment, at) {
        heads += usize::from(frame.kind == FrameKind::Checkpoint);
        at = frame.end();
    }
    heads
}

#[test]
fn a_log_that_lives_is_read_up_to_its_signed_head_and_no_further() {
    let sample = Sample::new();
    let log = sample.log();
    let dir = sample.logs().remove(0);
    let mut reader = LogReader::open(&dir).unwrap();
    let signed = || Limit::Signed(log.handle().signed_head().unwrap().head.size);
    let Some(Piece::Batch(first)) = reader.next(signed()).unwrap() else { panic!() };
    assert_eq!((first.first(), first.last()), (0, 0));
    assert_eq!(reader.next(signed()).unwrap(), None);
    for _ in 0..5 {
        log.handle().reserve().unwrap().write(Default::default());
    }
    log.handle().flush().wait().unwrap();
    assert_eq!(reader.next(signed()).unwrap(), None, "durable, and not signed yet");
    assert_eq!(log.handle().durable_records(), 6);
    sample.write(&log, 1);
    let Some(Piece::Batch(second)) = reader.next(signed()).unwrap() else { panic!() };
    // Five, one, and the heartbeat.
    assert_eq!((second.first(), second.last(), second.head().is_some()), (1, 7, true));
    assert_eq!(reader.next(signed()).unwrap(), None);
    log.close().unwrap();
    let Some(Piece::Batch(last)) = reader.next(Limit::Ended).unwrap() else { panic!() };
    assert_eq!((last.first(), last.last(), last.head().is_some()), (8, 9, true));
    assert_eq!(reader.next(Limit::Ended).unwrap(), None);
    assert_eq!(batches(&dir), [*first, *second, *last], "read as a whole it is cut alike");
}

#[test]
fn batches_are_the_same_from_every_boundary_and_over_segments() {
    let mut sample = Sample::new();
    sample.options.keep_bytes = 16 * SEGMENT_MIN;
    let log = sample.log();
    for count in [3_000, 1, 2_500, 0, 1_023] {
        sample.write(&log, count);
    }
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    assert!(segments(&dir).len() >= 2);
    let all = batches(&dir);
    assert!(all.len() >= 9, "{}", all.len());
    assert!(all.iter().all(|batch| batch.count() <= 1024) && all.iter().any(|batch| batch.count() == 1024));
    assert!(all.iter().zip(all.iter().skip(1)).all(|(a, b)| a.size() == b.first()));
    // Every head that was signed ends a batch, and no other does.
    let signed: usize = segments(&dir).iter().map(|path| heads_in(&std::fs::read(path).unwrap())).sum();
    assert!(signed >= 6, "the opening, four times records, the seal: {signed}");
    assert_eq!(all.iter().filter(|batch| batch.head().is_some()).count(), signed);
    for from in &all {
        let mut reader = LogReader::open(&dir).unwrap();
        assert!(reader.seek(from.first(), Limit::Ended).unwrap());
        for batch in all.iter().filter(|batch| batch.first() >= from.first()) {
            assert_eq!(reader.next(Limit::Ended).unwrap(), Some(Piece::Batch(Box::new(batch.clone()))));
        }
        assert_eq!(reader.next(Limit::Ended).unwrap(), None);
    }
    for batch in &all {
        assert_eq!(&Batch::parse(batch.wire()).unwrap(), batch);
    }
    let mut reader = LogReader::open(&dir).unwrap();
    assert!(!reader.seek(all.last().unwrap().size() + 1, Limit::Ended).unwrap());
}

#[test]
fn what_retention_took_is_a_hole_at_the_front() {
    let mut sample = Sample::new();
    sample.options.keep_bytes = 16 * SEGMENT_MIN;
    let log = sample.log();
    sample.write(&log, 10_000);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let all = ranges(&pieces(&dir, Limit::Ended));
    let files = segments(&dir);
    assert!(files.len() >= 3);
    std::fs::remove_file(&files[0]).unwrap();
    let (second, _) = segment::parse_name(files[1].file_name().unwrap().to_str().unwrap()).unwrap();
    let left = ranges(&pieces(&dir, Limit::Ended));
    assert_eq!(left[0], (0, second - 1, false));
    assert_eq!(left.last().unwrap().1, all.last().unwrap().1);
    // One that is missing in the middle is a hole as well.
    let log = sample.log();
    log.close().unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let (third, _) = segment::parse_name(files[2].file_name().unwrap().to_str().unwrap()).unwrap();
    assert_eq!(ranges(&pieces(&dir, Limit::Ended))[0], (0, third - 1, false));
}

/// One bad record never hides the good ones behind it, and no gap is without its number.
#[test]
fn every_damaged_byte_costs_at_most_the_records_it_is_in() {
    let sample = Sample::new();
    let log = sample.log();
    sample.write(&log, 2);
    sample.write(&log, 2);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let path = segments(&dir).remove(0);
    let good = std::fs::read(&path).unwrap();
    let whole = pieces(&dir, Limit::Ended);
    let end = ranges(&whole).last().unwrap().1;
    let records: BTreeMap<u64, Vec<u8>> = whole
        .iter()
        .flat_map(|piece| match piece {
            Piece::Batch(batch) => batch.records().map(|(index, record)| (index, record.to_vec())).collect::<Vec<_>>(),
            Piece::Hole { .. } => Vec::new(),
        })
        .collect();
    for at in (HEADER..good.len()).step_by(2) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        std::fs::write(&path, &bad).unwrap();
        let found = pieces(&dir, Limit::Ended);
        let (mut next, mut lost) = (0, 0);
        for piece in &found {
            match piece {
                Piece::Batch(batch) => {
                    assert_eq!(batch.first(), next, "byte {at}");
                    assert_eq!(&Batch::parse(batch.wire()).unwrap(), &**batch, "byte {at}");
                    assert!(batch.records().all(|(index, record)| records[&index] == record), "byte {at}");
                    next = batch.size();
                }
                Piece::Hole { first, last } => {
                    assert_eq!(*first, next, "byte {at}");
                    lost += last - first + 1;
                    next = last + 1;
                }
            }
        }
        // The last record may be the one.
        assert!(lost + (end + 1 - next) <= 1, "byte {at}: {:?}", ranges(&found));
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(pieces(&dir, Limit::Ended), whole);
}

#[test]
fn records_and_their_commit_damaged_together_cost_the_rest_of_the_segment() {
    let mut sample = Sample::new();
    sample.options.keep_bytes = 16 * SEGMENT_MIN;
    let log = sample.log();
    sample.write(&log, 6_000);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let files = segments(&dir);
    let (second, _) = segment::parse_name(files[1].file_name().unwrap().to_str().unwrap()).unwrap();
    let mut bad = std::fs::read(&files[0]).unwrap();
    let from = bad.len() / 2;
    for byte in &mut bad[from..] {
        *byte = 0x55;
    }
    std::fs::write(&files[0], &bad).unwrap();
    let found = ranges(&pieces(&dir, Limit::Ended));
    let hole = found.iter().position(|(.., sound)| !sound).unwrap();
    assert!(found[hole].0 > 100 && found[hole].1 == second - 1, "{found:?}");
    assert!(found[hole + 1..].iter().all(|(.., sound)| *sound));
    assert!(found.iter().zip(found.iter().skip(1)).all(|(a, b)| a.1 + 1 == b.0), "{found:?}");
}

#[test]
fn of_an_erased_record_a_batch_has_the_leaf_and_no_word() {
    use crate::evidence::erase::{Grounds, erase};

    let sample = Sample::new();
    let log = sample.log();
    sample.write(&log, 4);
    sample.write(&log, 2);
    log.close().unwrap();
    let dir = sample.logs().remove(0);
    let before = batches(&dir);
    let boot = dir.file_name().unwrap().to_str().unwrap();
    let grounds = Grounds { basis: "GDPR Art. 17".to_owned(), requester: "case 12".to_owned() };
    erase(&sample.options, &format!("{boot}:2"), &grounds).unwrap();
    let after = batches(&dir);
    assert_eq!(after.len(), before.len());
    for (one, two) in before.iter().zip(&after) {
        assert_eq!((one.id(), one.head()), (two.id(), two.head()), "what tells batches apart stays");
        assert_eq!(Batch::parse(two.wire()).unwrap(), *two);
        let kept = |batch: &Batch| batch.records().map(|(index, bytes)| (index, bytes.to_vec())).collect::<Vec<_>>();
        let mut wanted = kept(one);
        wanted.retain(|(index, _)| *index != 2);
        assert_eq!(kept(two), wanted);
        let Some((left, right)) = two.halves() else { continue };
        assert_eq!([kept(&left), kept(&right)].concat(), wanted);
    }
    assert_ne!(before, after);
    let mut reader = LogReader::open(&dir).unwrap();
    assert!(reader.seek(3, Limit::Ended).unwrap(), "over the leaf");
}
