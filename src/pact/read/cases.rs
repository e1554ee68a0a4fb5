//! Cases: the pact's own tests.

use std::collections::BTreeMap;

use crate::base::document::{Node, Value};
use crate::base::names::{Lane, Stage};
use crate::base::verdict::Act;
use crate::pact::condition::{Field, Type};
use crate::pact::decimal::Decimal;
use crate::pact::model::{Case, CaseEvent, FactType, FactValue, Predicate, Quantity};

use super::cursor::{At, Reader};

const EVENT_KEYS: &[&str] = &[
    "at",
    "lane",
    "text",
    "tool",
    "args",
    "host",
    "facts",
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
const CASE_KEYS: &[&str] = &["name", "facts", "events", "expect", "predicate"];

pub(super) fn cases(r: &mut Reader<'_>, at: &At<'_>, facts: &BTreeMap<String, FactType>, predicates: &[Predicate]) -> Vec<Case> {
    r.list(at, false).iter().filter_map(|item| case(r, item, facts, predicates)).collect()
}

fn case(r: &mut Reader<'_>, at: &At<'_>, facts: &BTreeMap<String, FactType>, predicates: &[Predicate]) -> Option<Case> {
    let whole = at.node.get("events").is_some();
    let keys: Vec<&str> = if whole { CASE_KEYS.to_vec() } else { [CASE_KEYS, EVENT_KEYS].concat() };
    if !r.map(at, &keys, None) {
        return None;
    }
    let told = at.get("facts").map_or_else(BTreeMap::new, |f| values(r, &f, facts));
    let events: Vec<CaseEvent> = match at.get("events") {
        None => event(r, at, BTreeMap::new()).into_iter().collect(),
        Some(events) => {
            let items = r.list(&events, false);
            if items.is_empty() {
                r.error("missing_key", &events, "a case without events shows nothing")
                    .help("for instance `{at: request, text: \"…\"}`");
            }
            let mut out = Vec::new();
            for item in items {
                if r.map(&item, EVENT_KEYS, None) {
                    let facts = item.get("facts").map_or_else(BTreeMap::new, |f| values(r, &f, facts));
                    out.extend(event(r, &item, facts));
                }
            }
            out
        }
    };
    let expect = r.needed(at, "expect", "allow, flag, redact, hold or block").and_then(|e| r.word(&e, Act::ALL, Act::as_str))?;
    let predicate = at.get("predicate").and_then(|p| {
        let text = r.text(&p)?;
        r.known("unknown_predicate", &p, text, "predicate", predicates.iter().map(|p| p.id.as_str()));
        Some(text.to_owned())
    });
    let name = at.get("name").and_then(|n| r.text(&n).map(str::to_owned));
    (!events.is_empty()).then_some(Case { name, facts: told, events, expect, predicate, span: at.node.span })
}

fn event(r: &mut Reader<'_>, at: &At<'_>, facts: BTreeMap<String, FactValue>) -> Option<CaseEvent> {
    let stage = r
        .needed(at, "at", "request, call, result, response, egress or end")
        .and_then(|s| r.word(&s, Stage::ALL, Stage::as_str))?;
    let mut text = |key: &str| at.get(key).and_then(|v| r.text(&v).map(str::to_owned));
    let (tool, host) = (text("tool"), text("host"));
    // An empty text is a text.
    let text =
        at.get("text").and_then(|v| if v.node.text() == Some("") { Some(String::new()) } else { r.text(&v).map(str::to_owned) });
    let args = at.get("args").map(|a| {
        let mut out = String::new();
        json(a.node, &mut out);
        out
    });
    let mut measures = BTreeMap::new();
    for quantity in Quantity::ALL {
        if let Some(node) = at.get(quantity.as_str()) {
            measures.extend(r.number(&node).map(|n| (*quantity, n)));
        }
    }
    let lacks = match stage {
        Stage::Request | Stage::Result | Stage::Response if at.get("text").is_none() => Some("text"),
        Stage::Call if tool.is_none() => Some("tool"),
        Stage::Egress if host.is_none() => Some("host"),
        _ => None,
    };
    if let Some(key) = lacks {
        r.needed(at, key, "there is nothing to judge without it");
    }
    if stage == Stage::Window {
        let place = at.get("at").unwrap_or_else(|| at.clone());
        r.error("stage", &place, "a case cannot show a window").help("a statistic is tried on traffic, not on one event");
    }
    let lane = at.get("lane").and_then(|l| r.word(&l, Lane::ALL, Lane::as_str));
    Some(CaseEvent { at: stage, lane, text, tool, args, host, facts, measures })
}

/// The facts of a case, each with the type that the pact declares.
fn values(r: &mut Reader<'_>, at: &At<'_>, facts: &BTreeMap<String, FactType>) -> BTreeMap<String, FactValue> {
    let mut out = BTreeMap::new();
    if !r.is_map(at) {
        return out;
    }
    for (key, value) in at.entries() {
        let declared = facts.get(&key.text).cloned().or_else(|| match Field::fixed(&key.text) {
            Some((Field::Fact(_), Type::Bool)) => Some(FactType::Bool),
            Some((Field::Fact(_), _)) => Some(FactType::Text),
            _ => None,
        });
        let told = match declared {
            None => {
                r.known("unknown_fact", &value, &key.text, "fact", facts.keys().map(String::as_str));
                None
            }
            Some(FactType::Text) => r.text(&value).map(|t| FactValue::Text(t.to_owned())),
            Some(FactType::Bool) => r.bool(&value).map(FactValue::Bool),
            Some(FactType::Number { .. }) => r.number(&value).map(FactValue::Number),
        };
        out.extend(told.map(|v| (key.text.clone(), v)));
    }
    out
}

/// A node as JSON text; numbers exactly as written where JSON can write them so.
pub(super) fn json(node: &Node, out: &mut String) {
    match &node.value {
        Value::Float(_, text) => match Decimal::parse(text) {
            Some(n) if n.is_whole() => out.push_str(&n.to_string()),
            _ => out.push_str("null"),
        },
        Value::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(key.text.as_str()).to_string());
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        _ => out.push_str(&node.to_json().to_string()),
    }
}
