//! How promises are measured: sources, context, baseline, signals, and the rule of each predicate.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diagnostic::Span;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Baseline, Limit, Pact, Rule, Signals};
use crate::pact::term::Window;

use super::report::{Change, Direction, Level, value};

pub(super) fn compare(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let (old, new) = (&was.evidence, &is.evidence);
    let any = Direction::NotComparable;
    for (name, source) in &new.sources {
        let path = format!("evidence.sources.{name}");
        match old.sources.get(name) {
            Some(before) => out.extend(value(path, Some(before), Some(source), any)),
            None => out.push(Change::told(path, Level::Minor, Direction::Neutral, format!("adds {source}"))),
        }
    }
    for (name, source) in old.sources.iter().filter(|(name, _)| !new.sources.contains_key(*name)) {
        let path = format!("evidence.sources.{name}");
        out.push(Change::told(path, Level::Major, Direction::Neutral, format!("drops {source}")));
    }
    out.extend(value("evidence.context.timezone", Some(&old.timezone), Some(&new.timezone), any));
    let hours = |hours: Option<(u8, u8)>| hours.map(|(from, to)| format!("{from:02}-{to:02}"));
    let (before, after) = (hours(old.business_hours), hours(new.business_hours));
    out.extend(value("evidence.context.business_hours", before.as_ref(), after.as_ref(), any));
    for predicate in &is.predicates {
        // A new predicate is judged with its rule, as one change.
        if was.predicate(&predicate.id).is_some() {
            rule(&predicate.id, old.rules.get(&predicate.id), new.rules.get(&predicate.id), out);
        }
    }
    if shares(old.baseline.as_ref()) != shares(new.baseline.as_ref()) {
        out.push(Change::told("evidence.baseline", Level::Major, any, "another normal"));
    }
    if signals(old.signals.as_ref()) != signals(new.signals.as_ref()) {
        out.push(Change::told("evidence.signals", Level::Major, any, "signals count otherwise"));
    }
}

/// A baseline in normal form; none is the empty one.
fn shares(baseline: Option<&Baseline>) -> Baseline {
    baseline.cloned().unwrap_or_default()
}

/// Times of signals in seconds, by kind.
fn signals(signals: Option<&Signals>) -> (Vec<(String, u64)>, Option<u32>, Option<u32>) {
    let Some(Signals { keep, per_predicate, in_total }) = signals else { return (Vec::new(), None, None) };
    (keep.iter().map(|(kind, period)| (kind.clone(), period.about_seconds())).collect(), *per_predicate, *in_total)
}

/// What a predicate without a rule has: source guard, every interaction, each breach a violation.
fn plain() -> Rule {
    Rule {
        from: "guard".to_owned(),
        ok_share: None,
        min: None,
        max: None,
        window: None,
        min_samples: None,
        business_hours_only: false,
        eval_set: None,
        jury: None,
        every: None,
        span: Span::default(),
    }
}

fn rule(id: &str, old: Option<&Rule>, new: Option<&Rule>, out: &mut Vec<Change>) {
    let default = plain();
    let (old, new) = (old.unwrap_or(&default), new.unwrap_or(&default));
    let path = |key: &str| format!("evidence.rules.{id}.{key}");
    let any = Direction::NotComparable;
    out.extend(value(path("from"), Some(&old.from), Some(&new.from), any));
    // Without a share each breach is a violation: the share one.
    let one = crate::pact::model::Share::ONE;
    let (before, after) = (old.ok_share.unwrap_or(one), new.ok_share.unwrap_or(one));
    let more = Direction::more_is_tighter(&before, &after);
    out.extend(value(path("ok_share"), old.ok_share.as_ref(), new.ok_share.as_ref(), more));
    limit(&path("min"), old.min, new.min, false, out);
    maximum(&path("max"), old.max.as_ref(), new.max.as_ref(), out);
    if seconds(old.window) != seconds(new.window) {
        let direction = match (old.window, new.window) {
            (None, Some(_)) => Direction::Looser,
            (Some(_), None) => Direction::Tighter,
            _ => any,
        };
        out.extend(value(path("window"), old.window.as_ref(), new.window.as_ref(), direction));
    }
    // With fewer samples a window decides sooner.
    let (before, after) = (old.min_samples.unwrap_or(0), new.min_samples.unwrap_or(0));
    if before != after {
        let sooner = Direction::more_is_tighter(&before, &after).turned();
        out.push(Change::of(path("min_samples"), sooner, &before, &after));
    }
    if old.business_hours_only != new.business_hours_only {
        let fewer = Direction::more_is_tighter(&old.business_hours_only, &new.business_hours_only).turned();
        let what = if new.business_hours_only { "counts business hours only" } else { "counts every hour" };
        out.push(Change::told(path("during"), Level::Major, fewer, what));
    }
    out.extend(value(path("eval_set"), old.eval_set.as_ref(), new.eval_set.as_ref(), any));
    if old.jury != new.jury {
        out.push(Change::told(path("jury"), Level::Major, any, "another jury"));
    }
    let every = |rule: &Rule| rule.every.map(crate::pact::term::Period::about_seconds);
    if every(old) != every(new) {
        out.extend(value(path("every"), old.every.as_ref(), new.every.as_ref(), any));
    }
}

/// A window as what it is compared by.
fn seconds(window: Option<Window>) -> Option<(bool, u64)> {
    window.map(|w| match w {
        Window::Time(period) => (true, period.about_seconds()),
        Window::Count(count) => (false, count),
    })
}

/// A least value, or a largest one: a limit where there was none is tighter.
fn limit(path: &str, old: Option<Decimal>, new: Option<Decimal>, largest: bool, out: &mut Vec<Change>) {
    let direction = match (old, new) {
        (None, Some(_)) => Direction::Tighter,
        (Some(_), None) => Direction::Looser,
        (Some(old), Some(new)) => {
            let more = Direction::more_is_tighter(&old, &new);
            if largest { more.turned() } else { more }
        }
        (None, None) => return,
    };
    out.extend(value(path, old.as_ref(), new.as_ref(), direction));
}

fn maximum(path: &str, old: Option<&Limit>, new: Option<&Limit>, out: &mut Vec<Change>) {
    let one = |limit: Option<&Limit>| if let Some(Limit::One(n)) = limit { Some(*n) } else { None };
    let each = |limit: Option<&Limit>| if let Some(Limit::Each(map)) = limit { map.clone() } else { BTreeMap::default() };
    limit(path, one(old), one(new), true, out);
    let (old, new) = (each(old), each(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        limit(&format!("{path}.{name}"), old.get(name).copied(), new.get(name).copied(), true, out);
    }
}
