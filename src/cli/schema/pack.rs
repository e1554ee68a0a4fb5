//! The schema of an invariant pack.

use serde_json::{Value, json};

use super::{closed, count, head, list, map, one_or_many, share, text, version, words};
use crate::base::names::DataCategory;

pub(super) fn schema() -> Value {
    let phrases = || one_or_many(text());
    // A sample may be cut in pieces, so that no file of ours holds what looks like a live secret.
    let samples = || list(one_or_many(text()));
    let group = closed(json!({"weight": {"type": "number"}, "any": phrases(), "of": {}}), &[]);
    let window = json!({"type": ["string", "integer"]});
    let entry = closed(
        json!({
            "label": text(),
            "id": text(),
            "regex": text(),
            "phrases": phrases(),
            "groups": list(group.clone()),
            "threshold": {"type": "number"},
            "window": window.clone(),
            "open": text(),
            "close": text(),
            "names": phrases(),
            "value": text(),
            "verify": text(),
            "context": closed(
                json!({"words": phrases(), "not": phrases(), "after": {"type": ["integer", "boolean"]}, "score": share(), "alone": {"type": ["number", "boolean"]}}),
                &[],
            ),
            "bytes_max": count(),
            "score": share(),
            "category": words(DataCategory::ALL.iter().map(|c| c.as_str())),
            "locale": text(),
            "source": text(),
            "examples": samples(),
            "near_misses": samples(),
        }),
        &["label"],
    );
    let topic = closed(
        json!({
            "label": {"type": "string", "pattern": "^topic\\."},
            "threshold": {"type": "number"},
            "window": window,
            "phrases": {},
            "groups": list(group),
            "locale": text(),
            "source": text(),
            "examples": samples(),
            "near_misses": samples(),
        }),
        &["label"],
    );
    let body = closed(
        json!({
            "pack": text(),
            "version": version(),
            "about": text(),
            "lists": map(phrases()),
            "entries": list(entry),
            "topics": list(topic),
            "suffixes": phrases(),
        }),
        &["pack", "version", "about"],
    );
    head("Invariant pack", "Detectors that pacts refer to by name, versioned apart.", body)
}
