//! One sealed pact in one file: its name, reading it back without trust, writing it whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::limits::DOCUMENT_MAX;
use crate::pact::sealed::complete;
use crate::pact::{Packs, SealedPact, read};

/// Digits of the digest in a file's name: two documents of one version lie beside each other.
const DIGITS: usize = 16;

/// Something in the folder that is no sealed pact of this store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Where.
    pub file: PathBuf,
    /// Why not.
    pub why: String,
}

/// Where a pact lies below the folder of the store.
pub(super) fn place(sealed: &SealedPact) -> PathBuf {
    let checked = sealed.checked();
    let digest = checked.digest().hex();
    let digits = digest.get(..DIGITS).unwrap_or(&digest);
    Path::new(&checked.pact().id).join(format!("{}-{digits}.pact.json", checked.pact().version))
}

/// Reads a text as a sealed pact that is whole and that its agent has signed.
pub(super) fn parse(text: &str) -> Result<SealedPact, String> {
    let (checked, mistakes) = read(text, Packs::shipped());
    let first = || mistakes.iter().next().map_or_else(|| "is no pact".to_owned(), |m| format!("is no pact: {}", m.message));
    let sealed = SealedPact::new(checked.ok_or_else(first)?).map_err(|e| e.to_string())?;
    complete(&sealed, &[]).map_err(|e| e.to_string())?;
    Ok(sealed)
}

/// Reads a file of the store; `name` is its path below the folder.
pub(super) fn load(path: &Path, name: &Path) -> Result<(SealedPact, usize), String> {
    let told = |error: io::Error| error.to_string();
    if !fs::symlink_metadata(path).map_err(told)?.is_file() {
        return Err("is no plain file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(DOCUMENT_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > DOCUMENT_MAX {
        return Err(format!("is larger than {DOCUMENT_MAX} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let sealed = parse(text)?;
    let own = place(&sealed);
    if own == name { Ok((sealed, bytes.len())) } else { Err(format!("holds what would lie in {}", own.display())) }
}

/// Puts a file in place, durable and whole. One that is there already is an error.
pub(super) fn write(dir: &Path, name: &Path, text: &str) -> io::Result<()> {
    let path = dir.join(name);
    let folder = path.parent().unwrap_or(dir);
    make(dir)?;
    make(folder)?;
    if fs::symlink_metadata(&path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "lies there already and is no sealed pact: move it away"));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    // What begins with a dot is never read, so that half a file is nothing.
    let fresh = folder.join(format!(".{file}.new"));
    let written = (|| {
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&fresh)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // It may not even be there.
        drop(fs::remove_file(&fresh));
    }
    written
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
