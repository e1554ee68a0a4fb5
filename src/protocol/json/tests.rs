//! The walk held against `serde_json`, the map and the patch against plain replacement.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::protocol::text::{Edit, escape, patch};

/// Walks to the end, collecting decoded strings.
fn walk(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
    let mut reader = Reader::new(bytes)?;
    let mut out = Vec::new();
    loop {
        match reader.next()? {
            Token::End => return Ok(out),
            Token::Key(at) | Token::String(at) => {
                assert_eq!(reader.text(&at).as_str(), reader.decoded(&at));
                out.push(reader.decoded(&at).into_owned());
            }
            _ => {}
        }
    }
}

fn code(text: &str) -> Option<Code> {
    walk(text.as_bytes()).err().map(|e| e.code)
}

#[test]
fn what_is_json() {
    for good in
        ["1", " true ", "null", "\"\"", "[]", "{}", "[1,-0,0.5,1e9,1E+2,-1.5e-3]", "{\"a\":{\"b\":[{}]}}", "\"\\u00e9\\/\""]
    {
        assert_eq!(code(good), None, "{good}");
    }
    for (bad, wanted) in [
        ("", Code::Truncated),
        ("{", Code::Truncated),
        ("[1", Code::Truncated),
        ("[1,", Code::Truncated),
        ("\"a", Code::Truncated),
        ("tru", Code::Truncated),
        ("{\"a\"", Code::Truncated),
        ("{\"a\":", Code::Truncated),
        ("\"\\u12", Code::Truncated),
        ("-", Code::Truncated),
        ("1.", Code::Truncated),
        ("01", Code::InvalidJson),
        ("+1", Code::InvalidJson),
        (".5", Code::InvalidJson),
        ("1.e5", Code::InvalidJson),
        ("NaN", Code::InvalidJson),
        ("nul!", Code::InvalidJson),
        ("[1,]", Code::InvalidJson),
        ("{\"a\":1,}", Code::InvalidJson),
        ("{a:1}", Code::InvalidJson),
        ("{'a':1}", Code::InvalidJson),
        ("[1 2]", Code::InvalidJson),
        ("{}{}", Code::InvalidJson),
        ("{} x", Code::InvalidJson),
        ("[}", Code::InvalidJson),
        ("/* c */ 1", Code::InvalidJson),
        ("\u{feff}{}", Code::InvalidJson),
        ("\"a\nb\"", Code::InvalidJson),
        ("\"\\x41\"", Code::InvalidJson),
        ("\"\\u12g4\"", Code::InvalidJson),
        ("\"\\ud800\"", Code::LoneSurrogate),
        ("\"\\udc00\"", Code::LoneSurrogate),
        ("\"\\ud800\\u0041\"", Code::LoneSurrogate),
        ("{\"a\":1,\"a\":2}", Code::DuplicateKey),
        ("{\"a\":1,\"\\u0061\":2}", Code::DuplicateKey),
        ("[{\"a\":{\"b\":1,\"b\":1}}]", Code::DuplicateKey),
    ] {
        assert_eq!(code(bad), Some(wanted), "{bad}");
    }
    assert_eq!(code("[{\"a\":{\"a\":1}},{\"a\":1}]"), None, "the same key in other objects is fine");
    assert_eq!(walk(b"\"\xFF\"").unwrap_err().code, Code::InvalidUtf8);
}

#[test]
fn bounded_in_depth_and_keys() {
    assert_eq!(code(&("[".repeat(128) + &"]".repeat(128))), None);
    assert_eq!(code(&("[".repeat(129) + &"]".repeat(129))), Some(Code::TooDeep));
    assert_eq!(code(&"[".repeat(1_000_000)), Some(Code::TooDeep));
    let many: Vec<String> = (0..5000).map(|i| format!("\"k{i}\":0")).collect();
    assert_eq!(code(&format!("{{{}}}", many.join(","))), None);
    assert_eq!(code(&format!("{{{},\"k4\":1}}", many.join(","))), Some(Code::DuplicateKey));
}

#[test]
fn half_a_pair_in_a_piece() {
    let mut reader = Reader::of_piece(b"{\"a\":\"x\\ud83d\"}").unwrap();
    reader.next().unwrap();
    reader.next().unwrap();
    let Token::String(at) = reader.next().unwrap() else { panic!() };
    assert_eq!(reader.decoded(&at), "x\u{fffd}");
    assert_eq!(reader.text(&at).raw_of(1..4), Some(7..13));
    let mut keyed = Reader::of_piece(b"{\"\\ud83d\":1}").unwrap();
    keyed.next().unwrap();
    assert_eq!(keyed.next().unwrap_err().code, Code::LoneSurrogate);
}

#[test]
fn an_error_stays() {
    let mut reader = Reader::new(b"[1,}").unwrap();
    while reader.next().is_ok() {}
    assert_eq!(reader.next(), reader.next());
}

