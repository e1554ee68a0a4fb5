//! Checks: the eight words a predicate may check with, each with its own keys, and where each can run.

use std::collections::BTreeSet;

use crate::base::diagnostic::nearest;
use crate::base::names::{DataCategory, Stage};
use crate::pact::args;
use crate::pact::condition;
use crate::pact::decimal::Decimal;
use crate::pact::model::{BoundCheck, Check, MatchCheck, Quantity, SetCheck, SetKind};
use crate::scan::host::HostRule;

use super::confusions;
use super::cursor::{At, Reader};
use super::measure;
use super::names::Names;

/// Where a check can run.
pub(super) fn stages(check: &Check) -> &'static [Stage] {
    use Stage::{Call, Egress, End, Request, Response, Result, Window};
    match check {
        Check::Set(set) => match set.kind {
            SetKind::Tool | SetKind::Target | SetKind::Action => &[Call],
            SetKind::Host => &[Call, Egress],
            SetKind::LinkHost => &[Request, Result, Response],
            SetKind::Task | SetKind::Data => &[Request, Call, Result, Response, Egress],
        },
        Check::Match(_) => &[Request, Call, Result, Response, Egress],
        Check::Args(_) => &[Call],
        Check::Require(_) => &[Request, Call, Result, Response, Egress, End],
        Check::Bound(bound) => match bound.quantity {
            Quantity::OpenTasks => &[Request],
            Quantity::LatencyMs | Quantity::TokensIn | Quantity::TokensOut | Quantity::Cost | Quantity::ReplyChars => &[End],
            Quantity::LocalHour => &[Request, Call, Result, Response, Egress, End],
            Quantity::ArgsBytes => &[Call],
            Quantity::Turns => &[Request, End],
        },
        Check::Flow(_) => &[Call, Response, Egress],
        Check::Measure(_) => &[Window],
        Check::Judge(_) => &[End],
    }
}

const WORDS: &[&str] = &["set", "match", "args", "require", "bound", "flow", "measure", "judge"];

