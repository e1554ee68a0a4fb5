//! The second opinions: digits, letters and separators in shapes that reach them; no panic, and every
//! hit lies in the text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use servanda::pact::pack::Packs;
use servanda::scan::{Scanner, Scratch};

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Packs::shipped().scanner().expect("the shipped packs build"));
const ALPHABET: &[u8; 32] = b"0123456789 -./:+()@abEHGKeyJ_=#\n";

fuzz_target!(|data: &[u8]| {
    let text: String = data.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect();
    let mut hits = Vec::new();
    SCANNER.scan(&text, &mut Scratch::new(&SCANNER), &mut hits);
    for hit in hits {
        assert!(text.get(hit.start..hit.end).is_some_and(|t| !t.is_empty()));
    }
});
