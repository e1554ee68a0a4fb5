//! Runs a condition: three-valued, pure, without allocation.
//!
//! What has no value here is unknown; so is every step with an unknown operand, arithmetic that does not
//! fit, and a comparison of values of different kinds. `&&` is false if either side is, `||` true if
//! either side is, else unknown if either is.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::event::Event;
use super::exchange::Bits;
use super::facts::{FactValue, Facts};
use super::session::Session;
use crate::pact::condition::{ArithOp, CompareOp, Field, Quantifier};
use crate::pact::decimal::Decimal;
use crate::program::Program;
use crate::program::condition::{Condition, STACK_MAX, Step};
use crate::program::frame::{Frame, ToolRef};

/// The outcome of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// What it looks at is not known.
    Unknown,
}

impl Truth {
    fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, Self::False) => Self::False,
            _ => Self::Unknown,
        }
    }

    /// The contrary.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// A scalar found in the arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ArgValue {
    Bool(bool),
    Number(Decimal),
    Text(String),
}

/// What an event is to one pact.
struct Sight<'a> {
    frame: &'a Frame,
    tool: Option<ToolRef<'a>>,
    time: OnceCell<Option<LocalTime>>,
}

impl<'a> Sight<'a> {
    fn of(frame: &'a Frame, event: &'a Event<'a>) -> Self {
        Self { frame, tool: event.tool.map(|t| frame.tool(t.name)), time: OnceCell::new() }
    }
}

/// All that a condition may look at. What depends on the pact is that of the predicate at hand.
pub(crate) struct View<'a> {
    pub(crate) program: &'a Program,
    pub(crate) event: &'a Event<'a>,
    pub(crate) facts: &'a Facts,
    pub(crate) session: &'a Session,
    pub(crate) topics: Option<&'a Bits>,
    /// By place in the program's table of paths.
    pub(crate) args: &'a [Option<ArgValue>],
    /// The only pact's, mostly.
    first: Option<Sight<'a>>,
    further: Vec<Sight<'a>>,
    /// Place of the frame at hand.
    at: Cell<u32>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        program: &'a Program,
        event: &'a Event<'a>,
        facts: &'a Facts,
        session: &'a Session,
        topics: Option<&'a Bits>,
        args: &'a [Option<ArgValue>],
    ) -> Self {
        let mut sights = program.frames().iter().map(|frame| Sight::of(frame, event));
        let first = sights.next();
        Self { program, event, facts, session, topics, args, first, further: sights.collect(), at: Cell::new(0) }
    }

    /// Turns to the pact of a predicate.
    pub(crate) fn turn_to(&self, predicate: u32) {
        self.at.set(self.program.guarded(predicate).map_or(0, |g| g.frame));
    }

    fn sight(&self) -> Option<&Sight<'a>> {
        match self.at.get() {
            0 => self.first.as_ref(),
            further => self.further.get(further as usize - 1),
        }
    }

    /// The tool, as the pact at hand knows it.
    pub(crate) fn tool(&self) -> Option<&ToolRef<'a>> {
        self.sight()?.tool.as_ref()
    }

    /// The time in the zone of the pact at hand.
    pub(crate) fn time(&self) -> Option<&LocalTime> {
        let sight = self.sight()?;
        sight.time.get_or_init(|| local_time(self.event.now_us, &sight.frame.zone)).as_ref()
    }

    /// Business hours of the pact at hand.
    fn business_hours(&self) -> Option<(u8, u8)> {
        self.sight()?.frame.business_hours
    }
}

/// The time in the pact's zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTime {
    pub(crate) hour: u8,
    weekday: &'static str,
    date: [u8; 10],
}

