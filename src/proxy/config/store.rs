//! `store`: where sealed pacts are kept with their history.

use std::path::{Path, PathBuf};

use crate::base::diagnostic::Diagnostics;

use super::read::Section;

/// The store of pacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its folder, made when the first pact is kept.
    pub dir: PathBuf,
}

impl Kept {
    /// The default folder, within that of the evidence.
    pub fn within(evidence: &Path) -> Self {
        Self { dir: evidence.join("pacts") }
    }
}

/// Reads the section.
pub(super) fn read(root: &Section<'_>, base: &Path, evidence: &Path, out: &mut Diagnostics) -> Kept {
    let section = Section::open(root.node("store"), "store", &["dir"], out);
    section.path("dir", base, out).map_or_else(|| Kept::within(evidence), |dir| Kept { dir })
}
