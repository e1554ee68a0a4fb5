//! Renewal: the only place that decides the life of the pact. A change of identity here is C5.

use crate::base::document::Value;
use crate::pact::model::{Counters, Extend, ExtendHow, Renewal, ReviewOn, TerminateOn};
use crate::pact::term::Date;

use super::confusions;
use super::cursor::{At, Reader};

pub(super) fn renewal(r: &mut Reader<'_>, at: &At<'_>, zone: &str) -> Renewal {
    const KEYS: &[&str] = &["effective", "expires", "extend", "review_on", "terminate_on", "counters_on_extension", "change"];
    let mut out = Renewal::default();
    if !r.map(at, KEYS, Some(confusions::in_renewal)) {
        return out;
    }
    out.given = true;
    let mut date = |key: &str| at.get(key).and_then(|d| self::date(r, &d, zone));
    out.effective = date("effective");
    out.expires = date("expires");
    if let (Some(effective), Some(expires), Some(place)) = (out.effective, out.expires, at.get("expires"))
        && expires <= effective
    {
        r.error("contradiction", &place, format!("the pact would end before it begins on {effective}"))
            .help("`effective` is the first day in force, `expires` the first that is not");
    }
    out.extend = at.get("extend").and_then(|e| extend(r, &e));
    if let Some(list) = at.get("review_on") {
        for item in r.list(&list, true) {
            if !identity(r, &item) {
                out.review_on.extend(r.word(&item, ReviewOn::ALL, ReviewOn::as_str));
            }
        }
    }
    if let Some(list) = at.get("terminate_on") {
        for item in r.list(&list, true) {
            out.terminate_on.extend(terminate_on(r, &item));
        }
    }
    out.counters_on_extension = at.get("counters_on_extension").and_then(|c| r.word(&c, Counters::ALL, Counters::as_str));
    if let Some(change) = at.get("change")
        && r.map(&change, &["notice", "maintenance_after", "retire_after"], Some(confusions::in_renewal))
    {
        let mut period = |key: &str| change.get(key).and_then(|p| r.period(&p));
        out.notice = period("notice");
        out.maintenance_after = period("maintenance_after");
        out.retire_after = period("retire_after");
    }
    out
}

/// C5 in a list of events: the change of an identity calls for another pact, not for a review.
fn identity(r: &mut Reader<'_>, at: &At<'_>) -> bool {
    let is = at.node.text().is_some_and(confusions::changes_identity);
    if is {
        r.error("C5", at, "a change of identity is no matter of renewal").help(
            "another identity is another pact: write and sign a new one; for a runtime use `model_major` or `config_change`",
        );
    }
    is
}

fn date(r: &mut Reader<'_>, at: &At<'_>, zone: &str) -> Option<Date> {
    let text = r.text(at)?;
    let date = Date::parse(text, zone);
    if date.is_none() {
        r.error("bad_date", at, format!("`{text}` is no date"))
            .help("year, month and day: `2026-12-01`; it begins at 00:00 in the zone of `evidence.context`");
    }
    date
}

fn extend(r: &mut Reader<'_>, at: &At<'_>) -> Option<Extend> {
    if !r.map(at, &["by", "how", "while_tier", "notice"], Some(confusions::in_renewal)) {
        return None;
    }
    let by = r.needed(at, "by", "how long the next term is").and_then(|b| r.period(&b));
    let how = r.needed(at, "how", "automatic, manual or opt_out").and_then(|h| r.word(&h, ExtendHow::ALL, ExtendHow::as_str));
    let while_tier = at.get("while_tier").and_then(|t| r.text(&t).map(str::to_owned));
    let notice = at.get("notice").and_then(|n| r.period(&n));
    Some(Extend { by: by?, how: how?, while_tier, notice })
}

/// Triggers without a value.
const WORDS: &[&str] = &["counterparty_insolvent", "authorization_withdrawn", "model_major"];

fn terminate_on(r: &mut Reader<'_>, at: &At<'_>) -> Option<TerminateOn> {
    if identity(r, at) {
        return None;
    }
    if matches!(at.node.value, Value::Map(_)) {
        if !r.map(at, &["pause_over", "tier_below", "violations_over"], Some(confusions::in_renewal)) {
            return None;
        }
        if at.node.entries().len() != 1 {
            r.error("wrong_type", at, "one trigger an entry").help("write each as an entry of its own");
            return None;
        }
        if let Some(pause) = at.get("pause_over") {
            return r.period(&pause).map(TerminateOn::PauseOver);
        }
        if let Some(tier) = at.get("tier_below") {
            return r.text(&tier).map(|t| TerminateOn::TierBelow(t.to_owned()));
        }
        let violations = at.get("violations_over")?;
        return r.count(&violations).map(TerminateOn::ViolationsOver);
    }
    if let Some(word @ ("pause_over" | "tier_below" | "violations_over")) = at.node.text() {
        r.error("wrong_type", at, format!("`{word}` needs its value")).help(format!("for instance `{{{word}: …}}`"));
        return None;
    }
    Some(match r.word(at, WORDS, |w| w)? {
        "counterparty_insolvent" => TerminateOn::CounterpartyInsolvent,
        "authorization_withdrawn" => TerminateOn::AuthorizationWithdrawn,
        _ => TerminateOn::ModelMajor,
    })
}
