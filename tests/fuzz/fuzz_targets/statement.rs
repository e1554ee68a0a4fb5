//! Notices, approvals, reinstatements and subscriptions: refused, or read; what is read is written, and read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::pact::read_statement;

fuzz_target!(|text: &str| {
    let (statement, mistakes) = read_statement(text);
    let _ = mistakes.render("fuzz", text);
    let Some(statement) = statement else {
        assert!(mistakes.has_errors());
        return;
    };
    let _ = statement.verify(None, 1_800_000_000);
    let written = statement.to_json().expect("what was read is written");
    let (again, mistakes) = read_statement(&written);
    let again = again.unwrap_or_else(|| panic!("{}", mistakes.render("written", &written)));
    assert_eq!(again.digest(), statement.digest());
});
