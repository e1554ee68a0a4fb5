//! What follows from a violation: told once for all predicates it follows for.

use std::collections::BTreeSet;

use crate::pact::model::{Consequence, Pact, Pause, Penalty, Reach, Review};
use crate::pact::term::Period;

use super::report::{Change, Direction, Level, value};
use super::sets;

pub(super) fn compare(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    consequences(was, is, out);
    let empty = Penalty::default();
    let (old, new) = (was.penalty.as_ref().unwrap_or(&empty), is.penalty.as_ref().unwrap_or(&empty));
    if old.sum != new.sum {
        let word = |sum: bool| if sum { "sum" } else { "worst" };
        let more = Direction::more_is_tighter(&old.sum, &new.sum);
        out.push(Change::of("penalty.stack", more, &word(old.sum), &word(new.sum)));
    }
    if old.bond != new.bond {
        let shown = |penalty: &Penalty| penalty.bond.as_ref().map(|b| format!("{} {}{}", b.amount, b.unit, held(b.hold)));
        let direction = match (&old.bond, &new.bond) {
            (None, _) => Direction::Tighter,
            (_, None) => Direction::Looser,
            (Some(old), Some(new)) if old.unit == new.unit => {
                Direction::more_is_tighter(&old.amount, &new.amount).join(Direction::more_is_tighter(&old.hold, &new.hold))
            }
            _ => Direction::NotComparable,
        };
        out.extend(value("penalty.bond", shown(old).as_ref(), shown(new).as_ref(), direction));
    }
    let any = Direction::NotComparable;
    if old.score != new.score {
        out.push(Change::told("penalty.score", Level::Major, any, "scores are kept otherwise"));
    }
    let keys: BTreeSet<&String> = old.standing.keys().chain(new.standing.keys()).collect();
    for key in keys {
        out.extend(value(format!("penalty.standing.{key}"), old.standing.get(key), new.standing.get(key), any));
    }
}

fn held(hold: bool) -> &'static str {
    if hold { ", held" } else { "" }
}

/// The effective consequence of each predicate that stands in both.
fn consequences(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let mut found: Vec<(Change, Vec<&str>)> = Vec::new();
    for new in &is.predicates {
        let Some(old) = was.predicate(&new.id) else { continue };
        let mut changes = Vec::new();
        one(&was.consequence(old), &is.consequence(new), &mut changes);
        for change in changes {
            match found.iter_mut().find(|(c, _)| *c == change) {
                Some((_, ids)) => ids.push(&new.id),
                None => found.push((change, vec![&new.id])),
            }
        }
    }
    out.extend(found.into_iter().map(|(change, ids)| {
        let what = format!("{} for {}", change.what, ids.join(", "));
        Change { what, ..change }
    }));
}

fn one(old: &Consequence, new: &Consequence, out: &mut Vec<Change>) {
    let absent = |old: bool, new: bool, more: Direction| match (old, new) {
        (false, true) => Direction::Tighter,
        (true, false) => Direction::Looser,
        _ => more,
    };
    let (was, is) = (old.forfeit.is_some(), new.forfeit.is_some());
    let more = Direction::more_is_tighter(&old.forfeit, &new.forfeit);
    out.extend(value("penalty.forfeit", old.forfeit.as_ref(), new.forfeit.as_ref(), absent(was, is, more)));
    // A score falls by a negative number: the lower, the harsher.
    let (was, is) = (old.score.is_some(), new.score.is_some());
    let lower = Direction::more_is_tighter(&old.score, &new.score).turned();
    out.extend(value("penalty.score", old.score.as_ref(), new.score.as_ref(), absent(was, is, lower)));
    let longer = Direction::more_is_tighter(&length(old.pause.as_ref()), &length(new.pause.as_ref()));
    let wider = Direction::more_is_tighter(&reach(old.pause.as_ref()), &reach(new.pause.as_ref()));
    let direction = longer.join(if old.pause.is_some() && new.pause.is_some() { wider } else { Direction::Neutral });
    if direction != Direction::Neutral {
        let shown = |c: &Consequence| c.pause.as_ref().map(pause);
        out.extend(value("penalty.pause", shown(old).as_ref(), shown(new).as_ref(), direction));
    }
    let rank = |review: Option<Review>| match review {
        None | Some(Review::None) => 0,
        Some(Review::Jury) => 1,
        Some(Review::Human) => 2,
    };
    if rank(old.review) != rank(new.review) {
        let stricter = Direction::more_is_tighter(&rank(old.review), &rank(new.review));
        out.extend(value("penalty.review", old.review.as_ref(), new.review.as_ref(), stricter));
    }
    out.extend(sets::change("penalty.notify", &old.notify, &new.notify, Direction::Tighter));
}

/// None, some seconds, or until review, in order of length.
fn length(pause: Option<&Pause>) -> u64 {
    pause.map_or(0, |p| p.period.map_or(u64::MAX, Period::about_seconds))
}

fn reach(pause: Option<&Pause>) -> u8 {
    pause.map_or(0, |p| match p.reach {
        Reach::Counterparty => 1,
        Reach::All => 2,
    })
}

fn pause(pause: &Pause) -> String {
    let length = pause.period.map_or_else(|| "until review".to_owned(), |p| p.to_string());
    match pause.reach {
        Reach::All => length,
        Reach::Counterparty => format!("{length} for this counterparty"),
    }
}