/// The time `now_us` in this zone. None outside the range of the calendar.
pub(crate) fn local_time(now_us: i64, zone: &TimeZone) -> Option<LocalTime> {
    let zoned = jiff::Timestamp::from_microsecond(now_us).ok()?.to_zoned(zone.clone());
    let digits = |value: u16, place: u16| b'0' + (value / place % 10) as u8;
    let year = u16::try_from(zoned.year()).ok()?;
    let (month, day) = (u16::from(zoned.month().unsigned_abs()), u16::from(zoned.day().unsigned_abs()));
    let weekday = match zoned.weekday() {
        jiff::civil::Weekday::Monday => "mon",
        jiff::civil::Weekday::Tuesday => "tue",
        jiff::civil::Weekday::Wednesday => "wed",
        jiff::civil::Weekday::Thursday => "thu",
        jiff::civil::Weekday::Friday => "fri",
        jiff::civil::Weekday::Saturday => "sat",
        jiff::civil::Weekday::Sunday => "sun",
    };
    Some(LocalTime {
        hour: zoned.hour().unsigned_abs(),
        weekday,
        date: [
            digits(year, 1000),
            digits(year, 100),
            digits(year, 10),
            digits(year, 1),
            b'-',
            digits(month, 10),
            digits(month, 1),
            b'-',
            digits(day, 10),
            digits(day, 1),
        ],
    })
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Unknown,
    Bool(bool),
    Number(Decimal),
    Text(&'a str),
    Texts(&'a [Arc<str>]),
    Numbers(&'a [Decimal]),
    Topics(&'a Bits),
}

impl Value<'_> {
    fn truth(self) -> Truth {
        match self {
            Self::Bool(b) => Truth::of(b),
            _ => Truth::Unknown,
        }
    }
}

fn from_truth<'a>(truth: Truth) -> Value<'a> {
    match truth {
        Truth::True => Value::Bool(true),
        Truth::False => Value::Bool(false),
        Truth::Unknown => Value::Unknown,
    }
}

/// Runs a condition.
pub(crate) fn run(condition: &Condition, view: &View<'_>) -> Truth {
    // Nearly every condition fits the small stack, which costs nothing to clear.
    if condition.depth <= 6 {
        Stack::<6>::new().run(&condition.steps, view, Value::Unknown).truth()
    } else {
        Stack::<STACK_MAX>::new().run(&condition.steps, view, Value::Unknown).truth()
    }
}

struct Stack<'a, const N: usize> {
    values: [Value<'a>; N],
    len: usize,
}

impl<'a, const N: usize> Stack<'a, N> {
    fn new() -> Self {
        Self { values: [Value::Unknown; N], len: 0 }
    }

    fn push(&mut self, value: Value<'a>) {
        if let Some(slot) = self.values.get_mut(self.len) {
            *slot = value;
            self.len += 1;
        }
    }

    fn pop(&mut self) -> Value<'a> {
        self.len = self.len.saturating_sub(1);
        self.values.get(self.len).copied().unwrap_or(Value::Unknown)
    }

    fn top(&self) -> Value<'a> {
        self.len.checked_sub(1).and_then(|at| self.values.get(at)).copied().unwrap_or(Value::Unknown)
    }

    fn two(&mut self, join: impl FnOnce(Value<'a>, Value<'a>) -> Value<'a>) {
        let right = self.pop();
        let left = self.pop();
        self.push(join(left, right));
    }

    /// Runs steps and takes the value they leave.
    fn run(&mut self, steps: &'a [Step], view: &'a View<'_>, member: Value<'a>) -> Value<'a> {
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            match step {
                Step::Bool(b) => self.push(Value::Bool(*b)),
                Step::Number(n) => self.push(Value::Number(*n)),
                Step::Text(t) => self.push(Value::Text(t)),
                Step::Texts(l) => self.push(Value::Texts(l)),
                Step::Numbers(l) => self.push(Value::Numbers(l)),
                Step::Fact(name) => self.push(fact(view, name)),
                Step::Field(f) => self.push(field(view, f)),
                Step::Arg(path) => self.push(match view.args.get(*path as usize).and_then(Option::as_ref) {
                    Some(ArgValue::Bool(b)) => Value::Bool(*b),
                    Some(ArgValue::Number(n)) => Value::Number(*n),
                    Some(ArgValue::Text(t)) => Value::Text(t),
                    None => Value::Unknown,
                }),
                Step::Member => self.push(member),
                Step::Not => {
                    let truth = self.pop().truth().negated();
                    self.push(from_truth(truth));
                }
                Step::Negate => {
                    let value = match self.pop() {
                        Value::Number(n) => Value::Number(n.negated()),
                        _ => Value::Unknown,
                    };
                    self.push(value);
                }
                Step::SkipIfFalse(n) => at += if self.top().truth() == Truth::False { *n as usize } else { 0 },
                Step::SkipIfTrue(n) => at += if self.top().truth() == Truth::True { *n as usize } else { 0 },
                Step::And => self.two(|a, b| from_truth(a.truth().and(b.truth()))),
                Step::Or => self.two(|a, b| from_truth(a.truth().or(b.truth()))),
                Step::Compare(op) => self.two(|a, b| from_truth(compare(*op, a, b))),
                Step::In => self.two(|a, b| from_truth(within(a, b, view.program))),
                Step::Arith(op) => self.two(|a, b| reckon(*op, a, b)),
                Step::Size => {
                    let size = size(self.pop());
                    self.push(size);
                }
                Step::StartsWith => self.two(|a, b| texts(a, b, |a, b| a.starts_with(b))),
                Step::EndsWith => self.two(|a, b| texts(a, b, |a, b| a.ends_with(b))),
                Step::Contains => self.two(|a, b| texts(a, b, |a, b| memchr::memmem::find(a.as_bytes(), b.as_bytes()).is_some())),
                Step::Quantified(quantifier, len) => {
                    let list = self.pop();
                    let body = steps.get(at..at + *len as usize).unwrap_or_default();
                    at += *len as usize;
                    let truth = self.quantified(*quantifier, list, body, view);
                    self.push(from_truth(truth));
                }
                Step::Called(tool) => self.push(Value::Bool(view.session.called(tool))),
                Step::CallCount(tool) => {
                    let count = i64::try_from(view.session.count(tool)).unwrap_or(i64::MAX);
                    self.push(Value::Number(Decimal::from(count)));
                }
            }
        }
        self.pop()
    }

    fn quantified(&mut self, quantifier: Quantifier, list: Value<'a>, body: &'a [Step], view: &'a View<'_>) -> Truth {
        let exists = quantifier == Quantifier::Exists;
        let mut outcome = Truth::of(!exists);
        let stop = Truth::of(exists);
        let mut see = |stack: &mut Self, text: &'a str| {
            let truth = stack.run(body, view, Value::Text(text)).truth();
            outcome = if exists { outcome.or(truth) } else { outcome.and(truth) };
            outcome == stop
        };
        match list {
            Value::Texts(list) => {
                for text in list {
                    if see(self, text) {
                        break;
                    }
                }
            }
            Value::Topics(bits) => {
                for topic in bits.iter() {
                    if see(self, view.program.topic_name(topic)) {
                        break;
                    }
                }
            }
            _ => return Truth::Unknown,
        }
        outcome
    }
}

