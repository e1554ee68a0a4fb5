//! Every kind of record by name, and the key that carries it.

use super::shape::{Shape, Shaped};
use crate::base::names::words;

words! {
    /// Every kind of record. Those without a type here are reserved by name: their keys are fixed by the
    /// part that first writes them.
    Kind {
        /// One exchange, at its end.
        Exchange = "exchange",
        /// One block, hold or harmful release, when it was decided.
        Intervention = "intervention",
        /// Pacts came into force, or were refused.
        PactLoad = "pact.load",
        /// First record of a log.
        LogOpen = "log.open",
        /// Last record of a log.
        LogSeal = "log.seal",
        /// Counters, at the latest every minute.
        Heartbeat = "heartbeat",
        /// Records that could not be written.
        Gap = "gap",
        /// What was found after a crash.
        Recovery = "recovery",
        /// The wall clock jumped.
        ClockStep = "clock.step",
        /// A key was made, delegated, revoked or destroyed.
        KeyEvent = "key.event",
        /// Configuration or retention changed.
        ConfigChange = "config.change",
        /// A head of this log was taken up elsewhere.
        Anchor = "anchor",
        /// The content of a record was erased.
        Erasure = "erasure",
        /// Reserved: a pact moved on in its life.
        Lifecycle = "lifecycle",
        /// Reserved: an approval was asked, given, denied, used or ran out.
        Approval = "approval",
        /// Reserved: what a breach costs.
        Consequence = "consequence",
        /// Reserved: a standing changed.
        Standing = "standing",
        /// Reserved: a behavioural signal.
        Signal = "signal",
        /// Reserved: something outside was reported.
        Incident = "incident",
        /// Reserved: a judge's opinion.
        Verdict = "verdict",
        /// Reserved: an earlier record is answered by reference.
        Ruling = "ruling",
        /// Reserved: a statement by someone else.
        Attestation = "attestation",
        /// Reserved: result of a self-probe.
        Probe = "probe",
    }
}

/// The key `kind` of one type of record: always the same word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag<const KIND: usize>;

impl<const KIND: usize> serde::Serialize for Tag<KIND> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Kind::ALL.get(KIND).map_or("", |kind| kind.as_str()))
    }
}

impl<const KIND: usize> Shaped for Tag<KIND> {
    const SHAPE: Shape = Shape::Word;
}
