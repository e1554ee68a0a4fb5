//! Rules between promises and their evidence: what is measured must be measurable, here and by this rule.

use std::collections::BTreeSet;

use crate::base::diagnostic::nearest;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Check, Count, Limit, MeasureCheck, Pact, Predicate, Rule, SetKind, Source, Statistic};
use crate::pact::pack::Packs;
use crate::pact::term::Window;

use super::cursor::Reader;
use super::places::Places;

/// Predicates beyond which nobody keeps the whole in mind.
const PREDICATES_MANY: usize = 20;

/// The distributions that drift is measured in.
const DISTRIBUTIONS: &[&str] = &["action", "target", "temporal", "outcome", "semantic", "overall"];

pub(super) fn couplings(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, packs: &Packs) {
    strays(r, places, pact);
    for predicate in &pact.predicates {
        measured(r, places, pact, predicate);
    }
    anchors(r, places, pact, packs);
    if pact.predicates.len() > PREDICATES_MANY {
        let message = format!("{} predicates; over {PREDICATES_MANY} nobody keeps the whole in mind", pact.predicates.len());
        let (key, at) = places.key(&["predicates"]);
        r.out
            .warning("many_predicates", "predicates", key.map_or(at.node.span, |key| key.span), message)
            .help("make two pacts of it, or fold predicates into constraints");
    }
}

pub(super) fn checks(predicate: &Predicate) -> impl Iterator<Item = &Check> {
    predicate.checks.iter().map(|c| &c.check)
}

/// Rules without a predicate.
fn strays(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact) {
    let known = places.ids();
    for id in pact.evidence.rules.keys().filter(|id| !known.contains(id)) {
        let near = nearest(id, known.iter().map(String::as_str));
        let help =
            near.map_or_else(|| "a rule stands under the id of its predicate".to_owned(), |n| format!("did you mean `{n}`?"));
        let place = places.key(&["evidence", "rules", id]);
        r.error_at_key("unknown_predicate", &place, format!("there is no predicate `{id}`")).help(help);
    }
}

/// A predicate against its rule: source, limit, window.
fn measured(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate) {
    let rule = pact.evidence.rules.get(&predicate.id);
    let path = ["evidence", "rules", predicate.id.as_str()];
    let mut told = BTreeSet::new();
    for check in checks(predicate) {
        let word = check.word();
        let by_rule = matches!(check, Check::Measure(_) | Check::Judge(_));
        // Several checks of one kind share the rule; its mistakes are told once.
        if !told.insert(word) {
            continue;
        }
        let Some(rule) = rule else {
            if by_rule {
                let help = match check {
                    Check::Judge(_) => "from: jury, min: 0.9",
                    Check::Measure(m) if m.statistic() == Statistic::Fidelity => "from: guard, min: 0.85, window: 7d",
                    _ => "from: guard, max: …, window: 7d",
                };
                r.error("no_rule", &places.name(predicate), format!("`{word}` promises nothing without an evidence rule"))
                    .help(format!("add `{}: {{{help}}}` to `evidence.rules`", predicate.id));
            }
            continue;
        };
        keys(r, places, predicate, check);
        source(r, places, pact, predicate, rule, check);
        if by_rule && rule.min.is_none() && rule.max.is_none() {
            r.error_at_key("missing_key", &places.key(&path), format!("`{word}` has no limit")).help("add `min` or `max`");
        }
        if let Check::Measure(measure) = check {
            if rule.window.is_none() {
                r.error_at_key("missing_key", &places.key(&path), "a statistic has no window")
                    .help("add for instance `window: 7d`");
            }
            limits(r, places, predicate, rule, measure.statistic());
            needs_baseline(r, places, pact, predicate, rule, measure);
        }
        if let (Some(Window::Count(window)), Some(samples)) = (rule.window, rule.min_samples)
            && samples > window
        {
            let message = format!("the window holds {window} samples, and {samples} are needed to decide");
            r.error("contradiction", &places.at(&[&path[..], &["min_samples"]].concat()), message)
                .help("lengthen the window, or ask for fewer samples");
        }
    }
}

