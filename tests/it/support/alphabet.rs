//! Random events made of what stands in two documents, and what the engine says to them.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use servanda::base::verdict::Act;
use servanda::pact::CheckedPact;
use servanda::pact::model::{Check, DetectorKind};
use servanda::program::Program;
use servanda::trial::jsonl::LineJudge;

/// What events are made of: the words, numbers and names of both documents.
pub struct Alphabet {
    texts: Vec<String>,
    numbers: Vec<f64>,
    tools: Vec<String>,
    arguments: Vec<String>,
    hosts: Vec<String>,
    facts: Vec<String>,
}

impl Alphabet {
    pub fn of(pacts: [&CheckedPact; 2]) -> Self {
        let mut own = Self {
            texts: vec![
                "Hello".into(),
                "Globex".into(),
                "TCK-123456 and TCK-12345".into(),
                "my passport scan".into(),
                "gonna".into(),
            ],
            numbers: vec![0.0, 1.0],
            tools: vec!["stranger".into()],
            arguments: vec!["other".into()],
            hosts: vec!["evil.example".into(), "a.stripe.example".into(), "a.stripe.example:443".into()],
            facts: vec!["caller.verified".into()],
        };
        for pact in pacts {
            own.scalars(&serde_json::from_slice(pact.canonical()).unwrap());
            let pact = pact.pact();
            own.tools.extend(pact.tools.iter().flat_map(|t| t.aliases.iter().chain([&t.name]).cloned()));
            own.facts.extend(pact.facts.keys().cloned());
            for detector in &pact.detectors {
                if let DetectorKind::Phrases(phrases) = &detector.kind {
                    own.texts.extend(phrases.iter().map(|p| format!("see {p} now")));
                }
            }
            for check in pact.predicates.iter().flat_map(|p| &p.checks) {
                if let Check::Set(set) = &check.check {
                    own.hosts.extend(
                        set.allow.iter().flatten().chain(&set.deny).filter(|m| m.contains('.')).map(|m| m.replace('*', "pay")),
                    );
                }
            }
        }
        for list in [&mut own.texts, &mut own.tools, &mut own.arguments, &mut own.hosts, &mut own.facts] {
            list.sort();
            list.dedup();
        }
        own.numbers.sort_by(f64::total_cmp);
        own.numbers.dedup();
        own
    }

    /// Every scalar of a document: short texts as they stand, numbers and their neighbours.
    fn scalars(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.len() < 24 => self.texts.push(text.clone()),
            Value::Number(n) => self.numbers.extend([-1.0, 0.0, 1.0].map(|by| n.as_f64().unwrap() + by)),
            Value::Array(list) => list.iter().for_each(|v| self.scalars(v)),
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    self.arguments.extend(properties.keys().cloned());
                }
                map.values().for_each(|v| self.scalars(v));
            }
            _ => {}
        }
    }

    fn scalar(&self) -> BoxedStrategy<Value> {
        let texts = prop::sample::select(self.texts.clone()).prop_map(Value::from);
        let numbers = prop::sample::select(self.numbers.clone()).prop_map(|n| json!(n));
        prop_oneof![3 => texts, 3 => numbers, 1 => any::<bool>().prop_map(Value::from)].boxed()
    }

    fn text(&self) -> BoxedStrategy<String> {
        prop::collection::vec(prop::sample::select(self.texts.clone()), 1..4).prop_map(|words| words.join(" ")).boxed()
    }

    /// Facts of the kind their name asks for, mostly; some silent, most absent.
    fn facts(&self) -> BoxedStrategy<Value> {
        let words = prop::sample::select(self.texts.clone()).prop_map(Value::from);
        let tasks = prop::sample::select(vec!["support", "routing", "returns", "advice", "gossip"]).prop_map(Value::from);
        let numbers = prop::sample::select(self.numbers.clone()).prop_map(|n| json!(n));
        let value = prop_oneof![words, tasks, numbers, any::<bool>().prop_map(Value::from), Just(Value::Null)];
        prop::collection::btree_map(prop::sample::select(self.facts.clone()), value, 0..4)
            .prop_map(|map| {
                let right = |(name, value): &(String, Value)| match name.as_str() {
                    "task.type" => value.is_string() || value.is_null(),
                    "task.amount" | "caller.age" => value.is_number() || value.is_null(),
                    _ => value.is_boolean() || value.is_null(),
                };
                Value::Object(map.into_iter().filter(right).collect())
            })
            .boxed()
    }

    pub fn event(&self) -> BoxedStrategy<Value> {
        let said = (prop::sample::select(vec!["request", "response"]), self.text(), self.facts(), 0i64..80).prop_map(
            |(at, text, facts, open)| json!({"at": at, "text": text, "facts": facts, "measures": {"open_tasks": open}}),
        );
        let arguments = prop::collection::btree_map(prop::sample::select(self.arguments.clone()), self.scalar(), 0..3);
        let call = (prop::sample::select(self.tools.clone()), arguments, self.facts())
            .prop_map(|(tool, args, facts)| json!({"at": "call", "tool": tool, "args": args, "facts": facts}));
        let result = (prop::sample::select(self.tools.clone()), self.text())
            .prop_map(|(tool, text)| json!({"at": "result", "tool": tool, "text": text}));
        let egress = prop::sample::select(self.hosts.clone()).prop_map(|host| json!({"at": "egress", "host": host}));
        let linked = (prop::sample::select(self.tools.clone()), prop::sample::select(self.hosts.clone()))
            .prop_map(|(tool, host)| json!({"at": "call", "tool": tool, "args": {"link": format!("https://{host}/x")}}));
        let end = prop::sample::select(self.numbers.clone())
            .prop_map(|n| json!({"at": "end", "measures": {"latency_ms": n as i64, "reply_chars": n as i64}}));
        prop_oneof![3 => said, 5 => call, 2 => result, 1 => egress, 1 => linked, 1 => end].boxed()
    }
}

/// The acts of each event, over two exchanges of one session.
pub fn acts(program: &Arc<Program>, exchanges: &[Vec<Value>]) -> Vec<Act> {
    let judge = LineJudge::new(Arc::clone(program));
    let mut out = Vec::new();
    for events in exchanges {
        let line = json!({"session": "s", "events": events}).to_string();
        judge
            .judge(&line, 1_790_000_000_000_000, |verdict| {
                out.extend(verdict.events.iter().map(|e| e.act));
                Ok(())
            })
            .unwrap();
    }
    out
}
