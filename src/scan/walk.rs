//! The pass over a text, in as many steps as it arrives in.
//!
//! One code path serves whole texts and streams: a whole text is a stream of one chunk that is the
//! last. For each pattern the pass goes from left to right over the places where it can begin; a run that
//! reaches the end of what has arrived waits there, with the pattern, until there is more.

use crate::base::limits::HITS_MAX;

use super::bucket::Bucket;
use super::check;
use super::context;
use super::pattern::{Kind, Pattern};
use super::phrase::{Owner, Walk, gap_at, gap_before};
use super::regex::{Machine, Run, View, is_word};
use super::set::Scanner;
use super::shape::Shape;
use super::span::Hit;
use super::tally::{self, Sums};

/// A pattern that waits for text has no next start.
const WAITS: usize = usize::MAX;

/// An open long form.
#[derive(Clone, Copy, Debug)]
struct Long {
    pattern: u32,
    /// Up to where its pieces have been given.
    given: usize,
    /// Where its close may begin at the earliest.
    close_from: usize,
}

/// What one text has come to so far.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Per pattern the earliest place where its next match may begin. These lists end with the last pattern that has more
    /// than naught.
    next: Vec<usize>,
    /// Per pattern how many hits were kept.
    kept: Vec<u32>,
    /// Per pattern the bytes read in vain.
    spent: Vec<u64>,
    /// Per guarded pattern the place from which it is still to be looked for.
    guarded: Vec<usize>,
    waiting: Vec<(u32, Run)>,
    /// Where the earliest phrase begins that waits for text, and whether text is held back for it.
    phrase_waits: Option<(usize, bool)>,
    frontier: usize,
    longs: Vec<Long>,
    pending: Vec<Hit>,
    found: Vec<(Owner, usize)>,
    sums: Sums,
    given: usize,
    /// Patterns whose long hit fell to the ceiling: its pieces fall with it.
    muted: Vec<u32>,
    /// Hits beyond the ceiling.
    pub(super) more: u64,
    /// Whether a pattern ran out of budget.
    pub(super) starved: bool,
    /// Bytes read by runs and walks.
    pub(super) steps: u64,
}

impl State {
    /// Makes it ready for a new text.
    pub(super) fn reset(&mut self, scanner: &Scanner) {
        self.next.clear();
        self.kept.clear();
        self.spent.clear();
        self.sums.reset(&scanner.rules);
        self.guarded.clear();
        self.waiting.clear();
        self.longs.clear();
        self.pending.clear();
        self.muted.clear();
        self.phrase_waits = None;
        (self.frontier, self.given, self.more, self.starved, self.steps) = (0, 0, 0, false, 0);
    }

    /// The earliest byte that must still be at hand.
    pub(super) fn needs(&self, open: usize) -> usize {
        let close = self.longs.iter().map(|long| long.close_from).min().unwrap_or(usize::MAX);
        let behind = check::CONTEXT.max(context::BEFORE + 1);
        let phrase = self.phrase_waits.map_or(usize::MAX, |(at, _)| at);
        open.min(self.frontier).min(close).min(phrase).min(self.sums.needs()).saturating_sub(behind)
    }

    /// The topics over their thresholds, with their largest sums.
    pub(super) fn topics(&self) -> Vec<(u32, u32)> {
        self.sums.topics()
    }

    /// Reads what has arrived, adds the hits that are certain, and gives how far the text is decided.
    pub(super) fn advance(&mut self, scanner: &Scanner, view: View<'_>, hits: &mut Vec<Hit>) -> usize {
        self.grow_longs(scanner, view);
        self.take_up_waiting(scanner, view);
        self.take_up_phrases(scanner, view);
        let from = self.frontier - view.base;
        let filter = &scanner.filter;
        filter.candidates(view.bytes, from, view.last, |at, shape, bucket| self.try_place(scanner, view, at, shape, bucket));
        let mut open = self.last_byte(scanner, view);
        for index in 0..scanner.guarded.len() {
            open = open.min(self.guarded(scanner, view, index));
        }
        let held = self.held_by_phrase(scanner, view);
        open = self.waiting.iter().map(|(_, run)| run.start).chain(held).fold(open, usize::min);
        if !view.last {
            let counted = self.phrase_waits.map_or(self.frontier, |(at, _)| at).min(self.frontier);
            self.sums.look_for_end(view, counted.min((view.end() + 1).saturating_sub(tally::AHEAD)));
        }
        self.give(open, view.last, hits);
        open
    }

