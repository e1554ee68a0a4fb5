//! Names that cross folders, each with one textual form.
//!
//! Promises: `as_str` and `parse` are inverse; the text is what stands in pacts, records and metrics.

/// Makes a closed enum with one textual form for each member.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The one textual form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The member with this text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where in an interaction something is judged.
    Stage {
        /// Task text that enters the agent.
        Request = "request",
        /// A tool call the agent makes.
        Call = "call",
        /// What a tool returns.
        Result = "result",
        /// Text the agent emits.
        Response = "response",
        /// A connection or HTTP request to the outside.
        Egress = "egress",
        /// One interaction finished.
        End = "end",
        /// A statistic over many interactions.
        Window = "window",
    }
}

words! {
    /// Which way the guard faces.
    Lane {
        /// Caller to agent.
        Inbound = "inbound",
        /// Agent to model.
        Model = "model",
        /// Agent to tools.
        Tools = "tools",
        /// Agent to the outside.
        Egress = "egress",
    }
}

words! {
    /// What a deployment does with a verdict.
    Mode {
        /// Judges and changes nothing.
        Observe = "observe",
        /// Judges and says so in headers.
        Flag = "flag",
        /// Judges and acts.
        Enforce = "enforce",
    }
}

words! {
    /// The closed list of data categories that packs share.
    DataCategory {
        /// Nothing found.
        Public = "public",
        /// Not meant for the outside.
        InternalBusiness = "internal_business",
        /// Names a person: e-mail, phone, address.
        PiiBasic = "pii_basic",
        /// Identifies a person to the state: national ids.
        PiiSensitive = "pii_sensitive",
        /// Accounts and cards.
        FinancialPii = "financial_pii",
        /// Anything on someone's health.
        HealthRecords = "health_records",
        /// Keys, tokens, passwords.
        Credentials = "credentials",
    }
}

words! {
    /// Why something was not inspected.
    UnjudgedReason {
        /// Larger than a limit.
        OverLimit = "over_limit",
        /// Could not be decoded.
        Undecodable = "undecodable",
        /// A detector took too long.
        Timeout = "timeout",
        /// A detector failed.
        DetectorError = "detector_error",
        /// An event type this build does not know.
        UnknownEvent = "unknown_event",
        /// Images, audio, files.
        Media = "media",
        /// Opaque to us by design.
        Encrypted = "encrypted",
        /// The route passes it on unread.
        Passthrough = "passthrough",
        /// Nested deeper than we unwrap.
        Depth = "depth",
        /// A check this build cannot run.
        Unenforced = "unenforced",
    }
}

/// Whether `text` is a predicate or pact id: `[a-z][a-z0-9-]{0,62}`.
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_member_are_inverse() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), Some(*stage));
        }
        assert_eq!(Lane::parse("Model"), None);
    }

    #[test]
    fn ids() {
        assert!(is_id("no-relay") && is_id("a"));
        assert!(!is_id("") && !is_id("1a") && !is_id("A") && !is_id(&"a".repeat(64)) && !is_id("a_b"));
    }
}
