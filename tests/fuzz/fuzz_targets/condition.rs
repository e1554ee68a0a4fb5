//! Conditions: any text in `where` is read or refused with places in the document, and what is read is judged.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use servanda::pact::{Packs, read};
use servanda::program::compile;
use servanda::trial::jsonl::LineJudge;

const EVENT: &str = r#"{"events": [{"at": "call", "tool": "pay", "args": {"amount": 3, "to": "x"}, "facts": {"task.type": "billing", "vip": true, "sum": 2.5}}]}"#;

fuzz_target!(|condition: &str| {
    let condition = serde_json::Value::from(condition);
    let text = format!(
        r#"{{"format": 1, "pact": "p", "version": "1.0.0", "facts": {{"task.type": "string", "vip": "bool", "sum": "number"}},
        "tools": {{"pay": {{"action": "write", "target": "order", "effect": "write"}}}},
        "predicates": [{{"id": "a", "dimension": "safety", "severity": "major", "at": "call", "where": {condition},
        "check": {{"require": {condition}}}}}]}}"#
    );
    let (checked, mistakes) = read(&text, Packs::shipped());
    let _ = mistakes.render("fuzz", &text);
    let Some(checked) = checked else { return };
    if let Ok(program) = compile(std::slice::from_ref(&checked), Packs::shipped()) {
        LineJudge::new(Arc::new(program)).line(EVENT, 1_790_000_000_000_000).expect("the event is sound");
    }
});
