//! When a predicate applies, and what that hangs on.

use crate::base::names::Stage;
use crate::pact::condition::order::{at_most, by_calls};
use crate::pact::condition::{Expr, ExprKind, Field};
use crate::pact::model::{Check, Pact, Predicate};

use super::report::{Change, Direction, Level};

/// A condition that may be absent, for people.
fn shown(expr: Option<&Expr>) -> String {
    expr.map_or_else(|| "always".to_owned(), |e| format!("`{e}`"))
}

/// The changes of `where` and `unless`.
pub(super) fn compare(path: &str, old: &Predicate, new: &Predicate, out: &mut Vec<Change>) {
    // Without `where` it always applies; without `unless` nothing is exempt.
    let applies = match (&old.when, &new.when) {
        (None, None) => Direction::Neutral,
        (Some(_), None) => Direction::Tighter,
        (None, Some(_)) => Direction::Looser,
        (Some(old), Some(new)) => Direction::of(at_most(old, new), at_most(new, old)),
    };
    if applies != Direction::Neutral {
        let what = format!("{} becomes {}", shown(old.when.as_ref()), shown(new.when.as_ref()));
        out.push(Change::told(format!("{path}.where"), Level::Major, applies, what));
    }
    let exempt = match (&old.unless, &new.unless) {
        (None, None) => Direction::Neutral,
        (Some(_), None) => Direction::Tighter,
        (None, Some(_)) => Direction::Looser,
        (Some(old), Some(new)) => Direction::of(at_most(new, old), at_most(old, new)),
    };
    if exempt != Direction::Neutral {
        let never = |expr: Option<&Expr>| expr.map_or_else(|| "never".to_owned(), |e| format!("`{e}`"));
        let what = format!("{} becomes {}", never(old.unless.as_ref()), never(new.unless.as_ref()));
        out.push(Change::told(format!("{path}.unless"), Level::Major, exempt, what));
    }
}

/// The conditions of a predicate.
fn conditions(predicate: &Predicate) -> impl Iterator<Item = &Expr> {
    let demands = predicate.checks.iter().filter_map(|c| if let Check::Require(expr) = &c.check { Some(expr) } else { None });
    predicate.when.iter().chain(&predicate.unless).chain(demands)
}

/// Whether a predicate of the pact allows more when fewer calls were released before: then a tighter rule on
/// calls may loosen another, and nobody can say which way the whole goes.
pub(super) fn fewer_calls_loosen(pact: &Pact) -> bool {
    pact.predicates.iter().any(|p| {
        let demands = p.checks.iter().filter_map(|c| if let Check::Require(expr) = &c.check { Some(expr) } else { None });
        p.when.iter().any(|e| by_calls(e).rises) || p.unless.iter().chain(demands).any(|e| by_calls(e).falls)
    })
}

/// Whether a condition of the pact at one of these stages looks at the catalogue.
pub(super) fn reads_catalogue(pact: &Pact, stages: &[Stage]) -> bool {
    pact.predicates.iter().filter(|p| p.stages().iter().any(|s| stages.contains(s))).flat_map(conditions).any(|expr| {
        let mut reads = false;
        expr.walk(&mut |e| {
            reads |= matches!(
                e.kind,
                ExprKind::Field(
                    Field::ToolName
                        | Field::ToolAction
                        | Field::ToolTarget
                        | Field::ToolEffect
                        | Field::ToolReversible
                        | Field::ToolServer
                )
            );
        });
        reads
    })
}