    /// Tries what may begin at a place of what has arrived.
    #[inline(never)]
    fn try_place(&mut self, scanner: &Scanner, view: View<'_>, at: usize, shape: Shape, bucket: &Bucket) {
        let start = view.base + at;
        if bucket.phrase {
            self.try_phrase(scanner, view, start);
        }
        let begin = |pattern| self.try_pattern(scanner, view, pattern, start);
        scanner.filter.beginning(view.bytes, at, (bucket, shape), begin);
    }

    /// Tries an unguarded pattern at a place where it may begin, if what stands there lets it.
    #[inline(never)]
    fn try_pattern(&mut self, scanner: &Scanner, view: View<'_>, pattern: u32, start: usize) {
        let at = start - view.base;
        if self.is_free(pattern, start)
            && let Some(machine) = scanner.machine(pattern)
            && !view.ends_within(machine.shortest, start)
            && machine.ahead.fits(view.bytes, at)
        {
            self.try_at(scanner, view, pattern, machine, start);
        }
    }

    /// The last byte has no next one: looked at for what it may begin, and looked at again when there is
    /// more. Gives the earliest open place, or the end.
    fn last_byte(&mut self, scanner: &Scanner, view: View<'_>) -> usize {
        let last = view.end().saturating_sub(1);
        if view.bytes.is_empty() || last < self.frontier {
            return view.end();
        }
        self.frontier = if view.last { view.end() } else { last };
        let Some(bucket) = scanner.filter.tail(view.bytes) else { return view.end() };
        let mut open = view.end();
        if view.last {
            // No other match begins there.
            if bucket.shortest == 1 {
                for pattern in scanner.filter.patterns(bucket) {
                    self.try_pattern(scanner, view, pattern, last);
                }
            }
        } else if scanner.filter.patterns(bucket).any(|pattern| self.is_free(pattern, last)) {
            open = last;
        }
        if bucket.phrase && gap_before(view, last) {
            if view.last {
                self.try_phrase(scanner, view, last);
            } else if self.may_hold(scanner, view, last) {
                open = last;
            }
        }
        open
    }

