//! Whether a pact may come into force: a pure function of what is there, what comes, and the time.
//!
//! Promises: with a trust file, nothing unsigned, expired, older than what was seen before, of another
//! content under a known version, or about another agent is ever let in. Without one, only what is
//! expired or about another agent is kept out, and everything let in is unsigned.

use std::fmt;

use crate::pact::term::SemVer;

use super::memory::{InForce, Memory};

/// What is known of a pact that wants to come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub pact: String,
    /// The agent it binds, if it says so.
    pub agent: Option<String>,
    /// Version of the promise.
    pub version: SemVer,
    /// Digest of its canonical form, hexadecimal.
    pub digest: String,
    /// What its signatures are worth.
    pub seal: Seal,
    /// First second in force.
    pub effective: Option<i64>,
    /// First second no longer in force.
    pub expires: Option<i64>,
}

/// What the signatures of a document are worth to the trust file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// None were looked at or there are none.
    None,
    /// These roles have signed with keys that count.
    Roles(Vec<String>),
    /// There are signatures, and one does not hold.
    Broken(String),
}

/// What a deployment asks of a pact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standard {
    /// No trust file.
    Development {
        /// The agent the config names, if any.
        agent: Option<String>,
    },
    /// A trust file.
    Trusted {
        /// Whom the pact must be about.
        agent: String,
        /// Who must have signed.
        require: Vec<String>,
    },
}

impl Standard {
    /// Whether signatures are asked for.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Trusted { .. })
    }
}

/// A pact may come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// What will be in force.
    pub in_force: InForce,
    /// Whether the very same is in force already.
    pub unchanged: bool,
    /// What a person should know all the same.
    pub note: Option<String>,
}

/// Why a pact or config does not come into force. The old state stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The file cannot be read.
    Unreadable(String),
    /// The document has mistakes.
    Broken(String),
    /// It carries no signature and must.
    Unsigned,
    /// A signature does not hold.
    BadSignature(String),
    /// A role that must sign has not.
    Lacks(String),
    /// It is about another agent.
    WrongAudience {
        /// Whom it is about.
        found: String,
        /// Whom it must be about.
        wanted: String,
    },
    /// It is not in force yet.
    NotYet(i64),
    /// It is no longer in force.
    Expired(i64),
    /// A later version was in force before.
    Older {
        /// The version that came.
        found: SemVer,
        /// The highest seen.
        seen: SemVer,
    },
    /// The version is known with another content.
    OtherContent(SemVer),
    /// It cannot be compiled here.
    Uncompilable(String),
    /// It promises what this build cannot check.
    Unenforced(String),
    /// It fails one of its own cases.
    Case(String),
    /// It needs a fact that nothing in the config tells.
    FactSource(String),
    /// The change takes a restart.
    NeedsRestart(String),
}

impl Refused {
    /// Stable code for logs and records.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Broken(_) => "broken",
            Self::Unsigned => "unsigned",
            Self::BadSignature(_) => "bad_signature",
            Self::Lacks(_) => "signature_missing",
            Self::WrongAudience { .. } => "wrong_audience",
            Self::NotYet(_) => "not_yet_effective",
            Self::Expired(_) => "expired",
            Self::Older { .. } => "older",
            Self::OtherContent(_) => "other_content",
            Self::Uncompilable(_) => "uncompilable",
            Self::Unenforced(_) => "unenforced",
            Self::Case(_) => "case_failed",
            Self::FactSource(_) => "fact_source",
            Self::NeedsRestart(_) => "needs_restart",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Broken(why) | Self::Uncompilable(why) | Self::FactSource(why) => f.write_str(why),
            Self::Unsigned => f.write_str("it is not signed, and the config has a trust file"),
            Self::BadSignature(why) => write!(f, "a signature does not hold: {why}"),
            Self::Lacks(role) => write!(f, "the {role} has not signed it with a key that the trust file knows"),
            Self::WrongAudience { found, wanted } => write!(f, "it is about {found}; this sidecar guards {wanted}"),
            Self::NotYet(at) => write!(f, "it is in force from {} on", day(*at)),
            Self::Expired(at) => write!(f, "it has expired on {}", day(*at)),
            Self::Older { found, seen } => write!(f, "it is version {found}, and {seen} was in force before"),
            Self::OtherContent(version) => {
                write!(f, "version {version} is known with another content: a change needs a greater version")
            }
            Self::Unenforced(predicate) => {
                write!(
                    f,
                    "this build cannot check `{predicate}`; accept that by `accept_unenforced: [{predicate}]`, or do not enforce"
                )
            }
            Self::Case(case) => write!(f, "it fails its own case {case}"),
            Self::NeedsRestart(what) => write!(f, "{what} cannot change while running: restart the sidecar"),
        }
    }
}

