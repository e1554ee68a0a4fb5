//! Signed documents beside the pact: notices, approvals, reinstatements and subscriptions.
//!
//! Each is signed like a pact, over its canonical form behind a first line of its own, so that no signature
//! of one kind can pass for another. Each names who signs it and as what; whether enough have signed, and
//! whether their keys count, is said by [`SignedStatement::verify`].

use std::fmt;

use crate::base::names::words;
use crate::seal::{Digest, SealError, Signature, SigningKey, VerifyingKey, canon, did as dids, digest};

use super::model::{Pact, Runtime};
use super::sealed::{PactError, SKEW_S};
use super::signature::{PactSignature, sealed_json};
use super::term::{Date, SemVer};
use super::trust::{Role, TrustFile};

words! {
    /// The kinds of signed documents beside the pact.
    StatementKind {
        /// Something changed under a pact in force.
        Notice = "notice",
        /// What was held may pass, or not.
        Approval = "approval",
        /// A suspended agent may work again.
        Reinstatement = "reinstatement",
        /// Versions that a counterparty accepts.
        Subscription = "subscription",
    }
}

impl StatementKind {
    /// First line of the signed bytes.
    pub const fn first_line(self) -> &'static str {
        match self {
            Self::Notice => "servanda notice v1\n",
            Self::Approval => "servanda approval v1\n",
            Self::Reinstatement => "servanda reinstatement v1\n",
            Self::Subscription => "servanda subscription v1\n",
        }
    }
}

/// What a statement says.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Something changed under a pact in force.
    Notice(Box<Notice>),
    /// What was held may pass, or not.
    Approval(Approval),
    /// A suspended agent may work again.
    Reinstatement(Reinstatement),
    /// Versions that a counterparty accepts.
    Subscription(Subscription),
}

/// Something changed under a pact in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The pact.
    pub pact: String,
    /// Its version in force.
    pub version: SemVer,
    /// Who promises.
    pub agent: String,
    /// To whom.
    pub counterparty: String,
    /// What changed.
    pub change: NoticeChange,
    /// Why, in words.
    pub reason: Option<String>,
}

/// What a notice announces.
#[derive(Clone, Debug, PartialEq)]
pub enum NoticeChange {
    /// The agent also runs so.
    Runtime(Runtime),
    /// A party signs with another key from some day on.
    Key(Box<KeyChange>),
    /// An older version may come into force again.
    Rollback {
        /// Which.
        to: SemVer,
    },
    /// The pact ends.
    Termination {
        /// On this day, 00:00 UTC.
        on: Date,
        /// The trigger of `renewal.terminate_on`, or none: by agreement.
        because: Option<String>,
    },
    /// The term is longer.
    Extension {
        /// Until this day, 00:00 UTC.
        until: Date,
    },
}

/// A party signs with another key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange {
    /// The party.
    pub of: String,
    /// The new key.
    pub key: VerifyingKey,
    /// The one it takes the place of.
    pub replaces: VerifyingKey,
    /// From this day, 00:00 UTC.
    pub from: Date,
}

impl NoticeChange {
    /// Its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Runtime(_) => "runtime",
            Self::Key(_) => "key",
            Self::Rollback { .. } => "rollback",
            Self::Termination { .. } => "termination",
            Self::Extension { .. } => "extension",
        }
    }
}

/// What was held may pass, or not. Good for one held call, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// The pact.
    pub pact: String,
    /// Its version.
    pub version: SemVer,
    /// The predicate that held it.
    pub predicate: String,
    /// The record of the hold.
    pub record: String,
    /// Commitment to the call, as the record has it.
    pub call: String,
    /// Whether it may pass.
    pub approve: bool,
    /// Who says so.
    pub approver: String,
}

/// A suspended agent may work again. Good for one suspension, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Reinstatement {
    /// The pact.
    pub pact: String,
    /// Its version.
    pub version: SemVer,
    /// Who was suspended.
    pub agent: String,
    /// The record of the suspension.
    pub record: String,
    /// Why, in words.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// As what: the role that the penalty names.
    pub role: Role,
}

