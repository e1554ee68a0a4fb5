//! What may go: whole segments that are closed, from the oldest on, by age and by size.
//!
//! First it is said, then done: the record that names what goes is durable and under a signed head before
//! the first file is touched. Whoever dies in between leaves files that are said to be gone; they are
//! sound, and go at the next look. A whole log goes in one step, by being moved aside first.
//!
//! Where there are sinks, what they lack stays beyond its age, up to the ceiling of bytes: there the oldest goes all the
//! same, and the record says who had not got it. Not looked at: files that are no segments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use super::keeping::Pruned;
use super::merkle::Tree;
use super::note::Checkpoint;
use super::segment::{self, FrameKind, HEADER, PREAMBLE_MAX, Step};
use super::shape::{Int, Text};
use super::shipped::Shipped;
use crate::seal::Digest;

/// The ways of a directory, and how long its logs are kept.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) files: Arc<dyn Files>,
    /// The evidence directory.
    pub(crate) dir: PathBuf,
    /// Seconds that a closed segment is kept.
    pub(crate) keep: i64,
    /// Bytes that all logs together may take.
    pub(crate) keep_bytes: u64,
    /// How far sinks have got.
    pub(crate) shipped: Arc<Shipped>,
}

/// What is to be done, and how much there is now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What to say of it.
    pub(crate) pruned: Vec<Pruned>,
    /// In this order.
    steps: Vec<Going>,
    /// Bytes of all logs before anything goes.
    pub(crate) bytes: u64,
    /// Segments that go although sinks lack them.
    pub(crate) unshipped: u64,
    /// Who lacks them.
    pub(crate) lacking: BTreeSet<String>,
}

/// One thing that goes.
#[derive(Debug)]
enum Going {
    Segment(PathBuf, u64),
    Log(PathBuf, u64),
}

/// One log on disk.
struct Lying {
    dir: PathBuf,
    /// Name, bytes and last change of each segment, oldest first.
    segments: Vec<(u64, PathBuf, u64, i64)>,
    /// Bytes of everything in it.
    bytes: u64,
}

impl Retention {
    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// Where a log is moved before it is removed.
    fn aside(&self) -> PathBuf {
        self.dir.join("removed")
    }

    /// All logs, oldest first.
    fn survey(&self) -> std::io::Result<Vec<Lying>> {
        let logs = self.logs();
        let mut out = Vec::new();
        for boot in self.files.list(&logs)? {
            let dir = logs.join(boot);
            let mut log = Lying { segments: Vec::new(), bytes: 0, dir };
            let mut names = Vec::new();
            for name in self.files.list(&log.dir)? {
                let path = log.dir.join(&name);
                let (bytes, changed) = self.files.stat(&path)?;
                log.bytes += bytes;
                if let Some(place) = segment::parse_name(&name) {
                    names.push((place, path, bytes, changed));
                }
            }
            names.sort_unstable();
            log.segments = names.into_iter().map(|((first, _), path, bytes, changed)| (first, path, bytes, changed)).collect();
            out.push(log);
        }
        Ok(out)
    }

