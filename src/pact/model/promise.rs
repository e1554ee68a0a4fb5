//! What is promised: predicates and their checks.

use std::fmt;

use super::measure::MeasureCheck;
use super::penalty::Share;
use super::quantity::{BoundCheck, Quantity};
use crate::base::diagnostic::Span;
use crate::base::names::DataCategory;
use crate::base::names::Lane;
use crate::base::names::Stage;
use crate::base::names::words;
use crate::base::verdict::Act;
use crate::base::verdict::Severity;
use crate::pact::args::Schema;
use crate::pact::condition::Expr;
use crate::pact::term::Period;

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    /// Its id, unique.
    pub id: String,
    /// The constraint it was expanded from.
    pub constraint: Option<String>,
    /// What it is about.
    pub dimension: String,
    /// How grave a breach is.
    pub severity: Severity,
    /// The checks, each with its stages and the act at each. A plain predicate has one; an expansion may
    /// have several, which count as one predicate.
    pub checks: Vec<StageCheck>,
    /// Only on these lanes; none: on every lane.
    pub lanes: Option<Vec<Lane>>,
    /// `where`: applies when true or unknown.
    pub when: Option<Expr>,
    /// `unless`: exempt when true.
    pub unless: Option<Expr>,
    /// `unread: block`: what cannot be inspected at these stages is blocked.
    pub unread_block: bool,
    /// Who may release what is held.
    pub approve: Option<Approve>,
    /// Share of the bond forfeited, of the constraint; the penalty section may say otherwise.
    pub forfeit: Option<Share>,
    /// What no machine can decide of it, said by the constraint.
    pub undecided: Option<String>,
    /// Place of its entry.
    pub span: Span,
}

impl Predicate {
    /// The stages, each once, in order.
    pub fn stages(&self) -> Vec<Stage> {
        let mut out: Vec<Stage> = self.checks.iter().flat_map(|c| c.stages.iter().map(|(s, _)| *s)).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The facts it depends on, each once, sorted: those of its conditions, and `task.type` for a set of
    /// tasks. One whose source a deployment does not configure is told by the coverage report.
    pub fn facts(&self) -> Vec<&str> {
        let conditions = self.when.iter().chain(&self.unless);
        let mut out: Vec<&str> = conditions.flat_map(Expr::facts).collect();
        for check in self.checks.iter().map(|c| &c.check) {
            match check {
                Check::Require(expr) => out.extend(expr.facts()),
                Check::Set(set) if set.kind == SetKind::Task => out.push("task.type"),
                Check::Measure(measure) => out.extend(measure.facts()),
                _ => {}
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Why this build runs none of its checks, if so.
    pub fn unenforced(&self) -> Option<&'static str> {
        let mut reasons = self.checks.iter().map(|c| c.check.unenforced());
        let first = reasons.next()??;
        reasons.all(|r| r.is_some()).then_some(first)
    }
}

/// A check at some stages.
#[derive(Clone, Debug, PartialEq)]
pub struct StageCheck {
    /// Where, and what is done there when it fails.
    pub stages: Vec<(Stage, Act)>,
    /// What is checked.
    pub check: Check,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Labels against lists.
    Set(SetCheck),
    /// No finding may fire.
    Match(MatchCheck),
    /// Tool arguments against a schema.
    Args(Schema),
    /// A condition that must hold.
    Require(Expr),
    /// A quantity within bounds.
    Bound(BoundCheck),
    /// Labels that must not arrive. Not in this build.
    Flow(FlowCheck),
    /// A statistic; its limit stands in the evidence rule. Not in this build.
    Measure(MeasureCheck),
    /// Decided elsewhere; never counted as enforced.
    Judge(String),
}

impl Check {
    /// The key it stands under in a document.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Match(_) => "match",
            Self::Args(_) => "args",
            Self::Require(_) => "require",
            Self::Bound(_) => "bound",
            Self::Flow(_) => "flow",
            Self::Measure(_) => "measure",
            Self::Judge(_) => "judge",
        }
    }

    /// Why this build cannot run it, if it cannot.
    pub fn unenforced(&self) -> Option<&'static str> {
        match self {
            Self::Flow(_) => Some("flow of labels is not in this build"),
            Self::Measure(_) => Some("statistics over windows are not in this build"),
            Self::Judge(_) => Some("decided elsewhere, never inline"),
            Self::Bound(b) if b.quantity == Quantity::Cost => Some("cost waits for a price table"),
            _ => None,
        }
    }
}

words! {
    /// What kind of label a set is about.
    SetKind {
        /// The fact `task.type` and the topics of the task text.
        Task = "task",
        /// The tool that is called.
        Tool = "tool",
        /// Every URL and host.
        Host = "host",
        /// Data categories.
        Data = "data",
        /// `target` of the catalogue.
        Target = "target",
        /// `action` of the catalogue.
        Action = "action",
        /// Hosts of links in text.
        LinkHost = "link_host",
    }
}

/// Each label must be in `allow`, if given, and not in `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCheck {
    /// What kind.
    pub kind: SetKind,
    /// The allowed ones; none: all but the denied.
    pub allow: Option<Vec<String>>,
    /// The denied ones.
    pub deny: Vec<String>,
}

/// None of these findings may fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchCheck {
    /// Labels or prefixes of labels (`pii`, `secret.aws_access_key`, `own.competitors`).
    pub labels: Vec<String>,
    /// Labels or prefixes left out.
    pub except: Vec<String>,
    /// Least score in basis points; nought: every one.
    pub min_score_bp: u16,
}

impl MatchCheck {
    /// Whether a label is meant: equal to one of `labels` or below it, and not in `except`.
    pub fn means(&self, label: &str) -> bool {
        let below =
            |prefix: &String| label.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.labels.iter().any(below) && !self.except.iter().any(below)
    }
}

/// Where data comes from that must not arrive somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowLabel {
    /// Results of tools that may carry anything.
    Untrusted,
    /// Results of this tool, by key of the catalogue.
    Tool(String),
    /// Data of this category.
    Data(DataCategory),
}

impl fmt::Display for FlowLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("untrusted"),
            Self::Tool(tool) => write!(f, "tool:{tool}"),
            Self::Data(category) => write!(f, "data:{category}"),
        }
    }
}

/// Labels that must not arrive here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowCheck {
    /// Where the data comes from.
    pub from: Vec<FlowLabel>,
    /// Into which arguments of a call, as paths without `args.`; empty: anywhere.
    pub into: Vec<String>,
    /// Only where the value itself is carried.
    pub carried: bool,
}

/// Signatures that release what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// Who may sign.
    pub who: Vec<String>,
    /// How many must.
    pub need: u32,
    /// Within this time, then denied.
    pub within: Period,
}
