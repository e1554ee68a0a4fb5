//! Canonical JSON (RFC 8785): one byte string for one value, or a refusal.
//!
//! [`to_canonical`] writes it from a tree; [`check_canonical`] holds bytes against it without building
//! one. Both refuse numbers beyond ±(2^53−1): there two different texts would read as one number, and
//! two different documents would share their canonical bytes. Both stop at [`NESTING_MAX`].

use std::cmp::Ordering;
use std::path::PathBuf;

use serde_json::Value;

use crate::base::limits::NESTING_MAX;

/// Largest magnitude of a number in canonical JSON: 2^53 − 1.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Why something cannot be sealed, or a seal cannot be believed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealError {
    /// The bytes are not canonical JSON; at this offset, for this reason.
    NotCanonical {
        /// Offset of the first wrong byte.
        at: usize,
        /// What is wrong there.
        why: &'static str,
    },
    /// A number whose magnitude is above 2^53 − 1.
    NumberOutOfRange,
    /// Nested deeper than [`NESTING_MAX`].
    TooDeep,
    /// A key that cannot be read, or must not be used.
    BadKey(&'static str),
    /// The signature does not fit key and bytes.
    BadSignature,
    /// A DID that cannot be read or is not known.
    BadDid(&'static str),
    /// A key file could not be read or written.
    File(PathBuf, std::io::Error),
    /// The operating system gave no random bytes.
    NoRandom,
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotCanonical { at, why } => write!(f, "not canonical JSON at byte {at}: {why}"),
            Self::NumberOutOfRange => f.write_str("a number is above 2^53-1 and has no canonical form"),
            Self::TooDeep => write!(f, "nested deeper than {NESTING_MAX}"),
            Self::BadKey(why) => write!(f, "bad key: {why}"),
            Self::BadSignature => f.write_str("the signature does not fit"),
            Self::BadDid(why) => write!(f, "bad DID: {why}"),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoRandom => f.write_str("the operating system gave no random bytes"),
        }
    }
}

impl std::error::Error for SealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            _ => None,
        }
    }
}

/// The canonical bytes of a value.
pub fn to_canonical(value: &Value) -> Result<Vec<u8>, SealError> {
    let mut out = String::new();
    write_value(&mut out, value, 0)?;
    Ok(out.into_bytes())
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), SealError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::String(text) => write_string(out, text),
        Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                if int.unsigned_abs() > NUMBER_MAX {
                    return Err(SealError::NumberOutOfRange);
                }
                out.push_str(&int.to_string());
            } else {
                out.push_str(&es6(number.as_f64().ok_or(SealError::NumberOutOfRange)?)?);
            }
        }
        Value::Array(items) => {
            let depth = deeper(depth)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, item, depth)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            let depth = deeper(depth)?;
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| utf16_order(a.0.chars(), b.0.chars()));
            out.push('{');
            for (at, (key, item)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, item, depth)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize, SealError> {
    if depth >= NESTING_MAX { Err(SealError::TooDeep) } else { Ok(depth + 1) }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => {
                let code = u32::from(c);
                out.push_str(if code < 16 { "\\u000" } else { "\\u001" });
                out.extend(char::from_digit(code % 16, 16));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Order by UTF-16 code units, as RFC 8785 asks for.
fn utf16_order(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> Ordering {
    // A code point beyond the BMP begins with a surrogate, which sorts below U+E000.
    let rank = |c: char| {
        let code = u32::from(c);
        match code {
            0xE000..=0xFFFF => (1u8, code),
            0x1_0000.. => (0, 0xD800 + code),
            _ => (0, code),
        }
    };
    a.map(rank).cmp(b.map(rank))
}

/// A number as ECMAScript prints it.
fn es6(number: f64) -> Result<String, SealError> {
    if !number.is_finite() || number.abs() > NUMBER_MAX as f64 {
        return Err(SealError::NumberOutOfRange);
    }
    if number == 0.0 {
        return Ok("0".to_owned());
    }
    // serde_json prints the shortest digits that read back as the same number, a tie to the even
    // digit, as ECMAScript does (the standard library breaks ties upwards). Only the layout differs.
    let shortest = serde_json::Number::from_f64(number.abs()).ok_or(SealError::NumberOutOfRange)?.to_string();
    let (mantissa, scale) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    let scale: i32 = scale.parse().map_err(|_| SealError::NumberOutOfRange)?;
    let exponent = scale + i32::try_from(whole.len()).unwrap_or(i32::MAX) - 1 - i32::try_from(leading).unwrap_or(i32::MAX);
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    // `point` digits stand before the decimal point. It is at most 16 below the limit above.
    let point = exponent + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    let (head, tail) = digits.split_at_checked(usize::try_from(point).unwrap_or(0)).unwrap_or((digits, ""));
    Ok(if count <= point {
        format!("{sign}{digits}{}", zeros(point - count))
    } else if point > 0 {
        format!("{sign}{head}.{tail}")
    } else if point > -6 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}e{exponent}")
    })
}

/// Whether `bytes` are the canonical form of some value: one value, nothing before or after it.
pub fn check_canonical(bytes: &[u8]) -> Result<(), SealError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| SealError::NotCanonical { at: error.valid_up_to(), why: "invalid UTF-8" })?;
    let mut checker = Checker { text, bytes, at: 0 };
    checker.value(0)?;
    if checker.at == bytes.len() { Ok(()) } else { Err(checker.wrong("bytes after the value")) }
}

