//! Golden files: `tests/wire/<adapter>/<case>/{request.json, response.json, stream.sse, stream.frames}`, beside each
//! what is read of it (`.read`) and what is written when the planted card is redacted (`.wrote`).
//! `SERVANDA_BLESS=1` writes the goldens anew; look at the difference before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{events, pieces, told};
use crate::protocol::ADAPTERS;
use crate::protocol::adapter::{Channel, Piece};
use crate::protocol::frames::Frames;
use crate::protocol::lines::Cutter;
use crate::protocol::sse::{Change, Event, Framer, Place};
use crate::protocol::{Adapter, Edit, Message, RequestNotes, Text, leaves, patch};

/// The planted text. It is a test number that no bank has given out.
const CARD: &str = "4000 0012 3456 7899";
const LABEL: &str = "[pii.payment_card]";

fn bless(path: &Path, wanted: &[u8]) {
    if std::env::var_os("SERVANDA_BLESS").is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    let golden = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(wanted);
    assert_eq!(String::from_utf8_lossy(&golden), text, "{} differs; SERVANDA_BLESS=1 writes it anew", path.display());
}

/// Edits that put the label where the card is.
fn edits_of(text: &Text<'_>, editable: bool) -> Vec<Edit> {
    let found = text.as_str().match_indices(CARD);
    found.filter(|_| editable).filter_map(|(at, _)| text.edit(at..at + CARD.len(), LABEL)).collect()
}

fn redacted(message: &Message<'_>, body: &[u8]) -> Vec<u8> {
    if message.fixed {
        return body.to_vec();
    }
    let mut edits = Vec::new();
    for part in &message.parts {
        let of_part = edits_of(&part.text, part.editable);
        if !of_part.is_empty() {
            edits.extend(message.shadow_edits(part.choice));
        }
        edits.extend(of_part);
    }
    for call in &message.calls {
        match leaves(&call.arguments) {
            Ok(leaves) => edits.extend(leaves.iter().flat_map(|leaf| edits_of(&leaf.text, leaf.editable))),
            Err(_) => edits.extend(edits_of(&call.arguments, true)),
        }
    }
    patch(body, &edits)
}

/// Where a channel's text comes from: event, place, and its start in the joined text.
#[derive(Default)]
struct Joined {
    text: String,
    from: Vec<(usize, Place, usize)>,
}

/// The joined texts of a stream, by channel.
fn joined(read: &[(Event, Vec<Piece>)]) -> BTreeMap<(Channel, usize), Joined> {
    let mut out: BTreeMap<(Channel, usize), Joined> = BTreeMap::new();
    for (number, (event, pieces)) in read.iter().enumerate() {
        for (piece_number, piece) in pieces.iter().enumerate() {
            if let Piece::Text { channel, place, editable: true } = piece {
                let alone = if channel.joined { 0 } else { number * 10_000 + piece_number + 1 };
                let joined = out.entry((*channel, alone)).or_default();
                joined.from.push((number, place.clone(), joined.text.len()));
                joined.text.push_str(event.text(place).as_str());
            }
        }
    }
    out
}

/// The stream with the card replaced: the label stands where the card begins.
fn redacted_stream(read: &[(Event, Vec<Piece>)]) -> Vec<u8> {
    let mut changes: BTreeMap<usize, Vec<(Place, std::ops::Range<usize>, &str)>> = BTreeMap::new();
    for joined in joined(read).values() {
        for (start, _) in joined.text.match_indices(CARD) {
            let end = start + CARD.len();
            for (number, place, at) in &joined.from {
                let len = read[*number].0.text(place).as_str().len();
                let (from, to) = (start.max(*at), end.min(at + len));
                if from < to {
                    let with = if from == start { LABEL } else { "" };
                    changes.entry(*number).or_default().push((place.clone(), from - at..to - at, with));
                }
            }
        }
    }
    let mut out = Vec::new();
    for (number, (event, pieces)) in read.iter().enumerate() {
        let mut of_event: Vec<Change<'_>> =
            changes.get(&number).into_iter().flatten().map(|(place, at, with)| Change { place, at: at.clone(), with }).collect();
        if !of_event.is_empty() {
            of_event.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Shadow { place, .. } => Some(Change { place, at: 0..event.text(place).as_str().len(), with: "null" }),
                _ => None,
            }));
        }
        out.extend_from_slice(&event.rewrite(&of_event));
    }
    out
}

