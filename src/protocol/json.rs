//! One strict walk over a JSON text: RFC 8259 to the letter, no tree, no recursion.
//!
//! Stricter than most parsers where they disagree among themselves, so that what is judged is what
//! any upstream reads: the same key twice in one object (compared decoded), nesting beyond
//! [`NESTING_MAX`], anything but white space after the end, a byte order mark, invalid UTF-8 and (in
//! whole bodies) half a surrogate pair are errors. Numbers stay text. Memory: one bit of state a
//! level and eight bytes a key of the objects that are open.
//!
//! Keys of up to seven bytes are compared as they are, longer ones by a keyed hash of 63 bits: two different ones are
//! taken for the same with a chance of 2^-63 a pair, and then the body is refused, never passed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::ops::Range;

use super::error::{Code, ReadError};
use super::text::{Text, decode};
use crate::base::limits::NESTING_MAX;

/// Keys of one object that are compared as they come; beyond it they are sorted at its end.
const KEYS_COMPARED_AT_ONCE: usize = 32;

/// A string in the text: its content without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Str {
    /// The content in the body.
    pub at: Range<usize>,
    /// Whether it has escapes.
    pub escaped: bool,
}

/// One step of the walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `}` or `]`
    Close,
    /// A key of an object; its value follows.
    Key(Str),
    /// A string value.
    String(Str),
    /// A number as it is written.
    Number(Range<usize>),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// The text has ended; nothing follows.
    End,
}

/// What is allowed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`: a value or the end.
    FirstItem,
    /// After `{`: a key or the end.
    FirstKey,
    /// After a value.
    Next,
    Finished,
}

/// The walk. After an error every step gives that error again.
#[derive(Debug)]
pub struct Reader<'b> {
    bytes: &'b [u8],
    text: &'b str,
    at: usize,
    expect: Expect,
    /// One entry a level: whether it is an object, and where its keys begin in `keys`.
    levels: Vec<(bool, usize)>,
    keys: Vec<u64>,
    hasher: RandomState,
    lone_surrogates: bool,
    /// Whether another value may follow the first.
    many: bool,
    failed: Option<ReadError>,
}

impl<'b> Reader<'b> {
    /// A walk over a whole body.
    pub fn new(bytes: &'b [u8]) -> Result<Self, ReadError> {
        Self::with(bytes, false)
    }

    /// A walk over any number of JSON texts in a row, such as lines of JSON.
    pub fn of_sequence(bytes: &'b [u8]) -> Result<Self, ReadError> {
        Ok(Self { many: true, ..Self::with(bytes, false)? })
    }

    /// A walk over a piece of a stream, where a pair of surrogates may be cut between two pieces:
    /// half of one is allowed in string values and reads as U+FFFD.
    pub fn of_piece(bytes: &'b [u8]) -> Result<Self, ReadError> {
        Self::with(bytes, true)
    }

    fn with(bytes: &'b [u8], lone_surrogates: bool) -> Result<Self, ReadError> {
        let text = std::str::from_utf8(bytes).map_err(|e| ReadError::new(Code::InvalidUtf8, e.valid_up_to()))?;
        Ok(Self {
            bytes,
            text,
            at: 0,
            expect: Expect::Value,
            levels: Vec::new(),
            keys: Vec::new(),
            hasher: RandomState::new(),
            lone_surrogates,
            many: false,
            failed: None,
        })
    }

