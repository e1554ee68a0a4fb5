//! The pacts of a portfolio as one program for each task type.
//!
//! Every predicate of every pact that governs a task stands in its program and is judged in the frame of its own pact;
//! acts join. So what one pact forbids no other allows: lists of the allowed intersect, the denied and the predicates
//! unite, the lower of two ceilings and the higher of two floors decide, the harsher act is done, and each breach has the
//! consequences that its own pact gives it. Windows stay two rules.
//!
//! The programs of one portfolio share digest and places of predicates, so that a record says by its task type which
//! pacts governed. Promises: pacts that cannot be kept together are a mistake at load, told with both names. What it will
//! not do: choose between pacts, or soften one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use super::conflict::{self, Governed};
use super::ir::Program;
use super::lower::{lower, lower_parts};
use super::part::{Origin, Part};
use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::limits::PORTFOLIO_PROGRAMS_MAX;
use crate::pact::model::FactType;
use crate::pact::portfolio::Portfolio;
use crate::pact::term::Date;
use crate::pact::{CheckedPact, Packs};

/// A pact that a portfolio names.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What it says.
    pub pact: &'a CheckedPact,
    /// Whether its signatures were verified against a trust file.
    pub signed: bool,
    /// The end of its term, where another was said beside it than the document's.
    pub until: Option<Date>,
}

impl Member<'_> {
    fn origin(&self) -> Origin {
        let source = String::from_utf8_lossy(self.pact.canonical()).into_owned();
        Origin { digest: self.pact.digest().0, signed: self.signed, source: source.into(), until: self.until }
    }
}

/// Why a portfolio did not become a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Of the portfolio.
    pub portfolio: Diagnostics,
    /// By pact, in the order of the portfolio.
    pub pacts: Vec<Diagnostics>,
}

impl Mistakes {
    /// All of them, those of the portfolio first.
    pub fn all(self) -> Diagnostics {
        let mut all = self.portfolio;
        self.pacts.into_iter().for_each(|mistakes| all.extend(mistakes));
        all
    }
}

