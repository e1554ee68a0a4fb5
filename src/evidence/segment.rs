//! Segments: records on disk in frames with checksum and index, closed by commit frames.
//!
//! Header (64 B): magic, version, log id, first index, CRC32C. Frame: length u32 | CRC32C u32 | index u64
//! | kind u8 | flags u8 | bytes, all little-endian, the CRC over everything but itself. A commit frame
//! closes each group: size, root, CRC of the segment up to it, and the leaf hashes of the group, so that
//! a record that rots can be named and its neighbours still be proven. A checkpoint frame holds a signed
//! head. An erased frame stands where a record was whose content was erased, and holds its leaf hash. A segment that does not begin the log begins with an edge frame: the peaks of the tree over all
//! records before it, so that the log can be read on when retention has taken those away. Frames never
//! span segments. What follows the last frame is zero.

use super::merkle::{Tree, leaf_hash};
use crate::base::limits::RECORD_HARD_MAX;
use crate::seal::Digest;

/// Size of the header.
pub(crate) const HEADER: usize = 64;
/// Size of a frame without its bytes.
pub(crate) const FRAME: usize = 18;
/// The format written here.
const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"SRVDNLOG";
/// Records of one group commit.
pub(crate) const GROUP_RECORDS: usize = 4096;
/// Bytes of one group commit, before its commit frame.
pub(crate) const GROUP_BYTES: usize = 1 << 20;
/// Size, root and CRC in a commit frame; leaf hashes follow.
const COMMIT: usize = 8 + 32 + 4;
/// Room that header and edge take at most.
pub(crate) const PREAMBLE_MAX: usize = HEADER + FRAME + 64 * 32;
/// Longest content of a frame.
const FRAME_MAX: usize = COMMIT + 32 * GROUP_RECORDS;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Record = 1,
    Commit = 2,
    Checkpoint = 3,
    Edge = 4,
    /// In the place of a record whose content was erased: its leaf.
    Erased = 5,
}

/// The first 64 bytes of a segment.
pub(crate) fn header(log: &Digest, first: u64) -> [u8; HEADER] {
    let mut bytes = [0u8; HEADER];
    let content = MAGIC.iter().copied().chain(VERSION.to_le_bytes()).chain([0; 4]).chain(log.0).chain(first.to_le_bytes());
    for (to, from) in bytes.iter_mut().zip(content) {
        *to = from;
    }
    if let Some((content, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(content).to_le_bytes();
    }
    bytes
}

/// What a segment begins with: its header, and the edge of the tree before it.
pub(crate) fn preamble(log: &Digest, tree: &Tree) -> Vec<u8> {
    let mut out = header(log, tree.size()).to_vec();
    if tree.size() > 0 {
        let peaks: Vec<u8> = tree.peaks().iter().flat_map(|peak| peak.0).collect();
        push_frame(&mut out, FrameKind::Edge, tree.size(), &peaks);
    }
    out
}

/// The tree before a segment that begins at `first`, if the segment says.
pub(crate) fn edge(file: &[u8], first: u64) -> Option<Tree> {
    let frame = frame_at(file, HEADER).filter(|frame| frame.kind == FrameKind::Edge && frame.index == first)?;
    edge_of(frame.index, frame.bytes)
}

/// The tree that the content of an edge frame tells of.
pub(crate) fn edge_of(size: u64, bytes: &[u8]) -> Option<Tree> {
    let (peaks, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return None;
    }
    Tree::of_peaks(size, peaks.iter().map(|peak| Digest(*peak)).collect())
}

/// Whether a file begins with the header of this log and first index.
pub(crate) fn header_fits(file: &[u8], log: &Digest, first: u64) -> bool {
    file.starts_with(&header(log, first))
}

/// Whether the header is sound but of a later version.
pub(crate) fn is_newer(file: &[u8]) -> bool {
    let version = file.get(8..12).and_then(|v| v.try_into().ok()).map(u32::from_le_bytes);
    file.starts_with(MAGIC) && version.is_some_and(|v| v > VERSION && v < 1 << 16) && {
        let (content, crc) = file.get(..HEADER).and_then(|h| h.split_last_chunk::<4>()).unwrap_or((&[], &[0; 4]));
        crc32c::crc32c(content).to_le_bytes() == *crc
    }
}

/// Name of the segment that begins at an index; `attempt` tells those apart that begin alike.
pub(crate) fn name(first: u64, attempt: u32) -> String {
    if attempt == 0 { format!("seg-{first:020}.log") } else { format!("seg-{first:020}-{attempt}.log") }
}

/// Reads a name back.
pub(crate) fn parse_name(text: &str) -> Option<(u64, u32)> {
    let middle = text.strip_prefix("seg-")?.strip_suffix(".log")?;
    let (first, attempt) = middle.split_once('-').map_or((middle, "0"), |(first, attempt)| (first, attempt));
    let (first, attempt) = (first.parse().ok()?, attempt.parse().ok()?);
    (name(first, attempt) == text).then_some((first, attempt))
}

/// Appends a frame.
pub(crate) fn push_frame(out: &mut Vec<u8>, kind: FrameKind, index: u64, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut head = [0u8; FRAME - 8];
    for (to, from) in head.iter_mut().zip(index.to_le_bytes().into_iter().chain([kind as u8, 0])) {
        *to = from;
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), &head), bytes);
    out.extend_from_slice(&length);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(bytes);
}

