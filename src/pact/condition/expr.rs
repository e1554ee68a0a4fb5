//! The typed tree of a condition, and the closed table of fields it may look at.
//!
//! **Meaning.** Every expression is true, false or unknown (values: known or unknown). A field without a
//! value in this exchange is unknown; so is a comparison, a function or an arithmetic step with an
//! unknown operand, arithmetic that does not fit, and a comparison of argument scalars of different kinds
//! (`args.x > 5` where `x` is text). `&&` is false if either side is false, else unknown if either is
//! unknown; `||` is true if either side is true, else unknown if either is; `!` keeps unknown. `exists`
//! and `all` are the `||` and `&&` over the members. What unknown means at the top is decided by the key
//! the condition stands under: in `where` it applies, in `unless` it does not exempt, in `require` it is
//! not fulfilled.

use crate::base::diagnostic::Span;
use crate::pact::decimal::Decimal;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Bool,
    /// An exact decimal number.
    Number,
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of numbers (only as a literal, to the right of `in`).
    Numbers,
    /// A scalar whose kind is known only when it is there (`args.*`).
    Scalar,
}

impl Type {
    /// The name for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Texts => "a list of texts",
            Self::Numbers => "a list of numbers",
            Self::Scalar => "a scalar",
        }
    }
}

/// What a condition may look at. Closed: a name outside this table is an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// What trusted callers tell: `caller.id`, `caller.verified`, `task.id`, `task.type` and the pact's own
    /// facts, by name. The type is that of the expression.
    Fact(String),
    /// Key of the tool in the catalogue; for one not listed the name on the wire.
    ToolName,
    /// `action` of the catalogue. Unknown for a tool not listed.
    ToolAction,
    /// `target` of the catalogue. Unknown for a tool not listed.
    ToolTarget,
    /// `effect` of the catalogue; `external` for a tool not listed.
    ToolEffect,
    /// `reversible` of the catalogue; false for a tool not listed.
    ToolReversible,
    /// `server` of the catalogue, or the MCP server the call goes to.
    ToolServer,
    /// A scalar in the arguments of the call, by path (`args.a.b`). Missing, null or no scalar: unknown.
    Arg(Vec<String>),
    /// Host of a connection, lower case.
    HostName,
    /// Port of a connection.
    HostPort,
    /// Scheme of a connection.
    HostScheme,
    /// Topics of the task text without their prefix (`legal_interpretation`), fixed for the exchange.
    Topics,
    /// Turns of the session so far.
    SessionTurns,
    /// Hour of the day in the pact's zone, 0 to 23.
    TimeHour,
    /// Day of the week in the pact's zone: `mon` to `sun`.
    TimeWeekday,
    /// Date in the pact's zone: `2026-12-01`. Texts of this form compare as dates.
    TimeDate,
    /// Whether it is within `evidence.context.business_hours`; unknown without them.
    TimeBusiness,
    /// Exchanges under way.
    LoadOpenTasks,
    /// Model the agent says it runs.
    RuntimeModel,
    /// Its version.
    RuntimeModelVersion,
    /// Hash of its configuration.
    RuntimeConfigHash,
    /// Lane on which the event was seen.
    Lane,
}

/// The fields with a fixed name and type.
pub const FIELDS: &[(&str, Type)] = &[
    ("caller.id", Type::Text),
    ("caller.verified", Type::Bool),
    ("task.id", Type::Text),
    ("task.type", Type::Text),
    ("tool.name", Type::Text),
    ("tool.action", Type::Text),
    ("tool.target", Type::Text),
    ("tool.effect", Type::Text),
    ("tool.reversible", Type::Bool),
    ("tool.server", Type::Text),
    ("host.name", Type::Text),
    ("host.port", Type::Number),
    ("host.scheme", Type::Text),
    ("topics", Type::Texts),
    ("session.turns", Type::Number),
    ("time.hour", Type::Number),
    ("time.weekday", Type::Text),
    ("time.date", Type::Text),
    ("time.business", Type::Bool),
    ("load.open_tasks", Type::Number),
    ("runtime.model", Type::Text),
    ("runtime.model_version", Type::Text),
    ("runtime.config_hash", Type::Text),
    ("lane", Type::Text),
];

