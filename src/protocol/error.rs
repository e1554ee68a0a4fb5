//! The one error of this folder: what could not be read, with a stable code and a place.

use crate::base::names::{UnjudgedReason, words};

words! {
    /// Why bytes could not be read. The text stands in refusals and records and does not change.
    Code {
        /// Not JSON by RFC 8259: a wrong byte, a bad number, something after the end.
        InvalidJson = "invalid_json",
        /// The text ends inside a value.
        Truncated = "truncated",
        /// One object has the same key twice; parsers disagree on which counts.
        DuplicateKey = "duplicate_key",
        /// Nested deeper than parsers agree on.
        TooDeep = "too_deep",
        /// More separate strings than are judged in one body.
        TooManyTexts = "too_many_texts",
        /// Not UTF-8 where it must be.
        InvalidUtf8 = "invalid_utf8",
        /// Half of a surrogate pair in a whole body.
        LoneSurrogate = "lone_surrogate",
        /// The decoded body is over the ceiling.
        BodyTooLarge = "body_too_large",
        /// The coded body grows beyond any honest ratio.
        RatioTooHigh = "ratio_too_high",
        /// A content coding that this build does not undo, or more than one.
        UnsupportedCoding = "unsupported_coding",
        /// The coded body is broken.
        InvalidCoding = "invalid_coding",
        /// A charset that this build does not transcode, or two that disagree.
        UnsupportedCharset = "unsupported_charset",
        /// A frame of a stream whose lengths or sums are wrong.
        InvalidFrame = "invalid_frame",
        /// One event of a stream is over the ceiling.
        EventTooLarge = "event_too_large",
        /// More channels or calls in one stream than are kept apart.
        TooManyChannels = "too_many_channels",
        /// What a stream says a second time is not what it said before.
        CopyDiffers = "copy_differs",
        /// Several calls in one message, where the protocol has one.
        Batch = "batch",
        /// A name that only looks like a known one; another reader may take it for that.
        NotCanonical = "not_canonical",
        /// The head repeats something of the body and tells it otherwise.
        HeaderDiffers = "header_differs",
    }
}

impl Code {
    /// The row of the `uninspected` table that this belongs to.
    pub const fn reason(self) -> UnjudgedReason {
        match self {
            Self::BodyTooLarge | Self::RatioTooHigh | Self::EventTooLarge | Self::TooManyTexts | Self::TooManyChannels => {
                UnjudgedReason::OverLimit
            }
            Self::TooDeep => UnjudgedReason::Depth,
            _ => UnjudgedReason::Undecodable,
        }
    }

    /// The HTTP status of a request that is refused for this.
    pub const fn status(self) -> u16 {
        match self {
            Self::BodyTooLarge | Self::RatioTooHigh | Self::EventTooLarge => 413,
            Self::UnsupportedCoding | Self::UnsupportedCharset => 415,
            _ => 400,
        }
    }
}

/// Bytes that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Why.
    pub code: Code,
    /// The byte where it was noticed.
    pub at: usize,
}

impl ReadError {
    /// An error with its place.
    pub const fn new(code: Code, at: usize) -> Self {
        Self { code, at }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.code, self.at)
    }
}

impl std::error::Error for ReadError {}
