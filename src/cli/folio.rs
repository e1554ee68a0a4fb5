//! Portfolios that the command line names: read with the pacts they name, linked, and told.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::input;
use super::render::{CliError, Screen, Table, safe};
use super::source::{self, Source};
use crate::base::names::Stage;
use crate::pact::{Packs, Portfolio, is_portfolio, read_portfolio};
use crate::program::Program;
use crate::program::link::{Member, link};

/// A portfolio with its pacts, and the program of them all.
#[derive(Debug)]
pub(super) struct Folio {
    /// What it says.
    pub(super) portfolio: Portfolio,
    /// Its pacts, in its order.
    pub(super) pacts: Vec<Source>,
    /// What they are linked to.
    pub(super) program: Arc<Program>,
}

/// Whether the text in a file means to be a portfolio.
pub(super) fn is_one(path: &Path) -> Result<bool, CliError> {
    Ok(source::image(path)?.is_none() && is_portfolio(&input::document(path)?))
}

/// Reads a portfolio and its pacts, and tells all mistakes of either. None when there are errors.
pub(super) fn read(path: &Path, packs: &Packs, screen: &mut Screen) -> Result<Option<Folio>, CliError> {
    let text = input::document(path)?;
    let name = safe(&path.display().to_string()).into_owned();
    let (portfolio, mistakes) = read_portfolio(&text);
    screen.diagnostics(&name, &text, &mistakes);
    let Some(portfolio) = portfolio else { return Ok(None) };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut sources = Vec::new();
    for entry in &portfolio.pacts {
        sources.extend(source::read_with(&folder.join(&entry.pact), packs, screen)?);
    }
    if sources.len() < portfolio.pacts.len() {
        return Ok(None);
    }
    let members: Vec<Member<'_>> = sources.iter().map(|s| Member { pact: &s.checked, signed: false }).collect();
    match link(&portfolio, &members, packs) {
        Ok(program) => Ok(Some(Folio { portfolio, pacts: sources, program: Arc::new(program) })),
        Err(mistakes) => {
            screen.diagnostics(&name, &text, &mistakes.portfolio);
            for (pact, mistakes) in sources.iter().zip(&mistakes.pacts) {
                screen.diagnostics(&pact.name, &pact.text, mistakes);
            }
            Ok(None)
        }
    }
}

/// The program of a portfolio, for commands that cannot go on without.
pub(super) fn program(path: &Path, screen: &mut Screen) -> Result<Arc<Program>, CliError> {
    let unusable = || CliError::file(path, "cannot be used").help(format!("`servanda check {}` tells why", path.display()));
    Ok(read(path, Packs::shipped(), screen)?.ok_or_else(unusable)?.program)
}

impl Folio {
    /// Who governs what: by task type and for the rest, with the most that a stream holds back.
    fn governed(&self) -> Vec<(Option<&str>, Vec<&str>, usize)> {
        let tasks = self.portfolio.tasks();
        let rows = tasks.into_iter().map(Some).chain([None]);
        let row = |task: Option<&'_ str>| {
            let places = self.portfolio.under(task);
            let named = self.pacts.iter().enumerate().filter(|(at, _)| places.contains(at));
            let ids = named.map(|(_, source)| source.checked.pact().id.as_str()).collect();
            let program = self.program.for_task(task);
            (ids, Stage::ALL.iter().map(|stage| program.hold_back(*stage)).max().unwrap_or(0))
        };
        rows.map(|task| {
            let (ids, hold_back) = row(task);
            (task, ids, hold_back)
        })
        .collect()
    }

    /// Who governs what, for other programs.
    pub(super) fn json(&self) -> Value {
        let row = |(task, pacts, hold_back): (Option<&str>, Vec<&str>, usize)| json!({"task": task, "pacts": pacts, "hold_back": hold_back});
        let weight = |(at, source): (usize, &Source)| {
            let entry = self.portfolio.pacts.get(at);
            json!({"pact": source.checked.pact().id, "version": source.checked.pact().version.to_string(),
                "file": source.name, "weight": entry.map(|e| e.weight.to_f64())})
        };
        let pacts: Vec<Value> = self.pacts.iter().enumerate().map(weight).collect();
        json!({"agent": self.portfolio.agent, "pacts": pacts, "governed": self.governed().into_iter().map(row).collect::<Vec<_>>()})
    }

    /// Who governs what, for people.
    pub(super) fn show(&self, screen: &mut Screen) -> Result<(), CliError> {
        let mut table = Table::new(["task", "governed by", "hold-back"]);
        for (task, pacts, hold_back) in self.governed() {
            let task = task.map_or_else(|| "any other".to_owned(), |task| safe(task).into_owned());
            table.row([task, safe(&pacts.join(", ")).into_owned(), format!("{hold_back} B")]);
        }
        table.print(screen)
    }
}
