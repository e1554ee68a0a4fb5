//! When a sink is tried again: later each time, never at the same moment as its neighbours, and without ever giving up.
//!
//! Full jitter: somewhere between nothing and a ceiling that doubles. Ten thousand sidecars that lost the same broker come
//! back spread over the whole ceiling instead of all at once.

use std::time::Duration;

use crate::base::limits::{SINK_BACKOFF_MS_MAX, SINK_BACKOFF_MS_MIN};

/// The pace of one sink.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    failures: u32,
    /// State of the dice.
    dice: u64,
}

impl Pace {
    /// With dice of its own.
    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, dice: seed }
    }

    /// It worked.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It failed; how long to wait now. What the other end asks for is waited at least, up to the longest wait.
    pub(crate) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let ceiling = SINK_BACKOFF_MS_MIN.saturating_mul(1 << self.failures.min(16)).min(SINK_BACKOFF_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        // SplitMix64: spread is all that is asked of it.
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut roll = self.dice;
        roll = (roll ^ (roll >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        roll = (roll ^ (roll >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        roll ^= roll >> 31;
        let wait = Duration::from_millis(roll % (ceiling + 1));
        let asked = asked.unwrap_or_default().min(Duration::from_millis(SINK_BACKOFF_MS_MAX));
        // Who asks for a time is not met by everybody at the same moment either.
        if asked.is_zero() { wait } else { asked + wait.min(asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_ceiling_and_start_over() {
        let mut pace = Pace::new(7);
        let waits: Vec<u128> = (0..200).map(|_| pace.failed(None).as_millis()).collect();
        for (n, wait) in waits.iter().enumerate() {
            let ceiling = u128::from(SINK_BACKOFF_MS_MIN << n.min(16)).min(u128::from(SINK_BACKOFF_MS_MAX));
            assert!(*wait <= ceiling, "{n}: {wait}");
        }
        assert!(waits[20..].iter().any(|wait| *wait > 50_000) && waits[20..].iter().any(|wait| *wait < 10_000));
        pace.succeeded();
        assert!(pace.failed(None).as_millis() <= u128::from(SINK_BACKOFF_MS_MIN));
    }

    /// After an outage the sidecars of a fleet come back evenly, not at once.
    #[test]
    fn a_fleet_comes_back_spread_over_the_ceiling() {
        let mut tenths = [0u32; 10];
        for seed in 0..10_000u64 {
            let mut pace = Pace::new(seed);
            for _ in 0..12 {
                pace.failed(None);
            }
            let wait = pace.failed(None).as_millis() as u64;
            tenths[usize::try_from(wait * 10 / (SINK_BACKOFF_MS_MAX + 1)).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn what_is_asked_for_is_waited_within_reason() {
        let mut pace = Pace::new(1);
        let wait = pace.failed(Some(Duration::from_secs(5)));
        assert!((5..=10).contains(&wait.as_secs()), "{wait:?}");
        assert!(pace.failed(Some(Duration::from_secs(1 << 40))).as_secs() <= 120);
    }
}
