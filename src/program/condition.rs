//! Conditions as flat programs: a list of steps over a small stack, with a static cost.
//!
//! Promises: running one needs no allocation and no recursion but for the one body of a quantifier;
//! the stack's depth is known before it runs.

use std::sync::Arc;

use crate::base::diagnostic::Span;
use crate::pact::condition::{ArithOp, CompareOp, Expr, ExprKind, Field, Literal, Quantifier};
use crate::pact::decimal::Decimal;

/// Deepest stack of a condition. Ten times what people write.
pub const STACK_MAX: usize = 64;

/// Members that the static cost assumes of a list that comes with the event.
const LIST_COST: u32 = 16;

/// One step. Operands are taken from the stack, the result is put there.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// A text.
    Text(Arc<str>),
    /// A list of texts.
    Texts(Arc<[Arc<str>]>),
    /// A list of numbers.
    Numbers(Arc<[Decimal]>),
    /// A fact by name.
    Fact(Arc<str>),
    /// A field of the event, the session or the time; none of `Fact` and `Arg`.
    Field(Field),
    /// A scalar of the arguments, by place in [`Program::arg_paths`](super::ir::Program).
    Arg(u32),
    /// The member at hand of the quantifier.
    Member,
    /// Negates a truth.
    Not,
    /// Negates a number.
    Negate,
    /// If the truth on top is false, leaves it and skips this many steps.
    SkipIfFalse(u32),
    /// If the truth on top is true, leaves it and skips this many steps.
    SkipIfTrue(u32),
    /// Both.
    And,
    /// Either.
    Or,
    /// Compares.
    Compare(CompareOp),
    /// Whether the list on top holds the value below.
    In,
    /// Reckons.
    Arith(ArithOp),
    /// Characters of a text, members of a list.
    Size,
    /// Whether the text below begins with the one on top.
    StartsWith,
    /// Whether the text below ends with the one on top.
    EndsWith,
    /// Whether the text below contains the one on top.
    Contains,
    /// Takes a list and runs the next steps, so many, once a member; then skips them.
    Quantified(Quantifier, u32),
    /// Whether a tool was called and released in this session.
    Called(Arc<str>),
    /// How often.
    CallCount(Arc<str>),
}

/// A condition ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Deepest stack.
    pub depth: usize,
    /// Steps of the longest run, lists that come with the event counted as sixteen.
    pub cost: u32,
}

impl Condition {
    /// Makes the calls that it asks for those of one pact of a portfolio, as sessions keep them: `<pact>/<key>`.
    pub(super) fn qualify(&mut self, pact: &str) {
        for step in &mut self.steps {
            if let Step::Called(tool) | Step::CallCount(tool) = step {
                *tool = format!("{pact}/{tool}").into();
            }
        }
    }
}

/// Why a condition cannot be lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep {
    /// Where.
    pub span: Span,
}

/// Lowers an expression. Paths of arguments are added to `arg_paths`.
///
/// # Errors
/// When it needs a deeper stack than [`STACK_MAX`].
pub fn lower(expr: &Expr, arg_paths: &mut Vec<Vec<String>>) -> Result<Condition, TooDeep> {
    let mut lowering = Lowering { steps: Vec::new(), arg_paths, now: 0, deepest: 0, cost: 0 };
    lowering.expr(expr, 1);
    if lowering.deepest > STACK_MAX {
        return Err(TooDeep { span: expr.span });
    }
    Ok(Condition { steps: lowering.steps, depth: lowering.deepest, cost: lowering.cost })
}

struct Lowering<'p> {
    steps: Vec<Step>,
    arg_paths: &'p mut Vec<Vec<String>>,
    now: usize,
    deepest: usize,
    cost: u32,
}

