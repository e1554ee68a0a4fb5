//! The thread of the log: group commit, tree, heads.
//!
//! What it keeps to, in the words of the design's rules:
//! - a record is acknowledged after the sync that made it durable (I1, R7), a head is signed over what
//!   was read back from the disk (I2), and published after the frame that holds it is durable (I3);
//! - after a failed write or sync nothing is appended to that segment and its sync is never tried again:
//!   it is cut to the last durable offset and the group is written anew into a new segment (R1, R2, I6);
//! - what cannot be written stays in the bounded queue until it can; what finds no room there is counted
//!   in a `gap` record, for which a reserve is kept on disk (R8).

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use sha2::Digest as _;

use super::counters::Counters;
use super::error::LogError;
use super::files::Files;
use super::handle::{GapCause, Message, Meta, Pending, Shared, canonical};
use super::latest::SignedHead;
use super::merkle::{Tree, leaf_hash};
use super::note::{self, Checkpoint};
use super::receipts::{Ask, Receipts};
use super::record::{ClockStep, ConfigChange, Gap, Heartbeat, Int, LogId, LogSeal, Record, RecordId, Spec, Tag, Text};
use super::retention::Retention;
use super::segment::{self, FRAME, FrameKind, GROUP_BYTES, GROUP_RECORDS};
use super::spool::Spool;
use super::ticket::Keeper;
use crate::base::limits::RECORD_ARRAY_MAX;
use crate::base::telemetry;
use crate::seal::{Digest, SigningKey};

/// A wall clock that moves apart from the steady one by more has jumped.
const STEP_US: i64 = 2_000_000;
/// Two looks at a clock within less are one.
const AT_ONCE_NS: u64 = 100_000_000;
/// So long a group is given to grow, unless somebody waits for it.
const LINGER: Duration = Duration::from_millis(5);
/// So long behind a group more is expected.
const BUSY: Duration = Duration::from_millis(250);
/// What is on disk nears what may be kept.
const FILLING_PERCENT: u64 = 70;
/// It no longer does.
const FILLING_ENDS_PERCENT: u64 = 60;
/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Cadences and places.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) files: Arc<dyn Files>,
    /// Directory of this log.
    pub(crate) dir: PathBuf,
    pub(crate) retention: Retention,
    pub(crate) key: SigningKey,
    pub(crate) receipts: Receipts,
    pub(crate) checkpoint_every: Duration,
    pub(crate) heartbeat_every: Duration,
}

/// The writing half of a log.
#[derive(Debug)]
pub(crate) struct Writer {
    setup: Setup,
    shared: Arc<Shared>,
    tree: Tree,
    spool: Spool,
    held: Vec<Pending>,
    counters: Counters,
    /// Size of the last signed head.
    signed: u64,
    /// A head that is stored, and that could not be published yet.
    unpublished: Option<String>,
    /// Records of the traffic since the last head.
    fresh: bool,
    /// When the last group was written.
    group_ns: u64,
    checkpoint_ns: u64,
    heartbeat_ns: u64,
    /// When it was last looked what may go.
    retained_ns: u64,
    /// Records wait that could not be written.
    waiting: bool,
    /// When gaps were last declared from the reserve, since records can no longer be written.
    owned_up_ns: Option<u64>,
    /// Wall minus steady time, to see jumps.
    drift_us: i64,
    /// The same when the log was opened.
    first_drift_us: i64,
}

impl Writer {
    pub(crate) fn new(setup: Setup, shared: Arc<Shared>, spool: Spool) -> Self {
        let now = shared.clock.steady_ns();
        let (drift_us, _) = drift(&shared);
        Self {
            setup,
            shared,
            tree: Tree::default(),
            spool,
            held: Vec::new(),
            counters: Counters::default(),
            signed: 0,
            unpublished: None,
            fresh: false,
            group_ns: 0,
            checkpoint_ns: now,
            heartbeat_ns: now,
            retained_ns: now,
            waiting: false,
            owned_up_ns: None,
            drift_us,
            first_drift_us: drift_us,
        }
    }

    /// Writes the first records of the log and signs its first head.
    pub(crate) fn begin(&mut self, records: Vec<Record>) -> Result<(), LogError> {
        let pending = records.into_iter().map(|record| self.own(record)).collect();
        self.commit(pending)?;
        self.checkpoint()?;
        self.setup.retention.sweep();
        self.retain()
    }

