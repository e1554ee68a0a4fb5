//! The driver of one sink: from the cursor to the store, one step at a time.
//!
//! It reads batches behind the cursor, hands them to the sink in order, and moves the cursor behind what was acknowledged.
//! At the start, after every fault and every hour it asks the store what it holds and holds that against the local log:
//! what the store has beyond the cursor (an acknowledgement that got lost) is not sent again, what it lost is, and what is
//! other than the log stops the sink. It never gives up and never waits itself: [`Pump::turn`] says how long to wait.
//!
//! Promises: batches of a log in order; the cursor is durable before retention hears of it; a refused batch is put aside
//! durably before the cursor moves over it; nothing in a store is overwritten.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::contract::{Fault, Held, Sink};
use super::cursor::{Cursor, Reached};
use super::pace::Pace;
use super::quarantine;
use super::reader::{Limit, LogReader, Piece};
use super::status::{State, Told};
use crate::base::clock::SharedClock;
use crate::base::limits::{QUARANTINE_MAX, SINK_COMPARE_SECONDS};
use crate::base::telemetry;
use crate::evidence::error::LogError;
use crate::evidence::handle::LogHandle;
use crate::evidence::note::Checkpoint;
use crate::evidence::record::{ConfigChange, Record, Text};
use crate::evidence::shipped::{Level, Shipped};

/// How long to wait where there is nothing to send.
const IDLE: Duration = Duration::from_millis(200);
/// The cursor is written at most so often while batches flow: one that is behind costs no more than a batch sent twice.
const SAVE_NS: u64 = 1_000_000_000;
/// So often a store may say that it holds a place already while its head says otherwise.
const TAKEN_MAX: u32 = 3;

/// The log that is being written, as far as it may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    /// Name of its folder.
    pub(crate) boot: String,
    /// Records under its last signed head.
    pub(crate) signed: u64,
    /// It is sealed: nothing follows.
    pub(crate) sealed: bool,
}

impl Live {
    fn limit(&self, boot: &str) -> Limit {
        if boot == self.boot && !self.sealed { Limit::Signed(self.signed) } else { Limit::Ended }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is more.
    Again,
    /// Nothing, for so long.
    Wait(Duration),
}

/// What a driver is started with.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Name of the sink.
    pub(crate) name: String,
    /// What is asked of it.
    pub(crate) level: Level,
    /// What its acknowledgements are worth at best.
    pub(crate) gives: Level,
    /// The evidence directory.
    pub(crate) dir: PathBuf,
    pub(crate) clock: SharedClock,
    pub(crate) shipped: Arc<Shipped>,
    /// Where what a person should know is written down.
    pub(crate) journal: Option<LogHandle>,
    pub(crate) told: Told,
    /// For the dice of the pace.
    pub(crate) seed: u64,
}

/// The driver of one sink.
pub(crate) struct Pump {
    plan: Plan,
    sink: Box<dyn Sink>,
    cursor: Cursor,
    /// The cursor says more than its file.
    unsaved: bool,
    saved_ns: u64,
    pace: Pace,
    wait_until_ns: u64,
    connected: bool,
    /// Logs that are to be held against the store.
    compare: VecDeque<String>,
    compared_ns: Option<u64>,
    reader: Option<(String, LogReader)>,
    pending: VecDeque<Batch>,
    taken: u32,
    forked: bool,
}

enum Trouble {
    Sink(Fault),
    Local(LogError),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Sink(fault)
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self::Local(error)
    }
}

impl Pump {
    /// Takes up the cursor of a sink.
    pub(crate) fn new(plan: Plan, sink: Box<dyn Sink>) -> Self {
        let (cursor, broken) = Cursor::load(&plan.dir, &plan.name);
        if let Some(why) = broken {
            tracing::warn!(sink = plan.name, why, "the cursor of a sink cannot be read; what the store says it has counts");
        }
        let (pace, now) = (Pace::new(plan.seed), plan.clock.steady_ns());
        let pump = Self {
            plan,
            sink,
            cursor,
            unsaved: false,
            saved_ns: now,
            pace,
            wait_until_ns: now,
            connected: false,
            compare: VecDeque::new(),
            compared_ns: None,
            reader: None,
            pending: VecDeque::new(),
            taken: 0,
            forked: false,
        };
        pump.publish();
        pump
    }

