//! A driver beside the log of a sample, turned by hand: for the tests of the driver and of each store behind it.

use std::sync::Arc;

use super::batch::boot_of;
use super::contract::Sink;
use super::pump::{Live, Plan, Pump, Turn};
use super::sample::Sample;
use super::status::{SinkStatus, State, Told};
use crate::evidence::handle::LogHandle;
use crate::evidence::log::Log;
use crate::evidence::shipped::{Hold, Level, Shipped};

/// A driver of a store, beside the log of a sample.
pub(crate) struct Driven {
    pub(crate) pump: Pump,
    pub(crate) told: Told,
    pub(crate) shipped: Arc<Shipped>,
}

/// Asks so much of a store that gives `gives`.
pub(crate) fn drive(sample: &Sample, sink: Box<dyn Sink>, gives: Level, level: Level, journal: Option<LogHandle>) -> Driven {
    let told = Told::new(SinkStatus {
        name: "store".to_owned(),
        kind: "store",
        state: State::Starting,
        why: None,
        level,
        required: true,
        archive: true,
        lag_records: 0,
        delivered_records: 0,
        delivered_batches: 0,
        failures: 0,
        quarantined: 0,
    });
    let hold = Hold { sink: "store".to_owned(), required: true, archive: true };
    let shipped = Arc::new(Shipped::new(vec![hold]));
    let plan = Plan {
        name: "store".to_owned(),
        level,
        gives,
        dir: sample.dir.path().to_owned(),
        clock: sample.clock.clone(),
        shipped: shipped.clone(),
        journal,
        told: told.clone(),
        seed: 1,
    };
    Driven { pump: Pump::new(plan, sink), told, shipped }
}

/// The log that is open, as far as it is signed.
pub(crate) fn live(log: &Log) -> Live {
    let handle = log.handle();
    Live { boot: boot_of(handle.origin()).to_owned(), signed: handle.signed_head().unwrap().head.size, sealed: false }
}

/// No log lives: all are to be read to their ends.
pub(crate) fn ended() -> Live {
    Live { boot: String::new(), signed: 0, sealed: true }
}

impl Driven {
    /// Turns until it has nothing to do; waits are passed over by moving the clock.
    pub(crate) fn settle(&mut self, sample: &Sample, live: &Live) {
        for _ in 0..10_000 {
            match self.pump.turn(live) {
                Turn::Again => {}
                Turn::Wait(wait) => {
                    if matches!(self.told.now().state, State::Current | State::Fork) {
                        return;
                    }
                    sample.clock.advance_us(wait.as_micros() as u64 + 1);
                }
            }
        }
        panic!("it never settles: {:?}", self.told.now());
    }
}

/// What a store holds of a log, read batch by batch: ids, in order. None is there twice, and none overlaps.
#[cfg(any(feature = "sink-nats", feature = "sink-postgres"))]
pub(crate) fn ids(sink: &mut dyn Sink, origin: &str) -> Vec<String> {
    let (mut next, mut out) = (0, Vec::new());
    while let Some(wire) = sink.read(origin, next).unwrap() {
        let batch = super::batch::Batch::parse(&wire).unwrap();
        assert!(batch.first() >= next && batch.last() >= next, "{} is behind {next}", batch.id());
        next = batch.size();
        out.push(batch.id());
    }
    out
}

/// The same of a log on disk.
#[cfg(any(feature = "sink-nats", feature = "sink-postgres"))]
pub(crate) fn ids_of(log: &std::path::Path) -> (String, Vec<String>) {
    let all = super::conformance::batches(log);
    (all[0].origin().to_owned(), all.iter().map(super::batch::Batch::id).collect())
}
