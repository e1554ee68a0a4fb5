//! Signing a pact, verifying it, and the proof that it may be enforced.
//!
//! Signed bytes: `servanda pact v1\n`, the hexadecimal SHA-256 of the canonical document without
//! `signatures`, `\n`, and the canonical form of `{at, by, key, role}`. So a signature binds the document
//! as written, before any expansion, to who signed it, when, with which key and as what.
//!
//! [`VerifiedPact`] has no other maker than [`activate`]: with a trust file it is the proof that all who
//! must have signed did, that their keys count, and that the pact is in force for this agent; without one
//! (development) it says so by [`Provenance::Development`].

use std::fmt;

use crate::seal::{Digest, SealError, Signature, SigningKey, did as dids};

use super::checked::CheckedPact;
use super::signature::{PactSignature, sealed_json};
use super::term::{Date, SemVer};
use super::trust::{CredentialStatus, Role, TrustFile};

/// Seconds by which another machine's clock may be ahead.
pub(super) const SKEW_S: i64 = 300;

/// First line of the signed bytes of a pact.
const FIRST_LINE: &str = "servanda pact v1\n";

/// Why a pact is not signed, or not enforced.
#[derive(Debug)]
#[non_exhaustive]
pub enum PactError {
    /// A draft: what it lacks.
    Draft(Vec<String>),
    /// Only parties sign a pact.
    NoParty(Role),
    /// The pact names nobody in that role, or somebody else.
    NotThisParty {
        /// The role.
        role: Role,
        /// Who signs.
        by: String,
        /// Whom the pact names.
        named: Option<String>,
    },
    /// The key is not the one that the identity carries.
    WrongKey(String),
    /// This party has signed already.
    SignedAlready(Role),
    /// A signature does not fit; whose.
    BadSignature(String),
    /// Made in the future.
    FromTheFuture(String),
    /// A required signature is missing.
    Unsigned(Role),
    /// The counterparty has not signed, and its subscription does not stand for that: why.
    NoConsent(String),
    /// The trust file does not know this key in this role at that time.
    Untrusted {
        /// Whose.
        by: String,
        /// The role.
        role: Role,
    },
    /// The credential of the subject is not active; none: the trust file does not list it.
    Credential(String, Option<CredentialStatus>),
    /// Not yet in force.
    NotYet(Date),
    /// No longer in force.
    Expired(Date),
    /// A later major version has taken its place for good.
    Retired(Date),
    /// The pact binds another agent.
    WrongAudience {
        /// Whom it binds.
        pact: Option<String>,
        /// Who is here.
        here: String,
    },
    /// An older version than the one in force.
    RolledBack {
        /// In force.
        in_force: SemVer,
        /// Offered.
        offered: SemVer,
    },
    /// The version in force, with another content.
    SameVersion(SemVer),
    /// Canonical form or key.
    Seal(SealError),
}

impl fmt::Display for PactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft(lacks) => write!(f, "a draft cannot be signed or trusted; it lacks {}", lacks.join("; ")),
            Self::NoParty(role) => write!(f, "a pact is signed by agent, counterparty and guarantor, not by a {role}"),
            Self::NotThisParty { role, by, named: Some(named) } => write!(f, "the {role} is {named}, not {by}"),
            Self::NotThisParty { role, .. } => write!(f, "the document names no {role} who could sign"),
            Self::WrongKey(who) => write!(f, "this is not the key of {who}"),
            Self::SignedAlready(role) => write!(f, "the {role} has signed already"),
            Self::BadSignature(who) => write!(f, "the signature of {who} does not fit the document"),
            Self::FromTheFuture(who) => write!(f, "the signature of {who} is dated in the future"),
            Self::Unsigned(role) => {
                write!(f, "the {role} has not signed; `servanda sign --role {role}` with that party's key adds it")
            }
            Self::NoConsent(why) => {
                write!(
                    f,
                    "the counterparty has not signed, and no subscription stands for that: {why}; have it sign the document"
                )
            }
            Self::Untrusted { by, role } => {
                write!(f, "the trust file does not know this key of {by} as {role} at the time of signing")
            }
            Self::Credential(id, Some(status)) => write!(f, "the credential {id} is {status}"),
            Self::Credential(id, None) => write!(f, "the trust file does not list the credential {id}"),
            Self::NotYet(date) => write!(f, "the pact takes effect on {date}"),
            Self::Expired(date) => write!(f, "the pact expired on {date}"),
            Self::Retired(date) => {
                write!(f, "this version retired on {date}, after a later major version; sign a version greater than that one")
            }
            Self::WrongAudience { pact: Some(pact), here } => write!(f, "the pact binds {pact}, and this is {here}"),
            Self::WrongAudience { pact: None, here } => write!(f, "the pact binds nobody, and this is {here}"),
            Self::RolledBack { in_force, offered } => write!(f, "version {offered} is older than {in_force}, which is in force"),
            Self::SameVersion(version) => write!(f, "version {version} is in force with another content; raise the version"),
            Self::Seal(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for PactError {}

impl PactError {
    /// A stable word for metrics, records and `/readyz`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Draft(_) => "draft",
            Self::NoParty(_) | Self::NotThisParty { .. } => "wrong_party",
            Self::WrongKey(_) => "wrong_key",
            Self::SignedAlready(_) => "signed_already",
            Self::BadSignature(_) | Self::FromTheFuture(_) | Self::Seal(_) => "bad_signature",
            Self::Unsigned(_) | Self::NoConsent(_) => "unsigned",
            Self::Untrusted { .. } => "untrusted",
            Self::Credential(..) => "credential",
            Self::NotYet(_) => "not_yet_effective",
            Self::Expired(_) => "expired",
            Self::Retired(_) => "retired",
            Self::WrongAudience { .. } => "wrong_audience",
            Self::RolledBack { .. } => "rolled_back",
            Self::SameVersion(_) => "same_version",
        }
    }
}

