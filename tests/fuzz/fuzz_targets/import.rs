//! Documents of other systems: refused, or a draft that reads without an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::pact::import::{Origin, import};
use servanda::pact::{Packs, read};

fuzz_target!(|data: (u8, &str)| {
    let (from, text) = data;
    let from = Origin::ALL[usize::from(from) % Origin::ALL.len()];
    match import(text, from, Packs::shipped()) {
        Ok(imported) => {
            let (_, mistakes) = read(&imported.draft, Packs::shipped());
            assert!(!mistakes.has_errors(), "{}\n{}", mistakes.render("draft", &imported.draft), imported.draft);
        }
        Err(mistakes) => assert!(mistakes.has_errors()),
    }
});
