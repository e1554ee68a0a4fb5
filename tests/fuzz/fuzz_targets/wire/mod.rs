//! What every adapter promises of any bytes: it reads them or says why not; what it says it read is there; an event
//! that nobody changed is written as it came; a stream is read alike however it was cut.

use http::{HeaderMap, Method};
use servanda::base::names::Stage;
use servanda::protocol::lines::Cutter;
use servanda::protocol::{Adapter, BlockAs, Head, Message, Piece, Refusal, RequestNotes, Why, claim, leaves, patch};

/// The adapter that speaks at a path.
pub fn at(path: &str) -> &'static dyn Adapter {
    claim(&Head { method: &Method::POST, path, headers: &HeaderMap::new(), configured: None })
}

fn refusal<'a>(block_as: BlockAs) -> Refusal<'a> {
    let (predicate, pact) = (Some("p"), Some("a@1"));
    Refusal { why: Why::Content, stage: Stage::Response, predicate, pact, record: Some("r"), note: None, block_as }
}

/// Every part and call has its text, and an edit of each leaves the body readable.
fn told(message: &Message<'_>, body: &[u8], again: impl Fn(&[u8]) -> bool) {
    let mut edits = Vec::new();
    for part in &message.parts {
        let text = part.text.as_str();
        if part.editable && !message.fixed {
            edits.extend(part.text.edit(0..text.len(), "x"));
        }
    }
    for call in &message.calls {
        let _ = leaves(&call.arguments);
    }
    assert!(again(&patch(body, &edits)), "an edited body is no body any more");
}

/// A body, both ways, and what is said in its place.
pub fn bodies(adapter: &dyn Adapter, body: &[u8]) {
    let mut notes = RequestNotes::default();
    if let Ok(message) = adapter.read_request(body) {
        notes = message.notes();
        told(&message, body, |after| adapter.read_request(after).is_ok());
    }
    if let Ok(message) = adapter.read_answer(body) {
        told(&message, body, |after| adapter.read_answer(after).is_ok());
    }
    for block_as in [BlockAs::Auto, BlockAs::Refusal, BlockAs::Error] {
        assert!(!adapter.refuse_request(&refusal(block_as), &notes).body.is_empty());
        adapter.refuse_answer(&refusal(block_as), body, &[0], &notes);
    }
}

/// The pieces of a stream, event by event, up to the first that cannot be read; and its end.
fn stream(adapter: &dyn Adapter, mut cutter: Cutter, bytes: &[u8], step: usize) -> (Vec<(Vec<u8>, Vec<Piece>)>, Vec<u8>) {
    let mut reader = adapter.stream_reader(&RequestNotes::default());
    let (mut out, mut failed) = (Vec::new(), false);
    let mut take = |event: servanda::protocol::sse::Event, out: &mut Vec<(Vec<u8>, Vec<Piece>)>| {
        let mut pieces = Vec::new();
        let read = reader.read(&event, &mut pieces);
        for piece in &pieces {
            if let Piece::Text { place, .. } = piece {
                let _ = event.text(place).as_str();
            }
        }
        assert_eq!(event.rewrite(&[]), event.raw());
        reader.released(&event, &pieces, &[]);
        out.push((event.raw().to_vec(), pieces));
        read.is_err()
    };
    'cut: {
        for chunk in bytes.chunks(step.max(1)) {
            cutter.push(chunk);
            loop {
                match cutter.next() {
                    Ok(Some(event)) => failed |= take(event, &mut out),
                    Ok(None) => break,
                    Err(_) => break 'cut,
                }
                if failed {
                    break 'cut;
                }
            }
        }
        while let Ok(Some(event)) = cutter.finish() {
            if take(event, &mut out) {
                break;
            }
        }
    }
    (out, reader.refuse(&refusal(BlockAs::Auto)).to_vec())
}

/// A stream in one piece and in many.
pub fn streams(adapter: &dyn Adapter, cutter: impl Fn() -> Cutter, bytes: &[u8], step: u8) {
    let whole = stream(adapter, cutter(), bytes, bytes.len());
    let pieces = stream(adapter, cutter(), bytes, usize::from(step));
    assert_eq!(whole, pieces, "cuts decide");
}
