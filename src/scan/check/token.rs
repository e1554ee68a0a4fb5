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
    "sample",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your",
    "dummy",
    "redacted",
    "insert",
    "replace",
    "tokenhere",
    "token_here",
    "token-here",
    "keyhere",
    "key_here",
    "key-here",
    "secret_here",
    "stringhere",
    "my-token",
    "mytoken",
    "my_token",
    "bot-token",
    "bot_token",
    "foobar",
    "lorem",
    "todo",
    "null",
    "undefined",
    "123456789",
    "abcdef",
    "qwerty",
];

/// Words that alone are what an example has for a password or its name.
const HOLLOW: &[&str] =
    &["password", "passwd", "pass", "secret", "token", "username", "user", "test", "admin", "none", "true", "false"];

/// Whether a text has one of these words anywhere, ASCII case ignored.
fn has_any(text: &[u8], words: &[&str]) -> bool {
    let lower = text.to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// The longest run of one byte.
fn longest_run(text: &[u8]) -> usize {
    text.chunk_by(u8::eq_ignore_ascii_case).map(<[u8]>::len).max().unwrap_or_default()
}

/// Whether a text only holds the place of a secret: a word for it, one byte over and over, a row of digits.
fn placeholder(text: &[u8]) -> bool {
    longest_run(text) > 5 || has_any(text, PLACEHOLDERS)
}

/// Whether a match begins in the middle of a long run of base64, where any mark may stand by chance.
pub(super) fn in_blob(before: &[u8]) -> bool {
    let base64 = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let run: Vec<u8> = before.iter().rev().take_while(base64).copied().collect();
    let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
    run.len() >= 24 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

/// Whether a token of a known form has a body, and is no placeholder for one.
pub(super) fn filled(text: &[u8]) -> bool {
    let body = |words: &[&str]| !has_any(text, words);
    longest_run(text) <= 7 && entropy(text) >= 2_300 && body(PLACEHOLDERS.get(..24).unwrap_or_default()) && body(&["xxxx"])
}

/// Whether a token looks drawn at random: entropy, and digits among letters.
pub(super) fn random(text: &[u8]) -> bool {
    let digit = text.iter().any(u8::is_ascii_digit);
    let letter = text.iter().any(u8::is_ascii_alphabetic);
    digit && letter && entropy(text) >= 3_000
}

/// Where the value of an assignment begins: behind the name, the sign, and what opens a text.
fn value_at(text: &[u8]) -> Option<usize> {
    let sign = text.iter().position(|b| matches!(b, b'=' | b':' | b'>' | b',' | b'('))?;
    let open = |b: &u8| matches!(b, b'=' | b':' | b'>' | b',' | b'(' | b'"' | b'\'' | b'`' | b'\\') || b.is_ascii_whitespace();
    let rest = text.get(sign..)?;
    rest.iter().position(|b| !open(b)).map(|at| sign + at)
}

/// Whether a word begins between these bytes: no letter before, or a capital behind a small one.
fn begins(before: Option<&u8>, first: Option<&u8>) -> bool {
    let (Some(before), Some(first)) = (before, first) else { return true };
    !before.is_ascii_alphabetic() || (before.is_ascii_lowercase() && first.is_ascii_uppercase())
}

/// The value behind a vendor's name and an assignment; its form is the expression's business.
pub(super) fn named(sight: Sight<'_>) -> Part {
    let from = value_at(sight.text)?;
    let value = sight.text.get(from..)?;
    let longer = sight.after.first().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'+'));
    let digit = value.iter().any(u8::is_ascii_digit) || value.len() >= 40;
    let good = begins(sight.before.last(), sight.text.first()) && !longer && digit && filled(value) && entropy(value) >= 2_500;
    good.then_some((from, sight.text.len()))
}