/// Versions that a counterparty accepts ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// The pact.
    pub pact: String,
    /// Who promises.
    pub agent: String,
    /// Who accepts.
    pub counterparty: String,
    /// Which versions.
    pub accepts: Accepts,
}

/// A set of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// `"2.1.0"`: this one.
    Exactly(SemVer),
    /// `"^2.1.0"`: this one and greater ones below the next major.
    Compatible(SemVer),
    /// `">=2.1.0"`: this one and all greater ones.
    From(SemVer),
}

impl Accepts {
    /// The set with this text.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(">=") {
            return SemVer::parse(rest.trim_start()).map(Self::From);
        }
        if let Some(rest) = text.strip_prefix('^') {
            return SemVer::parse(rest).map(Self::Compatible);
        }
        SemVer::parse(text).map(Self::Exactly)
    }

    /// Whether a version is among them.
    pub fn contains(self, version: SemVer) -> bool {
        match self {
            Self::Exactly(one) => version == one,
            Self::Compatible(from) => version >= from && version.major == from.major,
            Self::From(from) => version >= from,
        }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(one) => write!(f, "{one}"),
            Self::Compatible(from) => write!(f, "^{from}"),
            Self::From(from) => write!(f, ">={from}"),
        }
    }
}

impl Statement {
    /// Its kind.
    pub fn kind(&self) -> StatementKind {
        match self {
            Self::Notice(_) => StatementKind::Notice,
            Self::Approval(_) => StatementKind::Approval,
            Self::Reinstatement(_) => StatementKind::Reinstatement,
            Self::Subscription(_) => StatementKind::Subscription,
        }
    }

    /// The pact it speaks of.
    pub fn pact(&self) -> &str {
        match self {
            Self::Notice(notice) => &notice.pact,
            Self::Approval(approval) => &approval.pact,
            Self::Reinstatement(reinstatement) => &reinstatement.pact,
            Self::Subscription(subscription) => &subscription.pact,
        }
    }

    /// The key that it announces.
    pub fn key_change(&self) -> Option<&KeyChange> {
        match self {
            Self::Notice(notice) => match &notice.change {
                NoticeChange::Key(change) => Some(change),
                _ => None,
            },
            _ => None,
        }
    }

    /// The agent whose pact it is, where it says so.
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Notice(notice) => Some(&notice.agent),
            Self::Reinstatement(reinstatement) => Some(&reinstatement.agent),
            Self::Subscription(subscription) => Some(&subscription.agent),
            Self::Approval(_) => None,
        }
    }

    /// Whom it names in a role.
    pub fn named(&self, role: Role) -> Option<&str> {
        match (self, role) {
            (Self::Notice(notice), Role::Agent) => Some(&notice.agent),
            (Self::Notice(notice), Role::Counterparty) => Some(&notice.counterparty),
            (Self::Approval(approval), Role::Approver) => Some(&approval.approver),
            (Self::Reinstatement(reinstatement), role) if role == reinstatement.role => Some(&reinstatement.by),
            (Self::Subscription(subscription), Role::Counterparty) => Some(&subscription.counterparty),
            _ => None,
        }
    }

    /// Who must have signed: all of each list, of any one of the lists.
    fn needs(&self) -> Vec<Vec<Role>> {
        match self {
            Self::Notice(notice) => match &notice.change {
                NoticeChange::Key(change) if change.of == notice.counterparty => vec![vec![Role::Counterparty]],
                // The agent says how it runs; the counterparty decides by `review_on` what that means.
                NoticeChange::Runtime(_) | NoticeChange::Key(_) => vec![vec![Role::Agent]],
                // Either party may go when a trigger says so.
                NoticeChange::Termination { because: Some(_), .. } => vec![vec![Role::Agent], vec![Role::Counterparty]],
                // What takes a promise back, goes on without a new one, or ends by agreement, takes both.
                NoticeChange::Rollback { .. } | NoticeChange::Extension { .. } | NoticeChange::Termination { .. } => {
                    vec![vec![Role::Agent, Role::Counterparty]]
                }
            },
            Self::Approval(_) => vec![vec![Role::Approver]],
            Self::Reinstatement(reinstatement) => vec![vec![reinstatement.role]],
            Self::Subscription(_) => vec![vec![Role::Counterparty]],
        }
    }

    /// Why it does not speak of this pact, if it does not.
    pub fn mismatch(&self, pact: &Pact) -> Option<String> {
        let subject = &pact.subject;
        let other = |what: &str, here: &str, there: Option<&str>| {
            (there != Some(here)).then(|| format!("it speaks of the {what} {here}, the pact of {}", there.unwrap_or("none")))
        };
        let version = |version: &SemVer| {
            (*version != pact.version).then(|| format!("it speaks of version {version}, and this is {}", pact.version))
        };
        if self.pact() != pact.id {
            return Some(format!("it speaks of the pact {}, and this is {}", self.pact(), pact.id));
        }
        let (agent, counterparty) = (subject.agent.as_deref(), subject.counterparty.as_deref());
        match self {
            Self::Notice(notice) => version(&notice.version)
                .or_else(|| other("agent", &notice.agent, agent))
                .or_else(|| other("counterparty", &notice.counterparty, counterparty))
                .or_else(|| unforeseen(notice, pact)),
            Self::Approval(approval) => version(&approval.version).or_else(|| {
                let Some(predicate) = pact.predicate(&approval.predicate) else {
                    return Some(format!("the pact has no predicate {}", approval.predicate));
                };
                let may = predicate.approve.as_ref().is_some_and(|a| a.who.contains(&approval.approver));
                (!may).then(|| format!("{} is not among those who may release what {} holds", approval.approver, predicate.id))
            }),
            Self::Reinstatement(reinstatement) => {
                version(&reinstatement.version).or_else(|| other("agent", &reinstatement.agent, agent))
            }
            Self::Subscription(subscription) => other("agent", &subscription.agent, agent)
                .or_else(|| other("counterparty", &subscription.counterparty, counterparty)),
        }
    }
}

