//! Batches in a folder that is itself a log: `verify` reads it as it lies.
//!
//! ```text
//! <dir>/logs/<boot>/
//!   origin  delegation.note  checkpoint     as in the evidence folder
//!   seg-<first>.log                         one for each batch
//! ```
//!
//! What it gives: `durable`. A file is written beside, synced, renamed, and its folder synced, before it is acknowledged.
//! Where the folder lies on another disk or a mount, that disk's word is taken. What it will not do: make the folder
//! itself, since a mount that is missing must not fill the disk below it; merge files, or delete any.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::batch::{Batch, LogCard, boot_of};
use super::contract::{Fault, Held, Sink};
use super::settings::{Made, Settings};
use crate::evidence::files::{Disk, Files};
use crate::evidence::note::Checkpoint;
use crate::evidence::segment;
use crate::evidence::shipped::Level;
use crate::seal::Digest;

/// By its settings.
pub(crate) fn make(settings: &Settings) -> Result<Made, String> {
    let dir = settings.path("dir").ok_or("`dir` is missing")?;
    Ok(Made { sink: Box::new(FileSink::new(dir)), gives: Level::Durable })
}

/// A folder of batches.
#[derive(Debug)]
pub struct FileSink {
    dir: PathBuf,
    /// What was found of each log, so that the folder is read once.
    heads: BTreeMap<String, Held>,
}

impl FileSink {
    /// In a folder that is there.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self { dir: dir.as_ref().to_owned(), heads: BTreeMap::new() }
    }

    fn log(&self, origin: &str) -> PathBuf {
        self.dir.join("logs").join(boot_of(origin))
    }

    /// First indices of the batches that lie there, in order.
    fn batches(&self, origin: &str) -> Result<Vec<u64>, Fault> {
        let log = self.log(origin);
        match Disk.list(&log) {
            Ok(names) => {
                let mut firsts: Vec<u64> =
                    names.iter().filter_map(|name| segment::parse_name(name)).map(|(first, _)| first).collect();
                firsts.sort_unstable();
                Ok(firsts)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(troubled(&log, &error)),
        }
    }

    /// Size and root behind one batch, by its commit.
    fn end_of(&self, origin: &str, first: u64) -> Result<(u64, Digest), Fault> {
        let path = self.log(origin).join(segment::name(first, 0));
        let bytes = Disk.read(&path).map_err(|error| troubled(&path, &error))?;
        let commit = commit_of(&bytes);
        commit.ok_or_else(|| Fault::Settings(format!("{} is damaged; move it away, and the batch is sent again", path.display())))
    }

    fn store(&self, batch: &Batch) -> Result<(), Fault> {
        if !self.dir.is_dir() {
            return Err(Fault::later(format!("the folder {} is gone", self.dir.display())));
        }
        let log = self.log(batch.origin());
        let publish = |name: &str, bytes: &[u8]| {
            let path = log.join(name);
            Disk.publish(&path, bytes, false).map_err(|error| troubled(&path, &error))
        };
        if !log.join("delegation.note").exists() {
            Disk.create_dir(&log).map_err(|error| troubled(&log, &error))?;
            let card = batch.card();
            publish("origin", format!("{}\n", card.origin).as_bytes())?;
            publish("delegation.note", card.delegation.as_bytes())?;
        }
        publish(&segment::name(batch.first(), 0), batch.segment())?;
        match batch.head() {
            Some(head) if self.published(batch.origin()).is_none_or(|size| size < batch.size()) => publish("checkpoint", head),
            _ => Ok(()),
        }
    }

    fn batch(&self, origin: &str, first: u64) -> Result<Vec<u8>, Fault> {
        let log = self.log(origin);
        let (path, note) = (log.join(segment::name(first, 0)), log.join("delegation.note"));
        let bytes = Disk.read(&path).map_err(|error| troubled(&path, &error))?;
        let delegation = std::fs::read_to_string(&note).map_err(|error| troubled(&note, &error))?;
        let batch = Batch::of_segment(&LogCard { origin: origin.to_owned(), delegation }, first, bytes);
        batch.map(|batch| batch.wire().to_vec()).map_err(|error| Fault::Settings(format!("{}: {error}", path.display())))
    }

    /// Size of the head that lies there.
    fn published(&self, origin: &str) -> Option<u64> {
        let note = std::fs::read_to_string(self.log(origin).join("checkpoint")).ok()?;
        let (text, _) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
        Checkpoint::parse(text).ok().map(|head| head.size)
    }
}

/// Size and root of the last commit in a segment.
fn commit_of(file: &[u8]) -> Option<(u64, Digest)> {
    let (mut at, mut last) = (segment::HEADER, None);
    while let segment::Step::Frame(frame) = segment::step(file, at) {
        at = frame.end();
        if frame.kind == segment::FrameKind::Commit {
            last = segment::parse_commit(frame.bytes).map(|commit| (commit.size, commit.root));
        }
    }
    last
}

fn troubled(path: &Path, error: &std::io::Error) -> Fault {
    use std::io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let why = format!("{}: {error}", path.display());
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem | NotADirectory => Fault::Settings(why),
        _ => Fault::Later { why, after: None },
    }
}

