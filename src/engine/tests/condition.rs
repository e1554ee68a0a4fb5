//! The flat program against a naive evaluator of the tree, and the truth tables.

use proptest::prelude::*;

use super::*;
use crate::base::diagnostic::Span;
use crate::engine::condition::{ArgValue, Truth, View, run};
use crate::engine::facts::Fact;
use crate::pact::condition::{ArithOp, CompareOp, Expr, ExprKind, Field, Literal, Quantifier, Type};
use crate::pact::decimal::Decimal;
use crate::program::condition::{STACK_MAX, lower};

#[test]
fn truth_tables() {
    use Truth::{False as F, True as T, Unknown as U};
    let all = [T, U, F];
    let and = [[T, U, F], [U, U, F], [F, F, F]];
    let or = [[T, T, T], [T, U, U], [T, U, F]];
    for (i, a) in all.into_iter().enumerate() {
        for (j, b) in all.into_iter().enumerate() {
            assert_eq!(a.and(b), and[i][j]);
            assert_eq!(a.or(b), or[i][j]);
            assert_eq!(a.and(b).negated(), a.negated().or(b.negated()));
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Naive {
    Unknown,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<Decimal>),
}

fn truth(value: &Naive) -> Option<bool> {
    if let Naive::Bool(b) = value { Some(*b) } else { None }
}

fn of(value: Option<bool>) -> Naive {
    value.map_or(Naive::Unknown, Naive::Bool)
}

/// The meaning as `pact::condition` states it, read off the tree.
fn naive(expr: &Expr, world: &World, member: Option<&str>) -> Naive {
    let go = |e: &Expr| naive(e, world, member);
    match &expr.kind {
        ExprKind::Literal(Literal::Bool(b)) => Naive::Bool(*b),
        ExprKind::Literal(Literal::Number(n)) => Naive::Number(*n),
        ExprKind::Literal(Literal::Text(t)) => Naive::Text(t.clone()),
        ExprKind::Literal(Literal::Texts(l)) => Naive::Texts(l.clone()),
        ExprKind::Literal(Literal::Numbers(l)) => Naive::Numbers(l.clone()),
        ExprKind::Field(Field::Fact(name)) => match world.facts.get(name) {
            Fact::Present(FactValue::Bool(b)) => Naive::Bool(*b),
            Fact::Present(FactValue::Number(n)) => Naive::Number(*n),
            Fact::Present(FactValue::Text(t)) => Naive::Text(t.to_string()),
            _ => Naive::Unknown,
        },
        ExprKind::Field(Field::Arg(_)) => match &world.arg {
            Some(ArgValue::Bool(b)) => Naive::Bool(*b),
            Some(ArgValue::Number(n)) => Naive::Number(*n),
            Some(ArgValue::Text(t)) => Naive::Text(t.clone()),
            None => Naive::Unknown,
        },
        ExprKind::Field(Field::Topics) => world.topics.clone().map_or(Naive::Unknown, Naive::Texts),
        ExprKind::Field(_) => unreachable!(),
        ExprKind::Member => Naive::Text(member.unwrap().to_owned()),
        ExprKind::Not(a) => of(truth(&go(a)).map(|b| !b)),
        ExprKind::Negate(a) => {
            if let Naive::Number(n) = go(a) {
                Naive::Number(n.negated())
            } else {
                Naive::Unknown
            }
        }
        ExprKind::And(a, b) => match (truth(&go(a)), truth(&go(b))) {
            (Some(false), _) | (_, Some(false)) => Naive::Bool(false),
            (Some(true), Some(true)) => Naive::Bool(true),
            _ => Naive::Unknown,
        },
        ExprKind::Or(a, b) => match (truth(&go(a)), truth(&go(b))) {
            (Some(true), _) | (_, Some(true)) => Naive::Bool(true),
            (Some(false), Some(false)) => Naive::Bool(false),
            _ => Naive::Unknown,
        },
        ExprKind::Compare(op, a, b) => {
            let order = match (go(a), go(b)) {
                (Naive::Number(a), Naive::Number(b)) => a.cmp(&b),
                (Naive::Text(a), Naive::Text(b)) => a.cmp(&b),
                (Naive::Bool(a), Naive::Bool(b)) if matches!(op, CompareOp::Eq | CompareOp::Ne) => a.cmp(&b),
                _ => return Naive::Unknown,
            };
            Naive::Bool(match op {
                CompareOp::Eq => order.is_eq(),
                CompareOp::Ne => order.is_ne(),
                CompareOp::Lt => order.is_lt(),
                CompareOp::Le => order.is_le(),
                CompareOp::Gt => order.is_gt(),
                CompareOp::Ge => order.is_ge(),
            })
        }
        ExprKind::In(a, b) => match (go(a), go(b)) {
            (Naive::Text(a), Naive::Texts(l)) => Naive::Bool(l.contains(&a)),
            (Naive::Number(a), Naive::Numbers(l)) => Naive::Bool(l.contains(&a)),
            _ => Naive::Unknown,
        },
        ExprKind::Arith(op, a, b) => match (go(a), go(b)) {
            (Naive::Number(a), Naive::Number(b)) => match op {
                ArithOp::Add => a.checked_add(b),
                ArithOp::Sub => a.checked_sub(b),
                ArithOp::Mul => a.checked_mul(b),
            }
            .map_or(Naive::Unknown, Naive::Number),
            _ => Naive::Unknown,
        },
        ExprKind::Size(a) => match go(a) {
            Naive::Text(t) => Naive::Number((t.chars().count() as i64).into()),
            Naive::Texts(l) => Naive::Number((l.len() as i64).into()),
            _ => Naive::Unknown,
        },
        ExprKind::StartsWith(a, b) | ExprKind::EndsWith(a, b) | ExprKind::Contains(a, b) => match (go(a), go(b)) {
            (Naive::Text(a), Naive::Text(b)) => Naive::Bool(match &expr.kind {
                ExprKind::StartsWith(..) => a.starts_with(&b),
                ExprKind::EndsWith(..) => a.ends_with(&b),
                _ => a.contains(&b),
            }),
            _ => Naive::Unknown,
        },
        ExprKind::Quantified(quantifier, list, body) => {
            let Naive::Texts(list) = go(list) else { return Naive::Unknown };
            let each: Vec<Option<bool>> = list.iter().map(|m| truth(&naive(body, world, Some(m)))).collect();
            let stop = *quantifier == Quantifier::Exists;
            if each.contains(&Some(stop)) {
                Naive::Bool(stop)
            } else if each.contains(&None) {
                Naive::Unknown
            } else {
                Naive::Bool(!stop)
            }
        }
        ExprKind::Called(tool) => Naive::Bool(world.session.called(tool)),
        ExprKind::CallCount(tool) => Naive::Number((world.session.count(tool) as i64).into()),
    }
}

#[derive(Debug)]
struct World {
    facts: Facts,
    arg: Option<ArgValue>,
    topics: Option<Vec<String>>,
    session: Session,
}

fn node(kind: ExprKind, ty: Type) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

fn text_leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        "[ab]{0,3}".prop_map(|t| node(ExprKind::Literal(Literal::Text(t)), Type::Text)),
        Just(node(ExprKind::Field(Field::Fact("t".into())), Type::Text)),
        Just(node(ExprKind::Field(Field::Arg(vec!["x".into()])), Type::Scalar)),
    ]
}