    /// One step.
    pub(crate) fn turn(&mut self, live: &Live) -> Turn {
        let now = self.plan.clock.steady_ns();
        if self.forked || now < self.wait_until_ns {
            return Turn::Wait(if self.forked { IDLE } else { Duration::from_nanos(self.wait_until_ns - now) });
        }
        match self.work(live) {
            Ok(true) => Turn::Again,
            Ok(false) => {
                self.plan.told.change(|status| (status.state, status.why) = (State::Current, None));
                self.report(live);
                Turn::Wait(IDLE)
            }
            Err(trouble) => {
                let wait = self.stumble(trouble);
                self.wait_until_ns =
                    self.plan.clock.steady_ns().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
                self.report(live);
                Turn::Wait(wait)
            }
        }
    }

    /// Makes what was reached durable.
    pub(crate) fn save(&mut self) -> Result<(), LogError> {
        if self.unsaved {
            self.cursor.save()?;
            (self.unsaved, self.saved_ns) = (false, self.plan.clock.steady_ns());
            self.publish();
        }
        Ok(())
    }

    fn publish(&self) {
        for (boot, reached) in &self.cursor.logs {
            self.plan.shipped.note(&self.plan.name, boot, reached.kept);
        }
    }

    /// `true` while there is more.
    fn work(&mut self, live: &Live) -> Result<bool, Trouble> {
        let now = self.plan.clock.steady_ns();
        if !self.connected {
            self.sink.open()?;
            self.connected = true;
            // What became of the last call is not known: the store says.
            let current = self.reader.as_ref().map(|(boot, _)| boot.clone());
            self.compare.extend(current);
        }
        let hour = SINK_COMPARE_SECONDS * 1_000_000_000;
        if self.compared_ns.is_none_or(|then| now.saturating_sub(then) >= hour) {
            self.compare = self.local()?.into();
            self.compared_ns = Some(now);
        }
        if let Some(boot) = self.compare.front().cloned() {
            self.hold_against(&boot, live)?;
            self.compare.pop_front();
            return Ok(true);
        }
        if self.pending.is_empty() && !self.fetch(live)? {
            self.save()?;
            return Ok(false);
        }
        self.send()?;
        if now.saturating_sub(self.saved_ns) >= SAVE_NS {
            self.save()?;
            self.report(live);
        }
        Ok(true)
    }

    /// Names of the local logs, oldest first; forgets those that are gone.
    fn local(&mut self) -> Result<Vec<String>, LogError> {
        let logs = self.plan.dir.join("logs");
        let entries = std::fs::read_dir(&logs).map_err(LogError::file(&logs))?;
        let mut boots: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        boots.sort_unstable();
        let before = self.cursor.logs.len();
        self.cursor.logs.retain(|boot, _| boots.binary_search(boot).is_ok());
        self.unsaved |= self.cursor.logs.len() != before;
        self.plan.shipped.forget(|boot| boots.binary_search_by(|known| known.as_str().cmp(boot)).is_err());
        Ok(boots)
    }

    /// The reader of a log, wherever it stands; none for a log that says nothing of itself, which is left out.
    fn reader(&mut self, boot: &str) -> Option<LogReader> {
        if let Some((_, reader)) = self.reader.take().filter(|(open, _)| open == boot) {
            return Some(reader);
        }
        match LogReader::open(&self.plan.dir.join("logs").join(boot)) {
            Ok(reader) => Some(reader),
            Err(error) => {
                tracing::error!(sink = self.plan.name, log = boot, %error, "a log cannot be read, and is not sent");
                let reached = self.cursor.logs.get(boot).cloned().unwrap_or_default();
                self.move_to(boot, Reached { done: true, ..reached });
                None
            }
        }
    }

