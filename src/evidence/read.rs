//! Records of a log as they lie on disk, one after the other, without judging them.

use std::path::{Path, PathBuf};

use super::error::LogError;
use super::segment::{self, FrameKind, HEADER, Step};

/// A segment on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lying {
    /// Index of the first record that may stand in it.
    pub(crate) first: u64,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Where the next one begins: what stands here from there on was given up and written anew.
    pub(crate) next: Option<u64>,
}

/// The segments of a log, in order.
pub(crate) fn segments(log: &Path) -> Result<Vec<Lying>, LogError> {
    let entries = std::fs::read_dir(log).map_err(LogError::file(log))?;
    let mut names: Vec<((u64, u32), String)> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((segment::parse_name(&name)?, name)))
        .collect();
    names.sort_unstable();
    let next = |at: usize| names.get(at + 1).map(|((next, _), _)| *next);
    Ok(names
        .iter()
        .enumerate()
        .map(|(at, ((first, _), name))| Lying { first: *first, path: log.join(name), next: next(at) })
        .collect())
}

/// Calls for each readable frame of a log in order; stops where the callback says so.
pub(crate) fn frames(log: &Path, each: &mut dyn FnMut(FrameKind, u64, &[u8]) -> bool) -> Result<(), LogError> {
    frames_of(&segments(log)?, each)
}

/// The same of some segments.
pub(crate) fn frames_of(segments: &[Lying], each: &mut dyn FnMut(FrameKind, u64, &[u8]) -> bool) -> Result<(), LogError> {
    for segment in segments {
        let file = std::fs::read(&segment.path).map_err(LogError::file(&segment.path))?;
        if !frames_in(&file, segment, &mut |kind, index, bytes| each(kind, index, bytes)) {
            break;
        }
    }
    Ok(())
}

/// The same of the content of one segment; gives whether the callback wants more.
pub(crate) fn frames_in<'f>(file: &'f [u8], lying: &Lying, each: &mut dyn FnMut(FrameKind, u64, &'f [u8]) -> bool) -> bool {
    let (mut at, mut index) = (HEADER, lying.first);
    loop {
        let frame = match segment::step(file, at) {
            Step::Frame(frame) => frame,
            Step::End => return true,
            Step::Bad => match segment::resync(file, at, index) {
                Some(frame) => frame,
                None => return true,
            },
        };
        if frame.kind.is_leaf() {
            if lying.next.is_some_and(|next| frame.index >= next) {
                return true;
            }
            index = frame.index + 1;
        }
        if !each(frame.kind, frame.index, frame.bytes) {
            return false;
        }
        at = frame.end();
    }
}