/// Keys that mean nothing in a rule for this kind of check.
fn keys(r: &mut Reader<'_>, places: Places<'_, '_>, predicate: &Predicate, check: &Check) {
    let (foreign, why): (&[&str], _) = match check {
        Check::Measure(_) => (&["ok_share", "eval_set", "jury", "every"], "a statistic has a limit and a window"),
        Check::Judge(_) => (&["ok_share", "during"], "a verdict has a limit; a jury gives it"),
        _ => (
            &["min", "max", "eval_set", "jury", "every"],
            "the promise carries its limit itself; the rule says how often it must be kept",
        ),
    };
    for key in foreign {
        let (found, at) = places.key(&["evidence", "rules", &predicate.id, key]);
        if found.is_some() {
            let message = format!("`{key}` has no meaning for `{}`", check.word());
            r.error_at_key("rule_key", &(found, at), message).help(why);
        }
    }
}

fn source(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate, rule: &Rule, check: &Check) {
    let Some(source) = pact.evidence.sources.get(&rule.from).copied() else { return };
    let wanted = if matches!(check, Check::Judge(_)) { Source::Verdict } else { Source::Interaction };
    // A counterparty's incident report may count as evidence of any inline check.
    let reported = source == Source::Incident && !matches!(check, Check::Measure(_) | Check::Judge(_));
    if source == wanted || reported {
        return;
    }
    let path = ["evidence", "rules", predicate.id.as_str()];
    let message = format!("the source `{}` emits {source}; `{}` is measured on {wanted}", rule.from, check.word());
    let from = places.key(&[&path[..], &["from"]].concat());
    let report = match from.0 {
        Some(_) => r.error("no_such_evidence", &from.1, message),
        None => r.error_at_key("no_such_evidence", &places.key(&path), message),
    };
    report.help("name a source of that schema in `evidence.sources` and in `from`");
}

/// Limits that no value of the statistic could reach.
fn limits(r: &mut Reader<'_>, places: Places<'_, '_>, predicate: &Predicate, rule: &Rule, statistic: Statistic) {
    let path = ["evidence", "rules", predicate.id.as_str()];
    let place = |key: &'static str| places.at(&[&path[..], &[key]].concat());
    let within = |n: Decimal| n >= Decimal::ZERO && (!statistic.is_share() || n <= Decimal::from(1));
    let way_out = if statistic.is_share() { "`0.08` is 8 %" } else { "write 0 or more" };
    let wrong = if statistic.is_share() { "values of this statistic lie between 0 and 1" } else { "the value is never negative" };
    if rule.min.is_some_and(|min| !within(min)) {
        r.error("out_of_range", &place("min"), wrong).help(way_out);
    }
    match &rule.max {
        Some(Limit::One(max)) if !within(*max) => {
            r.error("out_of_range", &place("max"), wrong).help(way_out);
        }
        Some(Limit::One(max)) if rule.min.is_some_and(|min| min > *max) => {
            r.error("contradiction", &place("max"), format!("no value is at most {max} and at least the other limit"))
                .help("exchange the two");
        }
        Some(Limit::Each(each)) if statistic == Statistic::Drift => {
            for name in each.iter().filter(|(_, n)| !within(**n)).map(|(name, _)| name) {
                r.error("out_of_range", &places.at(&[&path[..], &["max", name]].concat()), wrong).help(way_out);
            }
        }
        Some(Limit::Each(_)) => {
            r.error("wrong_type", &place("max"), format!("`{statistic}` has one limit, not one a distribution"))
                .help("write one number; only `drift` has a limit for each distribution");
        }
        _ => {}
    }
}

