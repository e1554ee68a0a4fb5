//! One log held against its files, its key and its successor.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::check::{Glance, check};
use super::kind::Kind;
use super::merkle::Tree;
use super::note::{self, Checkpoint, Delegation, NoteKey, Revocation};
use super::record::RecordId;
use super::report::{LogReport, Outcome, State};
use super::segment::{self, Frame, FrameKind, HEADER, Step};
use crate::base::verdict::Act;
use crate::seal::{Digest, digest};

/// What the successor says of a log.
#[derive(Clone, Debug)]
pub(crate) struct Heir {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) clean: bool,
    pub(crate) signed: Option<(u64, Digest)>,
    /// Exchanges that it closed as unknown, and how many beyond the list.
    pub(crate) closed: BTreeSet<RecordId>,
    pub(crate) closed_more: u64,
    /// Indices that it declares as damaged.
    pub(crate) missing: bool,
}

/// What one log says of others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) prev: Option<(String, Heir)>,
    pub(crate) pruned: Gone,
}

/// What records declare as removed by retention: of each log, up to which sizes, with the root there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone(BTreeMap<String, BTreeMap<u64, Option<Digest>>>);

impl Gone {
    pub(crate) fn add(&mut self, other: &Self) {
        for (origin, sizes) in &other.0 {
            self.0.entry(origin.clone()).or_default().extend(sizes);
        }
    }

    /// Records of a log that are declared as removed, from its front.
    pub(crate) fn up_to(&self, origin: &str) -> u64 {
        self.0.get(origin).and_then(|sizes| sizes.keys().last().copied()).unwrap_or(0)
    }

