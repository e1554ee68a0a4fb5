//! The chunks of a streamed answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::answer::{Body, Choice};
use super::refuse::{self, Envelope, LastUsage};
use super::speech::{Arguments, Found};
use crate::base::limits::STREAM_CHANNELS_MAX;
use crate::protocol::adapter::{CallKey, Channel, Piece, Refusal, StreamReader};
use crate::protocol::error::{Code, ReadError};
use crate::protocol::events::{line_pieces, text_piece};
use crate::protocol::json::{Reader, Str, Token};
use crate::protocol::message::{NO_CHOICE, RequestNotes, Role, Unread, Usage};
use crate::protocol::sse::{Change, Event, Place, Within};
use crate::protocol::tree::{self, Leaf};

/// Bytes of an envelope field that are kept to be said again in a refusal.
const REMEMBERED_MAX: usize = 256;

/// Events at the start of a stream in which an envelope is looked for.
const LOOKED_MAX: u8 = 8;

/// Reads chunks, and remembers what a proper end needs.
#[derive(Debug)]
pub(super) struct Chunks {
    notes: RequestNotes,
    /// As the client got it.
    envelope: Envelope,
    /// How many events were searched for it.
    looked: u8,
    /// The choices that the client knows of, and whether it has seen their end.
    given: BTreeMap<u32, bool>,
    /// The choices that any chunk has named.
    seen: BTreeSet<u32>,
    usage: Option<Usage>,
    usage_given: bool,
    done: bool,
}

impl Chunks {
    pub(super) fn new(notes: &RequestNotes) -> Self {
        Self {
            notes: notes.clone(),
            envelope: Envelope { model: notes.model.clone().unwrap_or_default(), ..Envelope::default() },
            looked: 0,
            given: BTreeMap::new(),
            seen: BTreeSet::new(),
            usage: None,
            usage_given: false,
            done: false,
        }
    }

    fn chunk(&mut self, reader: &mut Reader<'_>, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        let body = Body::read(reader)?;
        // Judged in every chunk, though they repeat: what is found in one must be replaced in all.
        for at in body.id.iter().chain(&body.model) {
            out.extend(text_piece(alone(NO_CHOICE), at, true));
        }
        for leaf in &body.other {
            out.extend(text_piece(alone(NO_CHOICE), &leaf.at, leaf.value));
        }
        for choice in body.choices {
            if !self.seen.contains(&choice.index) && self.seen.len() >= STREAM_CHANNELS_MAX {
                return Err(ReadError::new(Code::TooManyChannels, choice.whole.start));
            }
            self.seen.insert(choice.index);
            choice_pieces(reader, choice, out);
        }
        if let Some(usage) = body.usage {
            self.usage = Some(usage);
            out.push(Piece::Usage(usage));
        }
        Ok(())
    }
}

impl Chunks {
    /// Keeps what every chunk repeats, as the client got it.
    fn remember(&mut self, data: &[u8]) {
        let Ok(mut reader) = Reader::of_piece(data) else { return };
        if reader.next() != Ok(Token::Object) {
            return;
        }
        let Ok(body) = Body::read(&mut reader) else { return };
        for (at, kept) in [(&body.id, &mut self.envelope.id), (&body.model, &mut self.envelope.model)] {
            if let Some(at) = at.as_ref().filter(|at| at.at.len() <= REMEMBERED_MAX) {
                *kept = reader.decoded(at).into_owned();
            }
        }
        if let Some(at) = &body.created {
            reader.number(at).clone_into(&mut self.envelope.created);
        }
    }
}

