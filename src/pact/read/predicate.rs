//! Predicates, and the expansion of constraints into one predicate with a check per stage.

use std::collections::BTreeMap;

use crate::base::diagnostic::Span;
use crate::base::document::Value;
use crate::base::names::{Lane, Stage, is_id};
use crate::base::verdict::{Act, Severity};
use crate::pact::condition::{Expr, ExprKind, Field};
use crate::pact::constraint::{self, Constraint, Default, Given};
use crate::pact::model::{Approve, Check, Predicate, SetCheck, SetKind, StageCheck};

use super::check::{check, condition, stages};
use super::confusions;
use super::cursor::{At, Reader};
use super::names::Names;

const KEYS: &[&str] =
    &["id", "constraint", "dimension", "severity", "at", "lane", "where", "unless", "check", "act", "unread", "approve"];

pub(super) fn predicates(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Vec<Predicate> {
    let mut out: Vec<Predicate> = Vec::new();
    for item in r.list(at, false) {
        let Some(predicate) = predicate(r, &item, names) else { continue };
        if let Some(first) = out.iter().find(|p| p.id == predicate.id) {
            let message = format!("the id `{}` is already taken in line {}", predicate.id, first.span.line);
            let place = item.get("id").or_else(|| item.get("constraint")).unwrap_or(item);
            r.error("duplicate_id", &place, message).help("records and penalties name a predicate by its id; give it another");
            continue;
        }
        out.push(predicate);
    }
    out
}

/// What `act` says: nothing, one word, or a word per stage.
enum Acts {
    Silent,
    One(Act),
    Each(BTreeMap<Stage, Act>),
}

fn predicate(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<Predicate> {
    if !r.map(at, KEYS, Some(confusions::in_predicate)) {
        return None;
    }
    let constraint = match at.get("constraint") {
        None => None,
        Some(name) => {
            let text = r.text(&name)?;
            r.known("unknown_constraint", &name, text, "constraint", constraint::all().iter().map(|c| c.name.as_str()));
            Some(constraint::get(text)?)
        }
    };
    let id = id(r, at, constraint);
    let dimension = if let Some(d) = at.get("dimension") {
        let text = r.text(&d).unwrap_or_default().to_owned();
        if !text.is_empty() && !is_id(&text) {
            let report = r.error("bad_name", &d, format!("`{text}` is no dimension"));
            report.help("lower-case letters, digits and `-`: safety, scope-honesty, …");
        }
        text
    } else {
        if constraint.is_none() {
            r.needed(at, "dimension", "it says what the promise is about: safety, security, scope-honesty, reliability, …");
        }
        constraint.map(|c| c.dimension.clone()).unwrap_or_default()
    };
    let severity = match (at.get("severity"), constraint) {
        (Some(s), _) => r.word(&s, Severity::ALL, Severity::as_str),
        (None, Some(c)) => Some(c.severity),
        (None, None) => {
            r.needed(at, "severity", "critical, major or minor");
            None
        }
    };
    let severity = severity.unwrap_or(Severity::Minor);
    let acts = acts(r, at);
    let given_at = at.get("at").map(|a| (r.words(&a, true, Stage::ALL, Stage::as_str), a));
    let check_at = at.get("check");
    let given = check_at.as_ref().map(|c| check(r, c, names));
    let when = at.get("where").and_then(|w| condition(r, &w, names));
    let unless = at.get("unless").and_then(|u| condition(r, &u, names));

    let checks = match (given, constraint) {
        // A check that could not be read has been told of.
        (Some(None), _) => return None,
        (Some(Some(check)), None) => vec![plain(r, at, check, given_at.as_ref(), &acts, severity)],
        (Some(Some(check)), Some(c)) => {
            let at_check = check_at.as_ref().unwrap_or(at);
            vec![overridden(r, at_check, c, check, given_at.as_ref().map(|g| &g.0[..]), &acts, severity)]
        }
        (None, Some(c)) => expanded(r, at, c, names, given_at.as_ref(), &acts),
        (None, None) => {
            r.needed(at, "check", "a promise that nothing checks is none");
            return None;
        }
    };
    for stage_check in &checks {
        permitted(r, at, stage_check);
    }
    let predicate = Predicate {
        id: id?,
        constraint: constraint.map(|c| c.name.clone()),
        dimension,
        severity,
        lanes: at.get("lane").map(|l| r.words(&l, true, Lane::ALL, Lane::as_str)),
        unread_block: at.get("unread").and_then(|u| r.word(&u, &["block"], |w| w)).is_some(),
        approve: at.get("approve").and_then(|a| approve(r, &a, &checks)),
        forfeit: constraint.map(|c| c.forfeit),
        undecided: constraint.map(|c| c.leaves.clone()),
        span: place(at),
        when,
        unless,
        checks,
    };
    seen_at_stages(r, at, &predicate);
    Some(predicate)
}

fn place(at: &At<'_>) -> Span {
    at.get("id").or_else(|| at.get("constraint")).map_or(at.node.span, |n| n.node.span)
}

fn id(r: &mut Reader<'_>, at: &At<'_>, constraint: Option<&Constraint>) -> Option<String> {
    let Some(id) = at.get("id") else {
        if constraint.is_none() {
            r.needed(at, "id", "records and penalties name the promise by it");
        }
        return constraint.map(Constraint::default_id);
    };
    let text = r.text(&id)?;
    if !is_id(text) {
        let lower: String = text.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let report = r.error("bad_id", &id, format!("`{text}` is no id"));
        let way_out = if is_id(&lower) {
            format!("write `{lower}`")
        } else {
            "a lower-case letter, then letters, digits and `-`, 63 at most".to_owned()
        };
        report.help(way_out);
        return None;
    }
    Some(text.to_owned())
}

fn acts(r: &mut Reader<'_>, at: &At<'_>) -> Acts {
    const WORDS: &[Act] = &[Act::Flag, Act::Redact, Act::Hold, Act::Block];
    let Some(act) = at.get("act") else { return Acts::Silent };
    if !matches!(act.node.value, Value::Map(_)) {
        return r.word(&act, WORDS, Act::as_str).map_or(Acts::Silent, Acts::One);
    }
    let mut out = BTreeMap::new();
    for (key, value) in act.entries() {
        let Some(stage) = Stage::parse(&key.text) else {
            let known: Vec<&str> = Stage::ALL.iter().map(|s| s.as_str()).collect();
            r.stranger(&act, key, &known, None);
            continue;
        };
        out.extend(r.word(&value, WORDS, Act::as_str).map(|act| (stage, act)));
    }
    Acts::Each(out)
}

impl Acts {
    fn at(&self, stage: Stage, fallback: Act) -> Act {
        match self {
            Self::Silent => fallback,
            Self::One(act) => *act,
            Self::Each(map) => map.get(&stage).copied().unwrap_or(fallback),
        }
    }
}

/// The act at a stage when nobody says one.
fn default_act(stage: Stage, severity: Severity) -> Act {
    if matches!(stage, Stage::End | Stage::Window) { Act::Flag } else { severity.default_act() }
}

fn plain(
    r: &mut Reader<'_>,
    at: &At<'_>,
    check: Check,
    given: Option<&(Vec<Stage>, At<'_>)>,
    acts: &Acts,
    severity: Severity,
) -> StageCheck {
    let possible = stages(&check);
    let mut chosen = match given {
        Some((stages, _)) => stages.clone(),
        None if possible.len() == 1 => possible.to_vec(),
        None => {
            let names: Vec<&str> = possible.iter().map(|s| s.as_str()).collect();
            let why = format!("this check can run at {}", names.join(", "));
            r.needed(at, "at", &why);
            Vec::new()
        }
    };
    chosen.sort_unstable();
    chosen.dedup();
    if let Acts::Each(map) = acts
        && let Some(stage) = map.keys().find(|s| !chosen.contains(s))
        && let Some(act) = at.get("act")
    {
        r.error("act_stage", &act, format!("`{stage}` is not among the stages of this predicate"))
            .help(format!("add `{stage}` to `at`, or drop its act"));
    }
    if let Some((_, place)) = given {
        impossible(r, place, &check, &chosen);
    }
    StageCheck { stages: chosen.into_iter().map(|s| (s, acts.at(s, default_act(s, severity)))).collect(), check }
}

fn impossible(r: &mut Reader<'_>, at: &At<'_>, check: &Check, chosen: &[Stage]) {
    let possible = stages(check);
    for stage in chosen.iter().filter(|s| !possible.contains(s)) {
        let names: Vec<&str> = possible.iter().map(|s| s.as_str()).collect();
        let what = match check {
            Check::Set(set) => format!("set: {}", set.kind),
            Check::Bound(bound) => format!("bound: {}", bound.quantity),
            _ => check.word().to_owned(),
        };
        r.error("stage", at, format!("`{what}` cannot be checked at `{stage}`")).help(format!("it runs at {}", names.join(", ")));
    }
}

/// A constraint with a check of the pact's own, which keeps the stages of the constraint and their acts.
fn overridden(
    r: &mut Reader<'_>,
    at: &At<'_>,
    constraint: &Constraint,
    check: Check,
    given: Option<&[Stage]>,
    acts: &Acts,
    severity: Severity,
) -> StageCheck {
    let kinds: Vec<Given> = constraint.checks.iter().flat_map(|c| c.given.iter().copied()).collect();
    if !kinds.is_empty() && !kinds.iter().any(|kind| kind.fits(&check)) {
        let words: Vec<String> = kinds.iter().map(Given::to_string).collect();
        let message = format!("the check of {} is a `{}`", constraint.name, words.join("` or a `"));
        r.error("constraint_check", at, message).help("write such a check, or a predicate of your own without `constraint`");
    }
    let takes = |given: &[Given]| given.is_empty() || given.iter().any(|kind| kind.fits(&check));
    let stated = constraint.checks.iter().filter(|c| takes(&c.given));
    let own: BTreeMap<Stage, Act> = stated.flat_map(|c| c.at.iter().copied()).collect();
    let mut chosen: Vec<Stage> = given.map_or_else(|| own.keys().copied().collect(), <[Stage]>::to_vec);
    chosen.sort_unstable();
    chosen.dedup();
    impossible(r, at, &check, &chosen);
    let act = |s: Stage| acts.at(s, own.get(&s).copied().unwrap_or_else(|| default_act(s, severity)));
    StageCheck { stages: chosen.into_iter().map(|s| (s, act(s))).collect(), check }
}

/// A constraint with its own checks.
fn expanded(
    r: &mut Reader<'_>,
    at: &At<'_>,
    constraint: &Constraint,
    names: &Names<'_>,
    given: Option<&(Vec<Stage>, At<'_>)>,
    acts: &Acts,
) -> Vec<StageCheck> {
    let mut out = Vec::new();
    if let Some((chosen, place)) = given {
        for stage in chosen.iter().filter(|s| !constraint.checks.iter().any(|c| c.at.iter().any(|(own, _)| own == *s))) {
            r.error("stage", place, format!("{} has no check at `{stage}`", constraint.name))
                .help("give a `check` of your own for it");
        }
    }
    let has_default = constraint.checks.iter().any(|c| c.default != Default::Given);
    for stated in &constraint.checks {
        let check = match &stated.default {
            Default::Check(check) => (**check).clone(),
            Default::Catalogue if !names.tools.is_empty() => {
                let allow = names.tools.iter().map(|t| t.name.clone()).collect();
                Check::Set(SetCheck { kind: SetKind::Tool, allow: Some(allow), deny: Vec::new() })
            }
            Default::Catalogue => {
                r.error(
                    "missing_key",
                    at,
                    format!("{} allows the tools of the catalogue, and `tools` lists none", constraint.name),
                )
                .help("list the tools, or give a `check`");
                continue;
            }
            Default::Given if has_default => continue,
            Default::Given => {
                let kind = stated.given.first().map_or_else(|| "set: task".to_owned(), Given::to_string);
                r.error("missing_key", at, format!("{} needs a `check` of the pact's own", constraint.name))
                    .help(format!("for instance `check: {{{kind}, allow: […]}}`"));
                continue;
            }
        };
        let kept = stated.at.iter().filter(|(s, _)| given.is_none_or(|(chosen, _)| chosen.contains(s)));
        let stages: Vec<(Stage, Act)> = kept.map(|(s, own)| (*s, acts.at(*s, *own))).collect();
        if !stages.is_empty() {
            out.push(StageCheck { stages, check });
        }
    }
    out
}

/// The table of acts by stage.
fn permitted(r: &mut Reader<'_>, at: &At<'_>, stage_check: &StageCheck) {
    let place = at.get("act").unwrap_or_else(|| at.clone());
    let replaceable = match &stage_check.check {
        Check::Match(_) => true,
        Check::Set(set) => set.kind == SetKind::Data,
        _ => false,
    };
    for (stage, act) in &stage_check.stages {
        let (fits, help) = match act {
            Act::Allow | Act::Flag => (true, ""),
            Act::Block => (!matches!(stage, Stage::End | Stage::Window), "what follows there is the penalty; the act is `flag`"),
            Act::Hold => (matches!(stage, Stage::Call | Stage::Egress), "only a call or a connection can wait; use `block`"),
            Act::Redact if !replaceable => (false, "only what a `match` or `set: data` found can be replaced; use `block`"),
            Act::Redact => (!matches!(stage, Stage::End | Stage::Window), "there is nothing left to replace; the act is `flag`"),
        };
        if !fits {
            r.error("act_stage", &place, format!("`{act}` is not possible at `{stage}` with this check")).help(help);
        }
    }
}

fn approve(r: &mut Reader<'_>, at: &At<'_>, checks: &[StageCheck]) -> Option<Approve> {
    if !r.map(at, &["who", "need", "within"], None) {
        return None;
    }
    if !checks.iter().any(|c| c.stages.iter().any(|(_, act)| *act == Act::Hold)) {
        r.error("act_stage", at, "there is nothing to approve: no act of this predicate is `hold`").help("add `act: hold`");
    }
    let who = r.needed(at, "who", "the DIDs that may sign").map_or_else(Vec::new, |w| {
        let list = r.list(&w, true);
        list.iter().filter_map(|did| super::subject::did(r, did)).collect()
    });
    let need = at.get("need").map_or(Some(1), |n| r.small(&n))?;
    if need == 0 || need as usize > who.len().max(1) {
        let place = at.get("need").unwrap_or_else(|| at.clone());
        r.error("out_of_range", &place, format!("{need} signatures of {} are not possible", who.len()))
            .help("at least one, and no more than `who` lists");
    }
    let within = r.needed(at, "within", "after this time it is denied").and_then(|w| r.period(&w))?;
    Some(Approve { who, need, within })
}

/// Warns of fields that are never known at a stage of the predicate: the condition is unknown there.
fn seen_at_stages(r: &mut Reader<'_>, at: &At<'_>, predicate: &Predicate) {
    let stages = predicate.stages();
    let mut look = |expr: &Expr, key: &str| {
        expr.walk(&mut |e| {
            let ExprKind::Field(field) = &e.kind else { return };
            let seen: &[Stage] = match field {
                Field::ToolName
                | Field::ToolAction
                | Field::ToolTarget
                | Field::ToolEffect
                | Field::ToolReversible
                | Field::ToolServer => &[Stage::Call, Stage::Result],
                Field::Arg(_) => &[Stage::Call],
                Field::HostName | Field::HostPort | Field::HostScheme => &[Stage::Egress],
                _ => return,
            };
            if let Some(stage) = stages.iter().find(|s| !seen.contains(s)) {
                let path = format!("{}.{key}", at.path);
                r.out
                    .warning(
                        "field_not_at_stage",
                        path,
                        e.span,
                        format!("this field is never known at `{stage}`, so the condition is unknown there"),
                    )
                    .help(if key == "unless" {
                        "it exempts nothing there"
                    } else {
                        "the predicate applies there as if the condition held; narrow `at`"
                    });
            }
        });
    };
    if let Some(when) = &predicate.when {
        look(when, "where");
    }
    if let Some(unless) = &predicate.unless {
        look(unless, "unless");
    }
    for stage_check in &predicate.checks {
        if let Check::Require(expr) = &stage_check.check {
            look(expr, "check.require");
        }
    }
}
