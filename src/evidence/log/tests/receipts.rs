//! Receipts of a log: when they are given, of what, and what becomes of them.

use super::*;
use crate::evidence::erase::{Grounds, erase};
use crate::evidence::merkle::leaf_hash;
use crate::evidence::note::NoteKey;
use crate::evidence::prove::prove;
use crate::evidence::receipt::{Issued, Level, Receipt, open};
use crate::evidence::revoke::revoke;
use crate::evidence::standing::{Held, Standing, receipt};
use crate::seal::SigningKey;

fn root(dir: &Path) -> NoteKey {
    NoteKey::parse(std::fs::read_to_string(dir.join("root.vkey")).unwrap().trim_end()).unwrap()
}

/// Holds a receipt against a folder, under its root.
fn held(dir: &Path, issued: &Issued) -> Held {
    receipt(dir, issued.text.as_bytes(), &Policy { root: Some(root(dir)), ..Policy::default() }).unwrap()
}

#[test]
fn receipts_are_given_for_what_is_taken_in_and_for_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    let slot = handle.reserve().unwrap();
    let id = slot.id();
    // Asked for while the exchange is under way.
    let (durable, signed) = (handle.receipt(id, Level::Durable), handle.receipt(id, Level::Signed));
    assert!(matches!(handle.receipt_of(dir.path(), &id.to_string(), Level::Durable), Err(LogError::NotFound(_))));
    clock.set_wall_us(0);
    clock.advance_us(500_000);
    let index = slot.write_strict(exchange(Act::Block)).wait().unwrap();
    let (durable, signed) = (durable.wait().unwrap(), signed.wait().unwrap());
    let lies = stored(dir.path(), handle.origin());
    assert_eq!(lies[index as usize], (index, id.to_string()));
    let mut leaf = None;
    frames(&newest(dir.path()), &mut |kind, at, bytes| {
        leaf = leaf.or((kind == FrameKind::Record && at == index).then(|| leaf_hash(bytes)));
        true
    })
    .unwrap();
    // The wall clock went back to 1970 and counts for nothing: the start does, and what has passed since.
    let time_us = 1_760_000_000_500_000;
    let said = Receipt { record: id, log: handle.origin().to_owned(), leaf: leaf.unwrap(), index: Some(index), time_us };
    assert_eq!(durable.receipt, said);
    assert_eq!(signed.receipt, Receipt { index: None, ..said.clone() });
    for issued in [&durable, &signed] {
        assert_eq!(open(issued.text.as_bytes(), &root(dir.path()), &[]).unwrap(), issued.receipt);
        assert_eq!(held(dir.path(), issued).standing, Standing::Unsigned);
    }
    // Asked for afterwards: among the newest at once, by its index once a head covers it.
    assert_eq!(handle.receipt(id, Level::Durable).wait().unwrap(), durable);
    assert_eq!(handle.receipt_of(dir.path(), &id.to_string(), Level::Durable).unwrap(), durable);
    let by_index = || handle.receipt_of(dir.path(), &index.to_string(), Level::Durable);
    assert!(matches!(by_index(), Err(LogError::Uncovered(at)) if at == index));
    clock.advance_us(2_000_000);
    handle.flush().wait().unwrap();
    assert_eq!(by_index().unwrap().receipt, Receipt { time_us: time_us + 2_000_000, ..said });
    assert_eq!(handle.receipt_of(dir.path(), "0", Level::Signed).unwrap().receipt.level(), Level::Signed);
    assert_eq!(held(dir.path(), &durable).standing, Standing::Kept);
    // One that never comes waits, until the log ends.
    let never = handle.receipt(handle.new_id(), Level::Durable);
    log.close().unwrap();
    assert!(matches!(never.wait(), Err(LogError::Closed)));
    assert!(matches!(handle.receipt(id, Level::Durable).wait(), Err(LogError::Closed)));
    // The key is gone with its log; a proof is what is left.
    let next = Log::open_with(&options).unwrap();
    let error = next.handle().receipt_of(dir.path(), &id.to_string(), Level::Durable).unwrap_err();
    assert!(matches!(&error, LogError::KeyGone(origin) if *origin == durable.receipt.log), "{error}");
    assert!(prove(dir.path(), &id.to_string()).is_ok());
    next.close().unwrap();
    assert_eq!((held(dir.path(), &durable).standing, held(dir.path(), &signed).standing), (Standing::Kept, Standing::Kept));
}

