//! What was said, in no protocol's own words: parts of text, calls, and what nobody can read.
//!
//! An adapter fills a [`Message`]; whoever judges sees nothing else. Promise of every adapter: each
//! string of a body is in a part, in a call or (media) in `unread`; nothing passes unread in silence.

use super::listing::Listing;
use super::text::{Edit, Text};
use crate::base::names::UnjudgedReason;

/// Whose words a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// System or developer text.
    System,
    /// The user's or caller's text.
    User,
    /// The model's or agent's answer.
    Assistant,
    /// Its reasoning.
    Reasoning,
    /// Its own refusal.
    Refusal,
    /// What a tool returned.
    ToolResult,
    /// What a tool says of itself: name, description, schema.
    ToolDefinition,
    /// Any other string: names, metadata, unknown fields, object keys.
    Other,
}

/// A text and what is known of it.
#[derive(Clone, Debug)]
pub struct Part<'b> {
    /// Whose words.
    pub role: Role,
    /// The words.
    pub text: Text<'b>,
    /// Whether this is new in the exchange. History (turns up to the last answered one) is not.
    pub fresh: bool,
    /// The choice of an answer, [`NO_CHOICE`] for what stands outside of all; 0 in requests.
    pub choice: u32,
    /// Whether it may be rewritten. Keys, numbers, signed parts and transcoded bodies may not.
    pub editable: bool,
    /// Whether it is a value among others, as the members of an object are. Keys and numbers are not.
    pub value: bool,
}

/// How a call's arguments are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// The arguments are a JSON text.
    Function,
    /// The same, in the older form that has one call a choice and no index.
    Legacy,
    /// The arguments are free text.
    Custom,
}

/// A tool call.
#[derive(Clone, Debug)]
pub struct Call<'b> {
    /// The choice of an answer; 0 in requests.
    pub choice: u32,
    /// Its place among the calls of that choice.
    pub index: u32,
    /// How the arguments are to be read.
    pub kind: CallKind,
    /// The protocol's id of the call.
    pub id: Option<Text<'b>>,
    /// The tool's name on the wire.
    pub name: Text<'b>,
    /// The arguments. Functions hold JSON: see [`leaves`](super::leaves::leaves).
    pub arguments: Text<'b>,
    /// Whether the call is new in the exchange; those of earlier turns are not.
    pub fresh: bool,
    /// Whether the provider has already run it.
    pub executed: bool,
}

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
}

/// How a choice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The choice.
    pub choice: u32,
    /// The protocol's own word.
    pub reason: String,
}

/// Something that no detector of this build reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What it was, in a closed word.
    pub what: &'static str,
    /// Why.
    pub reason: UnjudgedReason,
}

/// A call of JSON-RPC, as far as its answer needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rpc {
    /// The id as it is written; empty where there is none.
    pub id: String,
    /// The method; empty for a message that answers.
    pub method: String,
    /// The protocol version that the message tells of itself.
    pub version: Option<String>,
}

/// One body, read.
#[derive(Clone, Debug, Default)]
pub struct Message<'b> {
    /// Texts in the order of the body.
    pub parts: Vec<Part<'b>>,
    /// Calls in the order of the body.
    pub calls: Vec<Call<'b>>,
    /// The model that was asked or has answered.
    pub model: Option<String>,
    /// A request for a stream.
    pub streaming: bool,
    /// A request for a usage chunk at the end of the stream.
    pub include_usage: bool,
    /// Choices asked for, or given.
    pub choices: u32,
    /// Tokens.
    pub usage: Option<Usage>,
    /// How the choices ended.
    pub finish: Vec<Finish>,
    /// What was not read.
    pub unread: Vec<Unread>,
    /// Values that repeat texts in another form.
    pub shadows: Vec<Shadow>,
    /// A list of tools; the choice of a text in it is the number of its tool.
    pub listing: Option<Listing>,
    /// The call of JSON-RPC that a request is.
    pub rpc: Option<Rpc>,
    /// Nothing of the body may be changed: it is signed by protocol.
    pub fixed: bool,
    /// The conversation that a request belongs to, as its caller names it.
    pub conversation: Option<String>,
    /// The task that a request goes on with, as its caller names it.
    pub task: Option<String>,
}

/// A JSON value that repeats texts of a choice in another form (token probabilities).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The choice.
    pub choice: u32,
    /// The value in the body.
    pub at: std::ops::Range<usize>,
}

/// The choice of a text that belongs to an answer as a whole.
pub const NO_CHOICE: u32 = u32::MAX;

impl Message<'_> {
    /// What must go with an edit of the choice's texts: the values that repeat them become `null`.
    pub fn shadow_edits(&self, choice: u32) -> impl Iterator<Item = Edit> + '_ {
        let of_it = self.shadows.iter().filter(move |shadow| shadow.choice == choice);
        of_it.map(|shadow| Edit { at: shadow.at.clone(), with: "null".to_owned() })
    }

    /// What the answer's side needs to know of this request.
    pub fn notes(&self) -> RequestNotes {
        RequestNotes {
            streaming: self.streaming,
            include_usage: self.include_usage,
            choices: self.choices.max(1),
            model: self.model.clone(),
            rpc: self.rpc.clone(),
            conversation: self.conversation.clone(),
            task: self.task.clone(),
        }
    }
}

/// What is kept of a request until its answer has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestNotes {
    /// The client waits for a stream.
    pub streaming: bool,
    /// The client waits for a usage chunk.
    pub include_usage: bool,
    /// Choices asked for.
    pub choices: u32,
    /// The model asked for.
    pub model: Option<String>,
    /// The call of JSON-RPC that the request is.
    pub rpc: Option<Rpc>,
    /// The conversation that the request belongs to.
    pub conversation: Option<String>,
    /// The task that the request goes on with.
    pub task: Option<String>,
}

impl RequestNotes {
    /// Adds what the head alone tells; what the body tells counts before it.
    #[must_use]
    pub fn beside(self, head: Self) -> Self {
        Self {
            streaming: self.streaming || head.streaming,
            model: self.model.or(head.model),
            rpc: self.rpc.or(head.rpc),
            conversation: self.conversation.or(head.conversation),
            task: self.task.or(head.task),
            ..self
        }
    }
}
