//! Tokens to an untyped tree. The grammar is CEL's, less conditional, maps, messages, indexing and null.
//!
//! Bounded: [`CONDITION_NODES_MAX`] nodes and [`CONDITION_DEPTH_MAX`] nested brackets or signs, so that no
//! text can spend more stack than that.

use std::ops::Range;

use crate::base::limits::{CONDITION_DEPTH_MAX, CONDITION_NODES_MAX};
use crate::pact::decimal::Decimal;

use super::lex::{SyntaxError, Token, lex};

/// A node without a type.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) kind: RawKind,
    pub(super) at: Range<usize>,
}

#[derive(Debug)]
pub(super) enum RawKind {
    Bool(bool),
    Number(Decimal),
    Text(String),
    List(Vec<Raw>),
    Name(String),
    Select(Box<Raw>, String),
    Call(Option<Box<Raw>>, String, Vec<Raw>),
    Not(Box<Raw>),
    Negate(Box<Raw>),
    Binary(&'static str, Box<Raw>, Box<Raw>),
}

/// Words that CEL keeps for itself; they name nothing here.
const RESERVED: &[&str] = &[
    "null",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

pub(super) fn parse_raw(text: &str) -> Result<Raw, SyntaxError> {
    let mut reader = Reader { tokens: lex(text)?, at: 0, nodes: 0, depth: 0 };
    let root = reader.level(0)?;
    match reader.peek() {
        (Token::End, _) => Ok(root),
        (_, at) => Err(SyntaxError::new(at.clone(), "the condition should end here")),
    }
}

/// Binary operators by binding, loosest first; each level joins to the left.
const LEVELS: &[&[&str]] = &[&["||"], &["&&"], &["==", "!=", "<", "<=", ">", ">=", "in"], &["+", "-"], &["*"]];

struct Reader {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    nodes: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> (&Token, &Range<usize>) {
        const AFTER: &Range<usize> = &(0..0);
        self.tokens.get(self.at).or(self.tokens.last()).map_or((&Token::End, AFTER), |(token, at)| (token, at))
    }

    fn sign(&mut self, sign: &str) -> bool {
        let here = matches!(self.peek().0, Token::Sign(s) if *s == sign);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, sign: &str) -> Result<usize, SyntaxError> {
        let at = self.peek().1.clone();
        if self.sign(sign) { Ok(at.end) } else { Err(SyntaxError::new(at, format!("`{sign}` was expected"))) }
    }

    fn node(&mut self, kind: RawKind, at: Range<usize>) -> Result<Raw, SyntaxError> {
        self.nodes += 1;
        if self.nodes > CONDITION_NODES_MAX {
            let error = SyntaxError::new(at, format!("the condition has more than {CONDITION_NODES_MAX} parts"));
            return Err(error.with("make two predicates of it, or name the values in a `set` check"));
        }
        Ok(Raw { kind, at })
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        self.depth += 1;
        if self.depth > CONDITION_DEPTH_MAX {
            let message = format!("the condition is nested deeper than {CONDITION_DEPTH_MAX}");
            return Err(SyntaxError::new(self.peek().1.clone(), message));
        }
        let out = read(self);
        self.depth -= 1;
        out
    }

    fn level(&mut self, level: usize) -> Result<Raw, SyntaxError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            let found = match self.peek().0 {
                Token::Sign(sign) => operators.iter().find(|o| *o == sign),
                Token::Name(name) => operators.iter().find(|o| *o == name),
                _ => None,
            };
            let Some(operator) = found else { return Ok(left) };
            self.at += 1;
            let right = self.level(level + 1)?;
            let at = left.at.start..right.at.end;
            left = self.node(RawKind::Binary(operator, Box::new(left), Box::new(right)), at)?;
        }
    }

    fn unary(&mut self) -> Result<Raw, SyntaxError> {
        let start = self.peek().1.start;
        for (sign, make) in [("!", RawKind::Not as fn(Box<Raw>) -> RawKind), ("-", RawKind::Negate)] {
            if self.sign(sign) {
                let inner = self.deeper(Self::unary)?;
                let at = start..inner.at.end;
                return self.node(make(Box::new(inner)), at);
            }
        }
        self.member()
    }

