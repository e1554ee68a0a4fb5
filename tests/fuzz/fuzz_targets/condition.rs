//! Conditions: any text is read or refused with places that lie in it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|_text: &str| {});
