//! The pact as plain types: what the compiler lowers and reports read.
//!
//! These types hold what a document says after reading: closed words as enums, names resolved, conditions
//! typed, constraints expanded to checks per stage. They can be built by anyone; the proof that one is
//! consistent is `CheckedPact`, which only the checker makes.

use std::collections::BTreeMap;

use crate::base::diagnostic::Span;
use crate::base::names::{DataCategory, Lane, Stage, words};
use crate::base::verdict::{Act, Severity};
use crate::scan::pattern::{Kind, Pattern};

use super::args::Schema;
use super::condition::Expr;
use super::decimal::Decimal;
use super::term::{Date, Period, SemVer, Window};

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

words! {
    /// A quantity with bounds.
    Quantity {
        /// Exchanges under way.
        OpenTasks = "open_tasks",
        /// Time of an interaction.
        LatencyMs = "latency_ms",
        /// Hour of the day in the pact's zone.
        LocalHour = "local_hour",
        /// Tokens that went in.
        TokensIn = "tokens_in",
        /// Tokens that came out.
        TokensOut = "tokens_out",
        /// Price of an interaction. Not in this build.
        Cost = "cost",
        /// Characters of an answer.
        ReplyChars = "reply_chars",
        /// Bytes of a call's arguments.
        ArgsBytes = "args_bytes",
        /// Turns of the session.
        Turns = "turns",
    }
}

/// A quantity within bounds, both inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundCheck {
    /// Which.
    pub quantity: Quantity,
    /// Not less.
    pub min: Option<Decimal>,
    /// Not more.
    pub max: Option<Decimal>,
}

/// Labels that must not arrive here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowCheck {
    /// `untrusted`, `tool:<key>`, `data:<category>`.
    pub from: Vec<String>,
    /// Where: `args.<path>`; empty: anywhere.
    pub into: Vec<String>,
    /// Only where the value itself is carried.
    pub carried: bool,
}

words! {
    /// A statistic over a window.
    Statistic {
        /// The q-quantile of a quantity.
        Quantile = "quantile",
        /// Share of interactions with a value.
        Share = "share",
        /// One count by another.
        Ratio = "ratio",
        /// Share of the most frequent value.
        TopShare = "top_share",
        /// Distinct values per something.
        Distinct = "distinct",
        /// Rate against its baseline.
        Rate = "rate",
        /// Distance from the baseline.
        Drift = "drift",
        /// Closeness to an anchor.
        Fidelity = "fidelity",
    }
}

/// A statistic and its own arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureCheck {
    /// Which.
    pub statistic: Statistic,
    /// `of is q num den per anchor times_baseline` as written.
    pub arguments: BTreeMap<String, String>,
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

/// A share of one, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

impl Share {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);
}

/// How each promise is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Whether the document has the section.
    pub given: bool,
    /// Source to schema (`interaction/1`).
    pub sources: BTreeMap<String, Source>,
    /// IANA zone; UTC when not given.
    pub timezone: String,
    /// From hour, to hour (exclusive).
    pub business_hours: Option<(u8, u8)>,
    /// Rules by predicate id.
    pub rules: BTreeMap<String, Rule>,
    /// What normal is.
    pub baseline: Option<Baseline>,
    /// How long signals count.
    pub signals: Option<Signals>,
}

words! {
    /// What a source emits.
    Source {
        /// One record per exchange.
        Interaction = "interaction/1",
        /// Verdicts of judges.
        Verdict = "verdict/1",
        /// Reports of the counterparty.
        Incident = "incident/1",
    }
}

/// What separates a kept promise from a broken one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Source.
    pub from: String,
    /// Share of interactions that must keep it.
    pub ok_share: Option<Share>,
    /// Least value.
    pub min: Option<Decimal>,
    /// Largest value; of a drift one per distribution.
    pub max: Option<Limit>,
    /// Window.
    pub window: Option<Window>,
    /// Fewer samples decide nothing.
    pub min_samples: Option<u64>,
    /// Only within business hours.
    pub business_hours_only: bool,
    /// Evaluation set.
    pub eval_set: Option<String>,
    /// Jury: size and share trimmed at each end.
    pub jury: Option<(u32, Share)>,
    /// How often it is judged.
    pub every: Option<Period>,
    /// Place of its entry.
    pub span: Span,
}

/// A largest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One number.
    One(Decimal),
    /// One per distribution.
    Each(BTreeMap<String, Decimal>),
}

/// What normal is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Shares per distribution: `action`, `target`, `outcome`.
    pub shares: BTreeMap<String, BTreeMap<String, Decimal>>,
    /// Hours: 24 or 168 shares.
    pub hours: Vec<Decimal>,
    /// Anchors by task type or topic.
    pub anchors: BTreeMap<String, Anchor>,
}

/// Normal behaviour under one task type or topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anchor {
    /// Shares per distribution.
    pub shares: BTreeMap<String, BTreeMap<String, Decimal>>,
    /// Distance that is still normal.
    pub tolerance: Option<Decimal>,
}

/// How long signals count, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Kind of signal to time kept.
    pub keep: BTreeMap<String, Period>,
    /// Per predicate.
    pub per_predicate: Option<u32>,
    /// In total.
    pub in_total: Option<u32>,
}

