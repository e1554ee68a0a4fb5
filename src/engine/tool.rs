//! A tool that is called, as the pacts in force know it.

use std::sync::Arc;

use super::session::Session;
use crate::pact::model::Effect;
use crate::program::Program;

/// The tool of an event as the catalogue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTool {
    /// Key of the catalogue, or the name on the wire of an unlisted tool.
    pub key: Arc<str>,
    /// Whether the catalogue lists it.
    pub listed: bool,
    /// What it does; none for an unlisted tool.
    pub action: Option<Arc<str>>,
    /// To what.
    pub target: Option<Arc<str>>,
    /// `read`, `write` or `external`.
    pub effect: &'static str,
    /// Whether it can be undone.
    pub reversible: bool,
    /// In a portfolio, its names under the pacts that list it, `<pact>/<key>`.
    pub own: Vec<Arc<str>>,
}

impl KnownTool {
    /// The tool with this name on the wire. Where several pacts govern, its words are those of the first that lists
    /// it, and what it does is the worst that any of them says.
    pub(super) fn of(program: &Program, wire: &str) -> Self {
        let mut known = None;
        let mut own = Vec::new();
        let mut effect = None;
        let mut reversible = true;
        for (at, frame) in (0..).zip(program.frames()) {
            let entry = frame.tool(wire).entry;
            if program.is_governed_by(at) {
                effect = effect.max(Some(entry.map_or(Effect::External, |entry| entry.effect)));
                reversible &= entry.is_some_and(|entry| entry.reversible);
            }
            let Some(entry) = entry else { continue };
            known = known.or(Some(entry));
            if program.portfolio {
                own.push(format!("{}/{}", frame.pact, entry.key).into());
            }
        }
        Self {
            key: known.map_or_else(|| wire.into(), |entry| Arc::clone(&entry.key)),
            listed: known.is_some(),
            action: known.and_then(|entry| entry.action.clone()),
            target: known.and_then(|entry| entry.target.clone()),
            effect: effect.unwrap_or(Effect::External).as_str(),
            reversible,
            own,
        }
    }

    /// Notes in the session that a call of it was let through: under each pact of a portfolio by its name there, so
    /// that no pact counts what another calls by the same name.
    pub fn release(&self, session: &mut Session) {
        if self.own.is_empty() {
            session.release(&self.key);
        }
        for name in &self.own {
            session.release(name);
        }
    }
}
