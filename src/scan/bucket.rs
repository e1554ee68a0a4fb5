//! What may begin at a place, as the tables of beginnings list it: patterns by their slots there, for each shape that the
//! place may have.

use std::sync::Arc;

use super::regex::Machine;
use super::shape::{SHAPES, Shape};

/// What may begin at a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Slots of patterns that are expressions, 64 of them a word: which word, and which of them; shape by shape.
    words: Box<[(u32, u64)]>,
    /// Where the words of each shape begin, and where those of the last end.
    starts: [u16; SHAPES + 1],
    /// Whether a phrase may.
    pub(super) phrase: bool,
    /// Bytes that each match of one of the patterns has at least.
    pub(super) shortest: usize,
}

impl Bucket {
    /// The bit of a phrase, behind those of shapes.
    pub(super) const PHRASE: u32 = 1 << SHAPES;

    /// Those of the slots, which are given in order, and the phrase if there is one.
    pub(super) fn of(slots: impl Iterator<Item = u32>, phrase: bool, machines: &[Option<Arc<Machine>>]) -> Self {
        let slots: Vec<(u32, &Machine)> =
            slots.filter_map(|slot| Some((slot, machines.get(slot as usize)?.as_deref()?))).collect();
        let shortest = slots.iter().map(|(_, machine)| machine.shortest).min().unwrap_or(usize::MAX);
        let mut words: Vec<(u32, u64)> = Vec::new();
        let mut starts = [0; SHAPES + 1];
        for (shape, end) in Shape::all().zip(starts.iter_mut().skip(1)) {
            let from = words.len();
            for (slot, _) in slots.iter().filter(|(_, machine)| machine.ahead.shapes >> shape.index() & 1 == 1) {
                let bit = 1 << (slot % 64);
                match words.get_mut(from..).and_then(<[_]>::last_mut).filter(|(word, _)| *word == slot / 64) {
                    Some((_, bits)) => *bits |= bit,
                    None => words.push((slot / 64, bit)),
                }
            }
            // There are fewer patterns than half of what this holds.
            *end = words.len() as u16;
        }
        Self { words: words.into(), starts, phrase, shortest }
    }

    /// The words of slots that may begin at a place of a shape.
    #[inline]
    pub(super) fn words(&self, shape: Shape) -> &[(u32, u64)] {
        match self.starts.get(shape.index()..) {
            Some([from, to, ..]) => self.words.get(usize::from(*from)..usize::from(*to)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// What lives here at all: a bit for each shape at which a pattern may begin, and [`Self::PHRASE`].
    pub(super) fn alive(&self) -> u32 {
        let shapes = Shape::all().filter(|shape| !self.words(*shape).is_empty());
        shapes.fold(if self.phrase { Self::PHRASE } else { 0 }, |alive, shape| alive | 1 << shape.index())
    }

    /// All its slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.words(Shape::UNKNOWN)
            .iter()
            .flat_map(|&(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit))
    }
}