words! {
    /// Who looks at a violation.
    Review {
        /// A person.
        Human = "human",
        /// A jury.
        Jury = "jury",
        /// Nobody.
        None = "none",
    }
}

words! {
    /// Who is told.
    Notify {
        /// The agent.
        Agent = "agent",
        /// The counterparty.
        Counterparty = "counterparty",
        /// The guarantor.
        Guarantor = "guarantor",
    }
}

words! {
    /// How far a pause reaches.
    Reach {
        /// Only work for this counterparty.
        Counterparty = "counterparty",
        /// Everything under the pact.
        All = "all",
    }
}

/// How long work stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long; none: until review.
    pub period: Option<Period>,
    /// For whom.
    pub reach: Reach,
}

/// What follows from one violation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consequence {
    /// Share of the bond.
    pub forfeit: Option<Share>,
    /// Change of the score.
    pub score: Option<Decimal>,
    /// Pause.
    pub pause: Option<Pause>,
    /// Review.
    pub review: Option<Review>,
    /// Who is told.
    pub notify: Vec<Notify>,
    /// Place of its entry.
    pub span: Span,
}

/// What follows from violations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Penalty {
    /// By severity.
    pub by_severity: BTreeMap<Severity, Consequence>,
    /// By predicate id; replaces.
    pub overrides: BTreeMap<String, Consequence>,
    /// Whether the violations of one exchange add up; else the worst counts.
    pub sum: bool,
    /// Bond.
    pub bond: Option<Bond>,
    /// The slow account.
    pub score: Option<Score>,
    /// The fast one: `start floor ceiling gain loss`.
    pub standing: BTreeMap<String, Decimal>,
}

/// Money at stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// How much.
    pub amount: Decimal,
    /// Of what.
    pub unit: String,
    /// Whether it is held by somebody.
    pub hold: bool,
}

/// The slow account.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Top of the scale.
    pub scale: Decimal,
    /// Where it begins.
    pub start: Decimal,
    /// Weight per dimension.
    pub weights: BTreeMap<String, Decimal>,
    /// Least score per tier.
    pub tiers: BTreeMap<String, Decimal>,
}

words! {
    /// How an extension comes about.
    ExtendHow {
        /// By itself.
        Automatic = "automatic",
        /// By a signed notice.
        Manual = "manual",
        /// Unless somebody objects.
        OptOut = "opt_out",
    }
}

words! {
    /// What calls for a review.
    ReviewOn {
        /// A new major version of the model.
        ModelMajor = "model_major",
        /// Any change of the model.
        ModelChange = "model_change",
        /// Another configuration.
        ConfigChange = "config_change",
        /// The law changed.
        Regulation = "regulation",
    }
}

words! {
    /// What happens to counters on extension.
    Counters {
        /// They begin anew.
        Reset = "reset",
        /// They go on.
        Carry = "carry",
    }
}

/// What ends the pact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminateOn {
    /// A pause longer than this.
    PauseOver(Period),
    /// A score below this tier.
    TierBelow(String),
    /// More violations than this.
    ViolationsOver(u64),
    /// The counterparty cannot pay.
    CounterpartyInsolvent,
    /// Somebody withdrew the authorization.
    AuthorizationWithdrawn,
    /// A new major version of the model.
    ModelMajor,
}

/// Extension at the end of the term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// By how much.
    pub by: Period,
    /// How.
    pub how: ExtendHow,
    /// Only while the score is in this tier or above.
    pub while_tier: Option<String>,
    /// How long ahead it is told.
    pub notice: Option<Period>,
}

/// The life of the pact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewal {
    /// Whether the document has the section.
    pub given: bool,
    /// From when, inclusive.
    pub effective: Option<Date>,
    /// Until when, exclusive.
    pub expires: Option<Date>,
    /// Extension.
    pub extend: Option<Extend>,
    /// What calls for a review.
    pub review_on: Vec<ReviewOn>,
    /// What ends it.
    pub terminate_on: Vec<TerminateOn>,
    /// What happens to counters on extension.
    pub counters_on_extension: Option<Counters>,
    /// Notice of a change.
    pub notice: Option<Period>,
    /// Old version in maintenance after.
    pub maintenance_after: Option<Period>,
    /// Old version retired after.
    pub retire_after: Option<Period>,
}

/// One test of the pact.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: Option<String>,
    /// Facts of the exchange; one not given has no source.
    pub facts: BTreeMap<String, FactValue>,
    /// What happens, in order. Every event but the last must not be blocked.
    pub events: Vec<CaseEvent>,
    /// The act of the last event.
    pub expect: Act,
    /// The predicate that must be among the breached ones.
    pub predicate: Option<String>,
    /// Place of its entry.
    pub span: Span,
}

/// One event of a case: the shape of a line of `servanda judge`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseEvent {
    /// Where.
    pub at: Stage,
    /// Lane; none: the one natural for the stage.
    pub lane: Option<Lane>,
    /// Text.
    pub text: Option<String>,
    /// Tool on the wire.
    pub tool: Option<String>,
    /// Arguments as JSON text.
    pub args: Option<String>,
    /// Host of a connection.
    pub host: Option<String>,
    /// Facts that change with this event.
    pub facts: BTreeMap<String, FactValue>,
    /// Quantities of this event.
    pub measures: BTreeMap<Quantity, Decimal>,
}
