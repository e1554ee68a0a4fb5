//! Bytes as text: hex, base64 (padded, standard) and base64url (unpadded), strict both ways.
//!
//! Decoding accepts exactly what encoding writes: no white space, no missing or extra padding, no
//! stray bits in the last character. So one value has one text, and a flipped bit is always noticed.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789abcdef";

fn symbol(alphabet: &[u8], index: u32) -> char {
    alphabet.get(index as usize).copied().map_or('?', char::from)
}

fn encode(alphabet: &[u8; 64], bytes: &[u8], padded: bool) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = 0u32;
        for at in 0..3 {
            word = word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        let symbols = chunk.len() + 1;
        for at in 0..4usize {
            if at < symbols {
                out.push(symbol(alphabet, word >> (18 - 6 * at) & 63));
            } else if padded {
                out.push('=');
            }
        }
    }
    out
}

fn value(alphabet: &[u8; 64], symbol: u8) -> Option<u32> {
    let index = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    (alphabet.get(usize::from(index)) == Some(&symbol)).then_some(u32::from(index))
}

fn decode(alphabet: &[u8; 64], text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        let mut word = 0u32;
        for at in 0..4 {
            word = word << 6 | chunk.get(at).map_or(Some(0), |&s| value(alphabet, s))?;
        }
        let bytes = match chunk.len() {
            4 => 3,
            3 if word.trailing_zeros() >= 8 => 2,
            2 if word.trailing_zeros() >= 16 => 1,
            _ => return None,
        };
        out.extend(word.to_be_bytes().into_iter().skip(1).take(bytes));
    }
    Some(out)
}

/// Base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    encode(URL, bytes, false)
}

/// Reads base64url without padding.
pub fn parse_base64url(text: &str) -> Option<Vec<u8>> {
    decode(URL, text.as_bytes())
}

/// Standard base64 with padding, as notes and proofs write it.
pub fn base64(bytes: &[u8]) -> String {
    encode(STANDARD, bytes, true)
}

/// Reads standard base64 with padding.
pub fn parse_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let bare = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    decode(STANDARD, bare.as_bytes())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [symbol(HEX, u32::from(b >> 4)), symbol(HEX, u32::from(b & 15))]).collect()
}

/// Reads lower-case hex.
pub fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(parse_base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }

    #[test]
    fn only_the_one_text_is_read() {
        for bad in ["Zg", "Zg=", "Zh==", "Zm9=", "Zm8", "Z m8=", "Zg===", "=", "====", "-_8="] {
            assert_eq!(parse_base64(bad), None, "{bad}");
        }
        for bad in ["-_9", "-_8=", "+/8", "a"] {
            assert_eq!(parse_base64url(bad), None, "{bad}");
        }
        assert_eq!(parse_hex("AB"), None);
        assert_eq!(parse_hex("abc"), None);
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_inverse(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(parse_base64(&base64(&bytes)).unwrap(), bytes.clone());
            prop_assert_eq!(parse_base64url(&base64url(&bytes)).unwrap(), bytes.clone());
            prop_assert_eq!(parse_hex(&hex(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn what_is_read_is_written_again(text in "[A-Za-z0-9+/=_-]{0,12}") {
            if let Some(bytes) = parse_base64(&text) { prop_assert_eq!(base64(&bytes), text.clone()); }
            if let Some(bytes) = parse_base64url(&text) { prop_assert_eq!(base64url(&bytes), text); }
        }
    }
}
