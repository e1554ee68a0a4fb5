//! A pact that is sent: verified, held against what is known of it, kept, and brought into force if it is due.
//!
//! Promises: nothing is kept that could not be enforced for its signatures, its audience or its term, nor
//! anything that is not greater than all that is known of the same pact and agent; what is kept stays, whatever
//! becomes of it. In trusted mode a greater version of the pact in force takes its place by itself when it is
//! due: at once, or after the notice that a major version owes. In development nothing is activated, since there
//! the file is what runs.

use std::sync::Arc;

use crate::pact::change::Comparison;
use crate::pact::history::{Admission, NotAdmitted};
use crate::pact::sealed::{REQUIRED, complete};
use crate::pact::{Life, Packs, PactError, SealedPact};
use crate::proxy::store::{Row, Shelved, Standing, StoreError};

use super::decide::Refused;
use super::load::Terms;
use super::named::document;
use super::run::{Did, Reloader};

/// What became of a pact that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The version as it stands now.
    pub(crate) row: Row,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// What that means, for people.
    pub(crate) means: String,
    /// What changed from the newest before it; none for the first.
    pub(crate) comparison: Option<Arc<Comparison>>,
    /// Whether it was kept before.
    pub(crate) known: bool,
}

/// A pact that is kept now.
struct Taken {
    sealed: Arc<SealedPact>,
    comparison: Option<Arc<Comparison>>,
    known: bool,
}

/// Why a pact or a statement was not kept.
#[derive(Debug)]
pub(crate) enum NotKept {
    /// It may not be enforced here.
    Refused(Refused),
    /// It does not follow what is known.
    NotAdmitted(NotAdmitted),
    /// The statement does not count here: a stable word, and why.
    Unheard(&'static str, String),
    /// There is no room for it, or the disk fails.
    Store(StoreError),
}

impl From<Refused> for NotKept {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<PactError> for NotKept {
    fn from(error: PactError) -> Self {
        Self::Refused(Refused::Pact(error))
    }
}

impl From<NotAdmitted> for NotKept {
    fn from(error: NotAdmitted) -> Self {
        Self::NotAdmitted(error)
    }
}

impl From<StoreError> for NotKept {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Reloader {
    /// Keeps a sealed pact, and brings it into force if it is due.
    pub(super) fn keep(&mut self, text: &str) -> (Result<Kept, NotKept>, Did) {
        match self.take(text) {
            Ok(taken) => {
                let did = self.bring_kept(&taken.sealed);
                (Ok(self.standing(taken)), did)
            }
            Err(why) => (Err(why), Did::Unchanged),
        }
    }

    /// Verifies a text and writes it down.
    fn take(&mut self, text: &str) -> Result<Taken, NotKept> {
        let config = Arc::clone(&self.config);
        let terms = Terms::read(&config, self.told.clock.wall_us())?;
        let demands = terms.demands(&config, self.told.clock.wall_us());
        let sealed = Arc::new(SealedPact::new(document("the pact that was sent", text, Packs::shipped())?)?);
        // Where nobody vouches for keys, at least both parties must have signed with some.
        complete(&sealed, if demands.trust.is_some() { &[] } else { REQUIRED })?;
        let pact = sealed.checked().pact();
        let shelved = self.shelf().now();
        let in_force = of(&shelved, &sealed).find(|row| row.active && row.signed).map(|row| Arc::clone(&row.sealed));
        let mut papers = self.store.papers(&sealed);
        (papers.base, papers.reached) = (in_force.clone(), self.memory.reached(&sealed));
        let known = Life::of(&papers, &demands);
        papers.kept.push(Arc::clone(&sealed));
        let with = Life::of(&papers, &demands);
        with.vouch(&sealed, &demands)?;
        if let Some(date) = with.demands(&sealed, &demands).until(&sealed).filter(|date| demands.now >= date.at) {
            return Err(PactError::Expired(date).into());
        }
        let admission = known.history().admit(&sealed, known.wanted())?;
        if let Some(seen) = self.memory.seen(&pact.id, pact.subject.agent.as_deref()) {
            let digest = sealed.checked().digest();
            match pact.version.cmp(&seen.version) {
                std::cmp::Ordering::Less if !matches!(admission, Admission::Known | Admission::Returns) => {
                    return Err(NotAdmitted::Older { newest: seen.version, offered: pact.version }.into());
                }
                std::cmp::Ordering::Equal if digest != seen.digest => {
                    return Err(NotAdmitted::SameVersion(seen.version).into());
                }
                _ => {}
            }
        }
        // What a new version follows belongs to its history, even if it came from a file.
        if let Some(in_force) = in_force {
            self.store.keep(&in_force)?;
        }
        let known = self.store.holds(&sealed);
        if !known {
            self.store.keep(&sealed)?;
            self.told.kept(format!("kept: {} {} sha256:{}", pact.id, pact.version, sealed.checked().digest().hex()));
        }
        let comparison = if let Admission::Follows(comparison) = admission { Some(Arc::from(comparison)) } else { None };
        Ok(Taken { sealed, comparison, known })
    }

