//! A batch: a run of records as every sink gets it, self-contained and checkable by itself.
//!
//! ```text
//! servanda evidence batch v1
//! origin <origin of the log>
//! first <index> last <index>
//! root <root of the tree over all records up to the last, base64>
//! delegation <the note by which the root key vouches for the key of the log, base64>
//!
//! <a segment, zstd>
//! ```
//!
//! The segment is one of the log's own format: header, edge (the peaks of the tree before the first record), records, a
//! commit, and the signed head if the batch ends where one was signed. So a folder of batches is a log that `verify`
//! reads, and a batch names itself by its content: log, first, last and root.
//!
//! Promises: what [`Batch::parse`] gives was recomputed from its bytes: every leaf, the root, the head against the key.
//! Who delegated that key is for whoever has a root key to check.

use crate::base::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use crate::evidence::error::LogError;
use crate::evidence::merkle::Tree;
use crate::evidence::note::{self, Checkpoint, Delegation};
use crate::evidence::segment::{self, FRAME, FrameKind, HEADER, PREAMBLE_MAX, Step};
use crate::seal::{Digest, digest, encode};

/// First line of a batch.
pub const BATCH: &str = "servanda evidence batch v1";
/// What a segment takes at most beside the records themselves: frames, leaves, edge, head.
const SEGMENT_MAX: usize = BATCH_BYTES_MAX + BATCH_RECORDS_MAX * (FRAME + 32) + PREAMBLE_MAX + note::NOTE_MAX + (64 << 10);
/// Longest head of a batch: origin, numbers, delegation.
const HEAD_MAX: usize = 8 << 10;
/// Fast, and no worse on records than the slower ones.
const ZSTD_LEVEL: i32 = 1;

/// A run of records of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    origin: String,
    first: u64,
    last: u64,
    root: Digest,
    delegation: String,
    segment: Vec<u8>,
    wire: Vec<u8>,
}

/// What all batches of one log have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCard {
    /// The origin.
    pub origin: String,
    /// The note by which the root vouches for the key of the log.
    pub delegation: String,
}

impl LogCard {
    /// Id of the log: digest of its origin.
    pub fn log(&self) -> Digest {
        digest(self.origin.as_bytes())
    }

    /// Name of the folder it lies in.
    pub fn boot(&self) -> &str {
        boot_of(&self.origin)
    }
}

/// The last part of an origin: the name of the log's folder.
pub(crate) fn boot_of(origin: &str) -> &str {
    origin.rsplit('/').next().unwrap_or(origin)
}

fn malformed(why: &'static str) -> LogError {
    LogError::Malformed(why)
}

/// A batch under way.
#[derive(Debug)]
pub(crate) struct Builder {
    segment: Vec<u8>,
    before: u64,
    leaves: Vec<Digest>,
    bytes: usize,
}

impl Builder {
    /// Begins after the records in `tree`.
    pub(crate) fn new(log: &Digest, tree: &Tree) -> Self {
        Self { segment: segment::preamble(log, tree), before: tree.size(), leaves: Vec::new(), bytes: 0 }
    }

    /// How many records are in it.
    pub(crate) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether another record of so many bytes still belongs to it.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.leaves.is_empty() || (self.leaves.len() < BATCH_RECORDS_MAX && self.bytes + bytes <= BATCH_BYTES_MAX)
    }

    /// Adds the next record, or what is left of an erased one, to the tree as well.
    pub(crate) fn push(&mut self, tree: &mut Tree, kind: FrameKind, record: &[u8]) {
        let leaf = kind.leaf(record);
        segment::push_frame(&mut self.segment, kind, tree.size(), record);
        tree.push(leaf);
        self.leaves.push(leaf);
        self.bytes += record.len();
    }

    /// Ends it after the records in `tree`, with the head that was signed there, if one was.
    pub(crate) fn end(mut self, card: &LogCard, tree: &Tree, head: Option<&[u8]>) -> Result<Batch, LogError> {
        let last = tree.size().checked_sub(1).filter(|_| !self.leaves.is_empty()).ok_or(malformed("a batch without records"))?;
        let root = tree.root();
        let commit = segment::commit(tree.size(), &root, crc32c::crc32c(&self.segment), self.leaves.iter().copied());
        segment::push_frame(&mut self.segment, FrameKind::Commit, tree.size(), &commit);
        if let Some(head) = head {
            segment::push_frame(&mut self.segment, FrameKind::Checkpoint, tree.size(), head);
        }
        Batch::pack(card, self.before, last, root, self.segment)
    }
}