    /// What is to go at a time in Unix seconds; the segment that is written stays, and the log it is in.
    pub(crate) fn plan(&self, now: i64, active: &Path) -> Plan {
        let all = match self.survey() {
            Ok(all) => all,
            Err(error) => {
                // What cannot be looked at is not let go: it could not be said what went.
                tracing::warn!(%error, "old evidence could not be looked at");
                return Plan::default();
            }
        };
        let mut plan = Plan { bytes: all.iter().map(|log| log.bytes).sum(), ..Plan::default() };
        let mut left = plan.bytes;
        for log in all {
            let own = active.starts_with(&log.dir);
            let boot = log.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut gone: Vec<(PathBuf, u64)> = Vec::new();
            let mut edge = None;
            let mut pieces = log.segments.iter().peekable();
            let mut whole = !own;
            while let Some((_, path, bytes, changed)) = pieces.next() {
                let full = left > self.keep_bytes;
                if path == active || !(full || now.saturating_sub(*changed) > self.keep) {
                    whole = false;
                    break;
                }
                let end = match pieces.peek() {
                    Some((next, ..)) => Some(*next),
                    None => self.end_of(&log).ok().flatten().map(|(size, _)| size),
                };
                let lacking = self.shipped.lacking(&boot, end.unwrap_or(u64::MAX));
                if !lacking.is_empty() && !full {
                    whole = false;
                    break;
                }
                if let Some((first, next, ..)) = pieces.peek() {
                    // A segment can only go if the next one says what the tree was before it.
                    let Some(known) = self.edge(next, *first) else {
                        whole = false;
                        break;
                    };
                    edge = Some(known);
                }
                plan.unshipped += u64::from(!lacking.is_empty());
                plan.lacking.extend(lacking);
                left = left.saturating_sub(*bytes);
                gone.push((path.clone(), *bytes));
            }
            if !whole && gone.is_empty() {
                break;
            }
            let end = if whole { self.end_of(&log) } else { Ok(None) };
            let (origin, end) = match (self.text(&log.dir.join("origin")), end) {
                (Ok(origin), Ok(end)) => (origin, end),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::warn!(%error, path = %log.dir.display(), "old evidence could not be read, and stays");
                    break;
                }
            };
            if whole {
                let (size, root) = end.unzip();
                left = left.saturating_sub(log.bytes.saturating_sub(gone.iter().map(|(_, bytes)| bytes).sum()));
                plan.say(log.bytes, &origin, root, size.unwrap_or(0));
                plan.steps.push(Going::Log(log.dir, log.bytes));
                continue;
            }
            if let Some((size, root)) = edge {
                plan.say(gone.iter().map(|(_, bytes)| bytes).sum(), &origin, Some(root), size);
                plan.steps.extend(gone.into_iter().map(|(path, bytes)| Going::Segment(path, bytes)));
            }
            break;
        }
        plan
    }

    /// Does what the plan says, after that was recorded; the bytes that it freed. What cannot be removed is
    /// tried again at the next look.
    pub(crate) fn carry_out(&self, plan: &Plan) -> u64 {
        let mut freed = 0;
        for step in &plan.steps {
            let (path, bytes, done) = match step {
                Going::Segment(path, bytes) => (path, bytes, self.files.remove(path)),
                Going::Log(path, bytes) => (path, bytes, self.discard(path)),
            };
            match done {
                Ok(()) => freed += bytes,
                Err(error) => {
                    // What is younger stays as long as this does: there are no holes.
                    tracing::warn!(%error, path = %path.display(), "old evidence could not be removed");
                    break;
                }
            }
        }
        freed
    }

    /// Removes a log in one step: half a log is never seen among the others.
    pub(crate) fn discard(&self, log: &Path) -> std::io::Result<()> {
        let aside = self.aside();
        self.files.create_dir(&aside)?;
        let boot = log.file_name().unwrap_or_default();
        let place = aside.join(boot);
        self.files.rename(log, &place)?;
        self.files.remove(&place)?;
        let tails = self.dir.join("recovery");
        let mine = format!("{}-seg-", boot.to_string_lossy());
        for tail in self.files.list(&tails).unwrap_or_default().iter().filter(|name| name.starts_with(&mine)) {
            self.files.remove(&tails.join(tail))?;
        }
        Ok(())
    }

    /// Ends what an earlier process did not get to end.
    pub(crate) fn sweep(&self) {
        let aside = self.aside();
        for name in self.files.list(&aside).unwrap_or_default() {
            if let Err(error) = self.files.remove(&aside.join(name)) {
                tracing::warn!(%error, "an old evidence log could not be removed");
            }
        }
    }

    /// A short text; one that is not there is empty.
    fn text(&self, path: &Path) -> std::io::Result<String> {
        match self.files.read(path) {
            Ok(bytes) => Ok(String::from_utf8(bytes).unwrap_or_default().trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Size and root of the tree before a segment, if the segment says.
    fn edge(&self, path: &Path, first: u64) -> Option<(u64, Digest)> {
        let mut file = self.files.open(path).ok()?;
        let length = self.files.stat(path).ok()?.0.min(PREAMBLE_MAX as u64);
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_at(0, &mut bytes).ok()?;
        let tree = segment::edge(&bytes, first)?;
        Some((tree.size(), tree.root()))
    }

    /// Size and root of a whole log: by its last commit and what a crash left behind it, or by its head.
    fn end_of(&self, log: &Lying) -> std::io::Result<Option<(u64, Digest)>> {
        if let Some((first, path, ..)) = log.segments.last() {
            let file = self.files.read(path)?;
            let (mut at, mut last, mut beyond) = (HEADER, None, false);
            while let Step::Frame(frame) = segment::step(&file, at) {
                at = frame.end();
                beyond |= frame.kind.is_leaf();
                if frame.kind == FrameKind::Commit {
                    last = segment::parse_commit(frame.bytes).map(|commit| (commit.size, commit.root));
                    beyond = false;
                }
            }
            let end = last.filter(|_| !beyond).or_else(|| counted(&file, *first));
            if end.is_some() {
                return Ok(end);
            }
        }
        let note = self.text(&log.dir.join("checkpoint"))?;
        let text = note.rfind("\n\n").and_then(|at| note.get(..=at));
        Ok(text.and_then(|text| Checkpoint::parse(text).ok()).map(|head| (head.size, head.root)))
    }
}

/// Size and root of the log that ends in this segment, by its edge and its records, as the start after a crash counts them.
fn counted(file: &[u8], first: u64) -> Option<(u64, Digest)> {
    let mut tree = segment::edge(file, first).or_else(|| (first == 0).then(Tree::default))?;
    let mut at = HEADER;
    while let Step::Frame(frame) = segment::step(file, at) {
        at = frame.end();
        if frame.kind.is_leaf() {
            tree.push(frame.leaf());
        }
    }
    (tree.size() > 0).then(|| (tree.size(), tree.root()))
}

impl Plan {
    fn say(&mut self, bytes: u64, origin: &str, root: Option<Digest>, size: u64) {
        let pruned = Pruned { bytes: Int::saturating(bytes), origin: Text::from(origin), root, size: Int::saturating(size) };
        self.pruned.push(pruned);
    }

    /// Whether nothing is to go.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
