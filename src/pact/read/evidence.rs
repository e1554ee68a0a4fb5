//! Evidence: sources, context, rules, baseline and signals. Every number that needs a window stands here.

use std::collections::BTreeMap;

use crate::base::document::Value;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Anchor, Baseline, Evidence, Limit, Rule, Signals, Source};
use crate::pact::term::is_zone;

use super::cursor::{At, Reader};

/// The zone of `evidence.context`, read before anything that needs it; UTC when there is none.
pub(super) fn zone(root: &At<'_>) -> String {
    let zone = root.get("evidence").and_then(|e| e.get("context")).and_then(|c| c.get("timezone"));
    zone.and_then(|z| z.node.text().filter(|z| is_zone(z)).map(str::to_owned)).unwrap_or_else(|| "UTC".to_owned())
}

pub(super) fn evidence(r: &mut Reader<'_>, at: Option<&At<'_>>, zone: String) -> Evidence {
    let mut out = Evidence {
        given: false,
        sources: BTreeMap::from([("guard".to_owned(), Source::Interaction)]),
        timezone: zone,
        business_hours: None,
        rules: BTreeMap::new(),
        baseline: None,
        signals: None,
    };
    let Some(at) = at else { return out };
    if !r.map(at, &["sources", "context", "rules", "baseline", "signals"], None) {
        return out;
    }
    out.given = true;
    if let Some(sources) = at.get("sources")
        && r.is_map(&sources)
    {
        for (key, value) in sources.entries() {
            let source = r.word(&value, Source::ALL, Source::as_str);
            if key.text == "guard" && source.is_some_and(|s| s != Source::Interaction) {
                r.error("unknown_word", &value, "the guard emits interaction/1")
                    .help("write `guard: interaction/1`; name another source for other evidence");
            }
            out.sources.extend(source.map(|s| (key.text.clone(), s)));
        }
    }
    if let Some(context) = at.get("context") {
        out.business_hours = self::context(r, &context);
    }
    if let Some(rules) = at.get("rules")
        && r.is_map(&rules)
    {
        for (key, value) in rules.entries() {
            if let Some(rule) = rule(r, &value, &out, key.span) {
                out.rules.insert(key.text.clone(), rule);
            }
        }
    }
    out.baseline = at.get("baseline").and_then(|b| baseline(r, &b));
    out.signals = at.get("signals").and_then(|s| signals(r, &s));
    out
}

fn context(r: &mut Reader<'_>, at: &At<'_>) -> Option<(u8, u8)> {
    if !r.map(at, &["timezone", "business_hours"], None) {
        return None;
    }
    if let Some(zone) = at.get("timezone")
        && let Some(text) = r.text(&zone)
        && !is_zone(text)
    {
        r.error("bad_zone", &zone, format!("there is no time zone `{text}`"))
            .help("an IANA name such as `Europe/Berlin` or `UTC`");
    }
    let hours = at.get("business_hours")?;
    let text = r.text(&hours)?;
    let parsed = text.split_once('-').and_then(|(from, to)| Some((from.parse::<u8>().ok()?, to.parse::<u8>().ok()?)));
    let fits = parsed.filter(|(from, to)| from < to && *to <= 24);
    if fits.is_none() {
        r.error("bad_hours", &hours, "these are no business hours").help("from and to hour within one day: `\"09-21\"`");
    }
    fits
}

fn rule(r: &mut Reader<'_>, at: &At<'_>, evidence: &Evidence, span: crate::base::diagnostic::Span) -> Option<Rule> {
    const KEYS: &[&str] = &["from", "ok_share", "min", "max", "window", "min_samples", "during", "eval_set", "jury", "every"];
    if !r.map(at, KEYS, None) {
        return None;
    }
    let from = match at.get("from") {
        None => "guard".to_owned(),
        Some(from) => {
            let text = r.text(&from).unwrap_or("guard").to_owned();
            r.known("unknown_source", &from, &text, "source", evidence.sources.keys().map(String::as_str));
            text
        }
    };
    let ok_share = at.get("ok_share").and_then(|v| r.share(&v));
    let min = at.get("min").and_then(|v| r.number(&v));
    let max = at.get("max").and_then(|v| match v.node.value {
        Value::Map(_) => {
            Some(Limit::Each(v.entries().iter().filter_map(|(k, v)| Some((k.text.clone(), r.number(v)?))).collect()))
        }
        _ => r.number(&v).map(Limit::One),
    });
    let window = at.get("window").and_then(|v| r.window(&v));
    let min_samples = at.get("min_samples").and_then(|v| r.count(&v));
    let during = at.get("during").and_then(|v| r.word(&v, &["business_hours"], |w| w).map(|_| v));
    if let Some(place) = &during
        && evidence.business_hours.is_none()
    {
        r.error("missing_key", place, "the context names no business hours")
            .help("add `business_hours: \"09-21\"` to `evidence.context`");
    }
    if let (Some(share), None) = (at.get("ok_share"), at.get("window")) {
        r.error("missing_key", &share, "a share needs the `window` over which it is counted").help("for instance `window: 24h`");
    }
    let jury = at.get("jury").and_then(|j| {
        if !r.map(&j, &["size", "trim"], None) {
            return None;
        }
        let size = r.needed(&j, "size", "how many judge").and_then(|s| r.small(&s))?;
        let trim = j.get("trim").and_then(|t| r.share(&t)).unwrap_or(crate::pact::model::Share(0));
        if size == 0 || trim.0 >= 500_000 {
            r.error("out_of_range", &j, "nobody is left to judge").help("a size of at least one, a trim below 0.5 at each end");
        }
        Some((size, trim))
    });
    Some(Rule {
        from,
        ok_share,
        min,
        max,
        window,
        min_samples,
        business_hours_only: during.is_some(),
        eval_set: at.get("eval_set").and_then(|v| r.text(&v).map(str::to_owned)),
        jury,
        every: at.get("every").and_then(|v| r.period(&v)),
        span,
    })
}

