//! A budget of bytes shared by all bodies in flight.
//!
//! Promises: the sum of all claims never exceeds the budget; what a claim holds comes back when it is
//! dropped. It never waits: a claim that does not fit is refused, and the caller answers 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total: usize,
    used: AtomicUsize,
}

/// Bytes taken from a budget; given back on drop.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared>,
    bytes: usize,
}

impl BodyBudget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        Self { shared: Arc::new(Shared { total, used: AtomicUsize::new(0) }) }
    }

    /// A claim of nothing, to be grown.
    pub fn claim(&self) -> Claim {
        Claim { shared: Arc::clone(&self.shared), bytes: 0 }
    }

    /// Bytes claimed now.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// The whole budget.
    pub fn total(&self) -> usize {
        self.shared.total
    }
}

impl Claim {
    /// Takes `more` bytes, or nothing and false where they do not fit.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let total = self.shared.total;
        let taken = self
            .shared
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(more).filter(|sum| *sum <= total));
        if taken.is_ok() {
            self.bytes += more;
        }
        taken.is_ok()
    }

    /// Gives back all but `keep` bytes.
    pub fn shrink_to(&mut self, keep: usize) {
        let back = self.bytes.saturating_sub(keep);
        self.shared.used.fetch_sub(back, Ordering::Relaxed);
        self.bytes -= back;
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_over_and_all_given_back() {
        let budget = BodyBudget::new(10);
        let mut a = budget.claim();
        let mut b = budget.claim();
        assert!(a.grow(6) && b.grow(4));
        assert!(!b.grow(1) && !a.grow(usize::MAX));
        a.shrink_to(2);
        assert!(b.grow(4));
        assert_eq!((budget.used(), a.bytes(), b.bytes()), (10, 2, 8));
        drop((a, b));
        assert_eq!(budget.used(), 0);
    }
}
