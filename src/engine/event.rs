//! One thing to be judged: texts, a tool call or a connection, at one stage.
//!
//! An event borrows all it holds. The texts of one event are judged together: checks that do not look at
//! text (`require`, `set: task`, `bound`) run once an event, text checks once a text.

use crate::base::names::{Lane, Stage};

/// One text of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventText<'a> {
    /// The decoded text.
    pub text: &'a str,
    /// Whether it can be rewritten. Where not, redact turns into block.
    pub editable: bool,
    /// It was judged when it was new: what must be replaced in it is found again, and nothing of it counts.
    pub history: bool,
    /// A value among others, as the members of an object are: short ones side by side are also judged as one.
    pub value: bool,
}

impl<'a> EventText<'a> {
    /// A fresh text that can be rewritten.
    pub const fn new(text: &'a str) -> Self {
        Self { text, editable: true, history: false, value: false }
    }

    /// A fresh text that cannot be rewritten.
    pub const fn fixed(text: &'a str) -> Self {
        Self { text, editable: false, history: false, value: false }
    }
}

/// What stands in the head of a request: the value of a header or of a parameter of the query, or the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadText<'a> {
    /// Where a record says it stands: the header's name, `query` or `path`.
    pub place: &'a str,
    /// The name that goes with it; empty where there is none.
    pub name: &'a str,
    /// The decoded text.
    pub text: &'a str,
}

/// A call of a tool, or the tool whose result is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolEvent<'a> {
    /// The name as it stands on the wire; aliases are resolved by the engine.
    pub name: &'a str,
    /// The server it lives on, where the protocol names one.
    pub server: Option<&'a str>,
    /// The arguments as JSON text; empty where there are none (a result).
    pub arguments: &'a str,
    /// Whether the arguments can be rewritten.
    pub editable: bool,
    /// The provider has already run it: recorded and flagged, never held.
    pub executed: bool,
}

impl<'a> ToolEvent<'a> {
    /// A call that the client will run.
    pub const fn new(name: &'a str, arguments: &'a str) -> Self {
        Self { name, server: None, arguments, editable: true, executed: false }
    }
}

/// Where a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostEvent<'a> {
    /// Name or address literal, without brackets.
    pub name: &'a str,
    /// The port, where known.
    pub port: Option<u16>,
    /// `http`, `https`, …, where known.
    pub scheme: Option<&'a str>,
}

/// Measured quantities. What was not measured is `None` and breaks no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Exchanges of this agent under way, this one included.
    pub open_tasks: Option<u64>,
    /// Milliseconds from the first byte of the request to the last of the answer.
    pub latency_ms: Option<u64>,
    /// Tokens read by the model.
    pub tokens_in: Option<u64>,
    /// Tokens written by the model.
    pub tokens_out: Option<u64>,
    /// Characters of the answer's text.
    pub reply_chars: Option<u64>,
}

/// One thing to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Where in the interaction.
    pub stage: Stage,
    /// Which way the guard that saw it faces.
    pub lane: Lane,
    /// The texts.
    pub texts: &'a [EventText<'a>],
    /// The tool, at `call` and `result`.
    pub tool: Option<ToolEvent<'a>>,
    /// The destination, at `egress`.
    pub host: Option<HostEvent<'a>>,
    /// What was measured.
    pub measures: Measures,
    /// Wall time in microseconds since the Unix epoch; read once an exchange by the caller.
    pub now_us: i64,
}

impl<'a> Event<'a> {
    /// An event with nothing in it yet.
    pub fn new(stage: Stage, lane: Lane, now_us: i64) -> Self {
        Self { stage, lane, texts: &[], tool: None, host: None, measures: Measures::default(), now_us }
    }

    /// With these texts.
    pub fn texts(self, texts: &'a [EventText<'a>]) -> Self {
        Self { texts, ..self }
    }

    /// With this tool.
    pub fn tool(self, tool: ToolEvent<'a>) -> Self {
        Self { tool: Some(tool), ..self }
    }

    /// With this destination.
    pub fn host(self, host: HostEvent<'a>) -> Self {
        Self { host: Some(host), ..self }
    }

    /// With these measures.
    pub fn measures(self, measures: Measures) -> Self {
        Self { measures, ..self }
    }
}
