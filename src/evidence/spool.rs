//! The segment that is written: begun, stretched, closed, given up.
//!
//! A segment is prepared with zeros a little ahead of what is written, so that a sync need not change the
//! length of the file, and so that a full disk is met here and not in the middle of a record. When it has
//! its size it is cut to what it holds, and the next one begins.
//!
//! What it keeps to: after a failure nothing is written to a segment any more. It is cut to its last
//! durable byte; what could not be written goes to a new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::LogError;
use super::files::{Files, Segment};
use super::merkle::Tree;
use super::segment::{self, PREAMBLE_MAX};
use crate::seal::Digest;

/// What a segment begins with, and the reserve.
pub(crate) const SEGMENT_MIN: u64 = 1 << 20;
/// No segment is made longer, save for one group that needs it.
const SEGMENT_MAX: u64 = 64 << 20;
/// A segment is stretched by no more at once: those who wait for a record wait for this too.
const STRETCH_MAX: u64 = 4 << 20;
/// Retention takes whole segments away; so many of them make up what may be kept.
const SEGMENTS_KEPT: u64 = 16;

/// The segment that is written.
#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: Box<dyn Segment>,
    /// Where the first group begins.
    start: u64,
    /// Durable up to here.
    offset: u64,
    /// Prepared up to here.
    length: u64,
    /// CRC of all bytes before `offset`.
    running: u32,
    /// Made of the reserve: for gaps and the seal only.
    reserve: bool,
    /// It could not be stretched; what is prepared may still be used.
    stuck: bool,
}

/// How long segments are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// What a segment begins with, and the reserve.
    pub(crate) least: u64,
    /// None is made longer, save for one group that needs it.
    pub(crate) most: u64,
}

impl Lengths {
    /// Where all logs together may take so many bytes.
    pub(crate) fn within(keep_bytes: u64) -> Self {
        Self { least: SEGMENT_MIN, most: (keep_bytes / SEGMENTS_KEPT).clamp(SEGMENT_MIN, SEGMENT_MAX) }
    }
}

/// The segments of one log, as they are written.
#[derive(Debug)]
pub(crate) struct Spool {
    files: Arc<dyn Files>,
    dir: PathBuf,
    reserve: PathBuf,
    log: Digest,
    lengths: Lengths,
    active: Option<Active>,
    /// Segments given up after a failure, with the length they should have.
    spoiled: Vec<(PathBuf, u64)>,
    /// Bytes on disk, as far as is known between two counts.
    pub(crate) disk_bytes: u64,
    /// A segment was closed since somebody looked.
    pub(crate) rolled: bool,
}

impl Spool {
    /// Segments in `dir`.
    pub(crate) fn new(files: Arc<dyn Files>, dir: PathBuf, reserve: PathBuf, log: Digest, lengths: Lengths) -> Self {
        Self { files, dir, reserve, log, lengths, active: None, spoiled: Vec::new(), disk_bytes: 0, rolled: false }
    }

    /// Name of the segment that is written.
    pub(crate) fn active(&self) -> Option<&Path> {
        self.active.as_ref().map(|active| active.path.as_path())
    }

