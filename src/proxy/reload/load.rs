//! From files to a program that may come into force: read, verify, choose, compile, try the pacts' own cases.
//!
//! Each pact is decided by itself; then all are compiled together, and come into force together or not at all. Nothing
//! here changes state.
//!
//! In trusted mode the store comes before the file. Of each pact those count that are kept, due, greater than what the
//! config names and may come into force by themselves, and what the config names. First the greatest of each are tried
//! together. Where they do not stand together (they cannot be compiled or enforced, or fail a case), it begins with the
//! least of each and raises one pact after the other, in the order of the portfolio and with the others as chosen so
//! far, to the greatest with which the whole stands. A version that was passed over says why. So there are at most as
//! many trials as versions, and two more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::names::{Lane, Mode};
use crate::base::verdict::Severity;
use crate::pact::{Beside, Demands, Life, Packs, Portfolio, Role, SealedPact, TrustFile, read_trust};
use crate::program::Program;
use crate::program::link::{Member, together};
use crate::proxy::config::{Config, FactsMissing};
use crate::proxy::identity::{Resolver, Web};
use crate::proxy::store::{Passed, Shelved, Store};
use crate::seal::Digest;
use crate::trial::case;

use super::decide::{Accept, Refused, decide};
use super::memory::{InForce, Memory, PactsInForce};
use super::named::{Named, called, text_of};

/// The fact by which a portfolio knows which pacts govern.
const TASK: &str = "task.type";

/// Pacts that may come into force together.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The decision on each with its proof, in the order of the portfolio.
    pub(crate) accepts: Vec<Accept>,
    /// The portfolio that holds them; none: a pact by itself.
    pub(crate) portfolio: Option<Portfolio>,
    /// What they compile to.
    pub(crate) program: Arc<Program>,
    /// Digest of the image they came from.
    pub(crate) image: Option<Digest>,
    /// Files they came from beside the one that the config names.
    pub(crate) files: Vec<PathBuf>,
    /// What is known of the pacts from then on.
    pub(crate) shelved: Shelved,
}

impl Loaded {
    /// What is in force with it.
    pub(crate) fn in_force(&self) -> PactsInForce {
        let pacts = self.accepts.iter().map(|accept| accept.in_force.clone()).collect();
        PactsInForce { portfolio: self.portfolio.clone(), pacts }
    }
}

/// On whose word a deployment takes pacts, read anew each time.
#[derive(Debug)]
pub(super) struct Terms {
    trust: Option<TrustFile>,
    require: Vec<Role>,
    /// What people should know of those who count.
    notes: Vec<String>,
}

impl Terms {
    /// Reads the trust file, where the config names one, and the documents that it names.
    pub(super) fn read(config: &Config, now_us: i64) -> Result<Self, Refused> {
        let mut trust = config.trust.as_ref().map(|trust| trust_file(&trust.keys)).transpose()?;
        let mut notes = Vec::new();
        if let (Some(trust), Some(at)) = (&mut trust, &config.trust) {
            let resolver = Resolver {
                beside: at.keys.parent().unwrap_or(Path::new("")),
                cache: Some(config.evidence.dir.join("identities")),
                fetch: &Web::new(config.tls.ca_file.as_deref()),
                now: now_us.div_euclid(1_000_000),
            };
            notes = resolver.resolve(trust).map_err(Refused::Unreadable)?;
        }
        let require = config.trust.iter().flat_map(|t| &t.require).filter_map(|role| Role::parse(role)).collect();
        Ok(Self { trust, require, notes })
    }

    /// What is demanded of a pact now.
    pub(super) fn demands<'a>(&'a self, config: &'a Config, now_us: i64) -> Demands<'a> {
        let now = now_us.div_euclid(1_000_000);
        let (trust, agent) = (self.trust.as_ref(), config.agent.as_deref());
        Demands { trust, require: &self.require, agent, now, beside: Beside::default() }
    }
}

/// What runs now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    /// The pacts in force.
    pub(crate) in_force: &'a PactsInForce,
    /// What they were compiled to.
    pub(crate) program: &'a Arc<Program>,
}

