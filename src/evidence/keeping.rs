//! The records by which a log keeps itself: opening, sealing, heartbeats, gaps, recovery and the rest.
//!
//! They make omission visible: indices are dense, counters come at the latest every minute, what could
//! not be written is counted, and each log names the end of the one before it.

use super::kind::{Kind, Tag};
use super::shape::{Int, Key, LogId, RecordId, Shape, Shaped, Spec, Text, object};
use crate::seal::Digest;

object! {
    /// The log that this one follows, as it was found.
    Prev {
        /// It was closed in order.
        clean: bool,
        /// Its origin.
        origin: Text,
        /// Root of all that was recovered.
        root: Digest,
        /// Root of its last signed head.
        signed_root: Option<Digest>,
        /// Size of its last signed head.
        signed_size: Option<Int>,
        /// Records recovered.
        size: Int,
    }

    /// A head of another log that was known when this was written.
    Seen {
        /// Its origin.
        origin: Text,
        /// Its root.
        root: Digest,
        /// Its size.
        size: Int,
    }

    /// Exchanges by act, since the log was opened.
    #[derive(Default)]
    ActCounts {
        /// Passed.
        allow: Int,
        /// Refused.
        block: Int,
        /// Marked.
        flag: Int,
        /// Held.
        hold: Int,
        /// Changed.
        redact: Int,
    }

    /// A run of indices.
    Range {
        /// First.
        first: Int,
        /// Last.
        last: Int,
    }

