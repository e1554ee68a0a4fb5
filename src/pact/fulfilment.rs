//! How a pact is kept, in numbers: interactions evaluated and compliant, violations by severity, the promise kept least.
//!
//! An interaction is compliant where no predicate was violated in it; one predicate counts once an interaction. A breach
//! that only counts towards a window is no violation yet. Promises: what nothing was counted of is no number; the rate of
//! the whole never stands without the lowest of its parts. What it does not do: count, or weigh.

use std::collections::BTreeMap;

use super::model::{Check, Limit, Pact, Rule};
use crate::base::verdict::Severity;

/// Interactions, and the violations among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Interactions.
    pub evaluated: u64,
    /// Those without a violation.
    pub compliant: u64,
    /// Those with more kinds of hits than were listed: what is counted of them is the least.
    pub beyond: u64,
    /// Violations.
    pub by_severity: BTreeMap<Severity, u64>,
    /// Interactions that violated it, by id of the predicate.
    pub by_predicate: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds an interaction with its violations, each predicate once; `beyond`: it has more than are listed.
    pub fn add(&mut self, violations: impl IntoIterator<Item = (String, Severity)>, beyond: bool) {
        let mut clean = !beyond;
        for (predicate, severity) in violations {
            *self.by_severity.entry(severity).or_default() += 1;
            *self.by_predicate.entry(predicate).or_default() += 1;
            clean = false;
        }
        self.evaluated += 1;
        self.beyond += u64::from(beyond);
        self.compliant += u64::from(clean);
    }

    /// Violations of a severity.
    pub fn count(&self, severity: Severity) -> u64 {
        self.by_severity.get(&severity).copied().unwrap_or_default()
    }

    /// Compliant by evaluated, in ten-thousandths; none of nothing.
    pub fn rate(&self) -> Option<f64> {
        share(self.compliant, self.evaluated)
    }

    /// The predicate that was kept least, and the share that kept it, so that the whole cannot hide it; none where
    /// nothing was violated.
    pub fn lowest(&self) -> Option<(&str, f64)> {
        let worst = self.by_predicate.iter().filter(|(_, broken)| **broken > 0);
        let (predicate, broken) = worst.max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))?;
        Some((predicate, share(self.evaluated.saturating_sub(*broken), self.evaluated)?))
    }
}

/// A share in ten-thousandths; none of nothing.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "four places of a share")]
    let share = |part: u64, whole: u64| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0;
    (whole > 0).then(|| share(part, whole))
}

/// What a rule holds its predicate to: the least value, or the largest; none where it has one for each distribution.
pub fn limit(rule: &Rule) -> Option<f64> {
    let most = match rule.max.as_ref() {
        Some(Limit::One(max)) => Some(*max),
        _ => None,
    };
    let share = rule.ok_share.map(|share| f64::from(share.0) / 1_000_000.0);
    share.or_else(|| rule.min.or(most).map(|limit| limit.to_f64()))
}

/// A promise whose keeping is a number, and what its rule holds it to.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Id of the predicate.
    pub predicate: String,
    /// What is measured: a statistic, a question to judges, or `kept` for the share that kept it.
    pub what: String,
    /// See [`limit`].
    pub limit: Option<f64>,
}

/// The promises of a pact that an evidence rule measures, in the order of the pact.
pub fn measured(pact: &Pact) -> Vec<Measured> {
    let mut out = Vec::new();
    for predicate in &pact.predicates {
        let Some(rule) = pact.evidence.rules.get(&predicate.id) else { continue };
        let told = |what: String| Measured { predicate: predicate.id.clone(), what, limit: limit(rule) };
        out.extend(rule.ok_share.map(|_| told("kept".to_owned())));
        out.extend(predicate.checks.iter().filter_map(|check| match &check.check {
            Check::Measure(measure) => Some(told(measure.to_string())),
            Check::Judge(what) => Some(told(what.clone())),
            _ => None,
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::{Packs, read};

    #[test]
    fn the_whole_never_hides_its_worst_part() {
        let mut tally = Tally::default();
        assert_eq!((tally.rate(), tally.lowest()), (None, None));
        tally.add([], false);
        assert_eq!((tally.rate(), tally.lowest()), (Some(1.0), None));
        tally.add([("b".to_owned(), Severity::Major), ("a".to_owned(), Severity::Minor)], false);
        tally.add([("b".to_owned(), Severity::Major)], false);
        tally.add([], true);
        assert_eq!((tally.evaluated, tally.compliant, tally.beyond, tally.rate()), (4, 1, 1, Some(0.25)));
        assert_eq!(tally.lowest(), Some(("b", 0.5)));
        assert_eq!([Severity::Critical, Severity::Major, Severity::Minor].map(|s| tally.count(s)), [0, 2, 1]);
        assert_eq!(share(2, 3), Some(0.6667));
    }

    #[test]
    fn every_rule_with_a_number_is_listed_with_its_limit() {
        let text = include_str!("../../tests/cases/whole/everything.pact.yaml");
        let pact = read(text, Packs::shipped()).0.unwrap();
        let list = measured(pact.pact());
        let of = |id: &str| list.iter().find(|m| m.predicate == id).unwrap_or_else(|| panic!("{id}: {list:#?}"));
        assert!(list.iter().all(|m| !m.what.is_empty() && pact.pact().predicate(&m.predicate).is_some()));
        let kept = list.iter().filter(|m| m.what == "kept").count();
        assert!(kept > 0 && kept < list.len(), "{list:#?}");
        let rules = &pact.pact().evidence.rules;
        for (id, rule) in rules.iter().filter(|(_, rule)| rule.ok_share.is_some()) {
            assert_eq!(of(id).limit, limit(rule));
        }
    }
}
