//! What a closed segment holds, in a small file of its own, so that a question need not read the segment.
//!
//! A summary has the times of its records and, for each word that can be asked for, eight bytes of a digest. It may claim
//! more than there is (then the segment is read for nothing), never less. It is made from the segment when a question
//! first reads it, is never evidence, and can be deleted at any time. Whoever looks at a folder that came from elsewhere
//! uses none: it could have been made to hide records.
//!
//! File: magic, version u32, length of the segment u64, CRC32C of its first 64 bytes u32, first and last time i64, whether
//! words are listed u8, their digests u64 in order, CRC32C of all that u32; little-endian.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{Disk, Files as _};
use super::read::{Lying, frames_in};
use super::segment::{FrameKind, HEADER};
use crate::base::limits::INDEX_TERMS_MAX;
use crate::seal::digest;

const MAGIC: &[u8; 8] = b"SRVDNIDX";
const VERSION: u32 = 1;

/// A word that can be asked for, as summaries have it.
pub(crate) fn hash(key: &str, value: &str) -> u64 {
    let digest = digest(format!("{key}\0{value}").as_bytes());
    digest.0.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The pacts that a record names: id, and id with version.
pub(crate) fn pacts_of(record: &Value) -> impl Iterator<Item = (&str, String)> {
    let pacts = record.get("pacts").and_then(Value::as_array).into_iter().flatten();
    pacts.filter_map(|pact| {
        let (id, version) = (pact.get("id")?.as_str()?, pact.get("version")?.as_str()?);
        Some((id, format!("{id}@{version}")))
    })
}

/// The predicates among the hits of a record: as written, and without the pact of a portfolio.
pub(crate) fn predicates_of(record: &Value) -> impl Iterator<Item = (&str, &str)> {
    let hits = record.get("hits").and_then(Value::as_array).into_iter().flatten();
    hits.filter_map(|hit| hit.get("predicate")?.as_str()).map(|p| (p, p.split_once('/').map_or(p, |(_, id)| id)))
}

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    /// In order; none where there are more than a summary may list, which then holds any.
    terms: Option<Vec<u64>>,
}

impl Summary {
    /// Reads a segment.
    fn of(lying: &Lying, file: &[u8]) -> Self {
        let mut out = Self { first_us: i64::MAX, last_us: i64::MIN, terms: None };
        let mut terms = BTreeSet::new();
        frames_in(file, lying, &mut |kind, _, bytes| {
            if kind == FrameKind::Record {
                out.take(bytes, &mut terms);
            }
            true
        });
        out.terms = (terms.len() <= INDEX_TERMS_MAX).then(|| terms.into_iter().collect());
        out
    }

    fn take(&mut self, bytes: &[u8], terms: &mut BTreeSet<u64>) {
        let Ok(record) = serde_json::from_slice::<Value>(bytes) else { return };
        // One without a time may be of any.
        let time = record.get("time_us").and_then(Value::as_i64);
        self.first_us = self.first_us.min(time.unwrap_or(i64::MIN));
        self.last_us = self.last_us.max(time.unwrap_or(i64::MAX));
        if terms.len() > INDEX_TERMS_MAX {
            return;
        }
        for key in ["kind", "act", "agent", "session"] {
            terms.extend(record.get(key).and_then(Value::as_str).map(|value| hash(key, value)));
        }
        for (id, both) in pacts_of(&record) {
            terms.extend([hash("pact", id), hash("pact", &both)]);
        }
        for (whole, id) in predicates_of(&record) {
            terms.extend([hash("predicate", whole), hash("predicate", id)]);
        }
    }

    /// Whether the segment may hold a word.
    pub(crate) fn has(&self, term: u64) -> bool {
        self.terms.as_ref().is_none_or(|terms| terms.binary_search(&term).is_ok())
    }

    fn bytes(&self, segment: u64, head: u32) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(segment.to_le_bytes());
        out.extend(head.to_le_bytes());
        out.extend(self.first_us.to_le_bytes());
        out.extend(self.last_us.to_le_bytes());
        out.push(u8::from(self.terms.is_some()));
        out.extend(self.terms.iter().flatten().flat_map(|term| term.to_le_bytes()));
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads a summary back, if it is one of that segment.
    fn parse(bytes: &[u8], segment: u64, head: u32) -> Option<Self> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        let rest = content.strip_prefix(MAGIC)?.strip_prefix(&VERSION.to_le_bytes())?;
        let rest = rest.strip_prefix(&segment.to_le_bytes())?.strip_prefix(&head.to_le_bytes())?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (last, rest) = rest.split_first_chunk::<8>()?;
        let (listed, rest) = rest.split_first()?;
        let (terms, over) = rest.as_chunks::<8>();
        let sound = over.is_empty() && terms.len() <= INDEX_TERMS_MAX && crc32c::crc32c(content).to_le_bytes() == *crc;
        sound.then(|| Self {
            first_us: i64::from_le_bytes(*first),
            last_us: i64::from_le_bytes(*last),
            terms: (*listed == 1).then(|| terms.iter().map(|term| u64::from_le_bytes(*term)).collect()),
        })
    }
}

/// Where the summaries of a folder lie: `index/<log directory>/<segment>.idx`.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// That of an evidence folder. Summaries of what retention took go as well.
    pub(crate) fn of(evidence: &Path) -> Self {
        let shelf = Self { dir: evidence.join("index") };
        for boot in Disk.list(&shelf.dir).unwrap_or_default() {
            let (log, mine) = (evidence.join("logs").join(&boot), shelf.dir.join(boot));
            let gone = |name: &str| !name.strip_suffix(".idx").is_some_and(|segment| log.join(segment).exists());
            let left = if log.exists() {
                Disk.list(&mine).unwrap_or_default().into_iter().filter(|name| gone(name)).map(|name| mine.join(name)).collect()
            } else {
                vec![mine]
            };
            for path in left {
                // What could not be removed is found again next time.
                drop(Disk.remove(&path));
            }
        }
        shelf
    }

    fn place(&self, boot: &str, lying: &Lying) -> Option<PathBuf> {
        let name = lying.path.file_name()?.to_str()?;
        Some(self.dir.join(boot).join(format!("{name}.idx")))
    }

    /// The summary of a segment, if there is one that fits it.
    pub(crate) fn read(&self, boot: &str, lying: &Lying) -> Option<Summary> {
        let bytes = std::fs::read(self.place(boot, lying)?).ok()?;
        let (length, head) = mark(lying)?;
        Summary::parse(&bytes, length, head)
    }

    /// Makes the summary of a closed segment. Where it cannot be written the segment is read again next time.
    pub(crate) fn write(&self, boot: &str, lying: &Lying, file: &[u8]) {
        let (Some(place), Some(head)) = (self.place(boot, lying), file.get(..HEADER)) else { return };
        let bytes = Summary::of(lying, file).bytes(file.len() as u64, crc32c::crc32c(head));
        let dir = self.dir.join(boot);
        let made =
            Disk.create_dir(&self.dir).and_then(|()| Disk.create_dir(&dir)).and_then(|()| Disk.publish(&place, &bytes, true));
        if let Err(error) = made {
            tracing::warn!(%error, path = %place.display(), "no summary of a segment: questions read all of it");
        }
    }
}

/// What a summary knows its segment by: length, and the checksum of its header.
fn mark(lying: &Lying) -> Option<(u64, u32)> {
    use std::io::Read as _;

    let mut file = std::fs::File::open(&lying.path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut head = [0; HEADER];
    file.read_exact(&mut head).ok()?;
    Some((length, crc32c::crc32c(&head)))
}
