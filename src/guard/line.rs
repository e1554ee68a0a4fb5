//! The line of events that wait, in the order in which they came.
//!
//! Promises: an event leaves before an earlier one only where no client could tell: text alone may go past
//! the calls of its choice, and past everything of another choice. Asking who may leave costs the same
//! however many wait, since only those can at which no other of their choice stands before them.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Held;
use crate::protocol::message::NO_CHOICE;

/// Events that wait.
#[derive(Debug, Default)]
pub(crate) struct Line {
    events: BTreeMap<u64, Waiting>,
    /// By choice, the events that no other of that choice goes past; under [`NO_CHOICE`] those that none does.
    order: BTreeSet<(u32, u64)>,
    /// How many of the events may go past others.
    passing: usize,
    /// The number of the next.
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    held: Held,
    /// It may go past others.
    passes: bool,
}

impl Line {
    /// Takes an event to the end of the line.
    pub(crate) fn push(&mut self, held: Held) {
        let at = self.next;
        self.next += 1;
        for choice in places(&held) {
            self.order.insert((choice, at));
        }
        let passes = held.is_plain_text() && !held.is_in_order();
        self.passing += usize::from(passes);
        self.bytes += held.event.raw().len();
        self.events.insert(at, Waiting { held, passes });
    }

    /// The next event that may leave: the first in order of which `decided` says so, and that goes past none it
    /// must not.
    pub(crate) fn next(&mut self, decided: impl Fn(&mut Held) -> bool) -> Option<Held> {
        let mut first = self.events.first_entry()?;
        let at = *first.key();
        if decided(&mut first.get_mut().held) {
            return self.remove(at);
        }
        if self.passing == 0 {
            return None;
        }
        let heads: BTreeSet<u64> = self.heads().filter(|head| *head > at && self.may_pass(*head)).collect();
        let ready = heads.into_iter().find(|head| self.events.get_mut(head).is_some_and(|waiting| decided(&mut waiting.held)))?;
        self.remove(ready)
    }

    /// The event that has waited longest, whatever is decided.
    pub(crate) fn pop(&mut self) -> Option<Held> {
        let at = *self.events.first_key_value()?.0;
        self.remove(at)
    }

    /// Lets all go that `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Held) -> bool) {
        let gone: Vec<u64> = self.events.iter().filter(|(_, waiting)| !keep(&waiting.held)).map(|(at, _)| *at).collect();
        for at in gone {
            self.remove(at);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Bytes of the events that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, at: u64) -> Option<Held> {
        let Waiting { held, passes } = self.events.remove(&at)?;
        for choice in places(&held) {
            self.order.remove(&(choice, at));
        }
        self.passing -= usize::from(passes);
        self.bytes -= held.event.raw().len();
        Some(held)
    }

    /// The first event of each choice.
    fn heads(&self) -> impl Iterator<Item = u64> {
        let mut next = self.order.first().copied();
        std::iter::from_fn(move || {
            let (choice, at) = next?;
            next = choice.checked_add(1).and_then(|choice| self.order.range((choice, 0)..).next().copied());
            Some(at)
        })
    }

    /// Whether nothing stands before this event that it must not go past.
    fn may_pass(&self, at: u64) -> bool {
        let first = |choice: u32| self.order.range((choice, 0)..=(choice, at)).next().is_none_or(|(_, first)| *first == at);
        let waiting = self.events.get(&at).filter(|waiting| waiting.passes);
        waiting.is_some_and(|waiting| first(NO_CHOICE) && waiting.held.choices().all(first))
    }
}

/// Under which choices an event stands in the order. Calls without text stand under none: text goes past them.
fn places(held: &Held) -> BTreeSet<u32> {
    if held.is_call() && held.texts.is_empty() {
        return BTreeSet::new();
    }
    let mut choices: BTreeSet<u32> = held.choices().collect();
    if choices.is_empty() {
        choices.insert(NO_CHOICE);
    }
    choices
}

#[cfg(test)]
mod tests;
