//! The schema of portfolios.

use serde_json::{Value, json};

use super::{closed, did, head, text};
use crate::base::limits::PORTFOLIO_PACTS_MAX;

pub(super) fn schema() -> Value {
    let tasks = json!({"type": "array", "items": text(), "minItems": 1, "uniqueItems": true});
    let weight = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1});
    let entry = closed(json!({"pact": text(), "tasks": tasks, "weight": weight}), &["pact", "weight"]);
    let pacts = json!({"type": "array", "items": entry, "minItems": 1, "maxItems": PORTFOLIO_PACTS_MAX});
    let body = closed(json!({"agent": did(), "pacts": pacts}), &["agent", "pacts"]);
    head("Portfolio", "The pacts that one agent works under, the task types of each, and what each weighs.", body)
}
