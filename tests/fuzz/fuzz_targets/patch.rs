//! Edits of decoded text put into the bytes: reading again gives the edited texts and no other change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::protocol::json::{Reader, Token};
use servanda::protocol::patch;

fn strings(data: &[u8]) -> Option<Vec<(String, std::ops::Range<usize>)>> {
    let mut reader = Reader::new(data).ok()?;
    let mut out = Vec::new();
    loop {
        match reader.next().ok()? {
            Token::String(s) => out.push((reader.text(&s).as_str().to_owned(), s.at.clone())),
            Token::End => return Some(out),
            _ => {}
        }
    }
}

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (which, from, to, data) = input;
    let Some(before) = strings(data) else { return };
    let Some((text, _)) = before.get(usize::from(which)) else { return };
    let (from, to) = (usize::from(from.min(to)), usize::from(from.max(to)));
    if text.get(from..to).is_none() {
        return;
    }
    let mut reader = Reader::new(data).expect("read before");
    let mut at = 0;
    let edit = loop {
        match reader.next().expect("read before") {
            Token::String(s) if at == usize::from(which) => break reader.text(&s).edit(from..to, "[x\"\\y]"),
            Token::String(_) => at += 1,
            _ => {}
        }
    };
    let Some(edit) = edit else { return };
    let after = patch(data, &[edit]);
    let after = strings(&after).expect("still JSON");
    for (i, ((old, _), (new, _))) in before.iter().zip(&after).enumerate() {
        if i == usize::from(which) {
            assert_eq!(*new, format!("{}[x\"\\y]{}", &old[..from], &old[to..]));
        } else {
            assert_eq!(old, new);
        }
    }
});