/// Statistics that compare with what is normal.
fn needs_baseline(
    r: &mut Reader<'_>,
    places: Places<'_, '_>,
    pact: &Pact,
    predicate: &Predicate,
    rule: &Rule,
    measure: &MeasureCheck,
) {
    let baseline = pact.evidence.baseline.as_ref();
    match measure {
        MeasureCheck::Drift => drift(r, places, pact, predicate, rule),
        MeasureCheck::Fidelity { anchor } if !baseline.is_some_and(|b| b.anchors.contains_key(anchor)) => {
            let near = baseline.and_then(|b| nearest(anchor, b.anchors.keys().map(String::as_str)));
            let help =
                near.map_or_else(|| "add it to `evidence.baseline.anchors`".to_owned(), |near| format!("did you mean `{near}`?"));
            let place = places.inside(predicate, &["check", "anchor"]);
            r.error("no_baseline", &place, format!("the baseline has no anchor `{anchor}`")).help(help);
        }
        MeasureCheck::Rate { times_baseline: true, of, .. } => {
            let place = places.inside(predicate, &["check", "times_baseline"]);
            if !matches!(of, Count::Calls) {
                r.error("no_baseline", &place, format!("the baseline has a rate of calls, none of `{of}`"))
                    .help("count `of: calls`, or drop `times_baseline` and state the limit itself");
            } else if baseline.is_none_or(|b| b.per_hour.is_none()) {
                r.error("no_baseline", &place, "the baseline does not say how many calls an hour are normal")
                    .help("add `evidence.baseline.per_hour`");
            }
        }
        _ => {}
    }
}

/// A drift limit needs its baseline.
fn drift(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, predicate: &Predicate, rule: &Rule) {
    let path = ["evidence", "rules", predicate.id.as_str()];
    let Some(baseline) = &pact.evidence.baseline else {
        let place = places.inside(predicate, &["check", "measure"]);
        r.error("no_baseline", &place, "drift is measured against a baseline, and there is none")
            .help("add `evidence.baseline`; `servanda init --archetype` fills one");
        return;
    };
    let limits: Vec<&str> = match &rule.max {
        Some(Limit::Each(each)) => each.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    for limit in limits {
        let place = places.key(&[&path[..], &["max", limit]].concat());
        let there = match limit {
            "temporal" => !baseline.hours.is_empty(),
            "semantic" => !baseline.anchors.is_empty(),
            "overall" => true,
            other => baseline.shares.contains_key(other),
        };
        if !DISTRIBUTIONS.contains(&limit) {
            let near = nearest(limit, DISTRIBUTIONS.iter().copied());
            let help =
                near.map_or_else(|| format!("one of {}", DISTRIBUTIONS.join(", ")), |near| format!("did you mean `{near}`?"));
            r.error_at_key("unknown_word", &place, format!("`{limit}` is no distribution")).help(help);
        } else if !there {
            let missing = match limit {
                "temporal" => "hours",
                "semantic" => "anchors",
                other => other,
            };
            r.error_at_key("no_baseline", &place, format!("the baseline says nothing on `{limit}`"))
                .help(format!("add `evidence.baseline.{missing}`, or drop the limit"));
        }
    }
}

/// An anchor is named by a task type or a topic; another name is never met in traffic.
fn anchors(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, packs: &Packs) {
    let Some(baseline) = &pact.evidence.baseline else { return };
    let tasks: BTreeSet<&str> = pact.predicates.iter().flat_map(checks).flat_map(tasks).collect();
    for name in baseline.anchors.keys() {
        if packs.topic(name).is_none() && !tasks.contains(name.as_str()) {
            let place = places.key(&["evidence", "baseline", "anchors", name]);
            let span = place.0.map_or(place.1.node.span, |key| key.span);
            let near = nearest(name, tasks.iter().copied());
            let help = near.map_or_else(
                || "name it by a task type of a `set: task`, or by a topic".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            r.out
                .warning(
                    "unknown_anchor",
                    place.1.path,
                    span,
                    format!("no promise speaks of a task `{name}`, and no topic has that name"),
                )
                .help(help);
        }
    }
}

fn tasks(check: &Check) -> Vec<&str> {
    match check {
        Check::Set(set) if set.kind == SetKind::Task => set.allow.iter().flatten().chain(&set.deny).map(String::as_str).collect(),
        _ => Vec::new(),
    }
}