/// Words of names whose value is no secret, though it stands behind `key` or `token`.
const OPEN_NAMES: &[&str] = &[
    "public",
    "cache",
    "primary",
    "foreign",
    "partition",
    "page",
    "next",
    "continuation",
    "cursor",
    "hash",
    "digest",
    "checksum",
    "fingerprint",
    "sha1",
    "sha256",
    "md5",
    "etag",
    "usage",
    "count",
    "limit",
    "max_",
    "type",
    "url",
    "uri",
    "path",
    "file",
    "name",
    "endpoint",
    "field",
    "column",
    "label",
    "keyword",
    "_id",
    "-id",
    "idempotency",
];

/// Whether a text is an identifier that is published: a UUID.
fn uuid(text: &[u8]) -> bool {
    let lengths = text.split(|b| *b == b'-').map(<[u8]>::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
}

/// The value of an assignment such as `api_key = "…"`, if it looks like a secret.
pub(super) fn assigned(sight: Sight<'_>) -> Part {
    let from = value_at(sight.text).or_else(|| sight.text.iter().rposition(|b| *b == b' ').map(|at| at + 1))?;
    let (name, whole) = sight.text.split_at_checked(from)?;
    let value = whole.trim_ascii_end();
    let value = value.strip_suffix(b",").or_else(|| value.strip_suffix(b";")).unwrap_or(value);
    let bare = value.iter().rev().take_while(|b| **b == b'=').count();
    let core = value.get(..value.len() - bare)?;
    // A path, a variable, a call or a dotted name is no secret.
    let source = core.iter().any(|b| matches!(b, b'(' | b'$' | b'{' | b'<' | b'[')) || core.starts_with(b"/");
    let parts = || core.split(|b| matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'@'));
    let spelt = |part: &[u8]| part.iter().all(u8::is_ascii_alphabetic) || part.iter().all(u8::is_ascii_digit);
    let words = parts().count() > 1 && parts().all(spelt);
    let password = has_any(name, &["pass", "pwd"]);
    // A UUID is an id, but behind these names it is what opens the door.
    let named_key = has_any(name, &["apikey", "api_key", "api-key", "authorization", "secret"]);
    let mixed = core.iter().any(|b| !b.is_ascii_alphabetic());
    let strong = if password {
        core.len() >= 8 && mixed && entropy(core) >= 2_700
    } else {
        core.len() >= 10 && random(core) && entropy(core) >= 3_100
    };
    let hollow = || {
        parts().all(|part| {
            let digits = part.iter().rev().take_while(|b| b.is_ascii_digit()).count();
            let word = part.get(..part.len() - digits).unwrap_or_default();
            word.is_empty() || HOLLOW.iter().any(|hollow| word.eq_ignore_ascii_case(hollow.as_bytes()))
        })
    };
    let good = strong
        && !source
        && !words
        && (named_key || !uuid(core))
        && !placeholder(core)
        && !hollow()
        && !has_any(name, OPEN_NAMES)
        && begins(sight.before.last(), sight.text.first());
    good.then_some((from, from + value.len()))
}

/// A user and a password as a command line has them: `name:word`. Variables and examples are none.
pub(super) fn login(sight: Sight<'_>) -> Part {
    let mark = sight.text.iter().rposition(|b| *b == b':')?;
    let from = sight.text.get(..mark)?.iter().rposition(|b| matches!(b, b' ' | b'"' | b'\'' | b'=')).map_or(0, |at| at + 1);
    let (user, word) = (sight.text.get(from..mark)?, sight.text.get(mark + 1..)?);
    let word = word.strip_prefix(b"'").or_else(|| word.strip_prefix(b"\"")).unwrap_or(word);
    let code = |part: &[u8]| part.iter().any(|b| matches!(b, b'{' | b'<' | b'[' | b'(')) || part.starts_with(b"$");
    let hollow = |part: &[u8]| HOLLOW.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()));
    let good = user.len() + word.len() >= 6 && !code(user) && !code(word) && !hollow(word) && !placeholder(word) && user != word;
    // Of an empty name or an empty word the other is the secret.
    let rich = |part: &[u8]| part.len() >= 6 && part.iter().any(|b| !b.is_ascii_alphabetic());
    let real = if user.is_empty() || word.is_empty() { rich(user) || rich(word) } else { word.len() >= 4 };
    (good && real).then_some((from, sight.text.len()))
}

