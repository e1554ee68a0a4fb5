//! What a pact uses, what a draft lacks, and what it promises without anybody who could keep or see it.

use std::collections::BTreeSet;

use crate::base::names::{DataCategory, Lane, Stage};
use crate::pact::condition::{CompareOp, Expr, ExprKind, Field, Literal};
use crate::pact::constraint;
use crate::pact::model::{Check, FlowLabel, Pact, Predicate, SetKind};
use crate::pact::pack::Packs;

use super::couplings::checks;
use super::cursor::{At, Reader};
use super::places::Places;

/// What `sign` refuses: what a draft lacks, as paths with a reason.
pub(super) fn lacks(root: &At<'_>, pact: &Pact, used: &BTreeSet<String>, packs: &Packs) -> Vec<String> {
    let mut out = Vec::new();
    let mut need = |there: bool, what: &str| {
        if !there {
            out.push(what.to_owned());
        }
    };
    need(root.get("pact").is_some(), "pact: the name of the promise");
    need(root.get("version").is_some(), "version: the version of the promise");
    need(pact.subject.agent.is_some(), "subject.agent: who promises");
    need(pact.subject.counterparty.is_some(), "subject.counterparty: to whom; a market segment is no party");
    need(!pact.predicates.is_empty(), "predicates: what is promised");
    need(pact.evidence.given, "evidence: how it is measured");
    need(pact.penalty.as_ref().is_some_and(|p| !p.by_severity.is_empty()), "penalty: what follows from a breach");
    need(pact.renewal.given, "renewal: how long it lasts");
    if pact.renewal.given {
        need(pact.renewal.effective.is_some(), "renewal.effective: from when");
        need(pact.renewal.expires.is_some(), "renewal.expires: until when");
    }
    let major = |pack: &str| packs.get(pack).and_then(|pack| pack.version.split('.').next()).unwrap_or("1");
    let unlisted: Vec<String> =
        used.iter().filter(|p| !pact.packs.contains_key(*p)).map(|pack| format!("{pack}: \"{}\"", major(pack))).collect();
    if !unlisted.is_empty() {
        out.push(format!("packs: add {}; they are used, and nobody knows which version was promised", unlisted.join(", ")));
    }
    out
}