impl Lowering<'_> {
    /// Adds a step that takes `takes` values and gives one.
    fn put(&mut self, step: Step, takes: usize, times: u32) {
        self.now = (self.now + 1).saturating_sub(takes);
        self.deepest = self.deepest.max(self.now);
        self.cost = self.cost.saturating_add(times);
        self.steps.push(step);
    }

    fn expr(&mut self, expr: &Expr, times: u32) {
        match &expr.kind {
            ExprKind::Literal(literal) => self.put(constant(literal), 0, times),
            ExprKind::Field(Field::Fact(name)) => self.put(Step::Fact(name.as_str().into()), 0, times),
            ExprKind::Field(Field::Arg(path)) => {
                let at = self.arg_paths.iter().position(|p| p == path).unwrap_or_else(|| {
                    self.arg_paths.push(path.clone());
                    self.arg_paths.len() - 1
                });
                self.put(Step::Arg(at as u32), 0, times);
            }
            ExprKind::Field(field) => self.put(Step::Field(field.clone()), 0, times),
            ExprKind::Member => self.put(Step::Member, 0, times),
            ExprKind::Not(a) => self.one(a, Step::Not, times),
            ExprKind::Negate(a) => self.one(a, Step::Negate, times),
            ExprKind::Size(a) => self.one(a, Step::Size, times),
            ExprKind::And(a, b) => self.joined(a, b, true, times),
            ExprKind::Or(a, b) => self.joined(a, b, false, times),
            ExprKind::Compare(op, a, b) => self.two(a, b, Step::Compare(*op), times),
            ExprKind::Arith(op, a, b) => self.two(a, b, Step::Arith(*op), times),
            ExprKind::In(a, b) => self.two(a, b, Step::In, times.saturating_mul(members(b))),
            ExprKind::StartsWith(a, b) => self.two(a, b, Step::StartsWith, times),
            ExprKind::EndsWith(a, b) => self.two(a, b, Step::EndsWith, times),
            ExprKind::Contains(a, b) => self.two(a, b, Step::Contains, times),
            ExprKind::Quantified(quantifier, list, body) => {
                self.expr(list, times);
                let at = self.steps.len();
                self.put(Step::Quantified(*quantifier, 0), 1, times);
                // The body runs on a stack of its own, above the list's place.
                let before = self.now;
                self.expr(body, times.saturating_mul(members(list)));
                self.now = before;
                let len = (self.steps.len() - at - 1) as u32;
                if let Some(slot) = self.steps.get_mut(at) {
                    *slot = Step::Quantified(*quantifier, len);
                }
            }
            ExprKind::Called(tool) => self.put(Step::Called(tool.as_str().into()), 0, times),
            ExprKind::CallCount(tool) => self.put(Step::CallCount(tool.as_str().into()), 0, times),
        }
    }

    fn one(&mut self, a: &Expr, step: Step, times: u32) {
        self.expr(a, times);
        self.put(step, 1, times);
    }

    fn two(&mut self, a: &Expr, b: &Expr, step: Step, times: u32) {
        self.expr(a, times);
        self.expr(b, times);
        self.put(step, 2, times);
    }

    fn joined(&mut self, a: &Expr, b: &Expr, and: bool, times: u32) {
        self.expr(a, times);
        let at = self.steps.len();
        let skip = if and { Step::SkipIfFalse } else { Step::SkipIfTrue };
        self.put(skip(0), 1, times);
        self.expr(b, times);
        self.put(if and { Step::And } else { Step::Or }, 2, times);
        let len = (self.steps.len() - at - 1) as u32;
        if let Some(slot) = self.steps.get_mut(at) {
            *slot = skip(len);
        }
    }
}

fn members(list: &Expr) -> u32 {
    match &list.kind {
        ExprKind::Literal(Literal::Texts(l)) => l.len() as u32,
        ExprKind::Literal(Literal::Numbers(l)) => l.len() as u32,
        _ => LIST_COST,
    }
}

fn constant(literal: &Literal) -> Step {
    match literal {
        Literal::Bool(b) => Step::Bool(*b),
        Literal::Number(n) => Step::Number(*n),
        Literal::Text(t) => Step::Text(t.as_str().into()),
        Literal::Texts(l) => Step::Texts(l.iter().map(|t| Arc::from(t.as_str())).collect()),
        Literal::Numbers(l) => Step::Numbers(l.iter().copied().collect()),
    }
}
