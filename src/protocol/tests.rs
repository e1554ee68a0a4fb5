//! The folder as a whole: golden wire files, and recorded traffic where it is at hand.

#[cfg(feature = "guard")]
mod traffic;
mod wire;

use std::fmt::Write as _;

use super::{Adapter, Message, Piece, RequestNotes, leaves};
use crate::protocol::lines::Cutter;
use crate::protocol::sse::{Event, Framer};

/// Every event of a stream.
fn events(bytes: &[u8]) -> Vec<Event> {
    all(Cutter::Events(Framer::new(8 << 20)), bytes)
}

/// Everything that is cut from a stream.
fn all(mut cutter: Cutter, bytes: &[u8]) -> Vec<Event> {
    cutter.push(bytes);
    let mut out = Vec::new();
    while let Some(event) = cutter.finish().unwrap() {
        out.push(event);
    }
    out
}

/// What a message says, a line a fact.
fn told(message: &Message<'_>) -> String {
    let mut out = String::new();
    writeln!(
        out,
        "model={:?} streaming={} include_usage={} choices={} usage={:?}",
        message.model,
        message.streaming,
        message.include_usage,
        message.choices,
        message.usage.map(|u| (u.input, u.output))
    )
    .unwrap();
    for part in &message.parts {
        let age = if part.fresh { "fresh" } else { "old" };
        let fixed = if part.editable { "" } else { " fixed" };
        let choice = if part.choice == super::NO_CHOICE { "-".to_owned() } else { part.choice.to_string() };
        writeln!(out, "{:?} {choice} {age}{fixed}: {:?}", part.role, part.text.as_str()).unwrap();
    }
    for call in &message.calls {
        let age = if call.fresh { "fresh" } else { "old" };
        let id = call.id.as_ref().map(super::Text::as_str);
        let at = (call.choice, call.index);
        writeln!(out, "call {at:?} {:?} {age} {id:?} {:?}: {:?}", call.kind, call.name.as_str(), call.arguments.as_str())
            .unwrap();
        for leaf in leaves(&call.arguments).unwrap_or_default() {
            let fixed = if leaf.editable { "" } else { " fixed" };
            writeln!(out, "  leaf {}{fixed}: {:?}", leaf.layer, leaf.text.as_str()).unwrap();
        }
    }
    for finish in &message.finish {
        writeln!(out, "finish {}: {}", finish.choice, finish.reason).unwrap();
    }
    for unread in &message.unread {
        writeln!(out, "unread {}: {}", unread.what, unread.reason).unwrap();
    }
    writeln!(out, "shadows: {}", message.shadows.len()).unwrap();
    out
}

/// The events of a stream with their pieces.
fn pieces(adapter: &dyn Adapter, notes: &RequestNotes, bytes: &[u8]) -> Vec<(Event, Vec<Piece>)> {
    read(adapter, notes, events(bytes))
}

/// Events with their pieces.
fn read(adapter: &dyn Adapter, notes: &RequestNotes, events: Vec<Event>) -> Vec<(Event, Vec<Piece>)> {
    let mut reader = adapter.stream_reader(notes);
    let read = |event: Event| {
        let mut out = Vec::new();
        reader.read(&event, &mut out).unwrap();
        reader.released(&event, &out, &[]);
        (event, out)
    };
    events.into_iter().map(read).collect()
}
