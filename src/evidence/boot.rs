//! Opening a directory: lock, root key, recovery, adoption, and the start of the thread.
//!
//! A boot never goes on with the log of another: it opens a new one whose first record names the end of
//! the last. Crash, restart and damage are the same thing, and a head that was rolled back is never
//! signed over.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::error::LogError;
use super::files::Files;
use super::handle::{IdSource, LogHandle, Message, Shared};
use super::latest::Latest;
use super::note::{self, Delegation, NoteKey};
use super::options::LogOptions;
use super::privacy::Secrets;
use super::receipts::Receipts;
use super::record::{Int, KeyEvent, LogId, LogOpen, Prev, Range, Record, RecordId, Recovery, Spec, Tag, Text};
use super::recover::{Found, recover};
use super::retention::Retention;
use super::revoked;
use super::segment;
use super::spool::{Lengths, Spool, make_reserve};
use super::writer::{Setup, Writer};
use crate::base::limits::{LOG_QUEUE_BYTES_MAX, LOG_QUEUE_RECORDS_MAX, RECORD_ARRAY_MAX};
use crate::seal::{SealError, SigningKey, digest, encode};

/// How long a delegation holds. A log lives as long as its process.
const DELEGATED_SECONDS: i64 = 400 * 86_400;
/// Clocks of verifiers may lie behind ours by so much.
const SKEW_SECONDS: i64 = 86_400;
/// Room in the channel for flushes and the close beside the records.
const CHANNEL_EXTRA: usize = 64;