    fn member(&mut self) -> Result<Raw, SyntaxError> {
        let mut left = self.primary()?;
        loop {
            let at = self.peek().1.clone();
            if self.sign("[") {
                let error = SyntaxError::new(at, "a value cannot be indexed");
                return Err(error.with("membership is written `\"x\" in topics`, an argument `args.name`"));
            }
            if !self.sign(".") {
                return Ok(left);
            }
            let (token, at) = self.peek();
            let (Token::Name(name), at) = (token.clone(), at.clone()) else {
                return Err(SyntaxError::new(at.clone(), "a name was expected after `.`"));
            };
            self.at += 1;
            let start = left.at.start;
            left = if self.sign("(") {
                let (arguments, end) = self.deeper(|r| r.list(")"))?;
                self.node(RawKind::Call(Some(Box::new(left)), name, arguments), start..end)?
            } else {
                self.node(RawKind::Select(Box::new(left), name), start..at.end)?
            };
        }
    }

    fn primary(&mut self) -> Result<Raw, SyntaxError> {
        let (token, at) = self.peek();
        let (token, at) = (token.clone(), at.clone());
        self.at += 1;
        match token {
            Token::Number(n) => self.node(RawKind::Number(n), at),
            Token::Text(text) => self.node(RawKind::Text(text), at),
            Token::Sign("(") => {
                let inner = self.deeper(|r| r.level(0))?;
                let end = self.expect(")")?;
                Ok(Raw { kind: inner.kind, at: at.start..end })
            }
            Token::Sign("[") => {
                let (members, end) = self.deeper(|r| r.list("]"))?;
                self.node(RawKind::List(members), at.start..end)
            }
            Token::Name(name) => match name.as_str() {
                "true" | "false" => self.node(RawKind::Bool(name == "true"), at),
                "and" | "or" | "not" => {
                    let error = SyntaxError::new(at, format!("`{name}` is no operator"));
                    Err(error.with("and, or, not are written `&&`, `||`, `!`"))
                }
                "in" => Err(SyntaxError::new(at, "something should stand before `in`")),
                reserved if RESERVED.contains(&reserved) => {
                    let error = SyntaxError::new(at, format!("`{name}` has no meaning in a condition"));
                    Err(error.with("a missing value is unknown by itself: in `where` it applies, in `unless` it does not exempt"))
                }
                _ if self.sign("(") => {
                    let (arguments, end) = self.deeper(|r| r.list(")"))?;
                    self.node(RawKind::Call(None, name, arguments), at.start..end)
                }
                _ => self.node(RawKind::Name(name), at),
            },
            Token::Sign(sign) => Err(SyntaxError::new(at, format!("a value was expected, not `{sign}`"))),
            Token::End => Err(SyntaxError::new(at, "the condition ends where a value was expected")),
        }
    }

    /// Members up to the closing sign; gives them and where it ends.
    fn list(&mut self, close: &str) -> Result<(Vec<Raw>, usize), SyntaxError> {
        let mut out = Vec::new();
        let end = self.peek().1.end;
        if self.sign(close) {
            return Ok((out, end));
        }
        loop {
            out.push(self.level(0)?);
            if !self.sign(",") {
                return Ok((out, self.expect(close)?));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_refused_in_bounded_stack() {
        for text in [
            "(".repeat(4000),
            "!".repeat(4000),
            "-".repeat(4000),
            "[".repeat(4000),
            "a.b(".repeat(1000),
            format!("a{}", "||a".repeat(1300)),
            format!("a{}", ".a".repeat(2000)),
            format!("[{}]", "1,".repeat(2000)),
        ] {
            assert!(parse_raw(&text).is_err());
        }
        assert!(parse_raw(&format!("a{}", "||a".repeat(120))).is_ok());
        assert!(parse_raw(&format!("{}a{}", "(".repeat(30), ")".repeat(30))).is_ok());
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [
            ("", 0..0),
            ("a &&", 4..4),
            ("a b", 2..3),
            ("(a", 2..2),
            ("a ==", 4..4),
            ("a and b", 2..5),
            ("not a", 0..3),
            ("a == null", 5..9),
            ("a[0]", 1..2),
            ("a.1", 2..3),
            ("in a", 0..2),
        ] {
            assert_eq!(parse_raw(text).unwrap_err().at, at, "{text}");
        }
    }
}
