//! What is known of the pacts right now, for whoever asks: those in force, and those kept beside them.
//!
//! Made anew whole after every load and every pact that is kept; reading it takes no lock and no disk.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::names::words;
use crate::pact::history::Version;
use crate::pact::life::{Age, End, Life, Papers, Said};
use crate::pact::term::{Date, SemVer};
use crate::pact::{Demands, SealedPact};
use crate::seal::Digest;

use super::file::Broken;
use super::kept::Store;

words! {
    /// Where a version stands.
    Standing {
        /// In force now.
        Active = "active",
        /// Comes into force by itself, on a day to come.
        Waiting = "waiting",
        /// Kept. It does not come into force by itself.
        Stored = "stored",
        /// A greater version is in force.
        Superseded = "superseded",
        /// A later major version is in force; this one is only maintained.
        Maintained = "maintained",
        /// The same, and this one does not come into force again.
        Retired = "retired",
        /// Both parties have gone back from it.
        RolledBack = "rolled_back",
        /// Its term is over.
        Expired = "expired",
        /// It may not come into force here.
        Refused = "refused",
    }
}

/// A version that was due and did not come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its document.
    pub digest: Digest,
    /// Stable word for why.
    pub code: &'static str,
    /// Why, for people.
    pub why: String,
}

/// One version of one pact.
#[derive(Clone, Debug)]
pub struct Row {
    /// The document with its signatures.
    pub sealed: Arc<SealedPact>,
    /// Whether it is kept in the store.
    pub kept: bool,
    /// Whether all who must have signed did, by the trust file of this deployment.
    pub signed: bool,
    /// Unix seconds from which it may be in force; none where nobody vouches for it.
    pub from: Option<i64>,
    /// Until when the notice runs that it owes.
    pub notice: Option<i64>,
    /// Why it may not come into force.
    pub problem: Option<(&'static str, String)>,
    /// Whether it is the one in force.
    pub active: bool,
    /// Whether it comes into force by itself when it is due.
    pub comes: bool,
    /// The subscription by which the counterparty accepts it without having signed it.
    pub consent: Option<Digest>,
    /// Its end, where another was said beside it than the document's.
    pub end: Option<End>,
    /// What a later major version makes of it.
    pub age: Option<Age>,
    /// Whether both parties have gone back from it.
    taken_back: bool,
    /// Whether a greater version is in force.
    superseded: bool,
}

/// A statement of one pact.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Id of the pact.
    pub pact: String,
    /// Its agent.
    pub agent: Option<String>,
    /// The statement and what it does.
    pub said: Said,
}

impl Row {
    /// A version that is kept, and of which nothing more is known than why it does not come into force.
    pub(crate) fn kept(sealed: &Arc<SealedPact>, problem: (&'static str, String)) -> Self {
        Self {
            sealed: Arc::clone(sealed),
            kept: true,
            signed: false,
            from: None,
            notice: None,
            problem: Some(problem),
            active: false,
            comes: false,
            consent: None,
            end: None,
            age: None,
            taken_back: false,
            superseded: false,
        }
    }

    /// When it ends: as was said beside it, else as its document has it.
    pub fn until(&self) -> Option<Date> {
        self.end.as_ref().map(|end| end.on).or(self.sealed.checked().pact().renewal.expires)
    }

    /// Where it stands at a time in Unix seconds.
    pub fn standing(&self, now: i64) -> Standing {
        if self.active {
            return Standing::Active;
        }
        let over = |date: Option<Date>| date.is_some_and(|date| now >= date.at);
        let age = |date: fn(&Age) -> Option<Date>| over(self.age.as_ref().and_then(date));
        match (over(self.until()), &self.problem) {
            (true, _) => Standing::Expired,
            _ if self.taken_back => Standing::RolledBack,
            _ if age(|age| age.retired) => Standing::Retired,
            _ if age(|age| age.maintained) => Standing::Maintained,
            _ if self.superseded => Standing::Superseded,
            (_, Some(_)) => Standing::Refused,
            _ if self.comes && self.from.is_some_and(|from| from > now) => Standing::Waiting,
            _ => Standing::Stored,
        }
    }
}

/// Everything known.
#[derive(Clone, Debug, Default)]
pub struct Shelved {
    /// Folder of the store.
    pub dir: PathBuf,
    /// What lies there and is no sealed pact.
    pub broken: Vec<Broken>,
    /// Every version of every pact: by name, agent and version.
    pub rows: Vec<Row>,
    /// Every statement beside them, by pact, in the order in which they were signed.
    pub statements: Vec<Heard>,
    /// What people should know of those who count, such as that an old document is used.
    pub notes: Vec<String>,
}

impl Shelved {
    /// What is known: the pacts that the config names (`bases`), those in force, and all that is kept.
    /// `reached` says the greatest version of a pact that has come into force here.
    pub fn of(
        store: &Store,
        bases: &[Arc<SealedPact>],
        in_force: &[Digest],
        demands: &Demands<'_>,
        passed: &[Passed],
        reached: impl Fn(&SealedPact) -> Option<SemVer>,
    ) -> Self {
        let key = |sealed: &SealedPact| {
            let pact = sealed.checked().pact();
            (pact.id.clone(), pact.subject.agent.clone())
        };
        let mut each: Vec<&Arc<SealedPact>> = store.kept().iter().chain(bases).collect();
        each.sort_by_cached_key(|sealed| key(sealed));
        each.dedup_by_key(|sealed| key(sealed));
        let (mut rows, mut statements) = (Vec::new(), Vec::new());
        for any in each {
            let (pact, agent) = key(any);
            let base = bases.iter().find(|base| key(base) == (pact.clone(), agent.clone()));
            let papers = Papers { base: base.cloned(), reached: reached(any), ..store.papers(any) };
            let life = Life::of(&papers, demands);
            let history = life.history();
            let back = life.rollback();
            let mut versions = history.versions().iter().filter(|_| base.is_some());
            let active = versions.find(|v| in_force.contains(&v.sealed.checked().digest())).map(Version::number);
            let mut group: Vec<Row> = history
                .versions()
                .iter()
                .map(|v| {
                    let digest = v.sealed.checked().digest();
                    Row {
                        kept: store.holds(&v.sealed),
                        signed: demands.trust.is_some() && life.vouch(&v.sealed, demands).is_ok(),
                        from: Some(v.from),
                        notice: v.notice,
                        problem: passed.iter().find(|p| p.digest == digest).map(|p| (p.code, p.why.clone())),
                        active: active == Some(v.number()),
                        comes: base.is_some() && demands.trust.is_some() && active.is_some_and(|a| v.number() > a),
                        consent: life.consent(&v.sealed),
                        end: life.said_end(v.number()).cloned(),
                        age: life.age(v),
                        taken_back: back.is_some_and(|back| back.takes(v.number())),
                        superseded: active.is_some_and(|a| v.number() < a),
                        sealed: Arc::clone(&v.sealed),
                    }
                })
                .collect();
            let counted = |s: &SealedPact| history.versions().iter().any(|v| v.sealed.checked().digest() == s.checked().digest());
            let strange = life.others().iter().filter(|s| store.holds(s) && !counted(s));
            let strange = strange.filter_map(|s| Some((s, life.vouch(s, demands).err()?)));
            group.extend(strange.map(|(sealed, error)| Row::kept(sealed, (error.code(), error.to_string()))));
            group.sort_by_key(|row| row.sealed.checked().pact().version);
            rows.extend(group);
            statements.extend(life.said().iter().map(|said| Heard {
                pact: pact.clone(),
                agent: agent.clone(),
                said: said.clone(),
            }));
        }
        Self { dir: store.dir().to_owned(), broken: store.unread().to_vec(), rows, statements, notes: Vec::new() }
    }

