//! Facts, tools and own detectors: the names that the rest of a pact uses.

use crate::base::diagnostic::Span;
use crate::base::names::DataCategory;
use crate::base::names::words;
use crate::pact::decimal::Decimal;
use crate::scan::pattern::Kind;
use crate::scan::pattern::Pattern;

/// Type of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactType {
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A number, with its unit.
    Number {
        /// Unit, told in reports.
        unit: Option<String>,
    },
}

/// Value of a fact in a case or an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactValue {
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Decimal),
}

words! {
    /// What a tool does to the world.
    Effect {
        /// Looks.
        Read = "read",
        /// Changes something inside.
        Write = "write",
        /// Reaches outside: mail, money, the network.
        External = "external",
    }
}

words! {
    /// Whether what a tool returns may be believed.
    Results {
        /// Written by the operator.
        Trusted = "trusted",
        /// May carry anything.
        Untrusted = "untrusted",
    }
}

/// One tool of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Key, used in conditions, predicates and records.
    pub name: String,
    /// What kind of act it is.
    pub action: Option<String>,
    /// What it acts on.
    pub target: Option<String>,
    /// What it does to the world; external when the document does not say.
    pub effect: Effect,
    /// Whether its results may be believed; untrusted when the document does not say.
    pub results: Results,
    /// Data categories of its results.
    pub data: Vec<DataCategory>,
    /// Whether what it does can be undone; a read can, else false when the document does not say.
    pub reversible: bool,
    /// Other names on the wire.
    pub aliases: Vec<String>,
    /// The server it belongs to.
    pub server: Option<String>,
    /// Place of its entry.
    pub span: Span,
}

/// One pattern of the pact's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    /// Name without `own.`.
    pub name: String,
    /// How it is found.
    pub kind: DetectorKind,
    /// The category of the data that a hit is; public when the document does not say.
    pub category: DataCategory,
    /// Place of its entry.
    pub span: Span,
}

impl Detector {
    /// What the scanner is given: label `own.<name>`, pack `own`.
    pub fn pattern(&self) -> Pattern {
        let label = format!("own.{}", self.name);
        let (kind, bytes_max) = match &self.kind {
            DetectorKind::Phrases(phrases) => (Kind::Phrases(phrases.clone()), None),
            DetectorKind::Regex { regex, bytes_max } => (Kind::Regex(regex.clone()), Some(*bytes_max)),
        };
        Pattern {
            detector: label.clone(),
            label,
            pack: "own".to_owned(),
            kind,
            verify: None,
            score_bp: 10_000,
            category: self.category,
            context: None,
            bytes_max,
        }
    }
}

/// How an own pattern is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetectorKind {
    /// Any of these, whole words, case folded.
    Phrases(Vec<String>),
    /// A regular expression with a stated longest match.
    Regex {
        /// The expression.
        regex: String,
        /// Longest match in bytes.
        bytes_max: usize,
    },
}