/// Reads what the config names, looks at what the store keeps of it, and brings it as far as it goes without changing
/// anything.
///
/// # Errors
/// Why it may not come into force.
pub(crate) fn load(
    config: &Config,
    running: Option<Running<'_>>,
    memory: &Memory,
    store: &Store,
    now_us: i64,
) -> Result<Loaded, Refused> {
    let terms = Terms::read(config, now_us)?;
    let demands = terms.demands(config, now_us);
    let named = Named::read(config, &demands)?;
    // Nobody vouches for the built-in pact, and it binds whoever is there.
    let own = if config.pacts.is_empty() { Demands { trust: None, agent: None, ..demands } } else { demands };
    let mut attempt = Attempt { config, running, memory, named: &named, now_us, passed: Vec::new() };
    let mut members = Vec::with_capacity(named.pacts.len());
    for base in &named.pacts {
        members.push(attempt.candidates(base, store, &own)?);
    }
    let (accepts, Made { program, image }) = attempt.choose(&members)?;
    let accepts: Vec<Accept> = accepts.into_iter().cloned().collect();
    let in_force: Vec<Digest> = accepts.iter().map(|accept| accept.in_force.digest).collect();
    let mut seen = memory.clone();
    for accept in &accepts {
        seen.note(&accept.in_force);
    }
    let mut shelved = Shelved::of(store, &named.pacts, &in_force, &demands, &attempt.passed, |sealed| seen.reached(sealed));
    shelved.notes = terms.notes;
    shelved.notes.extend(taskless(config, &program));
    Ok(Loaded { accepts, portfolio: named.portfolio, program, image, files: named.files, shelved })
}

/// What the store keeps that may take the place of the document that the config names: what both parties went back to,
/// and what is greater and due; the greatest first.
fn newer(life: &Life, base: &SealedPact, demands: &Demands<'_>) -> Vec<Arc<SealedPact>> {
    // In development the file is what runs, and a file that nobody vouches for is followed by nothing.
    if demands.trust.is_none() || life.vouch(base, demands).is_err() {
        return Vec::new();
    }
    life.due(base.checked().pact().version, demands.now)
}

/// What every document is tried against.
struct Attempt<'a> {
    config: &'a Config,
    running: Option<Running<'a>>,
    memory: &'a Memory,
    named: &'a Named,
    now_us: i64,
    /// Versions that are due and do not come into force.
    passed: Vec<Passed>,
}

/// A program that may come into force, and the image it came from.
struct Made {
    program: Arc<Program>,
    image: Option<Digest>,
}

impl Attempt<'_> {
    /// The versions of a pact that may come into force by themselves, the greatest first; never none.
    fn candidates(&mut self, base: &Arc<SealedPact>, store: &Store, demands: &Demands<'_>) -> Result<Vec<Accept>, Refused> {
        let mut accepted = Vec::new();
        let mut papers = store.papers(base);
        papers.base = Some(Arc::clone(base));
        papers.reached = self.memory.reached(base);
        let life = Life::of(&papers, demands);
        for sealed in newer(&life, base, demands) {
            match self.decided(&sealed, &life.demands(&sealed, demands)) {
                Ok(accept) => accepted.push(accept),
                Err(refused) if accepted.is_empty() => self.pass(&sealed, &refused),
                // A greater one stands in for it, which may be why.
                Err(_) => {}
            }
        }
        match self.decided(base, &life.demands(base, demands)) {
            Ok(accept) => accepted.push(accept),
            Err(refused) if accepted.is_empty() => return Err(refused),
            Err(_) => {}
        }
        Ok(accepted)
    }

    fn decided(&self, sealed: &SealedPact, demands: &Demands<'_>) -> Result<Accept, Refused> {
        let pact = sealed.checked().pact();
        let of = |current: &&InForce| current.pact == pact.id && current.agent == pact.subject.agent;
        let current = self.running.and_then(|running| running.in_force.pacts.iter().find(of));
        let refused = |error| Refused::Pact(error).of(called(sealed.checked()));
        decide(current, sealed.clone(), demands, self.memory).map_err(refused)
    }

    /// Notes that a version of the store does not come into force.
    fn pass(&mut self, sealed: &SealedPact, refused: &Refused) {
        let (checked, code) = (sealed.checked(), refused.code());
        let (pact, version) = (&checked.pact().id, checked.pact().version);
        tracing::warn!(%pact, %version, code, "a pact of the store is due and does not come into force: {refused}");
        self.passed.push(Passed { digest: checked.digest(), code, why: refused.to_string() });
    }

    /// Of each pact the version that comes into force, and what they compile to.
    fn choose<'m>(&mut self, members: &'m [Vec<Accept>]) -> Result<(Vec<&'m Accept>, Made), Refused> {
        let greatest: Vec<&Accept> = members.iter().filter_map(|versions| versions.first()).collect();
        let mut refused = match self.made(&greatest) {
            Ok(made) => return Ok((greatest, made)),
            Err(refused) => Some(refused),
        };
        let mut chosen: Vec<&Accept> = members.iter().filter_map(|versions| versions.last()).collect();
        // The greatest are not tried twice.
        let mut once = |attempt: &Self, chosen: &[&Accept]| match refused.take_if(|_| *chosen == *greatest) {
            Some(refused) => Err(refused),
            None => attempt.made(chosen),
        };
        let mut stands = None;
        for (at, versions) in members.iter().enumerate() {
            for version in versions.iter().take(versions.len().saturating_sub(1)) {
                let raised: Vec<&Accept> =
                    chosen.iter().enumerate().map(|(n, other)| if n == at { version } else { *other }).collect();
                match once(self, &raised) {
                    Ok(made) => {
                        (chosen, stands) = (raised, Some(made));
                        break;
                    }
                    Err(refused) => self.pass(version.verified.sealed(), &refused),
                }
            }
        }
        let made = stands.map_or_else(|| once(self, &chosen), Ok)?;
        Ok((chosen, made))
    }

    /// Compiles pacts together and tries them.
    fn made(&self, accepts: &[&Accept]) -> Result<Made, Refused> {
        let portfolio = self.named.portfolio.as_ref();
        let as_named = || accepts.iter().map(|a| a.in_force.digest).eq(self.named.pacts.iter().map(|p| p.checked().digest()));
        let image = self.named.image.as_ref().filter(|_| as_named());
        let same = |running: &Running<'_>| running.in_force.are(portfolio, accepts.iter().map(|accept| &accept.in_force));
        if let Some(running) = self.running.filter(|running| image.is_none() && same(running)) {
            // The packs are those of this binary, so the same documents compile to the same program.
            enforceable(self.config, running.program)?;
            return Ok(Made { program: Arc::clone(running.program), image: None });
        }
        let members: Vec<Member<'_>> =
            accepts.iter().map(|a| Member { pact: a.verified.checked(), signed: a.in_force.signed, until: a.until }).collect();
        let ids = || accepts.iter().map(|accept| accept.in_force.pact.as_str());
        let program = match image {
            Some(image) => image.program(&members, Packs::shipped()).map_err(|error| self.named.damaged(error))?,
            None => {
                together(portfolio, &members, Packs::shipped()).map_err(|mistakes| self.named.uncompilable(&mistakes, ids()))?
            }
        };
        let program = Arc::new(program);
        enforceable(self.config, &program)?;
        for accept in accepts {
            tried(&program, accept, portfolio.is_some(), self.now_us)?;
        }
        Ok(Made { program, image: image.map(|i| *i.digest()) })
    }
}

