//! The reload itself: load, remember, swap, tell. Starting is a reload from nothing.
//!
//! Promises: every outcome is told in state, metric and log; what came into force or was refused also in
//! evidence. When anything fails, program, config and memory are what they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::clock::SharedClock;
use crate::base::telemetry;
use crate::evidence::log::LogHandle;
use crate::evidence::record::{LoadedPack, LoadedPact, LongList, PactLoad, RouteMode, Signer, Text};
use crate::guard::Fulfilment;
use crate::program::{Live, Program};
use crate::proxy::config::Config;
use crate::proxy::error::ProxyError;
use crate::proxy::state::{PactState, Shared};
use crate::proxy::store::{Shelf, Store};
use crate::seal::Digest;

use super::decide::{Accept, Refused};
use super::load::{Loaded, Running, load, taskless};
use super::memory::{InForce, Memory, PactsInForce};

/// Holds what is in force and replaces it.
#[derive(Debug)]
pub(crate) struct Reloader {
    path: Option<PathBuf>,
    pub(super) config: Arc<Config>,
    live: Live,
    /// How the pacts in force are kept.
    fulfilment: Fulfilment,
    pub(super) in_force: PactsInForce,
    /// The files of pacts beside the one that the config names.
    files: Vec<PathBuf>,
    pub(super) memory: Memory,
    /// What is kept of pacts beside those that the config names.
    pub(super) store: Store,
    shelf: Shelf,
    pub(super) told: Teller,
    /// Why the last reload was refused, so that noise of the file system is told once.
    last_refusal: Option<String>,
}

/// Where outcomes are told.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) state: Shared,
    pub(crate) log: Option<LogHandle>,
    pub(crate) clock: SharedClock,
}

/// What a reload did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// Another program or config is in force.
    Loaded,
    /// Everything is as it was.
    Unchanged,
    /// Everything is as it was, because what came may not be.
    Refused,
}

impl Reloader {
    /// Brings the first pacts into force.
    ///
    /// # Errors
    /// They may not be; or what was seen before cannot be read.
    pub(crate) fn start(config: Config, path: Option<PathBuf>, told: Teller) -> Result<Self, ProxyError> {
        let mut memory = Memory::open(&config.evidence.dir)?;
        let store = Store::open(&config.store.dir)?;
        for broken in store.unread() {
            tracing::warn!(file = %broken.file.display(), "not a pact of the store, left alone: {}", broken.why);
        }
        let loaded = load(&config, None, &memory, &store, told.clock.wall_us()).and_then(|l| remember(&mut memory, &config, l));
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(refused) => {
                told.refused(&refused);
                let what = config.pacts.first().map_or_else(|| "the built-in pact".to_owned(), |p| p.display().to_string());
                return Err(ProxyError::Pacts(format!("{what} does not come into force: {refused}")));
            }
        };
        told.state.change(|state| state.trust = if config.trust.is_some() { "trusted" } else { "development" });
        told.loaded(&config, &loaded);
        let fulfilment = Fulfilment::default();
        fulfilment.follow(&loaded.program, told.clock.wall_us());
        let shelf = Shelf::default();
        shelf.put(std::mem::take(&mut loaded.shelved));
        Ok(Self {
            path,
            config: Arc::new(config),
            live: Live::new(Arc::clone(&loaded.program)),
            fulfilment,
            in_force: loaded.in_force(),
            files: loaded.files,
            memory,
            store,
            shelf,
            told,
            last_refusal: None,
        })
    }

    /// The program in force.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// How the pacts in force are kept.
    pub(crate) fn fulfilment(&self) -> &Fulfilment {
        &self.fulfilment
    }

    /// The config in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// What is known of the pacts.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The files whose change calls for a reload.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let trust = self.config.trust.as_ref().map(|t| &t.keys);
        self.path.iter().chain(&self.config.pacts).chain(&self.files).chain(trust).cloned().collect()
    }

    /// Reads everything anew. `asked`: by a person or a signal, so that the outcome is told even where
    /// nothing is new.
    pub(crate) fn reload(&mut self, asked: bool) -> Did {
        let done = self.fresh().and_then(|config| self.bring(config));
        match done {
            Ok(true) => {
                self.last_refusal = None;
                Did::Loaded
            }
            Ok(false) => {
                self.last_refusal = None;
                if asked {
                    self.told.unchanged();
                }
                Did::Unchanged
            }
            Err(refused) => {
                let reason = refused.to_string();
                if asked || self.last_refusal.as_ref() != Some(&reason) {
                    self.told.refused(&refused);
                    self.last_refusal = Some(reason);
                }
                Did::Refused
            }
        }
    }

    /// The config as it is written now.
    fn fresh(&self) -> Result<Config, Refused> {
        let config = match &self.path {
            Some(path) => read(path)?,
            None => (*self.config).clone(),
        };
        fixed(&self.config, &config)?;
        Ok(config)
    }

    /// Brings a config and what it names into force. Gives whether anything is new.
    pub(super) fn bring(&mut self, config: Config) -> Result<bool, Refused> {
        let program = self.live.pin();
        let running = Running { in_force: &self.in_force, program: &program };
        let mut loaded = load(&config, Some(running), &self.memory, &self.store, self.told.clock.wall_us())?;
        let shelved = std::mem::take(&mut loaded.shelved);
        let pacts = loaded.accepts.iter().map(|accept| &accept.in_force);
        let same = self.in_force.are(loaded.portfolio.as_ref(), pacts) && loaded.program.digest() == program.digest();
        if same && config == *self.config {
            self.shelf.put(shelved);
            return Ok(false);
        }
        let loaded = remember(&mut self.memory, &config, loaded)?;
        if !same {
            self.fulfilment.follow(&loaded.program, self.told.clock.wall_us());
            self.live.swap(Arc::clone(&loaded.program));
        }
        self.shelf.put(shelved);
        self.told.loaded(&config, &loaded);
        self.in_force = loaded.in_force();
        self.files = loaded.files;
        self.config = Arc::new(config);
        Ok(true)
    }
}

