//! How many exchanges and how many body bytes may be in flight, shared by the guards of one process.
//!
//! Promises: nothing waits for room. Who finds none is told at once and refuses in the client's own
//! protocol; a lease gives its room back when it is dropped, whatever ended the exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::limits::{BODY_TOTAL_MAX, PARALLEL_MAX};

/// The shared room.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    exchanges_max: usize,
    bytes: AtomicUsize,
    exchanges: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BODY_TOTAL_MAX, PARALLEL_MAX)
    }
}

impl Budget {
    /// Room for so many body bytes and so many exchanges.
    pub fn new(bytes_max: usize, exchanges_max: usize) -> Self {
        Self { bytes_max, exchanges_max, bytes: AtomicUsize::new(0), exchanges: AtomicUsize::new(0) }
    }

    /// Takes room for one exchange.
    pub fn enter(self: &Arc<Self>) -> Option<Entry> {
        take(&self.exchanges, 1, self.exchanges_max).then(|| Entry { budget: Arc::clone(self) })
    }

    /// A lease on body bytes, empty at first.
    pub fn lease(self: &Arc<Self>) -> Lease {
        Lease { budget: Arc::clone(self), taken: 0 }
    }

    /// Exchanges in flight.
    pub fn open(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }
}

/// The place of one exchange.
#[derive(Debug)]
pub struct Entry {
    budget: Arc<Budget>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.budget.exchanges.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Body bytes held by one exchange.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    taken: usize,
}

impl Lease {
    /// Takes room for `bytes` more. False, and nothing taken, where there is none.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let granted = take(&self.budget.bytes, bytes, self.budget.bytes_max);
        self.taken += if granted { bytes } else { 0 };
        granted
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        self.budget.bytes.fetch_sub(std::mem::take(&mut self.taken), Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.clear();
    }
}

fn take(counter: &AtomicUsize, amount: usize, max: usize) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| now.checked_add(amount).filter(|then| *then <= max)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let budget = Arc::new(Budget::new(10, 1));
        let entry = budget.enter();
        assert!(entry.is_some() && budget.enter().is_none());
        drop(entry);
        assert!(budget.enter().is_some());
        let (mut a, mut b) = (budget.lease(), budget.lease());
        assert!(a.grow(7) && !b.grow(4) && b.grow(3));
        drop(a);
        assert!(b.grow(7) && !b.grow(usize::MAX));
    }
}
