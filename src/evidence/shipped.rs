//! How far the sinks of a log have got, as retention asks before anything goes.
//!
//! Promises: a figure only stands here once the cursor behind it is durable, so nothing is removed on the strength of
//! an acknowledgement that a crash could forget. What it will not do: talk to a sink, or read a cursor.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What an acknowledgement is worth. Only the last two are reason to let a local copy go as archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It was handed over; nobody said that it arrived.
    Sent,
    /// The other end said that it has it.
    Accepted,
    /// The other end has it where a power cut leaves it, by its contract.
    Durable,
    /// It was read back and is the same.
    Verified,
}

impl Level {
    /// All, weakest first, with their words.
    pub const ALL: [(&'static str, Self); 4] =
        [("sent", Self::Sent), ("accepted", Self::Accepted), ("durable", Self::Durable), ("verified", Self::Verified)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, level)| *level == self).map_or("sent", |(word, _)| word)
    }
}

/// What retention must know of one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub sink: String,
    /// Nothing goes by age that it has not got.
    pub required: bool,
    /// What it has counts as archived.
    pub archive: bool,
}

/// How many records of each log each sink has got, at the level that was asked of it.
#[derive(Debug, Default)]
pub struct Shipped {
    holds: Vec<Hold>,
    /// By sink and log: name of the log's folder, records.
    kept: Mutex<BTreeMap<(String, String), u64>>,
}

impl Shipped {
    /// For these sinks; without any, nothing is held back.
    pub fn new(holds: Vec<Hold>) -> Self {
        Self { holds, kept: Mutex::default() }
    }

    /// Notes what a sink has got of a log, once its cursor says so durably. It may also have become less.
    pub fn note(&self, sink: &str, boot: &str, records: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((sink.to_owned(), boot.to_owned()), records);
    }

    /// Forgets logs that are no longer on disk.
    pub fn forget(&self, gone: impl Fn(&str) -> bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, boot), _| !gone(boot));
    }

    /// Who has not got the first `size` records of a log, and would have to: every required sink, and where there are
    /// archives at least one of them. Nobody: they may go.
    pub(crate) fn lacking(&self, boot: &str, size: u64) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |hold: &Hold| kept.get(&(hold.sink.clone(), boot.to_owned())).is_some_and(|records| *records >= size);
        let mut out: Vec<String> =
            self.holds.iter().filter(|hold| hold.required && !has(hold)).map(|hold| hold.sink.clone()).collect();
        if !self.holds.is_empty() && out.is_empty() && !self.holds.iter().any(|hold| hold.archive && has(hold)) {
            out.extend(self.holds.iter().filter(|hold| hold.archive).map(|hold| hold.sink.clone()));
            if out.is_empty() {
                out.push("an archive".to_owned());
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(sink: &str, required: bool, archive: bool) -> Hold {
        Hold { sink: sink.to_owned(), required, archive }
    }

    #[test]
    fn every_required_sink_and_one_archive_must_have_it() {
        assert!(Shipped::default().lacking("a", 9).is_empty(), "without sinks age alone decides");
        let shipped = Shipped::new(vec![hold("bus", true, false), hold("one", false, true), hold("two", false, true)]);
        assert_eq!(shipped.lacking("a", 9), ["bus"]);
        shipped.note("bus", "a", 9);
        assert_eq!(shipped.lacking("a", 9), ["one", "two"]);
        shipped.note("two", "a", 8);
        assert_eq!(shipped.lacking("a", 9), ["one", "two"]);
        assert!(shipped.lacking("a", 8).is_empty());
        assert_eq!(shipped.lacking("b", 1), ["bus"], "another log is another matter");
        // A store that lost its data has it no longer.
        shipped.note("two", "a", 0);
        assert_eq!(shipped.lacking("a", 8), ["one", "two"]);
    }

    #[test]
    fn a_transport_alone_is_no_archive() {
        let shipped = Shipped::new(vec![hold("bus", true, false)]);
        shipped.note("bus", "a", 9);
        assert_eq!(shipped.lacking("a", 9), ["an archive"]);
    }

    #[test]
    fn levels_are_ordered_and_have_words() {
        assert!(Level::Sent < Level::Accepted && Level::Accepted < Level::Durable && Level::Durable < Level::Verified);
        for (word, level) in Level::ALL {
            assert_eq!(level.as_str(), word);
        }
    }
}
