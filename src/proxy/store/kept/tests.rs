//! The store against a real folder: restarts, hostile contents, a full disk of rules.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::pact::template::template;
use crate::pact::{Packs, Role, read};
use crate::seal::SigningKey;

fn pact(version: &str, word: &str) -> Arc<SealedPact> {
    let text = format!("{}\nterms: {{word: {word}}}\n", template("minimal").unwrap().replace("1.0.0", version));
    let (pact, out) = read(&text, Packs::shipped());
    let sealed = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)))).unwrap();
    let sealed = sealed.sign(&SigningKey::from_seed(&[1; 32]), Role::Agent, 1_790_000_000).unwrap();
    Arc::new(sealed.sign(&SigningKey::from_seed(&[2; 32]), Role::Counterparty, 1_790_000_000).unwrap())
}

/// Every file below a folder, with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            out.extend(files(&entry));
        } else {
            out.push((entry.clone(), fs::read(&entry).unwrap()));
        }
    }
    out.sort();
    out
}

fn digests(store: &Store) -> Vec<String> {
    let mut list: Vec<String> = store.kept().iter().map(|s| s.checked().digest().hex()).collect();
    list.sort();
    list
}

#[test]
fn a_restart_reads_back_what_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("not/yet");
    let mut store = Store::open(&dir).unwrap();
    assert!(!dir.exists(), "nothing is made before there is something to keep");
    for version in ["1.0.0", "1.10.0", "1.9.0"] {
        store.keep(&pact(version, "a")).unwrap();
    }
    store.keep(&pact("1.9.0", "a")).unwrap();
    let again = Store::open(&dir).unwrap();
    assert_eq!((digests(&again), again.unread()), (digests(&store), &[][..]));
    assert_eq!(again.bytes, store.bytes);
    assert_eq!(files(&dir).len(), 3);
    let signers = again.kept().iter().map(|s| s.signatures().len()).collect::<Vec<_>>();
    assert_eq!(signers, [2, 2, 2]);
    let one = again.of("first-pact", Some("did:web:vendor.example:agents:first")).count();
    let none = again.of("first-pact", None).count() + again.of("other", Some("did:web:vendor.example:agents:first")).count();
    assert_eq!((one, none), (3, 0));
}

#[test]
fn what_is_no_sealed_pact_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut store = Store::open(dir).unwrap();
    store.keep(&pact("1.0.0", "a")).unwrap();
    let (good, text) = files(dir).remove(0);
    let folder = good.parent().unwrap();
    let text = String::from_utf8(text).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    put("torn.pact.json", &text.as_bytes()[..text.len() / 2]);
    put("other-name.pact.json", text.as_bytes());
    put("forged.pact.json", text.replace("first-pact", "other-pact").as_bytes());
    put("draft.pact.json", template("minimal").unwrap().as_bytes());
    put("binary.pact.json", &[0xff, 0xfe, 0]);
    put("empty.pact.json", b"");
    put(".half.pact.json.new", b"{");
    fs::create_dir(folder.join("folder.pact.json")).unwrap();
    std::os::unix::fs::symlink(&good, folder.join("link.pact.json")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe.pact.json"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    fs::File::create(folder.join("huge.pact.json")).unwrap().set_len(DOCUMENT_MAX as u64 + 1).unwrap();
    fs::write(dir.join("loose.json"), "{}").unwrap();
    fs::create_dir(dir.join("Not An Id")).unwrap();
    // A second document of one version, with its right name: as after copying two stores together.
    let second = pact("1.0.0", "b");
    fs::write(dir.join(file::place(&second)), second.to_json().unwrap()).unwrap();
    let plain = |dir: &Path| fs::read_dir(dir).unwrap().count();
    let before = (plain(dir), plain(folder));

    let mut store = Store::open(dir).unwrap();
    assert_eq!(store.kept().len(), 1);
    let told: Vec<String> =
        store.unread().iter().map(|b| format!("{}: {}", b.file.file_name().unwrap().to_string_lossy(), b.why)).collect();
    for (name, why) in [
        ("torn", "is no pact"),
        ("other-name", "holds what would lie in first-pact/1.0.0-"),
        ("forged", "does not fit"),
        ("draft", "has not signed"),
        ("binary", "is not UTF-8"),
        ("empty", "is no pact"),
        ("folder", "is no plain file"),
        ("link", "is no plain file"),
        ("pipe", "is no plain file"),
        ("huge", "is larger than"),
        ("loose", "is no folder of a pact"),
        ("Not An Id", "is no folder of a pact"),
        ("1.0.0-", "is a second document with version 1.0.0"),
    ] {
        assert!(told.iter().any(|line| line.starts_with(name) && line.contains(why)), "{name}: {told:#?}");
    }
    assert_eq!(told.len(), 13, "{told:#?}");
    store.keep(&pact("1.1.0", "a")).unwrap();
    assert_eq!((plain(dir), plain(folder)), (before.0, before.1 + 1), "nothing was removed");
    assert_eq!(Store::open(dir).unwrap().kept().len(), 2);
}

