//! Taking a key back: the root signs how far a log is still trusted.

use std::path::{Path, PathBuf};

use super::error::LogError;
use super::note::{self, NoteKey, Revocation};
use super::prove::{delegated, root_at};
use super::revoked::read;
use super::verify::logs_of;
use crate::seal::SigningKey;

/// Takes back the key of a log (the name of its folder): its first `size` records are still trusted, and
/// nothing after them. Returns where the note lies.
pub fn revoke(dir: impl AsRef<Path>, boot: &str, size: u64, root: &SigningKey) -> Result<PathBuf, LogError> {
    let dir = dir.as_ref();
    let (logs, vkey) = logs_of(dir)?;
    let log = logs.iter().find(|log| log.ends_with(boot)).ok_or_else(|| LogError::NotFound(format!("the log {boot}")))?;
    let public = NoteKey::parse(std::fs::read_to_string(&vkey).map_err(LogError::file(&vkey))?.trim_end())?;
    let revocation = Revocation { key: delegated(log)?, size, root: root_at(log, size)? };
    let note = note::sign(&revocation.text(), public.name(), root)?;
    // A key that is not the root of this directory would only be found out by the next verification.
    read(note.as_bytes(), &public)?;
    let place = dir.join("revocations");
    std::fs::create_dir_all(&place).map_err(LogError::file(&place))?;
    let path = place.join(format!("{boot}.note"));
    std::fs::write(&path, note).map_err(LogError::file(&path))?;
    Ok(path)
}
