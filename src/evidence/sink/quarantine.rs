//! Batches that a sink refuses for what they are: put aside with the reason, so that those behind them can go on.
//!
//! Promises: what is put aside is a whole batch, durable before the cursor moves over it, with a text beside it that says
//! why. At most `QUARANTINE_MAX` for each sink: who refuses more refuses everything. What it will not do: send them again;
//! a rebuild of the store from another does.

use std::path::{Path, PathBuf};

use super::batch::{Batch, boot_of};
use crate::base::limits::QUARANTINE_MAX;
use crate::evidence::error::LogError;
use crate::evidence::files::{Disk, Files};

/// Where the refused batches of a sink lie.
pub(crate) fn folder(dir: &Path, sink: &str) -> PathBuf {
    dir.join("quarantine").join(sink)
}

/// How many lie there.
pub(crate) fn count(dir: &Path, sink: &str) -> usize {
    let names = Disk.list(&folder(dir, sink)).unwrap_or_default();
    names.iter().filter(|name| Path::new(name).extension().is_some_and(|e| e == "batch")).count()
}

/// Puts a batch aside; `false` where no more may be.
pub(crate) fn put(dir: &Path, sink: &str, batch: &Batch, why: &str) -> Result<bool, LogError> {
    let folder = folder(dir, sink);
    let name = format!("{}-{:020}-{:020}", boot_of(batch.origin()), batch.first(), batch.last());
    let path = folder.join(format!("{name}.batch"));
    if !path.exists() && count(dir, sink) >= QUARANTINE_MAX {
        return Ok(false);
    }
    Disk.create_dir(&folder).map_err(LogError::file(&folder))?;
    Disk.publish(&path, batch.wire(), true).map_err(LogError::file(&path))?;
    let reason = folder.join(format!("{name}.why"));
    let line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
    Disk.publish(&reason, format!("{line}\n").as_bytes(), true).map_err(LogError::file(&reason))?;
    Ok(true)
}
