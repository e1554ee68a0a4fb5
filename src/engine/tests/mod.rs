//! Tests of judgement over small pacts and packs of their own.

mod condition;
mod judge;
mod model;
mod shipped;
mod stream;

use std::sync::Arc;

use crate::base::names::{Lane, Stage};
use crate::engine::event::{Event, EventText, ToolEvent};
use crate::engine::exchange::Exchange;
use crate::engine::facts::{FactValue, Facts};
use crate::engine::judge::{Judgement, Lent, judge};
use crate::engine::session::Session;
use crate::pact::Packs;
use crate::program::Program;
use crate::program::compile::compile_one;

/// A pack with a regular expression, phrases, a long form, an injection phrase and two topics.
pub(super) const PACK: &str = r#"
pack: toys
version: "1.0.0"
about: Small detectors for tests.
entries:
  - label: pii.number
    regex: '\b[0-9]{4}-[0-9]{4}\b'
    score: 0.9
    category: financial_pii
    locale: any
    source: made up
    examples: ["1234-5678"]
    near_misses: ["1234"]
  - label: pii.pair
    regex: '\b[0-9]{4}-[0-9]{4} [a-z]{2,8}\b'
    score: 0.5
    category: pii_sensitive
    locale: any
    source: made up
    examples: ["1234-5678 ab"]
    near_misses: ["1234"]
  - label: secret.block
    open: 'BEGIN[A-Z]{3}'
    close: 'END'
    score: 0.9
    category: credentials
    locale: any
    source: made up
    examples: ["BEGINABC xx END"]
    near_misses: ["BEGIN"]
  - label: injection.ignore
    phrases: ["ignore all rules"]
    score: 0.9
    category: public
    locale: en
    source: made up
    examples: ["ignore all rules"]
    near_misses: ["ignore rules"]
topics:
  - label: topic.law
    threshold: 2
    phrases: {1: [law, court]}
    locale: en
    source: made up
    examples: ["the law of the court"]
    near_misses: ["the law"]
  - label: topic.money
    threshold: 1
    phrases: {1: [bill]}
    locale: en
    source: made up
    examples: ["the bill"]
    near_misses: ["the law"]
suffixes: [com, net, example]
"#;

pub(super) fn packs() -> Packs {
    Packs::load([("toys.yaml", PACK)])
        .map_err(|faults| faults.iter().map(|(name, d)| d.render(name, PACK)).collect::<String>())
        .unwrap()
}

/// A program of these predicates (YAML, indented by two) and a common head.
pub(super) fn program(predicates: &str) -> Arc<Program> {
    Arc::new(try_program(predicates).unwrap_or_else(|e| panic!("{e}")))
}

pub(super) fn program_with(detectors: &str, predicates: &str) -> Arc<Program> {
    Arc::new(compile_text(detectors, predicates).unwrap_or_else(|e| panic!("{e}")))
}

pub(super) fn try_program(predicates: &str) -> Result<Program, String> {
    compile_text("  rival: {phrases: [\"Globex\"]}\n", predicates)
}

fn compile_text(detectors: &str, predicates: &str) -> Result<Program, String> {
    let text = format!(
        r#"
format: 1
pact: toy
version: "1.0.0"
packs: {{toys: "1"}}
facts:
  task.amount: {{type: number, unit: EUR}}
  caller.known: bool
tools:
  look: {{action: read, target: order, effect: read, data: [financial_pii], aliases: ["l/ook", "lése"]}}
  pay:  {{action: write, target: order, effect: external, reversible: false, aliases: ["paye\u0301"]}}
  note: {{action: write, target: customer, effect: write, reversible: true}}
detectors:
{detectors}
evidence:
  context: {{timezone: Europe/Berlin, business_hours: "09-21"}}
predicates:
{predicates}
"#
    );
    let packs = packs();
    let (checked, mistakes) = crate::pact::read(&text, &packs);
    let checked = checked.ok_or_else(|| mistakes.render("toy.yaml", &text))?;
    compile_one(&checked, false, &packs).map_err(|m| m.render("toy.yaml", &text))
}

/// One exchange with all that a judgement needs.
pub(super) struct Bench {
    pub(super) exchange: Exchange,
    pub(super) session: Session,
    pub(super) facts: Facts,
    pub(super) scratch: Lent,
    pub(super) now_us: i64,
}

impl Bench {
    pub(super) fn new(program: &Arc<Program>) -> Self {
        Self {
            exchange: Exchange::new(Arc::clone(program), Lane::Inbound),
            session: Session::default(),
            facts: Facts::new(),
            scratch: Lent::new(program),
            now_us: 1_780_000_000_000_000,
        }
    }

    pub(super) fn fact(mut self, name: &str, value: FactValue) -> Self {
        self.facts.present(name, value);
        self
    }

    pub(super) fn text(&mut self, stage: Stage, text: &str) -> Judgement {
        let texts = [EventText::new(text)];
        self.judge(&Event::new(stage, Lane::Inbound, 0).texts(&texts))
    }

    pub(super) fn call(&mut self, tool: &str, arguments: &str) -> Judgement {
        self.judge(&Event::new(Stage::Call, Lane::Model, 0).tool(ToolEvent::new(tool, arguments)))
    }

    pub(super) fn judge(&mut self, event: &Event<'_>) -> Judgement {
        let event = Event { now_us: self.now_us, ..*event };
        judge(&mut self.exchange, &self.session, &event, &self.facts, &mut self.scratch)
    }

    pub(super) fn ids(&self, judgement: &Judgement) -> Vec<String> {
        let id = |p| self.exchange.program().predicate(p).unwrap().id.to_string();
        judgement.hits.iter().map(|h| id(h.predicate)).collect()
    }
}