impl From<SealError> for PactError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// A checked pact with the signatures that its text carries, each of which fits. Whether they count is
/// said by [`activate`].
#[derive(Clone, Debug, PartialEq)]
pub struct SealedPact {
    checked: CheckedPact,
}

impl SealedPact {
    /// A pact whose signatures all fit the document; it may have none.
    pub fn new(checked: CheckedPact) -> Result<Self, PactError> {
        let digest = checked.digest();
        for signature in checked.signatures() {
            let fits = signature.key.verify(&signature.message(FIRST_LINE, &digest)?, &signature.signature);
            fits.map_err(|_| PactError::BadSignature(signature.by.clone()))?;
            party(&checked, signature.role, &signature.by)?;
        }
        for (n, signature) in checked.signatures().iter().enumerate() {
            if checked.signatures().iter().take(n).any(|s| s.role == signature.role) {
                return Err(PactError::SignedAlready(signature.role));
            }
        }
        Ok(Self { checked })
    }

    /// The pact.
    pub fn checked(&self) -> &CheckedPact {
        &self.checked
    }

    /// Who signed.
    pub fn signatures(&self) -> &[PactSignature] {
        self.checked.signatures()
    }

    /// Adds the signature of the party in `role`.
    pub fn sign(mut self, key: &SigningKey, role: Role, at: i64) -> Result<Self, PactError> {
        if !self.checked.lacks().is_empty() {
            return Err(PactError::Draft(self.checked.lacks().to_vec()));
        }
        let subject = &self.checked.pact().subject;
        let by = named(&self.checked, role)?.ok_or(PactError::NotThisParty { role, by: String::new(), named: None })?;
        let verifying = key.verifying();
        if dids::did_key(&by).is_ok_and(|own| own != verifying) {
            return Err(PactError::WrongKey(by));
        }
        if role == Role::Agent && subject.agent_key.as_ref().is_some_and(|k| *k != verifying.multibase()) {
            return Err(PactError::WrongKey(by));
        }
        if self.signatures().iter().any(|s| s.role == role) {
            return Err(PactError::SignedAlready(role));
        }
        let mut signature = PactSignature { at, by, key: verifying, role, signature: Signature([0; 64]) };
        signature.signature = key.sign(&signature.message(FIRST_LINE, &self.checked.digest())?);
        self.checked.add_signature(signature);
        Ok(self)
    }

    /// The sealed document: the source as canonical values plus `signatures`, as JSON for people to read.
    pub fn to_json(&self) -> Result<String, PactError> {
        Ok(sealed_json(self.checked.canonical(), self.signatures())?)
    }
}

/// Whom the pact names in a role.
fn named(checked: &CheckedPact, role: Role) -> Result<Option<String>, PactError> {
    let subject = &checked.pact().subject;
    match role {
        Role::Agent => Ok(subject.agent.clone()),
        Role::Counterparty => Ok(subject.counterparty.clone()),
        Role::Guarantor => Ok(subject.guarantor.clone()),
        Role::Approver | Role::Judge | Role::Image => Err(PactError::NoParty(role)),
    }
}

