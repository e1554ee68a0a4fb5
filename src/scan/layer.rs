//! A text with its views, and the texts that were encoded in it with theirs.
//!
//! Promises: hits lie over bytes of the outermost text; a hit of a view that lies within one of the same pattern
//! is not told again; what is encoded more than [`DECODE_DEPTH_MAX`] times is not looked at, and that is told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::pass::Pass;
use super::set::Scanner;
use super::span::{Hit, join_pieces};
use super::view::{Pieces, RUNS, Views, is_plain, join_topics};
use crate::base::limits::{DECODE_DEPTH_MAX, HITS_MAX};

/// Bytes of a text that are looked at together: bounds what views keep of it, and what a run may cost that is looked for
/// in vain.
const PIECE: usize = 8 << 10;

/// One text that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Layer {
    depth: usize,
    pass: Pass,
    views: Views,
    /// What has arrived and is not read yet.
    held: String,
    /// By run, the text in it; kept for the next run of its kind.
    layers: [Option<Box<Layer>>; RUNS],
    /// By run, whether its text has begun, and up to where it is decided.
    begun: [bool; RUNS],
    known: [usize; RUNS],
    pieces: [Pieces; RUNS],
    /// Text and hits on their way between two layers.
    text: String,
    found: Vec<Hit>,
    /// Hits of views that may lie within hits to come.
    pending: Vec<Hit>,
    /// Hits of the text itself, in order, that hits of views may lie within.
    recent: VecDeque<Hit>,
    /// By pattern, where those end that begin before the next hit of a view.
    told: BTreeMap<u32, usize>,
    given: usize,
    deep: bool,
}

impl Layer {
    /// Makes it ready for another text, which was encoded so often.
    pub(super) fn reset(&mut self, scanner: &Scanner, depth: usize) {
        self.pass.reset(scanner);
        self.restart(depth);
    }

    fn restart(&mut self, depth: usize) {
        self.depth = depth;
        self.views.reset();
        self.held.clear();
        self.pending.clear();
        self.recent.clear();
        self.told.clear();
        (self.given, self.deep) = (0, false);
        (self.begun, self.known) = ([false; RUNS], [0; RUNS]);
    }

    /// Takes the next piece and adds the hits that are now certain, those of views last. Gives how far the text is decided:
    /// every hit that starts before has been given.
    pub(super) fn push(&mut self, scanner: &Scanner, piece: &str, last: bool, hits: &mut Vec<Hit>) -> usize {
        let mut held = std::mem::take(&mut self.held);
        held.push_str(piece);
        let (read, known) = self.look_on(scanner, &held, last);
        let first = hits.len();
        let open = self.pass.push(scanner, held.get(..read).unwrap_or_default(), last, hits);
        held.drain(..read);
        self.held = held;
        let known = known.min(open);
        self.recent.extend(hits.iter().skip(first).filter(|hit| !hit.continues));
        self.give(if last { usize::MAX } else { known }, hits);
        known
    }

    /// Adds the hits of the views of a whole text, whose own hits are those in `hits` from `first`.
    pub(super) fn look_at_whole(&mut self, scanner: &Scanner, text: &str, first: usize, hits: &mut Vec<Hit>) {
        self.restart(0);
        if is_plain(text) {
            return;
        }
        self.look_on(scanner, text, true);
        if !self.pending.is_empty() {
            self.recent.extend(hits.iter().skip(first));
            let mut whole = hits.split_off(first);
            self.give(usize::MAX, &mut whole);
            join_pieces(&mut whole);
            hits.append(&mut whole);
        }
    }

    /// Looks at the views of what has arrived, a piece at a time. Gives as [`Layer::look`].
    fn look_on(&mut self, scanner: &Scanner, text: &str, last: bool) -> (usize, usize) {
        let (mut at, mut to) = (0, 0);
        loop {
            to = text.floor_char_boundary(to + PIECE);
            let piece = text.get(at..to).unwrap_or_default();
            let (read, known) = self.look(scanner, piece, last && to == text.len());
            at += read;
            if to == text.len() {
                return (at, known);
            }
        }
    }

    /// Looks at the views of a piece. Gives how much of it was read, and up to where the views are decided.
    fn look(&mut self, scanner: &Scanner, text: &str, last: bool) -> (usize, usize) {
        let read = self.views.read(scanner, text, last, &mut self.pending);
        while let Some(run) = self.views.decode(last) {
            self.hand_down(scanner, run);
        }
        for run in 0..RUNS {
            self.hand_down(scanner, run);
        }
        (read, self.views.settle(self.known))
    }

    /// Hands the text of a run down to its layer.
    fn hand_down(&mut self, scanner: &Scanner, run: usize) {
        let Some(ended) = self.views.take(run, &mut self.text) else { return };
        let (Some(slot), Some(begun), Some(known), Some(pieces)) =
            (self.layers.get_mut(run), self.begun.get_mut(run), self.known.get_mut(run), self.pieces.get_mut(run))
        else {
            return;
        };
        if self.depth >= DECODE_DEPTH_MAX {
            self.deep = true;
            self.views.stop(run);
            return;
        }
        let layer = slot.get_or_insert_with(Box::default);
        if !std::mem::replace(begun, !ended) {
            layer.reset(scanner, self.depth + 1);
            pieces.clear();
        }
        self.found.clear();
        *known = layer.push(scanner, &self.text, ended, &mut self.found);
        for hit in self.found.drain(..) {
            let place = self.views.place(run, hit.start, hit.end);
            self.pending.extend(pieces.join(hit, place));
        }
        if ended {
            *known = 0;
            self.deep |= layer.deep;
            self.views.reading.sum.add_pass(&layer.pass.state);
            self.views.reading.sum.add(&layer.views.reading.sum);
            self.views.stop(run);
        }
    }

    /// Gives the hits of views that start before `known`.
    fn give(&mut self, known: usize, hits: &mut Vec<Hit>) {
        self.pending.sort_unstable_by_key(|hit| (hit.start, Reverse(hit.end), hit.pattern));
        let ready = self.pending.partition_point(|hit| hit.start < known);
        for hit in self.pending.drain(..ready) {
            while let Some(own) = self.recent.front().copied().filter(|own| own.start <= hit.start) {
                self.recent.pop_front();
                let end = self.told.entry(own.pattern).or_default();
                *end = own.end.max(*end);
            }
            let told = self.told.entry(hit.pattern).or_default();
            if hit.end <= *told {
                continue;
            }
            *told = hit.end;
            if self.given < HITS_MAX {
                self.given += 1;
                hits.push(hit);
            } else {
                self.views.reading.sum.more += 1;
            }
        }
    }

    /// Hits beyond the ceilings that were counted and not given.
    pub(super) fn more(&self) -> u64 {
        self.pass.state.more + self.views.reading.sum.more
    }

    /// Whether a pattern ran out of its budget of vain steps.
    pub(super) fn starved(&self) -> bool {
        self.pass.state.starved || self.views.reading.sum.starved
    }

    /// Bytes that candidates cost.
    pub(super) fn steps(&self) -> u64 {
        self.pass.state.steps + self.views.reading.sum.steps
    }

    /// Whether something was encoded more often than is undone.
    pub(super) fn deep(&self) -> bool {
        self.deep
    }

    /// The topics over their thresholds, of the text and its views.
    pub(super) fn topics(&self) -> Vec<(u32, u32)> {
        let mut topics = self.pass.state.topics();
        join_topics(&mut topics, &self.views.reading.sum.topics);
        topics
    }
}

#[cfg(test)]
mod tests;