#[test]
fn who_asks_for_too_many_receipts_is_told_and_forgotten_tickets_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let handle = log.handle();
    let ask = || {
        let ticket = handle.receipt(handle.new_id(), Level::Signed);
        // So that no ask finds the queue full.
        handle.flush().wait().unwrap();
        ticket
    };
    let mut held: Vec<_> = (0..crate::base::limits::RECEIPTS_WAITING_MAX).map(|_| ask()).collect();
    assert!(matches!(ask().wait(), Err(LogError::Full)));
    held.pop();
    let slot = handle.reserve().unwrap();
    let late = handle.receipt(slot.id(), Level::Signed);
    slot.write(exchange(Act::Allow));
    assert_eq!(late.wait().unwrap().receipt.level(), Level::Signed);
    drop(held);
    log.close().unwrap();
}

/// What lies on disk is not believed by itself: nobody who can write there gets it signed.
#[test]
fn a_record_that_was_changed_on_disk_gets_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    let index = handle.reserve().unwrap().write_strict(exchange(Act::Block)).wait().unwrap();
    clock.advance_us(2_000_000);
    handle.flush().wait().unwrap();
    let path = newest(dir.path()).join("seg-00000000000000000000.log");
    let mut file = std::fs::read(&path).unwrap();
    let mut at = HEADER;
    while let Step::Frame(frame) = step(&file, at) {
        if frame.kind == FrameKind::Record && frame.index == index {
            let changed = String::from_utf8(frame.bytes.to_vec()).unwrap().replace("\"block\"", "\"allow\"");
            let mut forged = Vec::new();
            crate::evidence::segment::push_frame(&mut forged, FrameKind::Record, index, changed.as_bytes());
            let end = frame.end();
            file.splice(at..end, forged);
            break;
        }
        at = frame.end();
    }
    std::fs::write(&path, file).unwrap();
    let error = handle.receipt_of(dir.path(), &index.to_string(), Level::Durable).unwrap_err();
    assert!(matches!(error, LogError::Malformed(_)), "{error}");
}

/// A receipt against a log that was killed, whole and with its end cut at every frame.
#[test]
fn a_tail_that_is_cut_breaks_the_receipts_of_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(1);
    let log = simulated(dir.path(), &disk).unwrap();
    let handle = log.handle();
    let issued: Vec<Issued> = (0..4)
        .map(|_| {
            let slot = handle.reserve().unwrap();
            let ticket = handle.receipt(slot.id(), Level::Durable);
            slot.write(exchange(Act::Flag));
            ticket.wait().unwrap()
        })
        .collect();
    disk.dump();
    drop(log);
    let path = newest(dir.path()).join("seg-00000000000000000000.log");
    let whole = std::fs::read(&path).unwrap();
    let (mut at, mut records) = (HEADER, 0);
    while let Step::Frame(frame) = step(&whole, at) {
        let mut cut = whole.clone();
        cut[at..].fill(0);
        std::fs::write(&path, cut).unwrap();
        for issued in &issued {
            let (held, index) = (held(dir.path(), issued), issued.receipt.index.unwrap());
            let there = records > index && verify(dir.path(), &Policy::default()).unwrap().is_valid();
            let standing = if there { Standing::Unsigned } else { Standing::Broken };
            assert_eq!((held.standing, held.index), (standing, Some(index)), "cut before record {records}: {}", held.why);
            assert!(there || held.why.contains(&format!("record {index} of {}", issued.receipt.log)), "{}", held.why);
        }
        records += u64::from(frame.kind == FrameKind::Record);
        at = frame.end();
    }
    // Taken up by the next start, as it lies: what is durable is in the log that was recovered, at its index.
    std::fs::write(&path, &whole).unwrap();
    let (options, _) = options(dir.path());
    Log::open_with(&options).unwrap().close().unwrap();
    let report = verify(dir.path(), &Policy::default()).unwrap();
    assert_eq!(report.logs[0].state, crate::evidence::verify::State::Adopted, "{}", report.text());
    for issued in &issued {
        assert_eq!(held(dir.path(), issued).standing, Standing::Unsigned, "{}", held(dir.path(), issued).why);
    }
}

