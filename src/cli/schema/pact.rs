//! The schema of a pact.

use serde_json::{Value, json};

use super::{closed, count, date, did, head, list, map, number, one_or_many, period, share, text, truth, version, words};
use crate::base::names::{DataCategory, Lane, Stage};
use crate::base::verdict::{Act, Severity};
use crate::pact::constraint;
use crate::pact::model::{Counters, Effect, ExtendHow, Notify, Per, Quantity, Reach, Results, Review, ReviewOn, SetKind, Source};
use crate::pact::model::{Statistic, TerminateOn};

pub(super) fn schema() -> Value {
    let body = closed(
        json!({
            "format": {"const": 1},
            "pact": id(),
            "version": version(),
            "subject": subject(),
            "packs": map(json!({"type": "string", "pattern": "^[0-9]+$"})),
            "facts": map(json!({"anyOf": [words(["string", "number", "bool"]), closed(json!({"type": words(["string", "number", "bool"]), "unit": text()}), &["type"])]})),
            "tools": map(tool()),
            "detectors": map(detector()),
            "predicates": list(predicate()),
            "evidence": evidence(),
            "penalty": penalty(),
            "renewal": renewal(),
            "terms": {"type": "object"},
            "cases": list(case()),
            "signatures": list(closed(
                json!({"at": {"type": "integer"}, "by": did(), "key": text(), "role": text(), "signature": text()}),
                &["at", "by", "key", "role", "signature"],
            )),
        }),
        &["format"],
    );
    head("Pact", "What an agent promises, how that is measured, what follows from a breach, until when.", body)
}

fn id() -> Value {
    json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"})
}

fn acts() -> Value {
    words(Act::ALL.iter().map(|a| a.as_str()))
}

fn stages() -> Value {
    words(Stage::ALL.iter().map(|s| s.as_str()))
}

fn categories() -> Value {
    words(DataCategory::ALL.iter().map(|c| c.as_str()))
}

fn subject() -> Value {
    let runtime = closed(json!({"model": text(), "model_version": text(), "config_hash": text()}), &["model"]);
    closed(
        json!({
            "agent": did(),
            "agent_key": {"type": "string", "pattern": "^z"},
            "runtimes": list(runtime),
            "counterparty": did(),
            "guarantor": did(),
            "capability": text(),
            "archetype": text(),
            "credential": closed(json!({"id": text()}), &["id"]),
        }),
        &[],
    )
}

fn tool() -> Value {
    closed(
        json!({
            "action": text(),
            "target": text(),
            "effect": words(Effect::ALL.iter().map(|e| e.as_str())),
            "results": words(Results::ALL.iter().map(|r| r.as_str())),
            "data": one_or_many(categories()),
            "reversible": truth(),
            "aliases": one_or_many(text()),
            "server": text(),
        }),
        &[],
    )
}

fn detector() -> Value {
    closed(json!({"phrases": one_or_many(text()), "regex": text(), "bytes_max": count(), "category": categories()}), &[])
}

fn predicate() -> Value {
    let act = json!({"anyOf": [acts(), {"type": "object", "propertyNames": stages(), "additionalProperties": acts()}]});
    closed(
        json!({
            "id": id(),
            "constraint": words(constraint::all().iter().map(|c| c.name.as_str())),
            "dimension": text(),
            "severity": words(Severity::ALL.iter().map(|s| s.as_str())),
            "at": one_or_many(stages()),
            "lane": one_or_many(words(Lane::ALL.iter().map(|l| l.as_str()))),
            "where": text(),
            "unless": text(),
            "check": check(),
            "act": act,
            "unread": {"const": "block"},
            "approve": closed(json!({"who": one_or_many(did()), "need": count(), "within": period()}), &["who", "within"]),
        }),
        &[],
    )
}

fn check() -> Value {
    let statistics = Statistic::ALL.iter().map(|s| s.as_str());
    json!({"oneOf": [
        closed(json!({"set": words(SetKind::ALL.iter().map(|k| k.as_str())), "allow": one_or_many(text()), "deny": one_or_many(text())}), &["set"]),
        closed(json!({"match": one_or_many(text()), "except": one_or_many(text()), "min_score": share()}), &["match"]),
        closed(json!({"args": {"type": ["object", "boolean"]}}), &["args"]),
        closed(json!({"require": text()}), &["require"]),
        closed(json!({"bound": words(Quantity::ALL.iter().map(|q| q.as_str())), "min": number(), "max": number()}), &["bound"]),
        closed(json!({"flow": closed(json!({"from": one_or_many(text()), "into": one_or_many(text()), "carried": truth()}), &["from"])}), &["flow"]),
        closed(
            json!({
                "measure": words(statistics),
                "of": text(),
                "q": share(),
                "is": {"type": ["string", "boolean"]},
                "num": text(),
                "den": text(),
                "per": {"anyOf": [words(Per::ALL.iter().map(|p| p.as_str())), period()]},
                "times_baseline": truth(),
                "anchor": text(),
            }),
            &["measure"],
        ),
        closed(json!({"judge": text()}), &["judge"]),
    ]})
}

