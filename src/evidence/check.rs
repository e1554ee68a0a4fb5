//! One record held against the format: canonical bytes, known keys, right shapes.
//!
//! Works on bytes, builds no tree. A kind or `spec` that this build does not know is checked for
//! canonical form and told apart; its content is never called valid.

use super::kind::Kind;
use super::record::keys_of;
use super::shape::{Key, RecordId, SPEC, Shape, WORD_MAX};
use crate::base::limits::RECORD_HARD_MAX;
use crate::seal::Digest;
use crate::seal::canon::check_canonical;

/// Why a record is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// What a verifier needs of any record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glance<'r> {
    /// `None`: a kind or version that this build does not know, or one that is only reserved.
    pub(crate) kind: Option<Kind>,
    pub(crate) word: &'r str,
    pub(crate) id: RecordId,
    pub(crate) log: &'r str,
    /// Of an intervention.
    pub(crate) exchange: Option<RecordId>,
    pub(crate) act: &'r str,
    pub(crate) interventions: u64,
    pub(crate) unjudged: bool,
    pub(crate) time_us: Option<i64>,
    pub(crate) mono_us: Option<i64>,
}

/// Checks the bytes of one record.
pub(crate) fn check(bytes: &[u8]) -> Result<Glance<'_>, Wrong> {
    let wrong = |code, detail: String| Wrong { code, detail };
    if bytes.len() > RECORD_HARD_MAX {
        return Err(wrong("oversize", format!("{} bytes", bytes.len())));
    }
    check_canonical(bytes).map_err(|error| wrong("not_canonical", error.to_string()))?;
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("not_canonical", "not UTF-8".to_owned()))?;
    let bad = |detail: &str| wrong("bad_record", detail.to_owned());
    let mut glance = Glance::default();
    let mut spec = "";
    let mut cursor = Cursor { text, at: 0 };
    cursor
        .object(&mut |key, value| {
            let string = || value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or_default();
            match key {
                "act" => glance.act = string(),
                "exchange" => glance.exchange = RecordId::parse(string()),
                "id" => glance.id = RecordId::parse(string()).unwrap_or_default(),
                "interventions" => glance.interventions = value.parse().unwrap_or(0),
                "kind" => glance.word = string(),
                "log" => glance.log = string(),
                "mono_us" => glance.mono_us = value.parse().ok(),
                "spec" => spec = string(),
                "time_us" => glance.time_us = value.parse().ok(),
                "unjudged" | "unjudged_more" => glance.unjudged = true,
                _ => {}
            }
        })
        .ok_or_else(|| bad("not an object"))?;
    if glance.word.is_empty() || spec.is_empty() || glance.log.is_empty() {
        return Err(bad("no kind, spec or log"));
    }
    let keys = (spec == SPEC).then(|| Kind::parse(glance.word)).flatten().and_then(|kind| Some((kind, keys_of(kind)?)));
    if let Some((kind, keys)) = keys {
        let mut cursor = Cursor { text, at: 0 };
        cursor.fits(&Shape::Object(keys)).map_err(|detail| bad(&format!("{kind}: {detail}")))?;
        if glance.id.is_nil() {
            return Err(bad("the id is nil"));
        }
        glance.kind = Some(kind);
    }
    Ok(glance)
}

/// Walks text that is known to be canonical JSON.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The inside of the string that begins here, still escaped.
    fn string(&mut self) -> Option<&'t str> {
        if self.peek() != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.as_bytes().get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.text.get(start..at)
    }

    /// Skips the value that begins here.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                0 => return None,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.peek(), b',' | b'}' | b']' | 0) {
                return Some(());
            }
        }
    }

    /// Calls for each key and value of the object that begins here.
    fn object(&mut self, each: &mut dyn FnMut(&'t str, &'t str)) -> Option<()> {
        if self.peek() != b'{' {
            return None;
        }
        self.at += 1;
        while self.peek() != b'}' {
            let key = self.string()?;
            self.at += 1;
            let start = self.at;
            self.skip()?;
            each(key, self.text.get(start..self.at)?);
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    fn fits(&mut self, shape: &Shape) -> Result<(), String> {
        match shape {
            Shape::Int => {
                let start = self.at;
                self.skip().ok_or("cut short")?;
                let digits = self.text.get(start..self.at).unwrap_or_default();
                let digits = digits.strip_prefix('-').unwrap_or(digits);
                expect(!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()), "not an integer")
            }
            Shape::Bool => {
                let fine = matches!(self.peek(), b't' | b'f');
                self.skip().ok_or("cut short")?;
                expect(fine, "not a boolean")
            }
            Shape::Text(max) => {
                let text = self.string().ok_or("not a string")?;
                expect(text.len() <= *max || unescaped(text) <= *max, "longer than a text may be")
            }
            Shape::Word => {
                let word = self.string().ok_or("not a string")?;
                let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-' | b'/');
                expect(!word.is_empty() && word.len() <= WORD_MAX && word.bytes().all(fine), "not a word")
            }
            Shape::Digest => {
                let text = self.string().ok_or("not a string")?;
                expect(Digest::parse_base64url(text).is_some(), "not 32 bytes in base64url")
            }
            Shape::Id => {
                let text = self.string().ok_or("not a string")?;
                expect(RecordId::parse(text).is_some(), "not a record id")
            }
            Shape::List(item, max) => {
                expect(self.peek() == b'[', "not a list")?;
                self.at += 1;
                let mut count = 0;
                while self.peek() != b']' {
                    self.fits(item)?;
                    count += 1;
                    if self.peek() == b',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                expect(count > 0, "an empty list is left out")?;
                expect(count <= *max, "a list is longer than it may be")
            }
            Shape::Object(keys) => self.keyed(keys),
        }
    }

    /// An object with these keys and no others. Both are sorted, so one walk is enough.
    fn keyed(&mut self, keys: &[Key]) -> Result<(), String> {
        expect(self.peek() == b'{', "not an object")?;
        self.at += 1;
        let mut known = keys.iter();
        while self.peek() != b'}' {
            let name = self.string().ok_or("cut short")?;
            self.at += 1;
            let key = loop {
                match known.next() {
                    Some(key) if key.name == name => break key,
                    Some(key) if key.required => return Err(format!("`{}` is missing", key.name)),
                    Some(_) => {}
                    None => return Err(format!("unknown key `{}`", name.escape_debug())),
                }
            };
            self.fits(&key.shape).map_err(|why| format!("`{name}`: {why}"))?;
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        match known.find(|key| key.required) {
            Some(key) => Err(format!("`{}` is missing", key.name)),
            None => Ok(()),
        }
    }
}

fn expect(fine: bool, why: &str) -> Result<(), String> {
    if fine { Ok(()) } else { Err(why.to_owned()) }
}

/// Bytes of a canonical string without its escapes, of which each stands for one byte.
fn unescaped(text: &str) -> usize {
    let mut count = 0;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next() == Some(b'u') {
            bytes.nth(3);
        }
        count += 1;
    }
    count
}
