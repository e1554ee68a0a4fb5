//! Pieces of an event that every protocol has alike: the lines beside the data.

use super::adapter::{Channel, Piece};
use super::error::{Code, ReadError};
use super::json::{Reader, Str};
use super::message::{NO_CHOICE, Role};
use super::sse::{Event, Field, Place, Within};
use super::tree;

/// A piece for a JSON string, unless it is empty.
pub(super) fn text_piece(channel: Channel, at: &Str, editable: bool) -> Option<Piece> {
    let place = Place { at: at.at.clone(), within: Within::Json };
    (!at.at.is_empty()).then_some(Piece::Text { channel, place, editable })
}

/// Comments, names, ids and unknown fields as texts of their own: a client may show them.
///
/// # Errors
/// A line is not UTF-8; or one that is no field has escapes: it may be JSON to a client that does not look
/// at the content type, and what it would read there is not what we would.
pub(super) fn line_pieces(event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
    for line in event.lines() {
        let value = event.raw().get(line.value.clone()).unwrap_or_default();
        let telling = match line.field {
            Field::Data => false,
            Field::Retry => !value.iter().all(u8::is_ascii_digit) || value.len() >= 9,
            Field::Event | Field::Id | Field::Comment | Field::Unknown => !value.is_empty(),
        };
        if !telling {
            continue;
        }
        if std::str::from_utf8(value).is_err() {
            return Err(ReadError::new(Code::InvalidUtf8, line.value.start));
        }
        if line.field == Field::Unknown && memchr::memmem::find(value, b"\\u").is_some() {
            return Err(ReadError::new(Code::InvalidJson, line.value.start));
        }
        let channel = Channel { choice: NO_CHOICE, role: Role::Other, number: 0, joined: false };
        let place = Place { at: line.value.clone(), within: Within::Line };
        out.push(Piece::Text { channel, place, editable: true });
    }
    Ok(())
}

/// The data of an event that is no object: every string of it, or the whole as a text.
pub(super) fn data_as_text(event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
    let channel = Channel { choice: NO_CHOICE, role: Role::Other, number: 0, joined: false };
    let mut reader = Reader::of_piece(event.data())?;
    let first = reader.next()?;
    tree::each(&mut reader, first, 0, &mut |_, leaf| {
        out.extend(text_piece(channel, &leaf.at, leaf.value));
        Ok(())
    })?;
    reader.finish()
}
