//! The file seam: every byte of the log goes through these few calls, so that tests can put faults there.
//!
//! [`Files`] is what the log asks for, and [`System`] the calls of the operating system it is made of: the order of writes,
//! syncs and renames stands here once, for the disk and for the machine of the tests that loses power between any two of them.
//!
//! Promises of [`Files`] over a [`System`]: a file created or renamed is followed by a sync of its directory, and a directory
//! that is used of the one above it; a published file is either the old one or the new one, never half of it.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

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
    /// Makes a directory and its parents, readable by the owner alone, durably.
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

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) is_dir: bool,
    pub(crate) length: u64,
    /// Time of the last change in Unix seconds.
    pub(crate) changed: i64,
}

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// It is there.
    There,
    /// It is not there, and gets this mode.
    New(u32),
    /// It is emptied, or made with this mode.
    Emptied(u32),
}

/// An open file of a [`System`].
pub(crate) trait Handle: Debug + Send + 'static {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// `fdatasync`.
    fn sync_data(&self) -> io::Result<()>;
    /// `fsync`.
    fn sync_all(&self) -> io::Result<()>;
}

/// The calls of the operating system that files are made of. None of them but the syncs makes anything durable.
pub(crate) trait System: Debug + Send + Sync {
    type File: Handle;
    fn open_file(&self, path: &Path, how: How) -> io::Result<Self::File>;
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// One directory, whose parent is there, for the owner alone.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn names(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Of the name itself, where it is a link.
    fn look(&self, path: &Path) -> io::Result<Stat>;
    fn move_to(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn unlink(&self, path: &Path) -> io::Result<()>;
    fn remove_tree(&self, path: &Path) -> io::Result<()>;
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Fills a part of a file with zeros, durably.
fn zero(file: &impl Handle, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0u8; usize::try_from(to.saturating_sub(from)).unwrap_or(ZEROS).min(ZEROS)];
    let mut at = from;
    while at < to {
        let piece = usize::try_from(to - at).ok().and_then(|left| zeros.get(..left)).unwrap_or(&zeros);
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    file.sync_all()
}

/// Zeros are written by so many at once.
const ZEROS: usize = 1 << 20;

impl<S: System> Files for S {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.look(path).is_ok_and(|stat| stat.is_dir) {
            // It may have been made by a process that died before it was durable; where the one above may not be read or
            // written, it was made by others.
            return match self.sync_dir(parent(path)) {
                Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                    Ok(())
                }
                synced => synced,
            };
        }
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.create_dir(above)?;
        }
        match self.make_dir(path) {
            // A link to a directory; or a file, which the names of are asked for in vain.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.names(path).map(drop),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir(parent(path)),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = self.names(path)?;
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_file(path)
    }

    fn publish(&self, path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = path.with_file_name(name);
        let file = self.open_file(&temporary, How::Emptied(if private { 0o600 } else { 0o644 }))?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        self.move_to(&temporary, path)?;
        self.sync_dir(parent(path))
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Box<dyn Segment>> {
        let file = self.open_file(path, How::New(0o644))?;
        match zero(&file, 0, length).and_then(|()| self.sync_dir(parent(path))) {
            Ok(()) => Ok(Box::new(Opened(file))),
            Err(error) => {
                // A half-made segment holds nothing; if it cannot be removed, recovery finds it empty.
                drop(self.unlink(path));
                Err(error)
            }
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(Opened(self.open_file(path, How::There)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.move_to(from, to)?;
        self.sync_dir(parent(to))?;
        self.sync_dir(parent(from))
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        let stat = self.look(path)?;
        Ok((stat.length, stat.changed))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.look(path)?.is_dir {
            self.remove_tree(path)?;
        } else {
            self.unlink(path)?;
        }
        self.sync_dir(parent(path))
    }
}

/// A segment in a file of a [`System`].
#[derive(Debug)]
struct Opened<F>(F);

impl<F: Handle> Segment for Opened<F> {
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

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk;

impl System for Disk {
    type File = File;

    fn open_file(&self, path: &Path, how: How) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true);
        match how {
            How::There => options.read(true),
            How::New(mode) => options.read(true).create_new(true).mode(mode),
            How::Emptied(mode) => options.create(true).truncate(true).mode(mode),
        };
        options.open(path)
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn look(&self, path: &Path) -> io::Result<Stat> {
        let data = fs::symlink_metadata(path)?;
        Ok(Stat { is_dir: data.is_dir(), length: data.len(), changed: data.mtime() })
    }

    fn move_to(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }
}

impl Handle for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}

#[cfg(test)]
pub(crate) mod outage;
#[cfg(test)]
pub(crate) mod simulated;
