//! Why something may not pass, before it has a shape in any protocol.

use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::engine::exchange::RuleHit;
use crate::engine::judge::{self, Judgement};
use crate::evidence::record::Moment;
use crate::protocol::Why;

/// Why something may not pass.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) act: Act,
    pub(crate) stage: Stage,
    pub(crate) why: Why,
    pub(crate) hit: Option<RuleHit>,
    pub(crate) note: Option<&'static str>,
}

impl Refused {
    /// By a judgement that refuses.
    pub(crate) fn by(stage: Stage, judgement: &Judgement) -> Self {
        Self {
            act: judgement.act,
            stage,
            why: Why::Content,
            hit: judgement.decisive().cloned(),
            note: judgement.reason.map(judge::Reason::as_str),
        }
    }

    /// Because it could not be read, or because we failed.
    pub(crate) fn unread(stage: Stage, why: Why) -> Self {
        Self { act: Act::Block, stage, why, hit: None, note: None }
    }

    /// With a fixed word that says more.
    pub(crate) fn note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }

    /// The word of the record.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.note.or(match self.why {
            Why::Unreadable(code) => Some(code.as_str()),
            Why::Uninspected(reason) => Some(reason.as_str()),
            Why::Engine => Some("failed"),
            Why::Content | Why::Permission => None,
        })
    }

    /// Where in the exchange it was decided.
    pub(crate) fn moment(&self, mid_stream: bool) -> Moment {
        match self.stage {
            _ if mid_stream => Moment::MidStream,
            Stage::Request | Stage::Egress => Moment::BeforeUpstream,
            Stage::Call => Moment::Call,
            Stage::Result => Moment::Result,
            Stage::Response => Moment::Answer,
            Stage::End | Stage::Window => Moment::End,
        }
    }
}
