//! What a deployment has decided for one guard: lane, mode, and what happens to what cannot be read.
//!
//! The pact says what must hold; these settings say how it is carried out here. They can make the
//! guard stricter about what it could not read, never laxer about what it read.

use std::time::Duration;

use crate::base::limits::{BODY_MAX, KEEP_ALIVE_SECONDS, STREAM_HOLD_MAX, TOOL_CALL_MAX};
use crate::base::names::{Lane, Mode, UnjudgedReason, words};
pub use crate::protocol::adapter::BlockAs;

/// The settings of one guard.
#[derive(Clone, Debug)]
pub struct Route {
    /// A short name for records; never a URL.
    pub name: String,
    /// Which way the guard faces.
    pub lane: Lane,
    /// Judge only, judge and mark, or judge and act.
    pub mode: Mode,
    /// The shape of a refusal.
    pub block_as: BlockAs,
    /// What becomes of parts that no detector can read.
    pub uninspected: Uninspected,
    /// Which acts wait for the log.
    pub durability: Durability,
    /// What becomes of an exchange that the log has no room for.
    pub when_full: WhenFull,
    /// What becomes of an exchange that a pact governs which is over.
    pub expired: Expired,
    /// What becomes of a tool whose definition has changed.
    pub tools_changed: ToolsChanged,
    /// Largest decoded body in bytes.
    pub body_max: usize,
    /// Most text held back in one channel of a stream, in bytes.
    pub stream_hold_max: usize,
    /// Largest tool call in a stream, in bytes.
    pub tool_call_max: usize,
    /// Silence after which a stream that holds back sends a comment; none for never. Needs tokio's timer.
    pub keep_alive: Option<Duration>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            lane: Lane::Inbound,
            mode: Mode::Enforce,
            block_as: BlockAs::Auto,
            uninspected: Uninspected::default(),
            durability: Durability::Default,
            when_full: WhenFull::Block,
            expired: Expired::Refuse,
            tools_changed: ToolsChanged::Remove,
            body_max: BODY_MAX,
            stream_hold_max: STREAM_HOLD_MAX,
            tool_call_max: TOOL_CALL_MAX,
            keep_alive: Some(Duration::from_secs(KEEP_ALIVE_SECONDS)),
        }
    }
}

/// Which acts wait until their record is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Released calls with an external or irreversible effect.
    #[default]
    Default,
    /// Every act.
    Strict,
    /// None.
    Fast,
}

/// What becomes of an exchange that the log has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Refused with 503, which may be retried.
    #[default]
    Block,
    /// Passed, and counted in a gap record.
    PassWithGap,
}

words! {
    /// What becomes of an exchange that a pact governs whose term is over.
    Expired {
        /// Refused with 403.
        Refuse = "refuse",
        /// Judged by the pact as before, and flagged.
        Flag = "flag",
    }
}

words! {
    /// What becomes of a tool whose definition is not the one that was seen first.
    ToolsChanged {
        /// It goes from lists, and calls of it are refused, until its first definition is back.
        Remove = "remove",
        /// It stays, is flagged once, and the new definition counts from then on.
        Flag = "flag",
    }
}

/// Pass or block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Passes, and the record says so.
    Pass,
    /// Passes only where it carries no text.
    PassUnlessText,
    /// Is refused.
    Block,
}

/// The table of what cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uninspected {
    /// Images, audio, files.
    pub media: Unread,
    /// Opaque by design.
    pub encrypted: Unread,
    /// Larger than a limit.
    pub over_limit: Unread,
    /// Broken or in a coding we do not know.
    pub undecodable: Unread,
    /// An event type we do not know.
    pub unknown_event: Unread,
    /// A detector failed.
    pub detector_error: Unread,
}

impl Default for Uninspected {
    fn default() -> Self {
        Self {
            media: Unread::Pass,
            encrypted: Unread::Pass,
            over_limit: Unread::Block,
            undecodable: Unread::Block,
            unknown_event: Unread::PassUnlessText,
            detector_error: Unread::Block,
        }
    }
}

impl Uninspected {
    /// Whether something unread for this reason is refused. What the route passes on purpose and what
    /// this build cannot run were decided before.
    pub fn blocks(&self, reason: UnjudgedReason) -> bool {
        let row = match reason {
            UnjudgedReason::Media => self.media,
            UnjudgedReason::Encrypted => self.encrypted,
            UnjudgedReason::OverLimit | UnjudgedReason::Depth => self.over_limit,
            UnjudgedReason::Undecodable => self.undecodable,
            UnjudgedReason::UnknownEvent => self.unknown_event,
            UnjudgedReason::Timeout | UnjudgedReason::DetectorError => self.detector_error,
            UnjudgedReason::Passthrough | UnjudgedReason::Unenforced => Unread::Pass,
        };
        row == Unread::Block
    }
}
