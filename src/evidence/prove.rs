//! Proofs that stand alone: that a record is in a log (C2SP tlog-proof), that one head extends another.

use std::path::Path;

use super::error::LogError;
use super::find::{Found, find};
use super::merkle::{Known, leaf_hash, verify_consistency, verify_inclusion};
use super::note::{self, Checkpoint, Delegation, NoteKey};
use super::read::{Lying, frames_of, segments};
use super::segment::{self, FrameKind, edge_of};
use super::verify::logs_of;
use crate::seal::{Digest, encode};

/// First line of an inclusion proof.
const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
/// First line of a consistency proof.
const CONSISTENCY: &str = "servanda evidence consistency v1";
/// Longest path of a tree with 64-bit sizes.
const PATH_MAX: usize = 64;
/// Longest proof that is read: a record in base64, a path, a note.
const PROOF_MAX: usize = 256 << 10;

fn malformed(why: &'static str) -> LogError {
    LogError::Malformed(why)
}

/// Leaves and heads of a log, as far as it was read.
#[derive(Default)]
struct Material {
    known: Known,
    heads: Vec<(u64, String)>,
}

/// Reads segments up to the first head over `covering`, or all of them.
fn gather(segments: &[Lying], covering: Option<u64>) -> Result<Material, LogError> {
    let mut material = Material::default();
    let mut broken = false;
    frames_of(segments, &mut |kind, index, bytes| {
        match kind {
            FrameKind::Record => {
                // Behind a hole only the leaves of the commit frame are left.
                if index == material.known.size() {
                    material.known.leaves.push(leaf_hash(bytes));
                }
            }
            // Its leaf stands in the commit frame as well.
            FrameKind::Erased => {}
            FrameKind::Commit => {
                if let Some(commit) = segment::parse_commit(bytes) {
                    let known = material.known.size();
                    let first = commit.size.saturating_sub(commit.leaves.len() as u64);
                    for (at, leaf) in commit.leaves.iter().enumerate() {
                        if first + at as u64 >= known && first <= known {
                            material.known.leaves.push(*leaf);
                        }
                    }
                    broken |= material.known.size() != commit.size;
                }
            }
            FrameKind::Checkpoint => {
                material.heads.push((index, String::from_utf8_lossy(bytes).into_owned()));
                return covering.is_none_or(|record| index <= record);
            }
            FrameKind::Edge => {
                if material.known.size() == 0
                    && let Some(tree) = edge_of(index, bytes)
                {
                    material.known.before = tree;
                }
            }
        }
        true
    })?;
    if broken { Err(malformed("the log has holes: no proof can be made; run verify")) } else { Ok(material) }
}

/// A proof that a record stands in a log, and the record.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Proof {
    /// The proof as a C2SP tlog-proof; its `extra` is the record.
    pub text: String,
    /// Index of the record.
    pub index: u64,
    /// Origin of the log.
    pub origin: String,
    /// The note key that signed the head.
    pub key: String,
}

/// Proves a record, named by its id or an index, against the first signed head that covers it: no more of the log is read
/// than lies between the two.
///
/// # Errors
/// [`LogError::NotFound`] where there is no such record, [`LogError::Uncovered`] while no head covers it.
pub fn prove(dir: impl AsRef<Path>, what: &str) -> Result<Proof, LogError> {
    proof_of(&find(dir.as_ref(), what)?)
}

