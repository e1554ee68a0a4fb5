//! The life of the pact.

use crate::base::names::words;
use crate::pact::term::Date;
use crate::pact::term::Period;

words! {
    /// How an extension comes about.
    ExtendHow {
        /// By itself.
        Automatic = "automatic",
        /// By a signed notice.
        Manual = "manual",
        /// Unless somebody objects.
        OptOut = "opt_out",
    }
}

words! {
    /// What calls for a review.
    ReviewOn {
        /// A new major version of the model.
        ModelMajor = "model_major",
        /// Any change of the model.
        ModelChange = "model_change",
        /// Another configuration.
        ConfigChange = "config_change",
        /// The law changed.
        Regulation = "regulation",
    }
}

words! {
    /// What happens to counters on extension.
    Counters {
        /// They begin anew.
        Reset = "reset",
        /// They go on.
        Carry = "carry",
    }
}

/// What ends the pact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminateOn {
    /// A pause longer than this.
    PauseOver(Period),
    /// A score below this tier.
    TierBelow(String),
    /// More violations than this.
    ViolationsOver(u64),
    /// The counterparty cannot pay.
    CounterpartyInsolvent,
    /// Somebody withdrew the authorization.
    AuthorizationWithdrawn,
    /// A new major version of the model.
    ModelMajor,
}

impl TerminateOn {
    /// Every trigger, as documents write it.
    pub const WORDS: &'static [&'static str] =
        &["pause_over", "tier_below", "violations_over", "counterparty_insolvent", "authorization_withdrawn", "model_major"];

    /// Its word in a document.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PauseOver(_) => "pause_over",
            Self::TierBelow(_) => "tier_below",
            Self::ViolationsOver(_) => "violations_over",
            Self::CounterpartyInsolvent => "counterparty_insolvent",
            Self::AuthorizationWithdrawn => "authorization_withdrawn",
            Self::ModelMajor => "model_major",
        }
    }
}

/// Extension at the end of the term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// By how much.
    pub by: Period,
    /// How.
    pub how: ExtendHow,
    /// Only while the score is in this tier or above.
    pub while_tier: Option<String>,
    /// How long ahead it is told.
    pub notice: Option<Period>,
}

/// The life of the pact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewal {
    /// Whether the document has the section.
    pub given: bool,
    /// From when, inclusive.
    pub effective: Option<Date>,
    /// Until when, exclusive.
    pub expires: Option<Date>,
    /// Extension.
    pub extend: Option<Extend>,
    /// What calls for a review.
    pub review_on: Vec<ReviewOn>,
    /// What ends it.
    pub terminate_on: Vec<TerminateOn>,
    /// What happens to counters on extension.
    pub counters_on_extension: Option<Counters>,
    /// Notice of a change.
    pub notice: Option<Period>,
    /// Old version in maintenance after.
    pub maintenance_after: Option<Period>,
    /// Old version retired after.
    pub retire_after: Option<Period>,
}
