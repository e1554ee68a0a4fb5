//! What a crash left: reading a log as it lies on disk, and putting its tail in order.
//!
//! A torn tail (nothing sound after it) is copied to `recovery/` and cut. Damage in the middle (sound
//! frames after it that a later sync made durable) is never cut: good records are kept, the rest is named. Doing it twice, or being
//! killed while doing it, gives the same bytes. Who was killed may have left in the page cache what a power cut still takes:
//! all that the next log will name is made durable here.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::LogError;
use super::files::Files;
use super::merkle::Tree;
use super::note::{self, Checkpoint, Delegation, NoteKey};
use super::record::RecordId;
use super::segment::{self, Frame, FrameKind, HEADER, Step};
use crate::seal::{Digest, digest};

/// A log as it was found, after its tail was put in order.
#[derive(Debug)]
pub(crate) struct Found {
    /// Name of its folder.
    pub(crate) boot: String,
    pub(crate) origin: String,
    /// Records without a hole, by content, by leaf or by what retention left of them.
    pub(crate) size: u64,
    pub(crate) root: Digest,
    /// Largest head that was signed.
    pub(crate) signed: Option<Checkpoint>,
    /// It ends in its seal and nothing was wrong.
    pub(crate) clean: bool,
    /// What was cut.
    pub(crate) cut: Option<(u64, Digest)>,
    /// Indices that cannot be read.
    pub(crate) missing: Vec<(u64, u64)>,
    /// Exchanges that interventions name and that have no end.
    pub(crate) open: Vec<RecordId>,
    /// Exchanges under way by the last heartbeat.
    pub(crate) in_flight: Option<u64>,
    /// Records that were signed are gone, or are others.
    pub(crate) damaged: bool,
}

/// The little that recovery reads of a record.
#[derive(serde::Deserialize)]
struct Glance<'r> {
    kind: &'r str,
    id: &'r str,
    exchange: Option<&'r str>,
    started: Option<u64>,
    ended: Option<u64>,
    prev: Option<GlancePrev>,
    #[serde(default)]
    pruned: Vec<GlancePruned>,
}

#[derive(serde::Deserialize)]
struct GlancePruned {
    origin: String,
    size: u64,
}

#[derive(serde::Deserialize)]
struct GlancePrev {
    #[serde(default)]
    clean: bool,
}

/// What was read of the frames.
#[derive(Debug, Default)]
struct Contents {
    origin: String,
    /// The tree before the first leaf that is here.
    before: Tree,
    /// Records before this one are declared as gone by retention.
    pruned: u64,
    /// Leaf by place after `before`, where it is known.
    leaves: Vec<Option<Digest>>,
    /// Which of them are readable.
    readable: Vec<bool>,
    heads: Vec<Vec<u8>>,
    ended: BTreeSet<RecordId>,
    intervened: BTreeSet<RecordId>,
    in_flight: Option<u64>,
    sealed: bool,
    /// The log follows one that was not sealed, and must say what it found of it.
    owes_recovery: bool,
    /// Sound frames stood after damage.
    holes: bool,
}

impl Contents {
    fn slot(&mut self, index: u64) -> Option<usize> {
        let at = usize::try_from(index.checked_sub(self.before.size())?).ok()?;
        // An index that no segment of ours could hold is garbage.
        if at > self.leaves.len() + (1 << 22) {
            return None;
        }
        if self.leaves.len() <= at {
            self.leaves.resize(at + 1, None);
            self.readable.resize(at + 1, false);
        }
        Some(at)
    }

    fn take(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            FrameKind::Record | FrameKind::Erased => {
                let Some(at) = self.slot(frame.index) else { return };
                if let (Some(leaf), Some(readable)) = (self.leaves.get_mut(at), self.readable.get_mut(at)) {
                    *leaf = Some(frame.leaf());
                    *readable = true;
                }
                if frame.kind == FrameKind::Record {
                    self.glance(frame.bytes);
                }
            }
            FrameKind::Commit => {
                let Some(commit) = segment::parse_commit(frame.bytes) else { return };
                let first = commit.size - commit.leaves.len() as u64;
                for (n, leaf) in commit.leaves.iter().enumerate() {
                    if let Some(slot) = self.slot(first + n as u64).and_then(|at| self.leaves.get_mut(at)) {
                        slot.get_or_insert(*leaf);
                    }
                }
            }
            FrameKind::Checkpoint => self.heads.push(frame.bytes.to_vec()),
            FrameKind::Edge => {}
        }
    }

    fn glance(&mut self, bytes: &[u8]) {
        let Ok(glance) = serde_json::from_slice::<Glance<'_>>(bytes) else { return };
        self.sealed = glance.kind == "log.seal";
        match glance.kind {
            "log.open" => self.owes_recovery = glance.prev.is_some_and(|prev| !prev.clean),
            "recovery" => self.owes_recovery = false,
            "config.change" => {
                let mine = glance.pruned.iter().filter(|pruned| pruned.origin == self.origin);
                self.pruned = mine.map(|pruned| pruned.size).fold(self.pruned, u64::max);
            }
            "exchange" => self.ended.extend(RecordId::parse(glance.id)),
            "intervention" => self.intervened.extend(glance.exchange.and_then(RecordId::parse)),
            "heartbeat" => {
                self.in_flight = glance.started.zip(glance.ended).map(|(started, ended)| started.saturating_sub(ended));
            }
            _ => {}
        }
    }
}