#[test]
fn what_was_promised_and_died_with_its_process_is_a_broken_promise() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Simulated::new(3);
    let log = simulated(dir.path(), &disk).unwrap();
    let handle = log.handle();
    let kept = handle.reserve().unwrap();
    let first = handle.receipt(kept.id(), Level::Signed);
    kept.write_strict(exchange(Act::Allow)).wait().unwrap();
    let first = first.wait().unwrap();
    // From here on no call of the disk comes back.
    disk.die_at(disk.calls());
    let slot = handle.reserve().unwrap();
    let (signed, durable) = (handle.receipt(slot.id(), Level::Signed), handle.receipt(slot.id(), Level::Durable));
    slot.write(exchange(Act::Block));
    let signed = signed.wait().unwrap();
    // Who asks for what is there does not wait for a disk that does not come back.
    assert!(matches!(handle.receipt_of(dir.path(), &signed.receipt.record.to_string(), Level::Durable), Err(LogError::File(..))));
    drop(log);
    assert!(matches!(durable.wait(), Err(LogError::Closed)), "nothing is acknowledged that is not on disk");
    disk.killed();
    disk.dump();
    assert_eq!(held(dir.path(), &signed).standing, Standing::Unknown, "its log has no end yet");
    simulated(dir.path(), &disk).unwrap().close().unwrap();
    disk.dump();
    let broken = held(dir.path(), &signed);
    assert_eq!(broken.standing, Standing::Broken);
    assert!(broken.why.contains("process died"), "{}", broken.why);
    assert_eq!(held(dir.path(), &first).standing, Standing::Unsigned);
}

#[test]
fn receipts_are_held_against_what_stands_in_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let handle = log.handle();
    let mut issued = Vec::new();
    for level in [Level::Durable, Level::Signed] {
        let slot = handle.reserve().unwrap();
        let ticket = handle.receipt(slot.id(), level);
        slot.write(exchange(Act::Allow));
        issued.push(ticket.wait().unwrap());
    }
    log.close().unwrap();
    let (durable, signed) = (&issued[0], &issued[1]);
    let root_key = SigningKey::from_file(&dir.path().join("root.key")).unwrap();
    // Under another root, or touched: no receipt at all.
    let strangers =
        Policy { root: Some(NoteKey::new("a/root", SigningKey::generate().unwrap().verifying()).unwrap()), ..Policy::default() };
    assert_eq!(receipt(dir.path(), durable.text.as_bytes(), &strangers).unwrap().standing, Standing::Invalid);
    let moved = durable.text.replace("\nindex 1\n", "\nindex 2\n");
    let touched = receipt(dir.path(), moved.as_bytes(), &Policy::default()).unwrap();
    assert_eq!((touched.standing, touched.why.as_str()), (Standing::Invalid, "a signature does not fit"));
    // A process that signs what is not so: the key of a log of our own.
    let own = SigningKey::from_seed(&[5; 32]);
    let lie = |said: Receipt| {
        let at = said.time_us / 1_000_000;
        let key = NoteKey::new(&said.log, own.verifying()).unwrap();
        let delegation =
            crate::evidence::note::Delegation { origin: said.log.clone(), key, from: at - 1, until: at + 1, build: None };
        let delegation = crate::evidence::note::sign(&delegation.text(), root(dir.path()).name(), &root_key).unwrap();
        held(dir.path(), &crate::evidence::receipt::issue(said, &own, &delegation).unwrap())
    };
    let (said, promised) = (&durable.receipt, &signed.receipt);
    assert_eq!(lie(said.clone()).standing, Standing::Kept);
    let another = handle.new_id();
    for (said, standing, why) in [
        (Receipt { index: Some(2), ..said.clone() }, Standing::Broken, "record 2 is another"),
        (Receipt { record: another, ..said.clone() }, Standing::Broken, "record 1 is another"),
        (Receipt { leaf: promised.leaf, ..said.clone() }, Standing::Broken, "record 1 is another"),
        (Receipt { index: Some(99), ..said.clone() }, Standing::Broken, "ends before that"),
        (Receipt { leaf: crate::seal::digest(b""), ..promised.clone() }, Standing::Broken, "record 2 is another"),
        (Receipt { record: another, leaf: crate::seal::digest(b""), ..promised.clone() }, Standing::Broken, "here whole"),
        (Receipt { log: "a/evidence/b/elsewhere".to_owned(), ..said.clone() }, Standing::Unknown, "not here"),
    ] {
        let held = lie(said.clone());
        assert_eq!((held.standing, held.index), (standing, said.index), "{}", held.why);
        assert!(held.why.contains(why), "{}", held.why);
    }
    // Erased: its leaf is still the one that was promised.
    let grounds = Grounds { basis: "GDPR Art. 17".to_owned(), requester: "case 12".to_owned() };
    for issued in &issued {
        erase(&options, &issued.receipt.record.to_string(), &grounds).unwrap();
        assert_eq!(held(dir.path(), issued).standing, Standing::Kept);
    }
    // Taken back below it: what it says is no longer vouched for.
    let boot = said.log.rsplit('/').next().unwrap();
    revoke(dir.path(), boot, 1, &root_key).unwrap();
    let taken_back = held(dir.path(), durable);
    assert_eq!(taken_back.standing, Standing::Invalid);
    assert!(taken_back.why.contains("took its key back"), "{}", taken_back.why);
}
