//! The events of a stream, read by the rows of their kind.

use bytes::Bytes;

use super::read::{Note, Open, Walk, pointed};
use super::table::{Kind, Row, Table, What};
use crate::protocol::adapter::{Piece, Refusal, StreamReader};
use crate::protocol::error::ReadError;
use crate::protocol::events::{data_as_text, line_pieces};
use crate::protocol::findings::Findings;
use crate::protocol::sse::{Change, Event};
use crate::protocol::value::{Value, Values};

/// Texts that are open for the client and would be ended before a refusal.
const GIVEN_MAX: usize = 64;

/// Reads events, and remembers what a proper end needs.
#[derive(Debug)]
pub(super) struct Events {
    table: &'static Table,
    open: Open,
    /// The ids of the texts that have begun for the client, as it got them.
    given: Vec<String>,
    done: bool,
}

impl Events {
    pub(super) fn new(table: &'static Table) -> Self {
        Self { table, open: Open::default(), given: Vec::new(), done: false }
    }

    /// The rows of an event, and its kind where no row knows it.
    fn rows(&self, event: &Event, root: Value<'_, '_>) -> (&'static [Row], Option<String>) {
        let kind = match self.table.kind {
            Kind::Member(name) => root.word_of(name).into_owned(),
            Kind::Name => event.name().unwrap_or_default().to_owned(),
        };
        // `messages|node:uuid`: the graph that speaks stands behind the kind.
        let bare = kind.split('|').next().unwrap_or_default();
        let of = |wanted: &str| self.table.events.iter().find(|(kind, _)| *kind == wanted).map(|(_, rows)| *rows);
        match of(bare).or_else(|| of("")) {
            Some(rows) => (rows, None),
            None => (&[], Some(kind)),
        }
    }

    /// Notes what an event has begun or ended for the client.
    fn note(&mut self, event: &Event, changes: &[Change<'_>], note: u64) {
        let data = event.data_with(changes);
        let Ok(values) = Values::of_piece(&data) else { return };
        let Some(root) = values.root() else { return };
        let rows = self.rows(event, root).0;
        let id = pointed(root, rows, |what| matches!(what, What::Opens | What::Ends)).map(|id| id.word().into_owned());
        let Some(id) = id else { return };
        self.given.retain(|known| *known != id);
        if note == Note::Opened as u64 && self.given.len() < GIVEN_MAX {
            self.given.push(id);
        }
    }
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        let values = if event.data().is_empty() { None } else { Some(Values::of_piece(event.data())?) };
        let Some(root) = values.as_ref().and_then(Values::root) else {
            if event.data().is_empty() {
                return Ok(());
            }
            let last = self.table.events.iter().find(|(kind, _)| Some(*kind) == event.name());
            if last.is_some_and(|(_, rows)| rows.iter().any(|(_, what)| matches!(what, What::Last))) {
                out.push(Piece::Finish { choice: 0, reason: String::new() });
            }
            return data_as_text(event, out);
        };
        let (rows, unknown) = self.rows(event, root);
        let mut f = Findings::new(self.table.words, 0);
        let mut walk = Walk::of_event(&mut f, &mut self.open, unknown.as_deref());
        walk.value(root, rows, root)?;
        let (before, after, note, last) = (walk.before, walk.after, walk.note, walk.last);
        out.extend(before);
        f.pieces(out);
        out.extend(after);
        if last {
            out.push(Piece::Finish { choice: 0, reason: root.word_of("type").into_owned() });
        }
        out.push(Piece::InOrder(note as u64));
        Ok(())
    }

    fn released(&mut self, event: &Event, pieces: &[Piece], changes: &[Change<'_>]) {
        for piece in pieces {
            match piece {
                Piece::InOrder(note) if *note != Note::Nothing as u64 => self.note(event, changes, *note),
                Piece::Finish { .. } => self.done = true,
                _ => {}
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        let open: Vec<&str> = self.given.iter().map(String::as_str).collect();
        Bytes::from((self.table.end)(refusal, &open))
    }
}
