//! The plain reading of a text, piece by piece as it arrives.
//!
//! Escapes stand for what they stand for; what has no width is dropped; letters and digits of every
//! width, weight and number system are those of ASCII; marks on ASCII are dropped; letters that look like ASCII letters are
//! these, in words that hold real ones, and in words that are looked for and hold nothing else. Everything
//! else stays as it is.
//!
//! Promises: the reading depends on the text alone and not on its pieces; what is not decided yet is at most one escape, one
//! dash or one word of [`WORD_MAX`] characters.

use super::escape::{self, Escape};
use super::glyph::{Glyph, glyph, is_latin, spelling};
use super::map::{Change, Map};

/// Longest word that is looked at whole, in characters.
const WORD_MAX: usize = 32;

/// Most characters without width that are dropped in a row; the next one parts what stands around it. Bounds
/// how much of a stream waits for one match.
const HIDDEN_MAX: usize = 64;

/// What has been read of a text so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Whether the word at hand holds a letter of the Latin script.
    latin: bool,
    /// Whether the last character belongs to a word.
    joined: bool,
    /// Whether a mark would stand on an ASCII character.
    bears: bool,
    /// Characters dropped in a row.
    hidden: usize,
}

/// One character of the text, its escape undone.
#[derive(Clone, Copy)]
struct Sign {
    c: char,
    /// Bytes of the text.
    len: usize,
}

enum Next {
    Sign(Sign),
    /// Not decided yet.
    Open,
    End,
}

fn next(text: &str, at: usize, last: bool) -> Next {
    let Some(rest) = text.get(at..) else { return Next::End };
    match escape::escape(rest.as_bytes().get(..escape::BYTES_MAX).unwrap_or(rest.as_bytes()), last) {
        Escape::Of(c, len) => Next::Sign(Sign { c, len }),
        Escape::Open => Next::Open,
        Escape::None => rest.chars().next().map_or(Next::End, |c| Next::Sign(Sign { c, len: c.len_utf8() })),
    }
}

/// Whether a byte may begin what reads otherwise than it stands.
pub(super) fn is_odd(byte: u8) -> bool {
    !byte.is_ascii() || escape::begins(byte)
}

impl Reader {
    /// Reads on from the start of `text`, which stands at `raw` of the whole; adds the reading to `plain`, whose end stands
    /// at `view`, and the changes to the map. Gives how many bytes were read: the others are not decided yet.
    /// `known` says whether a word is looked for.
    pub(super) fn read(
        &mut self,
        (text, raw, last): (&str, usize, bool),
        plain: &mut String,
        view: usize,
        map: &mut Map,
        known: impl Fn(&str) -> bool,
    ) -> usize {
        let first = plain.len();
        let mut at = 0;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let even = rest.bytes().position(is_odd).unwrap_or(rest.len());
            if even > 0 {
                let stretch = rest.get(..even).unwrap_or_default();
                plain.push_str(stretch);
                self.pass(stretch);
                at += even;
                continue;
            }
            let sign = match next(text, at, last) {
                Next::Sign(sign) => sign,
                Next::Open | Next::End => break,
            };
            let before = plain.len();
            let Some(len) = self.take(text, at, sign, last, plain, &known) else { break };
            if plain.get(before..) != text.get(at..at + len) {
                map.push(Change { view: view + before - first, view_len: plain.len() - before, raw: raw + at, raw_len: len });
            }
            at += len;
        }
        at
    }

    /// Passes ASCII that stands for itself.
    fn pass(&mut self, stretch: &str) {
        let (mut len, mut latin) = (0, false);
        for byte in stretch.bytes().rev().take_while(u8::is_ascii_alphanumeric) {
            latin |= byte.is_ascii_alphabetic();
            len += 1;
        }
        self.latin = latin || (len == stretch.len() && self.latin);
        self.joined = len > 0;
        self.bears = true;
        self.hidden = 0;
    }

    /// Notes a character that was put.
    fn put(&mut self, c: char) {
        self.joined = c.is_alphanumeric();
        self.latin = self.joined && (self.latin || is_latin(c));
        self.bears = c.is_ascii();
        self.hidden = 0;
    }

    /// Puts the reading of what stands at `at`. Gives its bytes, none if it is not decided yet.
    fn take(
        &mut self,
        text: &str,
        at: usize,
        sign: Sign,
        last: bool,
        plain: &mut String,
        known: &impl Fn(&str) -> bool,
    ) -> Option<usize> {
        match glyph(sign.c) {
            Glyph::Plain => {
                plain.push(sign.c);
                self.put(sign.c);
            }
            Glyph::Hidden => {
                self.hidden += 1;
                if self.hidden > HIDDEN_MAX {
                    plain.push(' ');
                    self.put(' ');
                }
            }
            Glyph::Mark => {
                self.hidden += 1;
                if !self.bears || self.hidden > HIDDEN_MAX {
                    plain.push(sign.c);
                    self.put(sign.c);
                }
            }
            Glyph::Dash => {
                let after = match next(text, at + sign.len, last) {
                    Next::Sign(after) => Some(after.c),
                    Next::End if last => None,
                    Next::Open | Next::End => return None,
                };
                let joins = self.joined && after.is_some_and(char::is_alphanumeric);
                plain.push(if joins { '-' } else { sign.c });
                self.put('-');
            }
            Glyph::Reads(byte) => {
                plain.push(char::from(byte));
                self.put(char::from(byte));
            }
            Glyph::Spells => {
                for c in spelling(sign.c) {
                    plain.push(c);
                    self.put(c);
                }
            }
            Glyph::Looks(_) => return self.word(text, at, last, plain, known),
        }
        Some(sign.len)
    }

    /// Reads a stretch of look-alikes, from one to the end of its word or to the first character that settles
    /// what they are: a Latin letter says that they are a disguise, a letter of another script that they are not.
    fn word(&mut self, text: &str, at: usize, last: bool, plain: &mut String, known: &impl Fn(&str) -> bool) -> Option<usize> {
        let mut disguised = self.latin;
        let mut settled = self.latin || self.joined;
        let (mut skeleton, mut stretch) = (String::new(), String::new());
        let (mut len, mut count, mut ended) = (0, 0, false);
        while count < WORD_MAX && !(settled && count > 0) {
            let sign = match next(text, at + len, last) {
                Next::Sign(sign) => sign,
                Next::End if last => {
                    ended = true;
                    break;
                }
                Next::Open | Next::End => return None,
            };
            let kind = glyph(sign.c);
            match kind {
                Glyph::Looks(looks) => {
                    skeleton.push(char::from(looks));
                    stretch.push(sign.c);
                }
                Glyph::Hidden => {}
                Glyph::Mark => stretch.push(sign.c),
                Glyph::Plain | Glyph::Reads(_) | Glyph::Spells => {
                    let reads = if let Glyph::Reads(byte) = kind { char::from(byte) } else { sign.c };
                    disguised = is_latin(reads) || kind == Glyph::Spells;
                    ended = !reads.is_alphanumeric();
                    settled = true;
                    continue;
                }
                Glyph::Dash => {
                    (settled, ended) = (true, true);
                    continue;
                }
            }
            len += sign.len;
            count += 1;
        }
        disguised |= ended && known(&skeleton);
        for c in if disguised { skeleton.chars() } else { stretch.chars() } {
            plain.push(c);
            self.put(c);
        }
        Some(len)
    }
}