fn fact<'a>(view: &'a View<'_>, name: &str) -> Value<'a> {
    match view.facts.get(name).value() {
        Some(FactValue::Bool(b)) => Value::Bool(*b),
        Some(FactValue::Number(n)) => Value::Number(*n),
        Some(FactValue::Text(t)) => Value::Text(t),
        Some(FactValue::Texts(l)) => Value::Texts(l),
        None => Value::Unknown,
    }
}

fn field<'a>(view: &'a View<'_>, field: &Field) -> Value<'a> {
    let text = |text: Option<&'a str>| text.map_or(Value::Unknown, Value::Text);
    let number =
        |n: Option<u64>| n.map_or(Value::Unknown, |n| Value::Number(Decimal::from(i64::try_from(n).unwrap_or(i64::MAX))));
    let tool = view.tool();
    let listed = tool.and_then(|t| t.entry);
    match field {
        Field::ToolName => text(tool.map(|t| t.entry.map_or(t.wire, |e| &e.key))),
        Field::ToolAction => text(listed.and_then(|t| t.action.as_deref())),
        Field::ToolTarget => text(listed.and_then(|t| t.target.as_deref())),
        Field::ToolEffect => text(tool.map(|t| t.entry.map_or("external", |e| e.effect.as_str()))),
        Field::ToolReversible => tool.map_or(Value::Unknown, |t| Value::Bool(t.entry.is_some_and(|e| e.reversible))),
        Field::ToolServer => text(listed.and_then(|t| t.server.as_deref()).or_else(|| view.event.tool.and_then(|t| t.server))),
        Field::HostName => text(view.event.host.map(|h| h.name)),
        Field::HostPort => number(view.event.host.and_then(|h| h.port).map(u64::from)),
        Field::HostScheme => text(view.event.host.and_then(|h| h.scheme)),
        Field::Topics => match (view.topics, view.session.topics()) {
            (Some(bits), _) => Value::Topics(bits),
            (None, Some(list)) => Value::Texts(list),
            (None, None) => Value::Unknown,
        },
        Field::SessionTurns => number(Some(view.session.turns())),
        Field::TimeHour => number(view.time().map(|t| u64::from(t.hour))),
        Field::TimeWeekday => text(view.time().map(|t| t.weekday)),
        Field::TimeDate => text(view.time().and_then(|t| std::str::from_utf8(&t.date).ok())),
        Field::TimeBusiness => match (view.time(), view.business_hours()) {
            (Some(time), Some((from, to))) => {
                Value::Bool(if from <= to { (from..to).contains(&time.hour) } else { time.hour >= from || time.hour < to })
            }
            _ => Value::Unknown,
        },
        Field::LoadOpenTasks => number(view.event.measures.open_tasks),
        Field::RuntimeModel => fact(view, "runtime.model"),
        Field::RuntimeModelVersion => fact(view, "runtime.model_version"),
        Field::RuntimeConfigHash => fact(view, "runtime.config_hash"),
        Field::Lane => Value::Text(view.event.lane.as_str()),
        // Lowered to steps of their own.
        Field::Fact(_) | Field::Arg(_) => Value::Unknown,
    }
}

