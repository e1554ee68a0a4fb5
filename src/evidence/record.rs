//! A record of any kind, and the whole format in one place.
//!
//! The shape is frozen: leaves of the tree are these bytes. What may come later are new kinds, and new
//! optional keys under a new `spec`.

pub use super::keeping::{
    ActCounts, Anchor, ClockStep, ConfigChange, Erasure, Gap, Heartbeat, KeyEvent, LogOpen, LogSeal, Prev, Pruned, Range,
    Recovery, Seen,
};
pub use super::kind::{Kind, Tag};
pub use super::shape::{Bitmap, Int, LogId, LongList, RecordId, SPEC, Spec, Text};
pub use super::traffic::{
    Call, Commit, Completion, Exchange, Hit, Intervention, LoadedPack, LoadedPact, Measure, Moment, NotJudged, PactLoad, PactRef,
    RouteMode, Signer, Size, Timing, Tokens, Turns,
};

use super::shape::Key;

/// The four keys that the log sets.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: RecordId,
    pub(crate) log: LogId,
    pub(crate) mono_us: Int,
    pub(crate) time_us: Int,
}

/// Ties a kind to its type.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($type:ty),)+) => {
        /// A record of any kind that this build writes.
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        #[serde(untagged)]
        pub enum Record {
            $($(#[$doc])* $kind(Box<$type>),)+
        }

        impl Record {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// Its id; nil until the log has set it.
            pub fn id(&self) -> RecordId {
                match self { $(Self::$kind(record) => record.id,)+ }
            }

            pub(crate) fn stamp(&mut self, head: Head) {
                match self {
                    $(Self::$kind(record) => {
                        record.id = head.id;
                        record.log = head.log;
                        record.mono_us = head.mono_us;
                        record.time_us = head.time_us;
                    })+
                }
            }
        }

        /// The keys of a kind; `None` for those reserved by name.
        pub const fn keys_of(kind: Kind) -> Option<&'static [Key]> {
            match kind {
                $(Kind::$kind => Some(<$type>::KEYS),)+
                _ => None,
            }
        }

        $(impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$kind(Box::new(record))
            }
        })+
    };
}

kinds! {
    /// One exchange.
    Exchange(Exchange),
    /// One intervention.
    Intervention(Intervention),
    /// Pacts loaded or refused.
    PactLoad(PactLoad),
    /// First of a log.
    LogOpen(LogOpen),
    /// Last of a log.
    LogSeal(LogSeal),
    /// Counters.
    Heartbeat(Heartbeat),
    /// Records not written.
    Gap(Gap),
    /// After a crash.
    Recovery(Recovery),
    /// The clock jumped.
    ClockStep(ClockStep),
    /// A key's life.
    KeyEvent(KeyEvent),
    /// Configuration or retention.
    ConfigChange(ConfigChange),
    /// A head taken up elsewhere.
    Anchor(Anchor),
    /// Content erased.
    Erasure(Erasure),
}

#[cfg(test)]
mod tests;
