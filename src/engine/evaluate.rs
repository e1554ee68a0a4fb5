//! The rules of one stage against what is known: which apply, which hits break them, which break without
//! any text.
//!
//! Whole texts and streams share all of it, so that they cannot disagree.

use std::sync::Arc;

use super::condition::{Truth, View, run};
use super::event::Event;
use super::exchange::{Bits, Exchange, RuleHit};
use super::facts::Fact;
use super::reason::Reason;
use crate::base::names::{DataCategory, Lane, Stage};
use crate::base::verdict::Act;
use crate::pact::decimal::Decimal;
use crate::pact::model::Quantity;
use crate::program::Program;
use crate::program::ir::{Check, NOTHING_FOUND, Rule, Scan, StageRules, lane_bit};
use crate::scan::host::{HostRef, HostRule};
use crate::scan::span::Hit;

/// What no scanner scored is certain.
const CERTAIN_BP: u16 = 10_000;

/// Breaches as they are found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) act: Act,
    pub(crate) hits: Vec<RuleHit>,
    pub(crate) reason: Option<Reason>,
    /// Where the next breaches stand, if not in a text of the message.
    pub(crate) place: Option<Arc<str>>,
    /// The first predicate that refuses, until it is asked for.
    pub(crate) refusing: Option<u32>,
}

/// How the part that broke a rule stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// It can be rewritten.
    pub(crate) editable: bool,
    /// It has already happened: there is nothing to hold or rewrite.
    pub(crate) executed: bool,
    /// It was decided too late to do more than flag.
    pub(crate) late: bool,
}

impl Standing {
    /// Something of an event that is no text.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        Self { editable: false, executed: event.tool.is_some_and(|t| t.executed), late: false }
    }
}

impl Outcome {
    /// Notes that a rule is broken, and gives the act that follows.
    pub(crate) fn breach(
        &mut self,
        rules: Rules<'_>,
        rule: &Rule,
        detector: &Arc<str>,
        score_bp: u16,
        standing: Standing,
    ) -> Act {
        let mut act = rule.act;
        if standing.late || (standing.executed && matches!(act, Act::Hold | Act::Redact)) {
            act = act.min(Act::Flag);
        } else if act == Act::Redact && !standing.editable {
            act = Act::Block;
            self.reason = Some(Reason::NotEditable);
        } else if act == Act::Hold {
            self.reason = Some(Reason::ApprovalUnavailable);
        }
        let Some(predicate) = rules.program.predicate(rule.predicate) else { return act };
        self.act = self.act.join(act);
        if act >= Act::Hold {
            self.refusing.get_or_insert(rule.predicate);
        }
        RuleHit {
            predicate: rule.predicate,
            stage: rules.stage,
            detector: Arc::clone(detector),
            place: self.place.clone(),
            act,
            severity: predicate.severity,
            score_bp,
            count: 1,
        }
        .add_to(&mut self.hits);
        act
    }

    /// Brings the hits into the order of records and notes them in the exchange.
    pub(crate) fn settle(&mut self, exchange: &mut Exchange) {
        self.hits.sort_unstable();
        exchange.absorb(&self.hits);
        if self.act != Act::Hold && self.reason == Some(Reason::ApprovalUnavailable) {
            self.reason = None;
        }
    }
}

/// Fills `applies` with the places of the stage's rules whose guards let them apply.
pub(crate) fn gates(view: &View<'_>, stage: &StageRules, applies: &mut Bits) {
    applies.clear();
    let mut last: Option<(u32, bool)> = None;
    for (at, rule) in stage.rules.iter().enumerate() {
        let open = match last {
            Some((predicate, open)) if predicate == rule.predicate => open,
            _ => gate(view, rule.predicate),
        };
        last = Some((rule.predicate, open));
        if open {
            applies.insert(at as u32);
        }
    }
}

