//! Statistics over a window, each with what it looks at. The limit and the window stand in the evidence
//! rule of the same predicate.
//!
//! What a statistic looks at is one of three: a *figure* (a number that each interaction has), an
//! *attribute* (a word that each interaction has) or a *count* (how many interactions or calls, or the sum
//! of a figure). `action`, `target` and `tool` are words of calls; an interaction has one for each call.

use std::collections::BTreeMap;
use std::fmt;

use super::catalogue::FactType;
use super::penalty::Share;
use super::quantity::Quantity;
use crate::base::names::words;
use crate::pact::term::Period;

words! {
    /// A statistic over a window.
    Statistic {
        /// The q-quantile of a figure.
        Quantile = "quantile",
        /// Share of interactions with a value.
        Share = "share",
        /// One count by another.
        Ratio = "ratio",
        /// Share of the most frequent value.
        TopShare = "top_share",
        /// Distinct values per session, caller or window.
        Distinct = "distinct",
        /// A count per time, or that by its baseline.
        Rate = "rate",
        /// Distance from the baseline.
        Drift = "drift",
        /// Closeness to an anchor.
        Fidelity = "fidelity",
    }
}

impl Statistic {
    /// The keys it takes beside its own, and whether each must be there.
    pub fn keys(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Quantile => &[("of", true), ("q", true)],
            Self::Share => &[("of", true), ("is", true)],
            Self::Ratio => &[("num", true), ("den", true)],
            Self::TopShare => &[("of", true)],
            Self::Distinct => &[("of", true), ("per", true)],
            Self::Rate => &[("of", true), ("per", true), ("times_baseline", false)],
            Self::Drift => &[],
            Self::Fidelity => &[("anchor", true)],
        }
    }

    /// Whether its values lie between 0 and 1.
    pub fn is_share(self) -> bool {
        matches!(self, Self::Share | Self::TopShare | Self::Drift | Self::Fidelity)
    }
}

words! {
    /// A word that each interaction has.
    Attribute {
        /// What was done with it: allow, flag, redact, hold, block.
        Act = "act",
        /// `action` of the tool that was called.
        Action = "action",
        /// Who called.
        Caller = "caller",
        /// How it ended.
        Completion = "completion",
        /// Categories of data found in it.
        Data = "data",
        /// On which lane.
        Lane = "lane",
        /// In which mode.
        Mode = "mode",
        /// Which model answered.
        Model = "model",
        /// Which protocol was spoken.
        Protocol = "protocol",
        /// Which route it took.
        Route = "route",
        /// The conversation it belongs to.
        Session = "session",
        /// Status of the upstream.
        Status = "status",
        /// `target` of the tool that was called.
        Target = "target",
        /// The fact `task.type`.
        Task = "task",
        /// Tenant.
        Tenant = "tenant",
        /// The tool that was called.
        Tool = "tool",
        /// Topics of the task text.
        Topics = "topics",
    }
}

/// How an interaction can end, as records say it.
pub const COMPLETIONS: &[&str] = &["completed", "escalated", "declined", "failed", "cancelled", "upstream_error", "unknown"];

words! {
    /// Within what distinct values are counted.
    Per {
        /// One conversation.
        Session = "session",
        /// One caller.
        Caller = "caller",
        /// The whole window.
        Window = "window",
    }
}

/// A number that each interaction has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A quantity of `bound`.
    Quantity(Quantity),
    /// A fact that is a number.
    Fact(String),
}

impl Figure {
    /// The figure with this name.
    pub fn parse(text: &str, facts: &BTreeMap<String, FactType>) -> Option<Self> {
        if let Some(quantity) = Quantity::parse(text).filter(|q| *q != Quantity::LocalHour) {
            return Some(Self::Quantity(quantity));
        }
        matches!(facts.get(text), Some(FactType::Number { .. })).then(|| Self::Fact(text.to_owned()))
    }

    /// Every name that can stand here.
    pub fn names(facts: &BTreeMap<String, FactType>) -> Vec<&str> {
        let quantities = Quantity::ALL.iter().filter(|q| **q != Quantity::LocalHour).map(|q| q.as_str());
        let numbers = facts.iter().filter(|(_, ty)| matches!(ty, FactType::Number { .. })).map(|(name, _)| name.as_str());
        quantities.chain(numbers).collect()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantity(quantity) => f.write_str(quantity.as_str()),
            Self::Fact(name) => f.write_str(name),
        }
    }
}

/// A word that each interaction has: an attribute of its record, or a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// Of the record.
    Attribute(Attribute),
    /// A fact that is text or true or false.
    Fact(String),
}

impl Label {
    /// The label with this name.
    pub fn parse(text: &str, facts: &BTreeMap<String, FactType>) -> Option<Self> {
        if let Some(attribute) = Attribute::parse(text) {
            return Some(Self::Attribute(attribute));
        }
        matches!(facts.get(text), Some(FactType::Text | FactType::Bool)).then(|| Self::Fact(text.to_owned()))
    }

    /// Every name that can stand here.
    pub fn names(facts: &BTreeMap<String, FactType>) -> Vec<&str> {
        let attributes = Attribute::ALL.iter().map(|a| a.as_str());
        let words = facts.iter().filter(|(_, ty)| !matches!(ty, FactType::Number { .. })).map(|(name, _)| name.as_str());
        attributes.chain(words).collect()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(attribute) => f.write_str(attribute.as_str()),
            Self::Fact(name) => f.write_str(name),
        }
    }
}

