//! A log followed while it is written, by its files alone: from segment to segment, and on into the logs that come after it.
//!
//! Promises: a record is handed out once, in order, and only when the commit frame behind it stands there too, or the next
//! log has taken it up. What retention takes before it was read is not handed out; the indices tell. It only reads.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::LogError;
use super::read::{Lying, segments};
use super::segment::{self, FrameKind, HEADER, Step};
use super::verify::logs_of;

/// Bytes that are read at once; any frame fits.
const PIECE: usize = 1 << 20;

/// One who reads along.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    place: Option<Place>,
    /// Records whose commit frame has not come yet.
    held: Vec<(u64, Vec<u8>)>,
}

/// Where the reading stands.
#[derive(Clone, Debug)]
struct Place {
    log: PathBuf,
    lying: Lying,
    /// Offset in the segment.
    at: u64,
    /// Index of the record to come.
    index: u64,
}

impl Place {
    fn at_start(log: &Path, lying: &Lying, index: u64) -> Self {
        Self { log: log.to_owned(), lying: lying.clone(), at: HEADER as u64, index }
    }

    fn boot(&self) -> String {
        self.log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

impl Follower {
    /// Begins at the last segment of the last log of an evidence folder.
    ///
    /// # Errors
    /// There is no log.
    pub fn new(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        let dir = dir.as_ref().to_owned();
        let (logs, _) = logs_of(&dir)?;
        let mut place = None;
        // A log that was only just begun may have no segment yet.
        for log in logs.iter().rev() {
            if let Some(lying) = segments(log)?.last() {
                place = Some(Place::at_start(log, lying, lying.first));
                break;
            }
        }
        Ok(Self { dir, place, held: Vec::new() })
    }

    /// Hands out what has come since: the directory of the log, the index and the record.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn poll(&mut self, each: &mut dyn FnMut(&str, u64, &[u8])) -> Result<(), LogError> {
        loop {
            // What is behind is looked up first: once it is there, nothing more is written here.
            let behind = self.behind()?;
            if let Some(mut place) = self.place.take() {
                let read = self.read(&mut place, behind.is_some(), each);
                self.place = Some(place);
                read?;
            }
            let Some(next) = behind else { return Ok(()) };
            if let Some(place) = &self.place {
                if place.log == next.log {
                    // It was given up, and is written anew in the next segment.
                    self.held.clear();
                } else {
                    let boot = place.boot();
                    self.held.drain(..).for_each(|(index, bytes)| each(&boot, index, &bytes));
                }
            }
            self.place = Some(next);
        }
    }

    /// The segment that follows, in this log or the next.
    fn behind(&self) -> Result<Option<Place>, LogError> {
        let (logs, _) = logs_of(&self.dir)?;
        if let Some(place) = &self.place
            && logs.contains(&place.log)
        {
            let all = segments(&place.log)?;
            let mut later = all.iter().skip_while(|lying| lying.path != place.lying.path).skip(1);
            // A segment that retention took stands no more in the list.
            let next = later.next().or_else(|| all.iter().find(|lying| lying.first > place.lying.first));
            if let Some(next) = next {
                return Ok(Some(Place::at_start(&place.log, next, place.index.max(next.first))));
            }
        }
        for log in logs.iter().filter(|log| self.place.as_ref().is_none_or(|place| **log > place.log)) {
            if let Some(first) = segments(log)?.first() {
                return Ok(Some(Place::at_start(log, first, first.first)));
            }
        }
        Ok(None)
    }

    /// Reads on to the end of a segment. `closed`: nothing more will be written to it.
    fn read(&mut self, place: &mut Place, closed: bool, each: &mut dyn FnMut(&str, u64, &[u8])) -> Result<(), LogError> {
        let path = &place.lying.path;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LogError::file(path)(error)),
        };
        let boot = place.boot();
        let mut piece = vec![0; PIECE];
        loop {
            let length = fill(&file, place.at, &mut piece).map_err(LogError::file(path))?;
            let piece = piece.get(..length).unwrap_or_default();
            let mut at = 0;
            while let Step::Frame(frame) = segment::step(piece, at) {
                at = frame.end();
                match frame.kind {
                    // What lies between cannot be read: `verify` says why. What is before was handed out already.
                    FrameKind::Record if frame.index >= place.index => {
                        place.index = frame.index + 1;
                        self.held.push((frame.index, frame.bytes.to_vec()));
                    }
                    FrameKind::Commit => self.held.drain(..).for_each(|(index, bytes)| each(&boot, index, &bytes)),
                    _ => {}
                }
            }
            place.at += at as u64;
            if at > 0 {
                continue;
            }
            // Behind damage in a segment that is closed there may be more.
            let beyond = if closed { segment::resync(piece, 1, place.index) } else { None };
            match beyond {
                Some(frame) => place.at += frame.at as u64,
                None => return Ok(()),
            }
        }
    }
}

/// Reads as much as there is.
fn fill(file: &File, at: u64, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = piece.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