fn read(path: &Path) -> Result<Config, Refused> {
    match Config::load(path) {
        Ok((config, _)) => Ok(config),
        Err(error @ ProxyError::File { .. }) => Err(Refused::Unreadable(error.to_string())),
        Err(error) => Err(Refused::Broken(error.to_string())),
    }
}

/// What is bound to sockets, files and threads stays for the life of the process.
fn fixed(old: &Config, new: &Config) -> Result<(), Refused> {
    let addresses = |config: &Config| config.listen.iter().map(|l| (l.name.clone(), l.bind, l.lane)).collect::<Vec<_>>();
    let changed = [
        ("the names, addresses and lanes of `listen`", addresses(old) != addresses(new)),
        ("`admin`", old.admin != new.admin),
        ("`evidence`", old.evidence != new.evidence),
        ("`store`", old.store != new.store),
        ("`telemetry`", old.telemetry != new.telemetry),
        ("`tls`", old.tls != new.tls),
        ("`limits`", old.limits != new.limits),
        // Losing the trust file by an edit must not be a way into development mode.
        ("`trust` from trusted to development mode or back", old.trust.is_some() != new.trust.is_some()),
    ];
    changed.iter().find(|(_, changed)| *changed).map_or(Ok(()), |(what, _)| Err(Refused::NeedsRestart(what)))
}

/// Writes the versions down before any comes into force: a crash in between forgets nothing.
fn remember(memory: &mut Memory, config: &Config, loaded: Loaded) -> Result<Loaded, Refused> {
    let mut next = memory.clone();
    let mut news = false;
    for accept in &loaded.accepts {
        news |= next.note(&accept.in_force);
    }
    if news {
        next.save(&config.evidence.dir).map_err(|error| Refused::Memory(error.to_string()))?;
        *memory = next;
    }
    Ok(loaded)
}

