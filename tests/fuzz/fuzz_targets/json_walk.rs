//! The JSON walk beside serde_json: what we accept it accepts, with the same strings in the same order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use servanda::protocol::json::{Reader, Token};

fn ours(data: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(data).ok()?;
    let mut out = Vec::new();
    loop {
        match reader.next().ok()? {
            Token::Key(s) | Token::String(s) => {
                let text = reader.text(&s);
                assert_eq!(text.as_str(), reader.decoded(&s));
                out.push(text.as_str().to_owned());
            }
            Token::End => return Some(out),
            _ => {}
        }
    }
}

fn theirs(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(s) => out.push(s.clone()),
        Value::Array(items) => items.iter().for_each(|v| theirs(v, out)),
        Value::Object(map) => map.iter().for_each(|(k, v)| {
            out.push(k.clone());
            theirs(v, out);
        }),
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(mut strings) = ours(data) else { return };
    // Numbers beyond f64 are the one thing we take and serde_json does not.
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let mut wanted = Vec::new();
    theirs(&value, &mut wanted);
    strings.sort();
    wanted.sort();
    assert_eq!(strings, wanted);
});