fn number() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (-3i64..4).prop_map(|n| node(ExprKind::Literal(Literal::Number(n.into())), Type::Number)),
        Just(node(ExprKind::Field(Field::Fact("n".into())), Type::Number)),
        Just(node(ExprKind::CallCount("pay".into()), Type::Number)),
        text_leaf().prop_map(|t| node(ExprKind::Size(t.into()), Type::Number)),
        Just(node(ExprKind::Size(node(ExprKind::Field(Field::Topics), Type::Texts).into()), Type::Number)),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let op = prop_oneof![Just(ArithOp::Add), Just(ArithOp::Sub), Just(ArithOp::Mul)];
        prop_oneof![
            (op, inner.clone(), inner.clone()).prop_map(|(op, a, b)| node(ExprKind::Arith(op, a.into(), b.into()), Type::Number)),
            inner.prop_map(|a| node(ExprKind::Negate(a.into()), Type::Number)),
        ]
    })
}

fn condition() -> impl Strategy<Value = Expr> {
    let op = || {
        prop_oneof![
            Just(CompareOp::Eq),
            Just(CompareOp::Ne),
            Just(CompareOp::Lt),
            Just(CompareOp::Le),
            Just(CompareOp::Gt),
            Just(CompareOp::Ge)
        ]
    };
    let topics = || node(ExprKind::Field(Field::Topics), Type::Texts);
    let member = || node(ExprKind::Member, Type::Text);
    let texts = prop::collection::vec("[ab]{1,2}", 0..3).prop_map(|l| node(ExprKind::Literal(Literal::Texts(l)), Type::Texts));
    let quantifier = prop_oneof![Just(Quantifier::Exists), Just(Quantifier::All)];
    let body = text_leaf().prop_map(move |t| node(ExprKind::StartsWith(member().into(), t.into()), Type::Bool));
    let list = prop_oneof![Just(topics()), texts.clone()];
    let leaf = prop_oneof![
        any::<bool>().prop_map(|b| node(ExprKind::Literal(Literal::Bool(b)), Type::Bool)),
        Just(node(ExprKind::Field(Field::Fact("p".into())), Type::Bool)),
        Just(node(ExprKind::Called("pay".into()), Type::Bool)),
        (op(), number(), number()).prop_map(|(op, a, b)| node(ExprKind::Compare(op, a.into(), b.into()), Type::Bool)),
        (op(), text_leaf(), text_leaf()).prop_map(|(op, a, b)| node(ExprKind::Compare(op, a.into(), b.into()), Type::Bool)),
        (text_leaf(), list.clone()).prop_map(|(a, l)| node(ExprKind::In(a.into(), l.into()), Type::Bool)),
        (text_leaf(), text_leaf()).prop_map(|(a, b)| node(ExprKind::Contains(a.into(), b.into()), Type::Bool)),
        (text_leaf(), text_leaf()).prop_map(|(a, b)| node(ExprKind::EndsWith(a.into(), b.into()), Type::Bool)),
        (quantifier, list, body).prop_map(|(q, l, b)| node(ExprKind::Quantified(q, l.into(), b.into()), Type::Bool)),
    ];
    leaf.prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| node(ExprKind::And(a.into(), b.into()), Type::Bool)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| node(ExprKind::Or(a.into(), b.into()), Type::Bool)),
            inner.prop_map(|a| node(ExprKind::Not(a.into()), Type::Bool)),
        ]
    })
}

