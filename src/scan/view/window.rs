//! A reading of a text, scanned around the places where it differs from what stands there.
//!
//! Promises: a hit lies over the bytes that say it and holds something that reads otherwise than it stands; a reading
//! costs as much as lies around its changes; what is kept of it is what a change to come could need.

use std::collections::BTreeMap;

use super::map::Map;
use crate::scan::pass::Pass;
use crate::scan::set::Scanner;
use crate::scan::span::Hit;
use crate::scan::walk::State;

/// Bytes of a reading around a change that are scanned again with it.
const AROUND: usize = 256;

/// Bytes in which a place to begin is looked for, so that no word is cut.
const SEAM: usize = 64;

/// Bytes of a reading that are kept for a change to come.
const KEPT: usize = AROUND + SEAM;

/// A scan of a reading around changes that stand close together.
#[derive(Debug, Default)]
struct Window {
    pass: Pass,
    on: bool,
    /// Where it begins and up to where it has been scanned, in the reading.
    from: usize,
    scanned: usize,
    /// Where its last change ends.
    changed: usize,
    /// Up to where it is decided.
    open: usize,
}

/// Where the hits of long forms end that may go on, by pattern: their pieces stay joined where they lead back to.
#[derive(Debug, Default)]
pub(in crate::scan) struct Pieces(BTreeMap<u32, usize>);

impl Pieces {
    /// Begins anew.
    pub(in crate::scan) fn clear(&mut self) {
        self.0.clear();
    }

    /// The hit at this place; a piece of one that was left out is left out too.
    pub(in crate::scan) fn join(&mut self, hit: Hit, (start, end): (usize, usize)) -> Option<Hit> {
        let start = if hit.continues { *self.0.get(&hit.pattern)? } else { start };
        self.0.insert(hit.pattern, end.max(start));
        (end > start).then_some(Hit { start, end, ..hit })
    }

    /// Leaves a hit out.
    fn leave(&mut self, hit: Hit) {
        self.0.remove(&hit.pattern);
    }
}

/// What a view found wanting, and the topics it speaks of.
#[derive(Debug, Default)]
pub(in crate::scan) struct Sum {
    /// Topics over their thresholds, with their largest sums.
    pub(in crate::scan) topics: Vec<(u32, u32)>,
    /// Hits beyond a ceiling.
    pub(in crate::scan) more: u64,
    /// Whether a pattern ran out of its budget.
    pub(in crate::scan) starved: bool,
    /// Bytes that candidates cost.
    pub(in crate::scan) steps: u64,
}

impl Sum {
    fn reset(&mut self) {
        self.topics.clear();
        (self.more, self.starved, self.steps) = (0, false, 0);
    }

    /// Takes in what another one came to.
    pub(in crate::scan) fn add(&mut self, other: &Self) {
        join_topics(&mut self.topics, &other.topics);
        self.more += other.more;
        self.starved |= other.starved;
        self.steps += other.steps;
    }

    /// Takes in what a pass came to.
    pub(in crate::scan) fn add_pass(&mut self, state: &State) {
        join_topics(&mut self.topics, &state.topics());
        self.more += state.more;
        self.starved |= state.starved;
        self.steps += state.steps;
    }
}

/// Joins topics by number: of each the largest sum counts.
pub(in crate::scan) fn join_topics(topics: &mut Vec<(u32, u32)>, more: &[(u32, u32)]) {
    for &(topic, sum) in more {
        match topics.binary_search_by_key(&topic, |(other, _)| *other) {
            Ok(at) => topics.get_mut(at).into_iter().for_each(|(_, best)| *best = sum.max(*best)),
            Err(at) => topics.insert(at, (topic, sum)),
        }
    }
}

/// A reading of one text that arrives in pieces, or of a whole one.
#[derive(Debug, Default)]
pub(in crate::scan) struct Reading {
    /// The text as it reads, from `base` on.
    pub(super) plain: String,
    pub(super) base: usize,
    /// Where it was read from.
    pub(super) map: Map,
    /// Changes that windows have seen, of those the map keeps.
    seen: usize,
    window: Window,
    /// Hits of a window before their places are known.
    found: Vec<Hit>,
    pieces: Pieces,
    /// What its windows came to.
    pub(in crate::scan) sum: Sum,
}

