//! The key of a log: how long it is delegated, and what happens when the root takes it back.

use super::*;
use crate::evidence::report::Outcome;
use crate::evidence::revoke::revoke;
use crate::evidence::show::show;
use crate::seal::SigningKey;

const DAY_US: u64 = 86_400_000_000;

#[test]
fn records_beyond_the_delegation_are_told_and_a_clock_that_jumps_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    // Ten years ahead, and back before the epoch: the wall clock alone ages no key.
    clock.set_wall_us(1_760_000_000_000_000 + 3650 * DAY_US as i64);
    log.handle().flush().wait().unwrap();
    clock.set_wall_us(1);
    log.handle().flush().wait().unwrap();
    clock.advance_us(399 * DAY_US);
    log.handle().flush().wait().unwrap();
    let check = || verify(dir.path(), &Policy::default()).unwrap();
    assert!(check().outcome < Outcome::Invalid, "{}", check().text());
    let before = log.handle().durable_records();
    clock.advance_us(2 * DAY_US);
    log.handle().flush().wait().unwrap();
    log.close().unwrap();
    let report = check();
    assert_eq!(report.outcome, Outcome::Invalid);
    let finding = report.logs[0].findings.iter().find(|finding| finding.code == "delegation_expired").unwrap();
    assert_eq!(finding.index, Some(before), "{}", report.text());
}

/// Case 52: the key is stolen; what was trusted stays so, what follows is not, and another history is a fork.
#[test]
fn a_key_that_is_taken_back_vouches_for_what_the_root_names() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    drive(&log, 3);
    log.close().unwrap();
    let own = newest(dir.path());
    let boot = own.file_name().unwrap().to_str().unwrap();
    let root = SigningKey::from_file(&dir.path().join("root.key")).unwrap();
    let check = || verify(dir.path(), &Policy::default()).unwrap();
    let size = check().records;
    // Taken back after its end: nothing is lost.
    revoke(dir.path(), boot, size, &root).unwrap();
    assert!(check().is_valid(), "{}", check().text());
    let place = revoke(dir.path(), boot, 3, &root).unwrap();
    let report = check();
    let finding = &report.logs[0].findings[0];
    assert_eq!((report.outcome, finding.code, finding.index), (Outcome::Invalid, "key_revoked", Some(3)));
    // The note alone is enough, wherever it is kept.
    let note = std::fs::read(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    assert!(check().is_valid());
    let mut policy = Policy::default();
    policy.revocations.push(note.clone());
    assert!(!verify(dir.path(), &policy).unwrap().is_valid());
    // Somebody else's word does not count, and neither does one that was touched.
    let other = SigningKey::generate().unwrap();
    assert!(revoke(dir.path(), boot, 3, &other).is_err());
    let mut touched = note.clone();
    touched[60] ^= 1;
    std::fs::write(&place, touched).unwrap();
    assert_eq!(check().findings[0].code, "bad_signature");
    // Another history under the same key.
    let forged = String::from_utf8(note).unwrap();
    let text = &forged[..=forged.rfind("\n\n").unwrap()];
    let mut revocation = crate::evidence::note::Revocation::parse(text).unwrap();
    revocation.root = crate::seal::digest(b"another history");
    let vkey = std::fs::read_to_string(dir.path().join("root.vkey")).unwrap();
    let name = crate::evidence::note::NoteKey::parse(vkey.trim_end()).unwrap();
    std::fs::write(&place, crate::evidence::note::sign(&revocation.text(), name.name(), &root).unwrap()).unwrap();
    assert!(check().logs[0].findings.iter().any(|finding| finding.code == "fork"), "{}", check().text());
}

#[test]
fn the_next_start_records_a_key_that_was_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _clock) = options(dir.path());
    let log = Log::open_with(&options).unwrap();
    let size = log.close().unwrap();
    let own = newest(dir.path());
    let root = SigningKey::from_file(&dir.path().join("root.key")).unwrap();
    revoke(dir.path(), own.file_name().unwrap().to_str().unwrap(), size, &root).unwrap();
    Log::open_with(&options).unwrap().close().unwrap();
    assert_eq!(show(dir.path(), "0").unwrap().record["reason"], "key");
    let event = show(dir.path(), "1").unwrap().record;
    assert_eq!((event["kind"].as_str(), event["event"].as_str()), (Some("key.event"), Some("revoked")));
    assert!(verify(dir.path(), &Policy::default()).unwrap().is_valid());
    // Another root does not vouch for what the last one did.
    std::fs::remove_file(dir.path().join("root.key")).unwrap();
    Log::open_with(&options).unwrap().close().unwrap();
    assert_eq!(show(dir.path(), "0").unwrap().record["reason"], "key");
    assert_eq!(show(dir.path(), "1").unwrap().record["event"], "unknown");
}
