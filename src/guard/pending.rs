//! A record that must be on disk before something is let go.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ready when the record is durable; false when it could not be made so.
pub(crate) struct Durable(Pin<Box<dyn Future<Output = bool> + Send>>);

impl Durable {
    /// Waits for `future`.
    pub(crate) fn new(future: impl Future<Output = bool> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Durable {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Durable")
    }
}
