//! A second verifier, in Python and from the description alone, says of changed evidence what the first one says.
//!
//! 400 changed folders here, 10,000 with `SERVANDA_DEEP=1`. Needs `python3` (or `SERVANDA_PYTHON`) with the package
//! `cryptography`; without it the test says so and passes, unless `SERVANDA_REQUIRE_SERVICES=1`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use servanda::base::clock::ManualClock;
use servanda::base::verdict::Act;
use servanda::evidence::erase::{Grounds, erase};
use servanda::evidence::note::{self, Delegation, NoteKey};
use servanda::evidence::record::{Completion, Exchange, Intervention, Text};
use servanda::evidence::report::Outcome;
use servanda::evidence::revoke::revoke;
use servanda::evidence::verify::{Policy, verify};
use servanda::evidence::{Log, LogOptions};
use servanda::seal::SigningKey;
use sha2::Digest as _;

use crate::interop::{Dice, python};

const HEADER: usize = 64;
const FRAME: usize = 18;
const RECORD: u8 = 1;
const COMMIT: u8 = 2;
const CHECKPOINT: u8 = 3;
const ERASED: u8 = 5;

/// A frame as the page describes it.
#[derive(Clone)]
struct Frame {
    kind: u8,
    index: u64,
    content: Vec<u8>,
}

fn frames(file: &[u8]) -> Vec<Frame> {
    let (mut at, mut out) = (HEADER, Vec::new());
    while let Some(head) = file.get(at..at + FRAME) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        let Some(content) = file.get(at + FRAME..at + FRAME + length).filter(|_| length > 0) else { break };
        out.push(Frame { kind: head[16], index: u64::from_le_bytes(head[8..16].try_into().unwrap()), content: content.to_vec() });
        at += FRAME + length;
    }
    out
}

/// A segment of these frames, with checksums that fit, as somebody writes it who knows the format.
fn segment(header: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut out = header.to_vec();
    for frame in frames {
        let mut content = frame.content.clone();
        if frame.kind == COMMIT && content.len() >= 44 {
            content[40..44].copy_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        }
        let length = (content.len() as u32).to_le_bytes();
        let mut rest = frame.index.to_le_bytes().to_vec();
        rest.extend([frame.kind, 0]);
        rest.extend(&content);
        out.extend(length);
        out.extend(crc32c::crc32c_append(crc32c::crc32c(&length), &rest).to_le_bytes());
        out.extend(rest);
    }
    out
}

fn leaf(record: &[u8]) -> Vec<u8> {
    sha2::Sha256::new().chain_update([0]).chain_update(record).finalize().to_vec()
}

/// The files of a folder, by path below it.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn load(dir: &Path) -> Files {
    fn walk(dir: &Path, root: &Path, out: &mut Files) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                if !["LOCK", "reserve", "policy"].iter().any(|skip| name.ends_with(skip)) && !name.starts_with("epochs") {
                    out.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut out = Files::new();
    walk(dir, dir, &mut out);
    out
}

fn store(dir: &Path, files: &Files) {
    for (name, bytes) in files {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    }
}

const START: i64 = 1_760_000_000_000_000;

fn options(dir: &Path, clock: &Arc<ManualClock>) -> LogOptions {
    let mut options = LogOptions::new(dir);
    options.clock = clock.clone();
    options
}

/// Writes some traffic: groups of one record and of several, blocks with interventions, texts of all sorts.
fn traffic(log: &Log, clock: &ManualClock, exchanges: u64) {
    let handle = log.handle();
    for n in 0..exchanges {
        clock.advance_us(700_000);
        let slot = handle.reserve().unwrap();
        let act = Act::ALL[(n % 5) as usize];
        if act == Act::Block {
            slot.strict(Intervention { act, reason: Some(Text::from("é \u{1F389} \"\\\u{7}")), ..Intervention::default() })
                .wait()
                .unwrap();
        }
        let exchange =
            Exchange { act, completion: Some(Completion::Completed), status: Some(200u16.into()), ..Exchange::default() };
        if n % 3 == 0 {
            slot.write_strict(exchange).wait().unwrap();
        } else {
            slot.write(exchange);
        }
    }
    handle.flush().wait().unwrap();
}

