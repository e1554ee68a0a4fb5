//! Rules between penalty, renewal and the rest: what follows must be able to follow, and what ends the pact
//! must be said where the end belongs.

use std::collections::BTreeSet;

use crate::base::diagnostic::nearest;
use crate::base::verdict::Severity;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Check, Consequence, Notify, Pact, Penalty, Predicate, ReviewOn, Share, TerminateOn};
use crate::pact::term::Window;

use super::couplings::checks;
use super::cursor::Reader;
use super::places::Places;

pub(super) fn consequences(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact) {
    if let Some(penalty) = &pact.penalty {
        overrides(r, places, penalty);
        opinions(r, places, pact, penalty);
        for (path, consequence) in each(penalty) {
            told(r, places, pact, &path, consequence);
            pauses(r, places, pact, &path, consequence);
        }
        let forfeits = each(penalty).find(|(_, c)| c.forfeit.is_some_and(|f| f > Share(0)));
        if let (Some((path, _)), None) = (forfeits, &penalty.bond) {
            let place = places.at(&path.iter().map(String::as_str).chain(["forfeit"]).collect::<Vec<_>>());
            r.warning("no_bond", &place, "a share of the bond is forfeited, and there is no bond")
                .help("add `bond: {amount: …, unit: …}` to `penalty`");
        }
        accounts(r, places, pact, penalty);
        for severity in Severity::ALL {
            // One whose severity could not be read has been told of.
            let read = |p: &Predicate| {
                places.predicate(p).get("severity").is_none_or(|s| s.node.text().is_some_and(|t| Severity::parse(t).is_some()))
            };
            let of = |p: &&Predicate| p.severity == *severity && !penalty.overrides.contains_key(&p.id);
            let used = pact.predicates.iter().filter(of).any(read);
            if used && !penalty.by_severity.contains_key(severity) {
                let place = places.key(&["penalty"]);
                let span = place.0.map_or(place.1.node.span, |key| key.span);
                r.out
                    .warning("no_consequence", "penalty", span, format!("nothing follows from a {severity} violation"))
                    .help(format!("add `{severity}: {{…}}`"));
            }
        }
    }
    term(r, places, pact);
}

/// Every consequence with the path of its entry.
fn each(penalty: &Penalty) -> impl Iterator<Item = (Vec<String>, &Consequence)> {
    let path = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect();
    let severities = penalty.by_severity.iter().map(move |(s, c)| (path(&["penalty", s.as_str()]), c));
    severities.chain(penalty.overrides.iter().map(move |(id, c)| (path(&["penalty", "override", id]), c)))
}

fn overrides(r: &mut Reader<'_>, places: Places<'_, '_>, penalty: &Penalty) {
    let known = places.ids();
    for id in penalty.overrides.keys().filter(|id| !known.contains(id)) {
        let near = nearest(id, known.iter().map(String::as_str));
        let help = near
            .map_or_else(|| "an override stands under the id of its predicate".to_owned(), |n| format!("did you mean `{n}`?"));
        let place = places.key(&["penalty", "override", id]);
        r.error_at_key("unknown_predicate", &place, format!("there is no predicate `{id}`")).help(help);
    }
}

/// What cannot be taken back should not hang on what can be argued about.
fn opinions(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, penalty: &Penalty) {
    for predicate in pact.predicates.iter().filter(|p| checks(p).any(|c| matches!(c, Check::Judge(_)))) {
        let overridden = penalty.overrides.contains_key(&predicate.id);
        let own = penalty.overrides.get(&predicate.id).or_else(|| penalty.by_severity.get(&predicate.severity));
        if own.and_then(|c| c.forfeit) == Some(Share::ONE) {
            let severity = predicate.severity.as_str();
            let path = if overridden {
                vec!["penalty", "override", &predicate.id, "forfeit"]
            } else {
                vec!["penalty", severity, "forfeit"]
            };
            let message = format!("`{}` is judged by opinion and forfeits the whole bond", predicate.id);
            r.warning("judged_forfeit", &places.at(&path), message)
                .help(format!("add a smaller forfeit: `override: {{{}: {{forfeit: 0.5}}}}`", predicate.id));
        }
    }
}

fn told(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, path: &[String], consequence: &Consequence) {
    if consequence.notify.contains(&Notify::Guarantor) && pact.subject.guarantor.is_none() {
        let path: Vec<&str> = path.iter().map(String::as_str).chain(["notify"]).collect();
        r.warning("no_guarantor", &places.at(&path), "the guarantor is to be told, and the subject names none")
            .help("add `subject.guarantor`, or drop it from `notify`");
    }
}

/// A fixed pause that ends the pact by itself would be a termination in disguise.
fn pauses(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, path: &[String], consequence: &Consequence) {
    let longest = pact.renewal.terminate_on.iter().find_map(|t| if let TerminateOn::PauseOver(p) = t { Some(*p) } else { None });
    if let (Some(limit), Some(pause)) = (longest, consequence.pause.as_ref().and_then(|p| p.period))
        && pause.about_seconds() >= limit.about_seconds()
    {
        let path: Vec<&str> = path.iter().map(String::as_str).chain(["pause", "for"]).collect();
        let message = format!("this pause is not shorter than the {limit} after which a pause ends the pact");
        r.error("pause_ends_pact", &places.at(&path), message)
            .help("shorten it, or lengthen `pause_over` in `renewal.terminate_on`");
    }
}

