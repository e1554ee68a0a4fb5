//! One sealed pact or one statement in one file: its name, reading it back without trust, writing it whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::limits::DOCUMENT_MAX;
use crate::pact::sealed::complete;
use crate::pact::{Packs, SealedPact, SignedStatement, read, read_statement};

/// Digits of the digest in a file's name: two documents of one version lie beside each other.
const DIGITS: usize = 16;

/// Something in the folder that is no sealed pact and no statement of this store.
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

/// Ending of the file of a statement.
const STATEMENT: &str = ".statement.json";

/// What a file of the store holds.
pub(super) enum Held {
    /// A sealed pact.
    Pact(Box<SealedPact>),
    /// A statement beside one.
    Statement(SignedStatement),
}

/// Where a statement lies below the folder of the store.
pub(super) fn place_of(statement: &SignedStatement) -> PathBuf {
    let id = statement.id().hex();
    let digits = id.get(..DIGITS).unwrap_or(&id);
    let said = statement.statement();
    Path::new(said.pact()).join(format!("{}-{digits}{STATEMENT}", said.kind()))
}

/// Reads a text as a statement that enough have signed, whoever they are.
pub(super) fn parse_statement(text: &str) -> Result<SignedStatement, String> {
    let (signed, mistakes) = read_statement(text);
    let first =
        || mistakes.iter().next().map_or_else(|| "is no statement".to_owned(), |m| format!("is no statement: {}", m.message));
    let signed = signed.ok_or_else(first)?;
    // Whether they signed in the future is a question of the day on which it is asked.
    signed.verify(None, i64::MAX).map_err(|e| e.to_string())?;
    Ok(signed)
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
pub(super) fn load(path: &Path, name: &Path) -> Result<(Held, usize), String> {
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
    let (own, held) = if name.to_str().is_some_and(|name| name.ends_with(STATEMENT)) {
        let statement = parse_statement(text)?;
        (place_of(&statement), Held::Statement(statement))
    } else {
        let sealed = parse(text)?;
        (place(&sealed), Held::Pact(Box::new(sealed)))
    };
    if own == name { Ok((held, bytes.len())) } else { Err(format!("holds what would lie in {}", own.display())) }
}

/// Puts a file in place, durable and whole. One that is there already is an error.
pub(super) fn write(dir: &Path, name: &Path, text: &str) -> io::Result<()> {
    let path = dir.join(name);
    let folder = path.parent().unwrap_or(dir);
    make(dir)?;
    make(folder)?;
    if fs::symlink_metadata(&path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "lies there already and is something else: move it away"));
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
