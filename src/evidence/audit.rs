//! One log held against its files, its key and its successor.
//!
//! The files are read once, front to back ([`frames`]), every record is looked at as it comes ([`records`]), and what others
//! say of the log ([`claims`]) is held against it at the end. Promises: whatever does not fit is a finding with its file and,
//! where it can be told, the first index; nothing that is read is believed before it is checked.

mod claims;
mod frames;
mod records;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::merkle::Tree;
use super::note::{self, Checkpoint, Delegation, NoteKey, Revocation};
use super::record::RecordId;
use super::report::{LogReport, Outcome, State};
use crate::seal::{Digest, digest};

pub(crate) use claims::{Claims, Gone, Heir};

/// What a log is held against.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) root: Option<&'a NoteKey>,
    /// What the next log says of it.
    pub(crate) heir: Option<&'a Heir>,
    /// What younger logs say is gone.
    pub(crate) gone: &'a Gone,
    /// Keys that the root took back.
    pub(crate) revoked: &'a [Revocation],
}

struct Audit<'a> {
    report: LogReport,
    claims: Claims,
    key: Option<NoteKey>,
    log_id: String,
    origin: String,
    heir: Option<&'a Heir>,
    ground: Ground<'a>,
    /// Wall time of the start and until when the key is delegated, in microseconds.
    holds: Option<(i64, i64)>,
    tree: Tree,
    /// Where each segment says the tree stands, with the root there.
    edges: BTreeMap<u64, Digest>,
    /// What the counters had counted before the first record that is here.
    base: Option<BTreeMap<&'static str, u64>>,
    /// A leaf is unknown: from here on no root can be computed.
    broken: bool,
    /// Leaves since the last commit frame; `None` where the record cannot be read.
    group: Vec<Option<Digest>>,
    /// Roots at the sizes that others name.
    roots: BTreeMap<u64, Option<Digest>>,
    heads: BTreeMap<u64, Digest>,
    /// Indices of which only the leaf is here, each with its file.
    erased: Vec<(u64, String)>,
    sealed: Option<(u64, u64)>,
    /// Checksum of the segment under way, and up to where.
    running: (u32, usize),
    ended: HashSet<RecordId>,
    intervened: HashMap<RecordId, u64>,
    exchanges: u64,
    interventions: u64,
    /// Whether records up to here are all known, so that counters can be counted again.
    counted: bool,
}

/// Audits the log in `dir`.
pub(crate) fn audit(dir: &Path, ground: &Ground<'_>) -> (LogReport, Claims) {
    let boot = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let report = LogReport { boot, ..LogReport::default() };
    let mut audit = Audit {
        report,
        claims: Claims::default(),
        key: None,
        log_id: String::new(),
        origin: String::new(),
        heir: ground.heir,
        ground: *ground,
        holds: None,
        tree: Tree::default(),
        edges: BTreeMap::new(),
        base: None,
        broken: false,
        group: Vec::new(),
        roots: BTreeMap::new(),
        heads: BTreeMap::new(),
        erased: Vec::new(),
        sealed: None,
        running: (0, 0),
        ended: HashSet::new(),
        intervened: HashMap::new(),
        exchanges: 0,
        interventions: 0,
        counted: true,
    };
    audit.run(dir);
    (audit.report, audit.claims)
}

