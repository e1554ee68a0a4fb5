//! Records of a folder that signed heads cover, for whoever makes something else of them.
//!
//! Promises: no record of a folder that does not verify is handed out, and none that no head covers yet; their order is
//! that of the logs. What it will not do: judge what an incomplete log lacks; the report says.

use std::path::Path;

use super::error::LogError;
use super::read::frames;
use super::report::{Outcome, Report};
use super::segment::FrameKind;
use super::verify::{Policy, logs_of, verify};

/// Verifies a folder, or one log of it, and calls for each record that is covered. The second figure is how many are not.
pub fn records(dir: impl AsRef<Path>, policy: &Policy, each: &mut dyn FnMut(&[u8])) -> Result<(Report, u64), LogError> {
    let report = verify(dir.as_ref(), policy)?;
    let mut uncovered = 0;
    if report.outcome == Outcome::Invalid {
        return Ok((report, uncovered));
    }
    let (logs, _) = logs_of(dir.as_ref())?;
    for (log, found) in logs.iter().zip(&report.logs) {
        frames(log, &mut |kind, index, bytes| {
            if kind == FrameKind::Record {
                if index < found.signed {
                    each(bytes);
                } else {
                    uncovered += 1;
                }
            }
            true
        })?;
    }
    Ok((report, uncovered))
}
