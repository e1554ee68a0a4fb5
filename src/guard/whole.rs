//! Bodies judged whole, both ways: collected under the ceiling, their coding undone, read, judged.
//!
//! The original bytes are what is forwarded when nothing changed; what changed goes on decoded and patched,
//! so that the bytes that were judged are the bytes that are read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;

use super::budget::Lease;
use super::exchange::Exchange;
use super::headers;
use super::history::History;
use super::message::{self, Ruling, Side};
use crate::base::names::UnjudgedReason;
use crate::protocol::charset::{self, Transcoded};
use crate::protocol::encoding::{self, Ceiling, Coding};
use crate::protocol::sniff::hidden;
use crate::protocol::{
    Adapter, Code, Edit, Message, ReadError, RequestNotes, Role, Shape, Why, form, generic, multipart, patch, sniff,
};

/// What came of collecting a body.
pub(crate) enum Collected<B: Body> {
    /// All of it.
    Whole(Bytes),
    /// It is larger than it may be; what was taken so far, and the rest.
    TooLarge(VecDeque<Bytes>, Pin<Box<B>>),
    /// The process has no room for it now.
    NoRoom(VecDeque<Bytes>, Pin<Box<B>>),
    /// Its sender failed.
    Failed(B::Error),
}

/// Collects a body of at most `max` bytes, with room taken from `lease` as it grows. `first` is what was
/// taken from it before. Trailers are dropped: nobody judges them.
pub(crate) async fn collect<B: Body<Data = Bytes>>(
    first: VecDeque<Bytes>,
    mut body: Pin<Box<B>>,
    max: usize,
    lease: &mut Lease,
) -> Collected<B> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max {
        return Collected::TooLarge(first, body);
    }
    let length = first.iter().map(Bytes::len).sum();
    if !lease.grow(length) {
        return Collected::NoRoom(first, body);
    }
    let mut taken = Taken::of(first, length + announced);
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Collected::Failed(error),
        };
        let Ok(chunk) = frame.into_data() else { continue };
        let room = lease.grow(chunk.len());
        taken.add(chunk);
        if taken.len() > max {
            return Collected::TooLarge([taken.into()].into(), body);
        }
        if !room {
            return Collected::NoRoom([taken.into()].into(), body);
        }
    }
    Collected::Whole(taken.into())
}

/// What was taken of a body: its one chunk as it came, or a copy of all. A chunk that was copied is let go at
/// once, so that a body is never held twice.
struct Taken {
    one: Bytes,
    all: BytesMut,
    announced: usize,
}

impl Taken {
    fn of(first: VecDeque<Bytes>, announced: usize) -> Self {
        let mut taken = Self { one: Bytes::new(), all: BytesMut::new(), announced };
        for chunk in first {
            taken.add(chunk);
        }
        taken
    }

    fn add(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.one = chunk;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve(self.announced.max(self.one.len() + chunk.len()));
            self.all.extend_from_slice(&std::mem::take(&mut self.one));
        }
        self.all.extend_from_slice(&chunk);
    }

    fn len(&self) -> usize {
        self.one.len() + self.all.len()
    }
}

impl From<Taken> for Bytes {
    fn from(taken: Taken) -> Self {
        if taken.all.is_empty() { taken.one } else { taken.all.freeze() }
    }
}

/// The first chunk of a body, enough to see what it is.
pub(crate) async fn peek<B: Body<Data = Bytes>>(body: &mut Pin<Box<B>>) -> Result<VecDeque<Bytes>, B::Error> {
    let mut first = VecDeque::new();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame?.into_data()
            && !chunk.is_empty()
        {
            first.push_back(chunk);
            break;
        }
    }
    Ok(first)
}

/// What a whole body came to.
pub(crate) struct Judged {
    /// The body to forward in place of the original, where it was changed.
    pub(crate) changed: Option<Bytes>,
    /// What was decided.
    pub(crate) ruling: Ruling,
    /// What is known of the request.
    pub(crate) notes: RequestNotes,
    /// The body as it was read, for a refusal that keeps parts of it.
    pub(crate) decoded: Bytes,
}

/// Undoes the coding of a whole body. The original where there is none.
pub(crate) fn decode(headers: &HeaderMap, body: &Bytes, max: usize, lease: &mut Lease) -> Result<Bytes, ReadError> {
    let Some(coding) = encoding::coding(headers)? else { return Ok(body.clone()) };
    let decoded = encoding::decode(coding, body, Ceiling::of(max))?;
    if !lease.grow(decoded.len()) {
        return Err(ReadError::new(Code::BodyTooLarge, max));
    }
    Ok(decoded.into())
}