impl Reading {
    /// Makes it ready for another text.
    pub(super) fn reset(&mut self) {
        self.map.reset();
        self.plain.clear();
        (self.base, self.seen) = (0, 0);
        self.window.on = false;
        self.sum.reset();
    }

    /// Up to where it is decided.
    pub(super) fn open(&self) -> usize {
        if self.window.on { self.window.open } else { self.end() }
    }

    /// Forgets what nothing can need any more where it is decided up to `open`.
    pub(super) fn forget(&mut self, open: usize) {
        let needed = open.min(self.end().saturating_sub(KEPT));
        self.seen -= self.map.forget(needed).min(self.seen);
        let spare = needed.saturating_sub(self.base);
        // Moving a few bytes at each step costs more than keeping them for a while.
        if spare > self.plain.len() / 2 {
            let spare = self.plain.floor_char_boundary(spare);
            self.plain.drain(..spare);
            self.base += spare;
        }
    }

    /// Up to where the reading goes.
    pub(super) fn end(&self) -> usize {
        self.base + self.plain.len()
    }

    /// Scans around the changes that are new, and adds the hits that are certain. `last` says that the reading is complete.
    pub(super) fn look(&mut self, scanner: &Scanner, last: bool, hits: &mut Vec<Hit>) {
        while let Some(change) = self.map.get(self.seen) {
            self.seen += 1;
            if self.window.on && change.view > self.window.changed + AROUND {
                self.scan_window(scanner, true, hits);
            }
            if !self.window.on {
                let from = self.beginning(change.view);
                self.window.pass.reset(scanner);
                self.pieces.clear();
                (self.window.from, self.window.scanned, self.window.open) = (from, from, from);
                self.window.on = true;
            }
            self.window.changed = change.view + change.view_len;
        }
        if self.window.on {
            let ends = last || self.end() > self.window.changed + AROUND;
            self.scan_window(scanner, ends, hits);
        }
    }

    /// Where a window begins for a change at `at`: behind white space, so that no word is cut.
    fn beginning(&self, at: usize) -> usize {
        let from = at.saturating_sub(KEPT);
        let to = at.saturating_sub(AROUND);
        if to == 0 {
            return 0;
        }
        let (from, to) = (from.saturating_sub(self.base), to.saturating_sub(self.base));
        let seam = self.plain.as_bytes().get(from..to).unwrap_or_default();
        match seam.iter().position(u8::is_ascii_whitespace) {
            Some(space) => self.base + from + space + 1,
            None => self.base + self.plain.floor_char_boundary(to),
        }
    }

    /// Scans the window on, as far as it goes or the reading does.
    fn scan_window(&mut self, scanner: &Scanner, ends: bool, hits: &mut Vec<Hit>) {
        let Window { pass, from, scanned, changed, open, on } = &mut self.window;
        let to = self.base + self.plain.floor_char_boundary((*changed + AROUND).saturating_sub(self.base));
        let to = to.max(*scanned);
        let piece = self.plain.get(*scanned - self.base..to - self.base).unwrap_or_default();
        self.found.clear();
        *open = *from + pass.push(scanner, piece, ends, &mut self.found);
        (*scanned, *on) = (to, !ends);
        for hit in self.found.drain(..) {
            let (start, end) = (*from + hit.start, *from + hit.end);
            // Of a long form the opening counts: without a disguise it is found as it stands.
            let telling = match scanner.opening(hit.pattern, self.plain.as_bytes(), start - self.base) {
                _ if hit.continues => end,
                Some(len) => start + len,
                None => end,
            };
            if hit.continues || self.map.is_changed(start, telling) {
                hits.extend(self.pieces.join(hit, (self.map.start(start), self.map.end(end))));
            } else {
                self.pieces.leave(hit);
            }
        }
        if ends {
            self.sum.add_pass(&pass.state);
        }
    }
}
