//! Constraints: what a pact names instead of writing its checks, as data in `invariants/constraints.yaml`.
//!
//! An entry says which check runs at which stage with which act, its default severity, dimension and
//! forfeit, and what no machine decides of it. Expansion is the reader's; this file only knows the entries.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{self, Node, Value};
use crate::base::names::Stage;
use crate::base::verdict::{Act, Severity};
use crate::seal;

use super::decimal::Decimal;
use super::model::{BoundCheck, Check, Figure, Label, MatchCheck, MeasureCheck, Quantity, SetKind, Share, Statistic};
use super::term::SemVer;

/// Name of the pack, as pacts list it.
pub const PACK: &str = "constraints";

/// The file that comes with the binary.
pub const SHIPPED: &str = include_str!("../../invariants/constraints.yaml");

/// One constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// `NO_…`.
    pub name: String,
    /// What it promises, in one sentence.
    pub about: String,
    /// Default dimension.
    pub dimension: String,
    /// Default severity.
    pub severity: Severity,
    /// Default share of the bond.
    pub forfeit: Share,
    /// What a machine decides of it.
    pub decides: String,
    /// What it leaves undecided.
    pub leaves: String,
    /// The checks by stage.
    pub checks: Vec<Stated>,
}

/// One check of a constraint, with its stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Stage and act.
    pub at: Vec<(Stage, Act)>,
    /// What is checked when the pact says nothing.
    pub default: Default,
    /// What the pact's own check may be at these stages; empty: any check.
    pub given: Vec<Given>,
}

/// What is checked when the pact gives no check.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// This.
    Check(Box<Check>),
    /// Only tools of the catalogue.
    Catalogue,
    /// Nothing here; where no entry of the constraint has a default, the pact must give a check.
    Given,
}

/// A kind of check that a pact may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// A set of this kind.
    Set(SetKind),
    /// A check by its word.
    Word(&'static str),
}

impl Given {
    const WORDS: &'static [&'static str] = &["match", "args", "require", "bound", "flow", "measure", "judge"];

    fn parse(text: &str) -> Option<Self> {
        let word = || Self::WORDS.iter().find(|word| **word == text).map(|word| Self::Word(word));
        SetKind::parse(text).map(Self::Set).or_else(word)
    }

    /// Whether a check is of this kind.
    pub fn fits(self, check: &Check) -> bool {
        match self {
            Self::Set(kind) => matches!(check, Check::Set(set) if set.kind == kind),
            Self::Word(word) => check.word() == word,
        }
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(kind) => write!(f, "set: {kind}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Constraint {
    /// The id of a predicate that names none: `no-impersonation`.
    pub fn default_id(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }
}

struct File {
    version: SemVer,
    list: Vec<Constraint>,
}

static FILE: LazyLock<Option<File>> = LazyLock::new(|| read(SHIPPED));

/// Version of the pack.
pub fn version() -> SemVer {
    FILE.as_ref().map_or_else(SemVer::default, |f| f.version)
}

/// Digest of the pack, as `sha256:` and hexadecimal digits.
pub fn digest() -> String {
    format!("sha256:{}", seal::digest(SHIPPED.as_bytes()).hex())
}

/// Every constraint of this build.
pub fn all() -> &'static [Constraint] {
    FILE.as_ref().map_or(&[], |f| &f.list)
}

/// A constraint by name.
pub fn get(name: &str) -> Option<&'static Constraint> {
    all().iter().find(|c| c.name == name)
}

/// None if the file is not as it should be; a test holds that it is.
fn read(text: &str) -> Option<File> {
    let root: Result<Node, Diagnostics> = document::parse(text);
    let root = root.ok()?;
    let version = SemVer::parse(root.get("version")?.text()?)?;
    let list = root.get("constraints")?.entries().iter().map(|(key, node)| entry(&key.text, node)).collect::<Option<_>>()?;
    Some(File { version, list })
}

fn entry(name: &str, node: &Node) -> Option<Constraint> {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let Value::List(checks) = &node.get("checks")?.value else { return None };
    let forfeit = match &node.get("forfeit")?.value {
        Value::Int(n) => Decimal::from(*n),
        Value::Float(_, text) => Decimal::parse(text)?,
        _ => return None,
    };
    let forfeit = forfeit.checked_mul(Decimal::from(1_000_000))?.to_i64()?;
    Some(Constraint {
        name: name.to_owned(),
        about: text("about")?,
        dimension: text("dimension")?,
        severity: Severity::parse(&text("severity")?)?,
        forfeit: Share(u32::try_from(forfeit).ok()?),
        decides: text("decides")?,
        leaves: text("leaves")?,
        checks: checks.iter().map(stated).collect::<Option<_>>()?,
    })
}