/// Folders that the changes begin with.
fn folders() -> Vec<(&'static str, Files)> {
    let mut out = Vec::new();
    let clock = Arc::new(ManualClock::at(START));
    let sealed = |dir: &Path, logs: u64| {
        for n in 0..logs {
            let log = Log::open_with(options(dir, &clock)).unwrap();
            traffic(&log, &clock, 5 + n);
            log.close().unwrap();
        }
    };
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 1);
    out.push(("one log", load(dir.path())));

    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 3);
    out.push(("three logs", load(dir.path())));
    let boot = fs::read_dir(dir.path().join("logs")).unwrap().map(|e| e.unwrap().file_name()).min().unwrap();
    let root = SigningKey::from_file(&dir.path().join("root.key")).unwrap();
    revoke(dir.path(), boot.to_str().unwrap(), 4, &root).unwrap();
    out.push(("a key taken back", load(dir.path())));

    // A process that died: the folder as it was, then taken up by the next start.
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 1);
    let log = Log::open_with(options(dir.path(), &clock)).unwrap();
    traffic(&log, &clock, 6);
    drop(log.handle().reserve().unwrap());
    let slot = log.handle().reserve().unwrap();
    slot.strict(Intervention { act: Act::Hold, ..Intervention::default() }).wait().unwrap();
    let mut died = load(dir.path());
    for (name, file) in &mut died {
        if name.extension().is_some_and(|e| e == "log") {
            let zeros = file.iter().rev().take_while(|b| **b == 0).count();
            file.truncate(file.len() - zeros + 200);
        }
    }
    log.close().unwrap();
    drop(slot);
    out.push(("one that died", died.clone()));
    let dir = tempfile::tempdir().unwrap();
    let torn = died.keys().rfind(|name| name.extension().is_some_and(|e| e == "log")).unwrap().clone();
    let file = died.get_mut(&torn).unwrap();
    file.truncate(file.len() - 300);
    store(dir.path(), &died);
    sealed(dir.path(), 1);
    out.push(("one that died and was taken up", load(dir.path())));

    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), 2);
    erase(&options(dir.path(), &clock), "1", &Grounds { basis: "law".into(), requester: "case 1".into() }).unwrap();
    out.push(("one record erased", load(dir.path())));

    // The front of a log gone by retention: a segment of 1 MiB is let go when the next one begins.
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path(), &clock);
    small.keep_bytes = 1 << 20;
    let log = Log::open_with(&small).unwrap();
    let boot = fs::read_dir(dir.path().join("logs")).unwrap().next().unwrap().unwrap().path();
    while boot.join("seg-00000000000000000000.log").exists() {
        for _ in 0..50 {
            let wide = Exchange {
                model: Some(Text::from("m".repeat(250))),
                route: Some(Text::from("r".repeat(250))),
                ..Exchange::default()
            };
            log.handle().fast(wide).unwrap();
        }
        log.handle().flush().wait().unwrap();
    }
    traffic(&log, &clock, 6);
    log.close().unwrap();
    out.push(("the front gone", load(dir.path())));
    out
}

/// What is done to a folder.
const CLASSES: [&str; 24] = [
    "nothing",
    "a bit of a segment",
    "a bit of a record, checksums made to fit",
    "a record taken out",
    "a record twice",
    "two records swapped",
    "two contents swapped",
    "a segment cut anywhere",
    "a segment cut between frames",
    "bytes behind the end",
    "an act changed and all hashes below the heads made to fit",
    "a word of a record changed",
    "a record that is not canonical",
    "a key that no record has",
    "a commit taken out",
    "a head taken out",
    "an older head published",
    "a bit of a head, a delegation, an origin or the root",
    "a file taken away",
    "a log taken away",
    "a record of another log",
    "a record erased in silence",
    "a delegation for another time",
    "a run of bytes overwritten",
];

/// The paths that fit.
fn those(files: &Files, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    files.keys().filter(|name| fits(name.to_str().unwrap())).cloned().collect()
}

