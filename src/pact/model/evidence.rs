//! How each promise is measured.

use std::collections::BTreeMap;

use super::penalty::Share;
use crate::base::diagnostic::Span;
use crate::base::names::words;
use crate::pact::decimal::Decimal;
use crate::pact::term::Period;
use crate::pact::term::Window;

/// How each promise is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Whether the document has the section.
    pub given: bool,
    /// Source to schema (`interaction/1`).
    pub sources: BTreeMap<String, Source>,
    /// IANA zone; UTC when not given.
    pub timezone: String,
    /// From hour, to hour (exclusive).
    pub business_hours: Option<(u8, u8)>,
    /// Rules by predicate id.
    pub rules: BTreeMap<String, Rule>,
    /// What normal is.
    pub baseline: Option<Baseline>,
    /// How long signals count.
    pub signals: Option<Signals>,
}

words! {
    /// What a source emits.
    Source {
        /// One record per exchange.
        Interaction = "interaction/1",
        /// Verdicts of judges.
        Verdict = "verdict/1",
        /// Reports of the counterparty.
        Incident = "incident/1",
    }
}

/// What separates a kept promise from a broken one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Source.
    pub from: String,
    /// Share of interactions that must keep it.
    pub ok_share: Option<Share>,
    /// Least value.
    pub min: Option<Decimal>,
    /// Largest value; of a drift one per distribution.
    pub max: Option<Limit>,
    /// Window.
    pub window: Option<Window>,
    /// Fewer samples decide nothing.
    pub min_samples: Option<u64>,
    /// Only within business hours.
    pub business_hours_only: bool,
    /// Evaluation set.
    pub eval_set: Option<String>,
    /// Jury: size and share trimmed at each end.
    pub jury: Option<(u32, Share)>,
    /// How often it is judged.
    pub every: Option<Period>,
    /// Place of its entry.
    pub span: Span,
}

/// A largest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One number.
    One(Decimal),
    /// One per distribution.
    Each(BTreeMap<String, Decimal>),
}

/// What normal is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Shares per distribution: `action`, `target`, `outcome`.
    pub shares: BTreeMap<String, BTreeMap<String, Decimal>>,
    /// Hours: 24 or 168 shares.
    pub hours: Vec<Decimal>,
    /// Mean calls an hour.
    pub per_hour: Option<Decimal>,
    /// Anchors by task type or topic.
    pub anchors: BTreeMap<String, Anchor>,
}

/// Normal behaviour under one task type or topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anchor {
    /// Shares per distribution.
    pub shares: BTreeMap<String, BTreeMap<String, Decimal>>,
    /// Distance that is still normal.
    pub tolerance: Option<Decimal>,
}

/// How long signals count, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Kind of signal to time kept.
    pub keep: BTreeMap<String, Period>,
    /// Per predicate.
    pub per_predicate: Option<u32>,
    /// In total.
    pub in_total: Option<u32>,
}
