//! Quantities of one interaction, and bounds on them.

use crate::base::names::words;
use crate::pact::decimal::Decimal;

words! {
    /// A quantity with bounds.
    Quantity {
        /// Exchanges under way.
        OpenTasks = "open_tasks",
        /// Time of an interaction.
        LatencyMs = "latency_ms",
        /// Hour of the day in the pact's zone.
        LocalHour = "local_hour",
        /// Tokens that went in.
        TokensIn = "tokens_in",
        /// Tokens that came out.
        TokensOut = "tokens_out",
        /// Price of an interaction. Not in this build.
        Cost = "cost",
        /// Characters of an answer.
        ReplyChars = "reply_chars",
        /// Bytes of a call's arguments.
        ArgsBytes = "args_bytes",
        /// Turns of the session.
        Turns = "turns",
    }
}

/// A quantity within bounds, both inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundCheck {
    /// Which.
    pub quantity: Quantity,
    /// Not less.
    pub min: Option<Decimal>,
    /// Not more.
    pub max: Option<Decimal>,
}
