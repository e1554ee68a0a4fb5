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
mod window;

use super::set::Scanner;
use super::span::Hit;
use reader::Reader;
use token::{Decoder, Phase, Trail};
use window::Reading;
pub(super) use window::{Pieces, Sum, join_topics};

/// How many runs are decoded at once: one a coding.
pub(super) const RUNS: usize = token::CODINGS.len();

/// The views of one text that arrives in pieces.
#[derive(Debug)]
pub(super) struct Views {
    reader: Reader,
    /// The plain reading.
    pub(super) reading: Reading,
    /// Bytes of the text that were read.
    read: usize,
    decoders: [Decoder; RUNS],
    /// Up to where the plain reading was decoded.
    decoded: usize,
    /// Where a run may begin next, and where a `0x` stands; looked for once they are needed, kept until they are passed.
    run: Option<usize>,
    prefix: Option<usize>,
    /// What the last run leaves to be passed over.
    trail: Trail,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            reader: Reader::default(),
            reading: Reading::default(),
            read: 0,
            decoders: token::CODINGS.map(Decoder::new),
            decoded: 0,
            run: None,
            prefix: None,
            trail: Trail::default(),
        }
    }
}

/// The loose reading of a whole text, and the room for it.
#[derive(Debug, Default)]
pub(super) struct Loose(Reading);

impl Loose {
    /// Forgets the last text.
    pub(super) fn reset(&mut self) {
        self.0.reset();
    }

    /// Adds the hits that a text has in its loose reading alone.
    pub(super) fn look(&mut self, scanner: &Scanner, text: &str, hits: &mut Vec<Hit>) {
        let reading = &mut self.0;
        reading.reset();
        if loose::read(text, scanner.dictionary(), &mut reading.plain, &mut reading.map) {
            reading.look(scanner, true, hits);
        }
    }

    /// What the last text came to beside its hits.
    pub(super) fn sum(&self) -> &Sum {
        &self.0.sum
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
        self.reading.reset();
        (self.read, self.decoded) = (0, 0);
        (self.run, self.prefix) = (None, None);
        self.trail = Trail::default();
        for decoder in &mut self.decoders {
            decoder.stop();
        }
    }

    /// Reads on: `text` begins at the first byte that was not read yet. Adds the hits of the plain reading that are certain. Gives
    /// how many bytes were read; the others are not decided yet. What was read is to be decoded next.
    pub(super) fn read(&mut self, scanner: &Scanner, text: &str, last: bool, hits: &mut Vec<Hit>) -> usize {
        let Reading { plain, base, map, .. } = &mut self.reading;
        let end = *base + plain.len();
        let read = self.reader.read((text, self.read, last), plain, end, map, |word| scanner.dictionary().has(word));
        self.read += read;
        // What the end had cut goes on.
        (self.run, self.prefix) = (None, None);
        self.reading.look(scanner, last, hits);
        read
    }

    /// Decodes what was read, up to the next end of a run with a text in it. Gives its number; none at the end of what was read.
    pub(super) fn decode(&mut self, last: bool) -> Option<usize> {
        let (piece, base) = (self.reading.plain.as_bytes(), self.reading.base);
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
                let ahead = |known: Option<usize>| known.filter(|place| *place >= base + at);
                let run = ahead(self.run).unwrap_or_else(|| base + token::next_run(piece, at, last));
                let prefix = ahead(self.prefix).unwrap_or_else(|| base + token::next_prefix(piece, at));
                (self.run, self.prefix) = (Some(run), Some(prefix));
                self.decoded = run.min(prefix);
                if self.decoded < base + piece.len() {
                    self.decoders.iter_mut().for_each(|decoder| decoder.begin(self.decoded));
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
        (self.reading.map.start(start), self.reading.map.end(end))
    }

    /// Up to where the text is decided by its views, where the runs are decided up to these places of their texts. Forgets
    /// what nothing can need any more.
    pub(super) fn settle(&mut self, known: [usize; RUNS]) -> usize {
        let mut open = self.reading.open();
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
        self.reading.forget(open);
        // What was dropped before it may still lie between two pieces of a hit, and a piece that reads as several bytes is
        // decided only as a whole.
        let map = &self.reading.map;
        map.end(open).min(map.start(open)).min(self.read)
    }
}