impl fmt::Display for Statement {
    /// What it says, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notice(notice) => write!(f, "notice on {} {}: {}", notice.pact, notice.version, notice.change),
            Self::Approval(approval) => {
                let word = if approval.approve { "approved" } else { "denied" };
                let Approval { predicate, pact, version, record, .. } = approval;
                write!(f, "{word}: what {predicate} of {pact} {version} holds under {record}")
            }
            Self::Reinstatement(back) => {
                write!(f, "{} may work again under {} {}: {}", back.agent, back.pact, back.version, back.reason)
            }
            Self::Subscription(sub) => write!(f, "{} accepts {} {}", sub.counterparty, sub.pact, sub.accepts),
        }
    }
}

impl fmt::Display for NoticeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(runtime) => {
                let version = runtime.model_version.as_deref().map_or_else(String::new, |v| format!(" {v}"));
                write!(f, "the agent also runs {}{version}", runtime.model)
            }
            Self::Key(new) => write!(f, "{} signs with {} from {} on", new.of, new.key.multibase(), new.from),
            Self::Rollback { to } => write!(f, "version {to} may come into force again"),
            Self::Termination { on, because: Some(why) } => write!(f, "the pact ends on {on}: {why}"),
            Self::Termination { on, because: None } => write!(f, "the pact ends on {on} by agreement"),
            Self::Extension { until } => write!(f, "the term is longer, until {until}"),
        }
    }
}

/// An end for a reason that the pact does not know.
fn unforeseen(notice: &Notice, pact: &Pact) -> Option<String> {
    let NoticeChange::Termination { because: Some(why), .. } = &notice.change else { return None };
    let named = pact.renewal.terminate_on.iter().any(|t| t.word() == why);
    (!named).then(|| format!("`{why}` is not among the triggers of `renewal.terminate_on`"))
}

/// A statement with the canonical form of its document and the signatures that it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedStatement {
    statement: Statement,
    canonical: Vec<u8>,
    signatures: Vec<PactSignature>,
}

impl SignedStatement {
    pub(super) fn new(
        statement: Statement,
        document: &serde_json::Value,
        signatures: Vec<PactSignature>,
    ) -> Result<Self, SealError> {
        Ok(Self { statement, canonical: canon::to_canonical(document)?, signatures })
    }

