//! Rules across the sections: what one part says must be possible by another.

use std::collections::BTreeSet;

use crate::base::names::DataCategory;
use crate::base::verdict::Severity;
use crate::pact::model::{Check, Limit, Notify, Pact, Penalty, Predicate, ReviewOn, Rule, Share, Source, Statistic, TerminateOn};
use crate::pact::term::Window;

use super::cursor::{At, Reader};

/// Predicates beyond which nobody keeps the whole in mind.
const PREDICATES_MANY: usize = 20;

/// Fields of an `exchange` record that a statistic may look at, beside the quantities of `bound`.
const EXCHANGE_FIELDS: &[&str] = &[
    "act",
    "agent",
    "capability",
    "caller",
    "calls",
    "checked",
    "completion",
    "counterparty",
    "data",
    "hits",
    "interaction",
    "interventions",
    "lane",
    "measures",
    "mode",
    "model",
    "pacts",
    "principal",
    "protocol",
    "reason",
    "route",
    "runtime",
    "session",
    "size",
    "status",
    "task",
    "tenant",
    "time",
    "tool",
    "topics",
    "trace",
    "unjudged",
    "usage",
    "waiting",
    "action",
    "target",
    "outcome",
    // The quantities.
    "open_tasks",
    "latency_ms",
    "local_hour",
    "tokens_in",
    "tokens_out",
    "cost",
    "reply_chars",
    "args_bytes",
    "turns",
];

pub(super) fn couplings(r: &mut Reader<'_>, root: &At<'_>, pact: &Pact) {
    let span_of = |path: &[&str]| path.iter().try_fold(root.clone(), |at, key| at.get(key)).unwrap_or_else(|| root.clone());
    rules(r, pact);
    for predicate in &pact.predicates {
        measured(r, pact, predicate);
    }
    if let Some(penalty) = &pact.penalty {
        consequences(r, &span_of(&["penalty"]), pact, penalty);
    }
    term(r, &span_of(&["renewal"]), pact);
    if pact.predicates.len() > PREDICATES_MANY {
        let message = format!("{} predicates; over {PREDICATES_MANY} nobody keeps the whole in mind", pact.predicates.len());
        r.warning("many_predicates", &span_of(&["predicates"]), message)
            .help("make two pacts of it, or fold predicates into constraints");
    }
}

fn find<'p>(pact: &'p Pact, id: &str) -> Option<&'p Predicate> {
    pact.predicates.iter().find(|p| p.id == id)
}

fn checks(predicate: &Predicate) -> impl Iterator<Item = &Check> {
    predicate.checks.iter().map(|c| &c.check)
}

/// Rules without a predicate.
fn rules(r: &mut Reader<'_>, pact: &Pact) {
    for (id, rule) in &pact.evidence.rules {
        let path = format!("evidence.rules.{id}");
        if find(pact, id).is_none() {
            let near = crate::base::diagnostic::nearest(id, pact.predicates.iter().map(|p| p.id.as_str()));
            let help =
                near.map_or_else(|| "a rule stands under the id of its predicate".to_owned(), |n| format!("did you mean `{n}`?"));
            r.out.error("unknown_predicate", path, rule.span, format!("there is no predicate `{id}`")).help(help);
        }
    }
}

