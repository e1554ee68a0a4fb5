//! Records of a log as they lie on disk, one after the other, without judging them.

use std::path::Path;

use super::error::LogError;
use super::segment::{self, FrameKind, HEADER, Step};

/// Calls for each readable frame of a log in order; stops where the callback says so.
pub(crate) fn frames(log: &Path, each: &mut dyn FnMut(FrameKind, u64, &[u8]) -> bool) -> Result<(), LogError> {
    let entries = std::fs::read_dir(log).map_err(LogError::file(log))?;
    let mut names: Vec<((u64, u32), String)> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((segment::parse_name(&name)?, name)))
        .collect();
    names.sort_unstable();
    for (at, ((first, _), name)) in names.iter().enumerate() {
        let next = names.get(at + 1).map(|((next, _), _)| *next);
        let path = log.join(name);
        let file = std::fs::read(&path).map_err(LogError::file(&path))?;
        let (mut at, mut index) = (HEADER, *first);
        loop {
            let frame = match segment::step(&file, at) {
                Step::Frame(frame) => frame,
                Step::End => break,
                Step::Bad => match segment::resync(&file, at, index) {
                    Some(frame) => frame,
                    None => break,
                },
            };
            if frame.kind == FrameKind::Record {
                if next.is_some_and(|next| frame.index >= next) {
                    break;
                }
                index = frame.index + 1;
            }
            if !each(frame.kind, frame.index, frame.bytes) {
                return Ok(());
            }
            at = frame.end();
        }
    }
    Ok(())
}