/// The coding of a stream, which is undone piece by piece; its events have ceilings of their own.
pub(crate) fn stream_decoder(headers: &HeaderMap) -> Result<Option<encoding::Decoder>, ReadError> {
    let coding: Option<Coding> = encoding::coding(headers)?;
    coding.map(|coding| encoding::Decoder::new(coding, Ceiling::of(usize::MAX))).transpose()
}

/// Reads and judges a decoded body.
///
/// # Errors
/// The body could not be read. The caller decides by mode and table what that means.
pub(crate) fn judge(
    exchange: &mut Exchange,
    adapter: &dyn Adapter,
    side: Side,
    headers: &HeaderMap,
    decoded: Bytes,
) -> Result<Judged, ReadError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let boundary = content_type.map(multipart::boundary).transpose()?.flatten();
    let text = if boundary.is_some() {
        // Its parts are told apart before anybody asks what they are.
        Some(Transcoded { body: Cow::Borrowed(&decoded[..]), editable: false })
    } else if charset::is_wide(content_type, &decoded) || sniff(content_type, &decoded) != Shape::Binary {
        Some(charset::to_utf8(content_type, &decoded)?)
    } else {
        None
    };
    let shape = text.as_ref().map_or(Shape::Binary, |text| sniff(content_type, &text.body));
    let Some(text) = text.filter(|_| shape != Shape::Binary || boundary.is_some()) else {
        if let Some(code) = hidden(content_type, &decoded) {
            return Err(ReadError::new(code, 0));
        }
        let refused = exchange.unread(message::stage_of(side), Why::Uninspected(UnjudgedReason::Media), "body");
        let ruling = Ruling::unread(refused);
        return Ok(Judged { changed: None, ruling, notes: RequestNotes::default(), decoded });
    };
    let editable = text.editable && !headers::body_is_signed(headers);
    let role = if side == Side::Request { Role::User } else { Role::Assistant };
    let message = match boundary {
        Some(boundary) => multipart::read(&text.body, &boundary, role)?,
        None => read(adapter, side, shape, is_form(content_type), &text.body)?,
    };
    if let Some(usage) = message.usage {
        exchange.usage(usage);
    }
    if let Some(model) = &message.model {
        exchange.model(model);
    }
    if let Some(conversation) = message.conversation.as_deref().filter(|_| side == Side::Request) {
        exchange.converse(conversation);
    }
    let editable = editable && !message.fixed;
    let history = if side == Side::Request && adapter.repeats_turns() {
        History::read(exchange, &message, headers, editable)
    } else {
        History::default()
    };
    let ruling = message::judge(exchange, &message, &text.body, side, editable, history);
    let changed = (!ruling.edits.is_empty() && editable).then(|| changed(&text.body, &ruling.edits));
    let notes = message.notes();
    drop(message);
    let shown = match text.body {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(Bytes::from(text)),
    };
    Ok(Judged { changed, ruling, notes, decoded: shown.unwrap_or(decoded) })
}

/// Reads a text by what it is. A body that is not JSON is text, whatever protocol its path belongs to; of
/// none there is nothing to read.
fn read<'b>(adapter: &dyn Adapter, side: Side, shape: Shape, form: bool, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
    let role = if side == Side::Request { Role::User } else { Role::Assistant };
    if form && shape != Shape::Json {
        return form::read(body, role);
    }
    let adapter: &dyn Adapter = if matches!(shape, Shape::Text | Shape::Empty) { &generic::Generic } else { adapter };
    let mut message = match side {
        Side::Request => adapter.read_request(body)?,
        Side::Answer => adapter.read_answer(body)?,
    };
    // JSON under the type of a form is what command lines send unasked; who reads a form there finds this.
    if form && let Ok(beside) = form::read(body, role) {
        message.parts.extend(beside.parts);
    }
    Ok(message)
}

fn is_form(content_type: Option<&str>) -> bool {
    let mime = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    mime.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn changed(body: &[u8], edits: &[Edit]) -> Bytes {
    patch(body, edits).into()
}

/// Whether a message says that it has no body, or has none.
pub(crate) fn is_empty<B: Body>(headers: &HeaderMap, body: &B) -> bool {
    body.is_end_stream() || (body.size_hint().exact() == Some(0) && headers.get(CONTENT_LENGTH).is_none_or(|v| v == "0"))
}
