//! `evidence`: where the signed log lives, how long it stays, and who gets a copy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::diagnostic::Diagnostics;
use crate::base::limits::{EVIDENCE_KEEP_BYTES, EVIDENCE_KEEP_SECONDS};
use crate::evidence::sink::Wanted;
use crate::guard::WhenFull;

use super::read::Section;
use super::sinks;

/// The evidence log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its folder, made on first run.
    pub dir: PathBuf,
    /// The root key, made on first run.
    pub root_key: PathBuf,
    /// What happens to traffic when the log takes no more.
    pub when_full: WhenFull,
    /// Longest time a sealed segment stays.
    pub keep: Duration,
    /// Most bytes that sealed segments take.
    pub keep_bytes: u64,
    /// Other stores that get a copy.
    pub sinks: Vec<Wanted>,
}

impl Evidence {
    /// The log below a folder, with the root key inside it.
    pub fn at(dir: PathBuf) -> Self {
        Self {
            root_key: dir.join("root.key"),
            dir,
            when_full: WhenFull::Block,
            keep: Duration::from_secs(EVIDENCE_KEEP_SECONDS),
            keep_bytes: EVIDENCE_KEEP_BYTES,
            sinks: Vec::new(),
        }
    }
}

/// The folder of a config that names none.
pub(super) const DEFAULT_DIR: &str = "servanda-evidence";

/// Reads the section.
pub(super) fn read(root: &Section<'_>, base: &Path, out: &mut Diagnostics) -> Evidence {
    let section = Section::open(root.node("evidence"), "evidence", &["dir", "root_key", "when_full", "keep", "sinks"], out);
    let dir = section.path("dir", base, out).unwrap_or_else(|| base.join(DEFAULT_DIR));
    let default = Evidence::at(dir);
    let keep = Section::open(section.node("keep"), section.at("keep"), &["local", "local_max"], out);
    Evidence {
        root_key: section.path("root_key", base, out).unwrap_or(default.root_key),
        when_full: section.word(
            "when_full",
            &[("block", WhenFull::Block), ("pass_with_gap", WhenFull::PassWithGap)],
            WhenFull::Block,
            out,
        ),
        keep: keep.duration("local", default.keep, out),
        keep_bytes: keep.size("local_max", default.keep_bytes, out),
        sinks: sinks::read(&section, base, out),
        dir: default.dir,
    }
}