/// A predicate that is measured or judged: its rule, its source, its limit.
fn measured(r: &mut Reader<'_>, pact: &Pact, predicate: &Predicate) {
    let rule = pact.evidence.rules.get(&predicate.id);
    let path = format!("evidence.rules.{}", predicate.id);
    for check in checks(predicate) {
        let word = check.word();
        let wanted = match check {
            Check::Judge(_) => Source::Verdict,
            _ => Source::Interaction,
        };
        let by_rule = matches!(check, Check::Measure(_) | Check::Judge(_));
        let Some(rule) = rule else {
            if by_rule {
                let help = if word == "judge" { "from: jury, min: 0.9" } else { "from: guard, max: …, window: 7d" };
                r.out
                    .error("no_rule", path.clone(), predicate.span, format!("`{word}` promises nothing without an evidence rule"))
                    .help(format!("add `{}: {{{help}}}` to `evidence.rules`", predicate.id));
            }
            continue;
        };
        let Some(source) = pact.evidence.sources.get(&rule.from).copied() else { continue };
        // A counterparty's incident report may count as evidence of any inline check.
        let reported = source == Source::Incident && !by_rule;
        if source != wanted && !reported {
            r.out
                .error(
                    "no_such_evidence",
                    path.clone(),
                    rule.span,
                    format!("the source `{}` emits {source}; `{word}` is measured on {wanted}", rule.from),
                )
                .help("name a source of that schema in `evidence.sources` and in `from`");
        }
        if by_rule && rule.min.is_none() && rule.max.is_none() {
            r.out
                .error("missing_key", path.clone(), rule.span, format!("`{word}` has no limit"))
                .help("add `min` or `max` to the rule");
        }
        if let Check::Measure(measure) = check {
            if rule.window.is_none() {
                r.out
                    .error("missing_key", path.clone(), rule.span, "a statistic has no window")
                    .help("add for instance `window: 7d`");
            }
            for key in ["of", "num", "den", "per"] {
                let Some(field) = measure.arguments.get(key) else { continue };
                if source == Source::Interaction && !EXCHANGE_FIELDS.contains(&field.as_str()) && !pact.facts.contains_key(field)
                {
                    r.out
                        .error(
                            "no_such_evidence",
                            format!("{path}.{key}"),
                            predicate.span,
                            format!("no source emits the field `{field}`"),
                        )
                        .help("fields of an exchange record, such as completion or latency_ms");
                }
            }
            match measure.statistic {
                Statistic::Drift => drift(r, pact, rule, &path),
                Statistic::Fidelity => {
                    let anchors = pact.evidence.baseline.as_ref().map(|b| &b.anchors);
                    if let Some(name) = measure.arguments.get("anchor")
                        && !anchors.is_some_and(|a| a.contains_key(name))
                    {
                        let message = format!("there is no anchor `{name}`");
                        r.out
                            .error("no_baseline", path.clone(), predicate.span, message)
                            .help("add it to `evidence.baseline.anchors`");
                    }
                }
                _ => {}
            }
        }
    }
}

/// A drift limit needs its baseline.
fn drift(r: &mut Reader<'_>, pact: &Pact, rule: &Rule, path: &str) {
    const LIMITS: &[&str] = &["action", "target", "temporal", "outcome", "semantic", "overall"];
    let limits: Vec<&str> = match &rule.max {
        Some(Limit::Each(each)) => each.keys().map(String::as_str).collect(),
        _ => vec!["overall"],
    };
    for limit in limits {
        let Some(baseline) = &pact.evidence.baseline else {
            r.out
                .error("no_baseline", path.to_owned(), rule.span, "drift is measured against a baseline, and there is none")
                .help("add `evidence.baseline`; `servanda init --archetype` fills one");
            return;
        };
        let there = match limit {
            "temporal" => !baseline.hours.is_empty(),
            "semantic" => !baseline.anchors.is_empty(),
            "overall" => true,
            other => baseline.shares.contains_key(other),
        };
        if !LIMITS.contains(&limit) {
            let message = format!("`{limit}` is no distribution");
            r.out.error("unknown_word", format!("{path}.max.{limit}"), rule.span, message).help(LIMITS.join(", "));
        } else if !there {
            let missing = match limit {
                "temporal" => "hours",
                "semantic" => "anchors",
                other => other,
            };
            r.out
                .error("no_baseline", format!("{path}.max.{limit}"), rule.span, format!("the baseline says nothing on `{limit}`"))
                .help(format!("add `evidence.baseline.{missing}`, or drop the limit"));
        }
    }
}

