//! The end of a process: stop taking, let finish, give up after a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// Whether the process is to end; clones share it.
#[derive(Clone, Debug)]
pub struct Drain {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Drain {
    /// Begins the end. Nothing takes it back.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the end has begun.
    pub fn begun(&self) -> bool {
        *self.sender.borrow()
    }

    /// Ready once the end has begun.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.sender.subscribe();
        let keep = Arc::clone(&self.sender);
        async move {
            // The sender is kept alive here, so this ends only when the value is true.
            if receiver.wait_for(|begun| *begun).await.is_err() {
                tracing::debug!("drain signal lost");
            }
            drop(keep);
        }
    }
}

/// Waits until every task has ended, at most for `limit`; the rest is cut off. Gives how many were.
pub(super) async fn finish(tasks: &mut JoinSet<()>, limit: Duration) -> usize {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_ok() {
        return 0;
    }
    let left = tasks.len();
    tasks.shutdown().await;
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_all_and_cuts_off_the_rest() {
        let drain = Drain::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(drain.wait());
        drain.begin();
        assert!(drain.begun());
        assert_eq!(finish(&mut tasks, Duration::from_secs(60)).await, 0);
        tasks.spawn(std::future::pending());
        assert_eq!(finish(&mut tasks, Duration::ZERO).await, 1);
        drain.wait().await;
    }
}