/// The value of a header `Authorization: Basic …`: base64 of a name and a password.
pub(super) fn basic(sight: Sight<'_>) -> Part {
    let from = sight.text.iter().rposition(|b| *b == b' ')? + 1;
    let value = sight.text.get(from..)?;
    let plain = decode(value.split(|b| *b == b'=').next().unwrap_or_default())?;
    let mark = plain.iter().position(|b| *b == b':')?;
    let shown = plain.get(..mark)?.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    (shown && !placeholder(value)).then_some((from, sight.text.len()))
}

/// Whether the last eight hexadecimal digits are the CRC-32 (ISO 3309) of all before them.
pub(super) fn crc32_tail(text: &[u8]) -> bool {
    let Some((body, tail)) = text.len().checked_sub(8).and_then(|at| text.split_at_checked(at)) else { return false };
    let sum = !body
        .iter()
        .fold(!0u32, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))));
    std::str::from_utf8(tail).ok().and_then(|tail| u32::from_str_radix(tail, 16).ok()) == Some(sum)
}

/// What a digit of base64 or base64url is worth (RFC 4648 §4 and §5).
pub(in crate::scan) fn base64_digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    })
}

/// The bytes that base64 or base64url spells; bits left over are dropped.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let (mut stock, mut bits) = (0u32, 0u32);
    for &byte in text {
        stock = stock << 6 | u32::from(base64_digit(byte)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((stock >> bits & 0xFF) as u8);
        }
    }
    Some(decoded)
}

/// Whether the first part of a token decodes to a JSON object that names an algorithm.
pub(super) fn jwt(sight: Sight<'_>) -> bool {
    let head = sight.text.split(|b| *b == b'.').next().unwrap_or_default();
    decode(head).is_some_and(|plain| plain.starts_with(b"{") && memchr::memmem::find(&plain, b"\"alg").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Sight<'_> {
        Sight { before: b"", text: text.as_bytes(), after: b"" }
    }

    #[test]
    fn a_check_sum_at_the_end_is_the_published_one() {
        assert!(crc32_tail(b"123456789CBF43926") && crc32_tail(b"123456789cbf43926") && !crc32_tail(b"123456789CBF43927"));
        assert!(!crc32_tail(b"1234567"));
    }

    #[test]
    fn an_assigned_value_is_a_secret_or_it_is_not() {
        let value = |text: &str| assigned(seen(text)).map(|(from, to)| text[from..to].to_owned());
        assert_eq!(value("api_key = \"Xk29fmQ1vT7p").as_deref(), Some("Xk29fmQ1vT7p"));
        assert_eq!(value("password: h0pk1ns~21s").as_deref(), Some("h0pk1ns~21s"));
        for text in [
            "api_key: your-api-key-42-here",
            "token = 6f1c2a3e-9b1d-4c5e-8f70-1a2b3c4d5e6f",
            "public_key = Xk29fmQ1vT7pLq",
            "next_page_token: Xk29fmQ1vT7pLq",
            "password = password1",
            "secret: /etc/ssl/private/Xk29fmQ1vT7p",
            "token = xxxxxxxxxxxxxxxx1",
            "secret_name: prod-db-credentials-2024",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn a_login_is_a_name_and_a_word() {
        assert!(login(seen("-u deploy:P4ss-w0rd")).is_some() && login(seen("--user=:Xk29fmQ1")).is_some());
        for text in ["-u user:pass", "-u $NAME:$WORD", "-u test:test", "-u a:b", "-u <user:password>"] {
            assert!(login(seen(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn basic_credentials_decode_to_a_name_and_a_word() {
        assert!(basic(seen("basic ZGVwbG95OmgwcGsxbnM=")).is_some());
        assert!(basic(seen("basic information")).is_none() && basic(seen("basic AAAA")).is_none());
    }
}
