//! What follows from a breach.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::diagnostic::Span;
use crate::base::names::words;
use crate::base::verdict::Severity;
use crate::pact::decimal::Decimal;
use crate::pact::term::Period;

/// A share of one, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

impl Share {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

words! {
    /// Who looks at a violation.
    Review {
        /// A person.
        Human = "human",
        /// A jury.
        Jury = "jury",
        /// Nobody.
        None = "none",
    }
}

words! {
    /// Who is told.
    Notify {
        /// The agent.
        Agent = "agent",
        /// The counterparty.
        Counterparty = "counterparty",
        /// The guarantor.
        Guarantor = "guarantor",
    }
}

words! {
    /// How far a pause reaches.
    Reach {
        /// Only work for this counterparty.
        Counterparty = "counterparty",
        /// Everything under the pact.
        All = "all",
    }
}

/// How long work stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long; none: until review.
    pub period: Option<Period>,
    /// For whom.
    pub reach: Reach,
}

/// What follows from one violation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consequence {
    /// Share of the bond.
    pub forfeit: Option<Share>,
    /// Change of the score.
    pub score: Option<Decimal>,
    /// Pause.
    pub pause: Option<Pause>,
    /// Review.
    pub review: Option<Review>,
    /// Who is told.
    pub notify: Vec<Notify>,
    /// Place of its entry.
    pub span: Span,
}

/// What follows from violations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Penalty {
    /// By severity.
    pub by_severity: BTreeMap<Severity, Consequence>,
    /// By predicate id; replaces.
    pub overrides: BTreeMap<String, Consequence>,
    /// Whether the violations of one exchange add up; else the worst counts.
    pub sum: bool,
    /// Bond.
    pub bond: Option<Bond>,
    /// The slow account.
    pub score: Option<Score>,
    /// The fast one: `start floor ceiling gain loss`.
    pub standing: BTreeMap<String, Decimal>,
}

/// Money at stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// How much.
    pub amount: Decimal,
    /// Of what.
    pub unit: String,
    /// Whether it is held by somebody.
    pub hold: bool,
}

/// The slow account.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Top of the scale.
    pub scale: Decimal,
    /// Where it begins.
    pub start: Decimal,
    /// Weight per dimension.
    pub weights: BTreeMap<String, Decimal>,
    /// Least score per tier.
    pub tiers: BTreeMap<String, Decimal>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_as_decimals() {
        let shown = [0, 1, 50_000, 500_000, 999_999, 1_000_000].map(|n| Share(n).to_string());
        assert_eq!(shown, ["0", "0.000001", "0.05", "0.5", "0.999999", "1"]);
    }
}
