//! `trust`: whose signatures count. Absent, the sidecar runs in development mode and says so.

use std::path::{Path, PathBuf};

use crate::base::diagnostic::Diagnostics;
use crate::base::limits::CONFIG_ENTRIES_MAX;

use super::read::Section;

/// Trusted mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The trust file.
    pub keys: PathBuf,
    /// Roles that must have signed.
    pub require: Vec<String>,
    /// Who may sign images; empty: an image is a cache and is compiled again.
    pub images: Vec<String>,
}

/// Roles that can sign a pact.
const ROLES: &[&str] = &["agent", "counterparty", "guarantor"];

/// Reads the section.
pub(super) fn read(root: &Section<'_>, base: &Path, out: &mut Diagnostics) -> Option<Trust> {
    let section = Section::open(root.node("trust"), "trust", &["keys", "require", "images"], out);
    if !section.given() {
        return None;
    }
    let keys = section.path("keys", base, out);
    if section.node("keys").is_none() {
        out.error("missing", "trust.keys", section.span(), "trusted mode needs the trust file")
            .help("trust: {keys: trusted-keys.yaml}; without `trust` unsigned pacts are accepted, and that is said everywhere");
    }
    let mut require = section.texts("require", CONFIG_ENTRIES_MAX, out);
    for role in require.iter().filter(|role| !ROLES.contains(&role.as_str())) {
        let span = section.node("require").map_or_else(|| section.span(), |n| n.span);
        out.error("unknown_word", "trust.require", span, format!("`{role}` is not a role that signs a pact"))
            .help(format!("one of: {}", ROLES.join(", ")));
    }
    if section.node("require").is_none() {
        require = vec!["agent".to_owned(), "counterparty".to_owned()];
    } else if require.is_empty() {
        let span = section.node("require").map_or_else(|| section.span(), |n| n.span);
        out.error("missing", "trust.require", span, "trusted mode requires at least one signature")
            .help("require: [agent, counterparty], or [agent] for a self-pledge");
    }
    let images = section.texts("images", CONFIG_ENTRIES_MAX, out);
    if root.node("agent").is_none() {
        out.error("missing", "agent", section.span(), "trusted mode needs `agent`: whom the pacts must be about")
            .help("agent: did:web:vendor.example:agents:support");
    }
    Some(Trust { keys: keys?, require, images })
}
