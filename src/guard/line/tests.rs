//! The line against the plainest form of its rule: each event looks at every earlier one.

use proptest::prelude::*;

use super::*;
use crate::guard::held::Span;
use crate::protocol::message::{CallKind, Role};
use crate::protocol::sse::{Event, Framer, Place, Within};
use crate::protocol::{CallKey, Channel, Piece};

fn event(number: usize) -> Event {
    let mut framer = Framer::new(1 << 10);
    framer.push(format!("data: {number}\n\n").as_bytes());
    framer.next().unwrap().unwrap()
}

fn held(number: usize, pieces: Vec<Piece>) -> Held {
    let mut held = Held::new(event(number), number as u64);
    let texts = pieces.iter().enumerate().filter(|(_, piece)| matches!(piece, Piece::Text { editable: true, .. }));
    held.texts = texts.map(|(piece, _)| Span { piece, channel: 0, start: 0, end: 1 }).collect();
    held.pieces = pieces;
    held
}

/// A text; one that is not `waits` was found clean, and its event has nothing to write for it.
fn text(choice: u32, waits: bool) -> Piece {
    let channel = Channel { choice, role: Role::Assistant, number: 0, joined: true };
    Piece::Text { channel, place: Place { at: 0..1, within: Within::Data }, editable: waits }
}

fn piece() -> impl Strategy<Value = Piece> {
    let choice = || prop_oneof![4 => 0..3u32, 1 => Just(NO_CHOICE)];
    let key = || (0..3u32).prop_map(|choice| CallKey { choice, index: 0 });
    prop_oneof![
        6 => (choice(), any::<bool>()).prop_map(|(choice, waits)| text(choice, waits)),
        2 => key().prop_map(|key| Piece::Call {
            key,
            kind: CallKind::Function,
            id: None,
            name: None,
            arguments: None,
            executed: false,
            copy: false,
        }),
        2 => (0..3u32).prop_map(Piece::Choice),
        1 => (0..3u32).prop_map(|choice| Piece::Finish { choice, reason: String::new() }),
        1 => key().prop_map(Piece::CallEnd),
        1 => Just(Piece::Done),
        1 => Just(Piece::InOrder(0)),
    ]
}

/// Whether an event may leave while `earlier` is still held.
fn may_overtake(held: &Held, earlier: &Held) -> bool {
    let theirs: Vec<u32> = earlier.choices().collect();
    let other = !theirs.is_empty() && theirs.iter().all(|theirs| held.choices().all(|ours| ours != *theirs));
    held.is_plain_text() && !held.is_in_order() && (earlier.is_call() && earlier.texts.is_empty() || other)
}

/// The numbers of those that leave, in order, when these are decided.
fn leave(waiting: &mut Vec<Held>, decided: &[bool]) -> Vec<u64> {
    let mut gone = Vec::new();
    let mut at = 0;
    while at < waiting.len() {
        let may = waiting[..at].iter().all(|earlier| may_overtake(&waiting[at], earlier));
        if may && decided[waiting[at].since_ns as usize] {
            gone.push(waiting.remove(at).since_ns);
        } else {
            at += 1;
        }
    }
    gone
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_line_lets_go_what_the_rule_says(
        events in prop::collection::vec((prop::collection::vec(piece(), 1..4), 0..12usize), 1..12),
    ) {
        let mut line = Line::default();
        let mut plain = Vec::new();
        for now in 0..events.len() {
            let pieces = &events[now].0;
            line.push(held(now, pieces.clone()));
            plain.push(held(now, pieces.clone()));
            // Each is decided some events after it has come, or at the end.
            let decided: Vec<bool> = events.iter().enumerate().map(|(at, (_, after))| at + after <= now).collect();
            let mut gone = Vec::new();
            while let Some(held) = line.next(|held| decided[held.since_ns as usize]) {
                gone.push(held.since_ns);
            }
            prop_assert_eq!(&gone, &leave(&mut plain, &decided));
            prop_assert_eq!((line.len(), line.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!(line.bytes(), plain.iter().map(|held| held.event.raw().len()).sum::<usize>());
        }
        let rest: Vec<u64> = std::iter::from_fn(|| line.pop()).map(|held| held.since_ns).collect();
        prop_assert_eq!(rest, plain.iter().map(|held| held.since_ns).collect::<Vec<_>>());
        prop_assert!(line.order.is_empty() && line.passing == 0 && line.bytes() == 0);
    }
}
