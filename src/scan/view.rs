//! Views: what a text says in disguise or encoded, scanned beside the text as it stands.
//!
//! A text that spells a phrase with Cyrillic letters, parts a card number with characters of no width, or holds an
//! order in base64 says it all the same. The plain reading of a text (see [`reader`]) is scanned around the places where
//! it differs; runs that look encoded (see [`token`]) are decoded, and what comes out is a text with views of
//! its own, see [`super::layer`].
//!
//! Promises: the hits of views lie over the bytes that say it, on character boundaries, each with something read otherwise
//! than it stands; they depend on the text alone and not on its cuts; the work grows with the text; text that stands for
//! itself is only looked at for what could be otherwise.

mod escape;
mod glyph;
mod loose;
mod map;
mod reader;
mod token;

use std::collections::BTreeMap;

use super::pass::Pass;
use super::set::Scanner;
use super::span::Hit;
use map::Map;
use reader::Reader;
use token::{Decoder, Phase, Trail};

/// How many runs are decoded at once: one a coding.
pub(super) const RUNS: usize = token::CODINGS.len();

/// Bytes of the plain reading around a change that are scanned again with it.
const AROUND: usize = 256;

/// Bytes in which a place to begin is looked for, so that no word is cut.
const SEAM: usize = 64;

/// Bytes of the plain reading that are kept for a change to come.
const KEPT: usize = AROUND + SEAM;

/// A scan of the plain reading around changes that stand close together.
#[derive(Debug, Default)]
struct Window {
    pass: Pass,
    on: bool,
    /// Where it begins and up to where it has been scanned, in the plain reading.
    from: usize,
    scanned: usize,
    /// Where its last change ends.
    changed: usize,
    /// Up to where it is decided.
    open: usize,
}

/// Where the hits of long forms end that may go on, by pattern: their pieces stay joined where they lead back to.
#[derive(Debug, Default)]
pub(super) struct Pieces(BTreeMap<u32, usize>);

impl Pieces {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The hit at this place; a piece of one that was left out is left out too.
    pub(super) fn join(&mut self, hit: Hit, (start, end): (usize, usize)) -> Option<Hit> {
        let start = if hit.continues { *self.0.get(&hit.pattern)? } else { start };
        self.0.insert(hit.pattern, end.max(start));
        (end > start).then_some(Hit { start, end, ..hit })
    }

    /// Leaves a hit out.
    fn leave(&mut self, hit: Hit) {
        self.0.remove(&hit.pattern);
    }
}

/// What a view found wanting, and the topics it speaks of.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Topics over their thresholds, with their largest sums.
    pub(super) topics: Vec<(u32, u32)>,
    /// Hits beyond a ceiling.
    pub(super) more: u64,
    /// Whether a pattern ran out of its budget.
    pub(super) starved: bool,
}

impl Sum {
    fn reset(&mut self) {
        self.topics.clear();
        (self.more, self.starved) = (0, false);
    }

    /// Takes in what another one came to.
    pub(super) fn add(&mut self, topics: &[(u32, u32)], more: u64, starved: bool) {
        join_topics(&mut self.topics, topics);
        self.more += more;
        self.starved |= starved;
    }
}

/// Joins topics by number: of each the largest sum counts.
pub(super) fn join_topics(topics: &mut Vec<(u32, u32)>, more: &[(u32, u32)]) {
    for &(topic, sum) in more {
        match topics.binary_search_by_key(&topic, |(other, _)| *other) {
            Ok(at) => topics.get_mut(at).into_iter().for_each(|(_, best)| *best = sum.max(*best)),
            Err(at) => topics.insert(at, (topic, sum)),
        }
    }
}

/// The views of one text that arrives in pieces.
#[derive(Debug)]
pub(super) struct Views {
    reader: Reader,
    map: Map,
    /// The plain reading from `base` on.
    plain: String,
    base: usize,
    /// Bytes of the text that were read.
    read: usize,
    /// Changes that windows have seen, of those the map keeps.
    seen: usize,
    window: Window,
    decoders: [Decoder; RUNS],
    /// Up to where the plain reading was decoded.
    decoded: usize,
    /// What the last run leaves to be passed over.
    trail: Trail,
    /// Hits of a window before their places are known.
    found: Vec<Hit>,
    pieces: Pieces,
    pub(super) sum: Sum,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            reader: Reader::default(),
            map: Map::default(),
            plain: String::new(),
            base: 0,
            read: 0,
            seen: 0,
            window: Window::default(),
            decoders: token::CODINGS.map(Decoder::new),
            decoded: 0,
            trail: Trail::default(),
            found: Vec::new(),
            pieces: Pieces::default(),
            sum: Sum::default(),
        }
    }
}

