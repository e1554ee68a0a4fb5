//! A pact that the checker has passed: the only thing the compiler accepts.

use std::collections::BTreeSet;

use crate::seal::{Digest, SealError, canon, digest};

use super::model::Pact;
use super::signature::PactSignature;

/// A pact without a mistake, with the canonical form of its source. Only the checker makes one.
///
/// It may still be a draft: [`lacks`](Self::lacks) names what is missing before it can be signed.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedPact {
    pact: Pact,
    canonical: Vec<u8>,
    lacks: Vec<String>,
    used_packs: BTreeSet<String>,
    signatures: Vec<PactSignature>,
}

impl CheckedPact {
    pub(super) fn new(
        pact: Pact,
        document: &serde_json::Value,
        lacks: Vec<String>,
        used_packs: BTreeSet<String>,
        signatures: Vec<PactSignature>,
    ) -> Result<Self, SealError> {
        Ok(Self { pact, canonical: canon::to_canonical(document)?, lacks, used_packs, signatures })
    }

    /// What it says.
    pub fn pact(&self) -> &Pact {
        &self.pact
    }

    /// The source as written, as canonical JSON (RFC 8785) without signatures, before any expansion.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// SHA-256 of [`canonical`](Self::canonical): what is signed, and what tells two documents apart.
    pub fn digest(&self) -> Digest {
        digest(&self.canonical)
    }

    /// What a draft lacks, each with the reason; empty for a whole pact.
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// The packs that its words come from.
    pub fn used_packs(&self) -> &BTreeSet<String> {
        &self.used_packs
    }

    /// The signatures that its text carries; nobody has looked whether they fit.
    pub(super) fn signatures(&self) -> &[PactSignature] {
        &self.signatures
    }

    pub(super) fn add_signature(&mut self, signature: PactSignature) {
        self.signatures.push(signature);
    }
}
