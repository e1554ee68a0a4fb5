//! Which of two conditions holds more often, and what a condition's value hangs on.
//!
//! Values are ordered false < unknown < true. [`at_most`] is true only if the first condition is at most the
//! second in every exchange; it looks at the form alone, so it may fail to see what holds, and never claims
//! what does not. Spans are not looked at.

use std::collections::HashMap;

use super::expr::{CompareOp, Expr, ExprKind, Field, Literal, Quantifier};

/// Whether the value of `a` is at most that of `b` in every exchange, as far as their form tells.
pub fn at_most(a: &Expr, b: &Expr) -> bool {
    Order::default().at_most(a, b)
}

/// Whether two conditions have the same value in every exchange, as far as their form tells.
pub fn same(a: &Expr, b: &Expr) -> bool {
    at_most(a, b) && at_most(b, a)
}

/// Pairs of nodes, by address, that were compared before: without it nested `&&` and `||` cost powers of two.
#[derive(Default)]
struct Order {
    known: HashMap<(usize, usize), bool>,
}

impl Order {
    fn at_most(&mut self, a: &Expr, b: &Expr) -> bool {
        let pair = (std::ptr::from_ref(a).addr(), std::ptr::from_ref(b).addr());
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        let answer = self.decide(a, b);
        self.known.insert(pair, answer);
        answer
    }

    #[expect(clippy::many_single_char_names, reason = "operands have no names")]
    fn decide(&mut self, a: &Expr, b: &Expr) -> bool {
        match (&a.kind, &b.kind) {
            (ExprKind::Literal(Literal::Bool(false)), _) | (_, ExprKind::Literal(Literal::Bool(true))) => true,
            (ExprKind::Or(x, y), _) => self.at_most(x, b) && self.at_most(y, b),
            (_, ExprKind::And(x, y)) => self.at_most(a, x) && self.at_most(a, y),
            (ExprKind::And(x, y), ExprKind::Or(v, w)) => {
                self.at_most(x, b) || self.at_most(y, b) || self.at_most(a, v) || self.at_most(a, w)
            }
            (ExprKind::And(x, y), _) => self.at_most(x, b) || self.at_most(y, b),
            (_, ExprKind::Or(v, w)) => self.at_most(a, v) || self.at_most(a, w),
            (ExprKind::Not(x), ExprKind::Not(y)) => self.at_most(y, x),
            (ExprKind::Quantified(p, list, x), ExprKind::Quantified(q, other, y)) => {
                p == q && alike(list, other) && self.at_most(x, y)
            }
            _ => alike(a, b) || within(a, b),
        }
    }
}

/// Whether two nodes are the same but for their places.
#[expect(clippy::many_single_char_names, reason = "operands have no names")]
fn alike(a: &Expr, b: &Expr) -> bool {
    use ExprKind as E;
    match (&a.kind, &b.kind) {
        (E::Literal(Literal::Texts(x)), E::Literal(Literal::Texts(y))) => members(x) == members(y),
        (E::Literal(Literal::Numbers(x)), E::Literal(Literal::Numbers(y))) => members(x) == members(y),
        (E::Literal(x), E::Literal(y)) => x == y,
        (E::Field(x), E::Field(y)) => x == y,
        (E::Member, E::Member) => true,
        (E::Not(x), E::Not(y)) | (E::Negate(x), E::Negate(y)) | (E::Size(x), E::Size(y)) => alike(x, y),
        (E::Compare(p, x, y), E::Compare(q, v, w)) => {
            (p == q && alike(x, v) && alike(y, w)) || (turned(*p) == *q && alike(x, w) && alike(y, v))
        }
        (E::Arith(p, x, y), E::Arith(q, v, w)) => p == q && alike(x, v) && alike(y, w),
        (E::Quantified(p, x, y), E::Quantified(q, v, w)) => p == q && alike(x, v) && alike(y, w),
        (E::And(x, y), E::And(v, w))
        | (E::Or(x, y), E::Or(v, w))
        | (E::In(x, y), E::In(v, w))
        | (E::StartsWith(x, y), E::StartsWith(v, w))
        | (E::EndsWith(x, y), E::EndsWith(v, w))
        | (E::Contains(x, y), E::Contains(v, w)) => alike(x, v) && alike(y, w),
        (E::Called(x), E::Called(y)) | (E::CallCount(x), E::CallCount(y)) => x == y,
        _ => false,
    }
}

fn members<T: Ord>(list: &[T]) -> Vec<&T> {
    let mut out: Vec<&T> = list.iter().collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// The comparison with its sides exchanged.
fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        same => same,
    }
}

