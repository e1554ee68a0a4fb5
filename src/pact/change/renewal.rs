//! The life of the pact: its term, its extension, what calls for a review and what ends it.

use crate::pact::model::{Extend, Pact, TerminateOn};
use crate::pact::term::Period;

use super::report::{Change, Direction, value};
use super::sets;

pub(super) fn compare(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let (old, new) = (&was.renewal, &is.renewal);
    let any = Direction::NotComparable;
    out.extend(value("renewal.effective", old.effective.as_ref(), new.effective.as_ref(), any));
    out.extend(value("renewal.expires", old.expires.as_ref(), new.expires.as_ref(), any));
    let shown = |e: &Extend| {
        let tier = e.while_tier.as_deref().map(|t| format!(" while {t}")).unwrap_or_default();
        let notice = e.notice.map(|n| format!(", notice {n}")).unwrap_or_default();
        format!("by {} ({}{tier}{notice})", e.by, e.how)
    };
    let (before, after) = (old.extend.as_ref().map(shown), new.extend.as_ref().map(shown));
    out.extend(value("renewal.extend", before.as_ref(), after.as_ref(), any));
    out.extend(sets::change("renewal.review_on", &old.review_on, &new.review_on, Direction::Tighter));
    let triggers = |list: &[TerminateOn]| list.iter().map(trigger).collect::<Vec<_>>();
    let (before, after) = (triggers(&old.terminate_on), triggers(&new.terminate_on));
    out.extend(sets::change("renewal.terminate_on", &before, &after, Direction::Tighter));
    let (before, after) = (old.counters_on_extension, new.counters_on_extension);
    out.extend(value("renewal.counters_on_extension", before.as_ref(), after.as_ref(), any));
    let mut period = |key: &str, old: Option<Period>, new: Option<Period>| {
        if old.map(Period::about_seconds) != new.map(Period::about_seconds) {
            out.extend(value(format!("renewal.change.{key}"), old.as_ref(), new.as_ref(), any));
        }
    };
    period("notice", old.notice, new.notice);
    period("maintenance_after", old.maintenance_after, new.maintenance_after);
    period("retire_after", old.retire_after, new.retire_after);
}

fn trigger(trigger: &TerminateOn) -> String {
    match trigger {
        TerminateOn::PauseOver(period) => format!("pause over {period}"),
        TerminateOn::TierBelow(tier) => format!("tier below {tier}"),
        TerminateOn::ViolationsOver(count) => format!("more than {count} violations"),
        word => word.word().replace('_', " "),
    }
}
