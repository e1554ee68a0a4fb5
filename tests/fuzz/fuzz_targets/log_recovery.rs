//! A sealed log, touched: it never verifies as valid, and a start either takes it up or refuses.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::{arbitrary, fuzz_target};
use servanda::base::verdict::Act;
use servanda::evidence::Log;
use servanda::evidence::record::{Exchange, Intervention};
use servanda::evidence::verify::{Policy, verify};

#[derive(Debug, arbitrary::Arbitrary)]
enum Edit {
    Flip { file: u8, bit: u32 },
    Put { file: u8, at: u32, bytes: [u8; 4] },
    Truncate { file: u8, by: u16 },
    Cut { file: u8, at: u32, length: u8 },
    Delete { file: u8 },
    Swap { one: u8, other: u8 },
}

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    /// A start costs far more than a look, so only some inputs have one.
    start: u8,
    edits: Vec<Edit>,
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn collect(base: &Path, dir: &Path, out: &mut Files) {
    for entry in fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(base, &entry, out);
        } else {
            let name = entry.strip_prefix(base).expect("below").to_owned();
            out.insert(name, fs::read(&entry).expect("a file"));
        }
    }
}

/// In memory where that is possible: a start syncs a lot.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    base.join(format!("servanda-fuzz-log-{}", std::process::id()))
}

/// Two sealed logs, made once: what a verifier reads, and what else a start needs.
fn made() -> &'static (Files, Files) {
    static MADE: OnceLock<(Files, Files)> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = place();
        drop(fs::remove_dir_all(&dir));
        for _ in 0..2 {
            let log = Log::open(&dir).expect("a log opens");
            for n in 0..4 {
                let slot = log.handle().reserve().expect("there is room");
                let act = if n % 2 == 0 { Act::Block } else { Act::Allow };
                slot.strict(Intervention { act, ..Intervention::default() }).wait().expect("it is written");
                slot.write_strict(Exchange { act, ..Exchange::default() }).wait().expect("it is written");
            }
            log.close().expect("it is sealed");
        }
        assert!(verify(&dir, &Policy::default()).expect("it is read").is_valid());
        let mut all = Files::new();
        collect(&dir, &dir, &mut all);
        fs::remove_dir_all(&dir).expect("it is removed");
        let read = |name: &Path| name.starts_with("logs") || name == Path::new("root.vkey");
        all.into_iter().filter(|(name, _)| name != Path::new("reserve")).partition(|(name, _)| read(name))
    })
}

fn apply(files: &mut Files, edit: &Edit) {
    let names: Vec<PathBuf> = files.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = |n: u8| names[usize::from(n) % names.len()].clone();
    match *edit {
        Edit::Flip { file, bit } => {
            let Some(bytes) = files.get_mut(&name(file)).filter(|bytes| !bytes.is_empty()) else { return };
            let at = bit as usize / 8 % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        }
        Edit::Put { file, at, bytes: put } => {
            let Some(bytes) = files.get_mut(&name(file)).filter(|bytes| bytes.len() >= 4) else { return };
            let at = at as usize % (bytes.len() - 3);
            bytes[at..at + 4].copy_from_slice(&put);
        }
        Edit::Truncate { file, by } => {
            let Some(bytes) = files.get_mut(&name(file)) else { return };
            bytes.truncate(bytes.len().saturating_sub(usize::from(by)));
        }
        Edit::Cut { file, at, length } => {
            let Some(bytes) = files.get_mut(&name(file)).filter(|bytes| !bytes.is_empty()) else { return };
            let at = at as usize % bytes.len();
            let end = (at + usize::from(length)).min(bytes.len());
            bytes.drain(at..end);
        }
        Edit::Delete { file } => {
            files.remove(&name(file));
        }
        Edit::Swap { one, other } => {
            let (one, other) = (name(one), name(other));
            if let (Some(a), Some(b)) = (files.remove(&one), files.remove(&other)) {
                files.insert(one, b);
                files.insert(other, a);
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let (sealed, rest) = made();
    let mut files = sealed.clone();
    for edit in input.edits.iter().take(16) {
        apply(&mut files, edit);
    }
    let dir = place();
    drop(fs::remove_dir_all(&dir));
    // A file that is gone leaves its folder behind.
    for name in sealed.keys() {
        fs::create_dir_all(dir.join(name).parent().expect("a folder")).expect("it is made");
    }
    for (name, bytes) in &files {
        fs::write(dir.join(name), bytes).expect("it is written");
    }
    let valid = verify(&dir, &Policy::default()).is_ok_and(|report| report.is_valid());
    assert_eq!(valid, files == *sealed, "what was touched is found, what was not is not");
    if input.start % 16 == 0 {
        for (name, bytes) in rest {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            fs::write(path, bytes).expect("it is written");
        }
        if let Ok(log) = Log::open(&dir) {
            drop(log.handle().reserve());
            log.close().expect("what was opened can be sealed");
        }
        drop(verify(&dir, &Policy::default()));
    }
    fs::remove_dir_all(&dir).expect("it is removed");
});
