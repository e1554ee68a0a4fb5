//! A strict reader over JSON text: one pass, no tree, no floating point.

use std::borrow::Cow;

use crate::pact::decimal::Decimal;

/// The text is not JSON as RFC 8259 has it, or a number is beyond reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// A scalar.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space; stays before it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Takes this byte, if it is the next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { Err(NotJson) }
    }

    /// The next value, which is neither object nor array.
    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>, NotJson> {
        match self.peek().ok_or(NotJson)? {
            b'"' => self.string().map(Scalar::Text),
            b'-' | b'0'..=b'9' => self.number().map(Scalar::Number),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                for (word, scalar) in [("null", Scalar::Null), ("true", Scalar::Bool(true)), ("false", Scalar::Bool(false))] {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return Ok(scalar);
                    }
                }
                Err(NotJson)
            }
        }
    }

    fn number(&mut self) -> Result<Decimal, NotJson> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
        let start = self.at;
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
            return Err(NotJson);
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return Err(NotJson);
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return Err(NotJson);
            }
            at += exponent;
        }
        self.at = at;
        self.text.get(start..at).and_then(Decimal::parse).ok_or(NotJson)
    }

    /// The next value, which is a string; borrowed where it has no escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        let rest = self.text.get(start..).ok_or(NotJson)?;
        let stop = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20).ok_or(NotJson)?;
        if rest.as_bytes().get(stop) == Some(&b'"') {
            self.at = start + stop + 1;
            return rest.get(..stop).map(Cow::Borrowed).ok_or(NotJson);
        }
        let mut out = rest.get(..stop).unwrap_or_default().to_owned();
        let mut chars = rest.get(stop..).unwrap_or_default().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + stop + at + 1;
                    return Ok(Cow::Owned(out));
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some(c @ ('"' | '\\' | '/')) => out.push(c),
                    Some('b') => out.push('\u{8}'),
                    Some('f') => out.push('\u{c}'),
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('u') => {
                        let mut unit = || -> Option<u32> {
                            let mut value = 0;
                            for _ in 0..4 {
                                value = value * 16 + chars.next()?.1.to_digit(16)?;
                            }
                            Some(value)
                        };
                        let first = unit().ok_or(NotJson)?;
                        let code = if (0xD800..0xDC00).contains(&first) {
                            let paired = chars.next().map(|(_, c)| c) == Some('\\') && chars.next().map(|(_, c)| c) == Some('u');
                            let mut value = 0;
                            for _ in 0..if paired { 4 } else { 0 } {
                                value = value * 16 + chars.next().and_then(|(_, c)| c.to_digit(16)).ok_or(NotJson)?;
                            }
                            if !(0xDC00..0xE000).contains(&value) {
                                return Err(NotJson);
                            }
                            0x10000 + ((first - 0xD800) << 10) + (value - 0xDC00)
                        } else {
                            first
                        };
                        out.push(char::from_u32(code).ok_or(NotJson)?);
                    }
                    _ => return Err(NotJson),
                },
                c if c < ' ' => return Err(NotJson),
                c => out.push(c),
            }
        }
        Err(NotJson)
    }

    /// Whether nothing but white space is left.
    pub(super) fn ended(&mut self) -> bool {
        self.peek().is_none()
    }
}