struct Checker<'b> {
    text: &'b str,
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Checker<'b> {
    fn wrong(&self, why: &'static str) -> SealError {
        SealError::NotCanonical { at: self.at, why }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8, why: &'static str) -> Result<(), SealError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong(why))
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SealError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wrong("expected a value"))
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), SealError> {
        match self.peek() {
            Some(b'{') => self.object(deeper(depth)?),
            Some(b'[') => self.array(deeper(depth)?),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("expected a value")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), SealError> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b']', "expected `,` or `]`"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), SealError> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<Raw<'b>> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if before.is_some_and(|before| before.order(key) != Ordering::Less) {
                self.at = start;
                return Err(self.wrong("keys out of order, or one twice"));
            }
            before = Some(key);
            self.take(b':', "expected `:`")?;
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b'}', "expected `,` or `}`"),
            }
        }
    }

    fn string(&mut self) -> Result<Raw<'b>, SealError> {
        self.take(b'"', "expected a string")?;
        let start = self.at;
        let mut plain = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.wrong("control character not escaped")),
                Some(byte) => {
                    plain &= byte < 0x80;
                    self.at += 1;
                }
                None => return Err(self.wrong("string not closed")),
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Raw { text, plain })
    }

    fn escape(&mut self) -> Result<(), SealError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let code = self.text.get(self.at + 2..self.at + 6).unwrap_or_default();
                // What has a short escape, or needs none, must not be written long.
                let allowed = matches!(
                    code.as_bytes(),
                    [b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f'] | [b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f']
                );
                if !allowed {
                    return Err(self.wrong("escape is not the canonical one"));
                }
                self.at += 6;
            }
            _ => return Err(self.wrong("escape is not the canonical one")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SealError> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let fine = if digits.bytes().all(|b| b.is_ascii_digit()) {
            match digits.as_bytes() {
                [b'0'] => digits.len() == text.len(),
                [b'1'..=b'9', ..] => digits.len() <= 16 && digits.parse::<u64>().is_ok_and(|n| n <= NUMBER_MAX),
                _ => false,
            }
        } else {
            text.parse::<f64>().is_ok_and(|n| es6(n).is_ok_and(|canonical| canonical == text))
        };
        if fine {
            Ok(())
        } else {
            self.at = start;
            Err(self.wrong("number is not in its canonical form"))
        }
    }
}

/// The inside of a checked string, still escaped.
#[derive(Clone, Copy)]
struct Raw<'b> {
    text: &'b str,
    /// ASCII without escapes: byte order is the order.
    plain: bool,
}

