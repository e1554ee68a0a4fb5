//! A disk for tests: a volatile page cache, torn and reordered sectors, faults and crashes at any call.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Files, Segment};

const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
struct SimFile {
    /// What the process sees.
    seen: Vec<u8>,
    /// What a power cut leaves for sure.
    durable: Vec<u8>,
    /// Writes since the last sync: offset and bytes.
    pending: Vec<(usize, Vec<u8>)>,
    /// Time of the last change, in Unix seconds.
    changed: i64,
}

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<PathBuf, SimFile>,
    calls: u64,
    /// From this call on everything fails: the process is dead.
    dead_at: Option<u64>,
    /// These calls fail once.
    faults: Vec<u64>,
    random: u64,
    /// Time that files are marked with.
    now: i64,
    /// Bytes that all files together may take, if there is an end.
    room: Option<u64>,
    /// What cannot be looked at.
    unread: Option<PathBuf>,
}

/// What to do with a call.
enum Fate {
    Done,
    Failed,
    /// The process dies in the middle of this call.
    Dying,
}

impl World {
    fn fate(&mut self) -> Fate {
        let call = self.calls;
        self.calls += 1;
        match self.dead_at {
            Some(dead) if call == dead => Fate::Dying,
            Some(dead) if call > dead => Fate::Failed,
            _ if self.faults.contains(&call) => Fate::Failed,
            _ => Fate::Done,
        }
    }

    /// Whether this can be looked at.
    fn look(&self, path: &Path) -> io::Result<()> {
        if self.unread.as_deref() == Some(path) { Err(broken()) } else { Ok(()) }
    }

    /// Whether the disk has room for so many bytes more.
    fn has_room(&self, more: u64) -> bool {
        let used: u64 = self.files.values().map(|file| file.seen.len() as u64).sum();
        self.room.is_none_or(|room| used + more <= room)
    }

    fn file(&self, bytes: Vec<u8>) -> SimFile {
        SimFile { seen: bytes.clone(), durable: bytes, pending: Vec::new(), changed: self.now }
    }