pub(super) fn check(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<Check> {
    if !r.is_map(at) {
        return None;
    }
    let found: Vec<&str> = WORDS.iter().copied().filter(|w| at.node.get(w).is_some()).collect();
    let word = match found[..] {
        [word] => word,
        [] => {
            let near = at.node.entries().iter().find_map(|(k, _)| nearest(&k.text, WORDS.iter().copied()));
            let help = near.map_or_else(|| format!("one of {}", WORDS.join(", ")), |near| format!("did you mean `{near}`?"));
            r.error("missing_key", at, "a check says by one word what it checks").help(help);
            return None;
        }
        _ => {
            let message = format!("a check has one of these words, not {}", found.join(" and "));
            r.error("two_checks", at, message).help("make two predicates of it");
            return None;
        }
    };
    let own = at.get(word)?;
    match word {
        "set" => set(r, at, &own, names).map(Check::Set),
        "match" => matching(r, at, &own, names).map(Check::Match),
        "args" => {
            r.map(at, &["args"], Some(confusions::in_predicate));
            args::compile(own.node, &own.path, &mut r.out).map(Check::Args)
        }
        "require" => {
            r.map(at, &["require"], Some(confusions::in_predicate));
            condition(r, &own, names).map(Check::Require)
        }
        "bound" => bound(r, at, &own).map(Check::Bound),
        "flow" => measure::flow(r, at, &own, names).map(Check::Flow),
        "measure" => measure::measure(r, at, &own, names).map(Check::Measure),
        _ => {
            r.map(at, &["judge"], Some(confusions::in_predicate));
            r.text(&own).map(|name| Check::Judge(name.to_owned()))
        }
    }
}

/// A condition in a quoted scalar.
pub(super) fn condition(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<condition::Expr> {
    if at.node.plain && at.node.span.end > at.node.span.start {
        let written = r.source.get(at.node.span.start..at.node.span.end).unwrap_or_default();
        let help = format!("write '{}'", written.replace('\'', "''"));
        r.error("unquoted_condition", at, "a condition stands in quotes, since YAML would read parts of it").help(help);
    }
    let text = r.text(at)?;
    match condition::parse(text, r.anchor(at), &at.path, &names.scope()) {
        Ok(expr) => Some(expr),
        Err(mistakes) => {
            r.out.extend(mistakes);
            None
        }
    }
}

fn set(r: &mut Reader<'_>, at: &At<'_>, own: &At<'_>, names: &Names<'_>) -> Option<SetCheck> {
    r.map(at, &["set", "allow", "deny"], Some(confusions::in_predicate));
    let kind = r.word(own, SetKind::ALL, SetKind::as_str)?;
    let (allow, deny) = (at.get("allow"), at.get("deny"));
    if allow.is_none() && deny.is_none() {
        r.error("missing_key", at, "a set without `allow` and `deny` forbids nothing").help("add one of them");
    }
    let mut members = |list: Option<At<'_>>, allowed: bool| {
        list.map(|list| {
            let items = r.list(&list, true);
            let texts: Vec<String> =
                items.iter().filter_map(|item| r.text(item).map(|t| member(r, item, t, kind, allowed, names))).collect();
            if texts.is_empty() && !allowed {
                r.warning("empty_list", &list, "nothing is denied").help("name what is, or drop the list");
            }
            texts
        })
    };
    let allow = members(allow, true);
    let deny = members(deny, false).unwrap_or_default();
    if let Some(both) = allow.iter().flatten().find(|a| deny.contains(a)) {
        let list = at.get("deny").unwrap_or_else(|| at.clone());
        let place = list.items().into_iter().find(|item| item.node.text() == Some(both)).unwrap_or(list);
        r.error("contradiction", &place, format!("`{both}` is allowed and denied")).help("keep it in one of the lists");
    }
    Some(SetCheck { kind, allow, deny })
}

fn member(r: &mut Reader<'_>, at: &At<'_>, text: &str, kind: SetKind, allowed: bool, names: &Names<'_>) -> String {
    match kind {
        SetKind::Tool if allowed => r.known("unknown_tool", at, text, "tool", names.tools.iter().map(|t| t.name.as_str())),
        SetKind::Data => {
            r.known("unknown_word", at, text, "data category", DataCategory::ALL.iter().map(|c| c.as_str()));
        }
        SetKind::Target => {
            r.known("unknown_word", at, text, "target in the catalogue", names.tools.iter().filter_map(|t| t.target.as_deref()));
        }
        SetKind::Action => {
            r.known("unknown_word", at, text, "action in the catalogue", names.tools.iter().filter_map(|t| t.action.as_deref()));
        }
        SetKind::Host | SetKind::LinkHost if HostRule::parse(text).is_none() => {
            r.error("bad_host", at, format!("`{text}` is no host"))
                .help("`api.acme.example`, `api.acme.example:8443` or `*.acme.example`, without scheme and path");
        }
        _ => {}
    }
    text.to_owned()
}

fn matching(r: &mut Reader<'_>, at: &At<'_>, own: &At<'_>, names: &Names<'_>) -> Option<MatchCheck> {
    r.map(at, &["match", "except", "min_score"], Some(confusions::in_predicate));
    let labels = labels(r, own, names);
    let except = at.get("except").map_or_else(Vec::new, |e| self::labels(r, &e, names));
    if labels.is_empty() {
        r.error("missing_key", own, "a match without labels finds nothing").help("for instance `match: [pii, own.rivals]`");
        return None;
    }
    let mut min_score_bp = 0;
    if let Some(score) = at.get("min_score")
        && let Some(share) = r.share(&score)
    {
        min_score_bp = u16::try_from(share.0 / 100).unwrap_or(10_000);
    }
    Some(MatchCheck { labels, except, min_score_bp })
}

fn labels(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for item in r.list(at, true) {
        let Some(text) = r.text(&item) else { continue };
        let known = match text.strip_prefix("own.") {
            Some(own) => names.detectors.iter().any(|d| d.name == own),
            None => text == "own" || names.packs.select(text).next().is_some(),
        };
        if text == "topic" || text.starts_with("topic.") {
            r.error("unknown_label", &item, "a topic is the sum of a whole task text, not a place in it that could match")
                .help("deny it by `set: task`, or ask for it in a condition: `'\"tax_advice\" in topics'`");
        } else if !known {
            let all = names.packs.labels();
            let own: Vec<String> = names.detectors.iter().map(|d| format!("own.{}", d.name)).collect();
            let families: BTreeSet<&str> = all.iter().filter_map(|l| l.split('.').next()).collect();
            let candidates = all.iter().copied().chain(own.iter().map(String::as_str)).chain(families.iter().copied());
            let help = nearest(text, candidates).map_or_else(
                || format!("families: {}, own", families.iter().copied().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            r.error("unknown_label", &item, format!("no detector gives the label `{text}`")).help(help);
        }
        out.push(text.to_owned());
    }
    out
}

fn bound(r: &mut Reader<'_>, at: &At<'_>, own: &At<'_>) -> Option<BoundCheck> {
    r.map(at, &["bound", "min", "max"], Some(confusions::in_predicate));
    let quantity = r.word(own, Quantity::ALL, Quantity::as_str);
    let mut limit = |key: &str| at.get(key).and_then(|l| r.number(&l));
    let (min, max) = (limit("min"), limit("max"));
    if at.get("min").is_none() && at.get("max").is_none() {
        r.error("missing_key", at, "a bound without `min` and `max` forbids nothing").help("add one of them");
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let place = at.get("max").unwrap_or_else(|| at.clone());
        r.error("contradiction", &place, format!("nothing is at least {min} and at most {max}")).help("exchange the two");
    }
    for (key, limit) in [("min", min), ("max", max)] {
        if let (Some(limit), Some(place)) = (limit, at.get(key))
            && limit < Decimal::ZERO
        {
            r.error("out_of_range", &place, "these quantities are never negative").help("write 0 or more");
        }
    }
    Some(BoundCheck { quantity: quantity?, min, max })
}