/// Whether a predicate applies: unknown in `where` applies, in `unless` does not exempt.
pub(crate) fn gate(view: &View<'_>, predicate: u32) -> bool {
    let Some(guarded) = view.program.guarded(predicate) else { return false };
    view.turn_to(predicate);
    guarded.lanes.is_none_or(|lanes| lanes & lane_bit(view.event.lane) != 0)
        && guarded.when.as_ref().is_none_or(|c| run(c, view) != Truth::False)
        && guarded.unless.as_ref().is_none_or(|c| run(c, view) != Truth::True)
}

/// Whether this hit breaks this rule.
pub(crate) fn breaks(rule: &Rule, hit: &Hit) -> bool {
    match &rule.check {
        Check::Match { patterns, min_score_bp, .. } => patterns.contains(hit.pattern) && hit.score_bp >= *min_score_bp,
        Check::Data { patterns, .. } => patterns.contains(hit.pattern),
        _ => false,
    }
}

/// The rules at hand: those of one stage that apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) program: &'a Program,
    pub(crate) stage: Stage,
    pub(crate) applies: &'a Bits,
}

impl<'a> Rules<'a> {
    fn iter(self) -> impl Iterator<Item = &'a Rule> {
        let rules = self.program.stage(self.stage).rules.iter().enumerate();
        rules.filter(move |(at, _)| self.applies.contains(*at as u32)).map(|(_, rule)| rule)
    }
}

/// Judges one hit by every rule that applies, and gives the harshest act.
pub(crate) fn judge_hit(rules: Rules<'_>, scan: &Scan, hit: &Hit, standing: Standing, out: &mut Outcome) -> Act {
    let mut act = Act::Allow;
    let Some((label, _)) = scan.labels.get(hit.pattern as usize) else { return act };
    for rule in rules.iter() {
        if breaks(rule, hit) {
            act = act.join(out.breach(rules, rule, label, hit.score_bp, standing));
        }
    }
    act
}

/// The harshest act of the rules that a hit breaks, where the breach was noted when the text was new. Those count that
/// do not apply now: what an hour or another topic had rewritten stays so.
pub(crate) fn act_again(rules: Rules<'_>, lane: Lane, hit: &Hit) -> Act {
    let on_lane = |rule: &&Rule| {
        let guarded = rules.program.guarded(rule.predicate);
        guarded.is_some_and(|guarded| guarded.lanes.is_none_or(|lanes| lanes & lane_bit(lane) != 0))
    };
    let of_stage = rules.program.stage(rules.stage).rules.iter();
    of_stage.filter(|rule| breaks(rule, hit)).filter(on_lane).fold(Act::Allow, |act, rule| act.join(rule.act))
}

/// Judges what is known only of a whole text: its topics, and that nothing was found in it.
pub(crate) fn judge_whole_text(rules: Rules<'_>, topics: &Bits, nothing_found: bool, standing: Standing, out: &mut Outcome) {
    for rule in rules.iter() {
        match &rule.check {
            Check::Match { topics: sought, .. } => {
                for topic in topics.iter().filter(|t| sought.contains(*t)) {
                    if let Some(label) = rules.program.topics.get(topic as usize) {
                        out.breach(rules, rule, label, CERTAIN_BP, standing);
                    }
                }
            }
            Check::Data { allow: Some(allow), .. } if nothing_found && !allow.contains(DataCategory::Public) => {
                out.breach(rules, rule, &"data".into(), CERTAIN_BP, standing);
            }
            Check::Data { deny, .. } if nothing_found && deny.contains(DataCategory::Public) => {
                out.breach(rules, rule, &"data".into(), CERTAIN_BP, standing);
            }
            _ => {}
        }
    }
}

/// Judges hosts found in texts or arguments (`links`: in texts only).
pub(crate) fn judge_hosts(rules: Rules<'_>, hosts: &[HostRef], links: bool, standing: Standing, out: &mut Outcome) {
    for rule in rules.iter() {
        let Check::Host { allow, deny, links: of_links } = &rule.check else { continue };
        if *of_links != links {
            continue;
        }
        for host in hosts {
            if links && host.scheme.is_none() {
                continue;
            }
            let port = host.port.or_else(|| scheme_port(host.scheme.as_deref()));
            let among = |rules: &[HostRule]| rules.iter().any(|r| r.matches(&host.host, port));
            if among(deny) || allow.as_deref().is_some_and(|allow| !among(allow)) {
                out.breach(rules, rule, &rule.check.word().into(), CERTAIN_BP, standing);
            }
        }
    }
}