impl Batch {
    fn pack(card: &LogCard, first: u64, last: u64, root: Digest, segment: Vec<u8>) -> Result<Self, LogError> {
        let mut wire = format!(
            "{BATCH}\norigin {}\nfirst {first} last {last}\nroot {}\ndelegation {}\n\n",
            card.origin,
            encode::base64(&root.0),
            encode::base64(card.delegation.as_bytes())
        )
        .into_bytes();
        let packed = zstd::bulk::compress(&segment, ZSTD_LEVEL).map_err(|_| malformed("a batch could not be compressed"))?;
        wire.extend(packed);
        let LogCard { origin, delegation } = card.clone();
        Ok(Self { origin, first, last, root, delegation, segment, wire })
    }

    /// The batch whose segment this is, recomputed.
    pub(crate) fn of_segment(card: &LogCard, first: u64, segment: Vec<u8>) -> Result<Self, LogError> {
        let bad = || malformed("no segment of one batch");
        let mut at = HEADER;
        let commit = loop {
            let Step::Frame(frame) = segment::step(&segment, at) else { return Err(bad()) };
            if frame.kind == FrameKind::Commit {
                break segment::parse_commit(frame.bytes).ok_or_else(bad)?;
            }
            at = frame.end();
        };
        let last = commit.size.checked_sub(1).ok_or_else(bad)?;
        let batch = Self::pack(card, first, last, commit.root, segment)?;
        batch.check()?;
        Ok(batch)
    }