fn party(checked: &CheckedPact, role: Role, by: &str) -> Result<(), PactError> {
    let named = named(checked, role)?;
    if named.as_deref() == Some(by) { Ok(()) } else { Err(PactError::NotThisParty { role, by: by.to_owned(), named }) }
}

/// On what grounds a pact is enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Signed by these roles with keys that the trust file knows.
    Trusted(Vec<Role>),
    /// There is no trust file: nobody vouches for it, and everything that shows the pact says so.
    Development,
}

/// The proof that a pact may be enforced here and now.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedPact {
    sealed: SealedPact,
    provenance: Provenance,
}

impl VerifiedPact {
    /// The pact.
    pub fn checked(&self) -> &CheckedPact {
        self.sealed.checked()
    }

    /// The pact with its signatures.
    pub fn sealed(&self) -> &SealedPact {
        &self.sealed
    }

    /// On what grounds.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Whether nobody vouches for it.
    pub fn is_unsigned(&self) -> bool {
        self.provenance == Provenance::Development
    }

    /// Whether it may take the place of a version in force (or of the highest seen): a greater version, or
    /// the same with the same content. In development an edited file may keep its version.
    pub fn may_follow(&self, version: SemVer, digest: &Digest) -> Result<(), PactError> {
        let offered = self.checked().pact().version;
        if self.is_unsigned() {
            return Ok(());
        }
        match offered.cmp(&version) {
            std::cmp::Ordering::Greater => Ok(()),
            std::cmp::Ordering::Equal if self.checked().digest() == *digest => Ok(()),
            std::cmp::Ordering::Equal => Err(PactError::SameVersion(version)),
            std::cmp::Ordering::Less => Err(PactError::RolledBack { in_force: version, offered }),
        }
    }
}

/// What was said beside a pact, or followed it, and changes what one version of it may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// The end of its term, where it is another than the document's.
    pub until: Option<Date>,
    /// The greatest version that both parties have gone back from to this one; it does not stand in the way.
    pub back_from: Option<SemVer>,
    /// Since when a later major version keeps it from coming into force.
    pub retired: Option<Date>,
}

/// What a deployment demands of a pact.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// The trust file; none: development.
    pub trust: Option<&'a TrustFile>,
    /// Roles that must have signed: agent and counterparty, or the agent alone (a self-pledge).
    pub require: &'a [Role],
    /// The agent that this deployment guards, if its config says so.
    pub agent: Option<&'a str>,
    /// Unix seconds.
    pub now: i64,
    /// What was said beside the version that is looked at.
    pub beside: Beside,
}

impl Demands<'_> {
    /// When the term of a pact ends: as was said beside it, else as its document has it.
    pub fn until(&self, sealed: &SealedPact) -> Option<Date> {
        self.beside.until.or(sealed.checked().pact().renewal.expires)
    }
}

/// The roles that must have signed unless the config says otherwise.
pub const REQUIRED: &[Role] = &[Role::Agent, Role::Counterparty];

/// Makes a pact enforceable, or says why it is not.
pub fn activate(sealed: SealedPact, demands: &Demands<'_>) -> Result<VerifiedPact, PactError> {
    audience(&sealed, demands)?;
    let renewal = &sealed.checked().pact().renewal;
    if let Some(date) = renewal.effective.filter(|d| demands.now < d.at) {
        return Err(PactError::NotYet(date));
    }
    if let Some(date) = demands.until(&sealed).filter(|d| demands.now >= d.at) {
        return Err(PactError::Expired(date));
    }
    if let Some(date) = demands.beside.retired.filter(|d| demands.now >= d.at) {
        return Err(PactError::Retired(date));
    }
    let provenance = vouch(&sealed, demands)?;
    Ok(VerifiedPact { sealed, provenance })
}

/// On what grounds a pact counts here, whatever the day: it binds this agent and, with a trust file, it is
/// whole and all who must have signed did, with keys that count. [`activate`] asks for the dates as well.
pub fn vouch(sealed: &SealedPact, demands: &Demands<'_>) -> Result<Provenance, PactError> {
    audience(sealed, demands)?;
    let Some(trust) = demands.trust else { return Ok(Provenance::Development) };
    complete(sealed, demands.require)?;
    for signature in sealed.signatures() {
        let counts = trust.allows(&signature.by, &signature.key, signature.role, signature.at);
        if !counts && (demands.require.contains(&signature.role) || signature.role == Role::Agent) {
            return Err(PactError::Untrusted { by: signature.by.clone(), role: signature.role });
        }
        if signature.at > demands.now.saturating_add(SKEW_S) {
            return Err(PactError::FromTheFuture(signature.by.clone()));
        }
    }
    if let Some(id) = &sealed.checked().pact().subject.credential {
        let status = trust.credentials.get(id).copied();
        if status != Some(CredentialStatus::Active) {
            return Err(PactError::Credential(id.clone(), status));
        }
    }
    let counted = sealed.signatures().iter().filter(|s| trust.allows(&s.by, &s.key, s.role, s.at));
    Ok(Provenance::Trusted(counted.map(|s| s.role).collect()))
}