/// Something that is counted or summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// Every interaction.
    Interactions,
    /// Every call of a tool.
    Calls,
    /// The sum of a figure.
    Sum(Figure),
    /// Interactions, or calls, with this word: `action:write`.
    With(Label, String),
}

impl Count {
    /// The count with this text: `interactions`, `calls`, a figure, or `<label>:<value>`.
    pub fn parse(text: &str, facts: &BTreeMap<String, FactType>) -> Option<Self> {
        match text {
            "interactions" => return Some(Self::Interactions),
            "calls" => return Some(Self::Calls),
            _ => {}
        }
        if let Some((label, value)) = text.split_once(':') {
            return Label::parse(label, facts).filter(|_| !value.is_empty()).map(|label| Self::With(label, value.to_owned()));
        }
        Figure::parse(text, facts).map(Self::Sum)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interactions => f.write_str("interactions"),
            Self::Calls => f.write_str("calls"),
            Self::Sum(figure) => write!(f, "{figure}"),
            Self::With(label, value) => write!(f, "{label}:{value}"),
        }
    }
}

/// A statistic with what it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasureCheck {
    /// The q-quantile of a figure over the interactions of the window.
    Quantile {
        /// Of what.
        of: Figure,
        /// Which, between 0 and 1.
        q: Share,
    },
    /// The share of interactions whose word is this.
    Share {
        /// Of what.
        of: Label,
        /// The value.
        is: String,
    },
    /// One count by another; undecided while the second is nought.
    Ratio {
        /// Above.
        num: Count,
        /// Below.
        den: Count,
    },
    /// The share of the most frequent value.
    TopShare {
        /// Of what.
        of: Label,
    },
    /// The most distinct values that any one session, any one caller or the window has.
    Distinct {
        /// Of what.
        of: Label,
        /// Within what.
        per: Per,
    },
    /// The most in any span of this length within the window.
    Rate {
        /// Of what.
        of: Count,
        /// Per which time.
        per: Period,
        /// By the rate of the baseline: 2 means twice as many as normal.
        times_baseline: bool,
    },
    /// The distance from `evidence.baseline`, by distribution.
    Drift,
    /// One less the distance from an anchor of the baseline.
    Fidelity {
        /// Its name: a task type or a topic.
        anchor: String,
    },
}

impl MeasureCheck {
    /// Which statistic it is.
    pub fn statistic(&self) -> Statistic {
        match self {
            Self::Quantile { .. } => Statistic::Quantile,
            Self::Share { .. } => Statistic::Share,
            Self::Ratio { .. } => Statistic::Ratio,
            Self::TopShare { .. } => Statistic::TopShare,
            Self::Distinct { .. } => Statistic::Distinct,
            Self::Rate { .. } => Statistic::Rate,
            Self::Drift => Statistic::Drift,
            Self::Fidelity { .. } => Statistic::Fidelity,
        }
    }

    /// The names of the facts it looks at.
    pub fn facts(&self) -> Vec<&str> {
        fn label(label: &Label) -> Option<&str> {
            match label {
                Label::Fact(name) => Some(name),
                Label::Attribute(Attribute::Task) => Some("task.type"),
                Label::Attribute(_) => None,
            }
        }
        fn figure(figure: &Figure) -> Option<&str> {
            if let Figure::Fact(name) = figure { Some(name) } else { None }
        }
        fn count(count: &Count) -> Option<&str> {
            match count {
                Count::Sum(f) => figure(f),
                Count::With(l, _) => label(l),
                Count::Interactions | Count::Calls => None,
            }
        }
        match self {
            Self::Quantile { of, .. } => figure(of).into_iter().collect(),
            Self::Share { of, .. } | Self::TopShare { of } | Self::Distinct { of, .. } => label(of).into_iter().collect(),
            Self::Ratio { num, den } => count(num).into_iter().chain(count(den)).collect(),
            Self::Rate { of, .. } => count(of).into_iter().collect(),
            Self::Drift | Self::Fidelity { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for MeasureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile { of, q } => write!(f, "quantile {q} of {of}"),
            Self::Share { of, is } => write!(f, "share of {of} that is {is}"),
            Self::Ratio { num, den } => write!(f, "{num} by {den}"),
            Self::TopShare { of } => write!(f, "share of the most frequent {of}"),
            Self::Distinct { of, per } => write!(f, "distinct {of} per {per}"),
            Self::Rate { of, per, times_baseline: false } => write!(f, "{of} per {per}"),
            Self::Rate { of, per, times_baseline: true } => write!(f, "{of} per {per}, by the baseline"),
            Self::Drift => f.write_str("drift from the baseline"),
            Self::Fidelity { anchor } => write!(f, "fidelity to the anchor {anchor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_count_are_inverse() {
        let facts = BTreeMap::from([
            ("task.amount".to_owned(), FactType::Number { unit: None }),
            ("task.kind".to_owned(), FactType::Text),
        ]);
        for text in
            ["interactions", "calls", "tokens_out", "task.amount", "action:write", "task.kind:a:b", "completion:escalated"]
        {
            assert_eq!(Count::parse(text, &facts).map(|c| c.to_string()).as_deref(), Some(text));
        }
        for bad in ["", "action:", "colour:red", "task.kind", "local_hour", "task.other"] {
            assert_eq!(Count::parse(bad, &facts), None, "{bad}");
        }
        assert_eq!(Figure::parse("task.kind", &facts), None);
        assert_eq!(Label::parse("task.amount", &facts), None);
    }
}