    /// xorshift: enough to choose sectors.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn broken() -> io::Error {
    io::Error::other("simulated fault")
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Simulated(Arc<Mutex<World>>);

impl Simulated {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World { random: seed | 1, now: 1_760_000_000, ..World::default() })))
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    pub(crate) fn die_at(&self, call: u64) {
        self.0.lock().unwrap().dead_at = Some(call);
    }

    pub(crate) fn fail_at(&self, calls: &[u64]) {
        self.0.lock().unwrap().faults = calls.to_vec();
    }

    /// What changes from now on is marked with this time.
    pub(crate) fn set_now(&self, now: i64) {
        self.0.lock().unwrap().now = now;
    }

    /// All files together may take so many bytes; more is refused as a full disk does.
    pub(crate) fn limit(&self, room: Option<u64>) {
        self.0.lock().unwrap().room = room;
    }

    /// This file or folder cannot be read, opened, listed or asked for its size until another is named.
    pub(crate) fn hide(&self, path: Option<&Path>) {
        self.0.lock().unwrap().unread = path.map(Path::to_owned);
    }

    /// Bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.0.lock().unwrap().files.values().map(|file| file.seen.len() as u64).sum()
    }

    /// The machine comes back: of what was not synced any sectors in any order are there.
    pub(crate) fn power_cut(&self) {
        let mut world = self.0.lock().unwrap();
        world.dead_at = None;
        world.faults.clear();
        let mut files = std::mem::take(&mut world.files);
        for file in files.values_mut() {
            for (offset, bytes) in std::mem::take(&mut file.pending) {
                for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                    if world.draw(2) == 0 {
                        apply(&mut file.durable, offset + n * SECTOR, sector);
                    }
                }
            }
            file.seen.clone_from(&file.durable);
        }
        world.files = files;
    }

    /// Only the process was killed: the page cache lives on.
    pub(crate) fn killed(&self) {
        let mut world = self.0.lock().unwrap();
        world.dead_at = None;
        world.faults.clear();
    }

    /// Everything as it lies there.
    pub(crate) fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.0.lock().unwrap().files.iter().map(|(path, file)| (path.clone(), file.seen.clone())).collect()
    }

    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.0.lock().unwrap();
        let file = world.file(bytes.to_vec());
        world.files.insert(path.to_owned(), file);
    }

    /// Writes everything to the real disk, so that the verifier can look at it.
    pub(crate) fn dump(&self) {
        for (path, bytes) in self.content() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

impl Files for Simulated {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        match self.0.lock().unwrap().fate() {
            Fate::Done => Ok(()),
            _ => Err(broken()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let world = self.0.lock().unwrap();
        world.look(path)?;
        let mut names: Vec<String> = world
            .files
            .keys()
            .filter_map(|file| Some(file.strip_prefix(path).ok()?.iter().next()?.to_str()?.to_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.0.lock().unwrap();
        world.look(path)?;
        world.files.get(path).map(|file| file.seen.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn publish(&self, path: &Path, bytes: &[u8], _: bool) -> io::Result<()> {
        let mut world = self.0.lock().unwrap();
        let fate = world.fate();
        if !world.has_room(bytes.len() as u64) {
            return Err(full());
        }
        // Dying in a publish leaves the old file or the new one.
        if matches!(fate, Fate::Done) || (matches!(fate, Fate::Dying) && world.draw(2) == 0) {
            let file = world.file(bytes.to_vec());
            world.files.insert(path.to_owned(), file);
        }
        if matches!(fate, Fate::Done) { Ok(()) } else { Err(broken()) }
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let mut world = self.0.lock().unwrap();
        if world.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        match world.fate() {
            Fate::Done if !world.has_room(length) => Err(full()),
            Fate::Done => {
                let file = world.file(vec![0; length as usize]);
                world.files.insert(path.to_owned(), file);
                Ok(Box::new(SimSegment { disk: self.clone(), path: path.to_owned() }))
            }
            Fate::Dying => {
                let length = world.draw(length) as usize;
                let file = world.file(vec![0; length]);
                world.files.insert(path.to_owned(), file);
                Err(broken())
            }
            Fate::Failed => Err(broken()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let world = self.0.lock().unwrap();
        world.look(path)?;
        if world.files.contains_key(path) {
            Ok(Box::new(SimSegment { disk: self.clone(), path: path.to_owned() }))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.0.lock().unwrap();
        match world.fate() {
            Fate::Done => {
                let moved: Vec<PathBuf> = world.files.keys().filter(|file| file.starts_with(from)).cloned().collect();
                if moved.is_empty() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                for old in moved {
                    let file = world.files.remove(&old).ok_or_else(broken)?;
                    let rest = old.strip_prefix(from).unwrap();
                    world.files.insert(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) }, file);
                }
                Ok(())
            }
            _ => Err(broken()),
        }
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        let world = self.0.lock().unwrap();
        world.look(path)?;
        world.files.get(path).map(|file| (file.seen.len() as u64, file.changed)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.0.lock().unwrap();
        match world.fate() {
            Fate::Done => {
                world.files.retain(|file, _| !file.starts_with(path));
                Ok(())
            }
            // Of a directory any files may be gone.
            Fate::Dying => {
                let all: Vec<PathBuf> = world.files.keys().filter(|file| file.starts_with(path)).cloned().collect();
                for file in all {
                    if world.draw(2) == 0 {
                        world.files.remove(&file);
                    }
                }
                Err(broken())
            }
            Fate::Failed => Err(broken()),
        }
    }
}

#[derive(Debug)]
struct SimSegment {
    disk: Simulated,
    path: PathBuf,
}

impl Segment for SimSegment {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.0.lock().unwrap();
        let fate = world.fate();
        let whole = matches!(fate, Fate::Done);
        // A failed write may have written a part.
        let part = if whole { bytes.len() } else { world.draw(bytes.len() as u64 + 1) as usize };
        let now = world.now;
        let file = world.files.get_mut(&self.path).ok_or_else(broken)?;
        if !matches!(fate, Fate::Failed) || part % 2 == 0 {
            file.changed = now;
            apply(&mut file.seen, offset as usize, &bytes[..part]);
            file.pending.push((offset as usize, bytes[..part].to_vec()));
        }
        if whole { Ok(()) } else { Err(broken()) }
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let world = self.disk.0.lock().unwrap();
        let file = world.files.get(&self.path).ok_or_else(broken)?;
        let stored = file.seen.get(offset as usize..offset as usize + bytes.len()).ok_or_else(broken)?;
        bytes.copy_from_slice(stored);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut world = self.disk.0.lock().unwrap();
        let fate = world.fate();
        let file = world.files.get_mut(&self.path).ok_or_else(broken)?;
        match fate {
            Fate::Done => {
                file.durable.clone_from(&file.seen);
                file.pending.clear();
                Ok(())
            }
            Fate::Failed => {
                // The kernel may drop dirty pages and call them clean.
                file.pending.clear();
                Err(broken())
            }
            Fate::Dying => Err(broken()),
        }
    }

    fn extend(&mut self, from: u64, to: u64) -> io::Result<()> {
        let mut world = self.disk.0.lock().unwrap();
        let fate = world.fate();
        let whole = matches!(fate, Fate::Done) && world.has_room(to - from);
        // One that failed may have written a part.
        let end = if whole { to } else { from + world.draw(to - from) };
        let error = if matches!(fate, Fate::Done) { full() } else { broken() };
        let file = world.files.get_mut(&self.path).ok_or_else(broken)?;
        if !matches!(fate, Fate::Failed) {
            apply(&mut file.seen, from as usize, &vec![0; (end - from) as usize]);
            apply(&mut file.durable, from as usize, &vec![0; (end - from) as usize]);
        }
        if whole { Ok(()) } else { Err(error) }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut world = self.disk.0.lock().unwrap();
        let fate = world.fate();
        let file = world.files.get_mut(&self.path).ok_or_else(broken)?;
        if matches!(fate, Fate::Done) {
            file.seen.resize(length as usize, 0);
            file.durable.clone_from(&file.seen);
            file.pending.clear();
            Ok(())
        } else {
            Err(broken())
        }
    }
}