/// Whether a pact is no draft, and the agent and these roles have signed it. Whether their keys count is
/// another question.
pub fn complete(sealed: &SealedPact, require: &[Role]) -> Result<(), PactError> {
    if !sealed.checked().lacks().is_empty() {
        return Err(PactError::Draft(sealed.checked().lacks().to_vec()));
    }
    // The agent's word is the least of all: a pact that only others signed binds nobody here.
    let mut required = require.iter().copied().chain([Role::Agent]);
    match required.find(|role| !sealed.signatures().iter().any(|s| s.role == *role)) {
        Some(role) => Err(PactError::Unsigned(role)),
        None => Ok(()),
    }
}

fn audience(sealed: &SealedPact, demands: &Demands<'_>) -> Result<(), PactError> {
    let agent = &sealed.checked().pact().subject.agent;
    match demands.agent {
        Some(here) if agent.as_deref() != Some(here) && (demands.trust.is_some() || agent.is_some()) => {
            Err(PactError::WrongAudience { pact: agent.clone(), here: here.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::template::template;
    use crate::pact::{Packs, read, read_trust};

    const NOW: i64 = 1_790_000_000;

    fn keys() -> (SigningKey, SigningKey) {
        (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]))
    }

    fn checked(text: &str) -> CheckedPact {
        let (pact, out) = read(text, Packs::shipped());
        pact.unwrap_or_else(|| panic!("{}", out.render("pact", text)))
    }

    fn draft() -> SealedPact {
        SealedPact::new(checked(template("minimal").unwrap())).unwrap()
    }

    fn signed() -> SealedPact {
        let (agent, counterparty) = keys();
        draft().sign(&agent, Role::Agent, NOW).unwrap().sign(&counterparty, Role::Counterparty, NOW).unwrap()
    }

    fn trust(extra: &str) -> TrustFile {
        let (agent, counterparty) = keys();
        let text = format!(
            "identities:\n  - {{did: 'did:web:vendor.example:agents:first', keys: [{{key: {}{extra}}}], roles: [agent]}}\n  \
             - {{did: 'did:web:customer.example', keys: [{{key: {}}}], roles: [counterparty]}}\n",
            agent.verifying().multibase(),
            counterparty.verifying().multibase()
        );
        let (trust, out) = read_trust(&text);
        trust.unwrap_or_else(|| panic!("{}", out.render("trust", &text)))
    }

    fn code(sealed: &SealedPact, trust: Option<&TrustFile>, require: &[Role], agent: Option<&str>, now: i64) -> &'static str {
        activate(sealed.clone(), &Demands { trust, require, agent, now, beside: Beside::default() })
            .map_or_else(|e| e.code(), |_| "active")
    }

    #[test]
    fn signed_sealed_and_read_again_it_is_the_same() {
        let sealed = signed();
        let text = sealed.to_json().unwrap();
        let again = SealedPact::new(checked(&text)).unwrap();
        assert_eq!(again.checked().digest(), draft().checked().digest());
        assert_eq!(again.signatures(), sealed.signatures());
        assert_eq!(code(&again, Some(&trust("")), REQUIRED, None, NOW), "active");
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_reference() {
        let sealed = signed();
        let signature = &sealed.signatures()[0];
        let digest = draft().checked().digest().hex();
        let wanted = format!(
            "servanda pact v1\n{digest}\n{{\"at\":1790000000,\"by\":\"did:web:vendor.example:agents:first\",\"key\":\"{}\",\"role\":\"agent\"}}",
            keys().0.verifying().multibase()
        );
        assert_eq!(String::from_utf8(signature.message(FIRST_LINE, &draft().checked().digest()).unwrap()).unwrap(), wanted);
    }

    #[test]
    fn any_change_of_document_or_head_breaks_it() {
        let text = signed().to_json().unwrap();
        for (from, to) in [
            ("block", "allow"),
            ("\"-100\"", "\"-10\""),
            ("1.0.0", "1.0.1"),
            ("\"role\": \"agent\"", "\"role\": \"guarantor\""),
            ("\"at\": 1790000000", "\"at\": 1790000001"),
            ("until_review", "24h"),
            ("NO_PII_EXFILTRATION", "NO_IMPERSONATION"),
        ] {
            let changed = text.replacen(from, to, 1);
            if changed == text {
                continue;
            }
            let (pact, _) = read(&changed, Packs::shipped());
            assert!(pact.is_none_or(|p| SealedPact::new(p).is_err()), "{from}");
        }
        // Order of keys and white space are no part of it.
        let compact = serde_json::from_str::<serde_json::Value>(&text).unwrap().to_string();
        assert!(SealedPact::new(checked(&compact)).is_ok());
    }

    #[test]
    fn activation_says_why_not() {
        let (sealed, full) = (signed(), trust(""));
        let (agent, counterparty) = keys();
        let half = draft().sign(&agent, Role::Agent, NOW).unwrap();
        assert_eq!(code(&sealed, Some(&full), REQUIRED, Some("did:web:vendor.example:agents:first"), NOW), "active");
        assert_eq!(code(&sealed, Some(&full), REQUIRED, Some("did:web:vendor.example:agents:other"), NOW), "wrong_audience");
        assert_eq!(code(&half, Some(&full), REQUIRED, None, NOW), "unsigned");
        assert_eq!(code(&half, Some(&full), &[Role::Agent], None, NOW), "active");
        assert_eq!(code(&draft(), Some(&full), &[], None, NOW), "unsigned");
        assert_eq!(code(&draft(), None, REQUIRED, None, NOW), "active");
        assert_eq!(code(&sealed, Some(&full), REQUIRED, None, 1_700_000_000), "not_yet_effective");
        assert_eq!(code(&sealed, Some(&full), REQUIRED, None, 2_100_000_000), "expired");
        assert_eq!(code(&sealed, None, REQUIRED, None, 2_100_000_000), "expired");
        assert_eq!(code(&sealed, Some(&full), REQUIRED, None, NOW - 1000), "bad_signature");
        assert_eq!(code(&sealed, Some(&trust(", until: 2026-01-01")), REQUIRED, None, NOW), "untrusted");
        assert_eq!(code(&sealed, Some(&trust(", from: 2030-01-01")), REQUIRED, None, NOW), "untrusted");
        assert_eq!(code(&sealed, Some(&TrustFile::default()), REQUIRED, None, NOW), "untrusted");
        let stranger = draft().sign(&counterparty, Role::Agent, NOW).unwrap();
        assert_eq!(code(&stranger, Some(&full), &[Role::Agent], None, NOW), "untrusted");
    }

    #[test]
    fn signing_says_why_not() {
        let (agent, _) = keys();
        let code = |r: Result<SealedPact, PactError>| r.map_or_else(|e| e.code(), |_| "signed");
        assert_eq!(code(draft().sign(&agent, Role::Guarantor, NOW)), "wrong_party");
        assert_eq!(code(draft().sign(&agent, Role::Judge, NOW)), "wrong_party");
        assert_eq!(code(signed().sign(&agent, Role::Agent, NOW)), "signed_already");
        let open = SealedPact::new(checked("format: 1\npact: x\n")).unwrap();
        assert_eq!(code(open.sign(&agent, Role::Agent, NOW)), "draft");
        let own = template("minimal").unwrap().replace("did:web:vendor.example:agents:first", &keys().1.verifying().did_key());
        let own = SealedPact::new(checked(&own)).unwrap();
        assert_eq!(code(own.clone().sign(&agent, Role::Agent, NOW)), "wrong_key");
        assert_eq!(code(own.sign(&keys().1, Role::Agent, NOW)), "signed");
    }

    #[test]
    fn versions_only_go_up_once_somebody_vouches() {
        let full = trust("");
        let demands = |trust| Demands { trust, require: REQUIRED, agent: None, now: NOW, beside: Beside::default() };
        let active = |s: SealedPact, t| activate(s, &demands(t)).unwrap();
        let verified = active(signed(), Some(&full));
        let (own, digest) = (verified.checked().pact().version, verified.checked().digest());
        let other = Digest([7; 32]);
        let up = SemVer { major: 9, ..own };
        assert!(verified.may_follow(SemVer::default(), &other).is_ok());
        assert!(verified.may_follow(own, &digest).is_ok());
        assert_eq!(verified.may_follow(own, &other).unwrap_err().code(), "same_version");
        assert_eq!(verified.may_follow(up, &other).unwrap_err().code(), "rolled_back");
        assert!(active(draft(), None).may_follow(up, &other).is_ok());
    }
}