fn choice_pieces(reader: &Reader<'_>, choice: Choice, out: &mut Vec<Piece>) {
    let number = choice.index;
    out.push(Piece::Choice(number));
    if let Some(at) = choice.speech.role.filter(|at| reader.raw(at) != "assistant") {
        out.extend(text_piece(alone(number), &at, true));
    }
    for found in choice.speech.found {
        match found {
            Found::Content(at) => {
                let channel = Channel { choice: number, role: Role::Assistant, number: 0, joined: true };
                out.extend(text_piece(channel, &at, true));
            }
            Found::Text { role, at, path, value } => {
                let channel = Channel { choice: number, role, number: path, joined: value };
                out.extend(text_piece(channel, &at, value));
                if role == Role::Other && value {
                    // Nobody knows whether an unknown field goes on or begins anew in each chunk.
                    out.extend(text_piece(alone(number), &at, true));
                }
            }
            Found::Unread(what, reason) => out.push(Piece::Unread(Unread { what, reason })),
            Found::Call { index, kind, id, name, arguments } => {
                out.extend(id.as_ref().and_then(|at| text_piece(alone(number), at, true)));
                out.push(Piece::Call {
                    key: CallKey { choice: number, index },
                    kind,
                    id: id.map(json_place),
                    name: name.map(json_place),
                    arguments: arguments.map(|arguments| match arguments {
                        Arguments::String(at) => json_place(at),
                        Arguments::Value(at) => Place { at, within: Within::Value },
                    }),
                    executed: false,
                    copy: false,
                });
            }
        }
    }
    for Leaf { at, path, value, .. } in choice.other {
        let channel = Channel { choice: number, role: Role::Other, number: path, joined: false };
        out.extend(text_piece(channel, &at, value));
    }
    if let Some(at) = choice.shadow {
        out.push(Piece::Shadow { choice: number, place: Place { at, within: Within::Value } });
    }
    if let Some(at) = choice.finish {
        out.push(Piece::Finish { choice: number, reason: reader.decoded(&at).into_owned() });
    }
}

fn alone(choice: u32) -> Channel {
    Channel { choice, role: Role::Other, number: 0, joined: false }
}

fn json_place(at: Str) -> Place {
    Place { at: at.at, within: Within::Json }
}

impl StreamReader for Chunks {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        if let Some(rest) = event.data().strip_prefix(b"[DONE]") {
            out.push(Piece::Done);
            let at = event.data().len() - rest.len()..event.data().len();
            out.extend(text_piece(alone(NO_CHOICE), &Str { at: at.clone(), escaped: false }, true).map(|piece| match piece {
                Piece::Text { channel, editable, .. } => {
                    Piece::Text { channel, place: Place { at, within: Within::Data }, editable }
                }
                other => other,
            }));
            return Ok(());
        }
        let mut reader = Reader::of_piece(event.data())?;
        match reader.next()? {
            Token::Object => self.chunk(&mut reader, out),
            other => {
                tree::each(&mut reader, other, 0, &mut |_, leaf| {
                    out.extend(text_piece(alone(NO_CHOICE), &leaf.at, leaf.value));
                    Ok(())
                })?;
                reader.finish()
            }
        }
    }

    fn released(&mut self, event: &Event, pieces: &[Piece], changes: &[Change<'_>]) {
        if self.envelope.id.is_empty() && self.looked < LOOKED_MAX && !event.data().is_empty() {
            self.looked += 1;
            self.remember(&event.data_with(changes));
        }
        for piece in pieces {
            match piece {
                Piece::Choice(choice) => {
                    self.given.entry(*choice).or_default();
                }
                Piece::Finish { choice, .. } => *self.given.entry(*choice).or_default() = true,
                Piece::Usage(_) => self.usage_given = true,
                Piece::Done => self.done = true,
                _ => {}
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if self.done {
            return Bytes::new();
        }
        self.done = true;
        let mut open: BTreeMap<u32, bool> = (0..self.notes.choices.clamp(1, 128)).map(|choice| (choice, false)).collect();
        open.extend(self.seen.iter().map(|choice| (*choice, false)));
        open.extend(self.given.keys().map(|choice| (*choice, true)));
        open.retain(|choice, _| !self.given.get(choice).is_some_and(|finished| *finished));
        let usage = match (self.notes.include_usage && !self.usage_given, self.usage) {
            (false, _) => LastUsage::No,
            (true, None) => LastUsage::Unknown,
            (true, Some(usage)) => LastUsage::Known(usage),
        };
        refuse::stream_end(refusal, &self.envelope, &open, usage)
    }
}
