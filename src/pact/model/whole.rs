//! The whole pact, and its parties.

use std::collections::BTreeMap;

use super::case::Case;
use super::catalogue::Detector;
use super::catalogue::FactType;
use super::catalogue::Tool;
use super::evidence::Evidence;
use super::penalty::Consequence;
use super::penalty::Penalty;
use super::promise::Predicate;
use super::renewal::Renewal;
use crate::base::diagnostic::Span;
use crate::pact::term::SemVer;

/// A whole pact. What a draft lacks is empty or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Pact {
    /// Grammar of the document.
    pub format: u32,
    /// Name of the promise.
    pub id: String,
    /// Version of the promise.
    pub version: SemVer,
    /// Who.
    pub subject: Subject,
    /// What names mean: pack to major version.
    pub packs: BTreeMap<String, u32>,
    /// What trusted callers tell the guard.
    pub facts: BTreeMap<String, FactType>,
    /// The signed catalogue, in order of the document.
    pub tools: Vec<Tool>,
    /// The pact's own patterns, used as `own.<name>`.
    pub detectors: Vec<Detector>,
    /// What is promised, in order of the document.
    pub predicates: Vec<Predicate>,
    /// How each promise is measured.
    pub evidence: Evidence,
    /// What follows from a breach.
    pub penalty: Option<Penalty>,
    /// The life of the pact.
    pub renewal: Renewal,
    /// Signed, not enforced: the values as JSON text.
    pub terms: BTreeMap<String, String>,
    /// The pact's own tests.
    pub cases: Vec<Case>,
}

impl Pact {
    /// The predicate with this id.
    pub fn predicate(&self, id: &str) -> Option<&Predicate> {
        self.predicates.iter().find(|p| p.id == id)
    }

    /// What follows from a violation of a predicate: its override, or what its severity says. A constraint's
    /// own share of the bond counts where the penalty names none.
    pub fn consequence(&self, predicate: &Predicate) -> Consequence {
        let Some(penalty) = &self.penalty else { return Consequence::default() };
        if let Some(own) = penalty.overrides.get(&predicate.id) {
            return Consequence { span: Span::default(), ..own.clone() };
        }
        let mut out = penalty.by_severity.get(&predicate.severity).cloned().unwrap_or_default();
        out.span = Span::default();
        out.forfeit = out.forfeit.or(predicate.forfeit.filter(|_| penalty.bond.is_some()));
        out
    }
}

/// Who promises to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// DID of the agent.
    pub agent: Option<String>,
    /// The identity's key at signing, multibase.
    pub agent_key: Option<String>,
    /// Runtimes the promise was made for.
    pub runtimes: Vec<Runtime>,
    /// DID of the counterparty.
    pub counterparty: Option<String>,
    /// DID of the guarantor.
    pub guarantor: Option<String>,
    /// Key for signals, portfolio and template.
    pub capability: Option<String>,
    /// The behavioural prior.
    pub archetype: Option<String>,
    /// Identity document.
    pub credential: Option<String>,
}

/// One runtime of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Model.
    pub model: String,
    /// Its version.
    pub model_version: Option<String>,
    /// `sha256:…` of its configuration.
    pub config_hash: Option<String>,
}
