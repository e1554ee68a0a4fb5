//! Records of messages that were refused before there was an exchange: by their framing, or at the gate.
//!
//! Such a message was read by nobody, so its record names what was wrong with it and where it came in.
//! Whoever can open a connection can send thousands of them a second, and the log must not be theirs to
//! fill: a bucket lets a burst through, then a few a second. What finds it empty is counted, and the next
//! record says how many it stands for; when the flood ends, or the process does, the rest is written.

use std::sync::{Mutex, PoisonError};

use crate::base::clock::SharedClock;
use crate::base::limits::{REFUSALS_BURST, REFUSALS_PER_SECOND};
use crate::base::names::{Lane, Mode, UnjudgedReason};
use crate::base::telemetry;
use crate::base::verdict::Act;
use crate::evidence::log::LogHandle;
use crate::evidence::record::{Completion, Exchange, Int, Moment, NotJudged, PactRef, Record, RecordId};
use crate::program::Live;
use crate::seal::Digest;

/// What refused a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refuser {
    /// Its end or form is not beyond doubt.
    Framing,
    /// Its head asks for what no request may.
    Gate,
}

impl Refuser {
    /// The `reason` of the record.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::Gate => "gate",
        }
    }
}

/// The listener that a message came in by.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) route: String,
    pub(super) lane: Lane,
    pub(super) mode: Mode,
}

/// Writes the records; shared by all listeners.
#[derive(Debug)]
pub(super) struct Refusals {
    log: LogHandle,
    live: Live,
    clock: SharedClock,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Records that may be written at once, in thousandths.
    tokens: u64,
    filled_ns: u64,
    /// The last message without a record of its own, and how many there are.
    withheld: Option<(Exchange, u64)>,
}

impl Refusals {
    pub(super) fn new(log: LogHandle, live: Live, clock: SharedClock) -> Self {
        let bucket = Bucket { tokens: REFUSALS_BURST * 1000, filled_ns: clock.steady_ns(), withheld: None };
        Self { log, live, clock, bucket: Mutex::new(bucket) }
    }

    /// Records one refused message; `what` is a few fixed words. None where it is only counted.
    pub(super) fn refused(&self, door: &Door, refuser: Refuser, what: &str) -> Option<RecordId> {
        telemetry::refused(refuser.as_str());
        let now = self.clock.steady_ns();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        let exchange = self.exchange(door, refuser, what);
        if bucket.tokens < 1000 {
            let before = bucket.withheld.take().map_or(0, |(_, count)| count);
            bucket.withheld = Some((exchange, before + 1));
            return None;
        }
        bucket.tokens -= 1000;
        let before = bucket.withheld.take().map_or(0, |(_, count)| count);
        drop(bucket);
        Some(self.write(exchange, before))
    }

    /// Writes what was only counted, as one record.
    pub(super) fn settle(&self) {
        let withheld = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).withheld.take();
        if let Some((exchange, count)) = withheld {
            self.write(exchange, count.saturating_sub(1));
        }
    }

    fn exchange(&self, door: &Door, refuser: Refuser, what: &str) -> Exchange {
        let program = self.live.pin();
        let identity = program.identity();
        let reason = if what.contains("too long") { UnjudgedReason::OverLimit } else { UnjudgedReason::Undecodable };
        Exchange {
            act: Act::Block,
            agent: Some(identity.agent.clone().into()),
            completion: Some(Completion::Declined),
            image: Some(Digest(*program.digest())),
            lane: Some(door.lane),
            mode: Some(door.mode),
            moment: Some(Moment::BeforeUpstream),
            pacts: program
                .pacts()
                .map(|frame| PactRef { id: frame.pact.clone().into(), version: frame.version.clone().into() })
                .collect(),
            reason: Some(refuser.as_str().into()),
            route: Some(door.route.as_str().into()),
            unjudged: vec![NotJudged { reason, what: what.replace(' ', "_").as_str().into() }],
            ..Exchange::default()
        }
    }

    /// `more`: messages that this record stands for beside its own.
    fn write(&self, mut exchange: Exchange, more: u64) -> RecordId {
        let id = self.log.new_id();
        exchange.id = id;
        exchange.unjudged_more = (more > 0).then(|| Int::saturating(more));
        // A log without room has counted the loss itself.
        self.log.fast(Record::from(exchange)).ok();
        id
    }

    /// The log that the records stand in.
    pub(super) fn log_id(&self) -> &str {
        self.log.log_id()
    }
}

impl Bucket {
    fn fill(&mut self, now_ns: u64) {
        let since_ms = now_ns.saturating_sub(self.filled_ns) / 1_000_000;
        if since_ms > 0 {
            self.tokens = (self.tokens.saturating_add(since_ms.saturating_mul(REFUSALS_PER_SECOND))).min(REFUSALS_BURST * 1000);
            self.filled_ns = now_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::clock::ManualClock;
    use crate::evidence::Log;
    use crate::program::Program;

    #[test]
    fn a_flood_leaves_few_records_that_count_it_whole() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let program = Program::compile_text(crate::pact::template::template("minimal").unwrap()).unwrap();
        let clock = Arc::new(ManualClock::at(0));
        let refusals = Refusals::new(log.handle(), Live::new(Arc::new(program)), clock.clone());
        let door = Door { route: "inbound".to_owned(), lane: Lane::Inbound, mode: Mode::Enforce };
        let mut written = 0;
        for _ in 0..10_000 {
            written += u64::from(refusals.refused(&door, Refuser::Framing, "two lengths").is_some());
        }
        assert_eq!(written, REFUSALS_BURST);
        clock.advance_us(1_000_000);
        for _ in 0..10_000 {
            written += u64::from(refusals.refused(&door, Refuser::Gate, "no_host").is_some());
        }
        assert_eq!(written, REFUSALS_BURST + REFUSALS_PER_SECOND);
        refusals.settle();
        refusals.settle();
        log.close().unwrap();
        let report = crate::evidence::verify::verify(dir.path(), &crate::evidence::verify::Policy::default()).unwrap();
        assert!(report.is_valid(), "{}", report.text());
        let records = (0..report.records).map(|i| crate::evidence::show::show(dir.path(), &i.to_string()).unwrap().record);
        let exchanges: Vec<_> = records.filter(|r| r["kind"] == "exchange").collect();
        assert_eq!(exchanges.len() as u64, written + 1);
        let messages: u64 = exchanges.iter().map(|r| 1 + r["unjudged_more"].as_u64().unwrap_or(0)).sum();
        assert_eq!(messages, 20_000);
    }
}
