//! Whether a tool may be offered at all.
//!
//! Asked of each entry of a server's list: what no call could do need not be shown. That it is offered breaks nothing,
//! so nothing is noted in the exchange; a call of it is judged as every call is.

use std::sync::Arc;

use super::condition::View;
use super::evaluate;
use super::event::{Event, ToolEvent};
use super::exchange::{Exchange, RuleHit};
use super::facts::Facts;
use super::session::Session;
use crate::base::names::Stage;

/// The rule by which every call of the tool with this name on the wire is blocked, whatever its arguments. `event` says
/// stage, lane and time of such a call.
pub fn forbidden(exchange: &Exchange, session: &Session, event: &Event<'_>, facts: &Facts, name: &str) -> Option<RuleHit> {
    if event.stage != Stage::Call {
        return None;
    }
    let program = Arc::clone(exchange.program());
    let call = event.tool(ToolEvent::new(name, ""));
    let view = View::new(&program, &call, facts, session, exchange.topics.as_ref(), &[]);
    evaluate::forbids_tool(&view, program.stage(Stage::Call))
}
