//! Lists whose order means nothing.

use std::fmt::Display;

use super::report::{Change, Direction, Level};

/// Whether every member of `few` is one of `many`.
pub(super) fn within<T: PartialEq>(few: &[T], many: &[T]) -> bool {
    few.iter().all(|m| many.contains(m))
}

/// Tighter where the new list has more.
pub(super) fn more_is_tighter<T: PartialEq>(old: &[T], new: &[T]) -> Direction {
    Direction::of(within(old, new), within(new, old))
}

/// `adds a, b; drops c`.
pub(super) fn told<T: PartialEq + Display>(old: &[T], new: &[T]) -> String {
    let list = |word: &str, from: &[T], without: &[T]| {
        let members: Vec<String> = from.iter().filter(|m| !without.contains(m)).map(ToString::to_string).collect();
        (!members.is_empty()).then(|| format!("{word} {}", members.join(", ")))
    };
    let parts: Vec<String> = [list("adds", new, old), list("drops", old, new)].into_iter().flatten().collect();
    parts.join("; ")
}

/// The major change of a list, if it is one.
pub(super) fn change<T: PartialEq + Display>(path: &str, old: &[T], new: &[T], more: Direction) -> Option<Change> {
    let direction = match more_is_tighter(old, new) {
        Direction::Neutral => return None,
        Direction::Tighter => more,
        Direction::Looser => more.turned(),
        Direction::NotComparable => Direction::NotComparable,
    };
    Some(Change::told(path, Level::Major, direction, told(old, new)))
}
