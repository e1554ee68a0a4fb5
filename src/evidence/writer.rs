//! The thread of the log: group commit, tree, heads.
//!
//! What it keeps to, in the words of the design's rules:
//! - a record is acknowledged after the sync that made it durable (I1, R7), a head is signed over what
//!   was read back from the disk (I2), and published after the frame that holds it is durable (I3);
//! - after a failed write or sync nothing is appended to that segment and its sync is never tried again:
//!   it is cut to the last durable offset and the group is written anew into a new segment (R1, R2, I6);
//! - what cannot be written stays in the bounded queue until it can; what finds no room there is counted
//!   in a `gap` record, for which a reserve is kept on disk (R8).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use sha2::Digest as _;

use super::counters::Counters;
use super::error::LogError;
use super::files::{Files, Segment};
use super::handle::{GapCause, Keeper, Message, Meta, Pending, Shared, canonical};
use super::merkle::{Tree, leaf_hash};
use super::note::{self, Checkpoint};
use super::record::{ClockStep, Gap, Heartbeat, Int, LogId, LogSeal, Record, RecordId, Spec, Tag, Text};
use super::segment::{self, FRAME, FrameKind, GROUP_BYTES, GROUP_RECORDS, HEADER};
use crate::base::telemetry;
use crate::seal::{Digest, SigningKey};

/// First segment of a log, and the reserve.
pub(crate) const SEGMENT_MIN: u64 = 1 << 20;
/// Segments double up to this.
const SEGMENT_MAX: u64 = 64 << 20;
/// A wall clock that moves apart from the steady one by more has jumped.
const STEP_US: i64 = 2_000_000;
/// While records come fast, a group is begun so long after the last one, unless somebody waits.
const LINGER: Duration = Duration::from_millis(5);
/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The segment that is written.
#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: Box<dyn Segment>,
    /// Durable up to here.
    offset: u64,
    length: u64,
    /// CRC of all bytes before `offset`.
    running: u32,
    /// Made of the reserve: for gaps and the seal only.
    reserve: bool,
}

/// Cadences and places.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) files: Arc<dyn Files>,
    /// Directory of this log.
    pub(crate) dir: PathBuf,
    /// The reserve beside all logs.
    pub(crate) reserve: PathBuf,
    pub(crate) key: SigningKey,
    pub(crate) checkpoint_every: Duration,
    pub(crate) heartbeat_every: Duration,
}

/// The writing half of a log.
#[derive(Debug)]
pub(crate) struct Writer {
    setup: Setup,
    shared: Arc<Shared>,
    log: Digest,
    tree: Tree,
    active: Option<Active>,
    next_length: u64,
    /// Segments given up after a failure, with the length they should have.
    spoiled: Vec<(PathBuf, u64)>,
    held: Vec<Pending>,
    counters: Counters,
    /// Size of the last signed head.
    signed: u64,
    /// Records of the traffic since the last head.
    fresh: bool,
    /// When the last group was written.
    group_ns: u64,
    checkpoint_ns: u64,
    heartbeat_ns: u64,
    /// Wall minus steady time, to see jumps.
    drift_us: i64,
    disk_bytes: u64,
    pub(crate) stepped: bool,
}

impl Writer {
    pub(crate) fn new(setup: Setup, shared: Arc<Shared>, disk_bytes: u64) -> Self {
        let log = crate::seal::digest(shared.origin.as_bytes());
        let now = shared.clock.steady_ns();
        let drift_us = drift(&shared);
        Self {
            setup,
            shared,
            log,
            tree: Tree::default(),
            active: None,
            next_length: SEGMENT_MIN,
            spoiled: Vec::new(),
            held: Vec::new(),
            counters: Counters::default(),
            signed: 0,
            fresh: false,
            group_ns: 0,
            checkpoint_ns: now,
            heartbeat_ns: now,
            drift_us,
            disk_bytes,
            stepped: false,
        }
    }

