//! What a protocol must offer: claim, read whole, read streamed, refuse.
//!
//! An adapter is a table of pure functions; it holds no state between exchanges and never waits.
//! A new protocol implements [`Adapter`] (and [`StreamReader`] if it streams) in one file.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::error::{Code, ReadError};
use super::listing::Listing;
use super::message::{CallKind, Message, RequestNotes, Role, Unread, Usage};
use super::sse::{Change, Event, Place};
use crate::base::names::Stage;

/// The head of a request, as far as it tells the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path without query.
    pub path: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The `protocol` of the listener; `auto` (or nothing) leaves it to the head.
    pub configured: Option<&'a str>,
}

/// A wire protocol.
pub trait Adapter: std::fmt::Debug + Send + Sync {
    /// Its name in metrics, records and config.
    fn name(&self) -> &'static str;

    /// Whether a request with this head speaks it.
    fn claims(&self, head: &Head<'_>) -> bool;

    /// What the head of a request tells that its body does not, such as a stream that only the path asks for.
    fn head_notes(&self, _head: &Head<'_>) -> RequestNotes {
        RequestNotes::default()
    }

    /// Reads a request body: decoded, UTF-8 (see [`charset`](super::charset)).
    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError>;

    /// Reads a whole answer body; an error body of the upstream is an answer like any other.
    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError>;

    /// Whether its requests say again what was said before in their conversation.
    fn repeats_turns(&self) -> bool {
        true
    }

    /// A reader for the events of one answer's stream.
    fn stream_reader(&self, notes: &RequestNotes) -> Box<dyn StreamReader>;

    /// The answer to a request that never reached the upstream. `notes` is what could be read of it.
    fn refuse_request(&self, refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer;

    /// The answer that stands in for an upstream's answer of which `choices` are refused. The others
    /// stay as they are. A body that cannot be kept in part is replaced whole.
    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], choices: &[u32], notes: &RequestNotes) -> Answer;

    /// What goes up in place of a request that is refused, where it is the upstream that waits for it.
    fn refuse_onward(&self, _refusal: &Refusal<'_>, _notes: &RequestNotes) -> Option<Bytes> {
        None
    }

    /// Whether [`mirror`](Self::mirror) holds this header of a request with a body against it: then it says nothing
    /// that the body does not.
    fn mirrors(&self, _header: &str) -> bool {
        false
    }

    /// Compares what the head of a request repeats of the body that came, and writes it by the body that
    /// goes on.
    fn mirror(&self, _headers: &mut HeaderMap, _before: &[u8], _after: &[u8]) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Reads one answer's stream. It may run ahead of what the client has got: what is let go is told by
/// [`released`](Self::released).
pub trait StreamReader: std::fmt::Debug + Send {
    /// Appends what `event` says to `out`, in the order of its bytes. After an error the stream
    /// cannot be judged further.
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError>;

    /// Notes that an event with these pieces has gone to the client, with these changes.
    fn released(&mut self, event: &Event, pieces: &[Piece], changes: &[Change<'_>]);

    /// Frames that end the stream properly for a client that has got what was `released`: a refusal
    /// for every choice still open, usage if it was asked for, the terminator.
    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes;
}

/// A text that goes on over many events, or stands alone in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// The choice of the answer.
    pub choice: u32,
    /// Whose words.
    pub role: Role,
    /// Tells channels with the same choice and role apart.
    pub number: u32,
    /// Whether the pieces of this channel join to one text. If not, each is a text of its own.
    pub joined: bool,
}

/// One call of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The choice of the answer.
    pub choice: u32,
    /// Its place among the calls of that choice.
    pub index: u32,
}

/// What one event of a stream says. Places are resolved with [`Event::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A piece of text.
    Text {
        /// The text it belongs to.
        channel: Channel,
        /// Where it stands in the event.
        place: Place,
        /// Whether it may be rewritten.
        editable: bool,
    },
    /// A piece of a call; it is held until the choice has ended.
    Call {
        /// The call it belongs to.
        key: CallKey,
        /// How the arguments are to be read.
        kind: CallKind,
        /// The protocol's id.
        id: Option<Place>,
        /// The tool's name, or a piece of it.
        name: Option<Place>,
        /// A piece of the arguments, or a JSON value that is all of them.
        arguments: Option<Place>,
        /// The provider runs it itself: it has happened already.
        executed: bool,
        /// It says again, whole, what earlier pieces said. If it says something else, the stream is
        /// not readable.
        copy: bool,
    },
    /// The text of a channel has ended, before its choice does.
    TextEnd(Channel),
    /// A call that the provider runs is complete.
    CallEnd(CallKey),
    /// The event keeps its place: it overtakes no other and is not overtaken. The reader finds its own
    /// note again when the event is let go.
    InOrder(u64),
    /// The choice is named in this event.
    Choice(u32),
    /// The choice has ended.
    Finish {
        /// The choice.
        choice: u32,
        /// The protocol's own word.
        reason: String,
    },
    /// A JSON value that repeats texts of the choice in another form (token probabilities). When a
    /// text of this event is changed, the value goes: change it to `null`.
    Shadow {
        /// The choice.
        choice: u32,
        /// The value.
        place: Place,
    },
    /// A list of tools, before the texts in it. Its places are those of the event's data.
    Listing(Box<Listing>),
    /// Tokens.
    Usage(Usage),
    /// Something not read.
    Unread(Unread),
    /// The terminator.
    Done,
}

/// Why an exchange is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// What was said breaks a rule.
    Content,
    /// Who may do what.
    Permission,
    /// The bytes could not be read, or were too many.
    Unreadable(Code),
    /// What cannot be inspected may not pass here (media, encrypted, unknown).
    Uninspected(crate::base::names::UnjudgedReason),
    /// We failed, and fail closed; the next attempt may pass.
    Engine,
}

/// A refusal, before it has a shape. It never holds matched text.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Why.
    pub why: Why,
    /// What was refused.
    pub stage: Stage,
    /// The rule that was broken.
    pub predicate: Option<&'a str>,
    /// The pact, as `name@version`.
    pub pact: Option<&'a str>,
    /// The record that explains it.
    pub record: Option<&'a str>,
    /// A fixed word more, such as `approval_unavailable`.
    pub note: Option<&'a str>,
    /// The shape that the route asks for.
    pub block_as: BlockAs,
}

/// The shape of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockAs {
    /// Before the upstream an error, in an answer a refusal.
    #[default]
    Auto,
    /// A refusal in the model's own voice wherever the protocol has one.
    Refusal,
    /// An error everywhere.
    Error,
}

/// A whole answer in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Seconds after which a retry is welcome; `None` means that a retry is pointless.
    pub retry_after: Option<u32>,
}
