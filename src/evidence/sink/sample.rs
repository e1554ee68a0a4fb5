//! Logs to try sinks with, and a store in memory that fails as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::batch::{Batch, Builder};
use super::contract::{Fault, Held, Sink};
use crate::base::clock::ManualClock;
use crate::base::names::{Lane, Mode};
use crate::base::verdict::Act;
use crate::evidence::error::LogError;
use crate::evidence::log::{Log, LogOptions};
use crate::evidence::merkle::Tree;
use crate::evidence::record::{Completion, Exchange, Text};
use crate::evidence::segment::FrameKind;
use crate::evidence::shipped::Level;

/// A log under a clock that is moved by hand.
pub(crate) struct Sample {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: LogOptions,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(1_760_000_000_000_000));
        let mut options = LogOptions::new(dir.path());
        options.clock = clock.clone();
        Self { dir, clock, options }
    }

    pub(crate) fn log(&self) -> Log {
        // A server that another test is starting holds our files until its program runs.
        let opened = (0..100_000).find_map(|_| match Log::open_with(&self.options) {
            Err(LogError::Locked { .. }) => {
                std::thread::yield_now();
                None
            }
            opened => Some(opened),
        });
        opened.expect("another process has the log open").unwrap()
    }

    /// Writes so many exchanges and signs a head over them.
    pub(crate) fn write(&self, log: &Log, count: usize) {
        for n in 0..count {
            let exchange = Exchange {
                act: Act::Flag,
                agent: Some(Text::from(format!("did:web:vendor.example:agents:{n}"))),
                completion: Some(Completion::Completed),
                lane: Some(Lane::Model),
                mode: Some(Mode::Enforce),
                ..Exchange::default()
            };
            log.handle().reserve().unwrap().write(exchange);
            if n % 2_000 == 1_999 {
                log.handle().flush().wait().unwrap();
            }
        }
        self.clock.advance_us(1_000_000);
        log.handle().flush().wait().unwrap();
    }

    /// Folders of the logs, oldest first.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        logs(self.dir.path())
    }
}

pub(crate) fn logs(dir: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> = std::fs::read_dir(dir.join("logs")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    logs
}

/// A log of five batches that was closed, and another.
pub(crate) fn two_logs() -> (Sample, PathBuf, PathBuf) {
    let sample = Sample::new();
    for _ in 0..2 {
        let log = sample.log();
        for _ in 0..4 {
            sample.write(&log, 3);
        }
        log.close().unwrap();
    }
    let mut logs = sample.logs();
    let (other, log) = (logs.pop().unwrap(), logs.pop().unwrap());
    (sample, log, other)
}

/// Batches of the same places and another content.
pub(crate) fn forged(batches: &[Batch]) -> Vec<Batch> {
    let mut tree = Tree::default();
    let forge = |batch: &Batch| {
        let card = batch.card();
        let mut builder = Builder::new(&card.log(), &tree);
        for (index, _) in batch.records() {
            builder.push(&mut tree, FrameKind::Record, format!("{{\"another\":{index}}}").as_bytes());
        }
        builder.end(&card, &tree, None).unwrap()
    };
    batches.iter().map(forge).collect()
}

/// What a store in memory holds, and what it is told to do wrong, call by call.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) batches: BTreeMap<(String, u64), Batch>,
    /// Before a batch is stored.
    pub(crate) faults: VecDeque<Fault>,
    /// The batch is stored, and the answer does not come back.
    pub(crate) lost_acks: u32,
    /// Batches that hold this index are refused.
    pub(crate) poison: Option<u64>,
    /// More records than these in one batch are too many.
    pub(crate) most: Option<u64>,
    pub(crate) closed: bool,
    pub(crate) deliveries: usize,
}

/// A connection to it.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Store>>);

impl Memory {
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// First and last of what is there of a log, in order.
    pub(crate) fn ranges(&self, origin: &str) -> Vec<(u64, u64)> {
        self.with(|store| {
            store.batches.iter().filter(|((log, _), _)| log == origin).map(|(_, b)| (b.first(), b.last())).collect()
        })
    }
}

impl Sink for Memory {
    fn open(&mut self) -> Result<(), Fault> {
        if self.with(|store| store.closed) { Err(Fault::later("nobody answers")) } else { Ok(()) }
    }

    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
        self.with(|store| {
            store.deliveries += 1;
            if store.closed {
                return Err(Fault::later("nobody answers"));
            }
            if let Some(fault) = store.faults.pop_front() {
                return Err(fault);
            }
            if store.poison.is_some_and(|index| (batch.first()..=batch.last()).contains(&index)) {
                return Err(Fault::Refused { why: "poison".to_owned(), too_large: false });
            }
            if store.most.is_some_and(|most| batch.count() > most) {
                return Err(Fault::Refused { why: "too many".to_owned(), too_large: true });
            }
            let of_log = || store.batches.iter().filter(|((log, _), _)| log == batch.origin()).map(|(_, b)| b);
            if let Some(known) = of_log().find(|b| b.first() <= batch.last() && batch.first() <= b.last()) {
                return match (known.first(), known.last()) == (batch.first(), batch.last()) {
                    true if known.root() == batch.root() => Ok(Level::Durable),
                    true => Err(Fault::Fork("other records".to_owned())),
                    false => Err(Fault::Taken),
                };
            }
            store.batches.insert((batch.origin().to_owned(), batch.first()), batch.clone());
            if store.lost_acks > 0 {
                store.lost_acks -= 1;
                return Err(Fault::later("the answer did not come"));
            }
            Ok(Level::Durable)
        })
    }

    fn head(&mut self, origin: &str) -> Result<Held, Fault> {
        self.with(|store| {
            let last = store.batches.iter().rfind(|((log, _), _)| log == origin);
            Ok(last.map_or(Held::Nothing, |(_, b)| Held::Head { size: b.size(), root: b.root() }))
        })
    }

    fn read(&mut self, origin: &str, from: u64) -> Result<Option<Vec<u8>>, Fault> {
        self.with(|store| {
            let found = store.batches.iter().find(|((log, _), b)| log == origin && b.last() >= from);
            Ok(found.map(|(_, b)| b.wire().to_vec()))
        })
    }

    fn logs(&mut self) -> Result<Vec<String>, Fault> {
        self.with(|store| {
            let mut logs: Vec<String> = store.batches.keys().map(|(log, _)| log.clone()).collect();
            logs.dedup();
            Ok(logs)
        })
    }
}
