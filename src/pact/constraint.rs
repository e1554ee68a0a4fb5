//! Constraints: what a pact names instead of writing its checks, as data in `invariants/constraints.yaml`.
//!
//! An entry says which check runs at which stage with which act, its default severity, dimension and
//! forfeit, and what no machine decides of it. Expansion is the reader's; this file only knows the entries.

use std::sync::LazyLock;

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{self, Node, Value};
use crate::base::names::Stage;
use crate::base::verdict::{Act, Severity};
use crate::seal;

use super::decimal::Decimal;
use super::model::{MatchCheck, SetKind, Share};
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
    /// The kinds of `set` that the pact's own check may be; empty: any check.
    pub given: Vec<SetKind>,
}

/// What is checked when the pact gives no check.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// No such finding.
    Match(MatchCheck),
    /// Only tools of the catalogue.
    Catalogue,
    /// The pact must give one.
    Given,
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
    let default = if !labels.is_empty() {
        let least = node.get("min_score").map_or(Some(0.0), Node::number).filter(|s| (0.0..=1.0).contains(s))?;
        Default::Match(MatchCheck { labels, except: owned(texts("except")?), min_score_bp: (least * 10_000.0).round() as u16 })
    } else if node.get("catalogue").is_some() {
        Default::Catalogue
    } else {
        Default::Given
    };
    let given = texts("given")?.into_iter().map(SetKind::parse).collect::<Option<_>>()?;
    Some(Stated { at: at.collect::<Option<_>>()?, default, given })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_reads_whole() {
        assert_eq!(version(), SemVer { major: 1, minor: 0, patch: 0 });
        let names: Vec<&str> = all().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "NO_PII_EXFILTRATION",
                "NO_IMPERSONATION",
                "NO_PROMPT_INJECTION_RELAY",
                "NO_SCOPE_BREACH",
                "NO_UNAUTHORIZED_EXTERNAL_CALLS",
                "NO_STATE_MUTATION_OUTSIDE_SCOPE"
            ]
        );
        assert_eq!(get("NO_IMPERSONATION").unwrap().default_id(), "no-impersonation");
        assert_eq!(get("NO_SCOPE_BREACH").unwrap().checks[0].default, Default::Given);
        assert!(digest().starts_with("sha256:"));
    }
}