    /// The next step.
    #[expect(clippy::should_implement_trait, reason = "an error is final and the end is a token of its own")]
    pub fn next(&mut self) -> Result<Token, ReadError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let step = self.step();
        if let Err(error) = &step {
            self.failed = Some(*error);
        }
        step
    }

    /// The byte after the last token.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many objects and arrays are open.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The decoded string with its way back.
    pub fn text(&self, string: &Str) -> Text<'b> {
        if string.escaped { Text::json(self.bytes, string.at.clone()) } else { Text::unescaped(self.bytes, string.at.clone()) }
    }

    /// The content as it is written.
    pub fn raw(&self, string: &Str) -> &'b str {
        self.text.get(string.at.clone()).unwrap_or_default()
    }

    /// The decoded string without a way back; borrowed when nothing was escaped.
    pub fn decoded(&self, string: &Str) -> std::borrow::Cow<'b, str> {
        decode(self.raw(string)).0
    }

    /// The number as it is written.
    pub fn number(&self, at: &Range<usize>) -> &'b str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// Walks to the end of the value that `token` begins.
    pub fn skip(&mut self, token: &Token) -> Result<(), ReadError> {
        if matches!(token, Token::Object | Token::Array) {
            let depth = self.depth();
            while self.depth() >= depth {
                self.next()?;
            }
        }
        Ok(())
    }

    /// Walks to the end of the text, so that what stands there is checked too.
    pub fn finish(&mut self) -> Result<(), ReadError> {
        while self.next()? != Token::End {}
        Ok(())
    }

    fn error<T>(&self, code: Code) -> Result<T, ReadError> {
        Err(ReadError::new(code, self.at))
    }

    fn step(&mut self) -> Result<Token, ReadError> {
        self.space();
        let Some(&byte) = self.bytes.get(self.at) else {
            return if self.expect == Expect::Finished { Ok(Token::End) } else { self.error(Code::Truncated) };
        };
        match self.expect {
            Expect::Finished if !self.many => self.error(Code::InvalidJson),
            Expect::FirstItem if byte == b']' => self.close(),
            Expect::Value | Expect::FirstItem | Expect::Finished => self.value(byte),
            Expect::FirstKey if byte == b'}' => self.close(),
            Expect::FirstKey => self.key(byte),
            Expect::Next => {
                let object = self.levels.last().is_some_and(|level| level.0);
                match byte {
                    b'}' if object => self.close(),
                    b']' if !object => self.close(),
                    b',' => {
                        self.at += 1;
                        self.space();
                        match self.bytes.get(self.at) {
                            None => self.error(Code::Truncated),
                            Some(&byte) if object => self.key(byte),
                            Some(&byte) => self.value(byte),
                        }
                    }
                    _ => self.error(Code::InvalidJson),
                }
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// A value is complete: what may follow depends on the level.
    fn complete(&mut self) {
        self.expect = if self.levels.is_empty() { Expect::Finished } else { Expect::Next };
    }

    fn value(&mut self, byte: u8) -> Result<Token, ReadError> {
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'"' => {
                let string = self.string(self.lone_surrogates)?;
                self.complete();
                Ok(Token::String(string))
            }
            b't' => self.word(b"true", Token::Bool(true)),
            b'f' => self.word(b"false", Token::Bool(false)),
            b'n' => self.word(b"null", Token::Null),
            b'-' | b'0'..=b'9' => {
                let start = self.at;
                self.digits()?;
                self.complete();
                Ok(Token::Number(start..self.at))
            }
            _ => self.error(Code::InvalidJson),
        }
    }

    fn open(&mut self, object: bool) -> Result<Token, ReadError> {
        if self.levels.len() >= NESTING_MAX {
            return self.error(Code::TooDeep);
        }
        self.at += 1;
        self.levels.push((object, self.keys.len()));
        self.expect = if object { Expect::FirstKey } else { Expect::FirstItem };
        Ok(if object { Token::Object } else { Token::Array })
    }

    fn close(&mut self) -> Result<Token, ReadError> {
        if let Some((_, first)) = self.levels.pop() {
            if self.keys.len() - first > KEYS_COMPARED_AT_ONCE {
                let keys = self.keys.get_mut(first..).unwrap_or_default();
                keys.sort_unstable();
                if keys.windows(2).any(|pair| pair.first() == pair.last()) {
                    return self.error(Code::DuplicateKey);
                }
            }
            self.keys.truncate(first);
        }
        self.at += 1;
        self.complete();
        Ok(Token::Close)
    }

    fn key(&mut self, byte: u8) -> Result<Token, ReadError> {
        if byte != b'"' {
            return self.error(Code::InvalidJson);
        }
        let start = self.at;
        let string = self.string(false)?;
        let mark = self.mark(&string);
        let first = self.levels.last().map_or(0, |level| level.1);
        let open = self.keys.get(first..).unwrap_or_default();
        if open.len() < KEYS_COMPARED_AT_ONCE && open.contains(&mark) {
            return Err(ReadError::new(Code::DuplicateKey, start));
        }
        self.keys.push(mark);
        self.space();
        match self.bytes.get(self.at) {
            Some(b':') => self.at += 1,
            Some(_) => return self.error(Code::InvalidJson),
            None => return self.error(Code::Truncated),
        }
        self.expect = Expect::Value;
        Ok(Token::Key(string))
    }

    /// What tells a key from others: a short one itself with its length, the hash of a longer one with the top bit.
    fn mark(&self, key: &Str) -> u64 {
        let decoded = if key.escaped { self.decoded(key) } else { self.raw(key).into() };
        let mut short = [0; 8];
        match short.get_mut(..decoded.len()).filter(|bytes| bytes.len() < 8) {
            Some(bytes) => {
                bytes.copy_from_slice(decoded.as_bytes());
                u64::from_le_bytes(short) | (decoded.len() as u64) << 56
            }
            None => self.hasher.hash_one(decoded.as_ref()) | 1 << 63,
        }
    }

    fn word(&mut self, word: &[u8], token: Token) -> Result<Token, ReadError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            self.complete();
            return Ok(token);
        }
        self.error(if word.starts_with(rest) { Code::Truncated } else { Code::InvalidJson })
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn digits(&mut self) -> Result<(), ReadError> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.run()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.run()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.run()?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        self.error(if self.at == self.bytes.len() { Code::Truncated } else { Code::InvalidJson })
    }

    /// Reads a string from its opening quote to past its closing one.
    fn string(&mut self, lone_surrogates: bool) -> Result<Str, ReadError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                let plain = plain_bytes(*eight);
                self.at += plain;
                if plain < 8 {
                    break;
                }
            }
            while self.bytes.get(self.at).is_some_and(|b| *b >= 0x20 && *b != b'"' && *b != b'\\') {
                self.at += 1;
            }
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let at = start..self.at;
                    self.at += 1;
                    return Ok(Str { at, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape(lone_surrogates)?;
                }
                Some(_) => return self.error(Code::InvalidJson),
                None => return self.error(Code::Truncated),
            }
        }
    }

    fn escape(&mut self, lone_surrogates: bool) -> Result<(), ReadError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let high = self.unit()?;
                match high {
                    0xD800..0xDC00 if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") => {
                        let before = self.at;
                        let low = self.unit()?;
                        if (0xDC00..0xE000).contains(&low) {
                            return Ok(());
                        }
                        self.at = before;
                        if lone_surrogates { Ok(()) } else { self.error(Code::LoneSurrogate) }
                    }
                    0xD800..0xE000 if !lone_surrogates => self.error(Code::LoneSurrogate),
                    _ => Ok(()),
                }
            }
            Some(_) => self.error(Code::InvalidJson),
            None => {
                self.at += 1;
                self.error(Code::Truncated)
            }
        }
    }

    /// The code unit of the `\uXXXX` at hand; goes past it.
    fn unit(&mut self) -> Result<u32, ReadError> {
        let mut unit = 0;
        for i in self.at + 2..self.at + 6 {
            let Some(&byte) = self.bytes.get(i) else {
                self.at = self.bytes.len();
                return self.error(Code::Truncated);
            };
            let Some(digit) = char::from(byte).to_digit(16) else { return self.error(Code::InvalidJson) };
            unit = (unit << 4) | digit;
        }
        self.at += 6;
        Ok(unit)
    }
}

/// How many bytes go by before the first quote, backslash or control character.
fn plain_bytes(eight: [u8; 8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(eight);
    // The top bit of each byte below `limit`; behind one, others may be marked as well.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & TOPS;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let found = below(word, 0x20) | is(b'"') | is(b'\\');
    if found == 0 { 8 } else { found.trailing_zeros() as usize / 8 }
}

#[cfg(test)]
mod tests;
