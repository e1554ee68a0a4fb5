//! From a place in a view to the bytes it was read from.
//!
//! A view is the text with some pieces replaced. Only the replaced pieces are kept: between two of them places
//! run in step.

use std::collections::VecDeque;

/// A piece that reads otherwise than it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Where it stands in the view, and how long it is there.
    pub(super) view: usize,
    pub(super) view_len: usize,
    /// Where it was read from.
    pub(super) raw: usize,
    pub(super) raw_len: usize,
}

impl Change {
    fn view_end(&self) -> usize {
        self.view + self.view_len
    }
}

/// The changes between a text and its view, by place.
#[derive(Debug, Default)]
pub(super) struct Map {
    changes: VecDeque<Change>,
    /// Where the text and the view are in step before the first change that is kept.
    view: usize,
    raw: usize,
}

impl Map {
    /// Forgets everything: text and view begin anew.
    pub(super) fn reset(&mut self) {
        self.changes.clear();
        (self.view, self.raw) = (0, 0);
    }

    /// Adds the next change.
    pub(super) fn push(&mut self, change: Change) {
        self.changes.push_back(change);
    }

    /// The change with this place in the list.
    pub(super) fn get(&self, index: usize) -> Option<Change> {
        self.changes.get(index).copied()
    }

    /// Forgets the changes that end before `view`. Gives how many.
    pub(super) fn forget(&mut self, view: usize) -> usize {
        let old = self.changes.partition_point(|change| change.view_end() < view);
        for change in self.changes.drain(..old) {
            (self.view, self.raw) = (change.view_end(), change.raw + change.raw_len);
        }
        old
    }

    /// The last change that begins at or before `view`.
    fn at(&self, view: usize) -> Option<&Change> {
        self.changes.get(self.changes.partition_point(|change| change.view <= view).checked_sub(1)?)
    }

    /// Where the piece begins that reads as the byte at `view`.
    pub(super) fn start(&self, view: usize) -> usize {
        match self.at(view) {
            Some(change) if view < change.view_end() => change.raw,
            Some(change) => change.raw + change.raw_len + (view - change.view_end()),
            None => self.raw + view.saturating_sub(self.view),
        }
    }

    /// Where the piece ends that reads as the byte before `view`.
    pub(super) fn end(&self, view: usize) -> usize {
        let Some(before) = view.checked_sub(1) else { return self.raw };
        match self.at(before) {
            Some(change) if before < change.view_end() => change.raw + change.raw_len,
            _ => self.start(before) + 1,
        }
    }

    /// Whether a change lies within the bytes of the view from `start` to `end`.
    pub(super) fn is_changed(&self, start: usize, end: usize) -> bool {
        let from = self.changes.partition_point(|change| change.view_end() <= start);
        self.changes.range(from..).take_while(|change| change.view < end).any(|change| change.view_len > 0 || change.view > start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a[xyz→b][→]c[d→ef]g`: raw `axyz__cdg`, view `abcefg`.
    fn map() -> Map {
        let mut map = Map::default();
        for (view, view_len, raw, raw_len) in [(1, 1, 1, 3), (2, 0, 4, 2), (3, 2, 7, 1)] {
            map.push(Change { view, view_len, raw, raw_len });
        }
        map
    }

    #[test]
    fn places_lead_back() {
        let wanted = [(0, 1), (1, 4), (6, 7), (7, 8), (7, 8), (8, 9)];
        let mut map = map();
        for forgotten in [0, 2, 4] {
            map.forget(forgotten);
            for (view, (start, end)) in wanted.iter().enumerate().skip(forgotten) {
                assert_eq!((map.start(view), map.end(view + 1)), (*start, *end), "{view} after {forgotten}");
            }
        }
    }

    #[test]
    fn what_touches_a_change() {
        let map = map();
        for (start, end, wanted) in
            [(0, 1, false), (0, 2, true), (1, 2, true), (2, 3, false), (1, 3, true), (2, 4, true), (5, 6, false)]
        {
            assert_eq!(map.is_changed(start, end), wanted, "{start}..{end}");
        }
    }
}
