//! What a program says beyond the single exchange: statistics, verdicts, flows of data, approvals, and what
//! follows from violations.
//!
//! Plain tables with names resolved and limits in place. This build judges single exchanges only; what it
//! does not run of these tables stands in the coverage report as not in this build. A predicate is named by
//! its place, as everywhere in a program.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::pact::decimal::Decimal;
use crate::pact::model::{
    Approve, Baseline, Bond, Check, Consequence, FlowCheck, Limit, MeasureCheck, Pact, Rule, Score, Share, Signals, Source,
};
use crate::pact::term::{Period, Window};

/// Where evidence comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// Name of the source in the pact.
    pub name: Arc<str>,
    /// What it emits.
    pub emits: Source,
}

/// A statistic with its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRule {
    /// Whose.
    pub predicate: u32,
    /// What is measured.
    pub measure: MeasureCheck,
    /// Not less.
    pub min: Option<Decimal>,
    /// Not more; of drift one per distribution.
    pub max: Option<Limit>,
    /// Over what.
    pub window: Option<Window>,
    /// Fewer samples decide nothing.
    pub min_samples: u64,
    /// Only within business hours.
    pub business_hours_only: bool,
    /// On what.
    pub from: From,
}

/// Something that people or juries decide.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedRule {
    /// Whose.
    pub predicate: u32,
    /// What is to be judged.
    pub judge: Arc<str>,
    /// Not less.
    pub min: Option<Decimal>,
    /// Not more.
    pub max: Option<Decimal>,
    /// Over what.
    pub window: Option<Window>,
    /// Fewer verdicts decide nothing.
    pub min_samples: u64,
    /// Evaluation set.
    pub eval_set: Option<Arc<str>>,
    /// Size of the jury, and the share trimmed at each end.
    pub jury: Option<(u32, Share)>,
    /// How often.
    pub every: Option<Period>,
    /// Who says so.
    pub from: From,
}

/// Data that must not arrive somewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRule {
    /// Whose.
    pub predicate: u32,
    /// Where it must not arrive, and what is done there.
    pub stages: Vec<(Stage, Act)>,
    /// Which data, and into what.
    pub flow: FlowCheck,
}

/// When breaches of an inline promise become a violation. Where a predicate has none, each does.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedRule {
    /// Whose.
    pub predicate: u32,
    /// Share of interactions that must keep it.
    pub ok_share: Option<Share>,
    /// Over what.
    pub window: Option<Window>,
    /// Fewer samples decide nothing.
    pub min_samples: u64,
    /// Only within business hours.
    pub business_hours_only: bool,
    /// On what.
    pub from: From,
}

/// The tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beyond {
    /// Statistics.
    pub windows: Vec<WindowRule>,
    /// Verdicts.
    pub judged: Vec<JudgedRule>,
    /// Flows of data.
    pub flows: Vec<FlowRule>,
    /// Inline promises whose breaches are counted.
    pub counted: Vec<CountedRule>,
    /// Who may release what a predicate holds.
    pub approvals: Vec<(u32, Approve)>,
    /// By predicate: what follows from a violation.
    pub consequences: Vec<Consequence>,
    /// By pact: what its violations are booked on. A portfolio adds none of them up: each counterparty deals with
    /// one pact.
    pub accounts: Vec<Account>,
}

/// What the violations of one pact are booked on, and what they are held against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Whether the violations of one exchange add up; else the worst counts.
    pub sum: bool,
    /// What is at stake.
    pub bond: Option<Bond>,
    /// The slow account.
    pub score: Option<Score>,
    /// The fast one: `start floor ceiling gain loss`.
    pub standing: BTreeMap<String, Decimal>,
    /// How long signals count, and how many.
    pub signals: Option<Signals>,
    /// What normal is.
    pub baseline: Option<Baseline>,
}

impl Account {
    fn of(pact: &Pact) -> Self {
        let penalty = pact.penalty.as_ref();
        Self {
            sum: penalty.is_some_and(|p| p.sum),
            bond: penalty.and_then(|p| p.bond.clone()),
            score: penalty.and_then(|p| p.score.clone()),
            standing: penalty.map(|p| p.standing.clone()).unwrap_or_default(),
            signals: pact.evidence.signals.clone(),
            baseline: pact.evidence.baseline.clone(),
        }
    }
}