/// Puts the tail of a log in order and says what is there; `None` if nothing in it ever was durable.
pub(crate) fn recover(files: &dyn Files, dir: &Path, boot: &str, attic: &Path) -> Result<Option<Found>, LogError> {
    // What cannot be read now may be read at the next start: only what is not there is none.
    let read = |name: &str| match files.read(&dir.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::file(&dir.join(name))(error)),
    };
    let Some(origin) = read("origin")?.and_then(|o| String::from_utf8(o).ok()).map(|o| o.trim_end().to_owned()) else {
        // The origin is the first file of a log: without it nothing else was made.
        return Ok(None);
    };
    let log = digest(origin.as_bytes());
    let mut segments: Vec<((u64, u32), String)> = files
        .list(dir)
        .map_err(LogError::file(dir))?
        .into_iter()
        .filter_map(|name| Some((segment::parse_name(&name)?, name)))
        .collect();
    segments.sort_unstable();
    let mut contents = Contents { origin: origin.clone(), ..Contents::default() };
    let mut tails = Tails { files, attic, boot, cut: Vec::new() };
    for (at, ((first, _), name)) in segments.iter().enumerate() {
        let path = dir.join(name);
        let file = files.read(&path).map_err(LogError::file(&path))?;
        if segment::is_newer(&file) {
            return Err(LogError::TooNew(path));
        }
        let next = segments.get(at + 1).map(|((next, _), _)| *next);
        if at == 0
            && segment::header_fits(&file, &log, *first)
            && let Some(tree) = segment::edge(&file, *first)
        {
            contents.before = tree;
        }
        let end = if segment::header_fits(&file, &log, *first) {
            walk(&file, HEADER, *first, next, &mut contents)
        } else if let Some(frame) = segment::resync(&file, HEADER, *first)
            .filter(|frame| at + 1 < segments.len() || !is_last_write(&file, frame.at, *first))
        {
            contents.holes = true;
            walk(&file, frame.at, *first, next, &mut contents)
        } else {
            Walk { end: 0, hole: false }
        };
        if !end.hole {
            tails.cut(&path, name, &file, end.end)?;
        }
    }
    // Who died while opening has promised nothing yet, and has not closed what its predecessor left open:
    // the next boot takes that one up itself.
    if (contents.leaves.is_empty() && contents.before.size() == 0) || (contents.owes_recovery && contents.heads.is_empty()) {
        return Ok(None);
    }
    let cut = tails.total()?;
    let (found, note) = judge([read("delegation.note")?, read("checkpoint")?], boot, origin, contents, cut);
    // A head that is stored but was not published yet is published now: the same bytes as it would have been. Where it is
    // there, only the page cache may have it.
    let path = dir.join("checkpoint");
    if let Some(note) = note {
        files.publish(&path, &note, false).map_err(LogError::file(&path))?;
    }
    Ok(Some(found))
}

struct Walk {
    end: usize,
    /// Damage with sound frames after it.
    hole: bool,
}

/// Reads the frames of one segment. `next` is where the following segment begins: what stands here from
/// there on was given up and written anew there.
fn walk(file: &[u8], from: usize, first: u64, next: Option<u64>, contents: &mut Contents) -> Walk {
    let (mut at, mut index, mut hole) = (from, first, false);
    loop {
        match segment::step(file, at) {
            Step::Frame(frame) => {
                let given_up = match frame.kind {
                    kind if kind.is_leaf() => next.is_some_and(|next| frame.index >= next),
                    _ => next.is_some_and(|next| frame.index > next),
                };
                if given_up {
                    return Walk { end: at, hole };
                }
                if frame.kind.is_leaf() {
                    index = frame.index + 1;
                }
                contents.take(&frame);
                at = frame.end();
            }
            Step::End => return Walk { end: at, hole },
            Step::Bad => match segment::resync(file, at, index) {
                Some(frame) if next.map_or_else(|| !is_last_write(file, frame.at, first), |next| frame.index < next) => {
                    hole = true;
                    contents.holes = true;
                    at = frame.at;
                }
                _ => return Walk { end: at, hole },
            },
        }
    }
}

