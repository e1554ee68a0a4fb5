//! What records are made of, and the table that says what a record may hold.
//!
//! A record type is declared once, with its keys in sorted order; from that one declaration come the
//! struct, its canonical bytes (plain serialisation, since keys are sorted and there are no floats)
//! and the [`Shape`] that a verifier holds foreign bytes against.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::base::limits::{PREDICATES_MAX, RECORD_ARRAY_MAX, RECORD_TEXT_MAX};
use crate::seal::Digest;
use crate::seal::canon::NUMBER_MAX;

/// The version of the record format.
pub const SPEC: &str = "evidence/1";

/// Longest word of an open list (an act, a reason, a kind).
pub const WORD_MAX: usize = 64;

/// An integer that canonical JSON can hold: at most 2^53 − 1 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int(i64);

impl Int {
    /// The largest one.
    pub const MAX: Self = Self(NUMBER_MAX.cast_signed());

    /// The value, brought to the nearest end if it is out of range.
    pub fn saturating(value: impl TryInto<i64>) -> Self {
        Self(value.try_into().unwrap_or(i64::MAX).clamp(-Self::MAX.0, Self::MAX.0))
    }

    /// The value, if it is in range.
    pub fn new(value: i64) -> Option<Self> {
        (value.unsigned_abs() <= NUMBER_MAX).then_some(Self(value))
    }

    /// The value.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<u32> for Int {
    fn from(value: u32) -> Self {
        Self(i64::from(value))
    }
}

