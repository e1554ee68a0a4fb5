//! From the segments of a log to its batches, read from disk behind what is durable.
//!
//! Where a batch ends follows from the log alone: at every signed head, and before a record that would make it too
//! large. Whoever reads the same log from the same boundary gets the same batches, after a restart too, and nothing about
//! them needs to be written down.
//!
//! Promises: no record is handed out before it is durable, and in the log that is being written none before a signed head
//! covers it; memory is bounded by one batch and one window; a damaged record stops nothing: the batch ends before it,
//! what cannot be read is named as a hole, and the next batch begins behind it. What it will not do: write, lock, or judge.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::batch::{Batch, Builder, LogCard};
use crate::evidence::error::LogError;
use crate::evidence::merkle::Tree;
use crate::evidence::segment::{self, FrameKind, HEADER, PREAMBLE_MAX, Step};
use crate::seal::Digest;

/// Bytes of a segment that are looked at together; longer than any frame.
const WINDOW: usize = 1 << 20;

/// How far a log may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nobody writes it any more: to its end.
    Ended,
    /// It is being written: records below this signed size.
    Signed(u64),
}

impl Limit {
    fn allows(self, index: u64) -> bool {
        match self {
            Self::Ended => true,
            Self::Signed(size) => index < size,
        }
    }
}

/// What comes next of a log.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Records.
    Batch(Box<Batch>),
    /// Records that cannot be read here: damaged, or taken away by retention.
    Hole {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// Reads one log.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    card: LogCard,
    log: Digest,
    /// All records before the next one.
    tree: Tree,
    place: Option<Place>,
    /// The segment behind the open one: what it holds was given up in the open one.
    following: Option<(u64, u32)>,
}

/// Where reading goes on behind damage.
enum Leap {
    /// With this.
    Piece(Piece),
    /// Nothing was lost but a commit or a head.
    Over,
    /// Nowhere yet.
    Nothing,
}

/// A segment that is open, and the part of it in memory.
#[derive(Debug)]
struct Place {
    name: (u64, u32),
    file: File,
    window: Vec<u8>,
    /// Where the window begins in the file.
    base: u64,
    at: usize,
}

impl Place {
    fn open(dir: &Path, name: (u64, u32)) -> Result<Self, LogError> {
        let path = dir.join(segment::name(name.0, name.1));
        let file = File::open(&path).map_err(LogError::file(&path))?;
        Ok(Self { name, file, window: Vec::new(), base: 0, at: 0 })
    }

    /// Reads so many bytes anew from the place that was reached.
    fn load(&mut self, length: usize) -> std::io::Result<()> {
        self.base += self.at as u64;
        self.at = 0;
        let left = self.file.metadata()?.len().saturating_sub(self.base);
        self.window = vec![0; length.min(usize::try_from(left).unwrap_or(length))];
        let mut filled = 0;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.base + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    /// The frame that was reached, if a sound one stands there; what was read too early is read anew.
    fn frame(&mut self) -> std::io::Result<Option<segment::Frame<'_>>> {
        if segment::frame_at(&self.window, self.at).is_none() {
            self.load(WINDOW)?;
        }
        Ok(segment::frame_at(&self.window, self.at))
    }
}