impl Teller {
    fn loaded(&self, config: &Config, loaded: &Loaded) {
        telemetry::reload("loaded");
        for Accept { in_force: pact, .. } in &loaded.accepts {
            tracing::info!(pact = %pact.pact, version = %pact.version, signed = pact.signed, "the pact is in force");
        }
        let signed = loaded.accepts.iter().all(|accept| accept.in_force.signed);
        if !signed {
            tracing::warn!("development mode: there is no trust file, and nobody vouches for the pact");
        }
        if let Some(note) = taskless(config, &loaded.program) {
            tracing::warn!("{note}");
        }
        let mut record = record("loaded", None);
        record.accepted = config.accept_unenforced.iter().map(|id| id.as_str().into()).collect();
        record.image = loaded.image;
        record.packs = loaded
            .program
            .packs()
            .iter()
            .filter_map(|p| {
                let digest = Digest::parse_hex(p.digest.trim_start_matches("sha256:"))?;
                Some(LoadedPack { digest, pack: (&*p.name).into(), version: (&*p.version).into() })
            })
            .collect();
        record.pacts = loaded.accepts.iter().map(|accept| loaded_pact(&accept.in_force)).collect();
        record.predicates = LongList(loaded.program.predicates().iter().map(|p| (&*p.id).into()).collect());
        record.routes =
            config.listen.iter().map(|l| RouteMode { mode: config.route(&l.name).mode, route: l.name.as_str().into() }).collect();
        record.signed = signed;
        record.signers = signers(&loaded.accepts);
        self.write(record);
        let pacts = loaded.accepts.iter().enumerate().map(|(at, a)| pact_state(at as u32, &a.in_force, &loaded.program));
        let pacts = pacts.collect();
        self.state.change(|s| s.pacts = pacts);
        self.state.reloaded("loaded", None, self.clock.wall_us());
    }

    fn unchanged(&self) {
        telemetry::reload("unchanged");
        tracing::info!("reload: nothing has changed");
        self.state.reloaded("unchanged", None, self.clock.wall_us());
    }

    pub(super) fn refused(&self, refused: &Refused) {
        let reason = refused.to_string();
        telemetry::reload("refused");
        tracing::error!(code = refused.code(), "refused, nothing comes into force: {reason}");
        self.write(record("refused", Some(format!("{}: {reason}", refused.code()))));
        self.state.reloaded("refused", Some((refused.code(), reason)), self.clock.wall_us());
    }

    /// A pact was kept; whether it comes into force is another record's matter.
    pub(super) fn kept(&self, what: String) {
        tracing::info!("{what}");
        self.write(record("stored", Some(what)));
    }

    fn write(&self, record: PactLoad) {
        let Some(log) = &self.log else { return };
        if let Err(error) = log.strict(record).wait() {
            tracing::error!(%error, "the load of a pact could not be recorded");
        }
    }
}

fn record(result: &'static str, reason: Option<String>) -> PactLoad {
    PactLoad { result: Text::from(result), reason: reason.map(Text::from), ..PactLoad::default() }
}

fn loaded_pact(pact: &InForce) -> LoadedPact {
    LoadedPact {
        digest: pact.digest,
        id: pact.pact.as_str().into(),
        signed: pact.signed,
        version: pact.version.to_string().into(),
    }
}

/// Who signed the pacts that count as signed, each once as what they did.
fn signers(accepts: &[Accept]) -> Vec<Signer> {
    let mut out: Vec<Signer> = Vec::new();
    for accept in accepts.iter().filter(|accept| accept.in_force.signed) {
        for s in accept.verified.sealed().signatures() {
            let signer = Signer { by: s.by.as_str().into(), role: s.role.as_str().into() };
            if !out.contains(&signer) {
                out.push(signer);
            }
        }
    }
    out
}

/// The pact at this place of the program, for who asks.
fn pact_state(at: u32, pact: &InForce, program: &Program) -> PactState {
    let own = || program.predicates_of(at);
    PactState {
        pact: pact.pact.clone(),
        version: pact.version.to_string(),
        agent: pact.agent.clone(),
        digest: pact.digest.hex(),
        signed: pact.signed,
        expires: pact.expires,
        predicates: own().filter(|p| !p.stages.is_empty()).count(),
        unenforced: own().filter(|p| p.unenforced.is_some()).map(|p| p.id.to_string()).collect(),
    }
}
