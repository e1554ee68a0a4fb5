//! Predicates by id: what became of each, and which are new or gone.

use crate::base::names::{Lane, Stage};
use crate::base::verdict::Act;
use crate::pact::condition::order::at_most;
use crate::pact::model::{BoundCheck, Check, FlowCheck, MatchCheck, Pact, Predicate, SetCheck};

use super::report::{Change, Direction, Level, value};
use super::{guard, sets, widen};

pub(super) fn compare(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let begin = out.len();
    for new in &is.predicates {
        let path = format!("predicates.{}", new.id);
        if let Some(old) = was.predicate(&new.id) {
            one(&path, (was, old), (is, new), out);
            continue;
        }
        let stages: Vec<&str> = new.stages().iter().map(|s| s.as_str()).collect();
        let what = format!("adds a promise on {} at {}", new.dimension, stages.join(", "));
        let change = Change::told(path, Level::Major, Direction::Tighter, what);
        out.push(match widen::harmless(was, is, new) {
            Ok(why) => change.at(Level::Minor).because(why),
            Err(why) => change.because(why),
        });
    }
    for old in was.predicates.iter().filter(|p| is.predicate(&p.id).is_none()) {
        let path = format!("predicates.{}", old.id);
        out.push(Change::told(path, Level::Major, Direction::Looser, "drops the promise"));
    }
    if guard::fewer_calls_loosen(was) || guard::fewer_calls_loosen(is) {
        let calls = |c: &Change| matches!(c.direction, Direction::Tighter | Direction::Looser);
        for change in out.iter_mut().skip(begin).filter(|c| calls(c)) {
            change.direction = Direction::NotComparable;
            change.why.get_or_insert_with(|| "a condition of the pact turns on which calls were released".to_owned());
        }
    }
}

fn one(path: &str, (was, old): (&Pact, &Predicate), (is, new): (&Pact, &Predicate), out: &mut Vec<Change>) {
    let any = Direction::NotComparable;
    out.extend(value(format!("{path}.dimension"), Some(&old.dimension), Some(&new.dimension), any));
    let graver = Direction::more_is_tighter(&old.severity, &new.severity);
    out.extend(value(format!("{path}.severity"), Some(&old.severity), Some(&new.severity), graver));
    guard::compare(path, old, new, out);
    lanes(path, old.lanes.as_deref(), new.lanes.as_deref(), out);
    if old.unread_block != new.unread_block {
        let direction = Direction::more_is_tighter(&old.unread_block, &new.unread_block);
        let what = if new.unread_block { "adds block" } else { "drops block" };
        out.push(Change::told(format!("{path}.unread"), Level::Major, direction, what));
    }
    approve(path, old, new, out);
    checks(path, (was, old), (is, new), out);
}

fn lanes(path: &str, old: Option<&[Lane]>, new: Option<&[Lane]>, out: &mut Vec<Change>) {
    let old = old.unwrap_or(Lane::ALL);
    let new = new.unwrap_or(Lane::ALL);
    out.extend(sets::change(&format!("{path}.lane"), old, new, Direction::Tighter));
}

/// Who may release what is held: more people, fewer signatures and more time release more.
fn approve(path: &str, old: &Predicate, new: &Predicate, out: &mut Vec<Change>) {
    let path = format!("{path}.approve");
    match (&old.approve, &new.approve) {
        (None, Some(_)) => out.push(Change::told(path, Level::Major, Direction::Looser, "what is held can be released")),
        (Some(_), None) => out.push(Change::told(path, Level::Major, Direction::Tighter, "nobody releases what is held")),
        (Some(old), Some(new)) => {
            out.extend(sets::change(&format!("{path}.who"), &old.who, &new.who, Direction::Looser));
            let more = Direction::more_is_tighter(&old.need, &new.need);
            out.extend(value(format!("{path}.need"), Some(&old.need), Some(&new.need), more));
            let (was, is) = (old.within.about_seconds(), new.within.about_seconds());
            if was != is {
                let longer = Direction::more_is_tighter(&was, &is).turned();
                out.push(Change::of(format!("{path}.within"), longer, &old.within, &new.within));
            }
        }
        (None, None) => {}
    }
}

/// One check at one stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'p> {
    pub(super) stage: Stage,
    pub(super) act: Act,
    pub(super) check: &'p Check,
}

/// Every check of a predicate at every stage.
pub(super) fn flat(predicate: &Predicate) -> Vec<At<'_>> {
    let each = predicate.checks.iter();
    each.flat_map(|c| c.stages.iter().map(|(stage, act)| At { stage: *stage, act: *act, check: &c.check })).collect()
}

/// The checks, paired by stage: first those that are equal, then those of one kind.
fn checks(path: &str, (was, old): (&Pact, &Predicate), (is, new): (&Pact, &Predicate), out: &mut Vec<Change>) {
    let mut left = flat(old);
    let mut fresh = Vec::new();
    let mut found = Vec::new();
    for at in flat(new) {
        let equal = left.iter().position(|o| o.stage == at.stage && direction(o.check, at.check) == Direction::Neutral);
        match equal.map(|n| left.remove(n)) {
            Some(o) => found.extend(act(path, &o, &at)),
            None => fresh.push(at),
        }
    }
    for at in fresh {
        let alike = left.iter().position(|o| o.stage == at.stage && o.check.word() == at.check.word());
        if let Some(o) = alike.map(|n| left.remove(n)) {
            found.extend(act(path, &o, &at));
            let change = check(path, o.check, at.check);
            found.push(match widen::allow_grows(was, is, o.check, at.check) {
                None => change,
                Some(Ok(())) => change.at(Level::Minor),
                Some(Err(why)) => change.because(why),
            });
        } else {
            let what = format!("adds `{}` at {}: {}", at.check.word(), at.stage, at.act);
            found.push(Change::told(format!("{path}.check"), Level::Major, Direction::Tighter, what));
        }
    }
    for o in left {
        let what = format!("drops `{}` at {}", o.check.word(), o.stage);
        found.push(Change::told(format!("{path}.check"), Level::Major, Direction::Looser, what));
    }
    // What changes alike at several stages is told once.
    for change in found {
        if !out.contains(&change) {
            out.push(change);
        }
    }
}