    /// The loop of the thread.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        // There is one writer a log, so it is never set before.
        drop(self.shared.writer.set(std::thread::current()));
        loop {
            let first = self.next(queue);
            if self.turn(queue, first).is_break() {
                return;
            }
        }
    }

    /// One turn: the first that came and all that waits behind it is written, then the house is kept. It was the last one
    /// where it breaks.
    pub(crate) fn turn(&mut self, queue: &Receiver<Message>, first: Result<Message, RecvTimeoutError>) -> ControlFlow<()> {
        let mut flushes = Vec::new();
        let mut close = None;
        match first {
            Ok(message) => self.gather(queue, message, &mut flushes, &mut close),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                if let Err(error) = self.finish("handles_gone") {
                    tracing::error!(%error, "the evidence log could not be sealed");
                }
                return ControlFlow::Break(());
            }
        }
        let written = self.write_held();
        self.waiting = written.is_err();
        let kept = match written {
            Ok(()) => self.keep_house(),
            Err(error) => {
                self.setup.receipts.fail(&error);
                self.own_up();
                Err(error)
            }
        };
        for flush in flushes {
            flush.keep(match &kept {
                Ok(()) => Ok(self.tree.size()),
                Err(error) => Err(error.clone()),
            });
        }
        let Some(promise) = close else { return ControlFlow::Continue(()) };
        self.shared.closed.store(true, Release);
        // What was handed over before the door shut is still written.
        while let Ok(message) = queue.try_recv() {
            match message {
                Message::Record(pending) => self.held.push(pending),
                // Their keepers answer that the log is closed.
                Message::Flush(_) | Message::Close(_) | Message::Receipt(_) => {}
            }
        }
        promise.keep(self.finish("shutdown"));
        ControlFlow::Break(())
    }

    /// The next that comes; nothing if the cadence calls before.
    ///
    /// The disk and the wake-ups cost more than the records, and an exchange that ends is often followed by the next
    /// on the same core. So this thread is not woken by each of them: while there is traffic it looks by itself every
    /// [`LINGER`], and the first record after a quiet time is given as long. Whoever waits wakes it.
    fn next(&self, queue: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        let since = Duration::from_nanos(self.shared.clock.steady_ns().saturating_sub(self.group_ns));
        if self.held.is_empty() && since < BUSY {
            std::thread::park_timeout(LINGER);
            return queue.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            });
        }
        let first = queue.recv_timeout(self.patience())?;
        if !first.is_awaited() {
            std::thread::park_timeout(LINGER);
        }
        Ok(first)
    }

    /// Takes all that waits, up to one group.
    fn gather(&mut self, queue: &Receiver<Message>, first: Message, flushes: &mut Vec<Keeper>, close: &mut Option<Keeper>) {
        let mut next = Some(first);
        let mut bytes = 0;
        while let Some(message) = next.take() {
            match message {
                Message::Record(pending) => {
                    bytes += pending.bytes.len() + FRAME;
                    self.setup.receipts.taken(pending.meta.id, pending.leaf, &self.setup.key);
                    self.held.push(pending);
                }
                Message::Receipt(ask) => self.receipt(ask),
                Message::Flush(flush) => flushes.push(flush),
                Message::Close(promise) => {
                    *close = Some(promise);
                    return;
                }
            }
            if self.held.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
                next = queue.try_recv().ok();
            }
        }
    }

    fn receipt(&mut self, ask: Ask) {
        let held = self.held.iter().map(|pending| (pending.meta.id, pending.leaf));
        self.setup.receipts.ask(ask, held, &self.setup.key);
    }

    /// How long to wait for records before the cadence calls.
    fn patience(&self) -> Duration {
        if !self.held.is_empty() {
            return RETRY;
        }
        let since = |then: u64| Duration::from_nanos(self.shared.clock.steady_ns().saturating_sub(then));
        let heartbeat = self.setup.heartbeat_every.saturating_sub(since(self.heartbeat_ns));
        let due = if self.fresh {
            heartbeat.min(self.setup.checkpoint_every.saturating_sub(since(self.checkpoint_ns)))
        } else {
            heartbeat
        };
        due.clamp(Duration::from_millis(1), RETRY)
    }

    /// Writes what waits, in groups; what cannot be written stays, and those who wait for it are told.
    fn write_held(&mut self) -> Result<(), LogError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.group_ns = self.shared.clock.steady_ns();
        while !self.held.is_empty() {
            let mut bytes = 0;
            let count = self.held.iter().take(GROUP_RECORDS).take_while(|pending| {
                bytes += pending.bytes.len() + FRAME;
                bytes <= GROUP_BYTES
            });
            let count = count.count().max(1);
            let rest = self.held.split_off(count.min(self.held.len()));
            let group = std::mem::replace(&mut self.held, rest);
            if let Err(error) = self.commit(group) {
                for pending in &mut self.held {
                    if let Some(ticket) = pending.ticket.take() {
                        ticket.keep(Err(error.clone()));
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// One group: durable, read back, in the tree, acknowledged. On failure the group is held again.
    fn commit(&mut self, group: Vec<Pending>) -> Result<(), LogError> {
        let mut group = group;
        let mut last = None;
        // The second try goes to a new segment. More would only delay the news.
        for _ in 0..2 {
            if group.is_empty() {
                return Ok(());
            }
            match self.try_commit(&group) {
                Ok(tree) => {
                    // A record of the log's own may find room where those that wait do not.
                    let own = group.iter().all(|pending| pending.meta.charge == 0);
                    self.shared.failing.store(own && (self.waiting || self.spool.on_reserve()), Release);
                    self.acknowledge(group, tree);
                    return Ok(());
                }
                Err(error) => {
                    self.shared.failing.store(true, Release);
                    tracing::error!(%error, "evidence could not be written; a new segment is tried");
                    last = Some(error);
                    // A record that changed in memory is never signed; it is counted.
                    let shared = self.shared.clone();
                    group.retain(|pending| {
                        let sound = leaf_hash(&pending.bytes) == pending.leaf;
                        if !sound {
                            shared.give_back(pending.meta.charge);
                            shared.lose(GapCause::Memory, pending.meta.id);
                        }
                        sound
                    });
                }
            }
        }
        group.append(&mut self.held);
        self.held = group;
        Err(last.unwrap_or(LogError::Thread))
    }

    fn try_commit(&mut self, group: &[Pending]) -> Result<Tree, LogError> {
        let first = self.tree.size();
        let mut tree = self.tree.clone();
        let mut frames = Vec::with_capacity(group.iter().map(|p| p.bytes.len() + FRAME + 32).sum::<usize>() + 128);
        for (at, pending) in group.iter().enumerate() {
            segment::push_frame(&mut frames, FrameKind::Record, first + at as u64, &pending.bytes);
            tree.push(pending.leaf);
        }
        let data = frames.len();
        let whole = data + FRAME + 44 + 32 * group.len();
        self.spool.room_for(&self.tree, whole as u64, group.iter().all(|p| p.meta.charge == 0))?;
        let commit = segment::commit(tree.size(), &tree.root(), self.spool.running(&frames), group.iter().map(|p| p.leaf));
        segment::push_frame(&mut frames, FrameKind::Commit, tree.size(), &commit);
        self.write(&frames)?;
        // Read back what was stored: a bit that flipped on the way is found before it is signed over.
        self.spool.read_back(&mut frames, |stored| {
            let mut at = 0;
            group.iter().all(|pending| {
                let record = stored.get(at + FRAME..at + FRAME + pending.bytes.len()).unwrap_or_default();
                at += FRAME + pending.bytes.len();
                leaf_hash(record) == pending.leaf
            })
        })?;
        Ok(tree)
    }

    fn acknowledge(&mut self, group: Vec<Pending>, tree: Tree) {
        let first = self.tree.size();
        self.tree = tree;
        telemetry::evidence_records(group.len() as u64);
        self.shared.durable.store(self.tree.size(), Release);
        for (at, pending) in group.into_iter().enumerate() {
            let charge = pending.meta.charge;
            self.counters.count(&pending.meta);
            self.setup.receipts.written(pending.meta.id, first + at as u64, pending.leaf, &self.setup.key);
            if charge > 0 {
                self.fresh = true;
                self.owned_up_ns = None;
                self.shared.give_back(charge);
            }
            if let Some(ticket) = pending.ticket {
                ticket.keep(Ok(first + at as u64));
            }
        }
    }

    /// Writes at the end of the active segment and makes it durable.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let before = self.shared.clock.steady_ns();
        self.spool.write(bytes)?;
        self.counters.fsync_us = self.shared.clock.steady_ns().saturating_sub(before) / 1000;
        Ok(())
    }

    /// Gaps, clock, heartbeat, head: what the cadence asks for.
    fn keep_house(&mut self) -> Result<(), LogError> {
        self.declare_gaps()?;
        let (drift, at_once) = drift(&self.shared);
        let delta = if at_once { drift.saturating_sub(self.drift_us) } else { 0 };
        if delta.abs() > STEP_US {
            self.drift_us = drift;
            self.append(Record::from(ClockStep { delta_us: Int::saturating(delta), ..ClockStep::default() }))?;
        }
        let now = self.shared.clock.steady_ns();
        let due = |then: u64, every: Duration| now.saturating_sub(then) >= u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        let idle = due(self.heartbeat_ns, self.setup.heartbeat_every);
        if idle || (self.fresh && due(self.checkpoint_ns, self.setup.checkpoint_every)) {
            self.heartbeat()?;
            self.checkpoint()?;
            let day = self.shared.ids.next(self.shared.clock.wall_us().saturating_add(86_400_000_000)).day();
            self.shared.secrets.prepare(day);
        }
        if self.spool.rolled || due(self.retained_ns, self.setup.heartbeat_every) {
            self.retain()?;
        }
        Ok(())
    }

    /// Lets go what retention no longer keeps. What goes is first recorded under a signed head.
    fn retain(&mut self) -> Result<(), LogError> {
        self.spool.rolled = false;
        self.retained_ns = self.shared.clock.steady_ns();
        // A clock that jumps ahead must not age the evidence: time is what has passed since the start.
        let ahead = self.drift_us.saturating_sub(self.first_drift_us).max(0);
        let now = self.shared.clock.wall_us().saturating_sub(ahead) / 1_000_000;
        let Some(active) = self.spool.active() else { return Ok(()) };
        let plan = self.setup.retention.plan(now, active);
        self.spool.disk_bytes = plan.bytes;
        self.spool_bytes();
        if plan.is_empty() {
            return Ok(());
        }
        let mut reason = "keep".to_owned();
        if plan.unshipped > 0 {
            let lacking = plan.lacking.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::error!(segments = plan.unshipped, lacking, "evidence goes that sinks have not got: the room for it is full");
            telemetry::evidence_unshipped(plan.unshipped);
            reason = format!("keep.local_max; not at: {lacking}");
        }
        for pruned in plan.pruned.chunks(RECORD_ARRAY_MAX) {
            self.append(Record::from(ConfigChange {
                pruned: pruned.to_vec(),
                reason: Some(Text::from(reason.as_str())),
                subject: Text::from("retention"),
                ..ConfigChange::default()
            }))?;
        }
        self.checkpoint()?;
        let freed = self.setup.retention.carry_out(&plan);
        self.spool.disk_bytes = self.spool.disk_bytes.saturating_sub(freed);
        self.spool_bytes();
        Ok(())
    }

    /// While nothing else can be written, what is lost is still declared under a signed head, from the
    /// reserve: at once, and then as often as a heartbeat comes.
    fn own_up(&mut self) {
        let now = self.shared.clock.steady_ns();
        let every = u64::try_from(self.setup.heartbeat_every.as_nanos()).unwrap_or(u64::MAX);
        let nothing = self.shared.gaps.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if nothing || self.owned_up_ns.is_some_and(|then| now.saturating_sub(then) < every) {
            return;
        }
        self.owned_up_ns = Some(now);
        if let Err(error) = self.declare_gaps().and_then(|()| self.checkpoint()) {
            tracing::error!(%error, "what is lost could not be recorded");
        }
    }

    fn declare_gaps(&mut self) -> Result<(), LogError> {
        loop {
            let taken = self.shared.gaps.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            let Some((cause, tally)) = taken else { return Ok(()) };
            let record = Gap {
                cause: Text::from(cause.as_str()),
                count: Int::saturating(tally.count),
                digest: Digest(tally.digest.clone().finalize().into()),
                first_us: Int::saturating(tally.first_us),
                id: RecordId::default(),
                kind: Tag,
                last_us: Int::saturating(tally.last_us),
                log: LogId::default(),
                mono_us: Int::default(),
                spec: Spec,
                time_us: Int::default(),
            };
            let count = tally.count;
            if let Err(error) = self.append(Record::from(record)) {
                // Not declared: counted on, and declared with what comes. The first digest goes on.
                let mut gaps = self.shared.gaps.lock().unwrap_or_else(PoisonError::into_inner);
                let newer = gaps.insert(cause, tally);
                if let (Some(newer), Some(kept)) = (newer, gaps.get_mut(&cause)) {
                    kept.count += newer.count;
                    kept.last_us = newer.last_us;
                    kept.digest.update(newer.digest.finalize());
                }
                return Err(error);
            }
            self.counters.lost += count;
        }
    }

    fn heartbeat(&mut self) -> Result<(), LogError> {
        let record = Heartbeat {
            shed: Int::saturating(self.shared.shed.load(Relaxed)),
            spool_bytes: Int::saturating(self.spool_bytes()),
            started: Int::saturating(self.shared.started.load(Acquire)),
            ..self.counters.heartbeat()
        };
        self.append(Record::from(record))?;
        self.heartbeat_ns = self.shared.clock.steady_ns();
        Ok(())
    }

    /// Tells how much there is on disk, and warns once when it nears what may be kept.
    fn spool_bytes(&self) -> u64 {
        let (bytes, max) = (self.spool.disk_bytes, self.setup.retention.keep_bytes);
        telemetry::evidence_spool_bytes(bytes);
        self.shared.spool_bytes.store(bytes, Relaxed);
        // Retention frees a segment at a time, so the warning ends only well below.
        let was = self.shared.filling.load(Relaxed);
        let filling = bytes > max / 100 * if was { FILLING_ENDS_PERCENT } else { FILLING_PERCENT };
        if filling && !was {
            tracing::warn!(bytes, max, "evidence fills its room; the oldest goes when it is full: archive it, or keep more");
        }
        self.shared.filling.store(filling, Relaxed);
        bytes
    }

    /// A record of the log's own, ready to be written.
    fn own(&self, mut record: Record) -> Pending {
        let id = self.shared.ids.next(self.shared.clock.wall_us());
        record.stamp(self.shared.head(id));
        let bytes = canonical(&record);
        let meta = Meta { id, exchange: None, intervention: false, unjudged: false, abandoned: false, charge: 0 };
        Pending { leaf: leaf_hash(&bytes), bytes, meta, ticket: None }
    }

    /// Writes one record of the log's own. If it cannot be written it is not held: it is made anew.
    fn append(&mut self, record: Record) -> Result<(), LogError> {
        let held = std::mem::take(&mut self.held);
        let pending = self.own(record);
        let result = self.commit(vec![pending]);
        self.held = held;
        result
    }

    /// Signs what is durable, stores the head in the segment, then publishes it.
    pub(crate) fn checkpoint(&mut self) -> Result<(), LogError> {
        self.checkpoint_ns = self.shared.clock.steady_ns();
        self.fresh = false;
        if self.tree.size() == self.signed {
            return self.publish();
        }
        let head = Checkpoint { origin: self.shared.origin.clone(), size: self.tree.size(), root: self.tree.root() };
        let note = note::sign(&head.text(), &self.shared.origin, &self.setup.key)?;
        let mut frame = Vec::new();
        segment::push_frame(&mut frame, FrameKind::Checkpoint, head.size, note.as_bytes());
        for attempt in 0..2 {
            let room = self.spool.room_for(&self.tree, frame.len() as u64, true);
            match room.and_then(|()| self.write(&frame)) {
                Ok(()) => break,
                Err(error) if attempt == 1 => return Err(error),
                Err(_) => {}
            }
        }
        self.signed = head.size;
        self.shared.latest.put(SignedHead { head, time_us: self.shared.clock.wall_us(), note: note.clone() });
        self.unpublished = Some(note);
        self.publish()
    }

    /// Publishes the last head, which is stored.
    fn publish(&mut self) -> Result<(), LogError> {
        let Some(note) = self.unpublished.take() else { return Ok(()) };
        let path = self.setup.dir.join("checkpoint");
        let result = self.setup.files.publish(&path, note.as_bytes(), false).map_err(LogError::file(&path));
        if result.is_err() {
            self.unpublished = Some(note);
        }
        result
    }

    /// Seals the log: what waits, gaps, counters, the seal, its head; then cuts the file.
    fn finish(&mut self, reason: &str) -> Result<u64, LogError> {
        self.shared.closed.store(true, Release);
        if self.write_held().is_err() {
            for pending in std::mem::take(&mut self.held) {
                self.shared.give_back(pending.meta.charge);
                self.shared.lose(GapCause::DiskError, pending.meta.id);
            }
        }
        self.declare_gaps()?;
        self.heartbeat()?;
        self.spool.clear_up()?;
        let in_flight = self.shared.started.load(Acquire).saturating_sub(self.counters.ended);
        let size = self.tree.size() + 1;
        self.append(Record::from(LogSeal {
            in_flight: (in_flight > 0).then(|| Int::saturating(in_flight)),
            reason: Text::from(reason),
            size: Int::saturating(size),
            ..LogSeal::default()
        }))?;
        self.checkpoint()?;
        self.spool.close()?;
        self.shared.records.fetch_and(0, AcqRel);
        Ok(self.tree.size())
    }
}

/// Wall minus steady time, and whether both were read at once: where time went by between, as when the process was stopped
/// there, a difference is no step of a clock, and the next look tells.
fn drift(shared: &Shared) -> (i64, bool) {
    let before = shared.clock.steady_ns();
    let wall = shared.clock.wall_us();
    let after = shared.clock.steady_ns();
    let at_once = after.saturating_sub(before) < AT_ONCE_NS;
    (wall.saturating_sub(i64::try_from(after / 1000).unwrap_or(i64::MAX)), at_once)
}
