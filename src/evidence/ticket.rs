//! A record's promise of being durable, or of a receipt: who waits holds a [`Ticket`], the writer the other end.
//!
//! Promises: a ticket is always answered, once; a writer that goes away without an answer has answered that the log is
//! closed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::LogError;

/// The answer once it is there, and who waits for it.
#[derive(Debug)]
struct Awaited<T> {
    answer: Option<Result<T, LogError>>,
    waker: Option<Waker>,
}

/// A promise that the writer keeps.
#[derive(Debug)]
struct Promise<T> {
    state: Mutex<Awaited<T>>,
    done: Condvar,
}

impl<T> Promise<T> {
    const fn new(answer: Option<Result<T, LogError>>) -> Self {
        Self { state: Mutex::new(Awaited { answer, waker: None }), done: Condvar::new() }
    }

    fn keep(&self, result: Result<T, LogError>) {
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
pub(crate) struct Keeper<T = u64>(Arc<Promise<T>>);

impl<T> Keeper<T> {
    pub(crate) fn keep(&self, result: Result<T, LogError>) {
        self.0.keep(result);
    }

    /// Whether nobody holds the ticket any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl<T> Drop for Keeper<T> {
    fn drop(&mut self) {
        self.0.keep(Err(LogError::Closed));
    }
}

/// A ticket and the end that answers it.
pub(crate) fn promise<T>() -> (Ticket<T>, Keeper<T>) {
    let promise = Arc::new(Promise::new(None));
    (Ticket(promise.clone()), Keeper(promise))
}

/// A record that is durable once this resolves: to its index, or to why it is not. Of a receipt: to the receipt.
#[derive(Debug)]
#[must_use = "a strict record is durable only once its ticket has been awaited"]
pub struct Ticket<T = u64>(Arc<Promise<T>>);

impl<T> Ticket<T> {
    pub(crate) fn kept(result: Result<T, LogError>) -> Self {
        Self(Arc::new(Promise::new(Some(result))))
    }

    /// Waits on this thread. Not for async code.
    pub fn wait(self) -> Result<T, LogError> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = state.answer.take() {
                return result;
            }
            state = self.0.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T: Clone> Future for Ticket<T> {
    type Output = Result<T, LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &state.answer {
            return Poll::Ready(answer.clone());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
