//! What goes from a list of tools before a client sees it: what the pact forbids to call, what has changed since it was
//! first seen, and what says of itself what no tool may say.
//!
//! The others stay as they are, byte for byte. A body and an event of a stream are treated alike.

use std::collections::BTreeMap;

use super::exchange::Exchange;
use super::pending::Durable;
use super::refused::Refused;
use crate::protocol::{Edit, Listing};

/// The tools of one list that go, by their numbers, with the reason.
#[derive(Debug, Default)]
pub(crate) struct Removed(BTreeMap<usize, Refused>);

impl Removed {
    /// A tool goes for what it says. The gravest reason counts.
    pub(crate) fn refuse(&mut self, number: usize, refused: Refused) {
        match self.0.get(&number) {
            Some(before) if before.act >= refused.act => {}
            _ => drop(self.0.insert(number, refused)),
        }
    }

    /// Looks at every tool of the list, of which `bytes` are the text, and writes down what goes. What is returned must
    /// be awaited before the list leaves.
    pub(crate) fn settle(&mut self, exchange: &mut Exchange, listing: &Listing, bytes: &[u8]) -> Option<Durable> {
        for (number, tool) in listing.tools.iter().enumerate() {
            if !self.0.contains_key(&number)
                && let Some(refused) = exchange.offered(&tool.name, bytes.get(tool.at.clone()).unwrap_or_default())
            {
                self.0.insert(number, refused);
            }
        }
        let gone = self.0.iter().filter_map(|(number, refused)| Some((listing.tools.get(*number)?.name.as_str(), refused)));
        exchange.took_out(gone)
    }

    /// The gravest reason, where something goes.
    pub(crate) fn gravest(&self) -> Option<&Refused> {
        self.0.values().max_by_key(|refused| refused.act)
    }

    /// What takes them out of the list.
    pub(crate) fn edits(&self, listing: &Listing) -> Vec<Edit> {
        if self.0.is_empty() { Vec::new() } else { listing.without(|number| self.0.contains_key(&number)) }
    }
}