    /// Adds a version, unless it is known.
    pub(crate) fn add(&mut self, row: Row) {
        let digest = row.sealed.checked().digest();
        if !self.rows.iter().any(|r| r.sealed.checked().digest() == digest) {
            self.rows.push(row);
            self.rows.sort_by(|a, b| order(&a.sealed).cmp(&order(&b.sealed)));
        }
    }

    /// The next instant, in Unix seconds, at which a version that waits is due.
    pub fn due(&self, now: i64) -> Option<i64> {
        self.rows.iter().filter(|r| r.standing(now) == Standing::Waiting).filter_map(|r| r.from).min()
    }
}

/// By name, agent and version.
fn order(sealed: &SealedPact) -> (&str, Option<&str>, SemVer) {
    let pact = sealed.checked().pact();
    (&pact.id, pact.subject.agent.as_deref(), pact.version)
}

/// The same for all who ask, replaced whole.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<ArcSwap<Shelved>>);

impl Shelf {
    /// What is known now.
    pub fn now(&self) -> Arc<Shelved> {
        self.0.load_full()
    }

    /// Replaces it.
    pub(crate) fn put(&self, shelved: Shelved) {
        self.0.store(Arc::new(shelved));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::template::template;
    use crate::pact::{Beside, Packs, Role, read};
    use crate::seal::SigningKey;

    fn pact(id: &str, version: &str) -> Arc<SealedPact> {
        let text = template("minimal").unwrap().replace("1.0.0", version).replace("first-pact", id);
        let (pact, out) = read(&text, Packs::shipped());
        let sealed = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)))).unwrap();
        Arc::new(sealed.sign(&SigningKey::from_seed(&[1; 32]), Role::Agent, 1_790_000_000).unwrap())
    }

    #[test]
    fn what_is_added_stands_in_its_place() {
        let mut shelved = Shelved::default();
        let problem = || ("case_failed", "why".to_owned());
        for (id, version) in [("b", "1.0.0"), ("a", "1.10.0"), ("b", "0.9.0"), ("a", "1.9.0"), ("a", "1.9.0")] {
            shelved.add(Row::kept(&pact(id, version), problem()));
        }
        let order: Vec<String> =
            shelved.rows.iter().map(|r| r.sealed.checked().pact()).map(|p| format!("{} {}", p.id, p.version)).collect();
        assert_eq!(order, ["a 1.9.0", "a 1.10.0", "b 0.9.0", "b 1.0.0"]);
        assert!(shelved.rows.iter().all(|r| r.standing(0) == Standing::Refused && r.standing(i64::MAX) == Standing::Expired));
        assert_eq!(shelved.due(0), None);
    }

    #[test]
    fn without_a_trust_file_nothing_counts_as_signed() {
        let dir = tempfile::tempdir().unwrap();
        let (store, base) = (Store::open(dir.path()).unwrap(), pact("a", "1.0.0"));
        let demands = Demands { trust: None, require: &[], agent: None, now: 1_790_000_000, beside: Beside::default() };
        let shelved = Shelved::of(&store, &[Arc::clone(&base)], &[base.checked().digest()], &demands, &[], |_| None);
        assert_eq!(shelved.rows.len(), 1);
        assert!(shelved.rows[0].active && !shelved.rows[0].signed && !shelved.rows[0].comes);
        // Nor what is in force of itself, such as the built-in pact, by a trust file that does not know it.
        let trust = crate::pact::TrustFile::default();
        let shelved = Shelved::of(
            &store,
            &[Arc::clone(&base)],
            &[base.checked().digest()],
            &Demands { trust: Some(&trust), ..demands },
            &[],
            |_| None,
        );
        assert!(shelved.rows[0].active && !shelved.rows[0].signed);
    }
}