fn consequences(r: &mut Reader<'_>, at: &At<'_>, pact: &Pact, penalty: &Penalty) {
    for (id, consequence) in &penalty.overrides {
        if find(pact, id).is_none() {
            let near = crate::base::diagnostic::nearest(id, pact.predicates.iter().map(|p| p.id.as_str()));
            let help = near.map_or_else(
                || "an override stands under the id of its predicate".to_owned(),
                |n| format!("did you mean `{n}`?"),
            );
            r.out
                .error(
                    "unknown_predicate",
                    format!("penalty.override.{id}"),
                    consequence.span,
                    format!("there is no predicate `{id}`"),
                )
                .help(help);
        }
    }
    // What cannot be taken back should not hang on what can be argued about.
    for predicate in pact.predicates.iter().filter(|p| checks(p).any(|c| matches!(c, Check::Judge(_)))) {
        let own = penalty.overrides.get(&predicate.id).or_else(|| penalty.by_severity.get(&predicate.severity));
        if own.and_then(|c| c.forfeit) == Some(Share::ONE) {
            r.out
                .warning(
                    "judged_forfeit",
                    format!("penalty.{}", predicate.severity),
                    predicate.span,
                    format!("`{}` is judged by opinion and forfeits the whole bond", predicate.id),
                )
                .help("add a smaller forfeit under `penalty.override`");
        }
    }
    let all = penalty.by_severity.values().chain(penalty.overrides.values());
    for consequence in all.clone() {
        if consequence.notify.contains(&Notify::Guarantor) && pact.subject.guarantor.is_none() {
            r.out
                .warning("no_guarantor", "penalty", consequence.span, "the guarantor is to be told, and the subject names none")
                .help("add `subject.guarantor`, or drop it from `notify`");
        }
    }
    // A fixed pause that ends the pact by itself would be a termination in disguise.
    let longest = pact.renewal.terminate_on.iter().find_map(|t| if let TerminateOn::PauseOver(p) = t { Some(*p) } else { None });
    for consequence in all.clone() {
        if let (Some(limit), Some(pause)) = (longest, consequence.pause.as_ref().and_then(|p| p.period))
            && pause.about_seconds() >= limit.about_seconds()
        {
            r.out
                .error(
                    "pause_ends_pact",
                    "penalty",
                    consequence.span,
                    "this pause is not shorter than the one that ends the pact",
                )
                .help("shorten it, or lengthen `pause_over` in `renewal.terminate_on`");
        }
    }
    let forfeits = all.clone().any(|c| c.forfeit.is_some_and(|f| f > Share(0)));
    if forfeits && penalty.bond.is_none() {
        r.warning("no_bond", at, "a share of the bond is forfeited, and there is no bond").help("add `bond: {amount, unit}`");
    }
    if let Some(score) = &penalty.score {
        let used: BTreeSet<&str> = pact.predicates.iter().map(|p| p.dimension.as_str()).filter(|d| !d.is_empty()).collect();
        let place = at.get("score").unwrap_or_else(|| at.clone());
        for dimension in used.into_iter().filter(|d| !score.weights.contains_key(*d)) {
            r.error("no_weight", &place, format!("the dimension `{dimension}` is in use and has no weight"))
                .help(format!("add `{dimension}: 1` to `penalty.score.weights`"));
        }
    }
    for severity in Severity::ALL {
        let used = pact.predicates.iter().any(|p| p.severity == *severity && !penalty.overrides.contains_key(&p.id));
        if used && !penalty.by_severity.contains_key(severity) {
            r.warning("no_consequence", at, format!("nothing follows from a {severity} violation"))
                .help(format!("add `{severity}: {{…}}`"));
        }
    }
}

