//! The cursor of a sink: how far each local log was sent and acknowledged, in a file that is whole or not there.
//!
//! ```text
//! servanda evidence cursor v1
//! log <folder> next <index> kept <records> root <base64> open|done
//! ```
//!
//! `next` is the first record that was not acknowledged, `root` the root before it, `kept` how many records are
//! acknowledged at the level that was asked for. It is written beside, synced, renamed, and the directory synced, before
//! retention hears of it. A cursor that is behind costs a batch sent twice, which the store knows; one that cannot be read
//! counts as none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::evidence::error::LogError;
use crate::evidence::files::{Disk, Files};
use crate::evidence::merkle::empty_root;
use crate::seal::{Digest, encode};

/// First line of the file.
const CURSOR: &str = "servanda evidence cursor v1";

/// How far one log was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The first record that was not acknowledged.
    pub(crate) next: u64,
    /// Root over all records before it.
    pub(crate) root: Digest,
    /// Records acknowledged at the level that was asked for.
    pub(crate) kept: u64,
    /// Nothing more will come.
    pub(crate) done: bool,
}

impl Default for Reached {
    fn default() -> Self {
        Self { next: 0, root: empty_root(), kept: 0, done: false }
    }
}

/// The cursor of one sink, by the names of the logs' folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    path: PathBuf,
    pub(crate) logs: BTreeMap<String, Reached>,
}

impl Cursor {
    /// Where the cursor of a sink lies.
    pub(crate) fn path(dir: &Path, sink: &str) -> PathBuf {
        dir.join("cursors").join(sink)
    }

    /// Reads it; with why it counts as none, if it is there and cannot be read.
    pub(crate) fn load(dir: &Path, sink: &str) -> (Self, Option<String>) {
        Self::load_from(&Disk, dir, sink)
    }

    /// The same from these files.
    pub(crate) fn load_from(files: &dyn Files, dir: &Path, sink: &str) -> (Self, Option<String>) {
        let path = Self::path(dir, sink);
        let (logs, why) = match files.read(&path) {
            Ok(text) => match std::str::from_utf8(&text).ok().and_then(parse) {
                Some(logs) => (logs, None),
                None => (BTreeMap::new(), Some("it is not in the form of a cursor".to_owned())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (BTreeMap::new(), None),
            Err(error) => (BTreeMap::new(), Some(error.to_string())),
        };
        (Self { path, logs }, why)
    }

    /// Writes it; once this is back, it is durable.
    pub(crate) fn save(&self) -> Result<(), LogError> {
        self.save_to(&Disk)
    }

    /// The same on these files.
    pub(crate) fn save_to(&self, files: &dyn Files) -> Result<(), LogError> {
        if let Some(folder) = self.path.parent() {
            files.create_dir(folder).map_err(LogError::file(folder))?;
        }
        files.publish(&self.path, self.text().as_bytes(), true).map_err(LogError::file(&self.path))
    }

    fn text(&self) -> String {
        let mut out = format!("{CURSOR}\n");
        for (boot, reached) in &self.logs {
            let Reached { next, root, kept, done } = reached;
            let state = if *done { "done" } else { "open" };
            out.push_str(&format!("log {boot} next {next} kept {kept} root {} {state}\n", encode::base64(&root.0)));
        }
        out
    }
}

fn parse(text: &str) -> Option<BTreeMap<String, Reached>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != CURSOR {
        return None;
    }
    let mut logs = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let ["log", boot, "next", next, "kept", kept, "root", root, state] = words.as_slice() else { return None };
        let reached = Reached {
            next: next.parse().ok()?,
            kept: kept.parse().ok()?,
            root: Digest(encode::parse_base64(root)?.try_into().ok()?),
            done: match *state {
                "done" => true,
                "open" => false,
                _ => return None,
            },
        };
        if reached.kept > reached.next || logs.insert((*boot).to_owned(), reached).is_some() {
            return None;
        }
    }
    Some(logs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::digest;

    #[test]
    fn a_cursor_reads_back_and_every_cut_of_it_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut cursor, why) = Cursor::load(dir.path(), "archive");
        assert!(cursor.logs.is_empty() && why.is_none());
        let reached = |next, done| Reached { next, root: digest(b"root"), kept: next / 2, done };
        cursor.logs.insert("00000000-aa".to_owned(), reached(9, true));
        cursor.logs.insert("00000001-bb".to_owned(), reached(4, false));
        cursor.save().unwrap();
        assert_eq!(Cursor::load(dir.path(), "archive"), (cursor.clone(), None));
        let path = Cursor::path(dir.path(), "archive");
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 0..whole.len() {
            let end = whole[..cut].ends_with('\n') && cut > CURSOR.len();
            assert_eq!(parse(&whole[..cut]).is_some(), end, "{cut}");
        }
        for (from, to) in [("next 9", "next 3"), ("next 9", "next +9"), ("open", "shut"), ("00000001-bb", "00000000-aa")] {
            std::fs::write(&path, whole.replace(from, to)).unwrap();
            let (cursor, why) = Cursor::load(dir.path(), "archive");
            // A plus sign is read by the number parser; all else is no cursor.
            assert!((cursor.logs.is_empty() && why.is_some()) || to == "next +9", "{to}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Cursor::load(dir.path(), "archive").1.is_some());
    }
}