fn stated(node: &Node) -> Option<Stated> {
    let texts = |key: &str| -> Option<Vec<&str>> {
        match node.get(key).map(|n| &n.value) {
            None => Some(Vec::new()),
            Some(Value::List(items)) => items.iter().map(Node::text).collect(),
            Some(_) => None,
        }
    };
    let at = node.get("at")?.entries().iter().map(|(stage, act)| Some((Stage::parse(&stage.text)?, Act::parse(act.text()?)?)));
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    let labels: Vec<String> = owned(texts("match")?);
    let own = |check| Default::Check(Box::new(check));
    let default = if !labels.is_empty() {
        let least = node.get("min_score").map_or(Some(0.0), Node::number).filter(|s| (0.0..=1.0).contains(s))?;
        let min_score_bp = (least * 10_000.0).round() as u16;
        own(Check::Match(MatchCheck { labels, except: owned(texts("except")?), min_score_bp }))
    } else if let Some(judge) = node.get("judge") {
        own(Check::Judge(judge.text()?.to_owned()))
    } else if let Some(bound) = node.get("bound") {
        let quantity = Quantity::parse(bound.text()?)?;
        own(Check::Bound(BoundCheck { quantity, min: limit(node, "min"), max: limit(node, "max") }))
    } else if let Some(measure) = node.get("measure") {
        own(Check::Measure(self::measure(Statistic::parse(measure.text()?)?, node)?))
    } else if node.get("catalogue").is_some() {
        Default::Catalogue
    } else {
        Default::Given
    };
    let given = texts("given")?.into_iter().map(Given::parse).collect::<Option<_>>()?;
    Some(Stated { at: at.collect::<Option<_>>()?, default, given })
}

/// A statistic that constraints use; a pact may give any other by a check of its own.
fn measure(statistic: Statistic, node: &Node) -> Option<MeasureCheck> {
    let (facts, text) = (BTreeMap::new(), |key: &str| node.get(key)?.text());
    match statistic {
        Statistic::Quantile => {
            let q = Decimal::parse(text("q")?)?.checked_mul(Decimal::from(1_000_000))?.to_i64()?;
            let q = Share(u32::try_from(q).ok()?);
            Some(MeasureCheck::Quantile { of: Figure::parse(text("of")?, &facts)?, q })
        }
        Statistic::Share => Some(MeasureCheck::Share { of: Label::parse(text("of")?, &facts)?, is: text("is")?.to_owned() }),
        _ => None,
    }
}

/// A limit, if there is one: a whole number.
fn limit(node: &Node, key: &str) -> Option<Decimal> {
    match node.get(key)?.value {
        Value::Int(n) => Some(Decimal::from(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_reads_whole() {
        assert_eq!(version(), SemVer { major: 1, minor: 1, patch: 0 });
        let names: Vec<&str> = all().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "NO_PII_EXFILTRATION",
                "NO_IMPERSONATION",
                "NO_UNAUTHORIZED_DATA_ACCESS",
                "NO_PROMPT_INJECTION_RELAY",
                "NO_ADVERSARIAL_TOOL_USE",
                "NO_SCOPE_BREACH",
                "NO_HALLUCINATED_CITATIONS",
                "NO_UNAUTHORIZED_EXTERNAL_CALLS",
                "NO_STATE_MUTATION_OUTSIDE_SCOPE",
                "NO_REASONING_MISDIRECTION",
                "LATENCY_SLA",
                "ESCALATION_RATE_LIMIT",
                "DOCUMENTATION_ACCURACY",
                "COST_PREDICTABILITY",
                "RESPONSE_QUALITY_FLOOR"
            ]
        );
        assert_eq!(get("NO_IMPERSONATION").unwrap().default_id(), "no-impersonation");
        assert_eq!(get("NO_SCOPE_BREACH").unwrap().checks[0].default, Default::Given);
        let Default::Check(check) = &get("LATENCY_SLA").unwrap().checks[0].default else { panic!("a check") };
        let Check::Measure(latency) = &**check else { panic!("a measure") };
        assert_eq!(latency.to_string(), "quantile 0.99 of latency_ms");
        for constraint in all() {
            assert!(!constraint.decides.is_empty() && !constraint.leaves.is_empty(), "{}", constraint.name);
        }
        assert!(digest().starts_with("sha256:"));
    }
}
