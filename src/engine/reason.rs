//! Why an act is not the one that the pact names.

/// Why an act was not done as the pact says it, beyond hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `hold` acts as block, since this build has no approvals.
    ApprovalUnavailable,
    /// Redact became block, since the part cannot be rewritten.
    NotEditable,
    /// More was found than is kept, so that not all of it could be rewritten.
    OverLimit,
}

impl Reason {
    /// The word of the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalUnavailable => "approval_unavailable",
            Self::NotEditable => "not_editable",
            Self::OverLimit => "over_limit",
        }
    }
}
