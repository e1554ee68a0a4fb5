//! One statement beside a pact, and what it does.

use std::sync::Arc;

use crate::base::names::words;
use crate::pact::statement::SignedStatement;
use crate::seal::Digest;

words! {
    /// What a statement does now.
    Effect {
        /// It acts.
        Acts = "acts",
        /// It acts from a day to come.
        Waits = "waits",
        /// A later one, or a later version, has taken its place.
        Superseded = "superseded",
        /// It counts and changes nothing here.
        Idle = "idle",
        /// It does not count.
        Refused = "refused",
    }
}

/// A statement and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The statement.
    pub statement: Arc<SignedStatement>,
    /// What it is called by: see [`SignedStatement::id`].
    pub id: Digest,
    /// What that means, for people.
    pub means: String,
    /// Stable word for why it does not act.
    pub code: Option<&'static str>,
    effect: Effect,
    /// Unix seconds from which it acts.
    from: i64,
}

impl Said {
    /// A statement that counts, and of which nothing follows yet.
    pub(super) fn new(statement: Arc<SignedStatement>) -> Self {
        let id = statement.id();
        Self { statement, id, means: String::new(), code: None, effect: Effect::Idle, from: i64::MIN }
    }

    /// What it does at a time in Unix seconds.
    pub fn effect(&self, now: i64) -> Effect {
        if self.effect == Effect::Acts && now < self.from { Effect::Waits } else { self.effect }
    }

    /// Whether its signatures count and it speaks of this pact.
    pub fn counts(&self) -> bool {
        self.effect != Effect::Refused
    }

    pub(super) fn acts(&mut self, from: i64, means: String) {
        (self.effect, self.from, self.means, self.code) = (Effect::Acts, from, means, None);
    }

    pub(super) fn superseded(&mut self, means: String) {
        (self.effect, self.means, self.code) = (Effect::Superseded, means, Some("superseded"));
    }

    pub(super) fn idle(&mut self, code: &'static str, means: String) {
        (self.effect, self.means, self.code) = (Effect::Idle, means, Some(code));
    }

    pub(super) fn refused(&mut self, code: &'static str, why: String) {
        (self.effect, self.means, self.code) = (Effect::Refused, why, Some(code));
    }
}