fn term(r: &mut Reader<'_>, at: &At<'_>, pact: &Pact) {
    let renewal = &pact.renewal;
    let length = match (renewal.effective, renewal.expires) {
        (Some(from), Some(to)) => u64::try_from(to.at - from.at).ok(),
        _ => None,
    };
    if let Some(length) = length {
        for (id, rule) in &pact.evidence.rules {
            if let Some(Window::Time(window)) = rule.window
                && window.about_seconds() > length
            {
                r.out
                    .error(
                        "window_over_term",
                        format!("evidence.rules.{id}.window"),
                        rule.span,
                        "the window is longer than the term of the pact",
                    )
                    .help("shorten the window, or lengthen the term");
            }
        }
        if renewal.counters_on_extension.is_none() {
            r.error(
                "missing_key",
                at,
                "a term needs `counters_on_extension`: what happens to counts that are under way when it is extended",
            )
            .help("add `counters_on_extension: reset`, or `carry`");
        }
        if let Some(notice) = renewal.notice
            && length > notice.about_seconds()
            && !renewal.review_on.contains(&ReviewOn::ModelMajor)
        {
            r.warning(
                "no_model_review",
                at,
                "the term is longer than the notice for a change, and a new model calls for no review",
            )
            .help("add `model_major` to `review_on`");
        }
    }
    let tiers =
        pact.penalty.as_ref().and_then(|p| p.score.as_ref()).map(|s| s.tiers.keys().map(String::as_str).collect::<Vec<_>>());
    let tiers = tiers.unwrap_or_default();
    let below = renewal.terminate_on.iter().filter_map(|t| if let TerminateOn::TierBelow(tier) = t { Some(tier) } else { None });
    for tier in below.chain(renewal.extend.iter().filter_map(|e| e.while_tier.as_ref())) {
        r.known("unknown_tier", at, tier, "tier in `penalty.score.tiers`", tiers.iter().copied());
    }
}

/// What `sign` refuses: what a draft lacks, as paths with a reason.
pub(super) fn lacks(root: &At<'_>, pact: &Pact, used: &BTreeSet<String>) -> Vec<String> {
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
    for pack in used.iter().filter(|p| !pact.packs.contains_key(*p)) {
        need(false, &format!("packs.{pack}: it is used and not listed, so nobody knows which version was promised"));
    }
    out
}

/// The packs that the pact's words come from.
pub(super) fn used_packs(pact: &Pact, packs: &crate::pact::pack::Packs) -> BTreeSet<String> {
    use crate::pact::model::SetKind;
    let mut out = BTreeSet::new();
    for predicate in &pact.predicates {
        if predicate.constraint.is_some() {
            out.insert(crate::pact::constraint::PACK.to_owned());
        }
        for check in checks(predicate) {
            match check {
                Check::Match(matching) => {
                    for label in matching.labels.iter().filter(|l| !l.starts_with("own.")) {
                        let meant = packs.select(label).filter(|(_, e)| matching.means(&e.pattern.label));
                        out.extend(meant.map(|(pack, _)| pack.name.clone()));
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

/// Data categories and topics that a predicate names and no detector gives: not enforced, and told so.
pub(super) fn blind_spots(r: &mut Reader<'_>, pact: &Pact, packs: &crate::pact::pack::Packs) {
    use crate::pact::model::SetKind;
    for predicate in &pact.predicates {
        for check in checks(predicate) {
            let Check::Set(set) = check else { continue };
            if set.kind != SetKind::Data {
                continue;
            }
            for name in &set.deny {
                let by_text = packs.entries().any(|(_, e)| e.pattern.category.as_str() == name);
                let by_tool = pact.tools.iter().any(|t| t.data.iter().any(|c| c.as_str() == name));
                let by_own = pact.detectors.iter().any(|d| d.category.as_str() == name);
                if !by_text && !by_tool && !by_own {
                    r.out
                        .warning(
                            "no_detector",
                            format!("predicates.{}", predicate.id),
                            predicate.span,
                            format!("nothing finds data of the category `{name}`"),
                        )
                        .help("drop it, or give a detector or a tool that category");
                }
            }
        }
    }
}
