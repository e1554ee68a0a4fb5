//! Pact texts: read or refused with every mistake in its place; what is read compiles or says why, and its
//! canonical form reads as the same pact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::pact::{Packs, read};
use servanda::program::compile;

fuzz_target!(|text: &str| {
    let (checked, mistakes) = read(text, Packs::shipped());
    let _ = mistakes.render("fuzz", text);
    let Some(checked) = checked else {
        assert!(mistakes.has_errors());
        return;
    };
    let canonical = std::str::from_utf8(checked.canonical()).expect("canonical JSON is UTF-8");
    let (again, mistakes) = read(canonical, Packs::shipped());
    let again = again.unwrap_or_else(|| panic!("{}", mistakes.render("canonical", canonical)));
    assert_eq!(again.canonical(), checked.canonical());
    let _ = compile(std::slice::from_ref(&checked), Packs::shipped());
});