impl Beyond {
    /// The tables of one pact or several, whose predicates stand one behind the other.
    pub(super) fn of<'p>(pacts: impl Iterator<Item = &'p Pact>) -> Self {
        let mut out = Self::default();
        for pact in pacts {
            out.add(pact);
        }
        out
    }

    fn add(&mut self, pact: &Pact) {
        let first = self.consequences.len();
        self.consequences.extend(pact.predicates.iter().map(|p| pact.consequence(p)));
        self.accounts.push(Account::of(pact));
        let out = self;
        for (at, predicate) in pact.predicates.iter().enumerate() {
            let at = (first + at) as u32;
            let rule = pact.evidence.rules.get(&predicate.id);
            let from = from(pact, rule);
            out.approvals.extend(predicate.approve.clone().map(|approve| (at, approve)));
            let mut inline = false;
            for check in &predicate.checks {
                match &check.check {
                    Check::Measure(measure) => out.windows.push(WindowRule {
                        predicate: at,
                        measure: measure.clone(),
                        min: rule.and_then(|r| r.min),
                        max: rule.and_then(|r| r.max.clone()),
                        window: rule.and_then(|r| r.window),
                        min_samples: rule.and_then(|r| r.min_samples).unwrap_or(1),
                        business_hours_only: rule.is_some_and(|r| r.business_hours_only),
                        from: from.clone(),
                    }),
                    Check::Judge(judge) => out.judged.push(JudgedRule {
                        predicate: at,
                        judge: judge.as_str().into(),
                        min: rule.and_then(|r| r.min),
                        max: rule.and_then(|r| if let Some(Limit::One(max)) = &r.max { Some(*max) } else { None }),
                        window: rule.and_then(|r| r.window),
                        min_samples: rule.and_then(|r| r.min_samples).unwrap_or(1),
                        eval_set: rule.and_then(|r| r.eval_set.as_deref()).map(Arc::from),
                        jury: rule.and_then(|r| r.jury),
                        every: rule.and_then(|r| r.every),
                        from: from.clone(),
                    }),
                    Check::Flow(flow) => {
                        inline = true;
                        out.flows.push(FlowRule { predicate: at, stages: check.stages.clone(), flow: flow.clone() });
                    }
                    _ => inline = true,
                }
            }
            if let Some(rule) = rule.filter(|r| inline && (r.ok_share.is_some() || r.window.is_some())) {
                out.counted.push(CountedRule {
                    predicate: at,
                    ok_share: rule.ok_share,
                    window: rule.window,
                    min_samples: rule.min_samples.unwrap_or(1),
                    business_hours_only: rule.business_hours_only,
                    from,
                });
            }
        }
    }

    /// Whether a breach of this predicate is only counted: a violation is the fall of its rule.
    pub fn counts(&self, predicate: u32) -> bool {
        self.counted.iter().any(|rule| rule.predicate == predicate)
    }
}

