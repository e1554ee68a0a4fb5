//! The side of the log that the guard holds: slots and a bounded queue.
//!
//! The hot path is: canonical bytes, one leaf hash, one push into a bounded queue. It never waits and
//! never touches the disk. An exchange takes its slot at its head, so that its end can always be
//! written; what finds no room is refused and counted in a `gap` record.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::Digest as _;

use super::error::LogError;
use super::latest::{Latest, SignedHead};
use super::merkle::leaf_hash;
use super::note::NoteKey;
use super::privacy::{Commitment, Secrets};
use super::receipts::Ask;
use super::record::{Completion, Exchange, Head, Int, Intervention, LogId, Record, RecordId, Text};
use super::shipped::Shipped;
use super::ticket::{Keeper, Ticket, promise};
use crate::base::clock::SharedClock;
use crate::base::limits::{LOG_QUEUE_BYTES_MAX, LOG_QUEUE_RECORDS_MAX, RECORD_HARD_MAX, RECORD_MAX};
use crate::base::telemetry;
use crate::base::verdict::Act;
use crate::seal::Digest;

/// Bytes that a slot reserves. A larger record takes what is free, or sheds its lists.
const SLOT_BYTES: usize = LOG_QUEUE_BYTES_MAX / LOG_QUEUE_RECORDS_MAX;

/// The log has no room for one more exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the evidence log has no room")
    }
}

impl std::error::Error for Full {}

/// Why records were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GapCause {
    /// The queue or the disk is full.
    SpoolFull,
    /// The disk failed.
    DiskError,
    /// A record changed in memory before it was written.
    Memory,
    /// The configuration lets exchanges pass without evidence.
    FailOpen,
}

impl GapCause {
    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::DiskError => "disk_error",
            Self::Memory => "memory_limit",
            Self::FailOpen => "fail_open",
        }
    }
}

/// Records lost for one cause and not yet declared.
#[derive(Debug)]
pub(crate) struct GapTally {
    pub(crate) count: u64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    /// Salted digest of the ids so far.
    pub(crate) digest: sha2::Sha256,
}

/// What the writer needs to know of a record beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) id: RecordId,
    /// The act of an exchange.
    pub(crate) exchange: Option<Act>,
    pub(crate) intervention: bool,
    pub(crate) unjudged: bool,
    pub(crate) abandoned: bool,
    /// Bytes and records to give back once it is written.
    pub(crate) charge: usize,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) bytes: Vec<u8>,
    pub(crate) leaf: Digest,
    pub(crate) meta: Meta,
    pub(crate) ticket: Option<Keeper>,
}

/// What reaches the writer.
#[derive(Debug)]
pub(crate) enum Message {
    Record(Pending),
    /// Write everything, look at the clock, answer.
    Flush(Keeper),
    Receipt(Ask),
    Close(Keeper),
}

impl Message {
    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Record(Pending { ticket: None, .. }))
    }
}

/// Fresh record ids without a system call: a secret of the boot and a counter, hashed.
#[derive(Debug)]
pub(crate) struct IdSource {
    secret: [u8; 32],
    counter: AtomicU64,
}

impl IdSource {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret, counter: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self, wall_us: i64) -> RecordId {
        let count = self.counter.fetch_add(1, Relaxed);
        let hash: [u8; 32] = sha2::Sha256::new().chain_update(self.secret).chain_update(count.to_be_bytes()).finalize().into();
        let mut random = [0u8; 10];
        for (to, from) in random.iter_mut().zip(hash) {
            *to = from;
        }
        RecordId::from_parts(u64::try_from(wall_us).unwrap_or(0) / 1000, &random)
    }
}

/// What handles and writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: SharedClock,
    pub(crate) start_ns: u64,
    /// The key that signs for this log.
    pub(crate) key: NoteKey,
    pub(crate) origin: String,
    pub(crate) log: LogId,
    pub(crate) ids: IdSource,
    pub(crate) secrets: Secrets,
    pub(crate) records: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
    pub(crate) records_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) started: AtomicU64,
    pub(crate) shed: AtomicU64,
    pub(crate) closed: AtomicBool,
    /// The last write or sync failed and has not succeeded since.
    pub(crate) failing: AtomicBool,
    pub(crate) latest: Latest,
    pub(crate) shipped: Arc<Shipped>,
    pub(crate) spool_bytes: AtomicU64,
    /// What is on disk nears what may be kept.
    pub(crate) filling: AtomicBool,
    pub(crate) durable: AtomicU64,
    pub(crate) gaps: Mutex<std::collections::BTreeMap<GapCause, GapTally>>,
    /// The thread that writes, once it runs.
    pub(crate) writer: OnceLock<std::thread::Thread>,
}

