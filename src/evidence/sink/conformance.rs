//! What every sink must do, as one test that each implementation calls.

#![allow(clippy::panic, clippy::expect_used, reason = "a test may fail loudly")]

use std::path::Path;

use super::batch::Batch;
use super::contract::{Fault, Held, Sink};
use super::reader::{Limit, LogReader, Piece};
use crate::evidence::shipped::Level;

/// All batches of a log that nobody writes any more.
///
/// # Panics
/// It cannot be read.
pub fn batches(log: &Path) -> Vec<Batch> {
    let mut reader = LogReader::open(log).expect("the log opens");
    let mut out = Vec::new();
    while let Some(piece) = reader.next(Limit::Ended).expect("the log reads") {
        match piece {
            Piece::Batch(batch) => out.push(*batch),
            Piece::Hole { first, last } => panic!("{first} to {last} cannot be read"),
        }
    }
    out
}

/// Holds a sink to the promises of [`super::contract`]. `log` is a whole log of at least five batches, `other` a log of
/// another boot; `make` gives a connection to the same, at first empty, store each time.
///
/// # Panics
/// A promise is broken.
pub fn conforms(log: &Path, other: &Path, gives: Level, make: &mut dyn FnMut() -> Box<dyn Sink>) {
    let (all, others) = (batches(log), batches(other));
    let ([one, two, three, four, five, ..], [foreign, ..]) = (all.as_slice(), others.as_slice()) else {
        panic!("too few batches")
    };
    let origin = one.origin();
    let mut opened = || {
        let mut sink = make();
        sink.open().expect("it opens");
        sink
    };
    let head = |batch: &Batch| Held::Head { size: batch.size(), root: batch.root() };

    let mut sink = opened();
    let asked = sink.head(origin).expect("it says what it holds") != Held::Unknown;
    if asked {
        assert_eq!(sink.head(origin), Ok(Held::Nothing), "the store is not empty");
        assert_eq!((sink.read(origin, 0), sink.logs()), (Ok(None), Ok(Vec::new())));
    }
    // In order; the same again is stored once.
    for batch in [one, two, two, one] {
        assert_eq!(sink.deliver(batch), Ok(gives), "{}", batch.id());
    }
    // An acknowledgement that got lost: another connection sends it again.
    let mut sink = opened();
    assert_eq!(sink.deliver(two), Ok(gives), "what is there already is acknowledged");
    // Something may be left out, and what comes behind it is taken.
    assert_eq!(sink.deliver(four), Ok(gives));
    if !asked {
        return;
    }
    let mut sink = opened();
    assert_eq!(sink.head(origin), Ok(head(four)));
    // What overlaps is refused and changes nothing: with the same records as taken, with others as a fork.
    let (left, right) = two.halves().expect("the second batch has two records");
    assert_eq!(sink.deliver(&left), Err(Fault::Taken), "half of what is there");
    assert_eq!(sink.deliver(&right), Err(Fault::Taken), "the other half of what is there");
    assert_eq!(sink.head(origin), Ok(head(four)));
    // Other logs are apart.
    assert_eq!(sink.head(foreign.origin()), Ok(Held::Nothing));
    assert_eq!(sink.deliver(foreign), Ok(gives));
    assert_eq!((sink.head(foreign.origin()), sink.head(origin)), (Ok(head(foreign)), Ok(head(four))));
    let mut origins = [origin.to_owned(), foreign.origin().to_owned()];
    origins.sort_unstable();
    assert_eq!(
        sink.logs().map(|mut logs| {
            logs.sort_unstable();
            logs
        }),
        Ok(origins.to_vec())
    );
    // What is read back is what was delivered.
    for (from, wanted) in
        [(0, one), (one.last(), one), (two.first(), two), (two.last(), two), (three.first(), four), (four.last(), four)]
    {
        let stored = sink.read(origin, from).expect("it reads").unwrap_or_else(|| panic!("nothing at {from}"));
        assert_eq!(Batch::parse(&stored).expect("it is a batch").id(), wanted.id(), "from {from}");
    }
    assert_eq!(sink.read(origin, four.size()), Ok(None));
    assert_eq!(sink.deliver(five), Ok(gives), "it goes on behind what is there");
    assert_eq!(opened().head(origin), Ok(head(five)));
}

/// Holds a sink to the last promise: where other records lie at a place, it is a fork, and nothing is changed. `log` and
/// `forged` are two logs of one origin that differ in their records.
///
/// # Panics
/// The promise is broken.
pub fn sees_a_fork(log: &[Batch], forged: &[Batch], sink: &mut dyn Sink) {
    let ([first, ..], [other, ..]) = (log, forged) else { panic!("too few batches") };
    assert!(first.origin() == other.origin() && first.id() != other.id() && first.last() == other.last(), "no fork");
    sink.open().expect("it opens");
    sink.deliver(first).expect("it is taken");
    assert!(matches!(sink.deliver(other), Err(Fault::Fork(_))), "another batch at the same place");
    let stored = sink.read(first.origin(), 0).expect("it reads").expect("it is there");
    assert_eq!(Batch::parse(&stored).expect("it is a batch").id(), first.id());
}