/// Content of a commit frame.
pub(crate) fn commit(size: u64, root: &Digest, running: u32, leaves: impl Iterator<Item = Digest>) -> Vec<u8> {
    let mut out = Vec::with_capacity(COMMIT + 32 * leaves.size_hint().0);
    out.extend(size.to_le_bytes());
    out.extend(root.0);
    out.extend(running.to_le_bytes());
    for leaf in leaves {
        out.extend(leaf.0);
    }
    out
}

/// A commit frame as read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) running: u32,
    pub(crate) leaves: Vec<Digest>,
}

/// Reads the content of a commit frame.
pub(crate) fn parse_commit(bytes: &[u8]) -> Option<Commit> {
    let (size, rest) = bytes.split_first_chunk::<8>()?;
    let (root, rest) = rest.split_first_chunk::<32>()?;
    let (running, rest) = rest.split_first_chunk::<4>()?;
    let (leaves, rest) = rest.as_chunks::<32>();
    let commit = Commit {
        size: u64::from_le_bytes(*size),
        root: Digest(*root),
        running: u32::from_le_bytes(*running),
        leaves: leaves.iter().map(|leaf| Digest(*leaf)).collect(),
    };
    (rest.is_empty() && commit.size >= commit.leaves.len() as u64).then_some(commit)
}

/// A sound frame in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'f> {
    /// Where it begins.
    pub(crate) at: usize,
    pub(crate) kind: FrameKind,
    pub(crate) index: u64,
    pub(crate) bytes: &'f [u8],
}

impl FrameKind {
    /// Whether it takes an index of the log: a record, or what an erased one left.
    pub(crate) fn is_leaf(self) -> bool {
        matches!(self, Self::Record | Self::Erased)
    }

    /// The leaf that a frame of this kind with these bytes adds to the tree.
    pub(crate) fn leaf(self, bytes: &[u8]) -> Digest {
        match (self, bytes.first_chunk::<32>()) {
            (Self::Erased, Some(leaf)) => Digest(*leaf),
            _ => leaf_hash(bytes),
        }
    }
}

impl Frame<'_> {
    /// Where the next one begins.
    pub(crate) fn end(&self) -> usize {
        self.at + FRAME + self.bytes.len()
    }

    /// Leaf of a record, erased or not.
    pub(crate) fn leaf(&self) -> Digest {
        self.kind.leaf(self.bytes)
    }
}

/// The sound frame at an offset.
pub(crate) fn frame_at(file: &[u8], at: usize) -> Option<Frame<'_>> {
    let (length, rest) = file.get(at..)?.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length == 0 || length > FRAME_MAX {
        return None;
    }
    let covered = rest.get(..FRAME - 8 + length)?;
    let (head, bytes) = covered.split_first_chunk::<{ FRAME - 8 }>()?;
    let [.., kind, 0] = head else { return None };
    let kind = match kind {
        1 if length <= RECORD_HARD_MAX => FrameKind::Record,
        2 => FrameKind::Commit,
        3 => FrameKind::Checkpoint,
        4 => FrameKind::Edge,
        5 if length == 32 => FrameKind::Erased,
        _ => return None,
    };
    let sum = crc32c::crc32c_append(crc32c::crc32c(&u32::try_from(length).ok()?.to_le_bytes()), covered);
    let (index, _) = head.split_first_chunk::<8>()?;
    (sum == u32::from_le_bytes(*crc)).then_some(Frame { at, kind, index: u64::from_le_bytes(*index), bytes })
}

/// What stands at an offset.
#[derive(Debug)]
pub(crate) enum Step<'f> {
    /// A sound frame.
    Frame(Frame<'f>),
    /// Zeros to the end, or the end itself.
    End,
    /// Neither.
    Bad,
}

