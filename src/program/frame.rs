//! What names and hours mean under one pact: its catalogue of tools, its zone, its business hours.
//!
//! A program of one pact has one frame. A portfolio has one for each of its pacts, and each predicate is judged in
//! the frame of its own: a tool that one pact lists as harmless stays unknown to a pact that does not list it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::bits::Categories;
use crate::base::normal;
use crate::pact::model::{self, Effect, Pact};

/// One tool of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Key of the catalogue.
    pub key: Arc<str>,
    /// What kind of act it is.
    pub action: Option<Arc<str>>,
    /// What it acts on.
    pub target: Option<Arc<str>>,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether what it does can be undone.
    pub reversible: bool,
    /// Whether its results may be believed.
    pub trusted: bool,
    /// Data categories of its results.
    pub data: Categories,
    /// The server it belongs to.
    pub server: Option<Arc<str>>,
}

/// A tool as an event names it.
#[derive(Clone, Copy, Debug)]
pub struct ToolRef<'a> {
    /// The name on the wire.
    pub wire: &'a str,
    /// Its place in the catalogue, and its entry.
    pub entry: Option<&'a Tool>,
    /// Its place.
    pub index: Option<u32>,
}

/// What names and hours mean under one pact.
#[derive(Debug)]
pub struct Frame {
    /// Id of the pact.
    pub pact: Arc<str>,
    /// Version of the promise.
    pub version: Arc<str>,
    /// SHA-256 of the canonical form of the document.
    pub digest: [u8; 32],
    /// Its catalogue.
    pub tools: Vec<Tool>,
    /// Keys and aliases, in normal form.
    pub(super) tool_names: HashMap<Box<str>, u32>,
    /// The zone of `evidence.context`.
    pub zone: TimeZone,
    /// Business hours: from, to (exclusive).
    pub business_hours: Option<(u8, u8)>,
}

impl Frame {
    /// The frame of a pact with this digest.
    pub(super) fn of(pact: &Pact, digest: [u8; 32]) -> Self {
        let (tools, tool_names) = catalogue(pact);
        Self {
            pact: pact.id.as_str().into(),
            version: pact.version.to_string().into(),
            digest,
            tools,
            tool_names,
            zone: TimeZone::get(&pact.evidence.timezone).unwrap_or(TimeZone::UTC),
            business_hours: pact.evidence.business_hours,
        }
    }

    /// The tool with this name on the wire, in whatever normal form it is written. One not listed is external,
    /// irreversible, untrusted, and outside every allow.
    pub fn tool<'a>(&'a self, wire: &'a str) -> ToolRef<'a> {
        let index = self.tool_names.get(normal::name(wire).as_ref()).copied();
        ToolRef { wire, entry: index.and_then(|i| self.tools.get(i as usize)), index }
    }
}

/// The tools, and the places of their names.
fn catalogue(pact: &Pact) -> (Vec<Tool>, HashMap<Box<str>, u32>) {
    let mut names = HashMap::new();
    let mut tools = Vec::new();
    for tool in &pact.tools {
        let at = tools.len() as u32;
        for name in tool.aliases.iter().chain([&tool.name]) {
            names.entry(normal::name(name).into()).or_insert(at);
        }
        tools.push(Tool {
            key: tool.name.as_str().into(),
            action: tool.action.as_deref().map(Arc::from),
            target: tool.target.as_deref().map(Arc::from),
            effect: tool.effect,
            reversible: tool.reversible,
            trusted: tool.results == model::Results::Trusted,
            data: tool.data.iter().copied().collect(),
            server: tool.server.as_deref().map(Arc::from),
        });
    }
    // A key wins over an alias of another tool.
    for (at, tool) in tools.iter().enumerate() {
        names.insert(Box::from(&*tool.key), at as u32);
    }
    (tools, names)
}
