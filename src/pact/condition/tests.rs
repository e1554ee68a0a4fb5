//! Conditions as authors write them, and against the `cel` crate.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::base::diagnostic::Diagnostics;
use crate::base::diagnostic::Span;
use crate::pact::decimal::Decimal;
use crate::pact::model::{Effect, FactType, Results, Tool};
use crate::pact::place::Anchor;

fn tool(name: &str) -> Tool {
    Tool {
        name: name.into(),
        action: Some("write".into()),
        target: Some("order".into()),
        effect: Effect::External,
        results: Results::Untrusted,
        data: Vec::new(),
        reversible: false,
        aliases: Vec::new(),
        server: None,
        span: Span::default(),
    }
}

fn read(text: &str) -> Result<Expr, Diagnostics> {
    let facts = BTreeMap::from([
        ("task.type".to_owned(), FactType::Text),
        ("task.amount".to_owned(), FactType::Number { unit: None }),
        ("caller.holder".to_owned(), FactType::Bool),
        ("n".to_owned(), FactType::Number { unit: None }),
        ("m".to_owned(), FactType::Number { unit: None }),
        ("s".to_owned(), FactType::Text),
        ("p".to_owned(), FactType::Bool),
    ]);
    let tools = [tool("refund_create"), tool("human_handover")];
    let topics = BTreeSet::from(["billing_dispute".to_owned()]);
    parse(text, Anchor::nowhere(), "where", &Scope { facts: &facts, tools: &tools, topics: &topics })
}

#[test]
fn the_conditions_of_the_reference() {
    for text in [
        "caller.holder",
        r#"tool.name == "refund_create""#,
        r#""billing_dispute" in topics && task.amount > 500"#,
        r#"session.called("human_handover")"#,
        r#"tool.effect == "external""#,
        r#"tool.name in ["refund_create", "human_handover"] || !tool.reversible"#,
        "args.amount * 2 + 1 <= 1000.50 && args.note.size() < 100",
        r#"args.to.endsWith("@acme.example")"#,
        r#"topics.exists(t, t == "billing_dispute") || topics.size() == 0"#,
        r#"topics.all(t, t.startsWith("bill"))"#,
        r#"time.hour >= 9 && time.weekday != "sun" && time.date < "2027-01-01" && time.business"#,
        r#"session.count("refund_create") < 3 && session.turns <= 40"#,
        r#"lane == "inbound" && host.port in [80, 443]"#,
        "load.open_tasks < 50 && -task.amount < -1",
    ] {
        assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        // What is shown is the same condition.
        let shown = read(text).unwrap().to_string();
        let again = read(&shown).unwrap_or_else(|e| panic!("{text} is shown as {shown}: {e:?}"));
        assert!(order::same(&read(text).unwrap(), &again) && again.to_string() == shown, "{text} is shown as {shown}");
    }
}

#[test]
fn conditions_are_ordered_by_their_form() {
    let at_most = |a: &str, b: &str| order::at_most(&read(a).unwrap(), &read(b).unwrap());
    for (a, b) in [
        ("n > 5", "n > 3"),
        ("n >= 5", "n > 4"),
        ("n == 5", "n >= 5"),
        ("n > 5 && p", "n > 3"),
        ("n > 5", "p || n > 5"),
        ("p && n > 1", "n > 1 && p"),
        ("!(n > 3)", "!(n > 5)"),
        ("s == \"a\"", "s in [\"b\", \"a\"]"),
        ("s in [\"a\"]", "s in [\"b\", \"a\"]"),
        ("topics.exists(t, t == \"billing_dispute\")", "topics.exists(u, true)"),
        ("false", "p"),
        ("p && (n > 3 || s == \"a\")", "(n > 3 || s == \"a\") && p"),
    ] {
        assert!(at_most(a, b), "{a} is at most {b}");
    }
    for (a, b) in
        [("n > 3", "n > 5"), ("n >= 5", "n > 5"), ("p", "!p"), ("n > 5", "m > 3"), ("p", "p && n > 1"), ("n != 5", "n != 6")]
    {
        assert!(!at_most(a, b), "{a} is not at most {b}");
    }
    // Many alternatives on both sides cost their product, not a power of it.
    let long = |of: &str| (0..24).map(|n| format!("(n > {n} {of} m > {n})")).collect::<Vec<_>>();
    assert!(at_most(&long("&&").join(" && "), &long("||").join(" || ")));
    assert!(!at_most(&long("||").join(" && "), &long("&&").join(" || ")));
}