impl Shared {
    /// Ends the writer's patience. To be called after what it is to see has been sent.
    pub(crate) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    pub(crate) fn mono_us(&self) -> Int {
        Int::saturating(self.clock.steady_ns().saturating_sub(self.start_ns) / 1000)
    }

    pub(crate) fn head(&self, id: RecordId) -> Head {
        Head { id, log: self.log.clone(), mono_us: self.mono_us(), time_us: Int::saturating(self.clock.wall_us()) }
    }

    /// Takes room for one record of so many bytes.
    fn take(&self, bytes: usize) -> bool {
        if self.closed.load(Acquire) || !add_below(&self.records, 1, self.records_max) {
            return false;
        }
        if !add_below(&self.bytes, bytes, self.bytes_max) {
            self.records.fetch_sub(1, AcqRel);
            return false;
        }
        true
    }

    /// Gives back the room of one record.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.records.fetch_sub(1, AcqRel);
        self.bytes.fetch_sub(bytes, AcqRel);
    }

    /// Counts a record that is not written.
    pub(crate) fn lose(&self, cause: GapCause, id: RecordId) {
        telemetry::evidence_gap(1);
        let now = self.clock.wall_us();
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = gaps.entry(cause).or_insert_with(|| GapTally {
            count: 0,
            first_us: now,
            last_us: now,
            digest: sha2::Sha256::new().chain_update(self.ids.secret),
        });
        tally.count += 1;
        tally.last_us = now;
        tally.digest.update(id.as_bytes());
    }
}

fn add_below(counter: &AtomicUsize, by: usize, max: usize) -> bool {
    counter.fetch_update(AcqRel, Acquire, |now| now.checked_add(by).filter(|sum| *sum <= max)).is_ok()
}

/// The canonical bytes of a record: keys are declared in sorted order and there are no floats, so plain
/// serialisation is RFC 8785.
pub(crate) fn canonical(record: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    // Only a failing writer or a map with odd keys could fail here, and there are neither.
    if serde_json::to_writer(&mut bytes, record).is_err() {
        bytes.clear();
    }
    bytes
}

/// Writes records. Cheap to clone; shared by all exchanges.
#[derive(Clone, Debug)]
pub struct LogHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: SyncSender<Message>,
}

impl LogHandle {
    /// Takes the slot of one exchange, so that its end can always be written. Counts it as begun.
    pub fn reserve(&self) -> Result<Slot, Full> {
        if !self.shared.take(SLOT_BYTES) {
            return Err(Full);
        }
        self.shared.started.fetch_add(1, Relaxed);
        Ok(Slot { handle: self.clone(), id: self.new_id(), interventions: AtomicU32::new(0), written: false })
    }

    /// Counts an exchange that passes without a record, because the configuration lets it.
    pub fn pass_with_gap(&self) {
        self.shared.lose(GapCause::FailOpen, self.new_id());
    }

    /// Counts an exchange that was refused because the log was full.
    pub fn shed(&self) {
        self.shared.shed.fetch_add(1, Relaxed);
    }

    /// Hands a record over without waiting. It is on disk a few milliseconds later; if there is no room
    /// it is counted in a `gap` record.
    pub fn fast(&self, record: impl Into<Record>) -> Result<(), Full> {
        self.send(record.into(), None).map_err(|_| Full)
    }

    /// Hands a record over; the ticket resolves once it is on disk.
    pub fn strict(&self, record: impl Into<Record>) -> Ticket {
        let (ticket, keeper) = promise();
        match self.send(record.into(), Some(keeper)) {
            Ok(()) => ticket,
            Err(error) => Ticket::kept(Err(error)),
        }
    }

    /// Everything handed over before is on disk once this resolves, and signed if a head was due.
    pub fn flush(&self) -> Ticket {
        let (ticket, keeper) = promise();
        // If the writer is gone, the keeper goes with the message and answers.
        drop(self.queue.send(Message::Flush(keeper)));
        self.shared.wake();
        ticket
    }

    /// A fresh record id, for records whose id must be known before they are written.
    pub fn new_id(&self) -> RecordId {
        self.shared.ids.next(self.shared.clock.wall_us())
    }