/// The port a scheme means, where it is none of the web's.
fn scheme_port(scheme: Option<&str>) -> Option<u16> {
    Some(match scheme? {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "ftp" => 21,
        "ssh" | "sftp" | "git+ssh" => 22,
        "telnet" => 23,
        "smtp" => 25,
        "gopher" => 70,
        "ldap" => 389,
        "ldaps" => 636,
        "mysql" => 3306,
        "postgres" | "postgresql" => 5432,
        "redis" | "rediss" => 6379,
        "mongodb" => 27017,
        _ => return None,
    })
}

/// Judges everything that needs no text. `checked` gets the predicates that were evaluated.
pub(crate) fn judge_wordless(view: &View<'_>, applies: &Bits, checked: &mut Bits, out: &mut Outcome) {
    let event = view.event;
    let rules = Rules { program: view.program, stage: event.stage, applies };
    let standing = Standing::of(event);
    if event.stage == Stage::Call && event.tool.is_none() {
        // A text that is sent to a tool beside any call, or to another agent: there is no call to hold a rule against.
        return;
    }
    for rule in rules.iter() {
        view.turn_to(rule.predicate);
        let broken = match &rule.check {
            Check::Args(schema) => {
                event.tool.filter(|_| event.stage == Stage::Call).map(|t| !schema.check(t.arguments).is_empty())
            }
            Check::Require(condition) => Some(run(condition, view) != Truth::True),
            Check::Bound { quantity, min, max } => {
                measure(view, *quantity).map(|n| min.is_some_and(|min| n < min) || max.is_some_and(|max| n > max))
            }
            Check::Tool { .. } | Check::ToolWord { .. } => of_tool(view, &rule.check),
            Check::Task { allow, deny, deny_topics } => {
                checked.insert(rule.predicate);
                let (unlisted, denied) = match view.facts.get("task.type") {
                    Fact::Present(value) => match value.text() {
                        Some(task) => (allow.as_ref().is_some_and(|a| !a.contains(task)), deny.contains(task)),
                        None => (allow.is_some(), false),
                    },
                    // A source that is silent is the stricter case; one that is not there is told at load.
                    Fact::Absent => (allow.is_some(), false),
                    Fact::NoSource => (false, false),
                };
                if unlisted || denied {
                    out.breach(rules, rule, &"task".into(), CERTAIN_BP, standing);
                }
                for label in denied_topics(view, deny_topics) {
                    out.breach(rules, rule, label, CERTAIN_BP, standing);
                }
                continue;
            }
            Check::Data { allow, deny, .. } => {
                // The catalogue says what a tool's results hold; text is looked at elsewhere.
                let known = if event.stage == Stage::Result { view.tool().and_then(|t| t.entry).map(|e| e.data) } else { None };
                let bad = |c: DataCategory| deny.contains(c) || allow.is_some_and(|a| !a.contains(c));
                match known {
                    Some(data) => Some(data.iter().any(bad)),
                    None => continue,
                }
            }
            Check::Match { .. } | Check::Host { .. } => continue,
        };
        let Some(broken) = broken else { continue };
        checked.insert(rule.predicate);
        if broken {
            out.breach(rules, rule, &rule.check.word().into(), CERTAIN_BP, standing);
        }
    }
}

/// Whether the tool breaks a check that looks at nothing but the tool.
fn of_tool(view: &View<'_>, check: &Check) -> Option<bool> {
    let tool = view.tool()?;
    match check {
        Check::Tool { allow, deny } => Some(match tool.index {
            Some(index) => deny.contains(index) || allow.as_ref().is_some_and(|a| !a.contains(index)),
            None => allow.is_some(),
        }),
        Check::ToolWord { target, allow, deny } => {
            let word = tool.entry.and_then(|e| if *target { e.target.as_deref() } else { e.action.as_deref() });
            Some(match word {
                Some(word) => deny.contains(word) || allow.as_ref().is_some_and(|a| !a.contains(word)),
                None => allow.is_some(),
            })
        }
        _ => None,
    }
}