/// A document, written with random escapes and spaces.
fn document() -> impl Strategy<Value = String> {
    let string =
        prop::collection::vec(prop_oneof![any::<char>(), Just('"'), Just('\\'), Just('\n'), Just('é'), Just('😀')], 0..12)
            .prop_flat_map(|chars| (Just(chars.clone()), prop::collection::vec(0u8..4, chars.len())))
            .prop_map(|(chars, how)| {
                let one = |(c, how): (char, u8)| match how {
                    0 => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>(),
                    1 if c == '/' => "\\/".to_owned(),
                    _ => escape(&c.to_string()).into_owned(),
                };
                format!("\"{}\"", chars.into_iter().zip(how).map(one).collect::<String>())
            });
    let leaf = prop_oneof![
        string.clone(),
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            prop::collection::vec((string.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Vec<String> = fields.into_iter().map(|(k, v)| format!("{k} : {v}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            out.push(key.clone());
            strings(value, out);
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in document()) {
        match walk(text.as_bytes()) {
            Ok(mut found) => {
                let mut wanted = Vec::new();
                strings(&serde_json::from_str(&text).unwrap(), &mut wanted);
                found.sort();
                wanted.sort();
                prop_assert_eq!(found, wanted);
            }
            Err(error) => prop_assert_eq!(error.code, Code::DuplicateKey),
        }
    }

    #[test]
    fn accepts_no_more_than_serde_json(text in document(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = text.into_bytes();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let ours = walk(&bytes);
        let theirs = serde_json::from_slice::<Value>(&bytes);
        match (&ours, &theirs) {
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{error}"),
            (Err(error), Ok(_)) => prop_assert!(matches!(error.code, Code::DuplicateKey | Code::TooDeep), "{error}"),
            _ => {}
        }
    }

    #[test]
    fn patch_then_read_is_read_then_replace(
        text in document(),
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        with in "[a-z\"\\\\\n é]{0,6}",
    ) {
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let mut values = Vec::new();
        loop {
            match reader.next() {
                Ok(Token::End) | Err(_) => break,
                Ok(Token::String(at)) => values.push(at),
                Ok(_) => {}
            }
        }
        prop_assume!(!values.is_empty() && walk(text.as_bytes()).is_ok());
        let place = which.index(values.len());
        let found = reader.text(&values[place]);
        let bounds: Vec<usize> = found.as_str().char_indices().map(|(i, _)| i).chain([found.as_str().len()]).collect();
        let (a, b) = (bounds[from.index(bounds.len())], bounds[to.index(bounds.len())]);
        let range = a.min(b)..a.max(b);
        let edit = found.edit(range.clone(), &with).unwrap();
        prop_assert_eq!(Some(edit.at.clone()), found.raw_of(range.clone()));
        let out = patch(text.as_bytes(), &[edit]);
        let mut wanted = found.as_str().to_owned();
        wanted.replace_range(range, &with);

        let mut again = Reader::new(&out).unwrap();
        let mut seen = 0;
        loop {
            match again.next().unwrap() {
                Token::End => break,
                Token::String(at) => {
                    if seen == place {
                        prop_assert_eq!(again.decoded(&at), wanted.as_str());
                    } else {
                        prop_assert_eq!(again.decoded(&at), reader.decoded(&values[seen]));
                    }
                    seen += 1;
                }
                _ => {}
            }
        }
        prop_assert_eq!(seen, values.len());
    }

    #[test]
    fn patch_never_panics(body in prop::collection::vec(any::<u8>(), 0..40), edits in prop::collection::vec((0usize..60, 0usize..60), 0..5)) {
        let edits: Vec<Edit> = edits.into_iter().map(|(a, b)| Edit { at: a..b, with: "x".to_owned() }).collect();
        patch(&body, &edits);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = walk(&bytes).is_ok();
    }
}

#[test]
fn long_texts_map_back_from_their_marks() {
    let plain = "x".repeat(9000);
    let raw: String = (0..3000).map(|i| if i % 7 == 0 { "\\u00e9".to_owned() } else { format!("a\\n{}", i % 10) }).collect();
    let body = format!("\"{plain}{raw}{plain}{raw}\"");
    let mut reader = Reader::new(body.as_bytes()).unwrap();
    let Token::String(at) = reader.next().unwrap() else { panic!() };
    let text = reader.text(&at);
    for (offset, c) in text.as_str().char_indices().step_by(97) {
        let raw = text.raw_of(offset..offset + c.len_utf8()).unwrap();
        let (decoded, _) = decode(&body[raw]);
        assert_eq!(decoded, c.to_string());
    }
    assert_eq!(text.raw(), Some(1..body.len() - 1));
    assert_eq!(text.raw_of(0..0), Some(1..1));
}

#[test]
fn eight_bytes_at_once_end_where_one_by_one_do() {
    for byte in 0..=u8::MAX {
        for other in [b'a', b'"', b'\\', 0x1F, 0x20, 0x7F, 0x80, 0xFF, byte] {
            for place in 0..8 {
                let mut eight = *b"a~\x80\xFF!# 0";
                eight[place] = byte;
                eight[(place + 3) % 8] = other;
                let plain = eight.iter().take_while(|b| **b >= 0x20 && !matches!(b, b'"' | b'\\')).count();
                assert_eq!(super::plain_bytes(eight), plain, "{eight:?}");
            }
        }
    }
}

#[test]
fn keys_are_the_same_only_if_all_their_bytes_are() {
    let keys =
        ["", "a", "b", "\0", "\0\0", "a\0", "aaaaaaa", "aaaaaab", "aaaaaaaa", "aaaaaaa\0", "content", "contents", "é", "\u{65}"];
    for (at, one) in keys.iter().enumerate() {
        for two in keys.iter().skip(at) {
            let body = serde_json::json!([one, two]).to_string();
            let (one_text, two_text) = (serde_json::json!(one).to_string(), serde_json::json!(two).to_string());
            let object = format!("{{{one_text}:1,{two_text}:2}}");
            let mut reader = super::Reader::new(object.as_bytes()).unwrap();
            assert_eq!(reader.finish().is_err(), one == two, "{body}");
        }
    }
    // An escape spells the same key.
    let mut reader = super::Reader::new(br#"{"role":1,"r\u006fle":2}"#).unwrap();
    assert_eq!(reader.finish().unwrap_err().code, super::Code::DuplicateKey);
}