fn accounts(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact, penalty: &Penalty) {
    let Some(score) = &penalty.score else { return };
    let used: BTreeSet<&str> = pact.predicates.iter().map(|p| p.dimension.as_str()).filter(|d| !d.is_empty()).collect();
    for dimension in used.iter().filter(|d| !score.weights.contains_key(**d)) {
        let weights = places.key(&["penalty", "score", "weights"]);
        let place = if weights.0.is_some() { weights } else { places.key(&["penalty", "score"]) };
        let near = nearest(dimension, score.weights.keys().map(String::as_str).filter(|w| !used.contains(w)));
        let help = near.map_or_else(
            || format!("add `{dimension}: 1` to `penalty.score.weights`"),
            |near| format!("the weight `{near}` belongs to no predicate; is it this one?"),
        );
        r.error_at_key("no_weight", &place, format!("the dimension `{dimension}` is in use and has no weight")).help(help);
    }
    if !score.weights.is_empty() && score.weights.values().all(|w| *w == Decimal::ZERO) {
        r.error("out_of_range", &places.at(&["penalty", "score", "weights"]), "a score whose weights are all 0 has no value")
            .help("give at least one dimension a weight above 0");
    }
    for (tier, least) in score.tiers.iter().filter(|(_, least)| **least > score.scale) {
        let message = format!("nobody reaches `{tier}`: {least} is above the scale of {}", score.scale);
        r.error("out_of_range", &places.at(&["penalty", "score", "tiers", tier]), message)
            .help("lower the tier, or raise `scale` (1000 when it is not given)");
    }
    let mut seen: Vec<(&Decimal, &str)> = Vec::new();
    for (tier, least) in &score.tiers {
        if let Some((_, other)) = seen.iter().find(|(n, _)| *n == least) {
            let message = format!("`{tier}` and `{other}` begin at the same score");
            r.error("contradiction", &places.at(&["penalty", "score", "tiers", tier]), message)
                .help("give each its own least score");
        }
        seen.push((least, tier));
    }
}

fn term(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact) {
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
                let place = places.at(&["evidence", "rules", id, "window"]);
                r.error("window_over_term", &place, "the window is longer than the term of the pact")
                    .help("shorten the window, or lengthen the term");
            }
        }
        if renewal.counters_on_extension.is_none() {
            let message = "a term needs `counters_on_extension`: what happens to counts that are under way when it is extended";
            r.error_at_key("missing_key", &places.key(&["renewal"]), message)
                .help("add `counters_on_extension: reset`, or `carry`");
        }
        if let Some(notice) = renewal.notice
            && length > notice.about_seconds()
            && !renewal.review_on.iter().any(|on| matches!(on, ReviewOn::ModelMajor | ReviewOn::ModelChange))
        {
            let place = if renewal.review_on.is_empty() {
                ["renewal", "change", "notice"].to_vec()
            } else {
                ["renewal", "review_on"].to_vec()
            };
            r.warning(
                "no_model_review",
                &places.at(&place),
                "the term is longer than the notice for a change, and a new model calls for no review",
            )
            .help("add `model_major` to `review_on`");
        }
        if let Some(ahead) = renewal.extend.as_ref().and_then(|e| e.notice)
            && ahead.about_seconds() >= length
        {
            r.error("contradiction", &places.at(&["renewal", "extend", "notice"]), "the notice is longer than the term it ends")
                .help("shorten the notice, or lengthen the term");
        }
    }
    if let (Some(maintenance), Some(retire)) = (renewal.maintenance_after, renewal.retire_after)
        && retire.about_seconds() < maintenance.about_seconds()
    {
        let place = places.at(&["renewal", "change", "retire_after"]);
        r.error("contradiction", &place, "an old version would retire before its maintenance begins")
            .help("lengthen `retire_after`, or shorten `maintenance_after`");
    }
    tiers(r, places, pact);
}

fn tiers(r: &mut Reader<'_>, places: Places<'_, '_>, pact: &Pact) {
    let score = pact.penalty.as_ref().and_then(|p| p.score.as_ref());
    let known: Vec<&str> = score.iter().flat_map(|s| s.tiers.keys().map(String::as_str)).collect();
    let renewal = places.at(&["renewal"]);
    let ends = renewal.get("terminate_on").map_or_else(Vec::new, |list| list.items());
    let ends = ends.iter().filter_map(|item| item.get("tier_below"));
    let goes_on = renewal.get("extend").and_then(|e| e.get("while_tier"));
    for tier in ends.chain(goes_on) {
        let Some(text) = tier.node.text().filter(|text| !known.contains(text)) else { continue };
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "`penalty.score.tiers` names none yet".to_owned(),
            None => format!("tiers of `penalty.score.tiers`: {}", known.join(", ")),
        };
        r.error("unknown_tier", &tier, format!("there is no tier `{text}`")).help(help);
    }
}