impl Sink for FileSink {
    fn open(&mut self) -> Result<(), Fault> {
        self.heads.clear();
        if self.dir.is_dir() {
            return Ok(());
        }
        let dir = self.dir.display();
        Err(Fault::Settings(format!(
            "the folder {dir} is not there: make it, or mount it; it is not made here, so that nothing is written below a missing mount"
        )))
    }

    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
        let (held, first) = (self.head(batch.origin())?, batch.first());
        let size = match held {
            Held::Head { size, .. } => size,
            Held::Nothing | Held::Unknown => 0,
        };
        if first >= size {
            self.heads.remove(batch.origin());
            self.store(batch)?;
            self.heads.insert(batch.origin().to_owned(), Held::Head { size: batch.size(), root: batch.root() });
            return Ok(Level::Durable);
        }
        // Something lies at this place, or beyond it.
        let firsts = self.batches(batch.origin())?;
        if firsts.binary_search(&first).is_ok() {
            let (end, root) = self.end_of(batch.origin(), first)?;
            return match (end == batch.size(), root == batch.root()) {
                (true, true) => Ok(Level::Durable),
                (true, false) => Err(Fault::Fork(format!(
                    "{} holds other records",
                    self.log(batch.origin()).join(segment::name(first, 0)).display()
                ))),
                (false, _) => Err(Fault::Taken),
            };
        }
        let before = firsts.iter().rfind(|known| **known < first);
        let after = firsts.iter().find(|known| **known > first);
        let free_before =
            before.map(|known| self.end_of(batch.origin(), *known)).transpose()?.is_none_or(|(end, _)| end <= first);
        if !free_before || after.is_some_and(|after| *after < batch.size()) {
            return Err(Fault::Taken);
        }
        // A place that was left out before.
        self.store(batch)?;
        Ok(Level::Durable)
    }

    fn head(&mut self, origin: &str) -> Result<Held, Fault> {
        if let Some(held) = self.heads.get(origin) {
            return Ok(*held);
        }
        let held = match self.batches(origin)?.last() {
            Some(first) => {
                let (size, root) = self.end_of(origin, *first)?;
                Held::Head { size, root }
            }
            None => Held::Nothing,
        };
        self.heads.insert(origin.to_owned(), held);
        Ok(held)
    }

    fn read(&mut self, origin: &str, from: u64) -> Result<Option<Vec<u8>>, Fault> {
        let firsts = self.batches(origin)?;
        let at = firsts.partition_point(|first| *first <= from);
        for first in firsts.iter().skip(at.saturating_sub(1)) {
            let (end, _) = self.end_of(origin, *first)?;
            if end > from {
                return self.batch(origin, *first).map(Some);
            }
        }
        Ok(None)
    }

    fn logs(&mut self) -> Result<Vec<String>, Fault> {
        let logs = self.dir.join("logs");
        let names = match Disk.list(&logs) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(troubled(&logs, &error)),
        };
        let origins = names.iter().filter_map(|name| std::fs::read_to_string(logs.join(name).join("origin")).ok());
        Ok(origins.filter_map(|origin| Some(origin.strip_suffix('\n')?.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::sink::conformance::{batches, conforms, sees_a_fork};
    use crate::evidence::sink::sample::{forged, two_logs};
    use crate::evidence::verify::{Policy, verify};

    #[test]
    fn it_conforms() {
        let (_sample, log, other) = two_logs();
        let store = tempfile::tempdir().unwrap();
        conforms(&log, &other, Level::Durable, &mut || Box::new(FileSink::new(store.path())));
        let store = tempfile::tempdir().unwrap();
        let all = batches(&log);
        sees_a_fork(&all, &forged(&all), &mut FileSink::new(store.path()));
    }

    #[test]
    fn a_folder_of_batches_is_a_log_that_verifies() {
        let (sample, log, other) = two_logs();
        let store = tempfile::tempdir().unwrap();
        let mut sink = FileSink::new(store.path());
        sink.open().unwrap();
        for batch in batches(&log).iter().chain(&batches(&other)) {
            sink.deliver(batch).unwrap();
        }
        let key = std::fs::read_to_string(sample.dir.path().join("root.vkey")).unwrap();
        let policy = Policy::pinned(&key).unwrap();
        let (report, own) = (verify(store.path(), &policy).unwrap(), verify(sample.dir.path(), &policy).unwrap());
        assert!(report.is_valid(), "{}", report.text());
        assert_eq!((report.logs.len(), report.acts.clone()), (own.logs.len(), own.acts));
        // One that is taken away is a gap, and it is named.
        let third = sink.batches(&batches(&log)[0].origin().to_owned()).unwrap()[2];
        let boot = log.file_name().unwrap();
        std::fs::remove_file(store.path().join("logs").join(boot).join(segment::name(third, 0))).unwrap();
        let text = verify(store.path(), &policy).unwrap().text();
        assert!(text.contains("INCOMPLETE") && text.contains(&format!("records {third} to")), "{text}");
        // It is filled where it was.
        sink.deliver(&batches(&log)[2]).unwrap();
        assert!(verify(store.path(), &policy).unwrap().is_valid());
    }

    #[test]
    fn a_missing_mount_is_not_made() {
        let store = tempfile::tempdir().unwrap();
        let mut sink = FileSink::new(store.path().join("mount"));
        let Err(Fault::Settings(why)) = sink.open() else { panic!() };
        assert!(why.contains("is not there"));
        assert!(!store.path().join("mount").exists());
    }
}
