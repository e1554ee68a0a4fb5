//! The life of a pact by what its parties signed beside it: who consents to which version, when each ends, which way
//! back is open, and what has retired.
//!
//! All of it follows from the documents, the statements, the trust file, the time and the greatest version that has
//! come into force here. Promises: a statement acts only where its signatures count by the trust file; what cannot be
//! established changes nothing; where the format is silent, less is allowed. What it does not do: keep anything, or
//! bring anything into force.

mod consent;
mod ends;
mod hear;
mod said;

use std::sync::Arc;

use super::history::{History, Version};
use super::sealed::{Beside, Demands, PactError, Provenance, SealedPact, vouch};
use super::statement::{NoticeChange, SignedStatement, Statement};
use super::term::{Date, Period, SemVer};
use super::trust::{Role, TrustFile};
use crate::seal::Digest;

pub use ends::End;
pub use said::{Effect, Said};

/// What there is of one pact for one agent.
#[derive(Clone, Debug, Default)]
pub struct Papers {
    /// The document that the deployment names. It stands among the versions, whoever signed it.
    pub base: Option<Arc<SealedPact>>,
    /// The documents that are kept.
    pub kept: Vec<Arc<SealedPact>>,
    /// The statements that are kept.
    pub statements: Vec<Arc<SignedStatement>>,
    /// The greatest version that has come into force here.
    pub reached: Option<SemVer>,
}

/// Both parties have gone back to an older version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// To this one.
    pub to: SemVer,
    /// From this one; what is greater ends the way back.
    pub from: SemVer,
    /// The notice.
    pub by: Digest,
}

impl Rollback {
    /// Whether it takes a version back.
    pub fn takes(&self, version: SemVer) -> bool {
        self.to < version && version <= self.from
    }
}

/// What follows for an older version from a later major one that has come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The later one.
    pub by: SemVer,
    /// From when the older one is only maintained.
    pub maintained: Option<Date>,
    /// From when it does not come into force again.
    pub retired: Option<Date>,
}

/// The life of a pact.
#[derive(Debug)]
pub struct Life {
    history: History,
    others: Vec<Arc<SealedPact>>,
    said: Vec<Said>,
    trust: Option<TrustFile>,
    require: Vec<Role>,
    /// The same where a subscription stands for the counterparty.
    without_counterparty: Vec<Role>,
    /// Versions that the counterparty has not signed: by which subscription it accepts them, or why by none.
    consents: Vec<(Digest, Result<Digest, String>)>,
    ends: Vec<End>,
    rollback: Option<Rollback>,
    /// A version that both would go back to, which is not known here.
    wanted: Option<SemVer>,
    reached: Option<SemVer>,
}

impl Life {
    /// What follows from these papers. Without a trust file nobody vouches for a statement, and none acts.
    pub fn of(papers: &Papers, demands: &Demands<'_>) -> Self {
        let documents: Vec<&Arc<SealedPact>> = papers.base.iter().chain(&papers.kept).collect();
        let mut life = Self {
            history: History::default(),
            others: Vec::new(),
            said: Vec::new(),
            trust: demands.trust.cloned(),
            require: demands.require.to_vec(),
            without_counterparty: demands.require.iter().copied().filter(|role| *role != Role::Counterparty).collect(),
            consents: Vec::new(),
            ends: Vec::new(),
            rollback: None,
            wanted: None,
            reached: papers.reached,
        };
        life.said = hear::hear(papers.statements.clone(), &documents, life.trust.as_mut(), demands.now);
        life.count(papers, &documents, demands);
        if life.trust.is_none() {
            for said in life.said.iter_mut().filter(|said| said.counts()) {
                said.idle("development", "kept; without a trust file nobody vouches for it, and it changes nothing".to_owned());
            }
            // Nor does what ran in trusted mode once retire anything.
            life.reached = None;
            return life;
        }
        life.ends = ends::ends(&life.history, &mut life.said);
        if let Some(base) = papers.base.as_ref().map(|base| base.checked().pact()) {
            // A file that an operator puts in place waits for no notice.
            let due = base.renewal.effective.is_none_or(|date| date.at <= demands.now);
            life.reached = life.reached.max(due.then_some(base.version));
        }
        life.go_back(demands.now);
        life.tell_consents();
        life
    }