fn trust_file(path: &Path) -> Result<TrustFile, Refused> {
    let (name, text) = (path.display().to_string(), text_of(path)?);
    let (trust, mistakes) = read_trust(&text);
    trust.ok_or_else(|| Refused::Broken(mistakes.render(&name, &text).trim_end().to_owned()))
}

/// What people should know where a portfolio parts tasks, and nothing tells which one it is.
pub(super) fn taskless(config: &Config, program: &Program) -> Option<String> {
    let blind = program.tasks().next().is_some() && !config.facts.iter().any(|source| source.fact == TASK);
    blind.then(|| format!("nothing under `facts` tells `{TASK}`: every exchange stands under all pacts of the portfolio"))
}

/// Nothing critical or major stays unchecked in `enforce` unless the operator said so.
fn enforceable(config: &Config, program: &Program) -> Result<(), Refused> {
    let enforced = config.listen.iter().any(|l| config.route(&l.name).mode == Mode::Enforce);
    if !enforced {
        return Ok(());
    }
    let beyond: Vec<String> = program
        .predicates()
        .iter()
        .filter(|p| p.unenforced.is_some() && !p.judged && p.severity >= Severity::Major)
        .map(|p| p.id.to_string())
        .filter(|id| !config.accept_unenforced.contains(id))
        .collect();
    if !beyond.is_empty() {
        return Err(Refused::Unenforced(beyond));
    }
    let inbound = config.listen.iter().any(|l| l.lane == Lane::Inbound);
    if config.written && inbound && config.facts_missing == FactsMissing::Error {
        let lost: Vec<String> = program
            .facts()
            .iter()
            .filter(|fact| !fact.predicates.is_empty() && !config.facts.iter().any(|s| s.fact == *fact.name))
            .map(|fact| fact.name.to_string())
            .collect();
        if !lost.is_empty() {
            return Err(Refused::FactSource(lost));
        }
    }
    Ok(())
}

/// Tries the cases of a pact: by itself to the letter, in a portfolio within the whole.
fn tried(program: &Arc<Program>, accept: &Accept, within: bool, now_us: i64) -> Result<(), Refused> {
    let checked = accept.verified.checked();
    let pact = checked.pact();
    let outcomes = if within { case::run_within(program, pact, now_us) } else { case::run(program, &pact.cases, now_us) };
    if outcomes.passed() {
        return Ok(());
    }
    let failed = outcomes.cases.iter().filter(|c| !c.passed).map(|c| {
        let why = c.why.clone().unwrap_or_else(|| format!("expected {}, got {}", c.expected, c.act));
        format!("{} (line {}): {why}", c.name, c.line)
    });
    Err(Refused::Cases(failed.collect()).of(called(checked)))
}
