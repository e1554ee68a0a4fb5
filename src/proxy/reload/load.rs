//! From files to a program that may come into force: read, verify, compile, try its own cases.
//!
//! Each file is read once, so that what was verified is what is compiled. Nothing here changes state.

use std::path::Path;
use std::sync::Arc;

use crate::base::limits::{DOCUMENT_MAX, IMAGE_MAX};
use crate::base::names::{Lane, Mode};
use crate::base::verdict::Severity;
use crate::pact::{CheckedPact, Demands, Packs, Role, SealedPact, TrustFile, is_portfolio, read, read_trust, vouch};
use crate::program::Program;
use crate::program::compile::compile_one;
use crate::program::image::{Image, ImageError};
use crate::program::link::Member;
use crate::proxy::config::{Config, FactsMissing};
use crate::proxy::identity::{Resolver, Web};
use crate::proxy::store::{Passed, Shelved, Store, history};
use crate::seal::Digest;
use crate::trial::case;

use super::decide::{Accept, Refused, decide};
use super::memory::{InForce, Memory};

/// The pact of a sidecar that was given none.
const OBSERVE: &str = include_str!("observe.pact.yaml");

/// A pact that may come into force.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The decision with its proof.
    pub(crate) accept: Accept,
    /// What it compiles to.
    pub(crate) program: Arc<Program>,
    /// Digest of the image it came from.
    pub(crate) image: Option<Digest>,
    /// What is known of the pacts from then on.
    pub(crate) shelved: Shelved,
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
        Demands { trust: self.trust.as_ref(), require: &self.require, agent: config.agent.as_deref(), now }
    }
}

/// What comes before the store is looked at: the document that the config names.
struct Base {
    sealed: Arc<SealedPact>,
    image: Option<Image>,
}

/// What runs now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    /// The pact in force.
    pub(crate) in_force: &'a InForce,
    /// What it was compiled to.
    pub(crate) program: &'a Arc<Program>,
}

/// Reads what the config names and brings it as far as it goes without changing anything. In trusted mode the
/// store comes first: of what it keeps of the same pact, the greatest version that is due and may be enforced.
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
    let attempt = Attempt { config, running, memory, now_us };
    let mut loaded = found(&attempt, &terms.demands(config, now_us), store)?;
    loaded.shelved.notes = terms.notes;
    Ok(loaded)
}

fn found(attempt: &Attempt<'_>, demands: &Demands<'_>, store: &Store) -> Result<Loaded, Refused> {
    let config = attempt.config;
    let Some(path) = config.pacts.first() else {
        let base = Arc::new(SealedPact::new(document("the built-in pact", OBSERVE, Packs::shipped())?)?);
        let ready = attempt.ready(&base, None, &Demands { trust: None, agent: None, ..*demands })?;
        return Ok(ready.loaded(store, &base, demands, &[]));
    };
    let base = base(path, config, demands)?;
    let mut passed = Vec::new();
    for sealed in newer(store, &base.sealed, demands) {
        match attempt.ready(&sealed, None, demands) {
            Ok(ready) => return Ok(ready.loaded(store, &base.sealed, demands, &passed)),
            Err(refused) => {
                let version = sealed.checked().pact().version;
                tracing::warn!(%version, code = refused.code(), "a pact of the store is due and does not come into force: {refused}");
                let digest = sealed.checked().digest();
                passed.push(Passed { digest, code: refused.code(), why: refused.to_string() });
            }
        }
    }
    Ok(attempt.ready(&base.sealed, base.image.as_ref(), demands)?.loaded(store, &base.sealed, demands, &passed))
}

/// The document in a file, or in the image in that file.
fn base(path: &Path, config: &Config, demands: &Demands<'_>) -> Result<Base, Refused> {
    let packs = Packs::shipped();
    let name = path.display().to_string();
    let bytes = bytes(path, IMAGE_MAX)?;
    if path.extension().is_some_and(|e| e == "pactc") {
        let image = Image::read(&bytes).and_then(|image| signed(config, demands, image));
        let image = image.map_err(|error| Refused::Image(name.clone(), error))?;
        let text = image.pacts().first().map(AsRef::as_ref).unwrap_or_default();
        let sealed = SealedPact::new(document(&name, text, packs)?)?;
        return Ok(Base { sealed: Arc::new(sealed), image: Some(image) });
    }
    let text = String::from_utf8(bytes).map_err(|_| Refused::Broken(format!("{name}: is not UTF-8")))?;
    Ok(Base { sealed: Arc::new(SealedPact::new(document(&name, &text, packs)?)?), image: None })
}