    /// What it says.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// SHA-256 of the canonical form without signatures: tells two statements apart.
    pub fn digest(&self) -> Digest {
        digest(&self.canonical)
    }

    /// SHA-256 of the canonical form and the signatures: what is signed anew is another statement of the same words.
    pub fn id(&self) -> Digest {
        let mut signatures: Vec<&[u8; 64]> = self.signatures.iter().map(|s| &s.signature.0).collect();
        signatures.sort_unstable();
        let bytes: Vec<u8> = signatures.into_iter().flatten().chain(&self.canonical).copied().collect();
        digest(&bytes)
    }

    /// When the last of its signatures was made, in Unix seconds; never, where nobody has signed.
    pub fn signed_at(&self) -> i64 {
        self.signatures.iter().map(|s| s.at).max().unwrap_or(i64::MAX)
    }

    /// Who signed; whether the signatures fit is said by [`Self::verify`].
    pub fn signatures(&self) -> &[PactSignature] {
        &self.signatures
    }

    /// Adds the signature of whom the statement names in `role`.
    pub fn sign(mut self, key: &SigningKey, role: Role, at: i64) -> Result<Self, PactError> {
        let nobody = || PactError::NotThisParty { role, by: String::new(), named: None };
        let by = self.statement.named(role).ok_or_else(nobody)?.to_owned();
        if dids::did_key(&by).is_ok_and(|own| own != key.verifying()) {
            return Err(PactError::WrongKey(by));
        }
        if self.signatures.iter().any(|s| s.role == role) {
            return Err(PactError::SignedAlready(role));
        }
        let mut signature = PactSignature { at, by, key: key.verifying(), role, signature: Signature([0; 64]) };
        signature.signature = key.sign(&signature.message(self.statement.kind().first_line(), &self.digest())?);
        self.signatures.push(signature);
        Ok(self)
    }

    /// Whether every signature fits, enough have signed, and, with a trust file, their keys count.
    pub fn verify(&self, trust: Option<&TrustFile>, now: i64) -> Result<(), PactError> {
        let digest = self.digest();
        for (n, signature) in self.signatures.iter().enumerate() {
            let message = signature.message(self.statement.kind().first_line(), &digest)?;
            signature.key.verify(&message, &signature.signature).map_err(|_| PactError::BadSignature(signature.by.clone()))?;
            let named = self.statement.named(signature.role);
            if named != Some(signature.by.as_str()) {
                let (role, by) = (signature.role, signature.by.clone());
                return Err(PactError::NotThisParty { role, by, named: named.map(str::to_owned) });
            }
            if self.signatures.iter().take(n).any(|s| s.role == signature.role) {
                return Err(PactError::SignedAlready(signature.role));
            }
            if signature.at > now.saturating_add(SKEW_S) {
                return Err(PactError::FromTheFuture(signature.by.clone()));
            }
            if trust.is_some_and(|t| !t.allows(&signature.by, &signature.key, signature.role, signature.at)) {
                return Err(PactError::Untrusted { by: signature.by.clone(), role: signature.role });
            }
        }
        let signed = |role: &Role| self.signatures.iter().any(|s| s.role == *role);
        let needs = self.statement.needs();
        if needs.iter().any(|all| all.iter().all(signed)) {
            self.own_key()
        } else {
            let missing = needs.iter().flatten().find(|role| !signed(role)).copied().unwrap_or(Role::Agent);
            Err(PactError::Unsigned(missing))
        }
    }

    /// A new key is announced by the one that it replaces, or anybody could announce one.
    fn own_key(&self) -> Result<(), PactError> {
        let Some(change) = self.statement.key_change() else { return Ok(()) };
        let by_old = self.signatures.iter().any(|s| s.by == change.of && s.key == change.replaces);
        if by_old { Ok(()) } else { Err(PactError::WrongKey(change.of.clone())) }
    }

    /// The document as canonical values plus `signatures`, as JSON for people to read.
    pub fn to_json(&self) -> Result<String, PactError> {
        Ok(sealed_json(&self.canonical, &self.signatures)?)
    }
}

#[cfg(test)]
mod tests;
