//! How the pacts in force are kept, counted as exchanges end, each pact since it came into force.
//!
//! Promises: an exchange adds to counters alone, without a lock and without an allocation; it counts for the pacts that
//! governed it, if they are in force still; a pact that stays in force keeps its counts, whatever else is reloaded. What
//! it does not do: outlive the process. Records do, and an export of them says the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::base::names::Lane;
use crate::base::verdict::Severity;
use crate::engine::exchange::RuleHit;
use crate::pact::fulfilment::Tally;
use crate::program::Program;

/// The counts of the pacts in force; cheap to share.
#[derive(Clone, Debug, Default)]
pub struct Fulfilment(Arc<ArcSwap<Vec<Arc<Counts>>>>);

/// How one pact was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Since when it is in force and counted, in microseconds since the Unix epoch.
    pub since_us: i64,
    /// The lane that is told of; none: nothing was counted yet.
    pub lane: Option<Lane>,
    /// What was counted there.
    pub tally: Tally,
}

#[derive(Debug)]
struct Counts {
    digest: [u8; 32],
    since_us: i64,
    predicates: Vec<String>,
    /// By place of [`Lane`].
    lanes: Vec<LaneCounts>,
}

#[derive(Debug)]
struct LaneCounts {
    evaluated: AtomicU64,
    compliant: AtomicU64,
    beyond: AtomicU64,
    /// By place of [`Severity`].
    severities: [AtomicU64; Severity::ALL.len()],
    /// By place of the predicate in its pact.
    predicates: Vec<AtomicU64>,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Fulfilment {
    /// Counts for the pacts of this program from now on (microseconds since the Unix epoch): anew for those that come,
    /// on for those that stay, no more for those that go.
    pub fn follow(&self, program: &Program, now_us: i64) {
        let before = self.0.load();
        let counts = (0..).zip(program.frames()).map(|(place, frame)| {
            let known = before.iter().find(|counts| counts.digest == frame.digest);
            known.cloned().unwrap_or_else(|| {
                let own = program.predicates_of(place);
                let predicates: Vec<String> = own.map(|info| own_id(&info.id, &frame.pact).to_owned()).collect();
                let lanes = Lane::ALL.iter().map(|_| LaneCounts::new(predicates.len())).collect();
                Arc::new(Counts { digest: frame.digest, since_us: now_us, predicates, lanes })
            })
        });
        self.0.store(Arc::new(counts.collect()));
    }

    /// Adds an exchange that has ended, to each pact that governed it. `beyond`: it has more kinds of hits than these.
    pub(crate) fn add(&self, program: &Program, lane: Lane, hits: &[RuleHit], beyond: bool) {
        let all = self.0.load();
        for (place, frame) in (0..).zip(program.frames()).filter(|(place, _)| program.is_governed_by(*place)) {
            let counts = all.iter().find(|counts| counts.digest == frame.digest);
            if let Some(lane) = counts.and_then(|counts| counts.lanes.get(lane as usize)) {
                lane.add(program, place, hits, beyond);
            }
        }
    }

    /// How the pact with this digest was kept, in the outermost lane that has seen anything, so that no interaction
    /// counts twice; none: it is not in force.
    pub fn of(&self, digest: &[u8; 32]) -> Option<Kept> {
        let all = self.0.load();
        let counts = all.iter().find(|counts| counts.digest == *digest)?;
        let outermost = Lane::ALL.iter().zip(&counts.lanes).find(|(_, lane)| read(&lane.evaluated) > 0);
        let tally = outermost.map(|(_, lane)| lane.tally(&counts.predicates)).unwrap_or_default();
        Some(Kept { since_us: counts.since_us, lane: outermost.map(|(lane, _)| *lane), tally })
    }
}

/// The id of a predicate in its own pact; in a portfolio it is called `<pact>/<id>`.
fn own_id<'i>(id: &'i str, pact: &str) -> &'i str {
    id.strip_prefix(pact).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id)
}

impl LaneCounts {
    fn new(predicates: usize) -> Self {
        Self {
            evaluated: AtomicU64::default(),
            compliant: AtomicU64::default(),
            beyond: AtomicU64::default(),
            severities: Default::default(),
            predicates: (0..predicates).map(|_| AtomicU64::default()).collect(),
        }
    }

