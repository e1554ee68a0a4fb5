//! One change, its level and its direction, and how several join.

use std::fmt::Display;

use crate::base::names::words;

words! {
    /// What a change asks of the version, from light to grave.
    Level {
        /// Nothing that anybody is bound by.
        Patch = "patch",
        /// Within what a standing consent covers.
        Minor = "minor",
        /// Needs both parties anew.
        Major = "major",
        /// No version of this pact at all: another one.
        Other = "other",
    }
}

words! {
    /// Which way a change goes.
    Direction {
        /// Nothing is judged otherwise.
        Neutral = "neutral",
        /// Allows nothing more.
        Tighter = "tighter",
        /// Forbids nothing more.
        Looser = "looser",
        /// Neither, or the form of the texts does not tell.
        NotComparable = "not_comparable",
    }
}

impl Direction {
    /// From whether the new one is at least as tight and whether it is at least as loose as the old one.
    pub(super) fn of(tight: bool, loose: bool) -> Self {
        match (tight, loose) {
            (true, true) => Self::Neutral,
            (true, false) => Self::Tighter,
            (false, true) => Self::Looser,
            (false, false) => Self::NotComparable,
        }
    }

    /// Tighter where the new value is the greater one.
    pub(super) fn more_is_tighter<T: PartialOrd>(old: &T, new: &T) -> Self {
        Self::of(new >= old, new <= old)
    }

    /// The two together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Neutral, one) | (one, Self::Neutral) => one,
            (one, same) if one == same => one,
            _ => Self::NotComparable,
        }
    }

    /// The other way round.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Tighter => Self::Looser,
            Self::Looser => Self::Tighter,
            same => same,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotComparable => "not comparable",
            other => other.as_str(),
        }
    }
}

/// One change of the normal form.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Where it stands in the document.
    pub path: String,
    /// What it asks of the version.
    pub level: Level,
    /// Which way it goes.
    pub direction: Direction,
    /// What changed, in words.
    pub what: String,
    /// Why it has this level, where that does not go without saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Change {
    /// A change told in words.
    pub(super) fn told(path: impl Into<String>, level: Level, direction: Direction, what: impl Into<String>) -> Self {
        Self { path: path.into(), level, direction, what: what.into(), why: None }
    }

    /// One value instead of another.
    pub(super) fn of(path: impl Into<String>, direction: Direction, old: &impl Display, new: &impl Display) -> Self {
        Self::told(path, Level::Major, direction, format!("{old} becomes {new}"))
    }

    /// The same with the reason for its level.
    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// The same at another level.
    pub(super) fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }
}

/// The major change of a value that may be absent; none if it is the same.
pub(super) fn value<T: Display + PartialEq>(
    path: impl Into<String>,
    old: Option<&T>,
    new: Option<&T>,
    direction: Direction,
) -> Option<Change> {
    match (old, new) {
        (Some(old), Some(new)) if old != new => Some(Change::of(path, direction, old, new)),
        (Some(old), None) => Some(Change::told(path, Level::Major, direction, format!("drops {old}"))),
        (None, Some(new)) => Some(Change::told(path, Level::Major, direction, format!("adds {new}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_join_in_any_order() {
        for &a in Direction::ALL {
            assert_eq!(a.join(a), a);
            assert_eq!(a.turned().turned(), a);
            for &b in Direction::ALL {
                assert_eq!(a.join(b), b.join(a));
                assert_eq!(a.join(b).turned(), a.turned().join(b.turned()));
                for &c in Direction::ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }
}