/// The loose reading of a whole text, and the room for it.
#[derive(Debug, Default)]
pub(super) struct Loose {
    plain: String,
    map: Map,
    pass: Pass,
    found: Vec<Hit>,
}

impl Loose {
    /// Adds the hits that a text has in its loose reading alone. Gives what it came to beside them.
    pub(super) fn look(&mut self, scanner: &Scanner, text: &str, hits: &mut Vec<Hit>) -> Option<&Pass> {
        if scanner.dictionary().is_empty() || !loose::read(text, scanner.dictionary(), &mut self.plain, &mut self.map) {
            return None;
        }
        self.pass.reset(scanner);
        self.found.clear();
        self.pass.push(scanner, &self.plain, true, &mut self.found);
        let (map, found) = (&self.map, self.found.iter());
        let new = found.filter(|hit| map.is_changed(hit.start, hit.end));
        hits.extend(new.map(|hit| Hit { start: map.start(hit.start), end: map.end(hit.end), ..*hit }));
        Some(&self.pass)
    }
}

/// Whether a whole text stands for itself: it is ASCII without escapes and without runs that could be encoded.
pub(super) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.is_ascii()
        && memchr::memchr3(b'%', b'&', b'\\', bytes).is_none()
        && token::next_run(bytes, 0, true) >= bytes.len()
        && token::next_prefix(bytes, 0) >= bytes.len()
}

impl Views {
    /// Makes them ready for another text.
    pub(super) fn reset(&mut self) {
        self.reader = Reader::default();
        self.map.reset();
        self.plain.clear();
        (self.base, self.read, self.seen, self.decoded) = (0, 0, 0, 0);
        self.trail = Trail::default();
        self.window.on = false;
        for decoder in &mut self.decoders {
            decoder.stop();
        }
        self.sum.reset();
    }

    /// Reads on: `text` begins at the first byte that was not read yet. Adds the hits of the plain reading that are certain. Gives
    /// how many bytes were read; the others are not decided yet. What was read is to be decoded next.
    pub(super) fn read(&mut self, scanner: &Scanner, text: &str, last: bool, hits: &mut Vec<Hit>) -> usize {
        let end = self.end();
        let read =
            self.reader.read((text, self.read, last), &mut self.plain, end, &mut self.map, |word| scanner.dictionary().has(word));
        self.read += read;
        self.look_around(scanner, last, hits);
        read
    }

    /// Decodes what was read, up to the next end of a run with a text in it. Gives its number; none at the end of what was read.
    pub(super) fn decode(&mut self, last: bool) -> Option<usize> {
        let (piece, base) = (self.plain.as_bytes(), self.base);
        // Looked for once it is needed; it stays the next one until it is passed.
        let mut prefix = None;
        loop {
            if let Some(index) = self.decoders.iter().position(|decoder| decoder.phase == Phase::Ended) {
                return Some(index);
            }
            let at = self.decoded - base;
            let idle = self.decoders.iter().all(|decoder| decoder.phase == Phase::Idle);
            let Some(&byte) = piece.get(at) else {
                if last && !idle {
                    self.decoders.iter_mut().for_each(Decoder::end);
                    continue;
                }
                return None;
            };
            if !idle {
                for decoder in self.decoders.iter_mut().filter(|decoder| decoder.phase != Phase::Idle) {
                    decoder.feed(byte, self.decoded);
                }
                // The byte that ends the last run is looked at once more: another one may begin there.
                if self.decoders.iter().any(|decoder| matches!(decoder.phase, Phase::Begun | Phase::Open)) {
                    self.trail.pass(byte);
                    self.decoded += 1;
                }
            } else if self.trail.goes_on(byte) {
                self.trail.pass(byte);
                self.decoded += 1;
            } else {
                let next = *prefix.filter(|next| *next >= at).get_or_insert_with(|| token::next_prefix(piece, at));
                prefix = Some(next);
                let at = token::next_run(piece, at, last).min(next);
                self.decoded = base + at;
                if at < piece.len() {
                    self.decoders.iter_mut().for_each(|decoder| decoder.begin(base + at));
                }
            }
        }
    }

    /// Hands on the text that a run came to since it was last asked for, and whether the run has ended.
    pub(super) fn take(&mut self, run: usize, text: &mut String) -> Option<bool> {
        let decoder = self.decoders.get_mut(run)?;
        text.clear();
        if !matches!(decoder.phase, Phase::Open | Phase::Ended) {
            return None;
        }
        std::mem::swap(&mut decoder.text, text);
        Some(decoder.phase == Phase::Ended)
    }