fn world() -> impl Strategy<Value = World> {
    let arg = prop_oneof![
        Just(None),
        any::<bool>().prop_map(|b| Some(ArgValue::Bool(b))),
        (-3i64..4).prop_map(|n| Some(ArgValue::Number(n.into()))),
        "[ab]{0,3}".prop_map(|t| Some(ArgValue::Text(t))),
    ];
    (
        prop::option::of(any::<bool>()),
        prop::option::of(-3i64..4),
        prop::option::of("[ab]{0,3}"),
        arg,
        prop::option::of(prop::collection::btree_set(prop_oneof![Just("law"), Just("money")], 0..3)),
        0u64..3,
    )
        .prop_map(|(p, n, t, arg, topics, calls)| {
            let mut facts = Facts::new();
            facts.set("p", p.map_or(Fact::Absent, |p| Fact::Present(FactValue::Bool(p))));
            facts.set("n", n.map_or(Fact::NoSource, |n| Fact::Present(FactValue::Number(n.into()))));
            facts.set("t", t.map_or(Fact::Absent, |t| Fact::Present(FactValue::Text(t.into()))));
            let mut session = Session::default();
            for _ in 0..calls {
                session.release("pay");
            }
            World { facts, arg, topics: topics.map(|t| t.into_iter().map(str::to_owned).collect()), session }
        })
}

fn both_topics() -> Arc<Program> {
    program("  - {id: t, dimension: safety, severity: major, at: response, check: {require: 'topics.size() == 0'}}\n")
}

#[test]
fn the_flat_program_means_what_the_tree_means() {
    let program = both_topics();
    assert_eq!(program.topics.len(), 2);
    let event = Event::new(Stage::Response, Lane::Inbound, 0);
    let config = proptest::test_runner::Config { cases: 4_000, ..Default::default() };
    proptest!(config, |(expr in condition(), world in world())| {
        let mut paths = Vec::new();
        let flat = lower(&expr, &mut paths).unwrap();
        prop_assert!(flat.depth <= STACK_MAX);
        let topics = world.topics.as_ref().map(|names| {
            names.iter().map(|n| program.topics.iter().position(|t| t.ends_with(n.as_str())).unwrap() as u32).collect()
        });
        let args = [world.arg.clone()];
        let view = View::new(&program, &event, &world.facts, &world.session, topics.as_ref(), &args);
        let wanted = match truth(&naive(&expr, &world, None)) {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        };
        prop_assert_eq!(run(&flat, &view), wanted);
    });
}

#[test]
fn too_deep_a_condition_is_refused() {
    let mut expr = node(ExprKind::Field(Field::Fact("n".into())), Type::Number);
    for _ in 0..STACK_MAX {
        let one = node(ExprKind::Literal(Literal::Number(1.into())), Type::Number);
        expr = node(ExprKind::Arith(ArithOp::Add, one.into(), expr.into()), Type::Number);
    }
    assert!(lower(&expr, &mut Vec::new()).is_err());
}