/// The same of a record that was found.
pub(crate) fn proof_of(found: &Found) -> Result<Proof, LogError> {
    let Material { known, heads } = gather(found.segments.get(found.segment..).unwrap_or_default(), Some(found.index))?;
    let (size, note) =
        heads.iter().find(|(size, _)| *size > found.index && *size <= known.size()).ok_or(LogError::Uncovered(found.index))?;
    let path = known.inclusion_proof(found.index, *size).ok_or_else(|| malformed("what lies before the record is not known"))?;
    let mut text = format!("{INCLUSION}\nextra {}\nindex {}\n", encode::base64(&found.bytes), found.index);
    for hash in path {
        text.push_str(&encode::base64(&hash.0));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(note);
    Ok(Proof { text, index: found.index, origin: found.origin(), key: delegated(&found.log)?.to_string() })
}

/// The key of a log by its delegation. Whether the root signed that is for [`super::verify::verify`] to say.
pub(crate) fn delegated(log: &Path) -> Result<NoteKey, LogError> {
    let path = log.join("delegation.note");
    let note = std::fs::read_to_string(&path).map_err(LogError::file(&path))?;
    let text = note.rfind("\n\n").and_then(|at| note.get(..=at)).ok_or_else(|| malformed("the delegation has no signature"))?;
    Ok(Delegation::parse(text)?.key)
}

fn hash(line: &str) -> Result<Digest, LogError> {
    let bytes = encode::parse_base64(line).and_then(|b| b.try_into().ok());
    bytes.map(Digest).ok_or_else(|| malformed("a line of the proof is not a hash"))
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The record.
    pub record: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// The head it stands under.
    pub head: Checkpoint,
}

/// Checks an inclusion proof that carries its record, with the key that signed the head.
pub fn check(proof: &str, key: &NoteKey) -> Result<Proven, LogError> {
    if proof.len() > PROOF_MAX {
        return Err(malformed("the proof is too long"));
    }
    let (body, note) = proof.split_once("\n\n").ok_or_else(|| malformed("the proof has no head"))?;
    let mut lines = body.split('\n');
    if lines.next() != Some(INCLUSION) {
        return Err(malformed("not a tlog-proof"));
    }
    let extra = lines.next().and_then(|l| l.strip_prefix("extra ")).ok_or_else(|| malformed("the proof carries no record"))?;
    let record = encode::parse_base64(extra).ok_or_else(|| malformed("the record in the proof cannot be read"))?;
    let text = lines.next().and_then(|l| l.strip_prefix("index ")).ok_or_else(|| malformed("the proof names no index"))?;
    let index: u64 = text.parse().map_err(|_| malformed("the index cannot be read"))?;
    if index.to_string() != text {
        return Err(malformed("the index cannot be read"));
    }
    let path = lines.map(hash).collect::<Result<Vec<_>, _>>()?;
    if path.len() > PATH_MAX {
        return Err(malformed("the path is too long"));
    }
    let head = Checkpoint::parse(note::open(note.as_bytes(), &[key])?)?;
    if head.origin != key.name() {
        return Err(malformed("the head is of another log"));
    }
    if verify_inclusion(&leaf_hash(&record), index, head.size, &path, &head.root) {
        Ok(Proven { record, index, head })
    } else {
        Err(malformed("the path does not lead to the signed root"))
    }
}

/// Proves that the newest head of a log extends its head of size `old`: both notes, and the path between.
/// Without a directory of one log the newest log is taken.
pub fn prove_consistency(dir: impl AsRef<Path>, old: u64) -> Result<String, LogError> {
    let (logs, _) = logs_of(dir.as_ref())?;
    let log = logs.last().ok_or_else(|| LogError::NotFound("a log".to_owned()))?;
    let Material { known, heads } = gather(&segments(log)?, None)?;
    let newest = heads.iter().rfind(|(size, _)| *size <= known.size());
    let (new, new_note) = newest.ok_or_else(|| LogError::NotFound("a signed head".to_owned()))?;
    let (_, old_note) =
        heads.iter().find(|(size, _)| *size == old).ok_or_else(|| LogError::NotFound(format!("a signed head of size {old}")))?;
    let path = known.consistency_proof(old, *new);
    let path = path.ok_or_else(|| LogError::NotFound(format!("a head of size {old}")))?;
    let mut text = format!("{CONSISTENCY}\n");
    for hash in path {
        text.push_str(&encode::base64(&hash.0));
        text.push('\n');
    }
    for note in [old_note, new_note] {
        text.push('\n');
        text.push_str(note);
    }
    Ok(text)
}

/// Checks a consistency proof; returns the old and the new head.
pub fn check_consistency(proof: &str, key: &NoteKey) -> Result<(Checkpoint, Checkpoint), LogError> {
    if proof.len() > PROOF_MAX {
        return Err(malformed("the proof is too long"));
    }
    let (body, notes) = proof.split_once("\n\n").ok_or_else(|| malformed("the proof has no heads"))?;
    // Each note is three lines, an empty one, and its signatures; the next begins after an empty line.
    let (old, new) = notes
        .match_indices("\n\n")
        .nth(1)
        .and_then(|(at, _)| notes.split_at_checked(at + 1))
        .and_then(|(old, new)| Some((old, new.strip_prefix('\n')?)))
        .ok_or_else(|| malformed("the proof has no two heads"))?;
    let mut lines = body.split('\n');
    if lines.next() != Some(CONSISTENCY) {
        return Err(malformed("not a consistency proof"));
    }
    let path = lines.map(hash).collect::<Result<Vec<_>, _>>()?;
    let old = Checkpoint::parse(note::open(old.as_bytes(), &[key])?)?;
    let new = Checkpoint::parse(note::open(new.as_bytes(), &[key])?)?;
    let fits = path.len() <= 2 * PATH_MAX
        && old.origin == new.origin
        && old.origin == key.name()
        && verify_consistency(old.size, &old.root, new.size, &new.root, &path);
    if fits { Ok((old, new)) } else { Err(malformed("the path does not lead from one head to the other")) }
}

/// The root over the first records of a log as they lie on disk.
pub(crate) fn root_at(log: &Path, size: u64) -> Result<Digest, LogError> {
    let Known { before: mut tree, leaves } = gather(&segments(log)?, None)?.known;
    for leaf in leaves {
        if tree.size() < size {
            tree.push(leaf);
        }
    }
    if tree.size() == size { Ok(tree.root()) } else { Err(LogError::NotFound(format!("a tree of {size} records"))) }
}

/// The root over the records of a log as they lie on disk.
pub fn root_of(log: &Path) -> Result<(u64, Digest), LogError> {
    let Known { before: mut tree, leaves } = gather(&segments(log)?, None)?.known;
    for leaf in leaves {
        tree.push(leaf);
    }
    Ok((tree.size(), tree.root()))
}
