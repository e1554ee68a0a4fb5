//! Sums of weighted phrases: by sentence, by a stretch of bytes, by text.
//!
//! Promises: a group of phrases counts once, however many of them stand in the window; the sums depend on
//! the text alone and not on how it was cut; nothing is held back for them, since what tips a sum over is
//! a phrase that has ended. What stands after that phrase changes nothing of it.

use std::collections::VecDeque;

use super::pattern::{Weighted, Window};
use super::phrase::Owner;
use super::regex::View;

/// Most bytes of a sentence: text without ends counts as sentences of this length.
pub(super) const SENTENCE_MAX: usize = 240;

/// Bytes from the first of an end that decide whether it is one.
pub(super) const AHEAD: usize = 3;

/// What a sum is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A hit of a pattern, once the sum tips over.
    Pattern(u32),
    /// A topic of the text.
    Topic(u32),
}

#[derive(Debug)]
struct Rule {
    target: Target,
    threshold: i32,
    window: Window,
}

/// Every sum that is kept, and what its groups weigh.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// By group: its rule and weight.
    groups: Vec<(u32, i32)>,
}

impl Rules {
    /// Enters a sum. Its groups get the numbers from the one that is given, in their order.
    pub(super) fn enter(&mut self, target: Target, weighted: &Weighted) -> u32 {
        let first = self.groups.len() as u32;
        let rule = self.rules.len() as u32;
        let threshold = i32::try_from(weighted.threshold).unwrap_or(i32::MAX);
        self.rules.push(Rule { target, threshold, window: weighted.window });
        self.groups.extend(weighted.groups.iter().map(|group| (rule, group.weight)));
        first
    }

    /// Whether text is held back for a phrase: it may be a hit. Topics are told at the end of a text alone.
    pub(super) fn holds(&self, owner: Owner) -> bool {
        let Owner::Group(group) = owner else { return true };
        let rule = self.groups.get(group as usize).and_then(|(rule, _)| self.rules.get(*rule as usize));
        rule.is_none_or(|rule| matches!(rule.target, Target::Pattern(_)))
    }
}

#[derive(Clone, Debug, Default)]
struct Tally {
    sum: i32,
    /// Groups with the places where they were seen, oldest first.
    seen: VecDeque<(u32, usize)>,
}

/// What the sums of one text have come to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// By rule.
    tallies: Vec<Tally>,
    /// By group: one past the place where it was seen last, 0 if it does not count now.
    last: Vec<usize>,
    /// Rules whose tally is not empty.
    touched: Vec<u32>,
    /// Rules that forget at the end of the sentence.
    in_sentence: Vec<u32>,
    /// Up to where ends of sentences have been looked for.
    looked: usize,
    /// The topics that were reached, with their largest sums.
    reached: Vec<(u32, u32)>,
}

impl Sums {
    /// Makes them ready for a new text.
    pub(super) fn reset(&mut self, rules: &Rules) {
        for rule in std::mem::take(&mut self.touched) {
            self.forget(rule);
        }
        if self.tallies.len() != rules.rules.len() || self.last.len() != rules.groups.len() {
            self.tallies.clear();
            self.last.clear();
        }
        self.in_sentence.clear();
        self.reached.clear();
        self.looked = 0;
    }

    /// The topics over their thresholds, by number.
    pub(super) fn topics(&self) -> Vec<(u32, u32)> {
        let mut topics = self.reached.clone();
        topics.sort_unstable();
        topics
    }

    /// The earliest byte that must still be at hand.
    pub(super) fn needs(&self) -> usize {
        if self.in_sentence.is_empty() { usize::MAX } else { self.looked }
    }