/// What the store keeps beyond the document that the config names, as far as it is due; the greatest first.
fn newer(store: &Store, base: &Arc<SealedPact>, demands: &Demands<'_>) -> Vec<Arc<SealedPact>> {
    // In development the file is what runs, and a file that nobody vouches for is followed by nothing.
    if demands.trust.is_none() || vouch(base, demands).is_err() {
        return Vec::new();
    }
    let pact = base.checked().pact();
    let history = history(store, &pact.id, pact.subject.agent.as_deref(), Some(base), demands);
    let later = history.versions().iter().rev().take_while(|v| v.number() > pact.version);
    later.filter(|v| v.from <= demands.now).map(|v| Arc::clone(&v.sealed)).collect()
}

/// What every document is tried against.
struct Attempt<'a> {
    config: &'a Config,
    running: Option<Running<'a>>,
    memory: &'a Memory,
    now_us: i64,
}

/// A document that may come into force.
struct Ready {
    accept: Accept,
    program: Arc<Program>,
    image: Option<Digest>,
}

impl Ready {
    fn loaded(self, store: &Store, base: &Arc<SealedPact>, demands: &Demands<'_>, passed: &[Passed]) -> Loaded {
        let shelved = Shelved::of(store, base, &self.accept.in_force.digest, demands, passed);
        Loaded { accept: self.accept, program: self.program, image: self.image, shelved }
    }
}

impl Attempt<'_> {
    fn ready(&self, sealed: &SealedPact, image: Option<&Image>, demands: &Demands<'_>) -> Result<Ready, Refused> {
        let Self { config, running, memory, now_us } = *self;
        let accept = decide(running.map(|r| r.in_force), sealed.clone(), demands, memory)?;
        let checked = accept.verified.checked();
        let packs = Packs::shipped();
        if let Some(running) = running.filter(|_| accept.unchanged && image.is_none()) {
            // The packs are those of this binary, so the same document compiles to the same program.
            enforceable(config, running.program)?;
            return Ok(Ready { program: Arc::clone(running.program), accept, image: None });
        }
        let program = match image {
            Some(image) => image
                .program(&[Member { pact: checked, signed: accept.in_force.signed }], packs)
                .map_err(|error| Refused::Image(checked.pact().id.clone(), error))?,
            None => compile_one(checked, accept.in_force.signed, packs)
                .map_err(|mistakes| Refused::Uncompilable(mistakes.render(&checked.pact().id, "")))?,
        };
        let program = Arc::new(program);
        enforceable(config, &program)?;
        tried(&program, checked, now_us)?;
        Ok(Ready { accept, program, image: image.map(|i| *i.digest()) })
    }
}

fn bytes(path: &Path, most: usize) -> Result<Vec<u8>, Refused> {
    let wrong = |why: String| Refused::Unreadable(format!("{}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > most as u64 {
        return Err(wrong(format!("has {size} bytes; the limit is {most}")));
    }
    std::fs::read(path).map_err(|e| wrong(e.to_string()))
}

pub(super) fn document(name: &str, text: &str, packs: &Packs) -> Result<CheckedPact, Refused> {
    if is_portfolio(text) {
        let why =
            "is a portfolio, and the sidecar of this build loads one pact; `check`, `judge` and `test` read portfolios, and";
        return Err(Refused::Broken(format!("{name}: {why} `program::link` links them for a `GuardLayer`")));
    }
    let (checked, mistakes) = read(text, packs);
    checked.ok_or_else(|| Refused::Broken(mistakes.render(name, text).trim_end().to_owned()))
}

fn trust_file(path: &Path) -> Result<TrustFile, Refused> {
    let name = path.display().to_string();
    let text = String::from_utf8(bytes(path, DOCUMENT_MAX)?).map_err(|_| Refused::Broken(format!("{name}: is not UTF-8")))?;
    let (trust, mistakes) = read_trust(&text);
    trust.ok_or_else(|| Refused::Broken(mistakes.render(&name, &text).trim_end().to_owned()))
}

/// Where the deployment names who signs images, only theirs count.
fn signed(config: &Config, demands: &Demands<'_>, image: Image) -> Result<Image, ImageError> {
    let Some(trust) = demands.trust else { return Ok(image) };
    let mut named = config.trust.iter().flat_map(|t| &t.images).chain(&trust.images).peekable();
    if named.peek().is_some() {
        image.check_signer(trust, named, demands.now)?;
    }
    Ok(image)
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

fn tried(program: &Arc<Program>, checked: &CheckedPact, now_us: i64) -> Result<(), Refused> {
    let outcomes = case::run(program, &checked.pact().cases, now_us);
    if outcomes.passed() {
        return Ok(());
    }
    let failed = outcomes.cases.iter().filter(|c| !c.passed).map(|c| {
        let why = c.why.clone().unwrap_or_else(|| format!("expected {}, got {}", c.expected, c.act));
        format!("{} (line {}): {why}", c.name, c.line)
    });
    Err(Refused::Cases(failed.collect()))
}