/// Whether all that is sound from here on belongs to one write: a group, or the head that a segment begins with. The sectors
/// of a write that was never synced may reach the disk in any order, with those before it in a new segment, and nobody was
/// told that it is there: it is a torn tail, not damage. Once a write was synced, another follows before long.
fn is_last_write(file: &[u8], from: usize, first: u64) -> bool {
    let (mut at, mut ended) = (from, false);
    loop {
        let frame = match segment::step(file, at) {
            Step::Frame(frame) => frame,
            Step::End => return true,
            Step::Bad => match segment::resync(file, at, 0) {
                Some(frame) => frame,
                None => return true,
            },
        };
        // Before a head of more records than stand before this segment there was a group in it.
        if ended || (frame.kind == FrameKind::Checkpoint && frame.index > first) {
            return false;
        }
        ended = matches!(frame.kind, FrameKind::Commit | FrameKind::Checkpoint);
        at = frame.end();
    }
}

/// Cuts tails, keeping what is cut.
struct Tails<'f> {
    files: &'f dyn Files,
    attic: &'f Path,
    boot: &'f str,
    cut: Vec<String>,
}

impl Tails<'_> {
    fn cut(&mut self, path: &Path, name: &str, file: &[u8], end: usize) -> Result<(), LogError> {
        let tail = file.get(end..).unwrap_or_default();
        let torn = tail.len() - tail.iter().rev().take_while(|b| **b == 0).count();
        let kept = format!("{}-{name}.tail", self.boot);
        if torn > 0 {
            // First kept, then cut: whoever is killed in between does the same again.
            self.files.create_dir(self.attic).map_err(LogError::file(self.attic))?;
            let place = self.attic.join(&kept);
            self.files.publish(&place, tail.get(..torn).unwrap_or_default(), true).map_err(LogError::file(&place))?;
        }
        self.cut.push(kept);
        if end == 0 {
            return self.files.remove(path).map_err(LogError::file(path));
        }
        let opened = self.files.open(path);
        let done = opened.and_then(|mut file| if tail.is_empty() { file.sync() } else { file.cut(end as u64) });
        done.map_err(LogError::file(path))
    }

    /// Everything that was cut from this log, now or by an earlier start that did not get to record it.
    fn total(self) -> Result<Option<(u64, Digest)>, LogError> {
        let kept = match self.files.list(self.attic) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::file(self.attic)(error)),
        };
        let mut bytes = Vec::new();
        for name in kept.iter().filter(|n| n.strip_prefix(self.boot).is_some_and(|n| n.starts_with("-seg-"))) {
            let path = self.attic.join(name);
            bytes.extend(self.files.read(&path).map_err(LogError::file(&path))?);
        }
        Ok((!bytes.is_empty()).then(|| (bytes.len() as u64, digest(&bytes))))
    }
}

/// Holds what is there against what was signed; with the note of the largest head.
fn judge(
    [delegation, published]: [Option<Vec<u8>>; 2],
    boot: &str,
    origin: String,
    contents: Contents,
    cut: Option<(u64, Digest)>,
) -> (Found, Option<Vec<u8>>) {
    let key = instance_key(delegation, &origin);
    let mut notes = contents.heads;
    notes.extend(published);
    let best = notes
        .into_iter()
        .filter_map(|note| Some((Checkpoint::parse(note::open(&note, &[key.as_ref()?]).ok()?).ok()?, note)))
        .filter(|(head, _)| head.origin == origin)
        .max_by_key(|(head, _)| head.size);
    let (signed, note) = best.unzip();
    let base = contents.before.size();
    let mut tree = contents.before;
    let mut damaged = contents.holes;
    for leaf in &contents.leaves {
        let Some(leaf) = leaf else { break };
        tree.push(*leaf);
        if let Some(head) = signed.as_ref().filter(|head| head.size == tree.size()) {
            damaged |= head.root != tree.root();
        }
    }
    let mut missing: Vec<(u64, u64)> = Vec::new();
    let mut miss = |first: u64, last: u64| match missing.last_mut() {
        Some((_, before)) if *before + 1 == first => *before = last,
        _ => missing.push((first, last)),
    };
    if base > contents.pruned {
        miss(contents.pruned, base - 1);
    }
    for (at, _) in contents.readable.iter().enumerate().filter(|(_, readable)| !**readable) {
        miss(base + at as u64, base + at as u64);
    }
    let end = base + contents.leaves.len() as u64;
    if let Some(head) = signed.as_ref().filter(|head| head.size > end) {
        damaged = true;
        miss(end, head.size - 1);
    }
    damaged |= !missing.is_empty();
    let found = Found {
        boot: boot.to_owned(),
        size: tree.size(),
        root: tree.root(),
        clean: contents.sealed && !damaged && cut.is_none() && signed.as_ref().is_some_and(|head| head.size == end),
        signed,
        cut,
        missing,
        open: contents.intervened.difference(&contents.ended).copied().collect(),
        in_flight: contents.in_flight.filter(|_| !contents.sealed),
        damaged,
        origin,
    };
    (found, note)
}

/// The key of the log by its delegation. Who signed the delegation is the verifier's question.
fn instance_key(delegation: Option<Vec<u8>>, origin: &str) -> Option<NoteKey> {
    let note = String::from_utf8(delegation?).ok()?;
    let (text, _) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
    let delegation = Delegation::parse(text).ok()?;
    (delegation.origin == origin).then_some(delegation.key)
}