impl LogReader {
    /// Opens the log in a folder, before its first record.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let text = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path).map_err(LogError::file(&path))
        };
        let origin = text("origin")?;
        let origin = origin.strip_suffix('\n').filter(|origin| crate::evidence::note::is_name(origin));
        let origin = origin.ok_or(LogError::Malformed("`origin` is not one line with an origin"))?.to_owned();
        let card = LogCard { origin, delegation: text("delegation.note")? };
        Ok(Self { dir: dir.to_owned(), log: card.log(), card, tree: Tree::default(), place: None, following: None })
    }

    /// Origin and delegation.
    pub fn card(&self) -> &LogCard {
        &self.card
    }

    /// Records before the next piece.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over them.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Goes to the place behind the first `size` records. `false` if that cannot be: it then stands behind the hole that
    /// the place is in, or at the end of what is here.
    pub fn seek(&mut self, size: u64, limit: Limit) -> Result<bool, LogError> {
        self.place = None;
        self.tree = Tree::default();
        let names = self.names()?;
        let name = names.iter().rfind(|(first, _)| *first <= size).or_else(|| names.first());
        let Some(name) = name.filter(|(first, _)| limit.allows(*first)) else { return Ok(size == 0) };
        if !self.enter(*name)? {
            return Ok(size == 0);
        }
        while self.tree.size() < size {
            let next = self.tree.size();
            if !limit.allows(next) {
                return Ok(false);
            }
            match self.look(limit)? {
                Some((kind, index, bytes)) if kind.is_leaf() && index <= next => {
                    if index == next {
                        let leaf = kind.leaf(self.bytes(&bytes));
                        self.tree.push(leaf);
                    }
                    self.step();
                }
                Some((kind, ..)) if !kind.is_leaf() => self.step(),
                _ => {
                    if matches!(self.leap(limit)?, Leap::Nothing) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(self.tree.size() == size)
    }

    /// The next piece within the limit; `None` where there is nothing yet, or no more.
    pub fn next(&mut self, limit: Limit) -> Result<Option<Piece>, LogError> {
        let start = self.tree.clone();
        let mut batch = Builder::new(&self.log, &self.tree);
        self.refresh()?;
        loop {
            let next = self.tree.size();
            let Some((kind, index, bytes)) = self.look(limit)? else {
                if !limit.allows(next) {
                    // What is within the limit ends in a head; else it is read again when more is signed.
                    self.rewind(start, batch.len());
                    return Ok(None);
                }
                if batch.len() > 0 {
                    return self.close(batch, None);
                }
                match self.leap(limit)? {
                    Leap::Piece(piece) => return Ok(Some(piece)),
                    Leap::Over => continue,
                    Leap::Nothing => return Ok(None),
                }
            };
            match kind {
                FrameKind::Record | FrameKind::Erased if index < next => {}
                FrameKind::Record | FrameKind::Erased if !limit.allows(index) => {
                    self.rewind(start, batch.len());
                    return Ok(None);
                }
                FrameKind::Record | FrameKind::Erased if index > next => {
                    if batch.len() > 0 {
                        return self.close(batch, None);
                    }
                    match self.leap(limit)? {
                        Leap::Piece(piece) => return Ok(Some(piece)),
                        Leap::Over => continue,
                        Leap::Nothing => return Ok(None),
                    }
                }
                FrameKind::Record | FrameKind::Erased => {
                    if !batch.has_room(bytes.len()) {
                        return self.close(batch, None);
                    }
                    let record = self.place.as_ref().and_then(|place| place.window.get(bytes)).unwrap_or_default();
                    batch.push(&mut self.tree, kind, record);
                }
                FrameKind::Checkpoint if index == next && batch.len() > 0 => {
                    let head = self.bytes(&bytes).to_vec();
                    self.step();
                    return self.close(batch, Some(&head));
                }
                FrameKind::Checkpoint | FrameKind::Commit | FrameKind::Edge => {}
            }
            self.step();
        }
    }

    fn close(&self, batch: Builder, head: Option<&[u8]>) -> Result<Option<Piece>, LogError> {
        Ok(Some(Piece::Batch(Box::new(batch.end(&self.card, &self.tree, head)?))))
    }

    /// Back to where a batch began that cannot be ended yet.
    fn rewind(&mut self, start: Tree, taken: usize) {
        if taken > 0 {
            self.place = None;
            self.tree = start;
        }
    }

    /// Segments in order, without those that a later one of the same beginning replaces.
    fn names(&self) -> Result<Vec<(u64, u32)>, LogError> {
        let entries = std::fs::read_dir(&self.dir).map_err(LogError::file(&self.dir))?;
        let names = entries.filter_map(|entry| segment::parse_name(entry.ok()?.file_name().to_str()?));
        let last: BTreeMap<u64, u32> = names.fold(BTreeMap::new(), |mut last, (first, attempt)| {
            let known = last.entry(first).or_insert(attempt);
            *known = attempt.max(*known);
            last
        });
        Ok(last.into_iter().collect())
    }

    /// Goes to the beginning of a segment. `false` if its header or edge cannot be read.
    fn enter(&mut self, name: (u64, u32)) -> Result<bool, LogError> {
        let mut place = Place::open(&self.dir, name)?;
        place.load(PREAMBLE_MAX).map_err(LogError::file(&self.dir))?;
        if !segment::header_fits(&place.window, &self.log, name.0) {
            return Ok(false);
        }
        let tree = if name.0 == 0 { Some(Tree::default()) } else { segment::edge(&place.window, name.0) };
        let Some(tree) = tree else { return Ok(false) };
        place.at = HEADER;
        self.tree = tree;
        self.place = Some(place);
        self.refresh()?;
        Ok(true)
    }

    /// Opens the segment that holds the next record, keeping the tree.
    fn resume(&mut self) -> Result<(), LogError> {
        let tree = self.tree.clone();
        if let Some(name) = self.names()?.into_iter().rfind(|(first, _)| *first <= tree.size())
            && self.enter(name)?
        {
            self.tree = tree;
        }
        Ok(())
    }

    /// Looks which segment comes behind the open one.
    fn refresh(&mut self) -> Result<(), LogError> {
        let Some(open) = self.place.as_ref().map(|place| place.name) else { return Ok(()) };
        self.following = self.names()?.into_iter().find(|name| *name > open);
        Ok(())
    }

    /// The frame that was reached, in whatever segment it is: kind, index, and where its bytes lie.
    fn look(&mut self, limit: Limit) -> Result<Option<(FrameKind, u64, std::ops::Range<usize>)>, LogError> {
        for _ in 0..2 {
            if self.place.is_none() {
                self.resume()?;
            }
            let next = self.tree.size();
            let follows = self.following.map(|(first, _)| first).filter(|first| limit.allows(*first));
            let Some(place) = &mut self.place else { return Ok(None) };
            let found = place.frame().map_err(LogError::file(&self.dir))?;
            let found = found.map(|frame| (frame.kind, frame.index, frame.at + segment::FRAME..frame.end()));
            let given_up = match &found {
                Some((kind, index, _)) if kind.is_leaf() => follows.is_some_and(|first| *index >= first),
                Some(_) => false,
                None => follows == Some(next),
            };
            if !given_up || follows.is_some_and(|first| first > next) {
                return Ok(found.filter(|_| !given_up));
            }
            self.place = None;
        }
        Ok(None)
    }

    fn bytes(&self, range: &std::ops::Range<usize>) -> &[u8] {
        self.place.as_ref().and_then(|place| place.window.get(range.clone())).unwrap_or_default()
    }

    /// Over the frame that was looked at.
    fn step(&mut self) {
        if let Some(place) = &mut self.place
            && let Some(end) = segment::frame_at(&place.window, place.at).map(|frame| frame.end())
        {
            place.at = end;
        }
    }

    /// Over what cannot be read: to the next record whose tree is known, or to the next segment.
    fn leap(&mut self, limit: Limit) -> Result<Leap, LogError> {
        let next = self.tree.size();
        let later: Vec<_> = self.names()?.into_iter().filter(|(first, _)| *first > next && limit.allows(*first)).collect();
        if let Some((index, tree, at)) = self.behind(later.first().map_or(u64::MAX, |(first, _)| *first))?
            && limit.allows(index)
        {
            if let Some(place) = &mut self.place {
                place.at = at;
            }
            self.tree = tree;
            return Ok(if index > next { Leap::Piece(Piece::Hole { first: next, last: index - 1 }) } else { Leap::Over });
        }
        // A segment whose beginning cannot be read is a part of the hole.
        for name in later {
            if self.enter(name)? {
                return Ok(Leap::Piece(Piece::Hole { first: next, last: name.0 - 1 }));
            }
        }
        Ok(Leap::Nothing)
    }

    /// The first record behind damage in this segment, with the tree before it, if commits name every leaf between, and
    /// how far ahead it lies.
    fn behind(&mut self, end: u64) -> Result<Option<(u64, Tree, usize)>, LogError> {
        let next = self.tree.size();
        let Some(place) = &mut self.place else { return Ok(None) };
        let length = place.file.metadata().map_err(LogError::file(&self.dir))?.len().saturating_sub(place.base + place.at as u64);
        place.load(usize::try_from(length).unwrap_or(0)).map_err(LogError::file(&self.dir))?;
        let (mut at, mut found, mut leaves) = (0, None, BTreeMap::new());
        loop {
            let frame = match segment::step(&place.window, at) {
                Step::Frame(frame) => frame,
                Step::End => break,
                Step::Bad => match segment::resync(&place.window, at + 1, next) {
                    Some(frame) => frame,
                    None => break,
                },
            };
            match frame.kind {
                FrameKind::Record | FrameKind::Erased if frame.index >= end => break,
                FrameKind::Record | FrameKind::Erased if frame.index >= next && found.is_none() => {
                    found = Some((frame.index, frame.at));
                }
                FrameKind::Commit => {
                    if let Some(commit) = segment::parse_commit(frame.bytes) {
                        let first = commit.size - commit.leaves.len() as u64;
                        leaves.extend(commit.leaves.into_iter().enumerate().map(|(n, leaf)| (first + n as u64, leaf)));
                    }
                }
                _ => {}
            }
            // The commit of the group that the record is in names what the damage took of it.
            if found.is_some_and(|(index, _)| (next..index).all(|lost| leaves.contains_key(&lost))) {
                break;
            }
            at = frame.end();
        }
        let Some((index, at)) = found else { return Ok(None) };
        let mut tree = self.tree.clone();
        for lost in next..index {
            let Some(leaf) = leaves.get(&lost) else { return Ok(None) };
            tree.push(*leaf);
        }
        Ok(Some((index, tree, at)))
    }
}

#[cfg(test)]
mod tests;