/// Comparisons of one thing with a narrower and a wider range: `n > 5` within `n > 3`, `x == "a"` within
/// `x in ["a", "b"]`.
#[expect(clippy::many_single_char_names, reason = "operands have no names")]
fn within(a: &Expr, b: &Expr) -> bool {
    use CompareOp::{Eq, Ge, Gt, Le, Lt};
    match (&a.kind, &b.kind) {
        (ExprKind::Compare(p, x, y), ExprKind::Compare(q, v, w)) if alike(x, v) => {
            let (ExprKind::Literal(Literal::Number(m)), ExprKind::Literal(Literal::Number(n))) = (&y.kind, &w.kind) else {
                return false;
            };
            match (*p, *q) {
                (Gt, Gt | Ge) | (Ge | Eq, Ge) => m >= n,
                (Ge | Eq, Gt) => m > n,
                (Lt, Lt | Le) | (Le | Eq, Le) => m <= n,
                (Le | Eq, Lt) => m < n,
                _ => false,
            }
        }
        (ExprKind::Compare(Eq, x, y), ExprKind::In(v, list)) if alike(x, v) => match (&y.kind, &list.kind) {
            (ExprKind::Literal(Literal::Text(one)), ExprKind::Literal(Literal::Texts(all))) => all.contains(one),
            (ExprKind::Literal(Literal::Number(one)), ExprKind::Literal(Literal::Numbers(all))) => all.contains(one),
            _ => false,
        },
        (ExprKind::In(x, few), ExprKind::In(v, many)) if alike(x, v) => match (&few.kind, &many.kind) {
            (ExprKind::Literal(Literal::Texts(few)), ExprKind::Literal(Literal::Texts(many))) => {
                few.iter().all(|m| many.contains(m))
            }
            (ExprKind::Literal(Literal::Numbers(few)), ExprKind::Literal(Literal::Numbers(many))) => {
                few.iter().all(|m| many.contains(m))
            }
            _ => false,
        },
        _ => false,
    }
}

/// How the value of a node can move when more calls are released in the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCalls {
    /// It may rise.
    pub rises: bool,
    /// It may fall.
    pub falls: bool,
}

impl ByCalls {
    fn or(self, other: Self) -> Self {
        Self { rises: self.rises || other.rises, falls: self.falls || other.falls }
    }

    fn turned(self) -> Self {
        Self { rises: self.falls, falls: self.rises }
    }

    /// It moves, and nobody says where to.
    fn either(self) -> Self {
        let moves = self.rises || self.falls;
        Self { rises: moves, falls: moves }
    }
}

/// How the value of this condition can move when more calls are released in the session.
pub fn by_calls(expr: &Expr) -> ByCalls {
    match &expr.kind {
        ExprKind::Called(_) | ExprKind::CallCount(_) => ByCalls { rises: true, falls: false },
        ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Member => ByCalls::default(),
        ExprKind::Not(a) | ExprKind::Negate(a) => by_calls(a).turned(),
        ExprKind::And(a, b) | ExprKind::Or(a, b) => by_calls(a).or(by_calls(b)),
        ExprKind::Compare(CompareOp::Gt | CompareOp::Ge, a, b) => by_calls(a).or(by_calls(b).turned()),
        ExprKind::Compare(CompareOp::Lt | CompareOp::Le, a, b) => by_calls(a).turned().or(by_calls(b)),
        ExprKind::Compare(_, a, b)
        | ExprKind::In(a, b)
        | ExprKind::Arith(_, a, b)
        | ExprKind::StartsWith(a, b)
        | ExprKind::EndsWith(a, b)
        | ExprKind::Contains(a, b)
        | ExprKind::Quantified(_, a, b) => by_calls(a).or(by_calls(b)).either(),
        ExprKind::Size(a) => by_calls(a).either(),
    }
}

/// A value as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Text(String),
    Unknown,
}

/// The value of a condition where only some fields are known, as texts and truths: `None` is unknown.
pub fn value(expr: &Expr, known: &impl Fn(&Field) -> Option<Literal>) -> Option<bool> {
    match evaluate(expr, known) {
        Value::Bool(b) => Some(b),
        _ => None,
    }
}

fn evaluate(expr: &Expr, known: &impl Fn(&Field) -> Option<Literal>) -> Value {
    let truth = |expr: &Expr| value(expr, known);
    let text = |expr: &Expr| if let Value::Text(text) = evaluate(expr, known) { Some(text) } else { None };
    let two = |a: &Expr, b: &Expr, holds: fn(&str, &str) -> bool| match (text(a), text(b)) {
        (Some(a), Some(b)) => Some(holds(&a, &b)),
        _ => None,
    };
    let answer = match &expr.kind {
        ExprKind::Literal(Literal::Text(t)) => return Value::Text(t.clone()),
        ExprKind::Literal(Literal::Bool(b)) => Some(*b),
        ExprKind::Field(field) => match known(field) {
            Some(Literal::Text(t)) => return Value::Text(t),
            Some(Literal::Bool(b)) => Some(b),
            _ => None,
        },
        ExprKind::Not(a) => truth(a).map(|a| !a),
        ExprKind::And(a, b) => match (truth(a), truth(b)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        ExprKind::Or(a, b) => match (truth(a), truth(b)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        ExprKind::Compare(op @ (CompareOp::Eq | CompareOp::Ne), a, b) => {
            let equal = match (evaluate(a, known), evaluate(b, known)) {
                (Value::Text(a), Value::Text(b)) => Some(a == b),
                (Value::Bool(a), Value::Bool(b)) => Some(a == b),
                _ => None,
            };
            equal.map(|equal| equal == (*op == CompareOp::Eq))
        }
        ExprKind::In(a, list) => match (text(a), &list.kind) {
            (Some(a), ExprKind::Literal(Literal::Texts(all))) => Some(all.contains(&a)),
            _ => None,
        },
        ExprKind::StartsWith(a, b) => two(a, b, |a, b| a.starts_with(b)),
        ExprKind::EndsWith(a, b) => two(a, b, |a, b| a.ends_with(b)),
        ExprKind::Contains(a, b) => two(a, b, |a, b| a.contains(b)),
        ExprKind::Quantified(quantifier, _, body) => match (quantifier, truth(body)) {
            (Quantifier::Exists, Some(false)) => Some(false),
            (Quantifier::All, Some(true)) => Some(true),
            _ => None,
        },
        _ => None,
    };
    answer.map_or(Value::Unknown, Value::Bool)
}