impl Audit<'_> {
    fn invalid(&mut self, code: &'static str, file: &str, index: Option<u64>, detail: impl Into<String>) {
        self.report.find(code, Outcome::Invalid, file, index, detail);
    }

    fn run(&mut self, dir: &Path) {
        self.identity(dir);
        let head = self.published_head(dir);
        for size in
            head.iter().map(|head| head.size).chain(self.heir.map(|h| h.size)).chain(self.heir.and_then(|h| Some(h.signed?.0)))
        {
            self.roots.insert(size, None);
        }
        for size in self.revocations().map(|revocation| revocation.size).collect::<Vec<_>>() {
            self.roots.insert(size, None);
        }
        self.note_root();
        self.segments(dir);
        self.flush_group();
        self.conclude(head);
    }

    /// Origin and delegation.
    fn identity(&mut self, dir: &Path) {
        match std::fs::read_to_string(dir.join("origin")) {
            Ok(text) => match text.strip_suffix('\n').filter(|origin| note::is_name(origin)) {
                Some(origin) => origin.clone_into(&mut self.origin),
                None => self.invalid("wrong_origin", "origin", None, "not one line with an origin"),
            },
            Err(error) => self.invalid("missing_file", "origin", None, error.to_string()),
        }
        self.report.origin.clone_from(&self.origin);
        self.log_id = digest(self.origin.as_bytes()).base64url();
        let Some(root) = self.ground.root else {
            self.invalid("unknown_key", "delegation.note", None, "no root key to check it with");
            return;
        };
        let bytes = match std::fs::read(dir.join("delegation.note")) {
            Ok(bytes) => bytes,
            Err(error) => return self.invalid("missing_file", "delegation.note", None, error.to_string()),
        };
        match note::open(&bytes, &[root]).and_then(Delegation::parse) {
            Ok(delegation) if delegation.origin != self.origin => {
                self.invalid(
                    "wrong_origin",
                    "origin",
                    None,
                    format!("the root delegated {}, not {}", delegation.origin, self.origin),
                );
                self.key = Some(delegation.key);
            }
            Ok(delegation) if delegation.key.name() != delegation.origin => {
                self.invalid("wrong_origin", "delegation.note", None, "the key is named after another origin");
            }
            Ok(delegation) => {
                let us = |seconds: i64| seconds.saturating_mul(1_000_000);
                self.holds = Some((us(delegation.from), us(delegation.until)));
                self.key = Some(delegation.key);
            }
            Err(error) => self.invalid("bad_signature", "delegation.note", None, error.to_string()),
        }
    }

    fn published_head(&mut self, dir: &Path) -> Option<Checkpoint> {
        let bytes = match std::fs::read(dir.join("checkpoint")) {
            Ok(bytes) => bytes,
            // A process may die before it publishes its first head; then the next log vouches for the records.
            Err(_) if self.heir.is_some_and(|heir| !heir.clean) => return None,
            Err(error) => {
                self.report.find("missing_file", Outcome::Incomplete, "checkpoint", None, error.to_string());
                return None;
            }
        };
        self.head(&bytes, "checkpoint", None)
    }

    /// A signed head of this log.
    fn head(&mut self, bytes: &[u8], file: &str, index: Option<u64>) -> Option<Checkpoint> {
        let key = self.key.clone()?;
        match note::open(bytes, &[&key]).and_then(Checkpoint::parse) {
            Ok(head) if head.origin == self.origin => Some(head),
            Ok(head) => {
                self.invalid("wrong_origin", file, index, format!("the head is of {}", head.origin));
                None
            }
            Err(error) => {
                self.invalid("bad_signature", file, index, error.to_string());
                None
            }
        }
    }

    /// What the root took back of this log.
    fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.ground.revoked.iter().filter(|revocation| Some(&revocation.key) == self.key.as_ref())
    }

    /// A key that was taken back vouches for the records that the root still names, and for no others.
    fn taken_back(&mut self) {
        let size = self.tree.size();
        let mut found = Vec::new();
        for revocation in self.revocations() {
            if self.roots.get(&revocation.size).copied().flatten().is_some_and(|root| root != revocation.root) {
                found.push(("fork", 0, "the records that the root still trusted were others".to_owned()));
            }
            if size > revocation.size {
                let detail = format!("the root took the key back after {} records", revocation.size);
                found.push(("key_revoked", revocation.size, detail));
            }
        }
        for (code, index, detail) in found {
            self.invalid(code, "delegation.note", Some(index), detail);
        }
    }

    /// Index of the record to come.
    fn next(&self) -> u64 {
        self.tree.size() + self.group.len() as u64
    }

    fn note_root(&mut self) {
        if let Some(root) = self.roots.get_mut(&self.tree.size())
            && !self.broken
        {
            *root = Some(self.tree.root());
        }
    }

    /// Takes the leaves since the last commit into the tree.
    fn flush_group(&mut self) {
        for leaf in std::mem::take(&mut self.group) {
            self.broken |= leaf.is_none();
            // Counting goes on where hashing cannot.
            self.tree.push(leaf.unwrap_or(Digest([0; 32])));
            self.note_root();
        }
    }

    /// What is gone from the front must be declared, with the root that is here.
    fn front(&mut self) {
        let declared = self.ground.gone.up_to(&self.origin).max(self.claims.pruned.up_to(&self.origin));
        if self.report.pruned > declared {
            let (first, last) = (declared, self.report.pruned - 1);
            let detail = format!("records {first} to {last} are not here, and retention did not say that it took them");
            self.report.find("index_gap", Outcome::Incomplete, "seg-*", Some(first), detail);
            self.report.miss(first, last);
        }
        let mut wrong = Vec::new();
        for (size, root) in [self.ground.gone, &self.claims.pruned].iter().filter_map(|gone| gone.of(&self.origin)).flatten() {
            let here =
                if *size == self.tree.size() && !self.broken { Some(self.tree.root()) } else { self.edges.get(size).copied() };
            if here.zip(*root).is_some_and(|(here, root)| here != root) {
                wrong.push(*size);
            }
        }
        for size in wrong {
            let detail = "retention declared another root of the records before this one";
            self.invalid("root_mismatch", "", Some(size), detail);
        }
    }

    /// What was erased must be declared as that.
    fn forgotten(&mut self) {
        for (index, name) in std::mem::take(&mut self.erased) {
            if self.ground.gone.erased(&self.log_id, index) || self.claims.pruned.erased(&self.log_id, index) {
                self.report.erase(index);
            } else {
                let detail = "its content is not here, and no erasure is recorded";
                self.report.find("not_declared", Outcome::Incomplete, &name, Some(index), detail);
                self.report.miss(index, index);
            }
        }
    }

    /// Heads, successor, seal and ends against what was read.
    fn conclude(&mut self, published: Option<Checkpoint>) {
        self.front();
        self.forgotten();
        self.taken_back();
        let size = self.tree.size();
        if published.is_none() && self.heir.is_some() && self.heads.len() > 1 {
            self.report.find("missing_file", Outcome::Incomplete, "checkpoint", None, "heads were signed, and none is published");
        }
        if let Some(head) = published {
            let known = self.roots.get(&head.size).copied().flatten();
            if head.size > size {
                let detail = format!("the signed head covers {} records, here are {size}", head.size);
                self.invalid("truncated", "checkpoint", Some(size), detail);
            } else if known.is_some_and(|root| root != head.root) {
                let index = self.unplaced();
                self.invalid("root_mismatch", "checkpoint", index, "the signed root is not the root of these records");
            } else if !self.heads.contains_key(&head.size) {
                // A head is stored before it is published.
                let detail = format!("the head of size {} is published, but not in the log", head.size);
                self.invalid("truncated", "seg-*", Some(head.size), detail);
            }
            if self.sealed.is_some() && head.size < size && self.heads.contains_key(&size) {
                let detail = "an older head than the last one in the log";
                self.report.find("stale", Outcome::Incomplete, "checkpoint", Some(head.size), detail);
            }
            self.heads.insert(head.size, head.root);
        }
        self.report.signed = self.heads.keys().copied().filter(|s| *s <= size).max().unwrap_or(0);
        let mut covered = self.report.signed;
        if let Some(heir) = self.heir {
            self.succeeded(heir, size);
            covered = covered.max(heir.size.min(size));
        }
        self.report.uncovered = size - covered;
        self.report.state = match (self.sealed, self.heir) {
            (Some(_), _) if self.report.uncovered == 0 => State::Sealed,
            (_, Some(_)) => State::Adopted,
            _ => State::Open,
        };
        self.ends();
    }

    /// Where something is wrong that no finding has placed yet: anywhere from the start.
    fn unplaced(&self) -> Option<u64> {
        if self.report.findings.iter().any(|finding| finding.index.is_some()) { None } else { Some(0) }
    }

    fn succeeded(&mut self, heir: &Heir, size: u64) {
        let root = self.roots.get(&heir.size).copied().flatten();
        if heir.size > size {
            let detail = format!("the next log took up {} records, here are {size}", heir.size);
            self.invalid("truncated", "", Some(size), detail);
        } else if heir.size < size && !heir.missing {
            let detail = format!("the next log took up {} records, here are {size}", heir.size);
            self.invalid("inconsistent", "", Some(heir.size), detail);
        } else if root.is_some_and(|root| root != heir.root) {
            let index = self.unplaced();
            self.invalid("inconsistent", "", index, "the next log took up another root");
        }
        if let Some((signed, root)) = heir.signed
            && self.roots.get(&signed).copied().flatten().is_some_and(|ours| ours != root)
        {
            let index = self.unplaced();
            self.invalid("inconsistent", "", index, "the next log names another signed root");
        }
        if heir.clean && self.sealed.is_none() {
            self.invalid("truncated", "", Some(size), "the next log found it sealed, here is no seal");
        }
        if let Some((signed, _)) = heir.signed.filter(|(signed, _)| *signed > size) {
            self.report.miss(size, signed - 1);
        }
    }
}