#[test]
fn which_way_calls_move_a_condition() {
    let moved = |text: &str| {
        let by = order::by_calls(&read(text).unwrap());
        (by.rises, by.falls)
    };
    assert_eq!(moved("n > 3 && p"), (false, false));
    assert_eq!(moved("session.called(\"refund_create\") && p"), (true, false));
    assert_eq!(moved("!session.called(\"refund_create\")"), (false, true));
    assert_eq!(moved("session.count(\"refund_create\") < 3"), (false, true));
    assert_eq!(moved("3 < session.count(\"refund_create\")"), (true, false));
    assert_eq!(moved("session.count(\"refund_create\") == 3"), (true, true));
}

#[test]
fn mistakes_of_names_and_types_are_all_told() {
    let codes = |text: &str| read(text).map_or_else(|d| d.iter().map(|d| d.code).collect::<Vec<_>>(), |_| Vec::new());
    assert_eq!(codes(r#"tool.name == "refund_craete" && tsk.type == "x""#), ["unknown_tool", "unknown_field"]);
    assert_eq!(codes(r#""biling_dispute" in topics"#), ["unknown_topic"]);
    assert_eq!(codes(r#"topics.exists(t, t == "biling_dispute")"#), ["unknown_topic"]);
    assert_eq!(codes(r#"session.called("handover")"#), ["unknown_tool"]);
    assert_eq!(codes(r#"task.amount == "500""#), ["condition_type"]);
    assert_eq!(codes("task.amount"), ["condition_type"]);
    assert_eq!(codes("caller.holder > true"), ["condition_type"]);
    assert_eq!(codes("topics == topics"), ["condition_type"]);
    assert_eq!(codes(r#"time.weekday == "monday""#), ["unknown_word"]);
    assert_eq!(codes(r#"time.date > "1.1.2027""#), ["bad_date"]);
    assert_eq!(codes(r#"tool.effect == "extern""#), ["unknown_word"]);
    assert_eq!(codes("topics.exists(t, topics.all(u, true))"), ["condition_syntax"]);
    assert_eq!(codes("topics.exists(n, true)"), ["condition_syntax"]);
    assert_eq!(codes("s.matches('a')"), ["unknown_function"]);
    assert_eq!(codes("1 in [1, 'a']"), ["condition_type"]);
    assert_eq!(codes("n in []"), ["condition_type"]);
    assert_eq!(codes("task"), ["unknown_field"]);
    assert_eq!(codes("args"), ["unknown_field"]);
}

/// A reference evaluator, three-valued: none is unknown. The engine's flat program must agree with it.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Bool(bool),
    Number(Decimal),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<Decimal>),
}

struct World {
    facts: BTreeMap<String, Value>,
    topics: Vec<String>,
}

fn eval(expr: &Expr, world: &World, member: Option<&str>) -> Option<Value> {
    let value = |e: &Expr| eval(e, world, member);
    let truth = |e: &Expr| match eval(e, world, member) {
        Some(Value::Bool(b)) => Some(b),
        _ => None,
    };
    let number = |e: &Expr| match eval(e, world, member) {
        Some(Value::Number(n)) => Some(n),
        _ => None,
    };
    let text = |e: &Expr| match eval(e, world, member) {
        Some(Value::Text(t)) => Some(t),
        _ => None,
    };
    Some(match &expr.kind {
        ExprKind::Literal(Literal::Bool(b)) => Value::Bool(*b),
        ExprKind::Literal(Literal::Number(n)) => Value::Number(*n),
        ExprKind::Literal(Literal::Text(t)) => Value::Text(t.clone()),
        ExprKind::Literal(Literal::Texts(t)) => Value::Texts(t.clone()),
        ExprKind::Literal(Literal::Numbers(n)) => Value::Numbers(n.clone()),
        ExprKind::Field(Field::Fact(name)) => world.facts.get(name)?.clone(),
        ExprKind::Field(Field::Topics) => Value::Texts(world.topics.clone()),
        ExprKind::Member => Value::Text(member?.to_owned()),
        ExprKind::Not(a) => Value::Bool(!truth(a)?),
        ExprKind::Negate(a) => Value::Number(number(a)?.negated()),
        ExprKind::And(a, b) => match (truth(a), truth(b)) {
            (Some(false), _) | (_, Some(false)) => Value::Bool(false),
            (Some(true), Some(true)) => Value::Bool(true),
            _ => return None,
        },
        ExprKind::Or(a, b) => match (truth(a), truth(b)) {
            (Some(true), _) | (_, Some(true)) => Value::Bool(true),
            (Some(false), Some(false)) => Value::Bool(false),
            _ => return None,
        },
        ExprKind::Compare(op, a, b) => {
            let order = match (value(a)?, value(b)?) {
                (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
                (Value::Number(a), Value::Number(b)) => a.cmp(&b),
                (Value::Text(a), Value::Text(b)) => a.cmp(&b),
                _ => return None,
            };
            Value::Bool(match op {
                CompareOp::Eq => order.is_eq(),
                CompareOp::Ne => order.is_ne(),
                CompareOp::Lt => order.is_lt(),
                CompareOp::Le => order.is_le(),
                CompareOp::Gt => order.is_gt(),
                CompareOp::Ge => order.is_ge(),
            })
        }
        ExprKind::In(a, b) => match (value(a)?, value(b)?) {
            (Value::Text(a), Value::Texts(b)) => Value::Bool(b.contains(&a)),
            (Value::Number(a), Value::Numbers(b)) => Value::Bool(b.contains(&a)),
            _ => return None,
        },
        ExprKind::Arith(op, a, b) => {
            let (a, b) = (number(a)?, number(b)?);
            Value::Number(match op {
                ArithOp::Add => a.checked_add(b)?,
                ArithOp::Sub => a.checked_sub(b)?,
                ArithOp::Mul => a.checked_mul(b)?,
            })
        }
        ExprKind::Size(a) => match value(a)? {
            Value::Text(t) => Value::Number((t.chars().count() as i64).into()),
            Value::Texts(t) => Value::Number((t.len() as i64).into()),
            Value::Numbers(n) => Value::Number((n.len() as i64).into()),
            _ => return None,
        },
        ExprKind::StartsWith(a, b) => Value::Bool(text(a)?.starts_with(&text(b)?)),
        ExprKind::EndsWith(a, b) => Value::Bool(text(a)?.ends_with(&text(b)?)),
        ExprKind::Contains(a, b) => Value::Bool(text(a)?.contains(&text(b)?)),
        ExprKind::Quantified(quantifier, list, body) => {
            let Value::Texts(list) = value(list)? else { return None };
            let all = *quantifier == Quantifier::All;
            let mut unknown = false;
            for member in &list {
                match eval(body, world, Some(member)) {
                    Some(Value::Bool(b)) if b != all => return Some(Value::Bool(!all)),
                    Some(Value::Bool(_)) => {}
                    _ => unknown = true,
                }
            }
            if unknown {
                return None;
            }
            Value::Bool(all)
        }
        _ => return None,
    })
}

/// The same expression by the `cel` crate; none where it reports an error.
fn oracle(text: &str, world: &World) -> Option<bool> {
    let env = std::sync::Arc::new(cel::Env::stdlib());
    let program = env.compile(text).ok()?;
    let mut context = cel::Context::with_env(env);
    for (name, value) in &world.facts {
        let value = match value {
            Value::Bool(b) => cel::Value::from(*b),
            Value::Number(n) => cel::Value::from(n.to_i64()?),
            Value::Text(t) => cel::Value::from(t.as_str()),
            _ => return None,
        };
        context.add_variable_from_value(name, value);
    }
    context.add_variable_from_value("topics", world.topics.clone());
    match program.execute(&context) {
        Ok(cel::Value::Bool(b)) => Some(b),
        _ => None,
    }
}

mod differential {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("n".to_owned()), Just("m".to_owned()), (0i64..9).prop_map(|n| n.to_string())];
        leaf.prop_recursive(2, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*")], inner.clone())
                    .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                Just("s.size()".to_owned()),
                Just("topics.size()".to_owned()),
                inner.prop_map(|a| format!("-{a}")),
            ]
        })
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("s".to_owned()),
            Just("''".to_owned()),
            Just("'ab'".to_owned()),
            Just(r#""b\"é""#.to_owned()),
            Just("'a'".to_owned())
        ]
    }

    fn truth() -> impl Strategy<Value = String> {
        let op = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
        let method = prop_oneof![Just("startsWith"), Just("endsWith"), Just("contains")];
        let leaf = prop_oneof![
            Just("p".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            (number(), op.clone(), number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (text(), op, text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (text(), method, text()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
            number().prop_map(|a| format!("{a} in [1, 2, 5]")),
            Just("s in ['a', 'ab']".to_owned()),
            Just("'billing_dispute' in topics".to_owned()),
            Just("topics.exists(t, t.startsWith('b'))".to_owned()),
            Just("topics.all(t, t.size() > 3 || p)".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && {b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b} || {b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) == ({b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    proptest! {
        // `SERVANDA_DEEP=1` asks a hundred thousand.
        #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("SERVANDA_DEEP").is_some() { 100_000 } else { 2_000 }))]
        #[test]
        fn agrees_with_cel(
            text in truth(), n in -9i64..9, m in -9i64..9, s in "(|a|ab|b\"é|xab)", p in any::<bool>(),
            topics in prop::collection::vec("(billing_dispute|abc|b)", 0..3),
        ) {
            let world = World {
                facts: BTreeMap::from([
                    ("n".to_owned(), Value::Number(n.into())),
                    ("m".to_owned(), Value::Number(m.into())),
                    ("s".to_owned(), Value::Text(s)),
                    ("p".to_owned(), Value::Bool(p)),
                ]),
                topics,
            };
            // What does not fit our bounds has no other side to compare with.
            if let Ok(expr) = read(&text) {
                let Some(Value::Bool(ours)) = eval(&expr, &world, None) else { panic!("unknown: {text}") };
                prop_assert_eq!(Some(ours), oracle(&text, &world), "{}", text);
            } else {
                prop_assert!(text.len() > 100, "refused: {}", text);
            }
        }

        #[test]
        fn no_text_makes_it_fail_otherwise_than_by_a_mistake(text in "\\PC{0,60}") {
            drop(read(&text));
        }

        #[test]
        fn no_heap_of_tokens_does(parts in prop::collection::vec(prop_oneof![
            Just("("), Just(")"), Just("["), Just("]"), Just("!"), Just("-"), Just("&&"), Just("||"), Just("in"), Just("=="), Just("."),
            Just("topics"), Just("args.x"), Just("1"), Just("'a'"), Just("exists"), Just(","), Just("tool.name"), Just("t"),
        ], 0..40)) {
            drop(read(&parts.join(" ")));
        }
    }

    /// Where the two differ, and why: what the generator above leaves out.
    #[test]
    fn differs_from_cel_where_it_says_so() {
        let world = World { facts: BTreeMap::from([("n".to_owned(), Value::Number(2.into()))]), topics: Vec::new() };
        for (text, ours, cels, why) in [
            ("0.1 + 0.2 == 0.3", Some(true), Some(false), "numbers are exact decimals, not binary fractions"),
            ("9223372036854775807 + n > 0", Some(true), None, "they are wider than 64 bits"),
            ("m > 1", None, None, "a field that is not known is unknown; to CEL it is an error"),
            ("!(m > 1) && n > 5", Some(false), Some(false), "unknown and false is false in both"),
        ] {
            assert_eq!(eval(&read(text).unwrap(), &world, None), ours.map(Value::Bool), "{text}: {why}");
            assert_eq!(oracle(text, &world), cels, "{text}: {why}");
        }
        // Typed when it is read: what CEL finds out when it runs, or never.
        for text in
            ["n == 'a'", "n ? p : p", "n / 2 == 1", "n % 2 == 0", "s.matches('a')", "[1][0] == 1", "{'a': 1}.a == 1", "n == null"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    /// Deep, long and huge ones are refused by their size, on half the stack of a thread.
    #[test]
    fn hostile_expressions_are_refused_on_a_small_stack() {
        use crate::base::limits::CONDITION_MAX;
        let fill = |part: &str, end: &str| part.repeat((CONDITION_MAX - end.len()) / part.len()) + end;
        let nested = |open: &str, close: &str, n: usize| open.repeat(n) + "p" + &close.repeat(n);
        let half = (CONDITION_MAX - 1) / 2;
        let mut texts: Vec<String> = vec![
            nested("(", ")", half),
            nested("!(", ")", half / 2),
            nested("(", ")", 1_000_000),
            "[".repeat(CONDITION_MAX),
            "!".repeat(1_000_000) + "p",
            fill("!", "p"),
            fill("-", "n > 1"),
            fill("p || ", "p"),
            fill("p && ", "p"),
            fill("n + ", "n > 1"),
            "n > ".to_owned() + &"9".repeat(CONDITION_MAX - 4),
            "n > ".to_owned() + &"9".repeat(1_000_000),
            "n > 1e999999999".to_owned(),
            "n in [".to_owned() + &fill("1,", "")[6..],
            "p ".repeat(500_000),
        ];
        texts.push(format!("topics.exists(t, {})", nested("(", ")", half / 2)));
        let refused = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            texts
                .iter()
                .filter(|text| read(text).is_ok())
                .map(|text| text.chars().take(40).collect::<String>())
                .collect::<Vec<_>>()
        });
        assert_eq!(refused.unwrap().join().expect("the stack holds"), Vec::<String>::new());
        // A text as long as may be is only a text.
        assert!(read(&("s == '".to_owned() + &"a".repeat(CONDITION_MAX - 7) + "'")).is_ok());
    }

    #[test]
    fn unknown_is_the_stricter_case() {
        let world = World { facts: BTreeMap::from([("p".to_owned(), Value::Bool(true))]), topics: Vec::new() };
        for (text, wanted) in [
            ("n > 1", None),
            ("p || n > 1", Some(true)),
            ("n > 1 || p", Some(true)),
            ("!p && n > 1", Some(false)),
            ("n > 1 && !p", Some(false)),
            ("p && n > 1", None),
            ("!(n > 1)", None),
            ("topics.exists(t, n > 1)", Some(false)),
        ] {
            assert_eq!(eval(&read(text).unwrap(), &world, None), wanted.map(Value::Bool), "{text}");
        }
    }
}
