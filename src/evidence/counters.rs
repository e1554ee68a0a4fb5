//! What heartbeats say: counted as records become durable, so that a verifier can count again.

use super::handle::Meta;
use super::record::{ActCounts, Heartbeat, Int};
use crate::base::verdict::Act;

/// Counters since the log was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    acts: [u64; 5],
    pub(crate) ended: u64,
    errors: u64,
    interventions: u64,
    unjudged: u64,
    pub(crate) lost: u64,
    pub(crate) fsync_us: u64,
}

impl Counters {
    /// Counts a record that is durable.
    pub(crate) fn count(&mut self, meta: &Meta) {
        if let Some(act) = meta.exchange {
            if let Some(count) = self.acts.get_mut(act as usize) {
                *count += 1;
            }
            self.ended += 1;
            self.unjudged += u64::from(meta.unjudged);
            self.errors += u64::from(meta.abandoned);
        }
        self.interventions += u64::from(meta.intervention);
    }

    /// The counters as a record.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let int = |n: u64| Int::saturating(n);
        let act = |act: Act| int(self.acts.get(act as usize).copied().unwrap_or(0));
        Heartbeat {
            acts: ActCounts {
                allow: act(Act::Allow),
                block: act(Act::Block),
                flag: act(Act::Flag),
                hold: act(Act::Hold),
                redact: act(Act::Redact),
            },
            ended: int(self.ended),
            errors: int(self.errors),
            fsync_us: int(self.fsync_us),
            interventions: int(self.interventions),
            lost: int(self.lost),
            unjudged: int(self.unjudged),
            ..Heartbeat::default()
        }
    }
}
