//! What a file on the command line holds: a pact, a portfolio with the pacts that it names, or an image of either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::input;
use super::render::{CliError, Screen, Table, safe};
use super::source::{self, Source};
use crate::base::names::Stage;
use crate::pact::{CheckedPact, Packs, Portfolio, is_portfolio, read_portfolio};
use crate::program::Program;
use crate::program::image::{Image, ImageError};
use crate::program::link::{Member, together};
use crate::scan::Scanner;

/// The documents that a file leads to.
#[derive(Debug)]
pub(super) struct Folio {
    /// The file.
    path: PathBuf,
    /// The portfolio as text; none: a pact by itself.
    pub(super) text: Option<String>,
    /// What it says.
    pub(super) portfolio: Option<Portfolio>,
    /// The pacts, in its order.
    pub(super) pacts: Vec<Source>,
    /// The image that holds them, if one does.
    pub(super) image: Option<Image>,
}

/// Whether the text in a file means to be a pact: it is neither an image nor a portfolio.
pub(super) fn is_pact(path: &Path) -> Result<bool, CliError> {
    Ok(source::image(path)?.is_none() && !is_portfolio(&input::document(path)?))
}

/// Reads the documents and tells all mistakes of each. None when there are errors.
pub(super) fn read(path: &Path, packs: &Packs, screen: &mut Screen) -> Result<Option<Folio>, CliError> {
    let name = safe(&path.display().to_string()).into_owned();
    let image = source::image(path)?;
    let text = match &image {
        Some(image) => image.portfolio().map(str::to_owned),
        None => Some(input::document(path)?).filter(|text| is_portfolio(text)),
    };
    let mut folio = Folio { path: path.to_owned(), text, portfolio: None, pacts: Vec::new(), image };
    if let Some(text) = &folio.text {
        let (portfolio, mistakes) = read_portfolio(text);
        screen.diagnostics(&name, text, &mistakes);
        let Some(portfolio) = portfolio else { return Ok(None) };
        folio.portfolio = Some(portfolio);
    }
    let entries = folio.portfolio.as_ref().map_or(&[][..], |portfolio| &portfolio.pacts);
    let read: Vec<Option<Source>> = match &folio.image {
        Some(image) => {
            let named = |at: usize| entries.get(at).map_or_else(|| name.clone(), |e| format!("{name}: {}", safe(&e.pact)));
            image.pacts().iter().enumerate().map(|(at, text)| source::of(named(at), text, Packs::shipped(), screen)).collect()
        }
        None if folio.portfolio.is_none() => vec![source::read_with(path, packs, screen)?],
        None => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let files = entries.iter().map(|entry| source::read_with(&folder.join(&entry.pact), packs, screen));
            files.collect::<Result<_, _>>()?
        }
    };
    Ok(read.into_iter().collect::<Option<_>>().map(|pacts| Folio { pacts, ..folio }))
}

/// What a file compiles to, for commands that cannot go on without.
pub(super) fn program(path: &Path, screen: &mut Screen) -> Result<Arc<Program>, CliError> {
    let packs = Packs::shipped();
    let folio = read(path, packs, screen)?;
    let program = folio.map(|folio| folio.compile(packs, screen)).transpose()?.flatten();
    program.ok_or_else(|| unusable(path))
}

fn unusable(path: &Path) -> CliError {
    CliError::file(path, "cannot be used").help(format!("`servanda check {}` tells why", path.display()))
}

/// The scanner of the packs that a pact uses and of its own detectors, and the pact.
pub(super) fn scanner_of(path: &Path, screen: &mut Screen) -> Result<(Scanner, CheckedPact), CliError> {
    let packs = Packs::shipped();
    let Some(folio) = read(path, packs, screen)? else { return Err(unusable(path)) };
    if folio.compile(packs, screen)?.is_none() {
        return Err(unusable(path));
    }
    let count = folio.pacts.len();
    let Ok([Source { checked, .. }]) = <[Source; 1]>::try_from(folio.pacts) else {
        return Err(CliError::file(path, format!("holds {count} pacts, and this looks by one")).help("name one of them"));
    };
    let used = |name: &str| checked.used_packs().contains(name);
    let mut patterns: Vec<_> = packs.entries().filter(|(p, _)| used(&p.name)).map(|(_, e)| e.pattern.clone()).collect();
    patterns.extend(checked.pact().detectors.iter().map(crate::pact::model::Detector::pattern));
    let topics = packs.topics().filter(|(p, _)| used(&p.name)).map(|(_, t)| t.topic.clone()).collect();
    let scanner = Scanner::new(patterns, topics).map_err(|e| CliError::new(e.to_string()))?;
    Ok((scanner, checked))
}