    /// Sorts out which documents count.
    fn count(&mut self, papers: &Papers, documents: &[&Arc<SealedPact>], demands: &Demands<'_>) {
        let own = Demands { trust: self.trust.as_ref(), ..*demands };
        let less = Demands { require: &self.without_counterparty, ..own };
        let speaking = if self.trust.is_some() { consent::speaking(&mut self.said) } else { Vec::new() };
        let speaking: Vec<&Said> = speaking.into_iter().filter_map(|at| self.said.get(at)).collect();
        let backs: Vec<Rollback> = self.said.iter().filter_map(rollback).collect();
        let taken_back = |sealed: &SealedPact| backs.iter().any(|back| back.takes(sealed.checked().pact().version));
        let (signed, rest): (Vec<&Arc<SealedPact>>, Vec<&Arc<SealedPact>>) =
            documents.iter().copied().partition(|sealed| vouch(sealed, &own).is_ok());
        let anchors = signed.iter().copied().filter(|sealed| !taken_back(sealed)).cloned().collect::<Vec<_>>();
        let mut counted: Vec<Arc<SealedPact>> = papers.base.iter().chain(signed).cloned().collect();
        for sealed in rest {
            let lacking = matches!(vouch(sealed, &own), Err(PactError::Unsigned(Role::Counterparty)));
            let given = (lacking && vouch(sealed, &less).is_ok()).then(|| consent::given(sealed, &speaking, &anchors));
            match &given {
                Some(Ok(_)) => counted.push(Arc::clone(sealed)),
                _ => self.others.push(Arc::clone(sealed)),
            }
            self.consents.extend(given.map(|given| (sealed.checked().digest(), given)));
        }
        self.history = History::new(counted);
    }

    /// Which of the notices to go back stands.
    fn go_back(&mut self, now: i64) {
        let backs: Vec<(usize, Rollback)> =
            self.said.iter().enumerate().filter_map(|(at, said)| Some((at, rollback(said)?))).collect();
        let Some(((last, back), before)) = backs.split_last() else { return };
        // Who goes back twice comes from where they were at first.
        let from = backs.iter().map(|(_, back)| back.from).max().unwrap_or(back.from);
        let back = Rollback { from, ..*back };
        for (at, _) in before {
            if let Some(said) = self.said.get_mut(*at) {
                said.superseded("a later notice has taken its place".to_owned());
            }
        }
        let later = self.history.versions().iter().find(|v| v.number() > from && v.from <= now).map(Version::number);
        let later = later.or(self.reached.filter(|reached| *reached > from));
        let target = self.history.version(back.to);
        let over = target.and_then(|target| self.end(target)).filter(|end| now >= end.at);
        let retired = target.and_then(|target| self.age(target)).and_then(|age| age.retired);
        let Some(said) = self.said.get_mut(*last) else { return };
        let signed_at = said.statement.signed_at();
        let to = back.to;
        if let Some(later) = later {
            said.superseded(format!("version {later} has come since"));
        } else if target.is_none() {
            self.wanted = Some(to);
            said.idle("no_version", format!("version {to} is not kept here, or does not count: send it"));
        } else if let Some(over) = over {
            said.idle("expired", format!("the term of {to} was over on {over}"));
        } else if let Some(retired) = retired.filter(|retired| retired.at <= signed_at) {
            said.idle("retired", format!("version {to} had retired on {retired}, before this was signed"));
        } else {
            said.acts(i64::MIN, format!("version {to} may be in force again, until one greater than {from} comes"));
            self.rollback = Some(back);
        }
    }

    /// Says of each subscription, and of what this build does not look at, what follows from it.
    fn tell_consents(&mut self) {
        let asked = self.require.contains(&Role::Counterparty);
        let number = |digest: &Digest| {
            let mut versions = self.history.versions().iter();
            versions.find(|v| v.sealed.checked().digest() == *digest).map(|v| v.number().to_string())
        };
        let consented: Vec<String> =
            self.consents.iter().filter(|(_, given)| given.is_ok()).filter_map(|(digest, _)| number(digest)).collect();
        for said in &mut self.said {
            if said.effect(i64::MAX) != Effect::Idle || said.code.is_some() {
                continue;
            }
            match said.statement.statement() {
                Statement::Subscription(_) if !asked => {
                    said.idle("not_asked", "this deployment asks for no signature of the counterparty".to_owned());
                }
                Statement::Subscription(subscription) => {
                    let on = if consented.is_empty() { "none yet".to_owned() } else { consented.join(", ") };
                    let range = subscription.accepts;
                    said.acts(
                        i64::MIN,
                        format!("stands for the counterparty's signature on minor and patch versions in {range}: on {on}"),
                    );
                }
                Statement::Notice(notice) if matches!(notice.change, NoticeChange::Runtime(_)) => {
                    said.idle("not_looked_at", "kept; nothing in this build looks at the runtimes of the subject".to_owned());
                }
                _ => {}
            }
        }
    }