fn from(pact: &Pact, rule: Option<&Rule>) -> From {
    let name = rule.map_or("guard", |r| r.from.as_str());
    let emits = pact.evidence.sources.get(name).copied().unwrap_or(Source::Interaction);
    From { name: name.into(), emits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::record::Completion;
    use crate::pact::model::{COMPLETIONS, Pause};
    use crate::program::Program;

    #[test]
    fn an_interaction_ends_in_the_words_of_its_record() {
        let words: Vec<&str> = Completion::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(COMPLETIONS, words);
    }

    fn program(rest: &str) -> Program {
        let text = format!(
            "format: 1
tools: {{mail: {{action: send, target: outside, effect: external}}, look: {{action: read, target: inside, effect: read}}}}
predicates:
{rest}"
        );
        Program::compile_text(&text).unwrap_or_else(|d| panic!("{}", d.render("pact", &text)))
    }

    #[test]
    fn every_statistic_has_its_table() {
        let checks = [
            ("quantile", "of: latency_ms, q: 0.99", "max: 3000"),
            ("share", "of: completion, is: escalated", "max: 0.08"),
            ("ratio", "num: 'action:send', den: 'action:read'", "max: 0.3"),
            ("top_share", "of: target", "max: 0.6"),
            ("distinct", "of: target, per: session", "max: 5"),
            ("rate", "of: calls, per: 1h, times_baseline: true", "max: 2"),
            ("drift", "", "max: {action: 0.2, overall: 0.25}"),
            ("fidelity", "anchor: legal_interpretation", "min: 0.85"),
        ];
        let mut text = String::new();
        let mut rules = String::new();
        for (word, keys, limit) in checks {
            let comma = if keys.is_empty() { "" } else { ", " };
            let id = word.replace('_', "-");
            text.push_str(&format!("  - {{id: {id}, dimension: d, severity: minor, check: {{measure: {word}{comma}{keys}}}}}\n"));
            rules.push_str(&format!("    {id}: {{{limit}, window: 7d, min_samples: 20}}\n"));
        }
        let baseline = "  baseline: {action: {read: 0.9, send: 0.1}, per_hour: 40, anchors: {legal_interpretation: {action: {read: 1.0}, tolerance: 0.15}}}\n";
        let program = program(&format!("{text}evidence:\n{baseline}  rules:\n{rules}"));
        let beyond = program.beyond();
        let told: Vec<String> = beyond.windows.iter().map(|w| w.measure.to_string()).collect();
        assert_eq!(
            told,
            [
                "quantile 0.99 of latency_ms",
                "share of completion that is escalated",
                "action:send by action:read",
                "share of the most frequent target",
                "distinct target per session",
                "calls per 1h, by the baseline",
                "drift from the baseline",
                "fidelity to the anchor legal_interpretation"
            ]
        );
        assert!(beyond.windows.iter().all(|w| w.min_samples == 20 && w.window.is_some() && (w.min.is_some() || w.max.is_some())));
        assert!(program.predicates().iter().all(|p| p.unenforced.is_some() && p.stages.is_empty()));
    }

    #[test]
    fn flows_verdicts_counts_and_consequences_are_carried() {
        let program = program(
            "  - {id: relay, dimension: d, severity: critical, at: call, check: {flow: {from: [untrusted, 'tool:look', 'data:credentials'], into: [args.to], carried: true}}}
  - {id: right, dimension: d, severity: minor, check: {judge: accuracy}}
  - {id: slow, dimension: d, severity: minor, at: end, check: {bound: latency_ms, max: 90000}}
  - {id: mail, dimension: d, severity: major, at: call, check: {set: tool, deny: [mail]}, act: hold, approve: {who: ['did:web:v.example:ops'], within: 30m}}
  - {id: scope, constraint: NO_SCOPE_BREACH, check: {set: task, allow: [support]}}
evidence:
  sources: {jury: verdict/1}
  rules: {right: {from: jury, min: 0.9, jury: {size: 5, trim: 0.2}, every: 168h}, slow: {ok_share: 0.95, window: 24h, min_samples: 50}}
penalty:
  major: {score: -40, pause: 48h}
  minor: {score: -15}
  override: {mail: {forfeit: 0.3, pause: {for: 24h, reach: counterparty}}}
  bond: {amount: 1000, unit: USDC}
",
        );
        let beyond = program.beyond();
        assert_eq!(beyond.flows.len(), 1);
        assert_eq!(beyond.flows[0].flow.into, ["to"]);
        assert_eq!((beyond.judged[0].jury, beyond.judged[0].from.emits), (Some((5, Share(200_000))), Source::Verdict));
        assert!(beyond.counts(2) && !beyond.counts(1) && !beyond.counts(3));
        assert_eq!(beyond.approvals.iter().map(|(p, _)| *p).collect::<Vec<_>>(), [3]);
        // An override replaces; a constraint's own share counts where the penalty names none.
        assert_eq!(beyond.consequences[3].score, None);
        assert_eq!(beyond.consequences[3].forfeit, Some(Share(300_000)));
        assert_eq!(beyond.consequences[4].forfeit, Some(Share(500_000)));
        assert!(matches!(beyond.consequences[4].pause, Some(Pause { period: Some(_), .. })));
        assert_eq!(beyond.consequences[0], Consequence::default());
    }
}