    /// Holds what the store says it has of a log against the cursor and the log itself.
    fn hold_against(&mut self, boot: &str, live: &Live) -> Result<(), Trouble> {
        let Some(mut reader) = self.reader(boot) else { return Ok(()) };
        let origin = reader.card().origin.clone();
        let reached = self.cursor.logs.get(boot).cloned().unwrap_or_default();
        let held = self.sink.head(&origin)?;
        let (size, root) = match held {
            Held::Unknown => return Ok(()),
            Held::Nothing => (0, crate::evidence::merkle::empty_root()),
            Held::Head { size, root } => (size, root),
        };
        if (size, root) != (reached.next, reached.root) {
            let known = reader.seek(size, live.limit(boot))? && reader.size() == size;
            if known && reader.root() != root {
                let why = format!("the store holds other records than {origin} below {size}; nothing was changed in either");
                return Err(Fault::Fork(why).into());
            }
            if size < reached.next {
                tracing::error!(
                    sink = self.plan.name,
                    log = boot,
                    had = reached.next,
                    has = size,
                    "a store has lost records; they are sent again"
                );
                self.note(&format!("{}: the store lost {boot} from {size} to {}; sent again", self.plan.name, reached.next));
            } else if !known && size > reader.size() {
                if live.limit(boot) != Limit::Ended {
                    let signed = live.signed;
                    let why = format!("the store holds {size} records of {origin}, which is being written here and has {signed}");
                    return Err(Fault::Fork(why).into());
                }
                tracing::warn!(
                    sink = self.plan.name,
                    log = boot,
                    has = size,
                    here = reader.size(),
                    "a store has more of a log than the disk"
                );
                self.note(&format!("{}: the store has {size} of {boot}, and the disk {}", self.plan.name, reader.size()));
            }
            let kept = if self.plan.gives >= self.plan.level { size } else { reached.kept.min(size) };
            self.move_to(boot, Reached { next: size, root, kept, done: false });
            // What is less than before must not be let go meanwhile.
            self.plan.shipped.note(&self.plan.name, boot, kept);
            self.pending.clear();
        }
        // The oldest log that is open is next, whichever was compared last.
        Ok(())
    }

    fn move_to(&mut self, boot: &str, reached: Reached) {
        self.cursor.logs.insert(boot.to_owned(), reached);
        self.unsaved = true;
    }

    /// Brings the next batch; `false` where there is none yet.
    fn fetch(&mut self, live: &Live) -> Result<bool, Trouble> {
        loop {
            let Some(boot) = self.waiting_log()? else { return Ok(false) };
            let reached = self.cursor.logs.get(&boot).cloned().unwrap_or_default();
            let limit = live.limit(&boot);
            let Some(mut reader) = self.reader(&boot) else { continue };
            if reader.size() != reached.next || reader.root() != reached.root {
                let known = reader.seek(reached.next, limit)?;
                if known && reader.root() != reached.root {
                    let why =
                        format!("{} no longer holds what was sent from it", self.plan.dir.join("logs").join(&boot).display());
                    return Err(Fault::Fork(why).into());
                }
                if reader.size() > reached.next {
                    self.pass_over(&boot, &reached, reader);
                    continue;
                }
                if !known {
                    let (sent, here) = (reached.next, reader.size());
                    tracing::error!(sink = self.plan.name, log = boot, sent, here, "less of a log is here than was sent of it");
                    self.move_to(&boot, Reached { done: true, ..reached });
                    continue;
                }
            }
            match reader.next(limit)? {
                Some(Piece::Batch(batch)) => {
                    self.pending.push_back(*batch);
                    self.reader = Some((boot, reader));
                    return Ok(true);
                }
                Some(Piece::Hole { .. }) => self.pass_over(&boot, &reached, reader),
                None if limit == Limit::Ended => {
                    self.move_to(&boot, Reached { done: true, ..reached });
                    self.reader = None;
                }
                None => {
                    self.reader = Some((boot, reader));
                    return Ok(false);
                }
            }
        }
    }