    /// The id of this log: digest of its origin, in base64url.
    pub fn log_id(&self) -> &str {
        self.shared.log.as_str()
    }

    /// The origin of this log.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// A commitment to content of one record: `request`, `forwarded`, `response`, `delivered`, `args`.
    pub fn commitment(&self, record: RecordId, label: &str) -> Commitment {
        self.shared.secrets.commitment(record, label)
    }

    /// The key that opens one commitment. Disclosing it opens that one and no other.
    pub fn opening(&self, record: RecordId, label: &str) -> zeroize::Zeroizing<[u8; 32]> {
        self.shared.secrets.opening(record, label)
    }

    /// 22 characters that stand for a caller, principal or session.
    pub fn pseudonym(&self, kind: &str, text: &str) -> String {
        self.shared.secrets.pseudonym(kind, text)
    }

    /// Whether the disk refuses to take records right now.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Acquire)
    }

    /// The last signed head of this log, none before its first.
    pub fn signed_head(&self) -> Option<Arc<SignedHead>> {
        self.shared.latest.get()
    }

    /// How far sinks have got with the logs of this directory.
    pub fn shipped(&self) -> &Arc<Shipped> {
        &self.shared.shipped
    }

    /// Bytes of the logs of this directory on disk, as last counted.
    pub fn spool_bytes(&self) -> u64 {
        self.shared.spool_bytes.load(Relaxed)
    }

    /// Whether the logs of this directory take more than 70 % of what they may: the oldest will go soon.
    pub fn is_filling(&self) -> bool {
        self.shared.filling.load(Relaxed)
    }

    /// Records of this log on disk.
    pub fn durable_records(&self) -> u64 {
        self.shared.durable.load(Relaxed)
    }

    /// Stamps, bounds and serialises; never above what a record may be.
    fn render(&self, record: &mut Record, id: RecordId) -> Result<Vec<u8>, LogError> {
        let hard = match record {
            Record::Exchange(exchange) => {
                exchange.bound();
                RECORD_MAX
            }
            Record::Intervention(intervention) => {
                intervention.bound();
                RECORD_MAX
            }
            Record::PactLoad(load) => {
                load.bound();
                RECORD_HARD_MAX
            }
            _ => RECORD_HARD_MAX,
        };
        record.stamp(self.shared.head(id));
        let bytes = canonical(record);
        if bytes.len() <= hard && !bytes.is_empty() {
            return Ok(bytes);
        }
        match record {
            Record::Exchange(exchange) => {
                let minimal = std::mem::take(&mut **exchange).minimal();
                **exchange = minimal;
            }
            Record::Intervention(intervention) => intervention.bound_to(0),
            Record::PactLoad(load) => {
                let (keep, mut max) = (load.predicates.0.len(), RECORD_HARD_MAX - RECORD_MAX);
                let fit = load.predicates.0.iter().take_while(|p| {
                    let size = p.as_str().len() * 6 + 3;
                    let fits = size <= max;
                    max = max.saturating_sub(size);
                    fits
                });
                let fit = fit.count();
                load.bound_predicates(fit.min(keep));
            }
            _ => return Err(LogError::TooLarge(bytes.len())),
        }
        let smaller = canonical(record);
        if smaller.len() > hard { Err(LogError::TooLarge(smaller.len())) } else { Ok(smaller) }
    }

    fn send(&self, mut record: Record, ticket: Option<Keeper>) -> Result<(), LogError> {
        let id = match record.id() {
            id if id.is_nil() => self.new_id(),
            id => id,
        };
        let bytes = self.render(&mut record, id)?;
        if self.shared.closed.load(Acquire) {
            return Err(LogError::Closed);
        }
        if !self.shared.take(bytes.len()) {
            self.shared.lose(GapCause::SpoolFull, id);
            return Err(LogError::Full);
        }
        if matches!(record, Record::Exchange(_)) {
            self.shared.started.fetch_add(1, Relaxed);
        }
        let charge = bytes.len();
        self.push(Pending { leaf: leaf_hash(&bytes), bytes, meta: meta(&record, id, charge), ticket })
    }

    /// Puts a record for which room was taken into the queue.
    fn push(&self, pending: Pending) -> Result<(), LogError> {
        let message = Message::Record(pending);
        let hurry = message.is_awaited() || self.shared.records.load(Relaxed) > self.shared.records_max / 2;
        match self.queue.try_send(message) {
            Ok(()) => {
                if hurry {
                    self.shared.wake();
                }
                Ok(())
            }
            Err(TrySendError::Full(Message::Record(pending))) => {
                self.shared.give_back(pending.meta.charge);
                self.shared.lose(GapCause::SpoolFull, pending.meta.id);
                Err(LogError::Full)
            }
            Err(TrySendError::Disconnected(Message::Record(pending))) => {
                self.shared.give_back(pending.meta.charge);
                Err(LogError::Closed)
            }
            Err(_) => Err(LogError::Closed),
        }
    }
}

