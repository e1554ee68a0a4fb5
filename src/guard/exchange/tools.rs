//! What an exchange says to the tools that an upstream offers.

use super::Exchange;
use crate::base::limits::TOOLS_RECORDED_MAX;
use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::engine::event::Event;
use crate::engine::offer;
use crate::engine::placing::MessagePart;
use crate::evidence::record::Moment;
use crate::guard::pending::Durable;
use crate::guard::pins::Seen;
use crate::guard::refused::Refused;
use crate::guard::route::ToolsChanged;
use crate::protocol::Why;

use super::records::Noted;

/// The words of records for tools that are not offered, or not called.
const NOT_ALLOWED: &str = "tool_not_allowed";
const CHANGED: &str = "tool_changed";
const TOO_MANY: &str = "tools_max";

impl Exchange {
    /// Why a tool that the upstream offers goes from the list.
    pub(crate) fn offered(&mut self, name: &str, definition: &[u8]) -> Option<Refused> {
        let stage = self.place(MessagePart::Call).map(|placed| placed.stage)?;
        let event = Event::new(stage, self.lane(), self.now_us);
        let refused = |act, note| Refused { act, stage: Stage::Result, why: Why::Permission, hit: None, note: Some(note) };
        if let Some(hit) = offer::forbidden(&self.gathered, &self.session, &event, &self.subject.facts, name) {
            // It is taken out of an answer that passes: nobody has called it.
            return Some(Refused { hit: Some(hit), ..refused(Act::Redact, NOT_ALLOWED) });
        }
        let accept = self.shared.route.tools_changed == ToolsChanged::Flag;
        match self.shared.pins.see(name, definition, accept) {
            Seen::Same => None,
            Seen::Changed if accept => {
                self.spare(refused(Act::Flag, CHANGED));
                None
            }
            Seen::Changed => Some(refused(Act::Block, CHANGED)),
            Seen::Full => Some(refused(Act::Block, TOO_MANY)),
        }
    }

    /// Why a tool may not be called that the pact does not forbid: the upstream has changed what it is.
    pub(crate) fn called_changed(&mut self, name: &str) -> Option<Refused> {
        if !self.shared.pins.is_changed(name) {
            return None;
        }
        let refused = Refused { act: Act::Block, stage: Stage::Call, why: Why::Permission, hit: None, note: Some(CHANGED) };
        if self.acts() {
            return Some(refused);
        }
        self.spare(refused);
        None
    }

    /// Writes down which tools were taken out of a list, or would have been.
    pub(crate) fn took_out<'r>(&mut self, gone: impl Iterator<Item = (&'r str, &'r Refused)>) -> Option<Durable> {
        let mut gravest: Option<&Refused> = None;
        let mut wait = None;
        for (count, (name, refused)) in gone.enumerate() {
            if gravest.is_none_or(|before| before.act < refused.act) {
                gravest = Some(refused);
            }
            if self.acts() && count < TOOLS_RECORDED_MAX {
                let hit = refused.hit.clone();
                let noted = Noted {
                    hit: hit.as_ref(),
                    reason: refused.reason(),
                    tool: Some(name),
                    ..Noted::new(refused.act, Moment::Result)
                };
                wait = self.intervention(&noted).or(wait);
            }
        }
        let gravest = gravest?.clone();
        if self.acts() {
            self.altered();
            self.tell(&gravest);
        }
        self.spare(gravest);
        wait
    }
}
