//! What every sink is: the calls, the answers, and what may go wrong.
//!
//! A sink takes batches of one log in their order, and can be asked what it holds. It decides nothing: whether to try
//! again, to put aside or to stop is the driver's (`pump`), by the kind of [`Fault`] that it is told. Calls may
//! wait on the network; each ends within `SINK_ANSWER_SECONDS`.
//!
//! Promises that a sink makes (the conformance test holds each to them): a batch that was acknowledged is what
//! [`Sink::head`] and [`Sink::read`] give back, by another connection too; the same batch again is acknowledged and stored
//! once; what overlaps with what is there is refused as [`Fault::Taken`] or, with other content, as [`Fault::Fork`], and
//! changes nothing.

use std::time::Duration;

use super::batch::Batch;
use crate::evidence::shipped::Level;
use crate::seal::Digest;

/// What a store holds of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It cannot be asked.
    Unknown,
    /// Nothing.
    Nothing,
    /// Records up to here; some below may be missing.
    Head {
        /// Behind the last record.
        size: u64,
        /// Root over all records below.
        root: Digest,
    },
}

/// What went wrong, as far as the driver must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may work later, as it is: nobody answered, or was busy. Also when it is not known what became of a call.
    Later {
        /// Why, for people.
        why: String,
        /// When the other end wants to be asked again.
        after: Option<Duration>,
    },
    /// A person must change something first: rights, settings, a missing stream. The text says what.
    Settings(String),
    /// This batch is refused for what it is, and would be again.
    Refused {
        /// Why, for people.
        why: String,
        /// Smaller ones may be taken.
        too_large: bool,
    },
    /// The store already holds records at this place; [`Sink::head`] says up to where.
    Taken,
    /// The store holds other records at this place. Nothing was changed.
    Fork(String),
}

impl Fault {
    /// One that passes by itself.
    pub fn later(why: impl std::fmt::Display) -> Self {
        Self::Later { why: why.to_string(), after: None }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later { why, .. } | Self::Settings(why) | Self::Refused { why, .. } | Self::Fork(why) => f.write_str(why),
            Self::Taken => f.write_str("the store already holds records at this place"),
        }
    }
}

/// One store, or the way to one.
pub trait Sink: Send {
    /// Connects, and checks that the store would lose nothing. Called before anything else, and again after a fault.
    fn open(&mut self) -> Result<(), Fault>;

    /// Stores a batch, and says what that is worth. Batches of one log come in order; some may be left out.
    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault>;

    /// What the store holds of a log, given its origin.
    fn head(&mut self, origin: &str) -> Result<Held, Fault>;

    /// The first batch that ends behind `from`, as it was delivered.
    fn read(&mut self, origin: &str, from: u64) -> Result<Option<Vec<u8>>, Fault>;

    /// Origins of the logs of which the store holds something, in order.
    fn logs(&mut self) -> Result<Vec<String>, Fault>;
}