/// The fixed fields that are facts: told by trusted callers, not seen in the traffic.
pub const FACT_FIELDS: &[&str] = &["caller.id", "caller.verified", "task.id", "task.type"];

impl Field {
    /// The field with this fixed name and its type.
    pub fn fixed(name: &str) -> Option<(Self, Type)> {
        let (name, ty) = FIELDS.iter().find(|(n, _)| *n == name)?;
        let field = match *name {
            "tool.name" => Self::ToolName,
            "tool.action" => Self::ToolAction,
            "tool.target" => Self::ToolTarget,
            "tool.effect" => Self::ToolEffect,
            "tool.reversible" => Self::ToolReversible,
            "tool.server" => Self::ToolServer,
            "host.name" => Self::HostName,
            "host.port" => Self::HostPort,
            "host.scheme" => Self::HostScheme,
            "topics" => Self::Topics,
            "session.turns" => Self::SessionTurns,
            "time.hour" => Self::TimeHour,
            "time.weekday" => Self::TimeWeekday,
            "time.date" => Self::TimeDate,
            "time.business" => Self::TimeBusiness,
            "load.open_tasks" => Self::LoadOpenTasks,
            "runtime.model" => Self::RuntimeModel,
            "runtime.model_version" => Self::RuntimeModelVersion,
            "runtime.config_hash" => Self::RuntimeConfigHash,
            "lane" => Self::Lane,
            fact => Self::Fact(fact.to_owned()),
        };
        Some((field, *ty))
    }
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// Text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of numbers.
    Numbers(Vec<Decimal>),
}

/// `== != < <= > >=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// `+ - *`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
}

/// `exists` or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// True if it holds for one member.
    Exists,
    /// True if it holds for every member.
    All,
}

/// One node of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it stands in the document.
    pub span: Span,
}

/// What a node of a condition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A field.
    Field(Field),
    /// The member at hand inside the body of the innermost (and only) quantifier; text.
    Member,
    /// `!a`; Bool to Bool.
    Not(Box<Expr>),
    /// `-a`; Number to Number.
    Negate(Box<Expr>),
    /// `a && b`.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`.
    Or(Box<Expr>, Box<Expr>),
    /// A comparison; both sides of one type, or one of them [`Type::Scalar`]. Order only on numbers and
    /// texts.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `a in list`.
    In(Box<Expr>, Box<Expr>),
    /// `a + b`, `a - b`, `a * b` on numbers.
    Arith(ArithOp, Box<Expr>, Box<Expr>),
    /// `.size()`: characters of a text, members of a list.
    Size(Box<Expr>),
    /// `a.startsWith(b)`.
    StartsWith(Box<Expr>, Box<Expr>),
    /// `a.endsWith(b)`.
    EndsWith(Box<Expr>, Box<Expr>),
    /// `a.contains(b)`.
    Contains(Box<Expr>, Box<Expr>),
    /// `list.exists(x, body)` or `list.all(x, body)` over a list of texts; not nested.
    Quantified(Quantifier, Box<Expr>, Box<Expr>),
    /// `session.called("tool")`: a released call of that tool, by key of the catalogue.
    Called(String),
    /// `session.count("tool")`: how many.
    CallCount(String),
}

impl Expr {
    /// Calls `see` on this node and every one below it.
    pub fn walk<'e>(&'e self, see: &mut impl FnMut(&'e Self)) {
        see(self);
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Member | ExprKind::Called(_) | ExprKind::CallCount(_) => {}
            ExprKind::Not(a) | ExprKind::Negate(a) | ExprKind::Size(a) => a.walk(see),
            ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::In(a, b)
            | ExprKind::Arith(_, a, b)
            | ExprKind::StartsWith(a, b)
            | ExprKind::EndsWith(a, b)
            | ExprKind::Contains(a, b)
            | ExprKind::Quantified(_, a, b) => {
                a.walk(see);
                b.walk(see);
            }
        }
    }

    /// The names of the facts it looks at, each once, in order of first use.
    pub fn facts(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        self.walk(&mut |e| {
            if let ExprKind::Field(Field::Fact(name)) = &e.kind
                && !out.contains(&name.as_str())
            {
                out.push(name);
            }
        });
        out
    }
}