fn compare(op: CompareOp, a: Value<'_>, b: Value<'_>) -> Truth {
    use std::cmp::Ordering;
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.cmp(&b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) if matches!(op, CompareOp::Eq | CompareOp::Ne) => a.cmp(&b),
        _ => return Truth::Unknown,
    };
    Truth::of(match op {
        CompareOp::Eq => order == Ordering::Equal,
        CompareOp::Ne => order != Ordering::Equal,
        CompareOp::Lt => order == Ordering::Less,
        CompareOp::Le => order != Ordering::Greater,
        CompareOp::Gt => order == Ordering::Greater,
        CompareOp::Ge => order != Ordering::Less,
    })
}

fn within(value: Value<'_>, list: Value<'_>, program: &Program) -> Truth {
    match (value, list) {
        (Value::Text(text), Value::Texts(list)) => Truth::of(list.iter().any(|t| t.as_ref() == text)),
        (Value::Number(n), Value::Numbers(list)) => Truth::of(list.contains(&n)),
        (Value::Text(text), Value::Topics(bits)) => Truth::of(bits.iter().any(|t| program.topic_name(t) == text)),
        _ => Truth::Unknown,
    }
}

fn reckon<'a>(op: ArithOp, a: Value<'a>, b: Value<'a>) -> Value<'a> {
    let (Value::Number(a), Value::Number(b)) = (a, b) else { return Value::Unknown };
    match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => a.checked_sub(b),
        ArithOp::Mul => a.checked_mul(b),
    }
    .map_or(Value::Unknown, Value::Number)
}

fn size<'a>(value: Value<'_>) -> Value<'a> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::Texts(list) => list.len(),
        Value::Numbers(list) => list.len(),
        Value::Topics(bits) => bits.iter().count(),
        _ => return Value::Unknown,
    };
    Value::Number(Decimal::from(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn texts<'a>(a: Value<'_>, b: Value<'_>, test: impl FnOnce(&str, &str) -> bool) -> Value<'a> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Value::Bool(test(a, b)),
        _ => Value::Unknown,
    }
}
