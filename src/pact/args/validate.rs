//! Arguments as JSON text against a compiled schema, in one pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::base::limits::{NESTING_MAX, SCHEMA_BREACHES_MAX};
use crate::base::names::words;
use crate::pact::decimal::Decimal;

use super::json::{Cursor, NotJson, Scalar};
use super::schema::{Constant, Kind, Schema};

words! {
    /// Which demand is breached.
    Keyword {
        /// Not JSON, a key twice, or nested too deep.
        Json = "json",
        /// `type`, or the type that another keyword implies.
        Type = "type",
        /// `enum` or `const`.
        Enum = "enum",
        /// `minimum`.
        Minimum = "minimum",
        /// `maximum`.
        Maximum = "maximum",
        /// `exclusiveMinimum`.
        ExclusiveMinimum = "exclusiveMinimum",
        /// `exclusiveMaximum`.
        ExclusiveMaximum = "exclusiveMaximum",
        /// `minLength`.
        MinLength = "minLength",
        /// `maxLength`.
        MaxLength = "maxLength",
        /// `pattern`.
        Pattern = "pattern",
        /// `required`.
        Required = "required",
        /// A property that must not be there.
        AdditionalProperties = "additionalProperties",
    }
}

/// One demand that the arguments do not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Where in the arguments, as a JSON pointer.
    pub pointer: String,
    /// Which demand.
    pub keyword: Keyword,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.keyword, if self.pointer.is_empty() { "/" } else { &self.pointer })
    }
}

impl Schema {
    /// Every demand that these arguments do not meet, at most [`SCHEMA_BREACHES_MAX`]; none: they fit.
    /// Arguments without any text stand for the empty object.
    pub fn check(&self, arguments: &str) -> Vec<Breach> {
        let mut run = Run { cursor: Cursor::new(arguments), breaches: Vec::new(), pointer: String::new() };
        if run.cursor.ended() {
            run.cursor = Cursor::new("{}");
        }
        let read = run.value(Some(self), 0);
        if read.is_err() || !run.cursor.ended() {
            run.breaches.clear();
            run.pointer.clear();
            run.breach(Keyword::Json);
        }
        run.breaches
    }
}

struct Run<'a> {
    cursor: Cursor<'a>,
    breaches: Vec<Breach>,
    pointer: String,
}

impl<'a> Run<'a> {
    fn breach(&mut self, keyword: Keyword) {
        if self.breaches.len() < SCHEMA_BREACHES_MAX {
            self.breaches.push(Breach { pointer: self.pointer.clone(), keyword });
        }
    }

    fn value(&mut self, schema: Option<&Schema>, depth: usize) -> Result<(), NotJson> {
        if depth > NESTING_MAX {
            return Err(NotJson);
        }
        if schema.is_some_and(|s| s.never) {
            self.breach(Keyword::AdditionalProperties);
        }
        match self.cursor.peek() {
            Some(b'{') => self.object(schema, depth),
            Some(b'[') => self.array(schema, depth),
            _ => {
                let scalar = self.cursor.scalar()?;
                if let Some(schema) = schema {
                    self.scalar(schema, &scalar);
                }
                Ok(())
            }
        }
    }

    fn kind(&mut self, schema: &Schema, kind: Kind) {
        let integer_as_number = kind == Kind::Integer && schema.kinds & Kind::Number.bit() != 0;
        if schema.kinds != 0 && schema.kinds & kind.bit() == 0 && !integer_as_number {
            self.breach(Keyword::Type);
        }
    }

    fn object(&mut self, schema: Option<&Schema>, depth: usize) -> Result<(), NotJson> {
        if let Some(schema) = schema {
            self.kind(schema, Kind::Object);
            if schema.one_of.is_some() {
                self.breach(Keyword::Enum);
            }
        }
        self.cursor.expect(b'{')?;
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        if !self.cursor.take(b'}') {
            loop {
                let key = self.cursor.string()?;
                self.cursor.expect(b':')?;
                let below = self.pointer.len();
                self.pointer.push('/');
                self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let member = schema.and_then(|s| {
                    let known = s.properties.binary_search_by(|(name, _)| name.as_str().cmp(&key));
                    known.ok().and_then(|at| s.properties.get(at)).map(|(_, member)| member).or(s.additional.as_deref())
                });
                self.value(member, depth + 1)?;
                self.pointer.truncate(below);
                if !seen.insert(key) {
                    return Err(NotJson);
                }
                if !self.cursor.take(b',') {
                    break;
                }
            }
            self.cursor.expect(b'}')?;
        }
        for name in schema.map_or(&[][..], |s| &s.required) {
            if !seen.contains(name.as_str()) {
                self.breach(Keyword::Required);
            }
        }
        Ok(())
    }

    fn array(&mut self, schema: Option<&Schema>, depth: usize) -> Result<(), NotJson> {
        if let Some(schema) = schema {
            self.kind(schema, Kind::Array);
            if schema.one_of.is_some() {
                self.breach(Keyword::Enum);
            }
        }
        self.cursor.expect(b'[')?;
        if self.cursor.take(b']') {
            return Ok(());
        }
        let items = schema.and_then(|s| s.items.as_deref());
        for at in 0usize.. {
            let below = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&at.to_string());
            self.value(items, depth + 1)?;
            self.pointer.truncate(below);
            if !self.cursor.take(b',') {
                break;
            }
        }
        self.cursor.expect(b']')
    }

    fn scalar(&mut self, schema: &Schema, scalar: &Scalar<'_>) {
        self.kind(
            schema,
            match scalar {
                Scalar::Null => Kind::Null,
                Scalar::Bool(_) => Kind::Boolean,
                Scalar::Number(n) if n.is_integer() => Kind::Integer,
                Scalar::Number(_) => Kind::Number,
                Scalar::Text(_) => Kind::String,
            },
        );
        if let Some(constants) = &schema.one_of
            && !constants.iter().any(|c| equal(c, scalar))
        {
            self.breach(Keyword::Enum);
        }
        match scalar {
            Scalar::Number(n) => self.number(schema, *n),
            Scalar::Text(text) => self.text(schema, text),
            _ => {}
        }
    }

    fn number(&mut self, schema: &Schema, n: Decimal) {
        for (breached, keyword) in [
            (schema.minimum.is_some_and(|limit| n < limit), Keyword::Minimum),
            (schema.maximum.is_some_and(|limit| n > limit), Keyword::Maximum),
            (schema.above.is_some_and(|limit| n <= limit), Keyword::ExclusiveMinimum),
            (schema.below.is_some_and(|limit| n >= limit), Keyword::ExclusiveMaximum),
        ] {
            if breached {
                self.breach(keyword);
            }
        }
    }

    fn text(&mut self, schema: &Schema, text: &str) {
        if schema.min_length.is_some() || schema.max_length.is_some() {
            let length = text.chars().count();
            if schema.min_length.is_some_and(|limit| length < limit) {
                self.breach(Keyword::MinLength);
            }
            if schema.max_length.is_some_and(|limit| length > limit) {
                self.breach(Keyword::MaxLength);
            }
        }
        if schema.pattern.as_ref().is_some_and(|p| !p.regex.is_match(text)) {
            self.breach(Keyword::Pattern);
        }
    }
}

fn equal(constant: &Constant, scalar: &Scalar<'_>) -> bool {
    match (constant, scalar) {
        (Constant::Null, Scalar::Null) => true,
        (Constant::Bool(a), Scalar::Bool(b)) => a == b,
        (Constant::Number(a), Scalar::Number(b)) => a == b,
        (Constant::Text(a), Scalar::Text(b)) => a == b,
        _ => false,
    }
}
