//! Multipart bodies: what is accepted has its boundary, and nothing that was read stands outside the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::protocol::{Role, multipart};

fuzz_target!(|input: (&str, &[u8])| {
    let (content_type, body) = input;
    let _ = multipart::boundary(content_type);
    let Ok(message) = multipart::read(body, "b", Role::User) else { return };
    assert!(body.windows(3).any(|window| window == b"--b"));
    for part in &message.parts {
        assert!(!part.editable, "parts of a form are never edited");
    }
});
