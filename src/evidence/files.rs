//! The file seam: every byte of the log goes through these few calls, so that tests can put faults there.
//!
//! Promises of [`Disk`]: a file created or renamed is followed by a sync of its directory; a published
//! file is either the old one or the new one, never half of it.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// An open segment.
pub(crate) trait Segment: Debug + Send {
    /// Writes all of `bytes` at `offset`; after an error nothing is known about that range.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads exactly `bytes.len()` bytes.
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Makes what was written durable. After an error it must not be tried again on this file.
    fn sync(&mut self) -> io::Result<()>;
    /// Makes the file longer with zeros, durably.
    fn extend(&mut self, from: u64, to: u64) -> io::Result<()>;
    /// Cuts the file and makes that durable.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// The files of a log.
pub(crate) trait Files: Debug + Send + Sync {
    /// Makes a directory and its parents, readable by the owner alone.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Puts a file in place, durable and whole.
    fn publish(&self, path: &Path, bytes: &[u8], private: bool) -> io::Result<()>;
    /// A new segment, filled with zeros to `length`, durable.
    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>>;
    /// An existing segment.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Segment>>;
    /// Moves a file or a directory, durably.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Length in bytes and time of the last change in Unix seconds.
    fn stat(&self, path: &Path) -> io::Result<(u64, i64)>;
    /// Removes a file, or a directory with all in it, durably.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk;

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// Fills a part of a file with zeros, durably.
fn zero(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0u8; 1 << 20];
    let mut at = from;
    while at < to {
        let piece = usize::try_from(to - at).ok().and_then(|left| zeros.get(..left)).unwrap_or(&zeros);
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    file.sync_all()
}

impl Files for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        sync_parent(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn publish(&self, path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary: PathBuf = path.with_file_name(name);
        let mode = if private { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path)?;
        let filled = (|| {
            zero(&file, 0, length)?;
            sync_parent(path)
        })();
        match filled {
            Ok(()) => Ok(Box::new(DiskSegment(file))),
            Err(error) => {
                // A half-made segment holds nothing; if it cannot be removed, recovery finds it empty.
                drop(fs::remove_file(path));
                Err(error)
            }
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(DiskSegment(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_parent(to)?;
        sync_parent(from)
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        let data = fs::symlink_metadata(path)?;
        Ok((data.len(), data.mtime()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
        sync_parent(path)
    }
}

#[derive(Debug)]
struct DiskSegment(File);

impl Segment for DiskSegment {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn extend(&mut self, from: u64, to: u64) -> io::Result<()> {
        zero(&self.0, from, to)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.sync_all()
    }
}

#[cfg(test)]
pub(crate) mod simulated;
