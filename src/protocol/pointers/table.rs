//! The words in which a table is written.

use serde_json::Value as Json;

use crate::protocol::adapter::Refusal;
use crate::protocol::message::Role;

/// A protocol.
pub(crate) struct Table {
    /// Its name in metrics and records.
    pub name: &'static str,
    /// Its word in the config.
    pub word: &'static str,
    /// Ends of paths at which it is spoken. A `*` stands for one segment.
    pub paths: &'static [&'static str],
    /// The words of the protocol, sorted: names of its fields, values of its closed fields.
    pub words: &'static [&'static str],
    /// Where a request names its conversation: in this member, or in the segment of the path behind this one.
    pub conversation: &'static str,
    pub conversation_behind: &'static str,
    /// What stands in a request, and in a whole answer.
    pub request: &'static [Row],
    pub answer: &'static [Row],
    /// Where an event tells its kind.
    pub kind: Kind,
    /// What stands in the events of a kind; `""` is every kind that is not listed.
    pub events: &'static [(&'static str, &'static [Row])],
    /// The frames that end a stream, given the texts that are open for the client.
    pub end: fn(&Refusal<'_>, open: &[&str]) -> String,
    /// The answer in place of a whole one, where the protocol has a shape for it.
    pub refused: Option<fn(&Refusal<'_>) -> Json>,
}

/// A pointer (segments of names with `|` between spellings, `*` for every item; `""` is the whole) and what stands there.
pub(crate) type Row = (&'static str, What);

/// Where an event tells its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// In this member of its data.
    Member(&'static str),
    /// As the name of the event.
    Name,
}

/// What stands at a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// A text, or every string in it.
    Say(Role),
    /// A piece of a text that goes on in other events with the same value in the member beside it.
    Piece(Role, &'static str),
    /// The same where the piece may also be the whole: each is judged by itself too.
    Both(Role, &'static str),
    /// A list of turns, as chats have them.
    Turns,
    /// A call, or a piece of one.
    Call(&'static CallNames),
    /// Media in base64.
    Media,
    /// The id of a text that begins for the client.
    Opens,
    /// The id of a text that has ended.
    Ends,
    /// The id of a call that is complete.
    CallEnds,
    /// The stream says no more.
    Last,
}

/// The members of a call.
#[derive(Debug)]
pub(crate) struct CallNames {
    pub id: &'static str,
    pub name: &'static str,
    pub arguments: &'static str,
    /// Whoever answers has run it already, and it is complete.
    pub executed: bool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.name)
    }
}