fn evidence() -> Value {
    let shares = || map(share());
    let rule = closed(
        json!({
            "from": text(),
            "ok_share": share(),
            "min": number(),
            "max": {"anyOf": [number(), map(number())]},
            "window": {"type": "string", "pattern": "^[0-9]+(n|s|m|h|d|w|mo)$"},
            "min_samples": count(),
            "during": {"const": "business_hours"},
            "eval_set": text(),
            "jury": closed(json!({"size": count(), "trim": share()}), &["size"]),
            "every": period(),
        }),
        &[],
    );
    let hours = json!({"anyOf": [list(number()), closed(json!({"from": count(), "to": count()}), &["from", "to"])]});
    let anchor = closed(json!({"action": shares(), "target": shares(), "outcome": shares(), "tolerance": share()}), &[]);
    closed(
        json!({
            "sources": map(words(Source::ALL.iter().map(|s| s.as_str()))),
            "context": closed(json!({"timezone": text(), "business_hours": {"type": "string", "pattern": "^[0-9]{1,2}-[0-9]{1,2}$"}}), &[]),
            "rules": map(rule),
            "baseline": closed(json!({"action": shares(), "target": shares(), "outcome": shares(), "hours": hours, "per_hour": number(), "anchors": map(anchor)}), &[]),
            "signals": closed(json!({"keep": map(period()), "per_predicate": count(), "in_total": count()}), &[]),
        }),
        &[],
    )
}

fn penalty() -> Value {
    let length = json!({"anyOf": [period(), {"const": "until_review"}]});
    let reach = words(Reach::ALL.iter().map(|r| r.as_str()));
    let consequence = closed(
        json!({
            "forfeit": share(),
            "score": number(),
            "pause": {"anyOf": [length, closed(json!({"for": length, "reach": reach}), &["for"])]},
            "review": words(Review::ALL.iter().map(|r| r.as_str())),
            "notify": one_or_many(words(Notify::ALL.iter().map(|n| n.as_str()))),
        }),
        &[],
    );
    let mut properties = json!({
        "override": map(consequence.clone()),
        "stack": words(["worst", "sum"]),
        "bond": closed(json!({"amount": number(), "unit": text(), "hold": truth()}), &["amount", "unit"]),
        "score": closed(json!({"scale": number(), "start": number(), "weights": map(number()), "tiers": map(number())}), &[]),
        "standing": closed(json!({"start": number(), "floor": number(), "ceiling": number(), "gain": number(), "loss": number()}), &[]),
    });
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(Severity::ALL.iter().map(|s| (s.as_str().to_owned(), consequence.clone())));
    }
    closed(properties, &[])
}

fn renewal() -> Value {
    let plain: Vec<&str> =
        TerminateOn::WORDS.iter().copied().filter(|w| !matches!(*w, "pause_over" | "tier_below" | "violations_over")).collect();
    let trigger = json!({"anyOf": [
        words(plain),
        closed(json!({"pause_over": period()}), &["pause_over"]),
        closed(json!({"tier_below": text()}), &["tier_below"]),
        closed(json!({"violations_over": count()}), &["violations_over"]),
    ]});
    closed(
        json!({
            "effective": date(),
            "expires": date(),
            "extend": closed(json!({"by": period(), "how": words(ExtendHow::ALL.iter().map(|h| h.as_str())), "while_tier": text(), "notice": period()}), &["by"]),
            "review_on": one_or_many(words(ReviewOn::ALL.iter().map(|r| r.as_str()))),
            "terminate_on": one_or_many(trigger),
            "counters_on_extension": words(Counters::ALL.iter().map(|c| c.as_str())),
            "change": closed(json!({"notice": period(), "maintenance_after": period(), "retire_after": period()}), &[]),
        }),
        &[],
    )
}

fn case() -> Value {
    let mut event = json!({
        "at": stages(),
        "lane": words(Lane::ALL.iter().map(|l| l.as_str())),
        "text": text(),
        "tool": text(),
        "args": {"type": ["object", "string"]},
        "host": text(),
        "facts": {"type": "object"},
    });
    if let Some(event) = event.as_object_mut() {
        event.extend(Quantity::ALL.iter().map(|q| (q.as_str().to_owned(), count())));
    }
    let mut whole = event.clone();
    if let Some(whole) = whole.as_object_mut() {
        whole.insert("name".to_owned(), text());
        whole.insert("events".to_owned(), list(closed(event, &["at"])));
        whole.insert("expect".to_owned(), acts());
        whole.insert("predicate".to_owned(), id());
    }
    closed(whole, &["expect"])
}
