//! Penalty: consequences only. A condition here is C3, the end of the pact C4.

use std::collections::BTreeMap;

use crate::base::diagnostic::Span;
use crate::base::document::Value;
use crate::base::verdict::Severity;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Bond, Consequence, Notify, Pause, Penalty, Reach, Review, Score};

use super::confusions;
use super::cursor::{At, Reader};

pub(super) fn penalty(r: &mut Reader<'_>, at: &At<'_>) -> Option<Penalty> {
    const KEYS: &[&str] = &["critical", "major", "minor", "override", "stack", "bond", "score", "standing"];
    if !r.map(at, KEYS, Some(confusions::in_penalty)) {
        return None;
    }
    let mut out = Penalty::default();
    for severity in Severity::ALL {
        if let Some(node) = at.get(severity.as_str()) {
            out.by_severity.extend(consequence(r, &node).map(|c| (*severity, c)));
        }
    }
    if let Some(overrides) = at.get("override")
        && r.is_map(&overrides)
    {
        for (key, value) in overrides.entries() {
            if let Some(mut consequence) = consequence(r, &value) {
                consequence.span = key.span;
                out.overrides.insert(key.text.clone(), consequence);
            }
        }
    }
    out.sum = at.get("stack").and_then(|s| r.word(&s, &["worst", "sum"], |w| w)) == Some("sum");
    out.bond = at.get("bond").and_then(|b| bond(r, &b));
    out.score = at.get("score").and_then(|s| score(r, &s));
    if let Some(standing) = at.get("standing") {
        const KEYS: &[&str] = &["start", "floor", "ceiling", "gain", "loss"];
        if r.map(&standing, KEYS, Some(confusions::in_penalty)) {
            out.standing = numbers(r, &standing, KEYS);
            let one = Decimal::from(1);
            for (key, _) in out.standing.iter().filter(|(_, n)| **n < Decimal::ZERO || **n > one) {
                let place = standing.get(key).unwrap_or_else(|| standing.clone());
                r.error("out_of_range", &place, format!("`{key}` lies between 0 and 1")).help("`0.05` is 5 %");
            }
            let of = |key: &str| out.standing.get(key).copied();
            if let (Some(floor), Some(start), Some(ceiling)) = (of("floor"), of("start"), of("ceiling"))
                && !(floor <= start && start <= ceiling)
            {
                let place = standing.get("start").unwrap_or_else(|| standing.clone());
                r.error("contradiction", &place, "the start lies between floor and ceiling").help("move one of the three");
            }
        }
    }
    Some(out)
}

fn numbers(r: &mut Reader<'_>, at: &At<'_>, keys: &[&str]) -> BTreeMap<String, Decimal> {
    let entries = at.entries();
    let known = entries.iter().filter(|(k, _)| keys.is_empty() || keys.contains(&k.text.as_str()));
    known.filter_map(|(k, v)| Some((k.text.clone(), r.number(v)?))).collect()
}

fn consequence(r: &mut Reader<'_>, at: &At<'_>) -> Option<Consequence> {
    if !r.map(at, &["forfeit", "score", "pause", "review", "notify"], Some(confusions::in_penalty)) {
        return None;
    }
    let score = at.get("score").and_then(|s| {
        let n = r.number(&s)?;
        if n > Decimal::ZERO {
            r.error("out_of_range", &s, "a violation does not raise the score").help(format!("write `-{n}`"));
        }
        Some(n)
    });
    Some(Consequence {
        forfeit: at.get("forfeit").and_then(|f| r.share(&f)),
        score,
        pause: at.get("pause").and_then(|p| pause(r, &p)),
        review: at.get("review").and_then(|v| if is_end(r, &v) { None } else { r.word(&v, Review::ALL, Review::as_str) }),
        notify: at.get("notify").map_or_else(Vec::new, |n| r.words(&n, true, Notify::ALL, Notify::as_str)),
        span: if at.node.span == Span::default() { Span::default() } else { at.node.span },
    })
}

/// A value that ends the pact or says when something follows, where a consequence is wanted.
fn is_end(r: &mut Reader<'_>, at: &At<'_>) -> bool {
    let end = at.node.text().is_some_and(confusions::ends);
    if end {
        r.error("C4", at, "this ends the pact inside a consequence")
            .help("pause `until_review` here, and write what ends the pact to `renewal.terminate_on`");
    }
    let triggered = !end && at.node.text().is_some_and(confusions::is_triggered);
    if triggered {
        r.error("C3", at, "this says when it follows; a consequence only says what follows")
            .help("move the condition to the predicate, and its window or share to `evidence.rules`");
    }
    end || triggered
}

fn pause(r: &mut Reader<'_>, at: &At<'_>) -> Option<Pause> {
    if is_end(r, at) {
        return None;
    }
    let period = |r: &mut Reader<'_>, at: &At<'_>| {
        if at.node.text() == Some("until_review") { Some(None) } else { r.period(at).map(Some) }
    };
    if !matches!(at.node.value, Value::Map(_)) {
        return Some(Pause { period: period(r, at)?, reach: Reach::All });
    }
    if !r.map(at, &["for", "reach"], Some(confusions::in_penalty)) {
        return None;
    }
    let length = r.needed(at, "for", "a duration, or until_review")?;
    if is_end(r, &length) {
        return None;
    }
    let reach = at.get("reach").and_then(|v| r.word(&v, Reach::ALL, Reach::as_str)).unwrap_or(Reach::All);
    Some(Pause { period: period(r, &length)?, reach })
}

fn bond(r: &mut Reader<'_>, at: &At<'_>) -> Option<Bond> {
    if !r.map(at, &["amount", "unit", "hold"], Some(confusions::in_penalty)) {
        return None;
    }
    let amount = r.needed(at, "amount", "how much").and_then(|a| r.number(&a))?;
    let unit = r.needed(at, "unit", "of what").and_then(|u| r.text(&u).map(str::to_owned))?;
    if amount < Decimal::ZERO {
        let place = at.get("amount").unwrap_or_else(|| at.clone());
        r.error("out_of_range", &place, "a bond is not negative").help("write 0 or more");
    }
    Some(Bond { amount, unit, hold: at.get("hold").and_then(|h| r.bool(&h)).unwrap_or(false) })
}

fn score(r: &mut Reader<'_>, at: &At<'_>) -> Option<Score> {
    if !r.map(at, &["scale", "start", "weights", "tiers"], Some(confusions::in_penalty)) {
        return None;
    }
    let scale = at.get("scale").and_then(|s| r.number(&s)).unwrap_or_else(|| Decimal::from(1000));
    let start = r.needed(at, "start", "where the account begins").and_then(|s| r.number(&s))?;
    if start < Decimal::ZERO || start > scale {
        let place = at.get("start").unwrap_or_else(|| at.clone());
        r.error("out_of_range", &place, format!("the start lies between 0 and {scale}"))
            .help("`scale` is the top of the score, 1000 when it is not given");
    }
    let mut map = |key: &str| {
        let Some(node) = at.get(key) else { return BTreeMap::new() };
        let found = if r.is_map(&node) { numbers(r, &node, &[]) } else { BTreeMap::new() };
        for (name, _) in found.iter().filter(|(_, n)| **n < Decimal::ZERO) {
            let place = node.get(name).unwrap_or_else(|| node.clone());
            r.error("out_of_range", &place, format!("`{name}` is not negative")).help("write 0 or more");
        }
        found
    };
    let (weights, tiers) = (map("weights"), map("tiers"));
    Some(Score { scale, start, weights, tiers })
}