/// Does it.
fn change(class: &str, files: &mut Files, dice: &mut Dice) {
    let segments = those(files, |name| name.ends_with(".log"));
    let chosen = segments[dice.below(segments.len())].clone();
    let file = files[&chosen].clone();
    let mut all = frames(&file);
    let header = file[..HEADER.min(file.len())].to_vec();
    let records: Vec<usize> = (0..all.len()).filter(|at| all[*at].kind == RECORD).collect();
    let some = |dice: &mut Dice| records[dice.below(records.len())];
    match class {
        "nothing" => {}
        "a bit of a segment" => {
            let bit = dice.below(file.len() * 8);
            files.get_mut(&chosen).unwrap()[bit / 8] ^= 1 << (bit % 8);
        }
        "a run of bytes overwritten" => {
            let (from, length) = (dice.below(file.len()), 1 + dice.below(1_000));
            let to = (from + length).min(file.len());
            let fill = [0, 0xff, b'A'][dice.below(3)];
            files.get_mut(&chosen).unwrap()[from..to].fill(fill);
        }
        "a segment cut anywhere" => files.get_mut(&chosen).unwrap().truncate(dice.below(file.len())),
        "a segment cut between frames" => {
            all.truncate(dice.below(all.len() + 1));
            let length = HEADER + all.iter().map(|f| FRAME + f.content.len()).sum::<usize>();
            files.get_mut(&chosen).unwrap().truncate(length);
        }
        "bytes behind the end" => {
            let fill = [0, 7][dice.below(2)];
            files.get_mut(&chosen).unwrap().extend(std::iter::repeat_n(fill, 1 + dice.below(100)));
        }
        "an older head published" => {
            let heads: Vec<&Frame> = all.iter().filter(|f| f.kind == CHECKPOINT).collect();
            if !heads.is_empty() {
                files.insert(chosen.with_file_name("checkpoint"), heads[dice.below(heads.len())].content.clone());
            }
        }
        "a bit of a head, a delegation, an origin or the root" => {
            let names =
                those(files, |n| ["checkpoint", "delegation.note", "origin", "root.vkey"].iter().any(|end| n.ends_with(end)));
            let name = &names[dice.below(names.len())];
            let bit = dice.below(files[name].len() * 8);
            files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
        }
        "a file taken away" => {
            let names = those(files, |name| name.starts_with("logs/") || name == "root.vkey");
            files.remove(&names[dice.below(names.len())]);
        }
        "a log taken away" => {
            let log = chosen.parent().unwrap().to_owned();
            let others = segments.iter().any(|segment| segment.parent() != Some(&log));
            files.retain(|name, _| !others || !name.starts_with(&log));
        }
        "a record of another log" => {
            let other = files[&segments[dice.below(segments.len())]].clone();
            let others: Vec<Frame> = frames(&other).into_iter().filter(|f| f.kind == RECORD).collect();
            let at = some(dice);
            all[at].content = others[dice.below(others.len())].content.clone();
            files.insert(chosen, segment(&header, &all));
        }
        "a delegation for another time" => {
            let path = chosen.with_file_name("delegation.note");
            let text = String::from_utf8(files[&path].clone()).unwrap();
            let mut delegation = Delegation::parse(&text[..text.rfind("\n\n").unwrap() + 1]).unwrap();
            let shift = [-400 * 86_400, -86_403, 86_403, 500 * 86_400, 0][dice.below(5)];
            delegation.from += shift;
            delegation.until += shift - [0, 399 * 86_400][dice.below(2)];
            let root = NoteKey::parse(std::str::from_utf8(&files[Path::new("root.vkey")]).unwrap().trim()).unwrap();
            let key = SigningKey::parse(std::str::from_utf8(&files[Path::new("root.key")]).unwrap().trim()).unwrap();
            files.insert(path, note::sign(&delegation.text(), root.name(), &key).unwrap().into_bytes());
        }
        _ => {
            edit(class, &mut all, &records, dice);
            files.insert(chosen, segment(&header, &all));
        }
    }
}

/// Changes that somebody makes who knows the format and has no key: frames with checksums that fit.
fn edit(class: &str, all: &mut Vec<Frame>, records: &[usize], dice: &mut Dice) {
    let at = records[dice.below(records.len())];
    let other = records[dice.below(records.len())];
    let replace = |frame: &mut Frame, from: &str, to: &str| {
        let text = String::from_utf8(frame.content.clone()).unwrap();
        frame.content = text.replacen(from, to, 1).into_bytes();
    };
    match class {
        "a bit of a record, checksums made to fit" => {
            let bit = dice.below(all[at].content.len() * 8);
            all[at].content[bit / 8] ^= 1 << (bit % 8);
        }
        "a record taken out" => drop(all.remove(at)),
        "a record twice" => {
            let again = all[at].clone();
            all.insert(other, again);
        }
        "two records swapped" => all.swap(at, other),
        "two contents swapped" => {
            let content = all[at].content.clone();
            all[at].content = std::mem::replace(&mut all[other].content, content);
        }
        "an act changed and all hashes below the heads made to fit" => {
            let to = ["allow", "flag", "hold"][dice.below(3)];
            replace(&mut all[at], "\"act\":\"block\"", &format!("\"act\":\"{to}\""));
            let mut group = Vec::new();
            for frame in all.iter_mut() {
                match frame.kind {
                    RECORD => group.extend(leaf(&frame.content)),
                    ERASED => group.extend(frame.content.clone()),
                    COMMIT if frame.content.len() == 44 + group.len() => {
                        frame.content.splice(44.., group.drain(..)).for_each(drop)
                    }
                    _ => {}
                }
            }
        }
        "a word of a record changed" => {
            let (from, to) = [
                ("evidence/1", "evidence/2"),
                ("\"kind\":\"exchange\"", "\"kind\":\"exchanges\""),
                ("\"kind\":\"exchange\"", "\"kind\":\"ruling\""),
                ("completed", "Completed"),
                ("\"status\":200", "\"status\":1.5"),
                ("\"status\":200", "\"status\":9007199254740992"),
                ("\"status\":200", "\"status\":\"200\""),
                ("\"id\":\"0", "\"id\":\"1"),
                ("-7", "-A"),
                ("\"mono_us\":", "\"mono_us\":9"),
            ][dice.below(10)];
            replace(&mut all[at], from, to);
        }
        "a record that is not canonical" => {
            let (from, to) = [
                (":", ": "),
                ("\"id\"", "\"\\u0069d\""),
                ("{\"", "{\"act\":\"allow\",\""),
                ("\"spec\"", "\"aspec\""),
                ("}", ""),
                ("}", "}\n"),
                ("\"status\":200", "\"status\":200.0"),
                ("\"status\":200", "\"status\":2e2"),
                ("\"status\":200", "\"status\":-0"),
                ("completed", "\\ud800"),
                ("completed", "\u{feff}"),
            ][dice.below(11)];
            replace(&mut all[at], from, to);
        }
        "a key that no record has" => {
            let (from, to) = [
                ("\"kind\"", "\"k\":1,\"kind\""),
                ("\"kind\"", "\"k\":null,\"kind\""),
                ("\"log\"", "\"kz\":{},\"log\""),
                ("\"completion\"", "\"commit\":{},\"completion\""),
                ("\"id\"", "\"hits\":[],\"id\""),
                (",\"mono_us\":", ",\"mono\":"),
            ][dice.below(6)];
            replace(&mut all[at], from, to);
        }
        "a commit taken out" | "a head taken out" => {
            let kind = if class == "a commit taken out" { COMMIT } else { CHECKPOINT };
            let those: Vec<usize> = (0..all.len()).filter(|at| all[*at].kind == kind).collect();
            if !those.is_empty() {
                all.remove(those[dice.below(those.len())]);
            }
        }
        "a record erased in silence" => {
            all[at].content = leaf(&all[at].content);
            all[at].kind = ERASED;
            if dice.below(4) == 0 {
                all[at].content[0] ^= 1;
            }
        }
        class => panic!("no class {class}"),
    }
}