fn act(path: &str, old: &At<'_>, new: &At<'_>) -> Option<Change> {
    let harsher = Direction::more_is_tighter(&old.act, &new.act);
    value(format!("{path}.act.{}", new.stage), Some(&old.act), Some(&new.act), harsher)
}

/// Which way a check goes.
pub(super) fn direction(old: &Check, new: &Check) -> Direction {
    match (old, new) {
        (Check::Set(old), Check::Set(new)) => Direction::of(set_within(new, old), set_within(old, new)),
        (Check::Match(old), Check::Match(new)) => Direction::of(finds(new, old), finds(old, new)),
        (Check::Args(old), Check::Args(new)) => Direction::of(new.within(old), old.within(new)),
        (Check::Require(old), Check::Require(new)) => Direction::of(at_most(new, old), at_most(old, new)),
        (Check::Bound(old), Check::Bound(new)) if old.quantity == new.quantity => {
            Direction::of(bound_within(new, old), bound_within(old, new))
        }
        (Check::Flow(old), Check::Flow(new)) => Direction::of(stops(new, old), stops(old, new)),
        (old, new) if old == new => Direction::Neutral,
        _ => Direction::NotComparable,
    }
}

/// Whether everything that one set allows another allows as well.
fn set_within(one: &SetCheck, other: &SetCheck) -> bool {
    let allow = match (&one.allow, &other.allow) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(few), Some(many)) => few.iter().all(|m| one.deny.contains(m) || many.contains(m)),
    };
    one.kind == other.kind && allow && sets::within(&other.deny, &one.deny)
}

/// Whether one match finds everything that another finds.
fn finds(one: &MatchCheck, other: &MatchCheck) -> bool {
    let below = |label: &str, list: &[String]| {
        list.iter().any(|p| label.strip_prefix(p.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let in_other = |label: &str| below(label, &other.labels) || other.labels.iter().any(|l| below(l, &[label.to_owned()]));
    other.labels.iter().all(|l| below(l, &one.labels) || below(l, &other.except))
        && one.except.iter().all(|e| below(e, &other.except) || !in_other(e))
        && one.min_score_bp <= other.min_score_bp
}

fn bound_within(one: &BoundCheck, other: &BoundCheck) -> bool {
    other.min.is_none_or(|o| one.min.is_some_and(|m| m >= o)) && other.max.is_none_or(|o| one.max.is_some_and(|m| m <= o))
}

/// Whether one flow check stops everything that another stops.
fn stops(one: &FlowCheck, other: &FlowCheck) -> bool {
    let into = one.into.is_empty() || (!other.into.is_empty() && sets::within(&other.into, &one.into));
    sets::within(&other.from, &one.from) && into && (!one.carried || other.carried)
}

/// The change of a check.
fn check(path: &str, old: &Check, new: &Check) -> Change {
    let direction = direction(old, new);
    let path = format!("{path}.check");
    let what = match (old, new) {
        (Check::Set(old), Check::Set(new)) if old.kind == new.kind => {
            let allow = match (&old.allow, &new.allow) {
                (Some(old), Some(new)) => sets::told(old, new),
                (None, Some(new)) => format!("only {}", new.join(", ")),
                (Some(_), None) => "everything".to_owned(),
                (None, None) => String::new(),
            };
            let deny = sets::told(&old.deny, &new.deny);
            let part = |word: &str, text: String| (!text.is_empty()).then(|| format!("{word}: {text}"));
            [part("allow", allow), part("deny", deny)].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        (Check::Match(old), Check::Match(new)) => {
            let labels = sets::told(&old.labels, &new.labels);
            let except = sets::told(&old.except, &new.except);
            let score = (old.min_score_bp != new.min_score_bp)
                .then(|| format!("min_score {} becomes {} basis points", old.min_score_bp, new.min_score_bp));
            let except = (!except.is_empty()).then(|| format!("except: {except}"));
            let labels = (!labels.is_empty()).then_some(labels);
            [labels, except, score].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        (Check::Bound(old), Check::Bound(new)) => format!("{} becomes {}", bound(old), bound(new)),
        (Check::Require(old), Check::Require(new)) => format!("`{old}` becomes `{new}`"),
        (Check::Measure(old), Check::Measure(new)) => format!("{old} becomes {new}"),
        (Check::Judge(old), Check::Judge(new)) => format!("{old} becomes {new}"),
        (Check::Args(old), Check::Args(new)) => old.changes(new).join("; "),
        (Check::Flow(old), Check::Flow(new)) => {
            let from = sets::told(&old.from, &new.from);
            if from.is_empty() { "where it flows to".to_owned() } else { format!("from: {from}") }
        }
        (old, new) => format!("`{}` becomes `{}`", old.word(), new.word()),
    };
    Change::told(path, Level::Major, direction, what)
}

fn bound(bound: &BoundCheck) -> String {
    let limit = |word: &str, limit: Option<_>| limit.map(|l: crate::pact::decimal::Decimal| format!(" {word} {l}"));
    let (min, max) = (limit("at least", bound.min), limit("at most", bound.max));
    format!("{}{}{}", bound.quantity, min.unwrap_or_default(), max.unwrap_or_default())
}