    /// The run is done with.
    pub(super) fn stop(&mut self, run: usize) {
        if let Some(decoder) = self.decoders.get_mut(run) {
            decoder.stop();
        }
    }

    /// Where the bytes of a run's text came from, in the text.
    pub(super) fn place(&self, run: usize, start: usize, end: usize) -> (usize, usize) {
        let (start, end) = self.decoders.get(run).map_or((start, end), |decoder| decoder.place(start, end));
        (self.map.start(start), self.map.end(end))
    }

    /// Up to where the text is decided by its views, where the runs are decided up to these places of their texts. Forgets
    /// what nothing can need any more.
    pub(super) fn settle(&mut self, known: [usize; RUNS]) -> usize {
        let mut open = if self.window.on { self.window.open } else { self.end() };
        for (decoder, known) in self.decoders.iter_mut().zip(known) {
            open = open.min(match decoder.phase {
                Phase::Idle => continue,
                Phase::Begun => decoder.start,
                Phase::Open | Phase::Ended => {
                    decoder.forget(known);
                    decoder.place(known, known).0
                }
            });
        }
        let needed = open.min(self.end().saturating_sub(KEPT));
        self.seen -= self.map.forget(needed).min(self.seen);
        let spare = needed.saturating_sub(self.base);
        if spare > self.plain.len() / 2 {
            let spare = self.plain.floor_char_boundary(spare);
            self.plain.drain(..spare);
            self.base += spare;
        }
        // What was dropped before it may still lie between two pieces of a hit.
        self.map.end(open).min(self.read)
    }

    fn end(&self) -> usize {
        self.base + self.plain.len()
    }

    /// Scans the plain reading around the changes that are new.
    fn look_around(&mut self, scanner: &Scanner, last: bool, hits: &mut Vec<Hit>) {
        while let Some(change) = self.map.get(self.seen) {
            self.seen += 1;
            if self.window.on && change.view > self.window.changed + AROUND {
                self.scan_window(scanner, true, hits);
            }
            if !self.window.on {
                let from = self.beginning(change.view);
                self.window.pass.reset(scanner);
                self.pieces.clear();
                (self.window.from, self.window.scanned, self.window.open) = (from, from, from);
                self.window.on = true;
            }
            self.window.changed = change.view + change.view_len;
        }
        if self.window.on {
            let ends = last || self.end() > self.window.changed + AROUND;
            self.scan_window(scanner, ends, hits);
        }
    }

    /// Where a window begins for a change at `at`: behind white space, so that no word is cut.
    fn beginning(&self, at: usize) -> usize {
        let from = at.saturating_sub(KEPT);
        let to = at.saturating_sub(AROUND);
        if to == 0 {
            return 0;
        }
        let (from, to) = (from.saturating_sub(self.base), to.saturating_sub(self.base));
        let seam = self.plain.as_bytes().get(from..to).unwrap_or_default();
        match seam.iter().position(u8::is_ascii_whitespace) {
            Some(space) => self.base + from + space + 1,
            None => self.base + self.plain.floor_char_boundary(to),
        }
    }

    /// Scans the window on, as far as it goes or the reading does.
    fn scan_window(&mut self, scanner: &Scanner, ends: bool, hits: &mut Vec<Hit>) {
        let Window { pass, from, scanned, changed, open, on } = &mut self.window;
        let to = self.base + self.plain.floor_char_boundary((*changed + AROUND).saturating_sub(self.base));
        let to = to.max(*scanned);
        let piece = self.plain.get(*scanned - self.base..to - self.base).unwrap_or_default();
        self.found.clear();
        *open = *from + pass.push(scanner, piece, ends, &mut self.found);
        (*scanned, *on) = (to, !ends);
        for hit in self.found.drain(..) {
            let (start, end) = (*from + hit.start, *from + hit.end);
            // Of a long form the opening counts: without a disguise it is found as it stands.
            let telling = match scanner.opening(hit.pattern, self.plain.as_bytes(), start - self.base) {
                _ if hit.continues => end,
                Some(len) => start + len,
                None => end,
            };
            if hit.continues || self.map.is_changed(start, telling) {
                hits.extend(self.pieces.join(hit, (self.map.start(start), self.map.end(end))));
            } else {
                self.pieces.leave(hit);
            }
        }
        if ends {
            self.sum.add(&pass.state.topics(), pass.state.more, pass.state.starved);
        }
    }
}