    fn take(&mut self, record: &Value) {
        for pruned in record.get("pruned").and_then(Value::as_array).into_iter().flatten() {
            let origin = pruned.get("origin").and_then(Value::as_str);
            if let (Some(origin), Some(size)) = (origin, pruned.get("size").and_then(Value::as_u64)) {
                let root = pruned.get("root").and_then(Value::as_str).and_then(Digest::parse_base64url);
                self.0.entry(origin.to_owned()).or_default().insert(size, root);
            }
        }
    }
}

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

    /// A record of a time at which the key was no longer, or not yet, delegated. Time is what has passed since
    /// the start, so that a wall clock that jumps makes nothing invalid.
    fn in_time(&mut self, glance: &Glance<'_>, name: &str, index: u64) {
        let (Some((from, until)), Some(time), Some(mono)) = (self.holds, glance.time_us, glance.mono_us) else { return };
        let start = if index == 0 { time.saturating_sub(mono) } else { from };
        if start < from || start.saturating_add(mono) > until {
            // Told once.
            self.holds = None;
            self.invalid("delegation_expired", name, Some(index), "the root delegated the key for another time");
        } else if index == 0 {
            self.holds = Some((start, until));
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

    fn segments(&mut self, dir: &Path) {
        let names = match std::fs::read_dir(dir) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(error) => return self.invalid("missing_file", "", None, error.to_string()),
        };
        let mut segments: Vec<((u64, u32), String)> =
            names.filter(|n| n.starts_with("seg-")).filter_map(|name| Some((segment::parse_name(&name)?, name))).collect();
        segments.sort_unstable();
        if segments.is_empty() {
            return self.report.find("missing_file", Outcome::Incomplete, "seg-*", Some(0), "no segment");
        }
        let log = digest(self.origin.as_bytes());
        for (at, ((first, _), name)) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|((next, _), _)| *next);
            let file = match std::fs::read(dir.join(name)) {
                Ok(file) => file,
                Err(error) => {
                    self.invalid("missing_file", name, Some(*first), error.to_string());
                    continue;
                }
            };
            if at == 0
                && segment::header_fits(&file, &log, *first)
                && let Some(tree) = segment::edge(&file, *first)
            {
                self.tree = tree;
                self.report.pruned = *first;
            }
            if *first > self.next() {
                self.gap(name, self.next(), first - 1);
            }
            if !segment::header_fits(&file, &log, *first) {
                self.invalid("bad_segment", name, Some(*first), "the header is not that of this log and index");
            }
            self.frames(&file, name, next);
        }
    }

    /// Records that are not there.
    fn gap(&mut self, name: &str, first: u64, last: u64) {
        self.counted = false;
        self.report.find("index_gap", Outcome::Incomplete, name, Some(first), format!("records {first} to {last} are not here"));
        self.report.miss(first, last);
        // A leaf may still be known from a commit frame.
        for _ in first..=last.min(first + (1 << 20)) {
            self.group.push(None);
        }
    }

    fn frames(&mut self, file: &[u8], name: &str, next: Option<u64>) {
        let mut at = HEADER.min(file.len());
        let mut sound = true;
        self.running = (0, 0);
        loop {
            match segment::step(file, at) {
                Step::Frame(frame) => {
                    if next.is_some_and(|next| frame.kind == FrameKind::Record && frame.index >= next) {
                        let detail = "records stand here that the next segment holds";
                        return self.invalid("trailing_bytes", name, Some(frame.index), detail);
                    }
                    sound &= self.frame(file, name, &frame, sound);
                    at = frame.end();
                }
                Step::End => {
                    let zeros = file.len() - at;
                    // Room that was prepared is cut off when a segment is closed; who dies just before that leaves it
                    // to the next start.
                    let outcome = match (self.heir, self.sealed) {
                        (Some(_), _) => Outcome::Invalid,
                        (None, Some(_)) => Outcome::Incomplete,
                        (None, None) => return,
                    };
                    if zeros > 0 {
                        let (index, detail) = (self.next(), format!("{zeros} bytes after the last frame"));
                        self.report.find("trailing_bytes", outcome, name, Some(index), detail);
                    }
                    return;
                }
                Step::Bad => {
                    sound = false;
                    let index = self.next();
                    if let Some(frame) = segment::resync(file, at + 1, index).filter(|f| next.is_none_or(|n| f.index <= n)) {
                        let detail = format!("{} bytes from offset {at} are damaged", frame.at - at);
                        self.report.find("bad_frame", Outcome::Incomplete, name, Some(index), detail);
                        self.counted = false;
                        // A record is only missing if the frame behind the damage says so.
                        let lost = frame.index - index;
                        for n in 0..lost {
                            self.report.miss(index + n, index + n);
                            self.group.push(None);
                        }
                        if lost == 0 {
                            self.invalid("bad_frame", name, Some(index), "a commit or head was changed");
                        }
                        at = frame.at;
                    } else {
                        return self.tail(file, name, at, next);
                    }
                }
            }
        }
    }

    /// Nothing sound stands behind `at`.
    fn tail(&mut self, file: &[u8], name: &str, at: usize, next: Option<u64>) {
        let torn = file.len() - at;
        if next.is_none() && self.sealed.is_none() && self.heir.is_none() {
            self.report.torn_bytes = torn as u64;
        } else {
            self.invalid("bad_frame", name, Some(self.next()), format!("{torn} bytes from offset {at} are no frame"));
        }
    }

    /// The tree before a segment, which must be the one that was read up to it.
    fn edge(&mut self, name: &str, frame: &Frame<'_>) -> bool {
        self.flush_group();
        let size = self.tree.size();
        let Some(tree) = segment::edge_of(frame.index, frame.bytes).filter(|_| frame.at == HEADER && frame.index == size) else {
            self.invalid("bad_frame", name, Some(size), "an edge stands where none belongs");
            return false;
        };
        if !self.broken && tree != self.tree {
            self.invalid("root_mismatch", name, Some(size), "the segment does not follow on the records before it");
        }
        self.edges.insert(size, tree.root());
        true
    }

    /// One sound frame. `false` if it does not fit what stands before it.
    fn frame(&mut self, file: &[u8], name: &str, frame: &Frame<'_>, sound: bool) -> bool {
        let index = self.next();
        match frame.kind {
            FrameKind::Record => {
                if let Some((seal, _)) = self.sealed {
                    self.invalid("not_sealed_last", name, Some(index), format!("a record follows the seal at {seal}"));
                }
                let fits = frame.index == index;
                if !fits {
                    let detail = format!("record {} stands where {index} belongs", frame.index);
                    self.invalid("index_gap", name, Some(index), detail);
                    self.counted = false;
                    if frame.index < index {
                        // One that was put in, or moved back: what follows is read as if it were not here.
                        return false;
                    }
                    self.gap(name, index, frame.index - 1);
                }
                self.group.push(Some(frame.leaf()));
                self.report.records += 1;
                self.record(frame.bytes, name, frame.index);
                fits
            }
            FrameKind::Commit => self.commit(file, name, frame, sound),
            FrameKind::Edge => self.edge(name, frame),
            FrameKind::Checkpoint => {
                self.flush_group();
                if let Some(head) = self.head(frame.bytes, name, Some(index)) {
                    if frame.index != head.size || head.size != self.tree.size() {
                        self.invalid("index_gap", name, Some(index), format!("a head of size {} stands here", head.size));
                    } else if !self.broken && head.root != self.tree.root() {
                        self.invalid("root_mismatch", name, Some(index), "the signed root is not the root of these records");
                    }
                    self.heads.insert(head.size, head.root);
                }
                true
            }
        }
    }

    fn commit(&mut self, file: &[u8], name: &str, frame: &Frame<'_>, sound: bool) -> bool {
        let first = self.tree.size();
        let Some(commit) = segment::parse_commit(frame.bytes) else {
            self.invalid("bad_frame", name, Some(first), "a commit frame is malformed");
            return false;
        };
        if frame.index != commit.size || commit.size != self.next() || commit.leaves.len() != self.group.len() {
            let detail = format!("a commit of size {} over {} records stands here", commit.size, commit.leaves.len());
            self.invalid("index_gap", name, Some(self.next().min(commit.size)), detail);
            return false;
        }
        let (crc, done) = self.running;
        let running = crc32c::crc32c_append(crc, file.get(done..frame.at).unwrap_or_default());
        self.running = (running, frame.at);
        if sound && running != commit.running {
            self.invalid("bad_frame", name, Some(first), "the checksum over the segment does not fit");
        }
        let mut wrong = Vec::new();
        for (at, (ours, theirs)) in self.group.iter_mut().zip(&commit.leaves).enumerate() {
            if ours.get_or_insert(*theirs) != theirs {
                wrong.push(first + at as u64);
            }
        }
        for index in wrong {
            self.invalid("leaf_mismatch", name, Some(index), "the record is not the one that was written");
        }
        self.flush_group();
        if !self.broken && self.tree.root() != commit.root {
            self.invalid("root_mismatch", name, Some(first), "the root of the group is not the root of these records");
        }
        true
    }

    fn record(&mut self, bytes: &[u8], name: &str, index: u64) {
        let glance = match check(bytes) {
            Ok(glance) => glance,
            Err(wrong) => {
                self.counted = false;
                return self.invalid(wrong.code, name, Some(index), wrong.detail);
            }
        };
        self.in_time(&glance, name, index);
        if glance.log != self.log_id {
            self.invalid("foreign_record", name, Some(index), "it was written for another log");
        }
        let Some(kind) = glance.kind else {
            self.report.unknown_kind += 1;
            return;
        };
        *self.report.kinds.entry(kind.as_str().to_owned()).or_default() += 1;
        if (index == 0) != (kind == Kind::LogOpen) {
            self.invalid("not_opened", name, Some(index), "a log begins with its one log.open");
        }
        match kind {
            Kind::Exchange => {
                self.exchanges += 1;
                *self.report.acts.entry(glance.act.to_owned()).or_default() += 1;
                self.report.unjudged += u64::from(glance.unjudged);
                if !self.ended.insert(glance.id) {
                    self.invalid("duplicate_record", name, Some(index), "this exchange has ended before");
                }
                let seen = self.intervened.remove(&glance.id).unwrap_or(0);
                // Some may have stood in what retention took away.
                let fits = seen == glance.interventions || (self.report.pruned > 0 && seen < glance.interventions);
                if self.counted && self.report.lost == 0 && !fits {
                    let detail = format!("it counts {} interventions, here are {seen}", glance.interventions);
                    self.invalid("counter_mismatch", name, Some(index), detail);
                }
            }
            Kind::Intervention => {
                self.interventions += 1;
                if let Some(exchange) = glance.exchange.filter(|id| !id.is_nil()) {
                    *self.intervened.entry(exchange).or_default() += 1;
                }
            }
            Kind::Heartbeat | Kind::Gap | Kind::LogOpen | Kind::LogSeal | Kind::Recovery | Kind::ConfigChange => {
                if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
                    self.keeping(kind, &value, name, index);
                }
            }
            _ => {}
        }
        if let Some(time) = glance.time_us {
            let first = self.report.time_us.map_or(time, |(first, _)| first);
            self.report.time_us = Some((first, time));
        }
    }

    fn keeping(&mut self, kind: Kind, value: &Value, name: &str, index: u64) {
        let int = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind {
            Kind::Gap => self.report.lost += int("count"),
            Kind::LogSeal => {
                if int("size") != index + 1 {
                    self.invalid("counter_mismatch", name, Some(index), format!("the seal speaks of {} records", int("size")));
                }
                self.sealed = Some((index, int("in_flight")));
            }
            Kind::LogOpen => {
                if text("origin") != self.origin {
                    self.invalid("wrong_origin", name, Some(index), "log.open names another origin");
                }
                if self.key.as_ref().is_some_and(|key| key.to_string() != text("vkey")) {
                    self.invalid("unknown_key", name, Some(index), "log.open names a key that the root did not delegate");
                }
                self.claims.prev = value.get("prev").and_then(heir);
            }
            Kind::Recovery => {
                if let Some((origin, heir)) = &mut self.claims.prev
                    && origin == text("origin")
                {
                    let ids = value.get("ids").and_then(Value::as_array).into_iter().flatten();
                    heir.closed.extend(ids.filter_map(|id| RecordId::parse(id.as_str()?)));
                    heir.closed_more += int("ids_more");
                    heir.missing |= value.get("missing").is_some();
                }
            }
            Kind::ConfigChange => self.claims.pruned.take(value),
            Kind::Heartbeat if self.counted => {
                let acts = value.get("acts");
                let theirs = |act: Act| acts.and_then(|a| a.get(act.as_str())).and_then(Value::as_u64).unwrap_or(0);
                let ours = |act: Act| self.report.acts.get(act.as_str()).copied().unwrap_or(0);
                let counted: Vec<(&'static str, u64, u64)> = Act::ALL
                    .iter()
                    .map(|act| (act.as_str(), theirs(*act), ours(*act)))
                    .chain([
                        ("ended", int("ended"), self.exchanges),
                        ("interventions", int("interventions"), self.interventions),
                        ("lost", int("lost"), self.report.lost),
                        ("unjudged", int("unjudged"), self.report.unjudged),
                    ])
                    .collect();
                // Where the front is gone, the first heartbeat says what had been counted there.
                if self.report.pruned > 0 && self.base.is_none() {
                    self.base = Some(counted.iter().map(|(key, theirs, ours)| (*key, theirs.saturating_sub(*ours))).collect());
                }
                let before = |key: &str| self.base.as_ref().and_then(|base| base.get(key).copied()).unwrap_or(0);
                let wrong = counted.iter().find(|(key, theirs, ours)| *theirs != ours + before(key)).map(|(key, ..)| *key);
                if let Some(key) = wrong {
                    self.invalid(
                        "counter_mismatch",
                        name,
                        Some(index),
                        format!("`{key}` is not the number of records before it"),
                    );
                }
            }
            _ => {}
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
        for (size, root) in [self.ground.gone, &self.claims.pruned].iter().filter_map(|gone| gone.0.get(&self.origin)).flatten() {
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

    /// Heads, successor, seal and ends against what was read.
    fn conclude(&mut self, published: Option<Checkpoint>) {
        self.front();
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

    /// Every intervention has its exchange, or is accounted for.
    fn ends(&mut self) {
        let open: Vec<RecordId> = self.intervened.keys().filter(|id| !self.ended.contains(id)).copied().collect();
        self.report.open_exchanges = open.len() as u64;
        let allowed = if let Some((_, in_flight)) = self.sealed {
            in_flight
        } else if let Some(heir) = self.heir {
            open.iter().filter(|id| heir.closed.contains(id)).count() as u64 + heir.closed_more
        } else {
            return;
        };
        if open.len() as u64 > allowed && self.counted && self.report.lost == 0 {
            let detail = format!("{} interventions have no exchange, {allowed} are accounted for", open.len());
            self.report.find("missing_exchange", Outcome::Incomplete, "", None, detail);
        }
    }
}

fn heir(prev: &Value) -> Option<(String, Heir)> {
    let root = |key: &str| Digest::parse_base64url(prev.get(key)?.as_str()?);
    Some((
        prev.get("origin")?.as_str()?.to_owned(),
        Heir {
            size: prev.get("size")?.as_u64()?,
            root: root("root")?,
            clean: prev.get("clean").and_then(Value::as_bool).unwrap_or(false),
            signed: prev.get("signed_size").and_then(Value::as_u64).zip(root("signed_root")),
            closed: BTreeSet::new(),
            closed_more: 0,
            missing: false,
        },
    ))
}