    /// Whether the disk has given no room since the reserve was taken.
    pub(crate) fn on_reserve(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.reserve)
    }

    /// Makes room for so many bytes after the records in `tree`. `own` records of the log may use the reserve.
    pub(crate) fn room_for(&mut self, tree: &Tree, bytes: u64, own: bool) -> Result<(), LogError> {
        if !self.on_reserve() && self.stretch(bytes) {
            return Ok(());
        }
        let active = match self.begin(tree, bytes) {
            Ok(active) => active,
            // Still no room: what the reserve has left is for this.
            Err(_) if own && self.stretch(bytes) => return Ok(()),
            Err(error) if own => self.take_reserve(tree, bytes).ok_or(error)?,
            Err(error) => return Err(error),
        };
        self.retire();
        self.active = Some(active);
        Ok(())
    }

    /// Whether the active segment has room for so many bytes, or could be given it.
    fn stretch(&mut self, bytes: u64) -> bool {
        let Some(active) = &mut self.active else { return false };
        while active.length - active.offset < bytes {
            let more = active.length.min(STRETCH_MAX).min(self.lengths.most.saturating_sub(active.length));
            if more == 0 || active.reserve || active.stuck {
                return false;
            }
            if let Err(error) = active.file.extend(active.length, active.length + more) {
                tracing::warn!(%error, file = %active.path.display(), "a segment of the evidence log could not be stretched");
                active.stuck = true;
                // What was taken for nothing is given back; if that fails too, closing cuts it.
                drop(active.file.cut(active.length));
                return false;
            }
            active.length += more;
            self.disk_bytes += more;
        }
        true
    }

    fn begin(&mut self, tree: &Tree, bytes: u64) -> Result<Active, LogError> {
        let length = (PREAMBLE_MAX as u64 + bytes).div_ceil(self.lengths.least) * self.lengths.least;
        let (path, file) = self.create(tree, |files, path| files.create(path, length))?;
        let active = self.headed(tree, path, file, length, false)?;
        self.disk_bytes += length;
        if let Err(error) = make_reserve(&*self.files, &self.reserve, self.lengths.least) {
            tracing::warn!(%error, "no reserve for the evidence log");
        }
        Ok(active)
    }

    /// The reserve, moved into place. It is made anew once there is room.
    fn take_reserve(&mut self, tree: &Tree, bytes: u64) -> Option<Active> {
        let least = self.lengths.least;
        if PREAMBLE_MAX as u64 + bytes > least {
            return None;
        }
        let reserve = self.reserve.clone();
        self.files.stat(&reserve).ok().filter(|(length, _)| *length == least)?;
        let made = self.create(tree, |files, path| {
            files.rename(&reserve, path)?;
            files.open(path)
        });
        let (path, file) = made.ok()?;
        self.headed(tree, path, file, least, true).ok()
    }

    /// Makes a file under the first free name for the next index.
    fn create(
        &self,
        tree: &Tree,
        make: impl Fn(&dyn Files, &Path) -> std::io::Result<Box<dyn Segment>>,
    ) -> Result<(PathBuf, Box<dyn Segment>), LogError> {
        let name = |attempt| self.dir.join(segment::name(tree.size(), attempt));
        let free = (0..1000).map(name).find(|path| self.files.stat(path).is_err());
        let path = free.unwrap_or_else(|| name(1000));
        let file = make(&*self.files, &path).map_err(LogError::file(&path))?;
        Ok((path, file))
    }

    fn headed(
        &mut self,
        tree: &Tree,
        path: PathBuf,
        mut file: Box<dyn Segment>,
        length: u64,
        reserve: bool,
    ) -> Result<Active, LogError> {
        let preamble = segment::preamble(&self.log, tree);
        // Made durable by the first group's sync: a segment without a group holds nothing.
        if let Err(error) = file.write_at(0, &preamble) {
            drop(file);
            if self.files.remove(&path).is_err() {
                self.spoiled.push((path.clone(), 0));
            }
            return Err(LogError::file(&path)(error));
        }
        let start = preamble.len() as u64;
        Ok(Active { path, file, start, offset: start, length, running: crc32c::crc32c(&preamble), reserve, stuck: false })
    }

    /// CRC of the active segment up to the end of `bytes`, which are to be written next.
    pub(crate) fn running(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.active.as_ref().map_or(0, |active| active.running), bytes)
    }

    /// Writes at the end of the active segment and makes it durable. A segment that fails is given up.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let Some(active) = self.active.as_mut() else { return Err(LogError::Thread) };
        let written = active.file.write_at(active.offset, bytes).and_then(|()| active.file.sync());
        if let Err(error) = written.map_err(LogError::file(&active.path)) {
            self.spoil();
            return Err(error);
        }
        active.offset += bytes.len() as u64;
        active.running = crc32c::crc32c_append(active.running, bytes);
        Ok(())
    }

    /// Reads back what was written last, into the buffer it was written from; `sound` looks at it. If it is not
    /// what was written, it is cut off again and the segment given up.
    pub(crate) fn read_back(&mut self, bytes: &mut [u8], sound: impl Fn(&[u8]) -> bool) -> Result<(), LogError> {
        let Some(active) = self.active.as_mut() else { return Err(LogError::Thread) };
        let at = active.offset.saturating_sub(bytes.len() as u64);
        let written = crc32c::crc32c(bytes);
        let read = active.file.read_at(at, bytes).and_then(|()| {
            let changed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "what was read back is not what was written");
            if crc32c::crc32c(bytes) == written && sound(bytes) { Ok(()) } else { Err(changed()) }
        });
        if let Err(error) = read.map_err(LogError::file(&active.path)) {
            active.offset = at;
            self.spoil();
            return Err(error);
        }
        Ok(())
    }

    /// Closes the active segment in order: cut to what it holds.
    fn retire(&mut self) {
        if let Some(mut active) = self.active.take() {
            self.rolled = true;
            self.disk_bytes = self.disk_bytes.saturating_sub(active.length - active.offset);
            if active.file.cut(active.offset).is_err() {
                self.spoiled.push((active.path, active.offset));
            }
        }
    }

    /// Gives the active segment up after a failure: cut to what is durable, never written again.
    fn spoil(&mut self) {
        let Some(mut active) = self.active.take() else { return };
        let empty = active.offset <= active.start;
        let cleared = if empty {
            drop(active.file);
            self.files.remove(&active.path).is_ok()
        } else {
            active.file.cut(active.offset).is_ok()
        };
        if !cleared {
            self.spoiled.push((active.path, if empty { 0 } else { active.offset }));
        }
    }

    /// Puts in order what earlier failures left. A log with leftovers is not sealed: the next start does it.
    pub(crate) fn clear_up(&mut self) -> Result<(), LogError> {
        for (path, length) in std::mem::take(&mut self.spoiled) {
            if length == 0 {
                self.files.remove(&path).map_err(LogError::file(&path))?;
            } else {
                self.files.open(&path).and_then(|mut file| file.cut(length)).map_err(LogError::file(&path))?;
            }
        }
        Ok(())
    }

    /// Cuts the last segment to what it holds.
    pub(crate) fn close(&mut self) -> Result<(), LogError> {
        match self.active.take() {
            Some(mut active) => active.file.cut(active.offset).map_err(LogError::file(&active.path)),
            None => Ok(()),
        }
    }
}

/// Makes sure that the reserve is there, of this length.
pub(crate) fn make_reserve(files: &dyn Files, path: &Path, length: u64) -> std::io::Result<()> {
    match files.stat(path) {
        Ok((there, _)) if there == length => Ok(()),
        Ok(_) => files.remove(path).and_then(|()| files.create(path, length).map(drop)),
        Err(_) => files.create(path, length).map(drop),
    }
}
