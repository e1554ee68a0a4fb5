//! The versions of one pact for one agent, in order: which document may join them, and from when each may
//! come into force.
//!
//! Promises: only a greater version joins, whose number admits what changed; a new major version waits for
//! the notice that the version before it grants, counted from the last signature that it needs; and no later
//! version comes in before one that it follows was due. All of it follows from the documents alone, so that
//! everybody who has them counts the same day. What it does not do: look whose keys count ([`vouch`] does),
//! or keep anything.
//!
//! [`vouch`]: super::sealed::vouch

use std::fmt;
use std::sync::Arc;

use super::change::{Comparison, Level, compare};
use super::sealed::SealedPact;
use super::term::SemVer;

/// The versions of one pact for one agent, from the oldest to the newest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    versions: Vec<Version>,
}

/// One version, and from when it may come into force.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The document with its signatures.
    pub sealed: Arc<SealedPact>,
    /// Unix seconds from which it may be in force: its own date, and the notice that it owes.
    pub from: i64,
    /// Until when the notice runs that it owes, or that one before it owed; none: it owes none.
    pub notice: Option<i64>,
}

impl Version {
    /// Its number.
    pub fn number(&self) -> SemVer {
        self.sealed.checked().pact().version
    }
}

/// Why a document does not join the history of its pact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// The newest is greater.
    Older {
        /// The newest.
        newest: SemVer,
        /// Offered.
        offered: SemVer,
    },
    /// This version is known with another content.
    SameVersion(SemVer),
    /// More changed than the number admits.
    TooLow {
        /// Offered.
        offered: SemVer,
        /// What it must be at least.
        least: SemVer,
        /// What the changes ask for.
        level: Level,
    },
    /// It is no version of this pact: what makes it another one.
    Another(Vec<String>),
}

impl NotAdmitted {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Older { .. } => "rolled_back",
            Self::SameVersion(_) => "same_version",
            Self::TooLow { .. } => "version_too_low",
            Self::Another(_) => "another_pact",
        }
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { newest, offered } => {
                write!(f, "version {offered} is not greater than {newest}, the newest that is known; raise the version")
            }
            Self::SameVersion(version) => write!(f, "version {version} is known with another content; raise the version"),
            Self::TooLow { offered, least, level } => {
                write!(f, "{offered} is too low for what changed ({level}): at least {least}; `servanda diff` tells the changes")
            }
            Self::Another(paths) => {
                write!(
                    f,
                    "another {} makes it another pact, not a version of this one; give it a name of its own",
                    paths.join(", ")
                )
            }
        }
    }
}

impl std::error::Error for NotAdmitted {}

/// A document that may join.
#[derive(Debug)]
pub enum Admission {
    /// It has joined already.
    Known,
    /// It is the first one.
    First,
    /// It follows the newest, from which it differs so.
    Follows(Box<Comparison>),
    /// It is older, and both parties have agreed to go back to it.
    Returns,
}

impl History {
    /// The history of these documents, which are of one pact and one agent. Of two with one version the first
    /// counts.
    pub fn new(documents: impl IntoIterator<Item = Arc<SealedPact>>) -> Self {
        let mut documents: Vec<Arc<SealedPact>> = documents.into_iter().collect();
        let number = |sealed: &Arc<SealedPact>| sealed.checked().pact().version;
        documents.sort_by_key(number);
        documents.dedup_by_key(|sealed| number(sealed));
        let mut versions: Vec<Version> = Vec::with_capacity(documents.len());
        for sealed in documents {
            let notice = versions.last().and_then(|before| before.notice.max(owed(before, &sealed)));
            let effective = sealed.checked().pact().renewal.effective.map_or(i64::MIN, |date| date.at);
            versions.push(Version { from: effective.max(notice.unwrap_or(i64::MIN)), notice, sealed });
        }
        Self { versions }
    }

    /// From the oldest to the newest.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The greatest version.
    pub fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// One by its number.
    pub fn version(&self, number: SemVer) -> Option<&Version> {
        self.versions.iter().find(|v| v.number() == number)
    }

    /// Whether a document may join. `wanted`: an older version to which both parties have agreed to go back.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, sealed: &SealedPact, wanted: Option<SemVer>) -> Result<Admission, NotAdmitted> {
        let checked = sealed.checked();
        let offered = checked.pact().version;
        if let Some(known) = self.version(offered) {
            let same = known.sealed.checked().digest() == checked.digest();
            return if same { Ok(Admission::Known) } else { Err(NotAdmitted::SameVersion(offered)) };
        }
        let Some(newest) = self.newest() else { return Ok(Admission::First) };
        let older = newest.number() > offered;
        if older && wanted != Some(offered) {
            return Err(NotAdmitted::Older { newest: newest.number(), offered });
        }
        let comparison = compare(newest.sealed.checked(), checked);
        match (comparison.holds(), comparison.least()) {
            (_, None) => {
                let others = comparison.changes.iter().filter(|c| c.level == Level::Other);
                Err(NotAdmitted::Another(others.map(|c| c.path.clone()).collect()))
            }
            _ if older => Ok(Admission::Returns),
            (false, Some(least)) => Err(NotAdmitted::TooLow { offered, least, level: comparison.level() }),
            (true, Some(_)) => Ok(Admission::Follows(Box::new(comparison))),
        }
    }
}