impl Folio {
    /// Compiles the pacts together, and tells what cannot be compiled. None when something cannot.
    ///
    /// # Errors
    /// An image that does not say what its pacts say.
    pub(super) fn compile(&self, packs: &Packs, screen: &mut Screen) -> Result<Option<Arc<Program>>, CliError> {
        if let Some(opened) = self.opened() {
            return opened.map(|program| Some(Arc::new(program))).map_err(|error| CliError::file(&self.path, error));
        }
        // Many phrases take a while.
        let wheel = screen.spinner("compiling");
        let compiled = together(self.portfolio.as_ref(), &self.members(), packs);
        wheel.finish_and_clear();
        let mistakes = match compiled {
            Ok(program) => return Ok(Some(Arc::new(program))),
            Err(mistakes) => mistakes,
        };
        let name = safe(&self.path.display().to_string()).into_owned();
        screen.diagnostics(&name, self.text.as_deref().unwrap_or_default(), &mistakes.portfolio);
        for (pact, mistakes) in self.pacts.iter().zip(&mistakes.pacts) {
            screen.diagnostics(&pact.name, &pact.text, mistakes);
        }
        Ok(None)
    }

    /// The program of the image, where it is one.
    pub(super) fn opened(&self) -> Option<Result<Program, ImageError>> {
        Some(self.image.as_ref()?.program(&self.members(), Packs::shipped()))
    }

    fn members(&self) -> Vec<Member<'_>> {
        self.pacts.iter().map(|source| Member { pact: &source.checked, signed: false, until: None }).collect()
    }

    /// Who governs what: by task type and for the rest, with the most that a stream holds back.
    fn governed<'s>(&'s self, portfolio: &'s Portfolio, program: &Arc<Program>) -> Vec<(Option<&'s str>, Vec<&'s str>, usize)> {
        let tasks = portfolio.tasks();
        let rows = tasks.into_iter().map(Some).chain([None]);
        let row = |task: Option<&'_ str>| {
            let places = portfolio.under(task);
            let named = self.pacts.iter().enumerate().filter(|(at, _)| places.contains(at));
            let ids = named.map(|(_, source)| source.checked.pact().id.as_str()).collect();
            let program = program.for_task(task);
            (ids, Stage::ALL.iter().map(|stage| program.hold_back(*stage)).max().unwrap_or(0))
        };
        rows.map(|task| {
            let (ids, hold_back) = row(task);
            (task, ids, hold_back)
        })
        .collect()
    }

    /// Who governs what, for other programs; null where a pact stands by itself.
    pub(super) fn json(&self, program: &Arc<Program>) -> Value {
        let Some(portfolio) = &self.portfolio else { return Value::Null };
        let row = |(task, pacts, hold_back): (Option<&str>, Vec<&str>, usize)| json!({"task": task, "pacts": pacts, "hold_back": hold_back});
        let weight = |(at, source): (usize, &Source)| {
            let entry = portfolio.pacts.get(at);
            json!({"pact": source.checked.pact().id, "version": source.checked.pact().version.to_string(),
                "file": source.name, "weight": entry.map(|e| e.weight.to_f64())})
        };
        let pacts: Vec<Value> = self.pacts.iter().enumerate().map(weight).collect();
        let governed: Vec<Value> = self.governed(portfolio, program).into_iter().map(row).collect();
        json!({"agent": portfolio.agent, "pacts": pacts, "governed": governed})
    }

    /// Who governs what, for people; nothing where a pact stands by itself.
    pub(super) fn show(&self, program: &Arc<Program>, screen: &mut Screen) -> Result<(), CliError> {
        let Some(portfolio) = &self.portfolio else { return Ok(()) };
        screen.line("")?;
        let mut table = Table::new(["task", "governed by", "hold-back"]);
        for (task, pacts, hold_back) in self.governed(portfolio, program) {
            let task = task.map_or_else(|| "any other".to_owned(), |task| safe(task).into_owned());
            table.row([task, safe(&pacts.join(", ")).into_owned(), format!("{hold_back} B")]);
        }
        table.print(screen)
    }
}