    /// Reads a batch and recomputes it.
    pub fn parse(wire: &[u8]) -> Result<Self, LogError> {
        let bad = || malformed("no batch: its head is not that of `servanda evidence batch v1`");
        let head = wire.get(..wire.len().min(HEAD_MAX)).unwrap_or_default();
        let end = head.windows(2).position(|two| two == b"\n\n").ok_or_else(bad)?;
        let text = std::str::from_utf8(head.get(..end).unwrap_or_default()).map_err(|_| bad())?;
        let packed = wire.get(end + 2..).unwrap_or_default();
        let mut lines = text.split('\n');
        if lines.next() != Some(BATCH) {
            return Err(bad());
        }
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' ')).ok_or_else(bad);
        let origin = field("origin")?.to_owned();
        let (first, last) = field("first")?.split_once(" last ").ok_or_else(bad)?;
        let (first, last): (u64, u64) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        let root = encode::parse_base64(field("root")?).and_then(|r| r.try_into().ok()).map(Digest).ok_or_else(bad)?;
        let delegation = encode::parse_base64(field("delegation")?).and_then(|d| String::from_utf8(d).ok()).ok_or_else(bad)?;
        if lines.next().is_some() || !note::is_name(&origin) {
            return Err(bad());
        }
        let segment =
            zstd::bulk::decompress(packed, SEGMENT_MAX).map_err(|_| malformed("the segment of a batch cannot be unpacked"))?;
        let batch = Self { origin, first, last, root, delegation, segment, wire: wire.to_vec() };
        batch.check()?;
        Ok(batch)
    }

    /// Everything that can be said of it without a root key.
    fn check(&self) -> Result<(), LogError> {
        let log = digest(self.origin.as_bytes());
        if !segment::header_fits(&self.segment, &log, self.first) {
            return Err(malformed("the segment of a batch is of another log or place"));
        }
        let (mut at, mut tree, mut leaves) = (HEADER, Tree::default(), Vec::new());
        if self.first > 0 {
            tree = segment::edge(&self.segment, self.first).ok_or(malformed("a batch has no edge"))?;
            at = match segment::step(&self.segment, HEADER) {
                Step::Frame(edge) => edge.end(),
                Step::End | Step::Bad => at,
            };
        }
        let (mut committed, mut headed) = (false, false);
        while at < self.segment.len() {
            let Step::Frame(frame) = segment::step(&self.segment, at) else {
                return Err(malformed("a frame of a batch is broken"));
            };
            match frame.kind {
                kind if kind.is_leaf() && !committed && frame.index == tree.size() && leaves.len() < BATCH_RECORDS_MAX => {
                    leaves.push(frame.leaf());
                    tree.push(frame.leaf());
                }
                FrameKind::Commit if !committed && !leaves.is_empty() => {
                    let running = crc32c::crc32c(self.segment.get(..frame.at).unwrap_or_default());
                    let commit = segment::parse_commit(frame.bytes).ok_or(malformed("the commit of a batch is malformed"))?;
                    let holds = commit.size == tree.size() && commit.root == tree.root() && commit.leaves == leaves;
                    if !holds || frame.index != commit.size || commit.running != running {
                        return Err(malformed("the commit of a batch is not that of its records"));
                    }
                    committed = true;
                }
                FrameKind::Checkpoint if committed && !headed => {
                    self.check_head(frame.bytes, &tree)?;
                    headed = true;
                }
                _ => return Err(malformed("a frame stands where none belongs in a batch")),
            }
            at = frame.end();
        }
        let ends = self.last.checked_add(1) == Some(tree.size()) && self.root == tree.root();
        if committed && ends { Ok(()) } else { Err(malformed("the records of a batch are not those that it names")) }
    }

    fn check_head(&self, head: &[u8], tree: &Tree) -> Result<(), LogError> {
        let key = self.delegated()?.key;
        let head = note::open(head, &[&key]).and_then(Checkpoint::parse)?;
        let fits = head.origin == self.origin && head.size == tree.size() && head.root == tree.root();
        if fits { Ok(()) } else { Err(malformed("the head of a batch is not that of its records")) }
    }

    /// What the root says of the key of the log, not yet checked against a root key.
    pub fn delegated(&self) -> Result<Delegation, LogError> {
        let bad = || malformed("the delegation of a batch is malformed");
        let (text, _) = self.delegation.split_at_checked(self.delegation.rfind("\n\n").ok_or_else(bad)? + 1).ok_or_else(bad)?;
        let delegation = Delegation::parse(text)?;
        if delegation.origin == self.origin {
            Ok(delegation)
        } else {
            Err(malformed("the delegation of a batch is of another log"))
        }
    }

    /// Origin of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Id of the log: digest of its origin.
    pub fn log(&self) -> Digest {
        digest(self.origin.as_bytes())
    }

    /// Origin and delegation of the log.
    pub fn card(&self) -> LogCard {
        LogCard { origin: self.origin.clone(), delegation: self.delegation.clone() }
    }

    /// Index of its first record.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Index of its last record.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Records of the log up to its end.
    pub fn size(&self) -> u64 {
        self.last.saturating_add(1)
    }

    /// How many records are in it.
    pub fn count(&self) -> u64 {
        self.size().saturating_sub(self.first)
    }

    /// Root over all records up to its last.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// What tells it from every other: log, first, last, root. The same records never have another.
    pub fn id(&self) -> String {
        format!("{}/{}-{}/{}", self.log().base64url(), self.first, self.last, self.root.base64url())
    }

    /// It as it is sent and stored.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The segment inside, as it may lie in a log's folder.
    pub fn segment(&self) -> &[u8] {
        &self.segment
    }

    /// Its records in order: index and canonical bytes. Without those that were erased.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.frames().filter(|frame| frame.kind == FrameKind::Record).map(|frame| (frame.index, frame.bytes))
    }

    /// The head that was signed at its end, if one was.
    pub fn head(&self) -> Option<&[u8]> {
        self.frames().find(|frame| frame.kind == FrameKind::Checkpoint).map(|frame| frame.bytes)
    }

    fn frames(&self) -> impl Iterator<Item = segment::Frame<'_>> {
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let Step::Frame(frame) = segment::step(&self.segment, at) else { return None };
            at = frame.end();
            Some(frame)
        })
    }

    /// The same records in two batches, for who takes only smaller ones; `None` for a single record.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let card = self.card();
        let middle = usize::try_from(self.count() / 2).ok().filter(|middle| *middle > 0)?;
        let mut tree = if self.first == 0 { Tree::default() } else { segment::edge(&self.segment, self.first)? };
        let mut left = Builder::new(&card.log(), &tree);
        let mut leaves = self.frames().filter(|frame| frame.kind.is_leaf());
        for frame in leaves.by_ref().take(middle) {
            left.push(&mut tree, frame.kind, frame.bytes);
        }
        let left = left.end(&card, &tree, None).ok()?;
        let mut right = Builder::new(&card.log(), &tree);
        for frame in leaves {
            right.push(&mut tree, frame.kind, frame.bytes);
        }
        Some((left, right.end(&card, &tree, self.head()).ok()?))
    }
}

#[cfg(test)]
mod tests;
