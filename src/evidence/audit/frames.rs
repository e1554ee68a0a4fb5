//! The segments of a log, frame by frame: headers, checksums, commits, heads, and what lies behind the last.

use std::path::Path;

use super::Audit;
use crate::evidence::report::Outcome;
use crate::evidence::segment::{self, Frame, FrameKind, HEADER, Step};
use crate::seal::digest;

impl Audit<'_> {
    /// Reads every segment, in order.
    pub(super) fn segments(&mut self, dir: &Path) {
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
                    if next.is_some_and(|next| frame.kind.is_leaf() && frame.index >= next) {
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
            FrameKind::Record | FrameKind::Erased => {
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
                if frame.kind == FrameKind::Erased {
                    // What it counted cannot be counted again.
                    self.counted = false;
                    self.erased.push((frame.index, name.to_owned()));
                    return fits;
                }
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
}
