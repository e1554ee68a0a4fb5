//! A condition as text again, in one form: what a change of it is told with.

use std::fmt;

use super::expr::{ArithOp, CompareOp, Expr, ExprKind, Field, Literal, Quantifier};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self, 0)
    }
}

/// How tightly a node binds; a looser one inside a tighter one stands in parentheses.
fn binds(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Or(..) => 1,
        ExprKind::And(..) => 2,
        ExprKind::Compare(..) | ExprKind::In(..) => 3,
        ExprKind::Arith(ArithOp::Add | ArithOp::Sub, ..) => 4,
        ExprKind::Arith(ArithOp::Mul, ..) => 5,
        ExprKind::Not(_) | ExprKind::Negate(_) => 6,
        _ => 7,
    }
}

fn write(f: &mut fmt::Formatter<'_>, expr: &Expr, least: u8) -> fmt::Result {
    let own = binds(&expr.kind);
    if own < least {
        f.write_str("(")?;
    }
    let two = |f: &mut fmt::Formatter<'_>, a: &Expr, word: &str, b: &Expr| {
        // Comparisons do not chain; the others associate to the left.
        write(f, a, own + u8::from(own == 3))?;
        write!(f, " {word} ")?;
        write(f, b, own + 1)
    };
    let call = |f: &mut fmt::Formatter<'_>, a: &Expr, name: &str, b: &Expr| {
        write(f, a, 7)?;
        write!(f, ".{name}({b})")
    };
    match &expr.kind {
        ExprKind::Literal(literal) => write!(f, "{literal}")?,
        ExprKind::Field(field) => write!(f, "{field}")?,
        ExprKind::Member => f.write_str("x")?,
        ExprKind::Not(a) => {
            f.write_str("!")?;
            write(f, a, 6)?;
        }
        ExprKind::Negate(a) => {
            f.write_str("-")?;
            write(f, a, 6)?;
        }
        ExprKind::And(a, b) => two(f, a, "&&", b)?,
        ExprKind::Or(a, b) => two(f, a, "||", b)?,
        ExprKind::Compare(op, a, b) => two(f, a, op.as_str(), b)?,
        ExprKind::In(a, b) => two(f, a, "in", b)?,
        ExprKind::Arith(ArithOp::Add, a, b) => two(f, a, "+", b)?,
        ExprKind::Arith(ArithOp::Sub, a, b) => two(f, a, "-", b)?,
        ExprKind::Arith(ArithOp::Mul, a, b) => two(f, a, "*", b)?,
        ExprKind::Size(a) => {
            write(f, a, 7)?;
            f.write_str(".size()")?;
        }
        ExprKind::StartsWith(a, b) => call(f, a, "startsWith", b)?,
        ExprKind::EndsWith(a, b) => call(f, a, "endsWith", b)?,
        ExprKind::Contains(a, b) => call(f, a, "contains", b)?,
        ExprKind::Quantified(quantifier, list, body) => {
            write(f, list, 7)?;
            let name = if *quantifier == Quantifier::Exists { "exists" } else { "all" };
            write!(f, ".{name}(x, {body})")?;
        }
        ExprKind::Called(tool) => write!(f, "session.called({})", quoted(tool))?,
        ExprKind::CallCount(tool) => write!(f, "session.count({})", quoted(tool))?,
    }
    if own < least { f.write_str(")") } else { Ok(()) }
}

impl CompareOp {
    /// The operator as conditions write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// A text literal.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => f.write_str(&quoted(t)),
            Self::Texts(list) => write!(f, "[{}]", list.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", ")),
            Self::Numbers(list) => write!(f, "[{}]", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fact(name) => name,
            Self::Arg(path) => return write!(f, "args.{}", path.join(".")),
            Self::ToolName => "tool.name",
            Self::ToolAction => "tool.action",
            Self::ToolTarget => "tool.target",
            Self::ToolEffect => "tool.effect",
            Self::ToolReversible => "tool.reversible",
            Self::ToolServer => "tool.server",
            Self::HostName => "host.name",
            Self::HostPort => "host.port",
            Self::HostScheme => "host.scheme",
            Self::Topics => "topics",
            Self::SessionTurns => "session.turns",
            Self::TimeHour => "time.hour",
            Self::TimeWeekday => "time.weekday",
            Self::TimeDate => "time.date",
            Self::TimeBusiness => "time.business",
            Self::LoadOpenTasks => "load.open_tasks",
            Self::RuntimeModel => "runtime.model",
            Self::RuntimeModelVersion => "runtime.model_version",
            Self::RuntimeConfigHash => "runtime.config_hash",
            Self::Lane => "lane",
        })
    }
}