fn told_stream(read: &[(Event, Vec<Piece>)]) -> String {
    let mut out = String::new();
    for (number, (event, pieces)) in read.iter().enumerate() {
        writeln!(out, "event {number}: {} bytes, ended={}", event.raw().len(), event.ended()).unwrap();
        for piece in pieces {
            match piece {
                Piece::Text { channel, place, editable } => {
                    let Channel { choice, role, joined, .. } = channel;
                    let choice = if *choice == crate::protocol::NO_CHOICE { "-".to_owned() } else { choice.to_string() };
                    let how = if *joined { "joined" } else { "alone" };
                    let fixed = if *editable { "" } else { " fixed" };
                    writeln!(out, "  {role:?} {choice} {how}{fixed}: {:?}", event.text(place).as_str()).unwrap();
                }
                Piece::Call { key, kind, id, name, arguments, executed, copy } => {
                    let text = |place: &Option<Place>| place.as_ref().map(|p| event.text(p).as_str().to_owned());
                    let at = (key.choice, key.index);
                    let how = [["", " executed"][usize::from(*executed)], ["", " copy"][usize::from(*copy)]].concat();
                    writeln!(out, "  call {at:?} {kind:?}{how} {:?} {:?} {:?}", text(id), text(name), text(arguments)).unwrap();
                }
                Piece::Shadow { choice, .. } => writeln!(out, "  shadow {choice}").unwrap(),
                other => writeln!(out, "  {other:?}").unwrap(),
            }
        }
    }
    writeln!(out, "---").unwrap();
    for ((channel, _), joined) in joined(read) {
        if channel.joined {
            writeln!(out, "{:?} {}: {:?}", channel.role, channel.choice, joined.text).unwrap();
        }
    }
    out
}

fn cases() -> Vec<(&'static dyn Adapter, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut out: Vec<(&'static dyn Adapter, PathBuf)> = Vec::new();
    for adapter in ADAPTERS.iter().copied() {
        for entry in fs::read_dir(root.join(adapter.name())).unwrap() {
            out.push((adapter, entry.unwrap().path()));
        }
    }
    out.sort_by(|a, b| a.1.cmp(&b.1));
    assert!(out.len() >= 3 * ADAPTERS.len(), "only {} cases", out.len());
    out
}

#[test]
fn golden_files() {
    for (adapter, case) in cases() {
        let mut notes = RequestNotes::default();
        if let Ok(body) = fs::read(case.join("request.json")) {
            let message = adapter.read_request(&body).unwrap();
            notes = message.notes();
            bless(&case.join("request.read"), told(&message).as_bytes());
            bless(&case.join("request.wrote"), &redacted(&message, &body));
        }
        if let Ok(body) = fs::read(case.join("response.json")) {
            let message = adapter.read_answer(&body).unwrap();
            bless(&case.join("response.read"), told(&message).as_bytes());
            let wrote = redacted(&message, &body);
            assert!(!String::from_utf8_lossy(&wrote).contains(CARD), "{}: the card is still there", case.display());
            bless(&case.join("response.wrote"), &wrote);
        }
        if let Ok(stream) = fs::read(case.join("stream.frames")) {
            // Frames are never written anew.
            let frames = super::all(Cutter::Frames(Frames::new(1 << 20)), &stream);
            assert_eq!(frames.iter().flat_map(|frame| frame.raw().to_vec()).collect::<Vec<_>>(), stream);
            bless(&case.join("stream.read"), told_stream(&super::read(adapter, &notes, frames)).as_bytes());
        }
        if let Ok(stream) = fs::read(case.join("stream.sse")) {
            let read = pieces(adapter, &notes, &stream);
            let untouched: Vec<u8> = read.iter().flat_map(|(event, _)| event.rewrite(&[])).collect();
            assert_eq!(untouched, stream, "{}", case.display());
            bless(&case.join("stream.read"), told_stream(&read).as_bytes());
            let wrote = redacted_stream(&read);
            bless(&case.join("stream.wrote"), &wrote);
            let again = pieces(adapter, &notes, &wrote);
            for ((channel, _), joined) in joined(&again) {
                assert!(!joined.text.contains(CARD), "{}: {channel:?}", case.display());
            }
        }
    }
}

#[test]
fn every_single_cut_gives_the_same_events() {
    for (_, case) in cases() {
        let Ok(stream) = fs::read(case.join("stream.sse")) else { continue };
        let whole: Vec<_> = events(&stream).iter().map(|e| e.raw().clone()).collect();
        for cut in 0..=stream.len() {
            let mut framer = Framer::new(1 << 20);
            let mut out = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                framer.push(part);
                while let Some(event) = framer.next().unwrap() {
                    out.push(event.raw().clone());
                }
            }
            while let Some(event) = framer.finish().unwrap() {
                out.push(event.raw().clone());
            }
            assert_eq!(out, whole, "{} cut at {cut}", case.display());
        }
    }
}
