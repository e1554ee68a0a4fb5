//! The coverage report of `servanda check`: what of a pact is enforced here, where, and at what cost.
//!
//! Promises never to claim more than the program does: what is measured over a window, left to judges or
//! not in this build is told as that.

use serde::Serialize;

use crate::base::names::{Stage, words};
use crate::base::verdict::{Act, Severity};

words! {
    /// How a check is decided.
    How {
        /// While the traffic passes.
        Inline = "inline",
        /// Over many interactions. Not in this build.
        Window = "window",
        /// By people or juries; never counted as enforced.
        Judged = "judged",
        /// Not by this build.
        Absent = "not in this build",
    }
}

words! {
    /// What a check costs.
    Cost {
        /// A few steps an event.
        Constant = "constant",
        /// One walk over the arguments of a call.
        Arguments = "arguments",
        /// Its patterns take part in the one pass over the text.
        Scan = "scan",
        /// The same, decided when the text is whole.
        WholeText = "whole text",
        /// None here.
        Nothing = "none",
    }
}

/// The report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// Id of the pact.
    pub pact: String,
    /// Its version.
    pub version: String,
    /// By predicate, in order of the document.
    pub predicates: Vec<PredicateCoverage>,
    /// By stage that looks at text.
    pub stages: Vec<StageCoverage>,
    /// Most bytes that any stream holds back.
    pub hold_back_max: usize,
    /// Facts that the pact reads. Whether a source is configured is known to the sidecar alone.
    pub facts: Vec<FactCoverage>,
    /// Parts of the document that are signed and not enforced.
    pub not_enforced: Vec<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// What is done for one predicate.
#[derive(Clone, Debug, Serialize)]
pub struct PredicateCoverage {
    /// Its id.
    pub id: String,
    /// The constraint it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// How grave its breach is.
    pub severity: Severity,
    /// The dimension it counts into.
    pub dimension: String,
    /// Its checks.
    pub checks: Vec<CheckCoverage>,
    /// What follows from a violation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// Steps of its conditions, at most.
    pub condition_cost: u32,
    /// Facts it reads.
    pub facts: Vec<String>,
    /// What no machine can decide of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
}

impl PredicateCoverage {
    /// Whether some check of it runs inline.
    pub fn is_inline(&self) -> bool {
        self.checks.iter().any(|c| c.how == How::Inline)
    }
}

/// What is done for one check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckCoverage {
    /// `match`, `set: host`, …
    pub check: String,
    /// Where, and what is done there.
    pub stages: Vec<(Stage, Act)>,
    /// How it is decided.
    pub how: How,
    /// Why not inline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it is measured: limit, window, samples, source; none: each breach is a violation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// What it costs.
    pub cost: Cost,
    /// Patterns and topics it looks for.
    pub detectors: usize,
    /// Most bytes of a stream it holds back.
    pub hold_back: usize,
}

/// What one stage looks for.
#[derive(Clone, Debug, Serialize)]
pub struct StageCoverage {
    /// Which.
    pub stage: Stage,
    /// Patterns of its scanner.
    pub patterns: usize,
    /// Topics of its scanner.
    pub topics: usize,
    /// Most bytes of a stream it holds back.
    pub hold_back: usize,
    /// The detector that holds back most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<String>,
}

/// A fact and who reads it.
#[derive(Clone, Debug, Serialize)]
pub struct FactCoverage {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// Predicates that read it; with `set: task`, of its `allow` half.
    pub predicates: Vec<String>,
}