/// Shares of one distribution, which add up to one.
fn shares(r: &mut Reader<'_>, at: &At<'_>) -> Option<BTreeMap<String, Decimal>> {
    if !r.is_map(at) {
        return None;
    }
    let mut out = BTreeMap::new();
    let mut sum = Some(Decimal::ZERO);
    for (key, value) in at.entries() {
        let share = r.number(&value)?;
        sum = sum.and_then(|s| s.checked_add(share));
        if share < Decimal::ZERO {
            r.error("out_of_range", &value, "a share is not negative").help("between 0 and 1");
        }
        out.insert(key.text.clone(), share);
    }
    let one = Decimal::from(1);
    let near = |s: Decimal| {
        s.checked_sub(one).is_some_and(|d| d.checked_mul(Decimal::from(1000)).is_some_and(|d| d <= one && d >= one.negated()))
    };
    if !out.is_empty() && !sum.is_some_and(near) {
        let shown = sum.map_or_else(String::new, |s| format!(", these to {s}"));
        r.error("bad_shares", at, format!("the shares of a distribution add up to 1{shown}"))
            .help("name what is missing, or divide each by their sum");
    }
    Some(out)
}

fn baseline(r: &mut Reader<'_>, at: &At<'_>) -> Option<Baseline> {
    const SHARES: &[&str] = &["action", "target", "outcome"];
    if !r.map(at, &["action", "target", "outcome", "hours", "per_hour", "anchors"], None) {
        return None;
    }
    let mut out = Baseline::default();
    for name in SHARES {
        if let Some(node) = at.get(name) {
            out.shares.extend(shares(r, &node).map(|s| ((*name).to_owned(), s)));
        }
    }
    if let Some(hours) = at.get("hours") {
        out.hours = self::hours(r, &hours);
    }
    if let Some(per_hour) = at.get("per_hour") {
        out.per_hour = r.number(&per_hour);
        if out.per_hour.is_some_and(|n| n <= Decimal::ZERO) {
            r.error("out_of_range", &per_hour, "calls an hour are more than none").help("the mean of a normal day, or drop it");
        }
    }
    if let Some(anchors) = at.get("anchors")
        && r.is_map(&anchors)
    {
        for (key, value) in anchors.entries() {
            if !r.map(&value, &["action", "target", "tolerance"], None) {
                continue;
            }
            let mut anchor = Anchor { shares: BTreeMap::new(), tolerance: value.get("tolerance").and_then(|t| r.number(&t)) };
            for name in ["action", "target"] {
                if let Some(node) = value.get(name) {
                    anchor.shares.extend(shares(r, &node).map(|s| (name.to_owned(), s)));
                }
            }
            out.anchors.insert(key.text.clone(), anchor);
        }
    }
    Some(out)
}

/// 24 or 168 shares, or `{from, to}` spread evenly.
fn hours(r: &mut Reader<'_>, at: &At<'_>) -> Vec<Decimal> {
    if matches!(at.node.value, Value::List(_)) {
        let items = r.list(at, false);
        let shares: Vec<Decimal> = items.iter().filter_map(|i| r.number(i)).collect();
        if shares.len() != 24 && shares.len() != 168 {
            r.error("bad_hours", at, format!("{} shares; there are 24 hours a day and 168 a week", items.len()))
                .help("one share an hour, or `{from: 8, to: 18}`");
        }
        return shares;
    }
    if !r.map(at, &["from", "to"], None) {
        return Vec::new();
    }
    let mut hour = |key: &str| r.needed(at, key, "an hour").and_then(|h| r.count(&h)).and_then(|h| usize::try_from(h).ok());
    let (Some(from), Some(to)) = (hour("from"), hour("to")) else { return Vec::new() };
    if from >= to || to > 24 {
        r.error("bad_hours", at, "from an hour to a later one of the same day").help("for instance `{from: 8, to: 18}`");
        return Vec::new();
    }
    // Weights; whoever compares divides by their sum.
    (0..24).map(|h| Decimal::from(i64::from((from..to).contains(&h)))).collect()
}

fn signals(r: &mut Reader<'_>, at: &At<'_>) -> Option<Signals> {
    const KINDS: &[&str] = &["violated", "compliant", "declined", "succeeded"];
    if !r.map(at, &["keep", "per_predicate", "in_total"], None) {
        return None;
    }
    let mut out = Signals {
        keep: BTreeMap::new(),
        per_predicate: at.get("per_predicate").and_then(|v| r.small(&v)),
        in_total: at.get("in_total").and_then(|v| r.small(&v)),
    };
    if let Some(keep) = at.get("keep")
        && r.map(&keep, KINDS, None)
    {
        for (key, value) in keep.entries().iter().filter(|(k, _)| KINDS.contains(&k.text.as_str())) {
            out.keep.extend(r.period(value).map(|p| (key.text.clone(), p)));
        }
    }
    Some(out)
}