/// Takes the lock on a directory, which is made if it is not there.
pub(crate) fn lock(dir: &Path) -> Result<File, LogError> {
    super::files::Disk.create_dir(dir).map_err(LogError::file(dir))?;
    let path = dir.join("LOCK");
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(LogError::file(&path))?;
    match file.try_lock() {
        Ok(()) => {
            let holder = format!("pid {}\n", std::process::id());
            file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(LogError::file(&path))?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(64).read_to_string(&mut holder);
            let holder = if read.is_ok() && !holder.is_empty() { holder.trim_end().to_owned() } else { "unknown".to_owned() };
            Err(LogError::Locked { dir: dir.to_owned(), holder })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(LogError::file(&path)(error)),
    }
}

/// Opens the log and starts its thread.
pub(crate) fn start(options: &LogOptions, files: Arc<dyn Files>) -> Result<(LogHandle, JoinHandle<()>), LogError> {
    let (handle, writer, messages) = prepare(options, files, Lengths::within(options.keep_bytes))?;
    let thread = std::thread::Builder::new()
        .name("evidence".to_owned())
        .spawn(move || writer.run(&messages))
        .map_err(|_| LogError::Thread)?;
    Ok((handle, thread))
}

/// An opened log, and what its thread is to run.
type Prepared = (LogHandle, Writer, Receiver<Message>);

/// Everything up to the running thread.
pub(crate) fn prepare(options: &LogOptions, files: Arc<dyn Files>, lengths: Lengths) -> Result<Prepared, LogError> {
    let logs = options.dir.join("logs");
    for dir in [&options.dir, &logs] {
        files.create_dir(dir).map_err(LogError::file(dir))?;
    }
    let root = root_key(options)?;
    let retention = Retention {
        files: files.clone(),
        dir: options.dir.clone(),
        keep: i64::try_from(options.keep.as_secs()).unwrap_or(i64::MAX),
        keep_bytes: options.keep_bytes,
        shipped: Arc::clone(&options.shipped),
    };
    let found = adopt(&*files, &options.dir, &logs, &retention)?;
    let boot = boot_id(&*files, &logs)?;
    let fingerprint = encode::hex(root.verifying().as_bytes().get(..4).unwrap_or_default());
    let name = options.name.clone().unwrap_or(fingerprint);
    let origin = format!("{}/evidence/{name}/{boot}", options.domain);
    let root_name = format!("{}/evidence/{name}/root", options.domain);
    let root_public = NoteKey::new(&root_name, root.verifying())?;
    let taken_back = found.as_ref().and_then(|found| taken_back(&*files, &options.dir, found, &root_public));
    let key = SigningKey::generate()?;
    let instance = NoteKey::new(&origin, key.verifying())?;
    publish_root(&*files, &options.dir, &root_public)?;

    let now = options.clock.wall_us() / 1_000_000;
    let delegation = Delegation {
        origin: origin.clone(),
        key: instance.clone(),
        from: now.saturating_sub(SKEW_SECONDS),
        until: now.saturating_add(DELEGATED_SECONDS),
        build: options.build,
    };
    let delegation = note::sign(&delegation.text(), &root_name, &root)?;
    drop(root);
    let dir = logs.join(&boot);
    files.create_dir(&dir).map_err(LogError::file(&dir))?;
    for (file, bytes) in [("origin", format!("{origin}\n")), ("delegation.note", delegation.clone())] {
        let path = dir.join(file);
        files.publish(&path, bytes.as_bytes(), false).map_err(LogError::file(&path))?;
    }
    let reserve = options.dir.join("reserve");
    if let Err(error) = make_reserve(&*files, &reserve, lengths.least) {
        tracing::warn!(%error, "no reserve for the evidence log");
    }

    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(|_| LogError::from(SealError::NoRandom))?;
    let secrets = Secrets::open(files.clone(), options.dir.join("epochs"))?;
    let shared = Arc::new(Shared {
        start_ns: options.clock.steady_ns(),
        key: instance.clone(),
        clock: options.clock.clone(),
        log: LogId::of(&origin),
        origin,
        ids: IdSource::new(secret),
        secrets,
        records: 0.into(),
        bytes: 0.into(),
        records_max: options.queue_records.min(LOG_QUEUE_RECORDS_MAX),
        bytes_max: LOG_QUEUE_BYTES_MAX,
        started: 0.into(),
        shed: 0.into(),
        closed: false.into(),
        failing: false.into(),
        latest: Latest::default(),
        shipped: Arc::clone(&options.shipped),
        spool_bytes: 0.into(),
        filling: false.into(),
        durable: 0.into(),
        gaps: std::sync::Mutex::default(),
        writer: std::sync::OnceLock::new(),
    });
    let spool = Spool::new(files.clone(), dir.clone(), reserve, digest(shared.origin.as_bytes()), lengths);
    let setup = Setup {
        files,
        dir,
        retention,
        key,
        receipts: Receipts::new(shared.origin.clone(), delegation, options.clock.clone()),
        checkpoint_every: options.checkpoint_every,
        heartbeat_every: options.heartbeat_every,
    };
    let mut writer = Writer::new(setup, shared.clone(), spool);
    writer.begin(first_records(options, &shared, &instance, found.as_ref(), taken_back))?;
    let (queue, messages) = sync_channel(LOG_QUEUE_RECORDS_MAX + CHANNEL_EXTRA);
    Ok((LogHandle { shared, queue }, writer, messages))
}

/// The root key: the configured file, or one made on first run.
fn root_key(options: &LogOptions) -> Result<SigningKey, LogError> {
    let path = options.root_key.clone().unwrap_or_else(|| options.dir.join("root.key"));
    match SigningKey::from_file(&path) {
        Err(SealError::File(_, error)) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SigningKey::generate()?;
            key.to_file(&path)?;
            Ok(key)
        }
        result => Ok(result?),
    }
}

/// Writes down whom to trust, once and whenever the root changes.
fn publish_root(files: &dyn Files, dir: &Path, root: &NoteKey) -> Result<(), LogError> {
    let vkey = format!("{root}\n");
    let policy = format!(
        "# Whom a verifier of this directory trusts (C2SP tlog-policy). Keep a copy where the operator of\n\
         # this machine cannot write: without one, verification is only as good as this directory.\n\
         log {root}\nquorum none\n"
    );
    for (name, text) in [("root.vkey", vkey), ("policy", policy)] {
        let path = dir.join(name);
        if files.read(&path).ok().as_deref() != Some(text.as_bytes()) {
            files.publish(&path, text.as_bytes(), false).map_err(LogError::file(&path))?;
        }
    }
    Ok(())
}

/// Finds the last log, puts its tail in order, and clears away what never held a record.
fn adopt(files: &dyn Files, dir: &Path, logs: &Path, retention: &Retention) -> Result<Option<Found>, LogError> {
    let mut boots = files.list(logs).map_err(LogError::file(logs))?;
    while let Some(boot) = boots.pop() {
        let path = logs.join(&boot);
        let names = match files.list(&path) {
            // A file that somebody left there is not ours.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => continue,
            names => names.map_err(LogError::file(&path))?,
        };
        // A log is made with its origin first: whoever took that away did not mean us to take the rest.
        if !names.iter().any(|name| name == "origin") && names.iter().any(|name| segment::parse_name(name).is_some()) {
            tracing::error!(path = %path.display(), "a log of the evidence has lost its origin; it stays as it is, and is not taken up");
            continue;
        }
        if let Some(found) = recover(files, &path, &boot, &dir.join("recovery"))? {
            return Ok(Some(found));
        }
        retention.discard(&path).map_err(LogError::file(&path))?;
    }
    Ok(None)
}

