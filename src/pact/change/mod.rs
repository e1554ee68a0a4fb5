//! Two versions of a pact against each other: what changed, how grave that is, and for whom it is better.
//!
//! [`compare`] holds the normal forms of two checked pacts against each other. A normal form leaves out what
//! nobody is bound by: order, spelling, defaults that are written out, `cases`, `terms.contact`. Each
//! [`Change`] says its level and its direction.
//!
//! **Promise.** A pact whose normal form is equal judges everything alike. A change that is called tighter
//! allows nothing more, and one that is called looser forbids nothing more, in whatever order events come.
//! Where the form of two texts does not tell, the answer is "not comparable": it may be tighter in fact.
//! What it does not do: weigh whether a change is fair, or look at packs below their major version.

mod evidence;
mod guard;
mod names;
mod penalty;
mod predicate;
mod renewal;
mod report;
mod sets;
mod widen;

use crate::pact::CheckedPact;
use crate::pact::model::Pact;
use crate::pact::term::SemVer;

pub use report::{Change, Direction, Level};

/// What became of a pact from one version to another.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Name of the pact.
    pub pact: String,
    /// The version that was.
    pub old: SemVer,
    /// The version that is declared.
    pub new: SemVer,
    /// Every change of the normal form, in the order of a document.
    pub changes: Vec<Change>,
    /// Whether the two documents are the same, to the letter of their canonical form.
    pub same_document: bool,
}

impl Comparison {
    /// What the changes together need: no change is a patch.
    pub fn level(&self) -> Level {
        self.changes.iter().map(|c| c.level).max().unwrap_or(Level::Patch)
    }

    /// Which way the changes together go.
    pub fn direction(&self) -> Direction {
        self.changes.iter().fold(Direction::Neutral, |sum, c| sum.join(c.direction))
    }

    /// The step that the two versions declare; none if the new one is not greater.
    pub fn declared(&self) -> Option<Level> {
        if self.new <= self.old {
            return None;
        }
        Some(if self.new.major != self.old.major {
            Level::Major
        } else if self.new.minor != self.old.minor {
            Level::Minor
        } else {
            Level::Patch
        })
    }

    /// The least version that the changes may have; none for another pact, which has no version of this one.
    pub fn least(&self) -> Option<SemVer> {
        let SemVer { major, minor, patch } = self.old;
        Some(match self.level() {
            Level::Patch => SemVer { major, minor, patch: patch + 1 },
            Level::Minor => SemVer { major, minor: minor + 1, patch: 0 },
            Level::Major => SemVer { major: major + 1, minor: 0, patch: 0 },
            Level::Other => return None,
        })
    }

    /// Whether the declared version is high enough. The same document is no new version and needs none.
    pub fn holds(&self) -> bool {
        self.same_document || self.declared().is_some_and(|declared| declared >= self.level())
    }

    /// All of it as JSON: what `servanda diff --json` and the admin port answer.
    pub fn report(&self) -> serde_json::Value {
        serde_json::json!({
            "pact": self.pact,
            "old": self.old.to_string(),
            "new": self.new.to_string(),
            "ok": self.holds(),
            "level": self.level(),
            "declared": self.declared(),
            "least": self.least().map(|v| v.to_string()),
            "direction": self.direction(),
            "same_document": self.same_document,
            "changes": self.changes,
        })
    }
}

/// Holds two versions of a pact against each other.
pub fn compare(old: &CheckedPact, new: &CheckedPact) -> Comparison {
    let (was, is) = (old.pact(), new.pact());
    let mut out = Vec::new();
    if was.id != is.id {
        let change = Change::of("pact", Direction::NotComparable, &was.id, &is.id);
        out.push(change.at(Level::Other).because("another name is another pact"));
    }
    names::compare(was, is, &mut out);
    predicate::compare(was, is, &mut out);
    evidence::compare(was, is, &mut out);
    penalty::compare(was, is, &mut out);
    renewal::compare(was, is, &mut out);
    terms(was, is, &mut out);
    Comparison {
        pact: is.id.clone(),
        old: was.version,
        new: is.version,
        changes: out,
        same_document: old.canonical() == new.canonical(),
    }
}

/// What is signed and not enforced; whom to write to is no term.
fn terms(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let keys = was.terms.keys().chain(is.terms.keys()).filter(|key| *key != "contact");
    let mut keys: Vec<&String> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        out.extend(report::value(format!("terms.{key}"), was.terms.get(key), is.terms.get(key), Direction::NotComparable));
    }
}