impl From<u16> for Int {
    fn from(value: u16) -> Self {
        Self(i64::from(value))
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// A text of at most [`RECORD_TEXT_MAX`] bytes; what is longer is cut at a character. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest prefix of `text` with at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

impl Default for Text {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Arc::from(cut(text, RECORD_TEXT_MAX)))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        if text.len() > RECORD_TEXT_MAX { Self::from(&*text) } else { Self(text) }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The identity of a record: a UUID of version 7. Not trusted for order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(uuid::Uuid);

impl RecordId {
    /// Of a time in milliseconds since the epoch and ten random bytes.
    pub fn from_parts(millis: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
    }

    /// When it was made, in milliseconds since the epoch.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_u128() >> 80).unwrap_or(u64::MAX)
    }

    /// The day it was made, counted from the epoch: the key of its commitments.
    pub fn day(self) -> u32 {
        u32::try_from(self.millis() / 86_400_000).unwrap_or(u32::MAX)
    }

    /// Whether it is nil: not set yet.
    pub fn is_nil(self) -> bool {
        self.0.is_nil()
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads the hyphenated lower-case form.
    pub fn parse(text: &str) -> Option<Self> {
        let id = uuid::Uuid::try_parse(text).ok()?;
        (id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()) == text).then_some(Self(id))
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
    }
}

/// The log a record was written for: the digest of its origin, in base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogId(Arc<str>);

impl LogId {
    /// The id of the log with this origin.
    pub fn of(origin: &str) -> Self {
        Self(Arc::from(crate::seal::digest(origin.as_bytes()).base64url()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The key `spec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spec;

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SPEC)
    }
}

/// The bits of `checked` or other bytes, as base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap(Vec<u8>);

impl Bitmap {
    /// Takes the bits; trailing zero bytes and what lies beyond [`PREDICATES_MAX`] go.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        bytes.truncate(PREDICATES_MAX / 8);
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Self(bytes)
    }
}

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::seal::encode::base64url(&self.0))
    }
}

/// A list that may be as long as a program has predicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LongList(pub Vec<Text>);

/// What a value in a record may be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An integer of at most 2^53 − 1 either way.
    Int,
    /// `true` or `false`.
    Bool,
    /// A text of at most so many bytes.
    Text(usize),
    /// A word of an open list: a word that is not known is content not understood, no error.
    Word,
    /// 32 bytes in base64url.
    Digest,
    /// A UUID in its hyphenated lower-case form.
    Id,
    /// A list of at most so many entries.
    List(&'static Self, usize),
    /// An object with these keys, sorted, and no others.
    Object(&'static [Key]),
}

/// A key of an object.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What stands there.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// A type that can stand in a record.
pub trait Shaped {
    /// Its shape.
    const SHAPE: Shape;
    /// Whether it is always written.
    const REQUIRED: bool = true;
    /// Whether it is left out. Absent means absent, never null.
    fn is_absent(&self) -> bool {
        false
    }
}

impl<T: Shaped> Shaped for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Shaped> Shaped for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE, RECORD_ARRAY_MAX);
    const REQUIRED: bool = false;
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Shaped for bool {
    const SHAPE: Shape = Shape::Bool;
    const REQUIRED: bool = false;
    fn is_absent(&self) -> bool {
        !self
    }
}

impl Shaped for LongList {
    const SHAPE: Shape = Shape::List(&Shape::Text(RECORD_TEXT_MAX), PREDICATES_MAX);
    const REQUIRED: bool = false;
    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Shaped> Shaped for Box<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = T::REQUIRED;
    fn is_absent(&self) -> bool {
        T::is_absent(self)
    }
}

/// Gives plain types their shape.
macro_rules! shaped {
    ($($type:ty => $shape:expr,)+) => {
        $(impl $crate::evidence::shape::Shaped for $type { const SHAPE: $crate::evidence::shape::Shape = $shape; })+
    };
}
pub(crate) use shaped;

shaped! {
    Int => Shape::Int,
    Text => Shape::Text(RECORD_TEXT_MAX),
    RecordId => Shape::Id,
    LogId => Shape::Digest,
    Digest => Shape::Digest,
    Spec => Shape::Word,
    Bitmap => Shape::Text(PREDICATES_MAX.div_ceil(6)),
    crate::base::verdict::Act => Shape::Word,
    crate::base::verdict::Severity => Shape::Word,
    crate::base::names::Stage => Shape::Word,
    crate::base::names::Lane => Shape::Word,
    crate::base::names::Mode => Shape::Word,
    crate::base::names::UnjudgedReason => Shape::Word,
    crate::base::names::DataCategory => Shape::Word,
}

/// The name of a field as it is written: without the mark of a raw identifier.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => name,
        },
        _ => name,
    }
}

/// Declares objects of records: structs whose fields are public, documented and sorted by name.
macro_rules! object {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $name {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Shaped::is_absent")]
                pub $field: $type,
            )+
        }

        impl $name {
            /// The keys, sorted.
            pub const KEYS: &'static [Key] = &[
                $(Key {
                    name: $crate::evidence::shape::plain(stringify!($field)),
                    shape: <$type as Shaped>::SHAPE,
                    required: <$type as Shaped>::REQUIRED,
                },)+
            ];
        }

        impl Shaped for $name {
            const SHAPE: Shape = Shape::Object(Self::KEYS);
        }
    )+};
}
pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_never_leave_their_range() {
        assert_eq!(Int::saturating(u64::MAX), Int::MAX);
        assert_eq!(Int::saturating(i64::MIN).get(), -Int::MAX.get());
        assert_eq!(Int::new(1 << 53), None);
        assert_eq!(Int::saturating(7u8).get(), 7);
    }

    #[test]
    fn texts_are_cut_at_characters() {
        let text = Text::from("é".repeat(200));
        assert_eq!(text.as_str().len(), 256);
        assert_eq!(Text::from(format!("a{}", "é".repeat(200))).as_str().len(), 255);
    }

    #[test]
    fn ids_have_one_text() {
        let id = RecordId::from_parts(1_700_000_000_000, &[0xab; 10]);
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_eq!(RecordId::parse(&id.to_string().to_uppercase()), None);
        assert_eq!(id.to_string().as_bytes()[14], b'7');
    }
}
