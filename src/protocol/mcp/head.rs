//! What the head of a request repeats of its body.
//!
//! A gateway may decide by the head and a server by the body: they must say the same. After an edit of the
//! body the head is written anew, or the server would refuse the request and the head would still hold
//! what was taken out.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};

use crate::protocol::error::{Code, ReadError};
use crate::protocol::value::{Kind, Value, Values};

/// Compares the head with the body as it came, and changes it to the body as it goes on.
pub(super) fn mirror(headers: &mut HeaderMap, before: &[u8], after: &[u8]) -> Result<(), ReadError> {
    let names: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("mcp-")).cloned().collect();
    // Asking for a stream, or ending a session, has no body to differ from.
    if names.is_empty() || before.is_empty() {
        return Ok(());
    }
    let differs = || ReadError::new(Code::HeaderDiffers, 0);
    let (was, is) = (Values::of_body(before)?, Values::of_body(after)?);
    let (Some(was), Some(is)) = (was.root(), is.root()) else { return Ok(()) };
    for name in names {
        let mut values = headers.get_all(&name).iter();
        // A second one is there to be read by somebody else.
        let (Some(one), None) = (values.next(), values.next()) else { return Err(differs()) };
        let Some(told) = one.to_str().ok().and_then(decoded) else { return Err(differs()) };
        let told = told.into_owned();
        let now = match name.as_str() {
            "mcp-method" if told == was.word_of("method") => continue,
            "mcp-name" => names_of(was).into_iter().zip(names_of(is)).find(|(was, _)| *was == told).map(|(_, is)| is),
            name if name.starts_with("mcp-param-") => {
                let (before, after) = (scalars(was), scalars(is));
                // Several arguments may have the same value: one that was changed is taken for it.
                let mut same = before.into_iter().zip(after).filter(|(was, _)| *was == told).map(|(_, is)| is);
                let first = same.next();
                same.find(|is| *is != told).or(first)
            }
            "mcp-method" => None,
            // The era without sessions tells its version in both places.
            "mcp-protocol-version" if version_of(was).is_some_and(|version| version != told) => None,
            // Sessions are told by the head alone.
            _ => continue,
        };
        let now = now.ok_or_else(differs)?;
        if now != told {
            let value = HeaderValue::from_str(&encoded(&now)).map_err(|_| differs())?;
            headers.insert(name, value);
        }
    }
    Ok(())
}

/// The version that a message tells of itself.
pub(super) fn version_of(root: Value<'_, '_>) -> Option<String> {
    let meta = root.get("params").and_then(|params| params.get("_meta"));
    meta.and_then(|meta| meta.get(VERSION)).map(|version| version.word().into_owned())
}

/// Where it tells it.
pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// What `Mcp-Name` may repeat.
fn names_of(root: Value<'_, '_>) -> Vec<String> {
    let params = root.get("params");
    let of = |name: &str| params.and_then(|params| params.get(name)).map(|value| value.word().into_owned());
    ["name", "uri", "taskId"].iter().filter_map(|name| of(name)).collect()
}

/// Every scalar of the arguments, as a header writes it.
fn scalars(root: Value<'_, '_>) -> Vec<String> {
    let mut out = Vec::new();
    let mut stack: Vec<Value<'_, '_>> = root.get("params").and_then(|params| params.get("arguments")).into_iter().collect();
    while let Some(value) = stack.pop() {
        match value.kind() {
            Kind::String { .. } => out.push(value.word().into_owned()),
            Kind::Number | Kind::Bool(_) => out.push(value.raw(&value.at()).to_owned()),
            Kind::Null => {}
            Kind::Object | Kind::Array => stack.extend(value.children()),
        }
    }
    out
}

/// A header's value: as it is, or in base64 between `=?base64?` and `?=`.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let Some(coded) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(text));
    };
    let mut out = Vec::with_capacity(coded.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in coded.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|letter| *letter == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value as a header may hold it.
fn encoded(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) && text.trim() == text && !text.starts_with("=?base64?");
    if plain {
        return Cow::Borrowed(text);
    }
    let mut out = String::from("=?base64?");
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out.push_str("?=");
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"method":"tools/call","params":{"name":"send","arguments":{"to":"ann@x.example","n":7,"deep":{"note":"caf\u00e9"}}}}"#;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for (name, value) in pairs {
            out.append(*name, value.parse().unwrap());
        }
        out
    }

    #[test]
    fn what_agrees_stays_and_what_was_edited_is_written_anew() {
        let mut head = headers(&[
            ("mcp-method", "tools/call"),
            ("mcp-name", "send"),
            ("mcp-param-to", "ann@x.example"),
            ("mcp-param-n", "7"),
            ("mcp-param-note", "=?base64?Y2Fmw6k=?="),
        ]);
        let same = head.clone();
        mirror(&mut head, BODY.as_bytes(), BODY.as_bytes()).unwrap();
        assert_eq!(head, same);
        let edited = BODY.replace("ann@x.example", "[pii.email]").replace(r"caf\u00e9", "thé");
        mirror(&mut head, BODY.as_bytes(), edited.as_bytes()).unwrap();
        assert_eq!(head["mcp-param-to"], "[pii.email]");
        assert_eq!(decoded(head["mcp-param-note"].to_str().unwrap()).unwrap(), "thé");
        assert_eq!(head["mcp-param-n"], "7");
    }

    #[test]
    fn what_differs_is_refused() {
        for pairs in [
            &[("mcp-method", "tools/list")][..],
            &[("mcp-name", "other")],
            &[("mcp-param-to", "eve@x.example")],
            &[("mcp-param-to", "=?base64?!?=")],
            &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")],
        ] {
            let error = mirror(&mut headers(pairs), BODY.as_bytes(), BODY.as_bytes()).unwrap_err();
            assert_eq!(error.code, Code::HeaderDiffers, "{pairs:?}");
        }
        mirror(
            &mut headers(&[("mcp-session-id", "s"), ("mcp-protocol-version", "2025-11-25")]),
            BODY.as_bytes(),
            BODY.as_bytes(),
        )
        .unwrap();
    }

    #[test]
    fn a_version_told_twice_is_told_alike() {
        let body = r#"{"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let told = |version| {
            let body = body.as_bytes();
            mirror(&mut headers(&[("mcp-protocol-version", version)]), body, body).map_err(|error| error.code)
        };
        assert_eq!(told("2026-07-28"), Ok(()));
        assert_eq!(told("2025-11-25"), Err(Code::HeaderDiffers));
    }

    #[test]
    fn base64_goes_both_ways() {
        for text in ["é", "éé", "ééé", " lead", "=?base64?x?="] {
            let coded = encoded(text);
            assert!(coded.starts_with("=?base64?"), "{text}");
            assert_eq!(decoded(&coded).unwrap(), text);
        }
        assert_eq!(encoded("plain"), "plain");
    }
}