/// What stands at an offset.
pub(crate) fn step(file: &[u8], at: usize) -> Step<'_> {
    if let Some(frame) = frame_at(file, at) {
        return Step::Frame(frame);
    }
    if file.get(at..).unwrap_or_default().iter().all(|b| *b == 0) { Step::End } else { Step::Bad }
}

/// The next sound frame after damage: one whose index is not before `index`. Garbage that looks like a
/// frame needs a fitting CRC.
pub(crate) fn resync(file: &[u8], from: usize, index: u64) -> Option<Frame<'_>> {
    // No gap in one file can be longer than the records that fit into it.
    let furthest = index.saturating_add((file.len() / FRAME) as u64);
    (from..file.len().saturating_sub(FRAME)).find_map(|at| {
        // Cheap look first: the kind is one of five and the flags are zero.
        let head = file.get(at + 12..at + FRAME)?;
        if !matches!(head, [_, _, _, _, 1..=5, 0]) {
            return None;
        }
        frame_at(file, at).filter(|frame| frame.index >= index && frame.index <= furthest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::digest;

    fn file() -> Vec<u8> {
        let mut out = header(&digest(b"log"), 5).to_vec();
        for n in 0..3u64 {
            push_frame(&mut out, FrameKind::Record, 5 + n, format!("record {n}").as_bytes());
        }
        let running = crc32c::crc32c(&out);
        let bytes = commit(8, &digest(b"root"), running, (0..3).map(|n| digest(&[n])));
        push_frame(&mut out, FrameKind::Commit, 8, &bytes);
        out
    }

    fn read(file: &[u8]) -> (Vec<u64>, bool) {
        let (mut at, mut seen) = (HEADER, Vec::new());
        while let Step::Frame(frame) = step(file, at) {
            seen.push(frame.index);
            at = frame.end();
        }
        (seen, matches!(step(file, at), Step::End))
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = file();
        assert_eq!(read(&good), (vec![5, 6, 7, 8], true));
        assert!(header_fits(&good, &digest(b"log"), 5));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if bit / 8 < HEADER {
                assert!(!header_fits(&bad, &digest(b"log"), 5));
            } else {
                let (seen, clean) = read(&bad);
                assert!(seen.len() < 4 && !clean, "bit {bit}");
            }
        }
    }

    #[test]
    fn every_cut_keeps_the_whole_frames_before_it() {
        let good = file();
        for cut in HEADER..good.len() {
            let mut torn = good[..cut].to_vec();
            let (whole, _) = read(&torn);
            torn.resize(good.len() + 100, 0);
            let (seen, _) = read(&torn);
            assert_eq!(seen, whole);
            assert_eq!(seen, (5..5 + seen.len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn reading_goes_on_after_damage() {
        let mut bad = file();
        bad[HEADER + FRAME] ^= 1;
        assert!(matches!(step(&bad, HEADER), Step::Bad));
        assert_eq!(resync(&bad, HEADER + 1, 6).unwrap().index, 6);
        assert!(resync(&bad, HEADER + 1, 9).is_none());
    }

    #[test]
    fn an_edge_reads_back() {
        let log = digest(b"log");
        let mut tree = Tree::default();
        assert_eq!(preamble(&log, &tree), header(&log, 0));
        for n in 0..20u8 {
            tree.push(digest(&[n]));
            let file = preamble(&log, &tree);
            assert!(header_fits(&file, &log, tree.size()) && file.len() <= PREAMBLE_MAX);
            assert_eq!(edge(&file, tree.size()), Some(tree.clone()));
            assert_eq!(edge(&file, tree.size() + 1), None);
        }
        // One peak too few for its size.
        let mut bad = header(&log, 3).to_vec();
        push_frame(&mut bad, FrameKind::Edge, 3, &digest(b"peak").0);
        assert_eq!(edge(&bad, 3), None);
    }

    #[test]
    fn names_and_commits_read_back() {
        assert_eq!(parse_name(&name(7, 0)), Some((7, 0)));
        assert_eq!(parse_name(&name(7, 2)), Some((7, 2)));
        for bad in ["seg-7.log", "seg-00000000000000000007-0.log", "seg-00000000000000000007.log.new", "x"] {
            assert_eq!(parse_name(bad), None);
        }
        let leaves = [digest(b"a"), digest(b"b")];
        let bytes = commit(9, &digest(b"r"), 3, leaves.into_iter());
        assert_eq!(parse_commit(&bytes), Some(Commit { size: 9, root: digest(b"r"), running: 3, leaves: leaves.to_vec() }));
        assert_eq!(parse_commit(&bytes[..50]), None);
    }
}
