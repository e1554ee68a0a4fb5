//! Keys of logs that the root took back.
//!
//! A revocation is a note that the root signs: this key, these first records, this root over them. It lies
//! in `revocations/` of the evidence directory; since whoever holds the directory could take it away, a
//! verifier can be given copies. What was signed up to that head stays valid, everything after it is not.

use std::path::Path;

use super::error::LogError;
use super::note::{self, NoteKey, Revocation};

/// Longest list of revocations that is read.
const REVOCATIONS_MAX: usize = 10_000;

/// The notes of a directory, by file name.
pub(crate) fn notes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let place = dir.join("revocations");
    let Ok(entries) = std::fs::read_dir(&place) else { return Vec::new() };
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|end| end == "note"));
    names.sort_unstable();
    names.truncate(REVOCATIONS_MAX);
    names.into_iter().filter_map(|name| std::fs::read(place.join(&name)).ok().map(|note| (name, note))).collect()
}

/// Reads one, if the root signed it.
pub(crate) fn read(note: &[u8], root: &NoteKey) -> Result<Revocation, LogError> {
    Revocation::parse(note::open(note, &[root])?)
}