/// The first rule by which every call of the tool is blocked, whatever its arguments: one that looks at nothing but the
/// tool, and whose guards leave no doubt that it applies.
pub(crate) fn forbids_tool(view: &View<'_>, rules: &StageRules) -> Option<RuleHit> {
    let surely = |predicate: u32| {
        view.turn_to(predicate);
        view.program.guarded(predicate).is_some_and(|guarded| {
            guarded.lanes.is_none_or(|lanes| lanes & lane_bit(view.event.lane) != 0)
                && guarded.when.as_ref().is_none_or(|c| run(c, view) == Truth::True)
                && guarded.unless.as_ref().is_none_or(|c| run(c, view) == Truth::False)
        })
    };
    let rule = rules
        .rules
        .iter()
        .find(|rule| rule.act == Act::Block && surely(rule.predicate) && of_tool(view, &rule.check) == Some(true))?;
    Some(RuleHit {
        predicate: rule.predicate,
        stage: view.event.stage,
        detector: rule.check.word().into(),
        place: None,
        act: rule.act,
        severity: view.program.predicate(rule.predicate)?.severity,
        score_bp: CERTAIN_BP,
        count: 1,
    })
}

/// Labels of the denied topics among those of the task text.
fn denied_topics<'v>(view: &'v View<'_>, denied: &'v Bits) -> impl Iterator<Item = &'v Arc<str>> {
    let of_session = if view.topics.is_none() { view.session.topics() } else { None };
    denied.iter().filter_map(|t| view.program.topics.get(t as usize).map(|label| (t, label))).filter_map(move |(t, label)| {
        let found = match (view.topics, of_session) {
            (Some(bits), _) => bits.contains(t),
            (None, Some(names)) => names.iter().any(|n| n.as_ref() == view.program.topic_name(t)),
            (None, None) => false,
        };
        found.then_some(label)
    })
}

/// A quantity of this event. None where it was not measured.
fn measure(view: &View<'_>, quantity: Quantity) -> Option<Decimal> {
    let m = &view.event.measures;
    let value = match quantity {
        Quantity::OpenTasks => m.open_tasks,
        Quantity::LatencyMs => m.latency_ms,
        Quantity::LocalHour => view.time().map(|t| u64::from(t.hour)),
        Quantity::TokensIn => m.tokens_in,
        Quantity::TokensOut => m.tokens_out,
        Quantity::ReplyChars => m.reply_chars.or_else(|| {
            let fresh = view.event.texts.iter().filter(|t| !t.history);
            let told = view.event.stage == Stage::Response && !view.event.texts.is_empty();
            told.then(|| fresh.map(|t| t.text.chars().count() as u64).sum())
        }),
        Quantity::ArgsBytes => view.event.tool.filter(|_| view.event.stage == Stage::Call).map(|t| t.arguments.len() as u64),
        Quantity::Turns => Some(view.session.turns()),
        Quantity::Cost => None,
    }?;
    Some(Decimal::from(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// Marks the predicates whose rules look at text as evaluated.
pub(crate) fn check_text_rules(rules: Rules<'_>, checked: &mut Bits) {
    for rule in rules.iter().filter(|r| r.check.reads_text()) {
        checked.insert(rule.predicate);
    }
}

/// Marks the predicates that look for hosts as evaluated.
pub(crate) fn check_host_rules(rules: Rules<'_>, checked: &mut Bits) {
    for rule in rules.iter().filter(|r| matches!(r.check, Check::Host { .. })) {
        checked.insert(rule.predicate);
    }
}

/// Whether some rule that applies looks at text.
pub(crate) fn reads_text(rules: Rules<'_>) -> bool {
    rules.iter().any(|r| r.check.reads_text())
}

/// Whether nothing was found that has a category.
pub(crate) fn is_public(categories: crate::program::bits::Categories) -> bool {
    categories.is_empty() || categories == NOTHING_FOUND
}
