//! Reading what the command line names: files, standard input, lines of JSON.
//!
//! Everything has a ceiling, so that a wrong file name cannot fill the memory.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use super::render::CliError;
use crate::base::limits::{BODY_MAX, DOCUMENT_MAX};

/// A document (pact, config, trust file) as text.
pub(super) fn document(path: &Path) -> Result<String, CliError> {
    let bytes = bytes(path, DOCUMENT_MAX)?;
    String::from_utf8(bytes).map_err(|e| CliError::file(path, format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to())))
}

/// A file of at most `limit` bytes.
pub(super) fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, CliError> {
    let file = File::open(path).map_err(|e| CliError::file(path, e))?;
    capped(file, limit).map_err(|e| CliError::file(path, e))
}

/// A file or, for `-` or nothing, standard input: one text.
pub(super) fn text(path: Option<&Path>) -> Result<String, CliError> {
    let (name, bytes) = match path {
        Some(path) if path != Path::new("-") => (path, bytes(path, BODY_MAX)?),
        _ => (Path::new("standard input"), capped(io::stdin().lock(), BODY_MAX)?),
    };
    String::from_utf8(bytes).map_err(|e| CliError::file(name, format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to())))
}

/// Calls `each` with every line of a file or of standard input, numbered from 1; empty lines are left out.
pub(super) fn lines(path: Option<&Path>, mut each: impl FnMut(usize, &str) -> Result<(), CliError>) -> Result<(), CliError> {
    let (name, mut reader): (PathBuf, Box<dyn BufRead>) = match path {
        Some(path) if path != Path::new("-") => {
            let file = File::open(path).map_err(|e| CliError::file(path, e))?;
            (path.to_owned(), Box::new(io::BufReader::with_capacity(1 << 16, file)))
        }
        _ => (PathBuf::from("standard input"), Box::new(io::stdin().lock())),
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = u64::try_from(BODY_MAX).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|e| CliError::file(&name, e))?;
        if read == 0 {
            break;
        }
        if read == BODY_MAX && line.last() != Some(&b'\n') {
            return Err(CliError::new(format!("{}:{number}: line of over {BODY_MAX} bytes", name.display())));
        }
        let text = std::str::from_utf8(&line).map_err(|_| CliError::new(format!("{}:{number}: not UTF-8", name.display())))?;
        if !text.trim().is_empty() {
            each(number, text.trim_end_matches(['\n', '\r']))?;
        }
    }
    Ok(())
}

fn capped(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut out)?;
    if out.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("over {limit} bytes")));
    }
    Ok(out)
}

/// Writes a new file; an existing one stays unless `force`.
pub(super) fn write_new(path: &Path, data: &[u8], force: bool) -> Result<(), CliError> {
    if !force && path.exists() {
        return Err(CliError::file(path, "exists already").help("name another file, or give --force"));
    }
    std::fs::write(path, data).map_err(|e| CliError::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_empty_ones_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\n\n  \r\nb\r\nc").unwrap();
        let mut seen = Vec::new();
        lines(Some(file.path()), |n, line| {
            seen.push((n, line.to_owned()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(1, "a".to_owned()), (4, "b".to_owned()), (5, "c".to_owned())]);
    }

    #[test]
    fn ceilings_hold() {
        assert!(capped(&b"abc"[..], 3).is_ok());
        assert!(capped(&b"abcd"[..], 3).is_err());
        let kept = tempfile::NamedTempFile::new().unwrap();
        assert!(write_new(kept.path(), b"x", false).is_err());
        assert!(write_new(kept.path(), b"x", true).is_ok());
    }
}