/// What the first verifier says, in the words of the second.
fn ours(dir: &Path) -> Value {
    let report = verify(dir, &Policy::default()).unwrap();
    let every = report.logs.iter().flat_map(|log| &log.findings).chain(&report.findings);
    let first = every.clone().find(|finding| finding.outcome == report.outcome);
    let runs = |of: fn(&servanda::evidence::verify::LogReport) -> &Vec<(u64, u64)>| {
        let runs = report.logs.iter().enumerate().flat_map(|(n, log)| of(log).iter().map(move |(a, b)| json!([n, a, b])));
        runs.collect::<Vec<_>>()
    };
    let outcome = match report.outcome {
        Outcome::Valid => "VALID",
        Outcome::Erased => "ERASED",
        Outcome::Incomplete => "INCOMPLETE",
        Outcome::Invalid => "INVALID",
    };
    json!({
        "outcome": outcome, "code": first.map(|f| f.code), "index": first.and_then(|f| f.index),
        "missing": runs(|log| &log.missing), "erased": runs(|log| &log.erased),
    })
}

/// The second verifier, which answers a line for each folder.
struct Second {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Second {
    fn start(python: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/verify_log.py");
        let mut child = Command::new(python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(script)
            .arg("--lines")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn ask(&mut self, dir: &Path) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", json!(dir)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

#[test]
fn a_second_verifier_agrees_on_changed_evidence() {
    let Some(python) = python() else { return };
    let mut second = Second::start(&python);
    let (mut dice, folders) = (Dice(20_261_121), folders());
    let many = if std::env::var("SERVANDA_DEEP").as_deref() == Ok("1") { 10_000 } else { 400 };
    let mut said: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let (mut wrong, mut unknown) = (Vec::new(), 0);
    for n in 0..folders.len() + many {
        let (name, files) = &folders[if n < folders.len() { n } else { dice.below(folders.len()) }];
        let class = if n < folders.len() { "nothing" } else { CLASSES[n % CLASSES.len()] };
        let mut files = files.clone();
        change(class, &mut files, &mut dice);
        if !files.keys().any(|name| name.starts_with("logs")) {
            unknown += 1;
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), &files);
        let (ours, theirs) = (ours(dir.path()), second.ask(dir.path()));
        if ours != theirs {
            wrong.push(format!("{n}: {name}, {class}\n  ours   {ours}\n  theirs {theirs}"));
        }
        *said.entry(class).or_default().entry(ours["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (class, outcomes) in &said {
        println!("{class}: {outcomes:?}");
    }
    assert!(unknown < many / 100, "{unknown} folders without a log");
    assert!(
        wrong.is_empty(),
        "{} of {many} differ:\n{}",
        wrong.len(),
        wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
    for outcome in ["VALID", "ERASED", "INCOMPLETE", "INVALID"] {
        assert!(said.values().any(|outcomes| outcomes.contains_key(outcome)), "no {outcome}");
    }
}
