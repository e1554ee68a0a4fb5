//! Comments in a stream that holds back, so that nobody on the way takes it for dead.
//!
//! Promises: a comment is due when something is held and nothing has gone out for the whole time; while
//! the stream passes, or holds nothing, none ever is. Outside a runtime with a timer there is no pulse.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What a client skips: a comment, and the blank line that lets simple readers go on.
pub(crate) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Counts how long a stream has been silent.
#[derive(Debug)]
pub(crate) struct Pulse {
    every: Option<Duration>,
    silent_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pulse {
    /// A comment is due after every such time of silence; none for never.
    pub(crate) fn new(every: Option<Duration>) -> Self {
        let every = every.filter(|_| tokio::runtime::Handle::try_current().is_ok());
        Self { every, silent_since: None, timer: None }
    }

    /// Something has gone out, or nothing is held: silence begins anew.
    pub(crate) fn rest(&mut self) {
        self.silent_since = None;
    }

    /// Ready when a comment is due. To be asked only while something is held.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(every) = self.every else { return Poll::Pending };
        let due = *self.silent_since.get_or_insert_with(Instant::now) + every;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            // The timer is moved only when it fires: deltas come far more often than it does.
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                self.silent_since = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn due(pulse: &mut Pulse) -> bool {
        pulse.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn beats_in_silence_only() {
        let start = Instant::now();
        let mut pulse = Pulse::new(Some(Duration::from_secs(10)));
        poll_fn(|cx| pulse.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        poll_fn(|cx| pulse.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 20);
        for _ in 0..5 {
            assert!(!due(&mut pulse));
            tokio::time::advance(Duration::from_secs(9)).await;
            pulse.rest();
        }
        poll_fn(|cx| pulse.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 75, "ten seconds after the last rest");
    }

    #[test]
    fn has_none_outside_a_runtime() {
        assert!(!due(&mut Pulse::new(Some(Duration::ZERO))));
    }
}
