//! The portfolio as text.

use std::collections::BTreeSet;

use crate::base::diagnostic::Diagnostics;
use crate::base::document;
use crate::base::limits::PORTFOLIO_PACTS_MAX;
use crate::pact::decimal::Decimal;
use crate::pact::portfolio::{Entry, Portfolio};

use super::cursor::{At, Reader};
use super::subject::did;

/// The keys of a portfolio, and of one of its entries.
const KEYS: &[&str] = &["agent", "pacts"];
const ENTRY_KEYS: &[&str] = &["pact", "tasks", "weight"];

/// Whether a text means to be a portfolio: the one document that lists `pacts` and is no pact itself.
pub fn is_portfolio(text: &str) -> bool {
    document::parse(text).is_ok_and(|node| node.get("pacts").is_some() && node.get("format").is_none())
}

/// Reads a portfolio; every mistake is told at once.
pub fn read_portfolio(text: &str) -> (Option<Portfolio>, Diagnostics) {
    let node = match document::parse(text) {
        Ok(node) => node,
        Err(mistakes) => return (None, mistakes),
    };
    let mut r = Reader { source: text, out: Diagnostics::default() };
    let root = At { node: &node, path: String::new() };
    let mut agent = None;
    let mut pacts = Vec::new();
    if r.map(&root, KEYS, None) {
        agent = r.needed(&root, "agent", "whose pacts these are").and_then(|place| did(&mut r, &place));
        if let Some(place) = r.needed(&root, "pacts", "the pacts that the agent works under") {
            let items = r.list(&place, false);
            if items.is_empty() {
                r.error("empty", &place, "a portfolio without pacts promises nothing").help("- {pact: FILE, weight: 1}");
            } else if items.len() > PORTFOLIO_PACTS_MAX {
                r.error("too_many", &place, format!("{} pacts; a portfolio has at most {PORTFOLIO_PACTS_MAX}", items.len()));
            }
            for item in &items {
                pacts.extend(entry(&mut r, item, &pacts));
            }
            if pacts.len() == items.len() {
                whole(&mut r, &place, &pacts);
            }
        }
    }
    r.out.sort();
    let portfolio = agent.map(|agent| Portfolio { agent, pacts });
    if r.out.has_errors() { (None, r.out) } else { (portfolio, r.out) }
}

fn entry(r: &mut Reader<'_>, at: &At<'_>, before: &[Entry]) -> Option<Entry> {
    if !r.map(at, ENTRY_KEYS, None) {
        return None;
    }
    let place = r.needed(at, "pact", "the file of the pact");
    let pact = place.as_ref().and_then(|place| r.text(place).map(str::to_owned));
    if let (Some(place), Some(pact)) = (&place, &pact)
        && before.iter().any(|entry| entry.pact == *pact)
    {
        r.error("duplicate", place, format!("`{pact}` stands twice")).help("name all its tasks in one entry");
    }
    let mut tasks = BTreeSet::new();
    if let Some(place) = at.get("tasks") {
        let items = r.list(&place, false);
        if items.is_empty() {
            r.error("empty", &place, "no task stands under this pact").help("leave `tasks` out, and every task does");
        }
        for item in &items {
            let Some(task) = r.text(item) else { continue };
            if !tasks.insert(task.to_owned()) {
                r.error("duplicate", item, format!("`{task}` stands twice")).help("drop one");
            }
        }
    }
    let place = r.needed(at, "weight", "the part of the composite score that this pact's makes")?;
    let weight = r.number(&place)?;
    if weight <= Decimal::ZERO || weight > Decimal::from(1) {
        r.error("out_of_range", &place, "a weight is more than 0 and at most 1").help("all together make 1");
    }
    Some(Entry { pact: pact?, tasks, weight, span: at.node.span })
}

/// The weights are parts of one whole, so that a composite lies on the scale of its scores.
fn whole(r: &mut Reader<'_>, at: &At<'_>, pacts: &[Entry]) {
    let sum = pacts.iter().try_fold(Decimal::ZERO, |sum, entry| sum.checked_add(entry.weight));
    if !pacts.is_empty() && sum != Some(Decimal::from(1)) {
        let sum = sum.map_or_else(|| "far too much".to_owned(), |sum| sum.to_string());
        r.error("weights", at, format!("the weights add up to {sum}")).help("they are parts of one whole: make them add up to 1");
    }
}