fn meta(record: &Record, id: RecordId, charge: usize) -> Meta {
    let mut meta = Meta { id, exchange: None, intervention: false, unjudged: false, abandoned: false, charge };
    match record {
        Record::Exchange(exchange) => {
            meta.exchange = Some(exchange.act);
            meta.unjudged = !exchange.unjudged.is_empty() || exchange.unjudged_more.is_some();
        }
        Record::Intervention(_) => meta.intervention = true,
        _ => {}
    }
    meta
}

/// The place of one exchange in the log. Write it exactly once; dropped unwritten, it writes an exchange
/// that ended as `unknown` and counts the fault.
#[derive(Debug)]
#[must_use = "an exchange must end in a record"]
pub struct Slot {
    handle: LogHandle,
    id: RecordId,
    interventions: AtomicU32,
    written: bool,
}

impl Slot {
    /// Id of the exchange record to come, for receipts.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The log.
    pub fn handle(&self) -> &LogHandle {
        &self.handle
    }

    /// A commitment of the exchange record to come.
    pub fn commitment(&self, label: &str) -> Commitment {
        self.handle.commitment(self.id, label)
    }

    /// Day of the key of those commitments: the `epoch` beside them.
    pub fn epoch(&self) -> Int {
        Int::from(self.id.day())
    }

    /// Hands over an intervention of this exchange without waiting.
    pub fn fast(&self, mut intervention: Intervention) -> Result<(), Full> {
        intervention.exchange = self.id;
        self.handle.fast(intervention)?;
        self.interventions.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Hands over an intervention of this exchange; the ticket resolves once it is on disk.
    pub fn strict(&self, mut intervention: Intervention) -> Ticket {
        intervention.exchange = self.id;
        let (ticket, keeper) = promise();
        match self.handle.send(intervention.into(), Some(keeper)) {
            Ok(()) => {
                self.interventions.fetch_add(1, Relaxed);
                ticket
            }
            Err(error) => Ticket::kept(Err(error)),
        }
    }

    /// Writes the end of the exchange. Never waits, never fails.
    pub fn write(mut self, exchange: Exchange) {
        self.end(exchange, None, false);
    }

    /// Writes the end of the exchange; the ticket resolves once it is on disk.
    pub fn write_strict(mut self, exchange: Exchange) -> Ticket {
        let (ticket, keeper) = promise();
        self.end(exchange, Some(keeper), false);
        ticket
    }

    fn end(&mut self, mut exchange: Exchange, ticket: Option<Keeper>, abandoned: bool) {
        self.written = true;
        let shared = &self.handle.shared;
        let interventions = self.interventions.load(Acquire);
        exchange.interventions = (interventions > 0).then(|| Int::from(interventions));
        let mut record = Record::from(exchange);
        let mut charge = SLOT_BYTES;
        let mut bytes = self.handle.render(&mut record, self.id).unwrap_or_default();
        let beyond = bytes.len().saturating_sub(SLOT_BYTES);
        if beyond > 0 {
            if add_below(&shared.bytes, beyond, shared.bytes_max) {
                charge += beyond;
            } else if let Record::Exchange(exchange) = &mut record {
                let minimal = std::mem::take(&mut **exchange).minimal();
                **exchange = minimal;
                bytes = canonical(&record);
            }
        }
        let mut meta = meta(&record, self.id, charge);
        meta.abandoned = abandoned;
        // The slot's room was taken at the head, so only a log that is closed can refuse this.
        drop(self.handle.push(Pending { leaf: leaf_hash(&bytes), bytes, meta, ticket }));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.written {
            let exchange =
                Exchange { completion: Some(Completion::Unknown), reason: Some(Text::from("abandoned")), ..Exchange::default() };
            self.end(exchange, None, true);
        }
    }
}