    fn add(&self, program: &Program, place: u32, hits: &[RuleHit], beyond: bool) {
        let violates = |hit: &RuleHit| program.frame_of(hit.predicate) == Some(place) && !program.beyond().counts(hit.predicate);
        let mut clean = !beyond;
        for (at, hit) in hits.iter().enumerate().filter(|(_, hit)| violates(hit)) {
            clean = false;
            // A predicate counts once, however often and wherever it was violated.
            let same = |other: &RuleHit| (other.predicate, other.severity) == (hit.predicate, hit.severity);
            if hits.iter().take(at).any(same) {
                continue;
            }
            self.severities.get(hit.severity as usize).into_iter().for_each(add);
            let own = (0..hit.predicate).filter(|other| program.frame_of(*other) == Some(place)).count();
            self.predicates.get(own).into_iter().for_each(add);
        }
        if beyond {
            add(&self.beyond);
        }
        if clean {
            add(&self.compliant);
        }
        // Last: who reads meanwhile sees no more compliant than evaluated after the next one.
        add(&self.evaluated);
    }

    fn tally(&self, predicates: &[String]) -> Tally {
        let compliant = read(&self.compliant);
        Tally {
            // Exchanges that end while this is read may have added one number and not yet the other.
            evaluated: read(&self.evaluated).max(compliant),
            compliant,
            beyond: read(&self.beyond),
            by_severity: Severity::ALL.iter().copied().zip(self.severities.iter().map(read)).collect(),
            by_predicate: predicates.iter().cloned().zip(self.predicates.iter().map(read)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::names::Stage;
    use crate::base::verdict::Act;
    use crate::pact::Packs;
    use crate::program::compile::compile_one;

    fn program(version: &str) -> Program {
        let text = format!(
            "format: 1\npact: p\nversion: '{version}'\npacks: {{pii: '1'}}\npredicates:\n  - {{id: a, dimension: d, severity: major, at: request, check: {{match: [pii]}}}}\n  - {{id: b, dimension: d, severity: minor, at: request, check: {{match: [pii]}}}}\n"
        );
        let (pact, out) = crate::pact::read(&text, Packs::shipped());
        compile_one(&pact.unwrap_or_else(|| panic!("{}", out.render("p", &text))), false, Packs::shipped()).unwrap()
    }

    fn hit(predicate: u32, severity: Severity, stage: Stage) -> RuleHit {
        let detector = Arc::from("pii");
        RuleHit { predicate, stage, detector, place: None, act: Act::Flag, severity, score_bp: 1, count: 1 }
    }

    #[test]
    fn a_predicate_is_called_by_its_own_id() {
        assert_eq!((own_id("p/a", "p"), own_id("a", "p"), own_id("pa", "p"), own_id("q/a", "p")), ("a", "a", "pa", "q/a"));
    }

    #[test]
    fn exchanges_count_for_the_pact_that_governed_them_since_it_came() {
        let (first, second, fulfilment) = (program("1.0.0"), program("1.0.1"), Fulfilment::default());
        let digest = |program: &Program| program.frames()[0].digest;
        assert_eq!(fulfilment.of(&digest(&first)), None);
        fulfilment.follow(&first, 7);
        let nothing = fulfilment.of(&digest(&first)).unwrap();
        assert_eq!((nothing.since_us, nothing.lane, nothing.tally.rate()), (7, None, None));
        fulfilment.add(&first, Lane::Model, &[], false);
        assert_eq!(fulfilment.of(&digest(&first)).unwrap().lane, Some(Lane::Model));
        let twice = [hit(0, Severity::Major, Stage::Request), hit(0, Severity::Major, Stage::Response)];
        fulfilment.add(&first, Lane::Inbound, &[], false);
        fulfilment.add(&first, Lane::Inbound, &twice, false);
        fulfilment.add(&first, Lane::Inbound, &[hit(1, Severity::Minor, Stage::Request)], false);
        fulfilment.add(&first, Lane::Inbound, &[], true);
        fulfilment.add(&second, Lane::Inbound, &twice, false);
        let kept = fulfilment.of(&digest(&first)).unwrap();
        assert_eq!(kept.lane, Some(Lane::Inbound), "the outermost, so that none counts twice");
        assert_eq!((kept.tally.evaluated, kept.tally.compliant, kept.tally.beyond), (4, 1, 1));
        assert_eq!((kept.tally.count(Severity::Major), kept.tally.count(Severity::Minor)), (1, 1));
        assert_eq!(kept.tally.lowest(), Some(("a", 0.75)));
        // The same pact in another program goes on; another begins anew; who has gone is not counted.
        fulfilment.follow(&program("1.0.0"), 8);
        assert_eq!(fulfilment.of(&digest(&first)), Some(kept));
        fulfilment.follow(&second, 9);
        assert_eq!(fulfilment.of(&digest(&first)), None);
        assert_eq!(fulfilment.of(&digest(&second)).map(|kept| (kept.since_us, kept.tally.evaluated)), Some((9, 0)));
    }
}