    /// Goes on behind records that cannot be read here, and says so.
    fn pass_over(&mut self, boot: &str, reached: &Reached, reader: LogReader) {
        let (first, last) = (reached.next, reader.size().saturating_sub(1));
        tracing::error!(sink = self.plan.name, log = boot, first, last, "records cannot be read here, and are not sent");
        self.note(&format!("{}: {boot} from {first} to {last} cannot be read here; not sent", self.plan.name));
        let kept = if reached.kept >= reached.next { reader.size() } else { reached.kept };
        self.move_to(boot, Reached { next: reader.size(), root: reader.root(), kept, done: false });
        self.reader = Some((boot.to_owned(), reader));
    }

    /// The oldest log of which something may be left to send.
    fn waiting_log(&mut self) -> Result<Option<String>, LogError> {
        let open = |cursor: &Cursor, boot: &String| cursor.logs.get(boot).is_none_or(|reached| !reached.done);
        if let Some((boot, _)) = self.reader.as_ref().filter(|(boot, _)| open(&self.cursor, boot)) {
            return Ok(Some(boot.clone()));
        }
        Ok(self.local()?.into_iter().find(|boot| open(&self.cursor, boot)))
    }

    /// Hands the first pending batch over.
    fn send(&mut self) -> Result<(), Trouble> {
        let Some(batch) = self.pending.front() else { return Ok(()) };
        let mut result = self.sink.deliver(batch);
        if self.plan.level == Level::Verified && result.is_ok() {
            result = match self.sink.read(batch.origin(), batch.first())? {
                Some(stored) if stored == batch.wire() => Ok(Level::Verified),
                // Compressed by another version.
                Some(stored) if Batch::parse(&stored).is_ok_and(|stored| stored.id() == batch.id()) => Ok(Level::Verified),
                Some(_) => Err(Fault::Fork(format!("what was read back at {} is not what was sent", batch.first()))),
                None => Err(Fault::later("what was sent could not be read back")),
            };
        }
        match result {
            Ok(level) => {
                if let Some(batch) = self.pending.pop_front() {
                    self.acknowledged(&batch, level);
                }
                Ok(())
            }
            Err(Fault::Taken) => {
                self.taken += 1;
                let boot = batch.card().boot().to_owned();
                if self.taken >= TAKEN_MAX {
                    let why = format!(
                        "the store says that it holds record {} of {boot}, and its head says that it does not",
                        batch.first()
                    );
                    return Err(Fault::Settings(why).into());
                }
                self.compare.push_front(boot);
                Ok(())
            }
            Err(Fault::Refused { too_large: true, .. }) if batch.count() > 1 => {
                let halves = batch.halves();
                self.pending.pop_front();
                if let Some((left, right)) = halves {
                    self.pending.push_front(right);
                    self.pending.push_front(left);
                }
                Ok(())
            }
            Err(Fault::Refused { why, .. }) => self.put_aside(&why),
            Err(fault) => Err(fault.into()),
        }
    }

    fn acknowledged(&mut self, batch: &Batch, level: Level) {
        let boot = batch.card().boot().to_owned();
        let before = self.cursor.logs.get(&boot).map_or(0, |reached| reached.kept);
        let kept = if level >= self.plan.level { batch.size() } else { before };
        self.move_to(&boot, Reached { next: batch.size(), root: batch.root(), kept, done: false });
        self.pace.succeeded();
        self.taken = 0;
        telemetry::sink_records(&self.plan.name, batch.count());
        self.plan.told.change(|status| {
            (status.state, status.why) = (State::Sending, None);
            status.delivered_records += batch.count();
            status.delivered_batches += 1;
        });
    }