/// Compiles pacts that are in force together: those of a portfolio linked, without one a pact by itself.
///
/// # Errors
/// As [`link`]; and several pacts without a portfolio, which would say what stands under each.
pub fn together(portfolio: Option<&Portfolio>, members: &[Member<'_>], packs: &Packs) -> Result<Program, Mistakes> {
    match (portfolio, members) {
        (Some(portfolio), members) => link(portfolio, members, packs),
        (None, [one]) => {
            let alone = |mistakes| Mistakes { pacts: vec![mistakes], ..Mistakes::default() };
            lower(one.pact.pact(), packs, &one.origin()).map_err(alone)
        }
        (None, members) => {
            let mut out = Mistakes::default();
            let message = format!("{} pacts without a portfolio", members.len());
            out.portfolio.error("portfolio", "", Span::default(), message).help("write one, which says what stands under each");
            Err(out)
        }
    }
}

/// Links the pacts of a portfolio, given in its order. What is given back is the program of all of them; it leads to
/// those of the task types that fewer govern ([`Program::for_task`]).
///
/// # Errors
/// All that keeps the pacts from being kept together, and what of them cannot be compiled.
pub fn link(portfolio: &Portfolio, members: &[Member<'_>], packs: &Packs) -> Result<Program, Mistakes> {
    let mut out = Mistakes::default();
    if members.len() != portfolio.pacts.len() {
        let message = format!("the portfolio names {} pacts, and {} are there", portfolio.pacts.len(), members.len());
        out.portfolio.error("members", "pacts", Span::default(), message).help("give each that it names, in its order");
    }
    parties(portfolio, members, &mut out.portfolio);
    facts(portfolio, members, &mut out.portfolio);
    let mut sets: BTreeMap<BTreeSet<usize>, Vec<&str>> = BTreeMap::new();
    for task in portfolio.tasks() {
        sets.entry(portfolio.under(Some(task))).or_default().push(task);
    }
    if sets.len() > PORTFOLIO_PROGRAMS_MAX {
        let message =
            format!("the tasks stand under {} different sets of pacts; the limit is {PORTFOLIO_PROGRAMS_MAX}", sets.len());
        out.portfolio.error("too_many", "pacts", Span::default(), message).help("let some pacts hold for every task");
    }
    let governed = |places: &BTreeSet<usize>| -> Vec<Governed<'_>> {
        let both = portfolio.pacts.iter().zip(members).enumerate().filter(|(at, _)| places.contains(at));
        both.map(|(at, (entry, member))| Governed { at, span: entry.span, pact: member.pact.pact() }).collect()
    };
    let always = portfolio.pacts.iter().enumerate().filter(|(_, entry)| entry.tasks.is_empty()).map(|(at, _)| at);
    conflict::told(&governed(&always.collect()), &[], &mut out.portfolio);
    for (set, tasks) in &sets {
        conflict::told(&governed(set), tasks, &mut out.portfolio);
    }
    out.portfolio.sort();
    if out.portfolio.has_errors() {
        return Err(out);
    }
    linked(portfolio, members, packs, &sets).map_err(|pacts| Mistakes { pacts, ..out })
}

fn linked(
    portfolio: &Portfolio,
    members: &[Member<'_>],
    packs: &Packs,
    sets: &BTreeMap<BTreeSet<usize>, Vec<&str>>,
) -> Result<Program, Vec<Diagnostics>> {
    let parts: Vec<Part<'_>> = members.iter().map(|member| Part { pact: member.pact.pact(), origin: member.origin() }).collect();
    let all: BTreeSet<usize> = (0..parts.len()).collect();
    let lowered = |set: &BTreeSet<usize>| lower_parts(&parts, set.iter().map(|at| *at as u32).collect(), true, packs);
    let mut whole = lowered(&all)?;
    whole.digest = digest(&whole, portfolio);
    let mut by_task = HashMap::new();
    for (set, tasks) in sets.iter().filter(|(set, _)| **set != all) {
        let mut program = lowered(set)?;
        program.digest = whole.digest;
        let program = Arc::new(program);
        by_task.extend(tasks.iter().map(|task| (Box::from(*task), Arc::clone(&program))));
    }
    whole.by_task = by_task;
    Ok(whole)
}

/// SHA-256 over the program of all pacts and who governs what. Weights decide no judgement.
fn digest(whole: &Program, portfolio: &Portfolio) -> [u8; 32] {
    let mut text = String::from("portfolio\n");
    for byte in whole.digest {
        // Writing to a text cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    for entry in &portfolio.pacts {
        write!(text, "\n{:?}", entry.tasks).unwrap_or_default();
    }
    crate::seal::digest(text.as_bytes()).0
}

/// The pacts are of this agent, and each has a name of its own.
fn parties(portfolio: &Portfolio, members: &[Member<'_>], out: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, (entry, member)) in portfolio.pacts.iter().zip(members).enumerate() {
        let pact = member.pact.pact();
        if let Some(agent) = pact.subject.agent.as_deref().filter(|agent| *agent != portfolio.agent) {
            let message = format!("`{}` binds {agent}, and the portfolio is of {}", pact.id, portfolio.agent);
            out.error("other_agent", format!("pacts[{at}].pact"), entry.span, message)
                .help("a portfolio holds the pacts of one agent");
        }
        if let Some(before) = seen.insert(&pact.id, at) {
            let message = format!("two pacts are called `{}`: pacts[{before}] and this one", pact.id);
            out.error("duplicate", format!("pacts[{at}].pact"), entry.span, message)
                .help("predicates are named `<pact>/<id>` here; give one of the pacts another name");
        }
    }
}

/// A fact has one source in a deployment, so it is of one type in all pacts.
fn facts(portfolio: &Portfolio, members: &[Member<'_>], out: &mut Diagnostics) {
    let kind = |ty: &FactType| match ty {
        FactType::Text => "a string",
        FactType::Bool => "a bool",
        FactType::Number { .. } => "a number",
    };
    let mut seen: BTreeMap<&str, (&str, &'static str)> = BTreeMap::new();
    for (at, (entry, member)) in portfolio.pacts.iter().zip(members).enumerate() {
        let pact = member.pact.pact();
        for (name, ty) in &pact.facts {
            let (first, was) = *seen.entry(name).or_insert((&pact.id, kind(ty)));
            if was != kind(ty) {
                let message = format!("the fact `{name}` is {was} in `{first}` and {} in `{}`", kind(ty), pact.id);
                out.error("fact_type", format!("pacts[{at}].pact"), entry.span, message)
                    .help("one source tells it for both: give it another name in one of them");
            }
        }
    }
}
