//! Documents that were fetched, one file each, with the time. What cannot be read back counts as not there.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::limits::DID_DOCUMENT_MAX;
use crate::seal::digest;

/// A document and when it was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    /// Of whom.
    pub(super) did: String,
    /// Unix seconds.
    pub(super) at: i64,
    /// Its text.
    pub(super) document: String,
}

fn place(dir: &Path, did: &str) -> PathBuf {
    dir.join(format!("{}.json", digest(did.as_bytes()).hex()))
}

/// What was fetched of this identity.
pub(super) fn read(dir: &Path, did: &str) -> Option<Fetched> {
    let mut bytes = Vec::new();
    // A document within a document: each of its bytes may be escaped.
    let most = DID_DOCUMENT_MAX as u64 * 7;
    File::open(place(dir, did)).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|fetched: &Fetched| fetched.did == did)
}

/// Keeps it, in place of what was there.
pub(super) fn write(dir: &Path, fetched: &Fetched) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let path = place(dir, &fetched.did);
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&serde_json::to_vec(fetched)?)?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(dir)?.sync_all()
}