    /// Looks for a guarded pattern from one rare byte to the next. Gives its earliest open place, or the end.
    fn guarded(&mut self, scanner: &Scanner, view: View<'_>, index: usize) -> usize {
        let Some(&pattern) = scanner.guarded.get(index) else { return view.end() };
        let resume = self.guarded.get(index).copied().unwrap_or_default();
        let Some(machine) = scanner.machine(pattern) else { return view.end() };
        let Some((rare, within)) = machine.guard else { return view.end() };
        let mut from = resume;
        let mut open = view.end();
        'rare: loop {
            let found = view.bytes.get(from - view.base..).and_then(|rest| memchr::memchr(rare, rest)).map(|at| from + at);
            let upto = match found {
                Some(at) => at + 1,
                None if view.last => break,
                None => view.end(),
            };
            let earliest = found.unwrap_or(upto).saturating_sub(within).max(from);
            for start in earliest..upto {
                if !self.is_free(pattern, start)
                    || !can_begin(machine, view, start)
                    || !machine.ahead.fits(view.bytes, start - view.base)
                {
                    continue;
                }
                match self.attempt(scanner, view, pattern, machine, machine.begin(view, start)) {
                    Attempt::Matched(end) => {
                        from = end.max(start + 1);
                        continue 'rare;
                    }
                    Attempt::Failed => {}
                    Attempt::Open(_) => {
                        open = start;
                        break 'rare;
                    }
                }
            }
            from = upto;
            if found.is_none() {
                break;
            }
        }
        if let Some(slot) = entry(&mut self.guarded, index) {
            *slot = if view.last { view.end() } else { open };
        }
        open
    }

    /// Tries an unguarded pattern at one place; it waits there if more text is needed.
    fn try_at(&mut self, scanner: &Scanner, view: View<'_>, pattern: u32, machine: &Machine, start: usize) {
        if let Attempt::Open(run) = self.attempt(scanner, view, pattern, machine, machine.begin(view, start)) {
            self.set_next(pattern, WAITS);
            self.waiting.push((pattern, run));
        }
    }

    /// Drives a run and takes in what it finds.
    fn attempt(&mut self, scanner: &Scanner, view: View<'_>, pattern: u32, machine: &Machine, mut run: Run) -> Attempt {
        let index = pattern as usize;
        let before = run.steps();
        let decided = machine.drive(&mut run, view, self.spent.get(index).copied().unwrap_or_default());
        self.steps += run.steps() - before;
        let Some(definition) = scanner.patterns.get(index) else { return Attempt::Failed };
        let ahead = look_ahead(definition);
        if !decided || (!view.last && run.end.is_some_and(|end| end + ahead > view.end())) {
            return Attempt::Open(run);
        }
        self.starved |= run.starved;
        if run.wasted() > 0
            && let Some(spent) = entry(&mut self.spent, index)
        {
            *spent += run.wasted();
        }
        let Some(end) = run.end else { return Attempt::Failed };
        let matched = (run.start - view.base, end - view.base);
        let place = match definition.verify {
            None => Some(matched),
            Some(verify) => check::verify(verify, view.bytes, matched),
        };
        let score = |place| match &definition.context {
            None => Some(definition.score_bp),
            Some(context) => context::score(context, definition.score_bp, view.bytes, place),
        };
        let Some(((from, to), score_bp)) = place.and_then(|place| Some((place, score(place)?))) else { return Attempt::Failed };
        let (start, mut end) = (from + view.base, to + view.base);
        if let Kind::Long { close, .. } = &definition.kind {
            end = self.open_long(view, (pattern, score_bp), start, end, close);
            if end == WAITS {
                self.set_next(pattern, WAITS);
                return Attempt::Matched(view.end());
            }
        }
        self.keep(score_bp, pattern, start, end);
        self.set_next(pattern, end.max(run.start + 1));
        Attempt::Matched(end)
    }

    fn set_next(&mut self, pattern: u32, at: usize) {
        if let Some(next) = entry(&mut self.next, pattern as usize) {
            *next = at;
        }
    }

    /// Whether a match of a pattern may begin at `start`.
    fn is_free(&self, pattern: u32, start: usize) -> bool {
        self.next.get(pattern as usize).is_none_or(|next| *next <= start)
    }

    /// Keeps a hit until everything before it is decided. A pattern's hits beyond the ceiling cannot be
    /// among the first of all.
    fn keep(&mut self, score_bp: u16, pattern: u32, start: usize, end: usize) {
        if let Some(kept) = entry(&mut self.kept, pattern as usize) {
            if *kept as usize >= HITS_MAX {
                self.more += 1;
                self.muted.push(pattern);
                return;
            }
            *kept += 1;
        }
        self.pending.push(Hit { start, end, pattern, score_bp, continues: false });
    }

    /// The end of a long form whose opening ends at `from`; or keeps its first piece and waits.
    fn open_long(&mut self, view: View<'_>, (pattern, score_bp): (u32, u16), start: usize, from: usize, close: &str) -> usize {
        let rest = view.bytes.get(from - view.base..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(rest, close.as_bytes()) {
            return from + at + close.len();
        }
        if view.last {
            return view.end();
        }
        self.keep(score_bp, pattern, start, view.end());
        let close_from = view.end().saturating_sub(close.len() - 1).max(from);
        self.longs.push(Long { pattern, given: view.end(), close_from });
        WAITS
    }

    /// Goes on with open long forms.
    fn grow_longs(&mut self, scanner: &Scanner, view: View<'_>) {
        let mut longs = std::mem::take(&mut self.longs);
        longs.retain_mut(|long| {
            let Some(pattern) = scanner.patterns.get(long.pattern as usize) else { return false };
            let Kind::Long { close, .. } = &pattern.kind else { return false };
            let rest = view.bytes.get(long.close_from - view.base..).unwrap_or_default();
            let found = memchr::memmem::find(rest, close.as_bytes());
            let end = found.map_or(view.end(), |at| long.close_from + at + close.len());
            if end > long.given {
                self.pending.push(Hit {
                    start: long.given,
                    end,
                    pattern: long.pattern,
                    score_bp: pattern.score_bp,
                    continues: true,
                });
                long.given = end;
            }
            if found.is_some() || view.last {
                self.set_next(long.pattern, end);
                return false;
            }
            long.close_from = view.end().saturating_sub(close.len() - 1).max(long.close_from);
            true
        });
        self.longs = longs;
    }

    /// Goes on with patterns that wait: the run itself, then the places between it and the frontier.
    fn take_up_waiting(&mut self, scanner: &Scanner, view: View<'_>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|(pattern, run)| {
            let Some(machine) = scanner.machine(*pattern) else { return false };
            let mut start = run.start;
            let mut attempt = *run;
            loop {
                match self.attempt(scanner, view, *pattern, machine, attempt) {
                    Attempt::Open(open) => {
                        *run = open;
                        self.set_next(*pattern, WAITS);
                        return true;
                    }
                    Attempt::Matched(end) => start = end.max(start + 1),
                    Attempt::Failed => {
                        start += 1;
                        self.set_next(*pattern, start);
                    }
                }
                if self.next.get(*pattern as usize) == Some(&WAITS) {
                    return false;
                }
                match (start..self.frontier).find(|at| can_begin(machine, view, *at)) {
                    Some(at) => start = at,
                    None => return false,
                }
                attempt = machine.begin(view, start);
            }
        });
        self.waiting = waiting;
    }

    /// Goes on with a phrase that waits.
    fn take_up_phrases(&mut self, scanner: &Scanner, view: View<'_>) {
        let Some((from, _)) = self.phrase_waits.take() else { return };
        for start in from..self.frontier {
            if self.phrase_waits.is_some() {
                return;
            }
            if gap_at(view.bytes, start - view.base) == 0 {
                self.try_phrase(scanner, view, start);
            }
        }
    }

    /// Where a phrase begins, of those that wait, for which text is held back. What begins behind the first one that waits is
    /// decided after that one; if none is held back for that one, it is looked ahead.
    fn held_by_phrase(&mut self, scanner: &Scanner, view: View<'_>) -> Option<usize> {
        match self.phrase_waits? {
            (at, true) => Some(at),
            (at, false) => (at + 1..self.frontier).find(|start| {
                gap_at(view.bytes, start - view.base) == 0 && gap_before(view, *start) && self.may_hold(scanner, view, *start)
            }),
        }
    }

    /// Whether a phrase that text is held back for stands at a place, or could.
    fn may_hold(&mut self, scanner: &Scanner, view: View<'_>, start: usize) -> bool {
        let holds = |owner| scanner.rules.holds(owner);
        match scanner.tree.walk(view, start, &mut self.found, &mut self.steps, holds) {
            Walk::Done => self.found.iter().any(|(owner, _)| holds(*owner)),
            Walk::Open { holds } => holds,
        }
    }

    /// Tries all phrases at one place.
    fn try_phrase(&mut self, scanner: &Scanner, view: View<'_>, start: usize) {
        if self.phrase_waits.is_some() || !gap_before(view, start) {
            return;
        }
        let holds = |owner| scanner.rules.holds(owner);
        if let Walk::Open { holds } = scanner.tree.walk(view, start, &mut self.found, &mut self.steps, holds) {
            self.phrase_waits = Some((start, holds));
        }
        if self.found.is_empty() {
            return;
        }
        let mut found = std::mem::take(&mut self.found);
        // Longest first: a pattern takes one match at a place.
        for (owner, end) in found.drain(..).rev() {
            let pattern = match owner {
                Owner::Pattern(pattern) => Some(pattern),
                Owner::Group(group) => self.sums.count(&scanner.rules, view, group, start),
            };
            if let Some(pattern) = pattern
                && self.is_free(pattern, start)
            {
                let score_bp = scanner.patterns.get(pattern as usize).map_or(0, |p| p.score_bp);
                self.keep(score_bp, pattern, start, end);
                self.set_next(pattern, end);
            }
        }
        self.found = found;
    }

    /// Gives what is certain, in order, up to the ceiling.
    fn give(&mut self, open: usize, last: bool, hits: &mut Vec<Hit>) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.sort_unstable();
        let ready = if last { self.pending.len() } else { self.pending.partition_point(|hit| hit.start < open) };
        for hit in self.pending.drain(..ready) {
            if hit.continues {
                if !self.muted.contains(&hit.pattern) {
                    hits.push(hit);
                }
                continue;
            }
            self.muted.retain(|pattern| *pattern != hit.pattern);
            if self.given < HITS_MAX {
                self.given += 1;
                hits.push(hit);
            } else {
                self.more += 1;
                self.muted.push(hit.pattern);
            }
        }
    }
}

/// The entry of a list that is as long as it needs to be.
fn entry<T: Clone + Default>(list: &mut Vec<T>, index: usize) -> Option<&mut T> {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    list.get_mut(index)
}

/// Bytes behind a match that must have arrived before it is judged.
fn look_ahead(pattern: &Pattern) -> usize {
    let context = pattern.context.as_ref().map_or(0, context::look_ahead);
    pattern.verify.map_or(0, check::look_ahead).max(context)
}

enum Attempt {
    /// A match that counts, with its end.
    Matched(usize),
    /// No match begins here.
    Failed,
    /// More text is needed.
    Open(Run),
}

fn can_begin(machine: &Machine, view: View<'_>, start: usize) -> bool {
    view.get(start).is_some_and(|byte| machine.can_begin(view.before(start).is_some_and(is_word), byte))
}
