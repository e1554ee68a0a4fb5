//! The reader behind pacts, packs and config: spans lie in the text, and JSON reads as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::base::document::{Node, Value, parse};

fn walk(node: &Node, text: &str) {
    assert!(node.span.start <= node.span.end && node.span.end <= text.len());
    match &node.value {
        Value::List(items) => items.iter().for_each(|n| walk(n, text)),
        Value::Map(entries) => entries.iter().for_each(|(_, n)| walk(n, text)),
        _ => {}
    }
}

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(node) => walk(&node, text),
        Err(mistakes) => {
            assert!(mistakes.has_errors());
            // Rendering is part of the reader's job.
            let _ = mistakes.render("fuzz", text);
        }
    }
});
