//! One store made whole from another: batch by batch, byte for byte, each recomputed on the way.
//!
//! Promises: nothing that does not hold is handed on, nothing in the other store is overwritten, and doing it again does no
//! harm; what lies in the way is counted and named. What it will not do: delete, or decide which of two forks is right.

use super::batch::Batch;
use super::contract::{Fault, Sink};

/// What became of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// Logs that the first store holds.
    pub logs: usize,
    /// Batches that the second has now, those that it had before included.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Records that the first store does not hold, between some that it does: origin, first, last.
    pub missing: Vec<(String, u64, u64)>,
    /// Where the second store holds something else: origin and first index, and what.
    pub in_the_way: Vec<(String, u64, String)>,
}

impl Rebuilt {
    /// Whether the second store has all of every log, without a hole.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.in_the_way.is_empty()
    }
}

/// Brings what `from` holds into `to`; `each` is told of every batch that is there now.
pub fn rebuild(from: &mut dyn Sink, to: &mut dyn Sink, each: &mut dyn FnMut(&Batch)) -> Result<Rebuilt, Fault> {
    from.open()?;
    to.open()?;
    let mut out = Rebuilt::default();
    for origin in from.logs()? {
        out.logs += 1;
        let mut next = 0;
        while let Some(wire) = from.read(&origin, next)? {
            let batch =
                Batch::parse(&wire).map_err(|error| Fault::Settings(format!("a batch of {origin} at {next}: {error}")))?;
            if batch.origin() != origin || batch.last() < next {
                return Err(Fault::Settings(format!("the store gives another batch than that of {origin} at {next}")));
            }
            if batch.first() > next {
                out.missing.push((origin.clone(), next, batch.first() - 1));
            }
            match to.deliver(&batch) {
                Ok(_) => {
                    out.batches += 1;
                    out.records += batch.count();
                    each(&batch);
                }
                Err(fault @ (Fault::Taken | Fault::Fork(_) | Fault::Refused { .. })) => {
                    out.in_the_way.push((origin.clone(), batch.first(), fault.to_string()));
                }
                Err(fault) => return Err(fault),
            }
            next = batch.size();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::sink::conformance::batches;
    use crate::evidence::sink::file::FileSink;
    use crate::evidence::sink::sample::{Memory, forged, two_logs};
    use crate::evidence::verify::{Policy, verify};

    #[test]
    fn a_lost_store_comes_back_byte_for_byte_from_any_other() {
        let (sample, log, other) = two_logs();
        let first = Memory::default();
        for batch in batches(&log).iter().chain(&batches(&other)) {
            first.clone().deliver(batch).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let mut folder = FileSink::new(dir.path());
        let told = rebuild(&mut first.clone(), &mut folder, &mut |_| {}).unwrap();
        assert!(told.is_whole() && told.logs == 2 && told.batches == 12, "{told:?}");
        let key = std::fs::read_to_string(sample.dir.path().join("root.vkey")).unwrap();
        let report = verify(dir.path(), &Policy::pinned(&key).unwrap()).unwrap();
        assert!(report.is_valid(), "{}", report.text());
        // And back again.
        let second = Memory::default();
        assert_eq!(rebuild(&mut folder, &mut second.clone(), &mut |_| {}).unwrap(), told);
        assert_eq!(first.with(|store| store.batches.clone()), second.with(|store| store.batches.clone()));
        // Once more does no harm.
        assert_eq!(rebuild(&mut folder, &mut second.clone(), &mut |_| {}).unwrap(), told);
        // What is missing in one place is filled from there.
        let whole = second.with(|store| store.batches.clone());
        second.with(|store| store.batches.retain(|(_, first), _| *first != batches(&log)[2].first()));
        assert!(rebuild(&mut folder, &mut second.clone(), &mut |_| {}).unwrap().is_whole());
        assert_eq!(second.with(|store| store.batches.clone()), whole);
    }

    #[test]
    fn holes_and_forks_are_named_and_nothing_is_overwritten() {
        let (_sample, log, _) = two_logs();
        let all = batches(&log);
        let (from, to) = (Memory::default(), Memory::default());
        for batch in all.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, batch)| batch) {
            from.clone().deliver(batch).unwrap();
        }
        let forged = forged(&all);
        to.clone().deliver(&forged[0]).unwrap();
        let told = rebuild(&mut from.clone(), &mut to.clone(), &mut |_| {}).unwrap();
        let origin = all[0].origin().to_owned();
        assert_eq!(told.missing, [(origin.clone(), all[1].first(), all[1].last())]);
        assert_eq!(told.in_the_way.len(), 1);
        assert!(!told.is_whole());
        assert_eq!(to.with(|store| store.batches[&(origin, 0)].id()), forged[0].id());
    }
}