    /// Brings what is kept and due into force, under the config in force.
    fn bring_kept(&mut self, sealed: &Arc<SealedPact>) -> Did {
        match self.bring((*self.config).clone()) {
            Ok(true) => Did::Loaded,
            Ok(false) => Did::Unchanged,
            Err(refused) => {
                self.told.refused(&refused);
                // It is kept all the same, and must be seen.
                let mut shelved = Shelved::clone(&self.shelf().now());
                shelved.add(Row::kept(sealed, (refused.code(), refused.to_string())));
                self.shelf().put(shelved);
                Did::Refused
            }
        }
    }

    fn standing(&self, taken: Taken) -> Kept {
        let Taken { sealed, comparison, known } = taken;
        let now = self.told.clock.wall_us().div_euclid(1_000_000);
        let shelved = self.shelf().now();
        let digest = sealed.checked().digest();
        let row = of(&shelved, &sealed).find(|row| row.sealed.checked().digest() == digest).cloned();
        let row = row.unwrap_or_else(|| Row::kept(&sealed, ("unknown", "it is not listed".to_owned())));
        let standing = row.standing(now);
        let means = match standing {
            Standing::Active => "it is in force".to_owned(),
            Standing::Waiting if row.notice.is_some_and(|notice| Some(notice) == row.from) => {
                "it is kept and comes into force by itself when the notice of the version before it is over".to_owned()
            }
            Standing::Waiting => "it is kept and comes into force by itself on its date".to_owned(),
            Standing::Refused => {
                let why = row.problem.as_ref().map_or("", |(_, why)| why);
                format!("it is kept and does not come into force: {why}")
            }
            Standing::Superseded | Standing::Maintained => "it is kept; a greater version is in force".to_owned(),
            Standing::Retired => "it is kept and comes into force no more: a later major version has taken its place".to_owned(),
            Standing::RolledBack => "it is kept; both parties have gone back from it".to_owned(),
            Standing::Expired => "it is kept; its term is over".to_owned(),
            Standing::Stored if self.config.trust.is_none() => {
                "it is kept and does not come into force: in development, without a trust file, only what `pacts` names is enforced"
                    .to_owned()
            }
            Standing::Stored => {
                let enforced: Vec<&str> = self.in_force.pacts.iter().map(|pact| pact.pact.as_str()).collect();
                let enforced = enforced.join(", ");
                format!("it is kept and does not come into force: this sidecar enforces {enforced}, as `pacts` says")
            }
        };
        Kept { row, standing, means, comparison, known }
    }
}

/// What is known of the same pact for the same agent.
fn of<'s>(shelved: &'s Shelved, sealed: &SealedPact) -> impl Iterator<Item = &'s Row> {
    let pact = sealed.checked().pact();
    let (id, agent) = (pact.id.clone(), pact.subject.agent.clone());
    shelved.rows.iter().filter(move |row| {
        let own = row.sealed.checked().pact();
        own.id == id && own.subject.agent == agent
    })
}
