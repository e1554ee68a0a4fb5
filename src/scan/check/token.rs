//! Tokens: how random a text looks, values of assignments, JSON Web Tokens.

use super::{Part, Sight};

/// Shannon entropy of the bytes, in thousandths of a bit each.
fn entropy(text: &[u8]) -> u32 {
    let mut counts = [0u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = text.len() as f64;
    let bits: f64 = counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum();
    (bits * 1000.0) as u32
}

/// Words that stand where a secret would in examples.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "changeme",
    "placeholder",
    "your",
    "dummy",
    "xxxx",
    "redacted",
    "insert",
    "secret_here",
    "password",
    "12345678",
    "abcdef",
];

fn placeholder(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// Whether a token looks drawn at random: entropy, and digits among letters.
pub(super) fn random(text: &[u8]) -> bool {
    let digit = text.iter().any(u8::is_ascii_digit);
    let letter = text.iter().any(u8::is_ascii_alphabetic);
    digit && letter && entropy(text) >= 3_000
}

/// The value of an assignment such as `api_key = "…"`, if it looks like a secret.
pub(super) fn assigned(sight: Sight<'_>) -> Part {
    let padding = sight.text.iter().rev().take_while(|b| **b == b'=').count();
    let text = sight.text.get(..sight.text.len() - padding)?;
    let from = text.iter().rposition(|b| matches!(b, b'=' | b':' | b'"' | b'\'' | b'`' | b' ' | b'\t' | b'>'))? + 1;
    let value = text.get(from..)?;
    // A path, a variable, a call or a dotted name is no secret.
    let code = value.contains(&b'(') || value.contains(&b'$') || value.contains(&b'{') || value.starts_with(b"/");
    let hyphenated = value.split(|b| matches!(b, b'-' | b'_' | b'.')).all(|part| part.iter().all(u8::is_ascii_lowercase));
    let good = value.len() >= 12 && random(value) && entropy(value) >= 3_200 && !code && !hyphenated && !placeholder(value);
    good.then_some((from, text.len()))
}

/// Whether the first part of a token decodes to a JSON object that names an algorithm.
pub(super) fn jwt(sight: Sight<'_>) -> bool {
    let head = sight.text.split(|b| *b == b'.').next().unwrap_or_default();
    let mut decoded = Vec::with_capacity(head.len());
    let (mut stock, mut bits) = (0u32, 0u32);
    for byte in head {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return false,
        };
        stock = stock << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((stock >> bits & 0xFF) as u8);
        }
    }
    decoded.starts_with(b"{") && memchr::memmem::find(&decoded, b"\"alg\"").is_some()
}
