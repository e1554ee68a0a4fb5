//! C1 to C5: the five ways in which the parts of a pact are written into each other.
//!
//! A key that a section does not know is first held against these tables, so that its author is told what
//! to move where, not only that the key is unknown. The codes are stable and cannot be silenced.

use super::cursor::Foreign;

fn foreign(code: &'static str, key: &str, message: &str, help: &'static str) -> Foreign {
    Foreign { code, message: format!("`{key}` {message}"), help }
}

/// C1: measurement written as promise, in a predicate or its check.
pub(super) fn in_predicate(key: &str) -> Option<Foreign> {
    const MEASURE: &[&str] = &[
        "window",
        "min_samples",
        "samples",
        "sample",
        "sample_size",
        "task_sample_size",
        "sampling",
        "eval_set",
        "evaluation_set",
        "evaluation",
        "eval",
        "measurement",
        "measurement_period",
        "period",
        "ok_share",
        "threshold",
        "jury",
        "jury_size",
        "every",
        "frequency",
        "during",
        "baseline",
        "method",
        "methodology",
        "rule",
        "rules",
        "source",
        "sources",
        "evidence",
        "metric",
    ];
    const CONSEQUENCE: &[&str] = &["penalty", "forfeit", "score", "pause", "review", "notify", "slash", "consequence"];
    if MEASURE.contains(&key) {
        return Some(foreign(
            "C1",
            key,
            "says how the promise is measured, not what is promised",
            "move it to `evidence.rules` under the id of the predicate",
        ));
    }
    if CONSEQUENCE.contains(&key) {
        return Some(foreign(
            "unknown_key",
            key,
            "says what follows from a breach",
            "move it to `penalty`, or to `penalty.override` under the id of the predicate",
        ));
    }
    None
}

/// C2: behaviour written into identity.
pub(super) fn in_subject(key: &str) -> Option<Foreign> {
    const BEHAVIOUR: &[&str] = &[
        "predicate",
        "predicates",
        "promise",
        "promises",
        "behaviour",
        "behavior",
        "task",
        "tasks",
        "task_types",
        "scope",
        "allow",
        "deny",
        "allowed",
        "denied",
        "forbidden",
        "exclusions",
        "excluded",
        "constraint",
        "constraints",
        "tools",
        "data",
        "data_categories",
        "rules",
        "rule",
        "policy",
        "policies",
        "limits",
        "limit",
        "sla",
        "latency",
        "accuracy",
        "quality",
        "tone",
        "style",
        "instructions",
        "description",
        "purpose",
        "goal",
        "goals",
        "must",
        "must_not",
        "never",
        "always",
        "shall",
        "will",
        "responsibilities",
        "duties",
        "hours",
        "max",
        "min",
    ];
    let promise_like = BEHAVIOUR.contains(&key)
        || ["max_", "min_", "no_", "must_", "never_", "always_", "allowed_", "forbidden_"].iter().any(|p| key.starts_with(p));
    if promise_like {
        return Some(foreign(
            "C2",
            key,
            "says how the agent behaves, not who it is",
            "move it to `predicates`; the subject only names the parties",
        ));
    }
    None
}

/// Whether a value of the subject reads like prose: a promise in disguise.
pub(super) fn is_prose(text: &str) -> bool {
    text.split_whitespace().count() >= 4
}

/// C3 and C4: a trigger, or the end of the pact, in a consequence.
pub(super) fn in_penalty(key: &str) -> Option<Foreign> {
    const TRIGGER: &[&str] = &[
        "when",
        "where",
        "unless",
        "if",
        "on",
        "at",
        "condition",
        "conditions",
        "trigger",
        "triggers",
        "threshold",
        "thresholds",
        "window",
        "min",
        "max",
        "min_samples",
        "samples",
        "ok_share",
        "count",
        "after",
        "over",
        "above",
        "below",
        "exceeds",
        "violations",
        "breaches",
        "check",
        "match",
        "require",
        "repeat",
        "repeats",
        "rate",
        "share",
        "within",
    ];
    if TRIGGER.contains(&key) {
        return Some(foreign(
            "C3",
            key,
            "decides whether there is a breach; a consequence only says what follows",
            "move the condition to the predicate, and its window or share to `evidence.rules`",
        ));
    }
    if ends(key) {
        return Some(foreign(
            "C4",
            key,
            "ends the pact inside a consequence",
            "move it to `renewal.terminate_on`, for instance `{pause_over: 72h}`",
        ));
    }
    None
}

/// Whether a value speaks of a trigger: `48h if the p99 is over 3000`.
pub(super) fn is_triggered(text: &str) -> bool {
    const WORDS: &[&str] = &["if", "when", "whenever", "unless", "above", "below", "over", "under", "after", "exceeds", "once"];
    let words: Vec<&str> = text.split_whitespace().collect();
    words.len() > 1 && words.iter().any(|w| WORDS.contains(&w.to_ascii_lowercase().as_str()))
}

/// Whether a word speaks of the end of the pact.
pub(super) fn ends(word: &str) -> bool {
    const END: &[&str] = &[
        "terminate",
        "terminates",
        "terminated",
        "termination",
        "terminate_on",
        "end",
        "ends",
        "end_pact",
        "expire",
        "expires",
        "void",
        "cancel",
        "cancelled",
        "cancellation",
        "revoke",
        "revoked",
        "dissolve",
        "forever",
        "permanent",
        "permanently",
        "indefinite",
        "renewal",
        "kill",
    ];
    END.contains(&word)
}

/// C5: a change of identity treated as renewal.
pub(super) fn in_renewal(key: &str) -> Option<Foreign> {
    const IDENTITY: &[&str] = &[
        "agent",
        "agent_key",
        "new_agent",
        "replace_agent",
        "counterparty",
        "new_counterparty",
        "guarantor",
        "subject",
        "identity",
        "did",
        "key",
        "keys",
        "new_key",
        "successor",
        "transfer",
        "transfer_to",
        "assign",
        "assign_to",
        "assignee",
        "novation",
        "runtime",
        "runtimes",
        "model",
        "credential",
    ];
    if IDENTITY.contains(&key) || changes_identity(key) {
        return Some(foreign(
            "C5",
            key,
            "changes who is bound; that is no renewal",
            "another identity is another pact: write and sign a new one",
        ));
    }
    None
}

/// Whether a word names the change of an identity.
pub(super) fn changes_identity(word: &str) -> bool {
    const CHANGE: &[&str] = &[
        "agent_change",
        "agent_changed",
        "identity_change",
        "key_change",
        "key_rotation",
        "counterparty_change",
        "counterparty_changed",
        "operator_change",
        "owner_change",
        "guarantor_change",
        "subject_change",
    ];
    CHANGE.contains(&word)
}
