//! What is sent to the admin port: a sealed pact, or a statement beside one. Each kind goes its own way.

use crate::base::document;
use crate::pact::statement_kind;

use super::hear::Listed;
use super::keep::{Kept, NotKept};
use super::run::{Did, Reloader};

/// What became of what was sent.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It is a pact.
    Pact(Kept),
    /// It is a statement beside one.
    Statement(Listed),
}

impl Reloader {
    /// Keeps a sealed pact or a statement, and does what follows from it now.
    pub(crate) fn take_in(&mut self, text: &str) -> (Result<Outcome, NotKept>, Did) {
        if document::parse(text).is_ok_and(|document| statement_kind(&document).is_some()) {
            let (heard, did) = self.hear(text);
            (heard.map(Outcome::Statement), did)
        } else {
            let (kept, did) = self.keep(text);
            (kept.map(Outcome::Pact), did)
        }
    }
}
