//! A statement that is sent: verified, held against the pact that it speaks of, kept, and what follows from it done.
//!
//! Promises: nothing is kept whose signatures do not hold or that speaks of nothing known here; the same statement sent
//! twice is known; what is kept stays, and whether it acts is looked at anew at each load.

use std::sync::Arc;

use crate::pact::statement::Statement;
use crate::pact::{Life, PactError, SignedStatement, read_statement};
use crate::proxy::store::{Heard, Shelved};

use super::decide::Refused;
use super::keep::NotKept;
use super::load::Terms;
use super::run::{Did, Reloader};

/// A statement that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// What it does now.
    pub(crate) heard: Heard,
    /// Whether it was kept before.
    pub(crate) known: bool,
    /// Why the load that followed was refused: a stable word, and why. Then all is as it was.
    pub(crate) problem: Option<(&'static str, String)>,
}

impl Reloader {
    /// Keeps a statement, and does what follows from it.
    pub(super) fn hear(&mut self, text: &str) -> (Result<Listed, NotKept>, Did) {
        match self.heard(text) {
            Ok(listed) => self.follow(listed),
            Err(why) => (Err(why), Did::Unchanged),
        }
    }

    /// Verifies a text and writes it down.
    fn heard(&mut self, text: &str) -> Result<Listed, NotKept> {
        let config = Arc::clone(&self.config);
        let terms = Terms::read(&config, self.told.clock.wall_us())?;
        let demands = terms.demands(&config, self.told.clock.wall_us());
        let (statement, mistakes) = read_statement(text);
        let broken = || Refused::Broken(mistakes.render("the statement that was sent", text).trim_end().to_owned());
        let statement: Arc<SignedStatement> = Arc::new(statement.ok_or_else(broken)?);
        let (pact, agent) = (statement.statement().pact(), statement.statement().agent());
        if let (Some(here), Some(agent)) = (demands.agent, agent)
            && here != agent
        {
            return Err(PactError::WrongAudience { pact: Some(agent.to_owned()), here: here.to_owned() }.into());
        }
        let shelved = self.shelf().now();
        let active = shelved.rows.iter().find(|row| {
            let own = row.sealed.checked().pact();
            row.active && own.id == pact && own.subject.agent.as_deref() == agent
        });
        let mut papers = self.store.papers_of(pact, agent);
        papers.base = active.map(|row| Arc::clone(&row.sealed));
        papers.reached = self.memory.seen(pact, agent).map(|seen| seen.version);
        if papers.base.is_none() && papers.kept.is_empty() && !matches!(statement.statement(), Statement::Approval(_)) {
            let why = format!("no pact {pact} of that agent is in force or kept here: send the pact first");
            return Err(NotKept::Unheard("no_pact", why));
        }
        papers.statements.push(Arc::clone(&statement));
        let life = Life::of(&papers, &demands);
        let Some(said) = life.said().iter().find(|said| said.id == statement.id()) else {
            return Err(NotKept::Unheard("no_pact", "it speaks of no pact that is known here".to_owned()));
        };
        if !said.counts() {
            return Err(NotKept::Unheard(said.code.unwrap_or("refused"), said.means.clone()));
        }
        let heard = Heard { pact: pact.to_owned(), agent: agent.map(str::to_owned), said: said.clone() };
        // What it speaks of belongs to its history, even if it came from a file.
        if let Some(row) = active.filter(|row| row.signed) {
            self.store.keep(&row.sealed)?;
        }
        let known = self.store.hears(&statement);
        if !known {
            self.store.keep_statement(&statement)?;
            self.told.kept(format!("kept: {} sha256:{}", statement.statement(), statement.digest().hex()));
        }
        Ok(Listed { heard, known, problem: None })
    }

    /// Does what follows from it, under the config in force, and tells how it stands then.
    fn follow(&mut self, mut listed: Listed) -> (Result<Listed, NotKept>, Did) {
        let did = match self.bring((*self.config).clone()) {
            Ok(true) => Did::Loaded,
            Ok(false) => Did::Unchanged,
            Err(refused) => {
                self.told.refused(&refused);
                // It is kept all the same, and must be seen.
                let mut shelved = Shelved::clone(&self.shelf().now());
                if !listed.known {
                    shelved.statements.push(listed.heard.clone());
                }
                self.shelf().put(shelved);
                listed.problem = Some((refused.code(), refused.to_string()));
                Did::Refused
            }
        };
        let shelved = self.shelf().now();
        if let Some(now) = shelved.statements.iter().find(|heard| heard.said.id == listed.heard.said.id) {
            listed.heard = now.clone();
        }
        (Ok(listed), did)
    }
}
