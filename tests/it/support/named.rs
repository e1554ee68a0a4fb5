//! Tests that a list names: whether they are there.

use std::fs;
use std::path::Path;

/// A test, by its file below the root of the project and its name.
pub(crate) type Named = (&'static str, &'static str);

/// Fails if one of the tests that `what` names is not there.
pub(crate) fn there(what: &str, tests: &[Named]) {
    assert!(!tests.is_empty(), "{what}");
    for (file, name) in tests {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        let place = text.find(&format!("fn {name}("));
        let marked = place.is_some_and(|at| {
            text[..at].lines().rev().take(2).any(|line| line.contains("test]") || line.contains("[tokio::test"))
        });
        assert!(marked, "{what}: there is no test {name} in {file}");
    }
}
