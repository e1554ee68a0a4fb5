//! The names that checks and conditions of a document may refer to.

use std::collections::{BTreeMap, BTreeSet};

use crate::pact::condition::Scope;
use crate::pact::model::{Detector, FactType, Tool};
use crate::pact::pack::Packs;

/// The names that checks and conditions refer to.
pub(super) struct Names<'a> {
    pub(super) packs: &'a Packs,
    pub(super) facts: &'a BTreeMap<String, FactType>,
    pub(super) tools: &'a [Tool],
    pub(super) detectors: &'a [Detector],
    pub(super) topics: BTreeSet<String>,
}

impl Names<'_> {
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope { facts: self.facts, tools: self.tools, topics: &self.topics }
    }
}