/// The packs that the pact's words come from.
pub(super) fn used_packs(pact: &Pact, packs: &Packs) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for predicate in &pact.predicates {
        if predicate.constraint.is_some() {
            out.insert(constraint::PACK.to_owned());
        }
        for check in checks(predicate) {
            match check {
                Check::Match(matching) => {
                    for label in matching.labels.iter().filter(|l| !l.starts_with("own.")) {
                        let meant = packs.select(label).filter(|(_, e)| matching.means(&e.pattern.label));
                        out.extend(meant.map(|(pack, _)| pack.name.clone()));
                        let topics = packs.topics().filter(|(_, t)| matching.means(&t.topic.label));
                        out.extend(topics.map(|(pack, _)| pack.name.clone()));
                    }
                }
                Check::Set(set) => match set.kind {
                    SetKind::Task => {
                        out.extend(set.deny.iter().filter_map(|l| packs.topic(l)).map(|(pack, _)| pack.name.clone()));
                    }
                    SetKind::Host | SetKind::LinkHost => {
                        out.extend(packs.iter().filter(|p| !p.suffixes.is_empty()).map(|p| p.name.clone()));
                    }
                    SetKind::Data => {
                        let named = |c: DataCategory| set.deny.iter().chain(set.allow.iter().flatten()).any(|d| d == c.as_str());
                        out.extend(packs.entries().filter(|(_, e)| named(e.pattern.category)).map(|(pack, _)| pack.name.clone()));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }
    out
}

/// Data categories that a predicate names and nothing gives: not enforced, and told so.
pub(super) fn blind_spots(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, packs: &Packs) {
    let nobody = |category: &str| {
        let by_text = packs.entries().any(|(_, e)| e.pattern.category.as_str() == category);
        let by_tool = pact.tools.iter().any(|t| t.data.iter().any(|c| c.as_str() == category));
        let by_own = pact.detectors.iter().any(|d| d.category.as_str() == category);
        DataCategory::parse(category).is_some_and(|c| c != DataCategory::Public) && !by_text && !by_tool && !by_own
    };
    for predicate in &pact.predicates {
        for check in checks(predicate) {
            let (path, names): (&[&str], Vec<String>) = match check {
                Check::Set(set) if set.kind == SetKind::Data => (&["check", "deny"], set.deny.clone()),
                Check::Flow(flow) => {
                    let data =
                        |label: &FlowLabel| if let FlowLabel::Data(c) = label { Some(c.as_str().to_owned()) } else { None };
                    (&["check", "flow", "from"], flow.from.iter().filter_map(data).collect())
                }
                _ => continue,
            };
            for name in names.iter().filter(|name| nobody(name)) {
                let list = places.inside(predicate, path);
                let is_it = |item: &At<'_>| item.node.text().is_some_and(|t| t.strip_prefix("data:").unwrap_or(t) == name);
                let place = list.items().into_iter().find(is_it).unwrap_or_else(|| list.clone());
                r.warning("no_detector", &place, format!("nothing finds data of the category `{name}`"))
                    .help("drop it, or give a detector or a tool that category");
            }
        }
    }
}

/// Promises that this subject cannot meet, and that no traffic can show.
pub(super) fn impossible(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact) {
    for predicate in &pact.predicates {
        never_seen(r, places, predicate);
        forbidden_calls(r, places, pact, predicate);
        runtimes(r, places, pact, predicate);
        own_approval(r, places, pact, predicate);
    }
}

/// The stages that a lane sees.
fn seen_on(lane: Lane) -> &'static [Stage] {
    use Stage::{Call, Egress, End, Request, Response, Result, Window};
    match lane {
        Lane::Inbound => &[Request, Response, End, Window],
        Lane::Model => &[Request, Result, Response, Call, End, Window],
        Lane::Tools => &[Call, Result, End, Window],
        Lane::Egress => &[Egress, End, Window],
    }
}

/// A predicate narrowed to lanes on which its stages do not happen.
fn never_seen(r: &mut Reader<'_>, places: Places<'_, '_>, predicate: &Predicate) {
    let Some(lanes) = &predicate.lanes else { return };
    let seen = |stage: &Stage| lanes.iter().any(|lane| seen_on(*lane).contains(stage));
    let stages = predicate.stages();
    if !lanes.is_empty() && !stages.is_empty() && !stages.iter().any(seen) {
        let names: Vec<&str> = stages.iter().map(|s| s.as_str()).collect();
        let lane: Vec<&str> = lanes.iter().map(|l| l.as_str()).collect();
        let message = format!("nothing on the lane {} is at the stage {}", lane.join(" or "), names.join(" or "));
        let can: BTreeSet<&str> = lanes.iter().flat_map(|l| seen_on(*l)).map(|s| s.as_str()).collect();
        r.error("stage_lane", &places.inside(predicate, &["lane"]), message)
            .help(format!("there it can be at {}; or drop `lane`", can.into_iter().collect::<Vec<_>>().join(", ")));
    }
}

/// A promise to have called a tool that another promise never lets through.
fn forbidden_calls(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate) {
    for check in checks(predicate) {
        let Check::Require(expr) = check else { continue };
        for tool in demanded(expr) {
            let forbids = |p: &&Predicate| {
                p.when.is_none()
                    && p.unless.is_none()
                    && checks(p).any(|c| {
                        matches!(c, Check::Set(set) if set.kind == SetKind::Tool
                            && (set.deny.contains(tool) || set.allow.as_ref().is_some_and(|a| !a.contains(tool))))
                    })
            };
            if let Some(other) = pact.predicates.iter().find(forbids) {
                let place = places.inside(predicate, &["check", "require"]);
                r.warning(
                    "cannot_meet",
                    &place,
                    format!("`{}` never lets a call of `{tool}` through, which this demands", other.id),
                )
                .help(format!("allow `{tool}` there, or demand another tool"));
            }
        }
    }
}

/// Tools that must have been called for an expression to hold.
fn demanded(expr: &Expr) -> Vec<&String> {
    match &expr.kind {
        ExprKind::Called(tool) => vec![tool],
        ExprKind::And(a, b) => [demanded(a), demanded(b)].concat(),
        _ => Vec::new(),
    }
}

/// A demand for a runtime that the subject does not name.
fn runtimes(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate) {
    let named = &pact.subject.runtimes;
    if named.is_empty() {
        return;
    }
    for check in checks(predicate) {
        let Check::Require(expr) = check else { continue };
        let ExprKind::Compare(CompareOp::Eq, a, b) = &expr.kind else { continue };
        let (ExprKind::Field(field), ExprKind::Literal(Literal::Text(text))) = (&a.kind, &b.kind) else { continue };
        let there = |value: Option<&String>| value == Some(text);
        let known = match field {
            Field::RuntimeModel => named.iter().any(|run| run.model == *text),
            Field::RuntimeModelVersion => named.iter().any(|run| there(run.model_version.as_ref())),
            Field::RuntimeConfigHash => named.iter().any(|run| there(run.config_hash.as_ref())),
            _ => true,
        };
        if !known {
            let place = places.inside(predicate, &["check", "require"]);
            r.out
                .warning("cannot_meet", place.path, b.span, format!("no runtime of the subject is `{text}`, which this demands"))
                .help("add it to `subject.runtimes`, or demand one of those");
        }
    }
}

/// Nobody approves what he wants himself.
fn own_approval(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate) {
    let Some(approve) = &predicate.approve else { return };
    let who = places.inside(predicate, &["approve", "who"]);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for item in who.items() {
        let Some(text) = item.node.text() else { continue };
        if pact.subject.agent.as_deref() == Some(text) {
            r.error("same_party", &item, "the agent cannot approve its own calls").help("name people or systems apart from it");
        }
        if approve.who.iter().any(|w| w == text) && !seen.insert(text) {
            r.error("duplicate_name", &item, format!("`{text}` is listed already")).help("one signature counts once; drop it");
        }
    }
}
