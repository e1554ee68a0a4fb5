//! What is in force, and the highest version seen of each pact, kept beside the log so that a restart does not forget it.
//!
//! Promises: the file is replaced whole and synced before a pact comes into force; one that cannot be
//! read stops a trusted start, since an empty memory would let an old version in again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::base::limits::DOCUMENT_MAX;
use crate::pact::term::SemVer;
use crate::pact::{Portfolio, SealedPact};
use crate::proxy::error::ProxyError;
use crate::seal::Digest;

/// Name of the file in the folder of the log.
pub const FILE: &str = "pacts.seen.json";

/// A pact in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Its id.
    pub pact: String,
    /// The agent it binds.
    pub agent: Option<String>,
    /// Version of the promise.
    pub version: SemVer,
    /// Digest of its canonical form.
    pub digest: Digest,
    /// Whether its signatures were asked for and hold.
    pub signed: bool,
    /// First second no longer in force.
    pub expires: Option<i64>,
}

/// The pacts in force together.
#[derive(Clone, Debug, PartialEq)]
pub struct PactsInForce {
    /// The portfolio that holds them; none: a pact by itself.
    pub portfolio: Option<Portfolio>,
    /// Each, in its order.
    pub pacts: Vec<InForce>,
}

impl PactsInForce {
    /// Whether they are these.
    pub fn are<'p>(&self, portfolio: Option<&Portfolio>, pacts: impl Iterator<Item = &'p InForce>) -> bool {
        let same = match (&self.portfolio, portfolio) {
            (Some(own), Some(other)) => own.says(other),
            (None, None) => true,
            _ => false,
        };
        same && pacts.eq(&self.pacts)
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// By pact and agent.
    seen: BTreeMap<(String, String), Seen>,
}

/// The highest version seen of one pact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The version.
    pub version: SemVer,
    /// Its content.
    pub digest: Digest,
}

impl Memory {
    /// Reads the file; none yet is an empty memory.
    ///
    /// # Errors
    /// It cannot be read or is not what this wrote.
    pub fn open(dir: &Path) -> Result<Self, ProxyError> {
        let path = dir.join(FILE);
        let wrong = |why: &str| ProxyError::File {
            path: path.clone(),
            why: format!("{why}; it remembers the highest versions seen. Restore it, or remove it if older pacts may come back"),
        };
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&error.to_string())),
            Ok(meta) if meta.len() > DOCUMENT_MAX as u64 => return Err(wrong("is too large")),
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|e| wrong(&e.to_string()))?;
        Self::parse(&text).ok_or_else(|| wrong("is damaged"))
    }

    fn parse(text: &str) -> Option<Self> {
        let rows: Vec<[String; 4]> = serde_json::from_str(text).ok()?;
        let mut memory = Self::default();
        for [pact, agent, version, digest] in rows {
            memory.seen.insert((pact, agent), Seen { version: SemVer::parse(&version)?, digest: Digest::parse_hex(&digest)? });
        }
        Some(memory)
    }

    /// The highest version seen of a pact.
    pub fn seen(&self, pact: &str, agent: Option<&str>) -> Option<&Seen> {
        self.seen.get(&(pact.to_owned(), agent.unwrap_or_default().to_owned()))
    }

    /// The greatest version seen of a pact for its agent.
    pub fn reached(&self, sealed: &SealedPact) -> Option<SemVer> {
        let pact = sealed.checked().pact();
        self.seen(&pact.id, pact.subject.agent.as_deref()).map(|seen| seen.version)
    }

    /// Remembers a signed pact. Gives whether that was news.
    pub fn note(&mut self, in_force: &InForce) -> bool {
        let key = (in_force.pact.clone(), in_force.agent.clone().unwrap_or_default());
        let seen = Seen { version: in_force.version, digest: in_force.digest };
        if !in_force.signed || self.seen.get(&key).is_some_and(|known| known.version >= seen.version) {
            return false;
        }
        self.seen.insert(key, seen);
        true
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    pub fn save(&self, dir: &Path) -> Result<(), ProxyError> {
        let path: PathBuf = dir.join(FILE);
        let wrong = |error: std::io::Error| ProxyError::File { path: path.clone(), why: error.to_string() };
        let rows: Vec<[String; 4]> = self
            .seen
            .iter()
            .map(|((pact, agent), seen)| [pact.clone(), agent.clone(), seen.version.to_string(), seen.digest.hex()])
            .collect();
        let text = serde_json::to_vec_pretty(&rows).map_err(|e| wrong(e.into()))?;
        fs::create_dir_all(dir).map_err(wrong)?;
        let fresh = dir.join(format!("{FILE}.new"));
        let mut file = fs::File::create(&fresh).map_err(wrong)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(wrong)?;
        fs::rename(&fresh, &path).map_err(wrong)?;
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pact(version: &str, signed: bool) -> InForce {
        InForce {
            pact: "p".to_owned(),
            agent: Some("did:web:a".to_owned()),
            version: SemVer::parse(version).unwrap(),
            digest: crate::seal::digest(version.as_bytes()),
            signed,
            expires: None,
        }
    }

    #[test]
    fn survives_a_restart_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(dir.path()).unwrap();
        assert!(!memory.note(&pact("1.0.0", false)), "unsigned pacts are not remembered");
        assert!(memory.note(&pact("2.0.0", true)));
        assert!(!memory.note(&pact("1.0.0", true)));
        memory.save(dir.path()).unwrap();
        let again = Memory::open(dir.path()).unwrap();
        assert_eq!(again, memory);
        assert_eq!(again.seen("p", Some("did:web:a")).unwrap().version, SemVer::parse("2.0.0").unwrap());
        assert_eq!(again.seen("p", None), None);
    }

    #[test]
    fn pacts_are_the_same_in_their_order_and_under_their_portfolio_alone() {
        let text = "agent: did:web:a\npacts:\n  - {pact: p.yaml, weight: 1}\n";
        let portfolio = crate::pact::read_portfolio(text).0.unwrap();
        let (one, other) = (pact("1.0.0", true), pact("2.0.0", true));
        let alone = PactsInForce { portfolio: None, pacts: vec![one.clone()] };
        let held = PactsInForce { portfolio: Some(portfolio.clone()), pacts: vec![one.clone(), other.clone()] };
        assert!(alone.are(None, [&one].into_iter()) && held.are(Some(&portfolio), [&one, &other].into_iter()));
        assert!(!alone.are(Some(&portfolio), [&one].into_iter()), "its predicates have other names there");
        assert!(!alone.are(None, [&other].into_iter()) && !alone.are(None, [].into_iter()));
        assert!(!held.are(Some(&portfolio), [&other, &one].into_iter()));
        assert!(!held.are(Some(&portfolio), [&one].into_iter()) && !held.are(None, [&one, &other].into_iter()));
    }

    #[test]
    fn a_damaged_memory_is_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "[[\"p\"").unwrap();
        assert!(Memory::open(dir.path()).unwrap_err().to_string().contains("is damaged"));
    }
}