fn day(second: i64) -> String {
    jiff::Timestamp::from_second(second).map_or_else(|_| second.to_string(), |t| t.to_string())
}

/// Whether `candidate` may come into force at `now` (seconds since the Unix epoch) after `current`.
///
/// # Errors
/// Why not.
pub fn decide(
    current: Option<&InForce>,
    candidate: &Candidate,
    standard: &Standard,
    memory: &Memory,
    now: i64,
) -> Result<Accept, Refused> {
    audience(candidate, standard)?;
    if let Some(expires) = candidate.expires.filter(|at| now >= *at) {
        return Err(Refused::Expired(expires));
    }
    let early = candidate.effective.filter(|at| now < *at);
    let current = current.filter(|c| c.pact == candidate.pact && c.agent == candidate.agent);
    let mut note = None;
    if let Standard::Trusted { require, .. } = standard {
        signatures(&candidate.seal, require)?;
        if let Some(effective) = early {
            return Err(Refused::NotYet(effective));
        }
        let seen = memory.seen(&candidate.pact, candidate.agent.as_deref()).map(|s| (s.version, s.digest.as_str()));
        let running = current.map(|c| (c.version, c.digest.as_str()));
        for (version, digest) in seen.into_iter().chain(running) {
            if candidate.version < version {
                return Err(Refused::Older { found: candidate.version, seen: version });
            }
            if candidate.version == version && candidate.digest != digest {
                return Err(Refused::OtherContent(version));
            }
        }
    } else if let Some(effective) = early {
        note = Some(format!("it is in force from {} on; development mode runs it already", day(effective)));
    }
    Ok(Accept {
        unchanged: current.is_some_and(|c| c.digest == candidate.digest && c.signed == standard.is_trusted()),
        in_force: InForce {
            pact: candidate.pact.clone(),
            agent: candidate.agent.clone(),
            version: candidate.version,
            digest: candidate.digest.clone(),
            signed: standard.is_trusted(),
            expires: candidate.expires,
        },
        note,
    })
}

fn audience(candidate: &Candidate, standard: &Standard) -> Result<(), Refused> {
    let (wanted, strict) = match standard {
        Standard::Development { agent: None } => return Ok(()),
        Standard::Development { agent: Some(agent) } => (agent, false),
        Standard::Trusted { agent, .. } => (agent, true),
    };
    match &candidate.agent {
        Some(found) if found == wanted => Ok(()),
        None if !strict => Ok(()),
        found => {
            Err(Refused::WrongAudience { found: found.clone().unwrap_or_else(|| "no agent".to_owned()), wanted: wanted.clone() })
        }
    }
}

