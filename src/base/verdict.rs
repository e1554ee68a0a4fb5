//! The shared words of a judgement: act, severity, and how two of them join.
//!
//! Acts form a lattice (block > hold > redact > flag > allow), so that joining is order-free: the
//! same findings give the same act in whatever order they arrive.

use super::names::{UnjudgedReason, words};

words! {
    /// What is done with an exchange or a part of it. Declared in lattice order.
    #[derive(Default)]
    Act {
        /// Passes unchanged.
        #[default]
        Allow = "allow",
        /// Passes, and is marked.
        Flag = "flag",
        /// Passes with parts replaced.
        Redact = "redact",
        /// Waits for an approval.
        Hold = "hold",
        /// Does not pass.
        Block = "block",
    }
}

impl Act {
    /// The harsher of the two.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }
}

words! {
    /// How grave a breach is. Declared from light to grave.
    Severity {
        /// A flaw.
        Minor = "minor",
        /// A broken promise.
        Major = "major",
        /// A broken promise with harm.
        Critical = "critical",
    }
}

impl Severity {
    /// The act of a predicate that names none: critical and major block, minor flags.
    pub const fn default_act(self) -> Act {
        match self {
            Self::Critical | Self::Major => Act::Block,
            Self::Minor => Act::Flag,
        }
    }
}

/// Something that no detector read, and why. An answer of its own beside the act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Unjudged {
    /// Why.
    pub reason: UnjudgedReason,
    /// What: a part, an event type, a predicate id. At most 64 bytes, never content.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_is_a_lattice() {
        for &a in Act::ALL {
            assert_eq!(a.join(a), a);
            for &b in Act::ALL {
                assert_eq!(a.join(b), b.join(a));
                for &c in Act::ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }
}
