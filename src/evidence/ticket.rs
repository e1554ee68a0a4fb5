//! A record's promise of being durable: who waits holds a [`Ticket`], the writer the other end.
//!
//! Promises: a ticket is always answered, once; a writer that goes away without an answer has answered that the log is
//! closed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::LogError;

/// The answer once it is there, and who waits for it.
#[derive(Debug, Default)]
struct Awaited {
    answer: Option<Result<u64, LogError>>,
    waker: Option<Waker>,
}

/// A promise that the writer keeps.
#[derive(Debug, Default)]
struct Promise {
    state: Mutex<Awaited>,
    done: Condvar,
}

impl Promise {
    fn keep(&self, result: Result<u64, LogError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.answer.is_none() {
            state.answer = Some(result);
            self.done.notify_all();
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }
}

/// The writer's end of a promise: dropped without an answer, it answers that the log is closed.
#[derive(Debug)]
pub(crate) struct Keeper(Arc<Promise>);

impl Keeper {
    pub(crate) fn keep(&self, result: Result<u64, LogError>) {
        self.0.keep(result);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.keep(Err(LogError::Closed));
    }
}

/// A ticket and the end that answers it.
pub(crate) fn promise() -> (Ticket, Keeper) {
    let promise = Arc::new(Promise::default());
    (Ticket(promise.clone()), Keeper(promise))
}

/// A record that is durable once this resolves: to its index, or to why it is not.
#[derive(Debug)]
#[must_use = "a strict record is durable only once its ticket has been awaited"]
pub struct Ticket(Arc<Promise>);

impl Ticket {
    pub(crate) fn kept(result: Result<u64, LogError>) -> Self {
        let promise = Promise::default();
        promise.keep(result);
        Self(Arc::new(promise))
    }

    /// Waits on this thread. Not for async code.
    pub fn wait(self) -> Result<u64, LogError> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = state.answer.take() {
                return result;
            }
            state = self.0.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Ticket {
    type Output = Result<u64, LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &state.answer {
            return Poll::Ready(answer.clone());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