    /// Writes the first records of the log and signs its first head.
    pub(crate) fn begin(&mut self, records: Vec<Record>) -> Result<(), LogError> {
        let pending = records.into_iter().map(|record| self.own(record)).collect();
        self.commit(pending)?;
        self.checkpoint()
    }

    /// The loop of the thread.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        // There is one writer a log, so it is never set before.
        drop(self.shared.writer.set(std::thread::current()));
        loop {
            let mut flushes = Vec::new();
            let mut close = None;
            match queue.recv_timeout(self.patience()) {
                Ok(message) => self.gather(queue, message, &mut flushes, &mut close),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(error) = self.finish("handles_gone") {
                        tracing::error!(%error, "the evidence log could not be sealed");
                    }
                    return;
                }
            }
            let written = self.write_held();
            let kept = written.and_then(|()| self.keep_house());
            for flush in flushes {
                flush.keep(match &kept {
                    Ok(()) => Ok(self.tree.size()),
                    Err(error) => Err(error.clone()),
                });
            }
            if let Some(promise) = close {
                self.shared.closed.store(true, Release);
                // What was handed over before the door shut is still written.
                while let Ok(message) = queue.try_recv() {
                    match message {
                        Message::Record(pending) => self.held.push(pending),
                        Message::Flush(flush) => flush.keep(Err(LogError::Closed)),
                        Message::Close(close) => close.keep(Err(LogError::Closed)),
                    }
                }
                promise.keep(self.finish("shutdown"));
                return;
            }
        }
    }

    /// Takes all that waits, up to one group.
    ///
    /// Under load the disk and the wake-ups cost more than the records. So a group that follows close on
    /// another is given time to grow, while nobody waits for it; whoever does wakes this thread.
    fn gather(&mut self, queue: &Receiver<Message>, first: Message, flushes: &mut Vec<Keeper>, close: &mut Option<Keeper>) {
        let since = Duration::from_nanos(self.shared.clock.steady_ns().saturating_sub(self.group_ns));
        if !first.is_awaited() && since < LINGER {
            std::thread::park_timeout(LINGER.saturating_sub(since));
        }
        let mut next = Some(first);
        let mut bytes = 0;
        while let Some(message) = next.take() {
            match message {
                Message::Record(pending) => {
                    bytes += pending.bytes.len() + FRAME;
                    self.held.push(pending);
                }
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
                    self.shared.failing.store(false, Release);
                    self.acknowledge(group, tree);
                    return Ok(());
                }
                Err(error) => {
                    self.shared.failing.store(true, Release);
                    tracing::error!(%error, "evidence could not be written; a new segment is tried");
                    self.spoil();
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
        let active = self.room_for(whole as u64, group.iter().all(|p| p.meta.charge == 0))?;
        let running = crc32c::crc32c_append(active.running, &frames);
        let commit = segment::commit(tree.size(), &tree.root(), running, group.iter().map(|p| p.leaf));
        segment::push_frame(&mut frames, FrameKind::Commit, tree.size(), &commit);
        self.write(&frames)?;
        // Read back what was stored: a bit that flipped on the way is found before it is signed over.
        let Some(active) = self.active.as_mut() else { return Err(LogError::Thread) };
        let at = active.offset - frames.len() as u64;
        active.file.read_at(at, &mut frames).map_err(LogError::file(&active.path))?;
        let mut at = 0;
        for pending in group {
            let stored = frames.get(at + FRAME..at + FRAME + pending.bytes.len()).unwrap_or_default();
            if leaf_hash(stored) != pending.leaf {
                let error = std::io::Error::new(std::io::ErrorKind::InvalidData, "what was read back is not what was written");
                return Err(LogError::file(&active.path)(error));
            }
            at += FRAME + pending.bytes.len();
        }
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
            if charge > 0 {
                self.fresh = true;
                self.shared.give_back(charge);
            }
            if let Some(ticket) = pending.ticket {
                ticket.keep(Ok(first + at as u64));
            }
        }
    }

    /// Writes at the end of the active segment and makes it durable.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let Some(active) = self.active.as_mut() else { return Err(LogError::Thread) };
        active.file.write_at(active.offset, bytes).map_err(LogError::file(&active.path))?;
        let before = self.shared.clock.steady_ns();
        active.file.sync().map_err(LogError::file(&active.path))?;
        self.counters.fsync_us = self.shared.clock.steady_ns().saturating_sub(before) / 1000;
        active.offset += bytes.len() as u64;
        active.running = crc32c::crc32c_append(active.running, bytes);
        Ok(())
    }

    /// The active segment, with room for so many bytes. `own` records of the log may use the reserve.
    fn room_for(&mut self, bytes: u64, own: bool) -> Result<&mut Active, LogError> {
        let fits = self.active.as_ref().is_some_and(|a| a.length - a.offset >= bytes && (own || !a.reserve));
        if !fits {
            match self.new_segment(bytes) {
                Ok(active) => {
                    self.retire();
                    self.active = Some(active);
                }
                Err(error) if own => match self.take_reserve(bytes) {
                    Some(active) => {
                        self.retire();
                        self.active = Some(active);
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        self.active.as_mut().ok_or(LogError::Thread)
    }

    fn new_segment(&mut self, bytes: u64) -> Result<Active, LogError> {
        let needed = (HEADER as u64 + bytes).div_ceil(SEGMENT_MIN) * SEGMENT_MIN;
        let length = self.next_length.max(needed);
        let (path, file) = self.create(|files, path| files.create(path, length))?;
        let active = self.headed(path, file, length, false)?;
        self.next_length = (length * 2).min(SEGMENT_MAX);
        self.disk_bytes += length;
        if let Err(error) = make_reserve(&*self.setup.files, &self.setup.reserve) {
            tracing::warn!(%error, "no reserve for the evidence log");
        }
        Ok(active)
    }

    /// The reserve, moved into place. It is made anew once there is room.
    fn take_reserve(&mut self, bytes: u64) -> Option<Active> {
        if HEADER as u64 + bytes > SEGMENT_MIN {
            return None;
        }
        let reserve = self.setup.reserve.clone();
        self.setup.files.stat(&reserve).ok().filter(|(length, _)| *length == SEGMENT_MIN)?;
        let (path, file) = self
            .create(|files, path| {
                files.rename(&reserve, path)?;
                files.open(path)
            })
            .ok()?;
        self.headed(path, file, SEGMENT_MIN, true).ok()
    }

    /// Makes a file under the first free name for the next index.
    fn create(
        &self,
        make: impl Fn(&dyn Files, &std::path::Path) -> std::io::Result<Box<dyn Segment>>,
    ) -> Result<(PathBuf, Box<dyn Segment>), LogError> {
        let attempt = (0..1000).find(|n| {
            let path = self.setup.dir.join(segment::name(self.tree.size(), *n));
            self.setup.files.stat(&path).is_err()
        });
        let path = self.setup.dir.join(segment::name(self.tree.size(), attempt.unwrap_or(1000)));
        let file = make(&*self.setup.files, &path).map_err(LogError::file(&path))?;
        Ok((path, file))
    }

    fn headed(&mut self, path: PathBuf, mut file: Box<dyn Segment>, length: u64, reserve: bool) -> Result<Active, LogError> {
        let header = segment::header(&self.log, self.tree.size());
        // Made durable by the first group's sync: a segment without a group holds nothing.
        file.write_at(0, &header).map_err(LogError::file(&path))?;
        Ok(Active { path, file, offset: HEADER as u64, length, running: crc32c::crc32c(&header), reserve })
    }

    /// Closes the active segment in order: cut to what it holds.
    fn retire(&mut self) {
        if let Some(mut active) = self.active.take()
            && active.file.cut(active.offset).is_err()
        {
            self.spoiled.push((active.path, active.offset));
        }
    }

    /// Gives the active segment up after a failure: cut to what is durable, never written again.
    fn spoil(&mut self) {
        if let Some(mut active) = self.active.take() {
            let empty = active.offset <= HEADER as u64;
            let cleared = if empty {
                drop(active.file);
                self.setup.files.remove(&active.path).is_ok()
            } else {
                active.file.cut(active.offset).is_ok()
            };
            if !cleared {
                self.spoiled.push((active.path, if empty { 0 } else { active.offset }));
            }
        }
    }

    /// Gaps, clock, heartbeat, head: what the cadence asks for.
    fn keep_house(&mut self) -> Result<(), LogError> {
        self.declare_gaps()?;
        let drift = drift(&self.shared);
        let delta = drift.saturating_sub(self.drift_us);
        if delta.abs() > STEP_US {
            self.drift_us = drift;
            self.stepped = true;
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
        Ok(())
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
            spool_bytes: Int::saturating(self.spool()),
            started: Int::saturating(self.shared.started.load(Acquire)),
            ..self.counters.heartbeat()
        };
        self.append(Record::from(record))?;
        self.heartbeat_ns = self.shared.clock.steady_ns();
        Ok(())
    }

    fn spool(&self) -> u64 {
        telemetry::evidence_spool_bytes(self.disk_bytes);
        self.shared.spool_bytes.store(self.disk_bytes, Relaxed);
        self.disk_bytes
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
            return Ok(());
        }
        let head = Checkpoint { origin: self.shared.origin.clone(), size: self.tree.size(), root: self.tree.root() };
        let note = note::sign(&head.text(), &self.shared.origin, &self.setup.key)?;
        let mut frame = Vec::new();
        segment::push_frame(&mut frame, FrameKind::Checkpoint, head.size, note.as_bytes());
        for attempt in 0..2 {
            let room = self.room_for(frame.len() as u64, true).map(drop);
            match room.and_then(|()| self.write(&frame)) {
                Ok(()) => break,
                Err(error) => {
                    self.spoil();
                    if attempt == 1 {
                        return Err(error);
                    }
                }
            }
        }
        let path = self.setup.dir.join("checkpoint");
        self.setup.files.publish(&path, note.as_bytes(), false).map_err(LogError::file(&path))?;
        self.signed = head.size;
        Ok(())
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
        let spoiled = std::mem::take(&mut self.spoiled);
        for (path, length) in spoiled {
            // A log with leftovers is not sealed: the next start puts it in order.
            if length == 0 {
                self.setup.files.remove(&path).map_err(LogError::file(&path))?;
            } else {
                self.setup.files.open(&path).and_then(|mut file| file.cut(length)).map_err(LogError::file(&path))?;
            }
        }
        let in_flight = self.shared.started.load(Acquire).saturating_sub(self.counters.ended);
        let size = self.tree.size() + 1;
        self.append(Record::from(LogSeal {
            in_flight: (in_flight > 0).then(|| Int::saturating(in_flight)),
            reason: Text::from(reason),
            size: Int::saturating(size),
            ..LogSeal::default()
        }))?;
        self.checkpoint()?;
        if let Some(mut active) = self.active.take() {
            active.file.cut(active.offset).map_err(LogError::file(&active.path))?;
        }
        self.shared.records.fetch_and(0, AcqRel);
        Ok(self.tree.size())
    }
}

/// Wall minus steady time.
fn drift(shared: &Shared) -> i64 {
    shared.clock.wall_us().saturating_sub(i64::try_from(shared.clock.steady_ns() / 1000).unwrap_or(i64::MAX))
}

/// Makes sure that the reserve is there.
pub(crate) fn make_reserve(files: &dyn Files, path: &std::path::Path) -> std::io::Result<()> {
    match files.stat(path) {
        Ok((SEGMENT_MIN, _)) => Ok(()),
        Ok(_) => files.remove(path).and_then(|()| files.create(path, SEGMENT_MIN).map(drop)),
        Err(_) => files.create(path, SEGMENT_MIN).map(drop),
    }
}
