//! Receipts at the writer: what was written last, and who waits for what is to come.
//!
//! Promises: a durable receipt is given for what is on disk, a signed one for what was taken in; each ask is answered once,
//! at the latest when the log ends. What is kept to answer has ceilings; who finds no room is told.

use std::collections::{BTreeMap, VecDeque};

use super::error::LogError;
use super::receipt::{Issued, Level, Receipt, issue};
use super::shape::RecordId;
use super::ticket::Keeper;
use crate::base::clock::SharedClock;
use crate::base::limits::{RECEIPTS_RECENT_MAX, RECEIPTS_WAITING_MAX};
use crate::seal::{Digest, SigningKey};

/// How the record of an ask is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// By its id: it may still have to come.
    Coming,
    /// By its id, and only if it is among the newest.
    Newest,
    /// It was proven under a head of this log to lie at this index.
    Proven(u64, Digest),
}

/// Somebody asks for a receipt.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) record: RecordId,
    pub(crate) level: Level,
    pub(crate) known: Known,
    pub(crate) keeper: Keeper<Issued>,
}

/// A record on disk.
#[derive(Debug)]
struct Written {
    id: RecordId,
    index: u64,
    leaf: Digest,
}

/// Where asks are answered.
#[derive(Debug)]
pub(crate) struct Receipts {
    log: String,
    /// The delegation of the key, which goes with each receipt.
    delegation: String,
    clock: SharedClock,
    /// What the key is delegated for is counted from the start: a wall clock that jumps since changes nothing.
    start_us: i64,
    start_ns: u64,
    recent: VecDeque<Written>,
    waiting: BTreeMap<RecordId, Vec<Ask>>,
    asks: usize,
}

impl Receipts {
    pub(crate) fn new(log: String, delegation: String, clock: SharedClock) -> Self {
        Self {
            start_us: clock.wall_us(),
            start_ns: clock.steady_ns(),
            log,
            delegation,
            clock,
            recent: VecDeque::new(),
            waiting: BTreeMap::new(),
            asks: 0,
        }
    }

    /// Answers an ask, or lets it wait. `waits` are the records that were taken in and are not on disk.
    pub(crate) fn ask(&mut self, ask: Ask, mut waits: impl Iterator<Item = (RecordId, Digest)>, key: &SigningKey) {
        let written = match ask.known {
            Known::Proven(index, leaf) => Some((index, leaf)),
            _ => self.recent.iter().rev().find(|written| written.id == ask.record).map(|written| (written.index, written.leaf)),
        };
        if let Some((index, leaf)) = written {
            return self.answer(ask, leaf, Some(index), key);
        }
        match waits.find(|(id, _)| *id == ask.record) {
            Some((_, leaf)) if ask.level == Level::Signed => self.answer(ask, leaf, None, key),
            // It is on its way.
            Some(_) => self.wait(ask),
            None if ask.known == Known::Coming => self.wait(ask),
            None => ask.keeper.keep(Err(LogError::NotFound(format!("record {}", ask.record)))),
        }
    }

    fn wait(&mut self, ask: Ask) {
        if self.asks >= RECEIPTS_WAITING_MAX {
            // Those who no longer wait give their places back.
            self.waiting.retain(|_, asks| {
                asks.retain(|ask| !ask.keeper.is_forgotten());
                !asks.is_empty()
            });
            self.asks = self.waiting.values().map(Vec::len).sum();
        }
        if self.asks >= RECEIPTS_WAITING_MAX {
            return ask.keeper.keep(Err(LogError::Full));
        }
        self.asks += 1;
        self.waiting.entry(ask.record).or_default().push(ask);
    }

    /// What was taken in could not be written. Who asked for what is there is told so; who asked for what is to come waits on.
    pub(crate) fn fail(&mut self, error: &LogError) {
        self.waiting.retain(|_, asks| {
            for ask in asks.extract_if(.., |ask| ask.known == Known::Newest) {
                ask.keeper.keep(Err(error.clone()));
            }
            !asks.is_empty()
        });
        self.asks = self.waiting.values().map(Vec::len).sum();
    }

    /// A record was taken in: who wants no more than the writer's word has it.
    pub(crate) fn taken(&mut self, id: RecordId, leaf: Digest, key: &SigningKey) {
        let Some(asks) = self.waiting.remove(&id) else { return };
        self.asks = self.asks.saturating_sub(asks.len());
        for ask in asks {
            if ask.level == Level::Signed {
                self.answer(ask, leaf, None, key);
            } else {
                self.wait(ask);
            }
        }
    }

    /// A record is on disk.
    pub(crate) fn written(&mut self, id: RecordId, index: u64, leaf: Digest, key: &SigningKey) {
        if self.recent.len() >= RECEIPTS_RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Written { id, index, leaf });
        let Some(asks) = self.waiting.remove(&id) else { return };
        self.asks = self.asks.saturating_sub(asks.len());
        for ask in asks {
            self.answer(ask, leaf, Some(index), key);
        }
    }

    fn answer(&self, ask: Ask, leaf: Digest, index: Option<u64>, key: &SigningKey) {
        let Ask { record, level, keeper, .. } = ask;
        let index = index.filter(|_| level == Level::Durable);
        let passed_us = self.clock.steady_ns().saturating_sub(self.start_ns) / 1000;
        let time_us = self.start_us.saturating_add_unsigned(passed_us);
        let receipt = Receipt { record, log: self.log.clone(), leaf, index, time_us };
        keeper.keep(issue(receipt, key, &self.delegation));
    }
}
