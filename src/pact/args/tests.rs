//! The profile by example, and against the `jsonschema` crate where the meanings are the same.

use proptest::prelude::*;

use super::*;
use crate::base::diagnostic::Diagnostics;
use crate::base::document;

fn schema(text: &str) -> Schema {
    let mut out = Diagnostics::default();
    let node = document::parse(text).unwrap();
    let schema = compile(&node, "args", &mut out);
    assert!(!out.has_errors(), "{text}: {out:?}");
    schema.unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    let mut out = Diagnostics::default();
    let node = document::parse(text).unwrap();
    assert!(compile(&node, "args", &mut out).is_none(), "{text}");
    out.iter().map(|d| format!("{}:{}", d.span.line, d.span.column)).collect()
}

fn breaches(schema: &Schema, arguments: &str) -> Vec<String> {
    schema.check(arguments).iter().map(ToString::to_string).collect()
}

const REFUND: &str = "{properties: {amount: {type: number, maximum: 500}}, required: [amount]}";

#[test]
fn the_refund_of_the_reference() {
    let refund = schema(REFUND);
    let none: [&str; 0] = [];
    assert_eq!(breaches(&refund, r#"{"amount": 500, "note": "x"}"#), none);
    assert_eq!(breaches(&refund, r#"{"amount": 5e2}"#), none);
    assert_eq!(breaches(&refund, r#"{"amount": 900}"#), ["maximum at /amount"]);
    assert_eq!(breaches(&refund, r#"{"amount": 500.00000000000000000000000000000001}"#), ["maximum at /amount"]);
    assert_eq!(breaches(&refund, r#"{"amount": "900"}"#), ["type at /amount"]);
    assert_eq!(breaches(&refund, "{}"), ["required at /"]);
    assert_eq!(breaches(&refund, ""), ["required at /"]);
    assert_eq!(breaches(&refund, "[900]"), ["type at /"]);
    for broken in
        ["{", r#"{"amount": 1, "amount": 900}"#, r#"{"amount": 01}"#, r#"{"amount": 1} x"#, r#"{"amount": NaN}"#, "{'amount': 1}"]
    {
        assert_eq!(breaches(&refund, broken), ["json at /"], "{broken}");
    }
    assert_eq!(breaches(&refund, &"[".repeat(100_000)), ["json at /"]);
}

#[test]
fn a_keyword_implies_its_type_without_being_told() {
    let s = schema(
        "{properties: {a: {maximum: 5}, b: {maxLength: 2}, c: {items: {const: x}}, d: {properties: {e: {enum: [1, ~]}}}}}",
    );
    for (arguments, wanted) in [
        (r#"{"a": "9"}"#, "type at /a"),
        (r#"{"b": 123}"#, "type at /b"),
        (r#"{"b": "äöü"}"#, "maxLength at /b"),
        (r#"{"c": {}}"#, "type at /c"),
        (r#"{"c": ["x", "y"]}"#, "enum at /c/1"),
        (r#"{"d": []}"#, "type at /d"),
        (r#"{"d": {"e": 2}}"#, "enum at /d/e"),
    ] {
        assert_eq!(breaches(&s, arguments), [wanted]);
    }
    assert!(s.check(r#"{"a": 5.0, "b": "\ud83d\ude00x", "c": [], "d": {"e": null}}"#).is_empty());
    let closed = schema("{properties: {a: {type: [integer, 'null']}}, additionalProperties: false}");
    assert_eq!(breaches(&closed, r#"{"a": 1.5, "b~/": 1}"#), ["type at /a", "additionalProperties at /b~0~1"]);
    assert!(closed.check(r#"{"a": 10e-1}"#).is_empty());
}

#[test]
fn what_is_outside_the_profile_has_a_place() {
    assert_eq!(mistakes("{properties: {a: {format: email}}}"), ["1:19"]);
    assert_eq!(mistakes("{type: string}"), ["1:1"]);
    assert_eq!(mistakes("{properties: {a: {type: string, maximum: 5}}}"), ["1:18"]);
    assert_eq!(mistakes("{properties: {a: {maxLength: 5, maximum: 5}}}"), ["1:18"]);
    assert_eq!(mistakes("{properties: {a: {pattern: '(?=x)'}}}"), ["1:28"]);
    assert_eq!(mistakes("{properties: {a: {enum: []}, b: {maximum: x}}, oneOf: []}"), ["1:25", "1:43", "1:48"]);
}

/// Schemas whose meaning is the same in JSON Schema: every keyword stands beside its type.
fn same_meaning() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let number = (-5i64..5, -5i64..5, any::<bool>()).prop_map(|(low, high, open)| {
        if open {
            json!({"type": "number", "exclusiveMinimum": low, "maximum": high})
        } else {
            json!({"type": "integer", "minimum": low, "exclusiveMaximum": high})
        }
    });
    let text = (0u64..3, 0u64..4)
        .prop_map(|(min, max)| json!({"type": "string", "minLength": min, "maxLength": max, "pattern": "^[ab]|ü"}));
    let leaf = prop_oneof![
        number,
        text,
        Just(json!({"enum": [1, "a", null, true, 2.5]})),
        Just(json!({"const": 0})),
        Just(json!({"type": ["boolean", "null"]})),
        Just(json!(true)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|i| json!({"type": "array", "items": i})),
            (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, open)| {
                json!({"type": "object", "properties": {"a": a, "b": b}, "required": ["a"], "additionalProperties": open})
            }),
        ]
    })
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let leaf = prop_oneof![
        (-7i64..7).prop_map(|n| json!(n)),
        (-14i32..14).prop_map(|n| json!(f64::from(n) / 2.0)),
        "[abü\\\\\"]{0,4}".prop_map(|s| json!(s)),
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|v| json!(v)),
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|m| json!(m)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn agrees_with_jsonschema(a in same_meaning(), b in same_meaning(), x in values(), y in values()) {
        let whole = serde_json::json!({"type": "object", "properties": {"a": a, "b": b}, "required": ["b"]});
        let arguments = serde_json::json!({"a": x, "b": y});
        let oracle = jsonschema::validator_for(&whole).unwrap();
        let ours = schema(&whole.to_string());
        prop_assert_eq!(ours.check(&arguments.to_string()).is_empty(), oracle.is_valid(&arguments), "{} {}", whole, arguments);
    }

    #[test]
    fn what_a_narrower_schema_allows_the_wider_allows(a in same_meaning(), b in same_meaning(), x in values()) {
        let [a, b] = [a, b].map(|s| schema(&serde_json::json!({"properties": {"a": s}}).to_string()));
        let arguments = serde_json::json!({"a": x}).to_string();
        prop_assert!(a.within(&a));
        prop_assert!(!a.within(&b) || !a.check(&arguments).is_empty() || b.check(&arguments).is_empty(), "{:?} {:?}", a, b);
    }

    #[test]
    fn no_text_makes_it_fail(text in "\\PC{0,40}") {
        drop(schema(REFUND).check(&text));
    }

    #[test]
    fn whatever_serde_reads_is_read(x in values()) {
        let text = serde_json::json!({"amount": 1, "x": x}).to_string();
        prop_assert!(schema(REFUND).check(&text).is_empty(), "{}", text);
    }
}