    /// Counts a phrase of a group that starts at `at`. Phrases come in order of their starts. Gives the
    /// pattern whose sum it tips over.
    pub(super) fn count(&mut self, rules: &Rules, view: View<'_>, group: u32, at: usize) -> Option<u32> {
        let &(rule, weight) = rules.groups.get(group as usize)?;
        let definition = rules.rules.get(rule as usize)?;
        let within = match definition.window {
            Window::Text => usize::MAX,
            Window::Bytes(bytes) => bytes as usize,
            Window::Sentence => {
                self.look_for_end(view, at);
                SENTENCE_MAX
            }
        };
        // Most texts hold none.
        self.tallies.resize(rules.rules.len(), Tally::default());
        self.last.resize(rules.groups.len(), 0);
        let tally = self.tallies.get_mut(rule as usize)?;
        let fresh = tally.seen.is_empty();
        while let Some(&(old, place)) = tally.seen.front().filter(|(_, place)| at - place > within) {
            tally.seen.pop_front();
            if let Some(last) = self.last.get_mut(old as usize).filter(|last| **last == place + 1) {
                *last = 0;
                tally.sum -= rules.groups.get(old as usize).map_or(0, |(_, weight)| *weight);
            }
        }
        let last = self.last.get_mut(group as usize)?;
        let known = *last > 0;
        if known && definition.window == Window::Text {
            return None;
        }
        *last = at + 1;
        tally.seen.push_back((group, at));
        if !known {
            tally.sum = tally.sum.saturating_add(weight);
        }
        let sum = tally.sum;
        if fresh {
            self.touched.push(rule);
            if definition.window == Window::Sentence {
                if self.in_sentence.is_empty() {
                    self.looked = at;
                }
                self.in_sentence.push(rule);
            }
        }
        if known || sum < definition.threshold {
            return None;
        }
        match definition.target {
            Target::Pattern(pattern) => {
                self.forget(rule);
                self.touched.retain(|other| *other != rule);
                self.in_sentence.retain(|other| *other != rule);
                Some(pattern)
            }
            Target::Topic(topic) => {
                let sum = u32::try_from(sum).unwrap_or(0);
                match self.reached.iter_mut().find(|(other, _)| *other == topic) {
                    Some((_, best)) => *best = sum.max(*best),
                    None => self.reached.push((topic, sum)),
                }
                None
            }
        }
    }

    /// Looks for the end of the sentence up to `to`, before which every phrase has been counted.
    pub(super) fn look_for_end(&mut self, view: View<'_>, to: usize) {
        if self.in_sentence.is_empty() || to <= self.looked {
            return;
        }
        let (from, upto) = (self.looked.saturating_sub(view.base), to.saturating_sub(view.base));
        self.looked = to;
        let between = view.bytes.get(from..upto).unwrap_or_default();
        let (marks, rest) = (memchr::memchr3_iter(b'.', b'!', b'?', between), memchr::memchr3_iter(b'\n', 0xE3, 0xEF, between));
        if marks.chain(rest).any(|at| ends_at(view.bytes, from + at)) {
            for rule in std::mem::take(&mut self.in_sentence) {
                self.forget(rule);
                self.touched.retain(|other| *other != rule);
            }
        }
    }

    fn forget(&mut self, rule: u32) {
        let Some(tally) = self.tallies.get_mut(rule as usize) else { return };
        for (group, _) in tally.seen.drain(..) {
            if let Some(last) = self.last.get_mut(group as usize) {
                *last = 0;
            }
        }
        tally.sum = 0;
    }
}

/// Whether a sentence ends at `at`: with a full stop, an exclamation or question mark before white space, a
/// closing quote or bracket, or the end of the text; with a CJK full stop; with an empty line.
pub(super) fn ends_at(bytes: &[u8], at: usize) -> bool {
    let next = bytes.get(at + 1);
    match bytes.get(at) {
        Some(b'.' | b'!' | b'?') => {
            next.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b')' | b']' | b'}' | b'*'))
        }
        Some(b'\n') => next == Some(&b'\n') || next == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n'),
        Some(0xE3) => bytes.get(at + 1..at + 3) == Some(&[0x80, 0x82]),
        Some(0xEF) => matches!(bytes.get(at + 1..at + 3), Some([0xBC, 0x81 | 0x9F])),
        _ => false,
    }
}