/// A notice that both parties have signed.
fn notice(reason: &str, at: i64) -> Arc<SignedStatement> {
    let text = format!(
        "notice: 1\npact: first-pact\nversion: '1.1.0'\nagent: did:web:vendor.example:agents:first\ncounterparty: did:web:customer.example\nrollback: {{to: '1.0.0'}}\nreason: {reason}\n"
    );
    let signed = crate::pact::read_statement(&text).0.unwrap();
    let signed = signed.sign(&SigningKey::from_seed(&[1; 32]), Role::Agent, at).unwrap();
    Arc::new(signed.sign(&SigningKey::from_seed(&[2; 32]), Role::Counterparty, at).unwrap())
}

#[test]
fn statements_lie_beside_the_versions_one_file_each() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut store = Store::open(dir).unwrap();
    store.keep(&pact("1.0.0", "a")).unwrap();
    let said = [notice("a", 1_790_000_000), notice("b", 1_790_000_000), notice("a", 1_790_000_001)];
    for statement in said.iter().chain(&said) {
        store.keep_statement(statement).unwrap();
    }
    assert_eq!(files(dir).len(), 4, "the same one twice is one");
    let agent = Some("did:web:vendor.example:agents:first");
    let (_, first) = files(dir).into_iter().find(|(path, _)| path.to_string_lossy().contains("/notice-")).unwrap();
    let text = String::from_utf8(first).unwrap();
    let mut unsigned: serde_json::Value = serde_json::from_str(&text).unwrap();
    unsigned.as_object_mut().unwrap().remove("signatures");
    // Forged, unsigned, under another name, torn.
    let folder = dir.join("first-pact");
    fs::write(folder.join("notice-0123456789abcdef.statement.json"), &text).unwrap();
    fs::write(folder.join("notice-1123456789abcdef.statement.json"), text.replace("1.0.0", "0.9.0")).unwrap();
    fs::write(folder.join("notice-2123456789abcdef.statement.json"), &text[..text.len() / 2]).unwrap();
    fs::write(folder.join("notice-3123456789abcdef.statement.json"), unsigned.to_string()).unwrap();
    let again = Store::open(dir).unwrap();
    let told: Vec<&str> = again.unread().iter().map(|b| b.why.as_str()).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for (why, part) in told.iter().zip(["holds what would lie in", "does not fit", "is no statement", "has not signed"]) {
        assert!(why.contains(part), "{why}: {part}");
    }
    assert!(said.iter().all(|statement| again.hears(statement)));
    assert_eq!(again.papers_of("first-pact", agent).statements.len(), 3);
    assert_eq!(again.papers_of("first-pact", None).statements.len() + again.papers_of("other", agent).statements.len(), 0);
}

#[test]
fn a_name_that_is_taken_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sealed) = (dir.path(), pact("1.0.0", "a"));
    let taken = path.join(file::place(&sealed));
    fs::create_dir_all(taken.parent().unwrap()).unwrap();
    fs::write(&taken, "not ours").unwrap();
    let mut store = Store::open(path).unwrap();
    let error = store.keep(&sealed).unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
    assert_eq!((fs::read_to_string(&taken).unwrap().as_str(), store.kept().len()), ("not ours", 0));
}

#[test]
fn a_disk_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.keep(&pact("1.0.0", "a")).unwrap();
    // A file stands where the folder would be: this fails for root as well.
    fs::remove_dir_all(dir.path().join("first-pact")).unwrap();
    fs::write(dir.path().join("first-pact"), "").unwrap();
    let error = store.keep(&pact("1.1.0", "a")).unwrap_err();
    assert!(matches!(error, StoreError::Disk { .. }), "{error}");
    assert_eq!(store.kept().len(), 1);
}

#[test]
fn more_than_a_store_may_hold_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("first-pact");
    fs::create_dir(&folder).unwrap();
    for n in 0..=STORE_PACTS_MAX {
        fs::write(folder.join(format!("{n}")), "").unwrap();
    }
    let error = Store::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("at most 1024 files"), "{error}");
    fs::remove_file(folder.join("0")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.unread().len(), STORE_PACTS_MAX);
    assert!(matches!(store.keep(&pact("1.0.0", "a")), Err(StoreError::Full(_))));
}

#[test]
fn the_folder_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pacts");
    Store::open(&path).unwrap().keep(&pact("1.0.0", "a")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}