impl Raw<'_> {
    fn order(self, other: Self) -> Ordering {
        if self.plain && other.plain { self.text.cmp(other.text) } else { utf16_order(self.chars(), other.chars()) }
    }

    fn chars(&self) -> impl Iterator<Item = char> {
        let mut rest = self.text.chars();
        std::iter::from_fn(move || match rest.next()? {
            '\\' => match rest.next()? {
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'u' => {
                    let mut code = 0;
                    for _ in 0..4 {
                        code = code * 16 + rest.next()?.to_digit(16)?;
                    }
                    char::from_u32(code)
                }
                other => Some(other),
            },
            other => Some(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(value: &Value) -> String {
        String::from_utf8(to_canonical(value).unwrap()).unwrap()
    }

    #[test]
    fn numbers_as_ecmascript_prints_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (1e15, "1000000000000000"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.25e-9, "1.25e-9"),
            (5e-324, "5e-324"),
            (123.456, "123.456"),
            (0.1, "0.1"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (4_503_599_627_370_495.5, "4503599627370495.5"),
            (1_866_297_375_801_596.2, "1866297375801596.2"),
            (100.0, "100"),
            (1200.5, "1200.5"),
            (1e-5, "0.00001"),
        ] {
            assert_eq!(es6(number).unwrap(), text);
            assert!(check_canonical(text.as_bytes()).is_ok(), "{text}");
        }
        for bad in [9_007_199_254_740_992.0, 1e21, -1e300, f64::NAN, f64::INFINITY] {
            assert!(es6(bad).is_err());
        }
        assert!(to_canonical(&json!(9_007_199_254_740_993u64)).is_err());
        assert!(to_canonical(&json!(-9_007_199_254_740_992i64)).is_err());
    }

    #[test]
    fn keys_sort_by_utf16() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = canonical(&value);
        assert_eq!(text, "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}");
        check_canonical(text.as_bytes()).unwrap();
    }

    #[test]
    fn traps_are_refused() {
        for bad in [
            "",
            " 1",
            "1 ",
            "1\n",
            "1.0",
            "01",
            "-0",
            "+1",
            "1e5",
            "1E-7",
            "1e-07",
            ".5",
            "5.",
            "9007199254740992",
            "9007199254740993",
            "-9007199254740992",
            "1e400",
            "--1",
            "-",
            "1-",
            "[1,]",
            "[,1]",
            "[1 ,2]",
            "{\"a\":1,}",
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":2}",
            "{\"a\" :1}",
            "{a:1}",
            "\"\\/\"",
            "\"\\u0061\"",
            "\"\\u000A\"",
            "\"\\u000a\"",
            "\"\\u001F\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\t\"",
            "\"",
            "\"\\\"",
            "nul",
            "True",
            "\u{feff}1",
            "1 2",
            "[1",
            "{",
            "[]]",
            "\"\\u00\"",
            "\"\\u002\"",
        ] {
            assert!(check_canonical(bad.as_bytes()).is_err(), "{bad:?} was taken");
        }
        assert!(check_canonical(b"\"\xff\"").is_err());
        assert!(check_canonical(b"\"\xed\xa0\x80\"").is_err());
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        check_canonical(nested(NESTING_MAX).as_bytes()).unwrap();
        assert!(matches!(check_canonical(nested(NESTING_MAX + 1).as_bytes()), Err(SealError::TooDeep)));
        let mut value = json!(1);
        for _ in 0..NESTING_MAX {
            value = json!([value]);
        }
        to_canonical(&value).unwrap();
        assert!(matches!(to_canonical(&json!([value])), Err(SealError::TooDeep)));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-NUMBER_MAX.cast_signed()..=NUMBER_MAX.cast_signed()).prop_map(Value::from),
            (-9e15..9e15f64).prop_map(Value::from),
            (-1.0..1.0f64, -300..0i32).prop_map(|(m, e)| Value::from(m * 10f64.powi(e))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn as_the_reference_writes_it(value in values()) {
            let ours = to_canonical(&value).unwrap();
            prop_assert_eq!(&ours, &serde_json_canonicalizer::to_vec(&value).unwrap());
            check_canonical(&ours).unwrap();
            let back: Value = serde_json::from_slice(&ours).unwrap();
            prop_assert_eq!(to_canonical(&back).unwrap(), ours);
        }

        /// A text is taken exactly when it is the canonical form of what it reads as.
        #[test]
        fn taken_means_fixed_point(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = to_canonical(&value).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let fixed = serde_json::from_slice::<Value>(&bytes).ok()
                .and_then(|v| to_canonical(&v).ok()).is_some_and(|c| c == bytes);
            prop_assert_eq!(check_canonical(&bytes).is_ok(), fixed);
        }
    }
}