    /// A batch that is refused for what it is goes aside, and the next one has its turn.
    fn put_aside(&mut self, why: &str) -> Result<(), Trouble> {
        let Some(batch) = self.pending.front() else { return Ok(()) };
        if !quarantine::put(&self.plan.dir, &self.plan.name, batch, why)? {
            let folder = quarantine::folder(&self.plan.dir, &self.plan.name);
            let why = format!(
                "{why}; {QUARANTINE_MAX} refused batches lie in {}, no more are put aside: look why, and clear it",
                folder.display()
            );
            return Err(Fault::Settings(why).into());
        }
        let Some(batch) = self.pending.pop_front() else { return Ok(()) };
        let (first, last, boot) = (batch.first(), batch.last(), batch.card().boot().to_owned());
        tracing::error!(sink = self.plan.name, log = boot, first, last, why, "a store refuses a batch; it is put aside");
        self.note(&format!("{}: refused {boot} from {first} to {last}, put aside: {why}", self.plan.name));
        telemetry::sink_failure(&self.plan.name, "refused");
        let kept =
            self.cursor.logs.get(&boot).map_or(0, |reached| if reached.kept >= first { batch.size() } else { reached.kept });
        self.move_to(&boot, Reached { next: batch.size(), root: batch.root(), kept, done: false });
        let quarantined = quarantine::count(&self.plan.dir, &self.plan.name);
        self.plan.told.change(|status| {
            status.failures += 1;
            status.quarantined = quarantined;
        });
        Ok(())
    }

    /// What a fault means for the next try.
    fn stumble(&mut self, trouble: Trouble) -> Duration {
        let (state, word, why, asked) = match trouble {
            Trouble::Sink(Fault::Fork(why)) => (State::Fork, "fork", why, None),
            Trouble::Sink(Fault::Later { why, after }) => (State::Waiting, "later", why, after),
            Trouble::Sink(fault) => (State::Settings, "settings", fault.to_string(), None),
            Trouble::Local(error) => (State::Waiting, "local", error.to_string(), None),
        };
        let name = &self.plan.name;
        telemetry::sink_failure(name, word);
        self.connected = false;
        let wait = self.pace.failed(asked);
        let before = self.plan.told.now();
        if before.state != state || before.why.as_deref() != Some(&why) {
            match state {
                State::Fork => tracing::error!(
                    sink = name,
                    why,
                    "a store holds other records than the log; nothing more is sent to it until a person has looked and the process was started anew"
                ),
                State::Settings => tracing::error!(
                    sink = name,
                    why,
                    "a sink takes nothing until somebody changes that; the log is kept here meanwhile"
                ),
                _ => tracing::warn!(sink = name, why, "a sink is tried again; the log is kept here meanwhile"),
            }
        }
        if state == State::Fork && !self.forked {
            self.forked = true;
            self.note(&format!("{name}: fork: {why}"));
        }
        self.plan.told.change(|status| {
            (status.state, status.why) = (state, Some(why));
            status.failures += 1;
        });
        wait
    }

    /// Writes down in the log what a person should know later.
    fn note(&self, reason: &str) {
        let change = ConfigChange { reason: Some(Text::from(reason)), subject: Text::from("sink"), ..ConfigChange::default() };
        if let Some(journal) = &self.plan.journal
            && journal.fast(Record::from(change)).is_err()
        {
            tracing::warn!(sink = self.plan.name, reason, "what became of a sink could not be recorded");
        }
    }

    /// Tells how much is signed that the store has not got.
    fn report(&mut self, live: &Live) {
        let logs = self.plan.dir.join("logs");
        let mut lag = 0u64;
        for boot in self.local().unwrap_or_default() {
            let reached = self.cursor.logs.get(&boot).cloned().unwrap_or_default();
            if boot == live.boot {
                lag += live.signed.saturating_sub(reached.next);
            } else if !reached.done {
                lag += signed_size(&logs.join(&boot)).unwrap_or(0).saturating_sub(reached.next);
            }
        }
        telemetry::sink_lag(&self.plan.name, lag);
        self.plan.told.change(|status| status.lag_records = lag);
    }
}

/// Size of the last head that a log published.
fn signed_size(log: &std::path::Path) -> Option<u64> {
    let note = std::fs::read_to_string(log.join("checkpoint")).ok()?;
    let (text, _) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
    Checkpoint::parse(text).ok().map(|head| head.size)
}

#[cfg(test)]
mod tests;