    /// First record of a log.
    #[derive(Default)]
    LogOpen {
        /// Digest of the program file, where known.
        build: Option<Digest>,
        /// Digest of the configuration, where known.
        config: Option<Digest>,
        /// Set by the log.
        id: RecordId,
        /// Always `log.open`.
        kind: Tag<{ Kind::LogOpen as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Origin of this log.
        origin: Text,
        /// The log before it in the same directory.
        prev: Option<Prev>,
        /// `first`, `restart`, `rotate`, `damage`, `fork` or `key`.
        reason: Text,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
        /// Key that signs the heads of this log, as a note key.
        vkey: Text,
    }

    /// Last record of a log; nothing may follow.
    #[derive(Default)]
    LogSeal {
        /// Set by the log.
        id: RecordId,
        /// Exchanges that were still under way, and so have no record.
        in_flight: Option<Int>,
        /// Always `log.seal`.
        kind: Tag<{ Kind::LogSeal as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Why.
        reason: Text,
        /// Records of the log, this one included.
        size: Int,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
    }

    /// Counters since the log was opened. They count what stands before this record, so that a verifier
    /// can count again.
    #[derive(Default)]
    Heartbeat {
        /// Exchanges by act.
        acts: ActCounts,
        /// Exchanges ended and recorded.
        ended: Int,
        /// Exchanges that ended without an end of their own (a slot dropped).
        errors: Int,
        /// Last time a sync took.
        fsync_us: Int,
        /// Set by the log.
        id: RecordId,
        /// Intervention records.
        interventions: Int,
        /// Always `heartbeat`.
        kind: Tag<{ Kind::Heartbeat as usize }>,
        /// Set by the log.
        log: LogId,
        /// Records that gaps declare.
        lost: Int,
        /// Set by the log.
        mono_us: Int,
        /// A head of a fleet log that was known.
        seen: Option<Seen>,
        /// Exchanges refused because the log was full.
        shed: Int,
        /// Always `evidence/1`.
        spec: Spec,
        /// Bytes of the log on disk.
        spool_bytes: Int,
        /// Exchanges begun. Those under way are `started` − `ended`.
        started: Int,
        /// Set by the log.
        time_us: Int,
        /// Exchanges of which something was not inspected.
        unjudged: Int,
    }

    /// Records that could not be written.
    Gap {
        /// `spool_full`, `disk_error`, `memory_limit` or `fail_open`.
        cause: Text,
        /// How many.
        count: Int,
        /// Salted digest of their ids.
        digest: Digest,
        /// Wall time of the first.
        first_us: Int,
        /// Set by the log.
        id: RecordId,
        /// Always `gap`.
        kind: Tag<{ Kind::Gap as usize }>,
        /// Wall time of the last.
        last_us: Int,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
    }

    /// What was found of the log before this one.
    #[derive(Default)]
    Recovery {
        /// Bytes cut from the torn tail.
        bytes: Int,
        /// Digest of the bytes cut.
        digest: Option<Digest>,
        /// Set by the log.
        id: RecordId,
        /// Exchanges that interventions name and that have no end: closed as `unknown`.
        ids: Vec<RecordId>,
        /// Ids beyond the list.
        ids_more: Option<Int>,
        /// Exchanges under way by the last heartbeat.
        in_flight: Option<Int>,
        /// Always `recovery`.
        kind: Tag<{ Kind::Recovery as usize }>,
        /// Set by the log.
        log: LogId,
        /// Indices that cannot be read.
        missing: Vec<Range>,
        /// Ranges beyond the list.
        missing_more: Option<Int>,
        /// Set by the log.
        mono_us: Int,
        /// Origin of the log that was recovered.
        origin: Text,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
    }

    /// The wall clock moved apart from the steady one.
    #[derive(Default)]
    ClockStep {
        /// By how much; negative is back.
        delta_us: Int,
        /// Set by the log.
        id: RecordId,
        /// Always `clock.step`.
        kind: Tag<{ Kind::ClockStep as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
    }

    /// A key was made, delegated, revoked or destroyed.
    KeyEvent {
        /// `made`, `delegated`, `revoked` or `destroyed`.
        event: Text,
        /// Set by the log.
        id: RecordId,
        /// Always `key.event`.
        kind: Tag<{ Kind::KeyEvent as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Why.
        reason: Option<Text>,
        /// Always `evidence/1`.
        spec: Spec,
        /// `root`, `instance`, `epoch` or `pseudonym`, and which.
        subject: Text,
        /// Set by the log.
        time_us: Int,
        /// The public key, where there is one.
        vkey: Option<Text>,
    }

    /// What retention took away.
    Pruned {
        /// Bytes freed.
        bytes: Int,
        /// Origin of the log.
        origin: Text,
        /// Root over the whole log, where it is known.
        root: Option<Digest>,
        /// Records of the log.
        size: Int,
    }

    /// Configuration or retention changed.
    #[derive(Default)]
    ConfigChange {
        /// Digest of what holds now.
        digest: Option<Digest>,
        /// Set by the log.
        id: RecordId,
        /// Always `config.change`.
        kind: Tag<{ Kind::ConfigChange as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Logs that retention removed.
        pruned: Vec<Pruned>,
        /// Logs beyond the list.
        pruned_more: Option<Int>,
        /// Why.
        reason: Option<Text>,
        /// Always `evidence/1`.
        spec: Spec,
        /// What changed: `config`, `retention`, `sink`, ….
        subject: Text,
        /// Set by the log.
        time_us: Int,
    }

    /// A head of this log was taken up by another.
    Anchor {
        /// Set by the log.
        id: RecordId,
        /// Always `anchor`.
        kind: Tag<{ Kind::Anchor as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Origin of the log that was anchored.
        origin: Text,
        /// Its root.
        root: Digest,
        /// Signature line of the head.
        sig: Text,
        /// Its size.
        size: Int,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
    }

    /// The content of a record was erased; its leaf stays.
    Erasure {
        /// Legal basis.
        basis: Text,
        /// Set by the log.
        id: RecordId,
        /// Index of the record.
        index: Int,
        /// Always `erasure`.
        kind: Tag<{ Kind::Erasure as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Reference of the request.
        requester: Text,
        /// Always `evidence/1`.
        spec: Spec,
        /// What holds now: `erased` or `restored`.
        state: Text,
        /// Id of the log the record stands in.
        target: LogId,
        /// Set by the log.
        time_us: Int,
    }
}
