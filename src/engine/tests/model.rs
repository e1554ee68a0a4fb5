//! The engine against a naive model: every rule by itself, by plain search, in no particular order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::verdict::{Act, Severity};

/// A predicate as data, from which both the pact's text and the model are made.
#[derive(Clone, Debug)]
struct Toy {
    severity: Severity,
    act: Option<Act>,
    /// None; `where`; `unless`.
    guard: Option<(bool, bool)>,
    check: ToyCheck,
}

#[derive(Clone, Debug)]
enum ToyCheck {
    Words(Vec<usize>),
    Task { allow: bool, deny: bool },
    Tool(Vec<usize>),
    Require(bool),
}

const WORDS: [&str; 3] = ["alpha", "beta gamma", "delta"];
const TOOLS: [&str; 3] = ["look", "pay", "note"];

impl Toy {
    fn yaml(&self, at: usize) -> (String, String) {
        let act = self.act.map_or(String::new(), |a| format!(", act: {a}"));
        let guard = match self.guard {
            None => String::new(),
            Some((when, wanted)) => format!(", {}: 'caller.known == {wanted}'", if when { "where" } else { "unless" }),
        };
        let (stage, check) = match &self.check {
            ToyCheck::Words(words) => {
                let labels: Vec<String> = words.iter().map(|w| format!("own.w{w}")).collect();
                ("[request, call]", format!("{{match: [{}]}}", labels.join(", ")))
            }
            ToyCheck::Task { allow, deny } => {
                let allow = if *allow { "allow: [support], " } else { "" };
                let deny = if *deny { "deny: [sales, law]" } else { "deny: [none]" };
                ("request", format!("{{set: task, {allow}{deny}}}"))
            }
            ToyCheck::Tool(tools) => {
                let names: Vec<&str> = tools.iter().map(|t| TOOLS[*t]).collect();
                ("call", format!("{{set: tool, allow: [{}]}}", names.join(", ")))
            }
            ToyCheck::Require(wanted) => ("[request, call]", format!("{{require: 'caller.known == {wanted}'}}")),
        };
        let line = format!(
            "  - {{id: p{at}, dimension: safety, severity: {}, at: {stage}{guard}{act}, check: {check}}}\n",
            self.severity
        );
        (line, stage.to_owned())
    }

    fn applies(&self, known: Option<bool>) -> bool {
        match (self.guard, known) {
            (None, _) | (Some(_), None) => true,
            (Some((true, wanted)), Some(known)) => known == wanted,
            (Some((false, wanted)), Some(known)) => known != wanted,
        }
    }

    fn broken(&self, event: &Happening) -> bool {
        let says = |word: usize| event.text.iter().any(|w| *w == word);
        match &self.check {
            ToyCheck::Words(words) => words.iter().any(|w| says(*w)),
            ToyCheck::Task { allow, deny } => {
                if event.tool.is_some() {
                    return false;
                }
                let told = event.task.as_deref();
                (*allow && told.is_some_and(|t| t != "support")) || (*deny && told == Some("sales"))
            }
            ToyCheck::Tool(tools) => event.tool.is_some_and(|t| !tools.contains(&t)),
            ToyCheck::Require(wanted) => event.known != Some(*wanted),
        }
    }

    fn act(&self) -> Act {
        self.act.unwrap_or(self.severity.default_act())
    }
}

#[derive(Clone, Debug)]
struct Happening {
    /// Places of words; 3 and more are filler.
    text: Vec<usize>,
    tool: Option<usize>,
    task: Option<String>,
    known: Option<bool>,
}

fn toys() -> impl Strategy<Value = Vec<Toy>> {
    let check = prop_oneof![
        prop::collection::vec(0usize..3, 1..3).prop_map(ToyCheck::Words),
        (any::<bool>(), any::<bool>()).prop_map(|(allow, deny)| ToyCheck::Task { allow, deny }),
        prop::collection::vec(0usize..3, 1..3).prop_map(ToyCheck::Tool),
        any::<bool>().prop_map(ToyCheck::Require),
    ];
    let severity = prop_oneof![Just(Severity::Minor), Just(Severity::Major), Just(Severity::Critical)];
    let act = prop::option::of(prop_oneof![Just(Act::Flag), Just(Act::Block)]);
    let toy = (severity, act, prop::option::of(any::<(bool, bool)>()), check).prop_map(|(severity, act, guard, check)| Toy {
        severity,
        act,
        guard,
        check,
    });
    prop::collection::vec(toy, 1..6)
}

fn happening() -> impl Strategy<Value = Happening> {
    let task = prop::option::of(prop_oneof![Just("support".to_owned()), Just("sales".to_owned()), Just("other".to_owned())]);
    (prop::collection::vec(0usize..6, 0..6), prop::option::of(0usize..4), task, prop::option::of(any::<bool>()))
        .prop_map(|(text, tool, task, known)| Happening { text, tool, task, known })
}

#[test]
fn agrees_with_the_naive_model() {
    let config = proptest::test_runner::Config { cases: 150, ..Default::default() };
    proptest!(config, |(toys in toys(), events in prop::collection::vec(happening(), 1..12))| {
        let lines: String = toys.iter().enumerate().map(|(at, toy)| toy.yaml(at).0).collect();
        let detectors: String =
            WORDS.iter().enumerate().map(|(at, w)| format!("  w{at}: {{phrases: [\"{w}\"]}}\n")).collect();
        let program = super::program_with(&detectors, &lines);
        for event in &events {
            let filler = ["and", "so on", "then"];
            let said: Vec<&str> = event.text.iter().map(|w| *WORDS.get(*w).unwrap_or_else(|| &filler[*w - 3])).collect();
            let text = said.join(" ; ");
            let mut bench = Bench::new(&program);
            if let Some(task) = &event.task {
                bench.facts.present("task.type", FactValue::Text(task.as_str().into()));
            }
            if let Some(known) = event.known {
                bench.facts.present("caller.known", FactValue::Bool(known));
            }
            let judgement = match event.tool {
                Some(tool) => {
                    let arguments = serde_json::json!({ "text": text }).to_string();
                    bench.call(TOOLS.get(tool).copied().unwrap_or("stranger"), &arguments)
                }
                None => bench.text(Stage::Request, &text),
            };
            let broken: Vec<usize> = toys
                .iter()
                .enumerate()
                .filter(|(_, toy)| !(event.tool.is_none() && matches!(toy.check, ToyCheck::Tool(_))))
                .filter(|(_, toy)| toy.applies(event.known) && toy.broken(event))
                .map(|(at, _)| at)
                .collect();
            let found: BTreeSet<usize> = judgement.hits.iter().map(|h| h.predicate as usize).collect();
            prop_assert_eq!(found.iter().copied().collect::<Vec<_>>(), broken.clone(), "{}\n{:?}", lines, event);
            let act = broken.iter().map(|at| toys[*at].act()).max().unwrap_or_default();
            prop_assert_eq!(judgement.act, act);
            prop_assert_eq!(bench.exchange.act(), act);
        }
    });
}