    /// The versions that count, and from when each may be in force.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Documents that do not count here; [`Self::vouch`] says why.
    pub fn others(&self) -> &[Arc<SealedPact>] {
        &self.others
    }

    /// Every statement in the order in which they were signed, and what it does.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// The way back that stands.
    pub fn rollback(&self) -> Option<Rollback> {
        self.rollback
    }

    /// A version that both have agreed to go back to and that is not known here.
    pub fn wanted(&self) -> Option<SemVer> {
        self.wanted
    }

    /// When a version ends: as was said, else as its document has it.
    pub fn end(&self, version: &Version) -> Option<Date> {
        self.said_end(version.number()).map(|end| end.on).or(version.sealed.checked().pact().renewal.expires)
    }

    /// The end of a version that was said beside its document.
    pub fn said_end(&self, version: SemVer) -> Option<&End> {
        self.ends.iter().find(|end| end.version == version)
    }

    /// The subscription by which the counterparty accepts this document, which it has not signed.
    pub fn consent(&self, sealed: &SealedPact) -> Option<Digest> {
        let digest = sealed.checked().digest();
        self.consents.iter().find(|(of, _)| *of == digest).and_then(|(_, given)| given.as_ref().ok().copied())
    }

    /// What the first later major version that has come into force makes of an older one. One that both have gone
    /// back from makes nothing.
    pub fn age(&self, version: &Version) -> Option<Age> {
        let (number, reached) = (version.number(), self.reached?);
        let stands = |v: &&Version| !self.rollback.is_some_and(|back| back.takes(v.number()));
        let mut later = self.history.versions().iter().filter(|v| v.number().major > number.major && v.number() <= reached);
        let later = later.find(stands)?;
        let signed = later.sealed.signatures().iter().map(|s| s.at).max().unwrap_or(i64::MIN);
        let pact = version.sealed.checked().pact();
        let zone = pact.evidence.timezone.as_str();
        let after = |period: Option<Period>| Date::of(period?.after(later.from.max(signed), zone), zone);
        let (maintained, retired) = (after(pact.renewal.maintenance_after), after(pact.renewal.retire_after));
        Some(Age { by: later.number(), maintained, retired })
    }

    /// What is demanded of one of the documents, with what was said beside it.
    pub fn demands<'a>(&'a self, sealed: &SealedPact, demands: &Demands<'a>) -> Demands<'a> {
        let digest = sealed.checked().digest();
        let known = self.history.versions().iter().find(|v| v.sealed.checked().digest() == digest);
        let beside = known.map_or_else(Beside::default, |version| Beside {
            until: self.said_end(version.number()).map(|end| end.on),
            back_from: self.rollback.filter(|back| back.to == version.number()).map(|back| back.from),
            retired: self.age(version).and_then(|age| age.retired),
        });
        let require = if self.consent(sealed).is_some() { &self.without_counterparty } else { demands.require };
        Demands { trust: self.trust.as_ref(), require, beside, ..*demands }
    }

    /// On what grounds one of the documents counts here, whatever the day.
    ///
    /// # Errors
    /// Why it does not.
    pub fn vouch(&self, sealed: &SealedPact, demands: &Demands<'_>) -> Result<Provenance, PactError> {
        let digest = sealed.checked().digest();
        match self.consents.iter().find(|(of, _)| *of == digest) {
            Some((_, Err(why))) if self.said.iter().any(|s| consent::subscription(s).is_some()) => {
                Err(PactError::NoConsent(why.clone()))
            }
            _ => vouch(sealed, &self.demands(sealed, demands)),
        }
    }

    /// The documents that may take the place of `base` now, in the order in which they should be tried: the one that
    /// both went back to, then greater ones that are due, the greatest first. None is older than what was in force.
    pub fn due(&self, base: SemVer, now: i64) -> Vec<Arc<SealedPact>> {
        let back = self.rollback.and_then(|back| self.history.version(back.to));
        let next = |v: &&Version| v.number() > base && self.reached.is_none_or(|reached| v.number() >= reached);
        let later = self.history.versions().iter().rev().take_while(next).filter(|v| v.from <= now);
        let later = later.filter(|v| back.is_none_or(|back| back.number() != v.number()));
        back.into_iter().chain(later).map(|v| Arc::clone(&v.sealed)).collect()
    }
}

/// The way back that a statement opens.
fn rollback(said: &Said) -> Option<Rollback> {
    let notice = hear::notice(said)?;
    let NoticeChange::Rollback { to } = notice.change else { return None };
    Some(Rollback { to, from: notice.version, by: said.id })
}

#[cfg(test)]
mod tests;
