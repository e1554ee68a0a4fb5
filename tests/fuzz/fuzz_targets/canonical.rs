//! Canonical JSON: what is written is accepted by the strict checker, and what the checker accepts is
//! written the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::seal::canon::{check_canonical, to_canonical};

fuzz_target!(|data: &[u8]| {
    let value = serde_json::from_slice::<serde_json::Value>(data).ok();
    if check_canonical(data).is_ok() {
        let value = value.as_ref().expect("canonical JSON is JSON");
        assert_eq!(to_canonical(value).expect("it had a canonical form"), data);
    }
    if let Some(Ok(bytes)) = value.as_ref().map(to_canonical) {
        check_canonical(&bytes).expect("what we write is canonical");
    }
});