/// Until when a major version waits after another: who has signed has been told, so the notice runs from the
/// last signature.
fn owed(before: &Version, sealed: &SealedPact) -> Option<i64> {
    let (old, new) = (before.sealed.checked().pact(), sealed.checked().pact());
    let notice = old.renewal.notice.filter(|_| new.version.major != old.version.major)?;
    let told = sealed.signatures().iter().map(|s| s.at).max().unwrap_or(i64::MAX);
    Some(notice.after(told, &old.evidence.timezone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::template::template;
    use crate::pact::{Packs, Role, read};
    use crate::seal::SigningKey;

    const TOLD: i64 = 1_790_000_000;
    const DAY: i64 = 86_400;

    /// The smallest pact at a version, edited, signed at a time.
    fn at(version: &str, edit: &[(&str, &str)], told: i64) -> Arc<SealedPact> {
        let mut text = template("minimal").unwrap().replace("1.0.0", version);
        text = text.replace("  counters_on_extension: reset", "  counters_on_extension: reset\n  change: {notice: 30d}");
        for (from, to) in edit {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let (pact, out) = read(&text, Packs::shipped());
        let sealed = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)))).unwrap();
        Arc::new(sealed.sign(&SigningKey::from_seed(&[1; 32]), Role::Agent, told).unwrap())
    }

    fn code(history: &History, sealed: &SealedPact) -> &'static str {
        match history.admit(sealed, SemVer::parse("1.9.0")) {
            Ok(Admission::Known) => "known",
            Ok(Admission::First) => "first",
            Ok(Admission::Follows(_)) => "follows",
            Ok(Admission::Returns) => "returns",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn only_greater_versions_that_admit_their_changes_join() {
        let major = ("score: -100", "score: -200");
        let other = ("did:web:customer.example", "did:web:other.example");
        let history = History::new([at("2.1.0", &[], TOLD), at("2.0.0", &[], TOLD)]);
        assert_eq!(history.newest().unwrap().number(), SemVer::parse("2.1.0").unwrap());
        for (version, edit, wanted) in [
            ("2.1.0", None, "known"),
            ("2.0.0", None, "known"),
            ("2.1.0", Some(major), "same_version"),
            ("2.0.0", Some(major), "same_version"),
            ("2.0.9", None, "rolled_back"),
            ("1.9.0", Some(major), "returns"),
            ("1.9.0", Some(other), "another_pact"),
            ("1.9.1", None, "rolled_back"),
            ("2.1.1", None, "follows"),
            ("2.1.1", Some(major), "version_too_low"),
            ("2.2.0", Some(major), "version_too_low"),
            ("3.0.0", Some(major), "follows"),
            ("3.0.0", Some(other), "another_pact"),
        ] {
            let sealed = at(version, edit.as_slice(), TOLD);
            assert_eq!(code(&history, &sealed), wanted, "{version} {edit:?}");
            assert_eq!(code(&History::default(), &sealed), "first");
        }
        let error = history.admit(&at("3.0.0", &[other], TOLD), None).unwrap_err().to_string();
        assert!(error.contains("counterparty"), "{error}");
    }

    #[test]
    fn a_major_version_waits_for_its_notice_and_so_does_what_follows_it() {
        let history = History::new([
            at("1.0.0", &[], TOLD),
            at("1.1.0", &[], TOLD),
            at("2.0.0", &[], TOLD + DAY),
            // Whoever may wait thirty days may not come in after one.
            at("2.0.1", &[("{notice: 30d}", "{notice: 1d}")], TOLD + 2 * DAY),
            at("3.0.0", &[], TOLD + 3 * DAY),
        ]);
        let effective = history.versions()[0].from;
        let from: Vec<(i64, Option<i64>)> = history.versions().iter().map(|v| (v.from, v.notice)).collect();
        let due = TOLD + 31 * DAY;
        assert_eq!(from, [(effective, None), (effective, None), (due, Some(due)), (due, Some(due)), (due, Some(due))]);
    }

    #[test]
    fn no_version_comes_before_its_own_date() {
        let later = [("effective: 2026-01-01", "effective: 2035-01-01")];
        let history = History::new([at("1.0.0", &later, TOLD), at("1.0.1", &[], TOLD)]);
        let from: Vec<i64> = history.versions().iter().map(|v| v.from).collect();
        assert!(from[0] > TOLD && from[1] < TOLD, "what never came into force delays nothing: {from:?}");
        assert!(History::default().newest().is_none());
    }
}
