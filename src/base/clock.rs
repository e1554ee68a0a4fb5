//! Wall and steady time, read in this file and nowhere else.
//!
//! Everything that needs the time takes a [`Clock`]; the engine takes the value itself. Tests move
//! `ManualClock` by hand, so that no test sleeps.

use std::fmt::Debug;
use std::sync::Arc;

/// A source of time.
pub trait Clock: Debug + Send + Sync {
    /// Microseconds since the Unix epoch; may jump either way.
    fn wall_us(&self) -> i64;
    /// Nanoseconds since some fixed point of this process; never goes back.
    fn steady_ns(&self) -> u64;
}

/// A clock shared by the parts of one process.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    #[expect(clippy::disallowed_types, reason = "the one file that reads the system's time")]
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose steady time begins now.
    #[expect(clippy::disallowed_types, reason = "the one file that reads the system's time")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// The same, ready to be shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_types, reason = "the one file that reads the system's time")]
    fn wall_us(&self) -> i64 {
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        }
    }

    fn steady_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Default)]
pub struct ManualClock {
    /// What the wall time is at a steady time of zero, so that both move on in one step.
    zero_us: std::sync::atomic::AtomicI64,
    steady_ns: std::sync::atomic::AtomicU64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// A clock that shows `wall_us` and a steady time of zero.
    pub fn at(wall_us: i64) -> Self {
        let clock = Self::default();
        clock.set_wall_us(wall_us);
        clock
    }

    /// Moves both times on by `us` microseconds.
    pub fn advance_us(&self, us: u64) {
        self.steady_ns.fetch_add(us.saturating_mul(1_000), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the wall time alone, as an operator or NTP would.
    pub fn set_wall_us(&self, wall_us: i64) {
        self.zero_us.store(wall_us.saturating_sub_unsigned(self.steady_ns() / 1_000), std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn wall_us(&self) -> i64 {
        self.zero_us.load(std::sync::atomic::Ordering::SeqCst).saturating_add_unsigned(self.steady_ns() / 1_000)
    }

    fn steady_ns(&self) -> u64 {
        self.steady_ns.load(std::sync::atomic::Ordering::SeqCst)
    }
}