fn signatures(seal: &Seal, require: &[String]) -> Result<(), Refused> {
    match seal {
        Seal::None => Err(Refused::Unsigned),
        Seal::Broken(why) => Err(Refused::BadSignature(why.clone())),
        Seal::Roles(roles) => match require.iter().find(|role| !roles.contains(role)) {
            Some(role) => Err(Refused::Lacks(role.clone())),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "did:web:a.example";
    const NOW: i64 = 1_800_000_000;

    fn version(text: &str) -> SemVer {
        SemVer::parse(text).unwrap()
    }

    fn candidate(text: &str, digest: &str) -> Candidate {
        Candidate {
            pact: "p".to_owned(),
            agent: Some(AGENT.to_owned()),
            version: version(text),
            digest: digest.to_owned(),
            seal: Seal::Roles(vec!["agent".to_owned(), "counterparty".to_owned()]),
            effective: Some(NOW - 10),
            expires: Some(NOW + 10),
        }
    }

    fn trusted() -> Standard {
        Standard::Trusted { agent: AGENT.to_owned(), require: vec!["agent".to_owned(), "counterparty".to_owned()] }
    }

    fn running(text: &str, digest: &str) -> InForce {
        let candidate = candidate(text, digest);
        decide(None, &candidate, &trusted(), &Memory::default(), NOW).unwrap().in_force
    }

    #[test]
    fn trusted_mode() {
        let code = |change: &dyn Fn(&mut Candidate)| {
            let mut memory = Memory::default();
            memory.note(&running("2.1.0", "d1"));
            let mut came = candidate("2.2.0", "d2");
            change(&mut came);
            decide(Some(&running("2.1.0", "d1")), &came, &trusted(), &memory, NOW).map_or_else(|r| r.code(), |_| "accepted")
        };
        assert_eq!(code(&|_| ()), "accepted");
        assert_eq!(code(&|c| c.seal = Seal::None), "unsigned");
        assert_eq!(code(&|c| c.seal = Seal::Broken("x".to_owned())), "bad_signature");
        assert_eq!(code(&|c| c.seal = Seal::Roles(vec!["agent".to_owned()])), "signature_missing");
        assert_eq!(code(&|c| c.agent = Some("did:web:b.example".to_owned())), "wrong_audience");
        assert_eq!(code(&|c| c.agent = None), "wrong_audience");
        assert_eq!(code(&|c| c.expires = Some(NOW)), "expired");
        assert_eq!(code(&|c| c.expires = Some(NOW + 1)), "accepted");
        assert_eq!(code(&|c| c.expires = None), "accepted");
        assert_eq!(code(&|c| c.effective = Some(NOW)), "accepted");
        assert_eq!(code(&|c| c.effective = Some(NOW + 1)), "not_yet_effective");
        assert_eq!(code(&|c| c.version = version("2.0.9")), "older");
        assert_eq!(code(&|c| c.version = version("2.1.0")), "other_content");
        assert_eq!(code(&|c| *c = candidate("2.1.0", "d1")), "accepted");
        assert_eq!(code(&|c| c.pact = "another".to_owned()), "accepted");
    }

    #[test]
    fn the_same_is_unchanged_and_after_a_restart_loaded() {
        let mut memory = Memory::default();
        memory.note(&running("2.1.0", "d1"));
        let same = candidate("2.1.0", "d1");
        assert!(decide(Some(&running("2.1.0", "d1")), &same, &trusted(), &memory, NOW).unwrap().unchanged);
        assert!(!decide(None, &same, &trusted(), &memory, NOW).unwrap().unchanged);
        // Memory outlives the process: what ran before it still counts.
        assert_eq!(decide(None, &candidate("2.0.0", "d0"), &trusted(), &memory, NOW).unwrap_err().code(), "older");
        assert_eq!(decide(None, &candidate("2.1.0", "d9"), &trusted(), &memory, NOW).unwrap_err().code(), "other_content");
    }

    #[test]
    fn development_mode() {
        let standard = Standard::Development { agent: None };
        let mut came = Candidate { seal: Seal::None, agent: None, effective: None, expires: None, ..candidate("1.0.0", "d1") };
        let current = decide(None, &came, &standard, &Memory::default(), NOW).unwrap();
        assert!(!current.unchanged && !current.in_force.signed);
        let again = |came: &Candidate| decide(Some(&current.in_force), came, &standard, &Memory::default(), NOW);
        assert!(again(&came).unwrap().unchanged);
        came.digest = "d2".to_owned();
        assert!(!again(&came).unwrap().unchanged, "an edited file reloads at the same version");
        came.version = version("0.9.0");
        assert!(again(&came).is_ok());
        came.effective = Some(NOW + 1);
        assert!(again(&came).unwrap().note.is_some());
        came.expires = Some(NOW - 1);
        assert_eq!(again(&came).unwrap_err().code(), "expired");
        let named = Standard::Development { agent: Some("did:web:b.example".to_owned()) };
        let other = Candidate { agent: Some(AGENT.to_owned()), expires: None, ..came };
        assert_eq!(decide(None, &other, &named, &Memory::default(), NOW).unwrap_err().code(), "wrong_audience");
    }

    #[test]
    fn a_signed_state_is_not_the_unsigned_one() {
        let mut unsigned = running("2.1.0", "d1");
        unsigned.signed = false;
        assert!(!decide(Some(&unsigned), &candidate("2.1.0", "d1"), &trusted(), &Memory::default(), NOW).unwrap().unchanged);
    }
}