/// A name for this boot that sorts after all before it, whatever the clock says.
fn boot_id(files: &dyn Files, logs: &Path) -> Result<String, LogError> {
    let names = files.list(logs).map_err(LogError::file(logs))?;
    let last = names.iter().filter_map(|n| n.split('-').next()?.parse::<u64>().ok()).max();
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(|_| LogError::from(SealError::NoRandom))?;
    Ok(format!("{:08}-{}", last.map_or(0, |n| n + 1), encode::hex(&random)))
}

/// The key of the log before this one, if the root that holds now took it back, or never vouched for it;
/// with what happened to it.
fn taken_back(files: &dyn Files, dir: &Path, found: &Found, root: &NoteKey) -> Option<(&'static str, Option<NoteKey>)> {
    let log = dir.join("logs").join(&found.boot);
    let note = files.read(&log.join("delegation.note")).unwrap_or_default();
    let Ok(delegation) = note::open(&note, &[root]).and_then(Delegation::parse) else { return Some(("unknown", None)) };
    let place = dir.join("revocations");
    let names = files.list(&place).unwrap_or_default();
    let notes = names.iter().filter_map(|name| files.read(&place.join(name)).ok());
    let revoked = notes.filter_map(|note| revoked::read(&note, root).ok()).any(|revocation| revocation.key == delegation.key);
    revoked.then_some(("revoked", Some(delegation.key)))
}

fn first_records(
    options: &LogOptions,
    shared: &Shared,
    key: &NoteKey,
    found: Option<&Found>,
    taken_back: Option<(&'static str, Option<NoteKey>)>,
) -> Vec<Record> {
    let int = |n: u64| Int::saturating(n);
    let mut records = vec![Record::from(LogOpen {
        build: options.build,
        config: options.config,
        origin: Text::from(shared.origin.as_str()),
        prev: found.map(|found| Prev {
            clean: found.clean,
            origin: Text::from(found.origin.as_str()),
            root: found.root,
            signed_root: found.signed.as_ref().map(|head| head.root),
            signed_size: found.signed.as_ref().map(|head| int(head.size)),
            size: int(found.size),
        }),
        reason: Text::from(match found {
            None => "first",
            Some(found) if found.damaged => "damage",
            Some(_) if taken_back.is_some() => "key",
            Some(_) => "restart",
        }),
        vkey: Text::from(key.to_string()),
        ..LogOpen::default()
    })];
    if let Some(found) = found.filter(|found| !found.clean) {
        let more = |len: usize| (len > RECORD_ARRAY_MAX).then(|| Int::saturating(len - RECORD_ARRAY_MAX));
        records.push(Record::from(Recovery {
            bytes: int(found.cut.map_or(0, |(bytes, _)| bytes)),
            digest: found.cut.map(|(_, digest)| digest),
            ids: found.open.iter().copied().take(RECORD_ARRAY_MAX).collect(),
            ids_more: more(found.open.len()),
            in_flight: found.in_flight.map(int),
            missing: found
                .missing
                .iter()
                .take(RECORD_ARRAY_MAX)
                .map(|(first, last)| Range { first: int(*first), last: int(*last) })
                .collect(),
            missing_more: more(found.missing.len()),
            origin: Text::from(found.origin.as_str()),
            ..Recovery::default()
        }));
    }
    if let (Some((event, vkey)), Some(found)) = (taken_back, found) {
        records.push(Record::from(KeyEvent {
            event: Text::from(event),
            id: RecordId::default(),
            kind: Tag,
            log: LogId::default(),
            mono_us: Int::default(),
            reason: Some(Text::from("by the root that holds now")),
            spec: Spec,
            subject: Text::from(format!("instance {}", found.origin)),
            time_us: Int::default(),
            vkey: vkey.map(|key| Text::from(key.to_string())),
        }));
    }
    records
}
