//! Condition text to tokens with their byte ranges.

use std::ops::Range;

use crate::base::limits::CONDITION_MAX;
use crate::pact::decimal::Decimal;

/// A mistake of the grammar: where, what, and a way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

impl SyntaxError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    pub(super) fn with(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(Decimal),
    Text(String),
    /// One of [`SIGNS`].
    Sign(&'static str),
    End,
}

/// Signs, longest first.
const SIGNS: &[&str] = &["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "(", ")", "[", "]", ",", "."];

/// The tokens of a condition; the last is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Range<usize>)>, SyntaxError> {
    if text.len() > CONDITION_MAX {
        let message = format!("the condition has {} bytes; the limit is {CONDITION_MAX}", text.len());
        return Err(SyntaxError::new(0..text.len(), message));
    }
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (token, length) = match c {
            ' ' | '\t' | '\n' | '\r' => {
                at += 1;
                continue;
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (Token::Name(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            '0'..='9' => number(rest, at)?,
            '"' | '\'' => string(rest, at)?,
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(stranger(c, at)),
            },
        };
        out.push((token, at..at + length));
        at += length;
    }
    out.push((Token::End, at..at));
    Ok(out)
}

fn stranger(c: char, at: usize) -> SyntaxError {
    let error = SyntaxError::new(at..at + c.len_utf8(), format!("`{c}` has no meaning in a condition"));
    match c {
        '=' => error.with("equality is written `==`"),
        '&' => error.with("and is written `&&`"),
        '|' => error.with("or is written `||`"),
        '?' | ':' => error.with("there is no `? :`; write it with `&&` and `||`"),
        '/' | '%' => error.with("of arithmetic there is `+`, `-` and `*`"),
        '{' | '}' => error.with("there are no maps; lists are written `[\"a\", \"b\"]`"),
        _ => error,
    }
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), SyntaxError> {
    let bytes = rest.as_bytes();
    let run = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut length = run(0);
    if bytes.get(length) == Some(&b'.') && run(length + 1) > 0 {
        length += 1 + run(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let digits = run(length + 1 + signed);
        if digits > 0 {
            length += 1 + signed + digits;
        }
    }
    let written = rest.get(..length).unwrap_or_default();
    if bytes.get(length).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        let error = SyntaxError::new(at..at + length + 1, "a number ends in a letter");
        return Err(error.with("numbers are decimal and have no unit; times are compared with `time.hour` or `time.date`"));
    }
    let value = Decimal::parse(written).filter(Decimal::is_whole);
    let value = value.ok_or_else(|| SyntaxError::new(at..at + length, "the number has too many digits"))?;
    Ok((Token::Number(value), length))
}

fn string(rest: &str, at: usize) -> Result<(Token, usize), SyntaxError> {
    let mut chars = rest.char_indices();
    let Some((_, quote)) = chars.next() else { return Err(SyntaxError::new(at..at, "a text was expected")) };
    let mut out = String::new();
    while let Some((here, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Token::Text(out), here + 1)),
            '\n' | '\r' => break,
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c @ ('\\' | '"' | '\'' | '`' | '?')) => out.push(c),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = (digits.len() == 4).then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
                    let Some(c) = code.and_then(char::from_u32) else {
                        return Err(SyntaxError::new(
                            at + here..at + here + 2,
                            "`\\u` takes four hexadecimal digits of a character",
                        ));
                    };
                    out.push(c);
                }
                _ => {
                    let error = SyntaxError::new(at + here..at + here + 1, "unknown escape in a text");
                    return Err(error.with("a backslash itself is written `\\\\`"));
                }
            },
            c => out.push(c),
        }
    }
    Err(SyntaxError::new(at..at + rest.len(), "a text has no closing quote"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        lex(text).unwrap().into_iter().map(|(t, _)| t).collect()
    }

    #[test]
    fn reads_names_numbers_texts_and_signs() {
        assert_eq!(
            tokens(r#"a.b>=1.50&&"x\"y"in c"#),
            [
                Token::Name("a".into()),
                Token::Sign("."),
                Token::Name("b".into()),
                Token::Sign(">="),
                Token::Number(Decimal::parse("1.5").unwrap()),
                Token::Sign("&&"),
                Token::Text("x\"y".into()),
                Token::Name("in".into()),
                Token::Name("c".into()),
                Token::End
            ]
        );
        assert_eq!(tokens(r"'\u00e9\n'"), [Token::Text("é\n".into()), Token::End]);
    }

    #[test]
    fn names_the_place_of_a_stranger() {
        for (text, at) in
            [("a = 1", 2..3), ("a & b", 2..3), ("x ? y : z", 2..3), ("10m", 0..3), ("'a", 0..2), (r"'\q'", 1..2), ("ü", 0..2)]
        {
            assert_eq!(lex(text).unwrap_err().at, at, "{text}");
        }
        assert!(lex(&"1".repeat(5000)).is_err() && lex(&"1".repeat(100)).is_err());
    }
}
