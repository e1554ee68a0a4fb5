//! The compiled schema: plain data, immutable, shared.

use std::fmt;

use crate::base::names::words;
use crate::pact::decimal::Decimal;

words! {
    /// The kind of a JSON value, by its name in JSON Schema.
    Kind {
        /// `null`
        Null = "null",
        /// `true`, `false`
        Boolean = "boolean",
        /// A number without fraction (`1.0` counts).
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// A string.
        String = "string",
        /// An array.
        Array = "array",
        /// An object.
        Object = "object",
    }
}

impl Kind {
    /// The bit of this kind in [`Schema::kinds`].
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A scalar of `enum` or `const`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// A string.
    Text(String),
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => write!(f, "{t:?}"),
        }
    }
}

/// A `pattern`: searched anywhere in the string, in time linear in it.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(super) regex: regex::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// One compiled schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// Allowed kinds as a bit set; nought stands for every kind.
    pub(super) kinds: u8,
    /// Nothing at all fits (`false`).
    pub(super) never: bool,
    pub(super) one_of: Option<Vec<Constant>>,
    pub(super) minimum: Option<Decimal>,
    pub(super) maximum: Option<Decimal>,
    pub(super) above: Option<Decimal>,
    pub(super) below: Option<Decimal>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<Pattern>,
    pub(super) required: Vec<String>,
    /// Sorted by name.
    pub(super) properties: Vec<(String, Schema)>,
    /// For members not in `properties`; none: anything goes.
    pub(super) additional: Option<Box<Schema>>,
    pub(super) items: Option<Box<Schema>>,
}
