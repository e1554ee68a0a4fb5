//! Untyped tree to typed: names against the closed table of fields, types against each other, literals
//! against closed sets. Every mistake of a condition is told, not the first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::base::diagnostic::{Diagnostics, Span, nearest};
use crate::base::names::Lane;
use crate::pact::model::{Effect, FactType, Tool};
use crate::pact::place::Anchor;
use crate::pact::term::Date;

use super::expr::{ArithOp, CompareOp, Expr, ExprKind, FIELDS, Field, Literal, Quantifier, Type};
use super::parse::{Raw, RawKind, parse_raw};

/// What the names of a condition may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The pact's own facts.
    pub facts: &'a BTreeMap<String, FactType>,
    /// The catalogue.
    pub tools: &'a [Tool],
    /// Topics that have a detector.
    pub topics: &'a BTreeSet<String>,
}

/// Days of the week as `time.weekday` names them.
pub const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads a condition that must be true or false. `field` is the path of the key it stands under.
///
/// # Errors
/// A mistake of the grammar, or every mistake of names and types.
pub fn parse(text: &str, anchor: Anchor<'_>, field: &str, scope: &Scope<'_>) -> Result<Expr, Diagnostics> {
    let mut out = Diagnostics::default();
    let raw = match parse_raw(text) {
        Ok(raw) => raw,
        Err(error) => {
            out.error("condition_syntax", field, anchor.span(error.at.start, error.at.end), error.message);
            out.help(error.help.unwrap_or("a condition reads like `tool.name == \"refund\" && task.amount > 500`"));
            return Err(out);
        }
    };
    let mut typer = Typer { anchor, field, scope, out, member: None };
    let expr = typer.wanted(&raw, Type::Bool);
    match expr {
        Some(expr) if !typer.out.has_errors() => Ok(expr),
        _ => Err(typer.out),
    }
}

struct Typer<'a> {
    anchor: Anchor<'a>,
    field: &'a str,
    scope: &'a Scope<'a>,
    out: Diagnostics,
    /// Name of the member at hand, and whether the list is `topics`.
    member: Option<(String, bool)>,
}

/// `args.` and dotted names of a chain of selections, if it is one.
fn dotted(raw: &Raw) -> Option<String> {
    match &raw.kind {
        RawKind::Name(name) => Some(name.clone()),
        RawKind::Select(inner, name) => Some(format!("{}.{name}", dotted(inner)?)),
        _ => None,
    }
}

impl Typer<'_> {
    fn span(&self, at: &Range<usize>) -> Span {
        self.anchor.span(at.start, at.end)
    }

    fn error(&mut self, code: &'static str, at: &Range<usize>, message: impl Into<String>) -> &mut Diagnostics {
        let span = self.span(at);
        self.out.error(code, self.field, span, message)
    }

    fn node(&self, kind: ExprKind, ty: Type, at: &Range<usize>) -> Expr {
        Expr { kind, ty, span: self.span(at) }
    }

    /// An expression that must have a type; a scalar of the arguments may have any.
    fn wanted(&mut self, raw: &Raw, ty: Type) -> Option<Expr> {
        let expr = self.expr(raw)?;
        if expr.ty == ty || (expr.ty == Type::Scalar && !matches!(ty, Type::Texts | Type::Numbers)) {
            return Some(expr);
        }
        let message = format!("this is {}; {} is needed here", expr.ty.as_str(), ty.as_str());
        let help = match ty {
            Type::Bool => "compare it: `x > 5`, `x == \"a\"`",
            Type::Number => "only numbers are counted with; texts are compared and searched",
            _ => "texts stand in double quotes",
        };
        self.error("condition_type", &raw.at, message).help(help);
        None
    }

    fn expr(&mut self, raw: &Raw) -> Option<Expr> {
        match &raw.kind {
            RawKind::Bool(b) => Some(self.node(ExprKind::Literal(Literal::Bool(*b)), Type::Bool, &raw.at)),
            RawKind::Number(n) => Some(self.node(ExprKind::Literal(Literal::Number(*n)), Type::Number, &raw.at)),
            RawKind::Text(t) => Some(self.node(ExprKind::Literal(Literal::Text(t.clone())), Type::Text, &raw.at)),
            RawKind::List(members) => self.list(members, &raw.at),
            RawKind::Name(_) | RawKind::Select(..) => self.name(raw),
            RawKind::Not(inner) => {
                let inner = self.wanted(inner, Type::Bool)?;
                Some(self.node(ExprKind::Not(Box::new(inner)), Type::Bool, &raw.at))
            }
            RawKind::Negate(inner) => {
                let inner = self.wanted(inner, Type::Number)?;
                Some(self.node(ExprKind::Negate(Box::new(inner)), Type::Number, &raw.at))
            }
            RawKind::Binary(operator, left, right) => self.binary(operator, left, right, &raw.at),
            RawKind::Call(target, name, arguments) => self.call(target.as_deref(), name, arguments, &raw.at),
        }
    }

    fn list(&mut self, members: &[Raw], at: &Range<usize>) -> Option<Expr> {
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        for member in members {
            match &member.kind {
                RawKind::Text(text) => texts.push(text.clone()),
                RawKind::Number(n) => numbers.push(*n),
                RawKind::Negate(inner) if matches!(inner.kind, RawKind::Number(_)) => {
                    if let RawKind::Number(n) = &inner.kind {
                        numbers.push(n.negated());
                    }
                }
                _ => {
                    self.error("condition_type", &member.at, "a list holds texts or numbers as they are")
                        .help("for instance `[\"a\", \"b\"]` or `[1, 2]`");
                    return None;
                }
            }
        }
        if texts.is_empty() == numbers.is_empty() {
            let message = if texts.is_empty() { "a list without members" } else { "a list holds texts or numbers, not both" };
            self.error("condition_type", at, message).help("for instance `[\"a\", \"b\"]` or `[1, 2]`");
            return None;
        }
        let (literal, ty) =
            if numbers.is_empty() { (Literal::Texts(texts), Type::Texts) } else { (Literal::Numbers(numbers), Type::Numbers) };
        Some(self.node(ExprKind::Literal(literal), ty, at))
    }

    fn name(&mut self, raw: &Raw) -> Option<Expr> {
        let Some(name) = dotted(raw) else {
            self.error("unknown_field", &raw.at, "only fields have parts");
            return None;
        };
        if self.member.as_ref().is_some_and(|(member, _)| *member == name) {
            return Some(self.node(ExprKind::Member, Type::Text, &raw.at));
        }
        if let Some(path) = name.strip_prefix("args.") {
            let path = path.split('.').map(str::to_owned).collect();
            return Some(self.node(ExprKind::Field(Field::Arg(path)), Type::Scalar, &raw.at));
        }
        if let Some(ty) = self.scope.facts.get(&name) {
            let ty = match ty {
                FactType::Text => Type::Text,
                FactType::Bool => Type::Bool,
                FactType::Number { .. } => Type::Number,
            };
            return Some(self.node(ExprKind::Field(Field::Fact(name)), ty, &raw.at));
        }
        if let Some((field, ty)) = Field::fixed(&name) {
            return Some(self.node(ExprKind::Field(field), ty, &raw.at));
        }
        let known = FIELDS.iter().map(|(n, _)| *n).chain(self.scope.facts.keys().map(String::as_str));
        let help = nearest(&name, known).map_or_else(
            || format!("declare it: `facts: {{{name}: string}}`, or use a field of the table in the reference"),
            |near| format!("did you mean `{near}`?"),
        );
        self.error("unknown_field", &raw.at, format!("there is no field `{name}`")).help(help);
        None
    }

    fn binary(&mut self, operator: &str, left: &Raw, right: &Raw, at: &Range<usize>) -> Option<Expr> {
        let compare = |op| ExprKindOf::Compare(op);
        let kind = match operator {
            "||" | "&&" => {
                let (a, b) = (self.wanted(left, Type::Bool), self.wanted(right, Type::Bool));
                let (a, b) = (Box::new(a?), Box::new(b?));
                let kind = if operator == "||" { ExprKind::Or(a, b) } else { ExprKind::And(a, b) };
                return Some(self.node(kind, Type::Bool, at));
            }
            "in" => return self.membership(left, right, at),
            "==" => compare(CompareOp::Eq),
            "!=" => compare(CompareOp::Ne),
            "<" => compare(CompareOp::Lt),
            "<=" => compare(CompareOp::Le),
            ">" => compare(CompareOp::Gt),
            ">=" => compare(CompareOp::Ge),
            "+" => ExprKindOf::Arith(ArithOp::Add),
            "-" => ExprKindOf::Arith(ArithOp::Sub),
            _ => ExprKindOf::Arith(ArithOp::Mul),
        };
        match kind {
            ExprKindOf::Arith(op) => {
                let (a, b) = (self.wanted(left, Type::Number), self.wanted(right, Type::Number));
                Some(self.node(ExprKind::Arith(op, Box::new(a?), Box::new(b?)), Type::Number, at))
            }
            ExprKindOf::Compare(op) => {
                let (a, b) = (self.expr(left), self.expr(right));
                let (a, b) = (a?, b?);
                let scalar = a.ty == Type::Scalar || b.ty == Type::Scalar;
                let ordered = !matches!(op, CompareOp::Eq | CompareOp::Ne);
                let lists = [a.ty, b.ty].iter().any(|t| matches!(t, Type::Texts | Type::Numbers));
                let bools = [a.ty, b.ty].contains(&Type::Bool);
                if lists || (!scalar && a.ty != b.ty) || (ordered && bools) {
                    let message = format!("{} cannot be compared with {} here", a.ty.as_str(), b.ty.as_str());
                    let help = if lists {
                        "membership is written `\"x\" in topics`"
                    } else if ordered && bools {
                        "true and false have no order; compare with `==`"
                    } else {
                        "write both sides in one kind: numbers without quotes, texts in double quotes"
                    };
                    self.error("condition_type", at, message).help(help);
                    return None;
                }
                self.closed(&a, &b);
                self.closed(&b, &a);
                Some(self.node(ExprKind::Compare(op, Box::new(a), Box::new(b)), Type::Bool, at))
            }
        }
    }

    fn membership(&mut self, left: &Raw, right: &Raw, at: &Range<usize>) -> Option<Expr> {
        let (a, b) = (self.expr(left), self.expr(right));
        let (a, b) = (a?, b?);
        let fits =
            matches!((a.ty, b.ty), (Type::Text | Type::Scalar, Type::Texts) | (Type::Number | Type::Scalar, Type::Numbers));
        if !fits {
            let message = format!("{} cannot be in {}", a.ty.as_str(), b.ty.as_str());
            self.error("condition_type", at, message).help("`\"x\" in topics`, `args.n in [1, 2]`");
            return None;
        }
        self.closed(&a, &b);
        if let (ExprKind::Field(Field::Topics), ExprKind::Literal(Literal::Text(topic))) = (&b.kind, &a.kind) {
            self.topic(topic, a.span);
        }
        Some(self.node(ExprKind::In(Box::new(a), Box::new(b)), Type::Bool, at))
    }

    fn topic(&mut self, topic: &str, span: Span) {
        if self.scope.topics.contains(topic) {
            return;
        }
        let known: Vec<&str> = self.scope.topics.iter().map(String::as_str).collect();
        let help = match nearest(topic, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "no listed pack has topics".to_owned(),
            None => format!("topics with a detector: {}", known.join(", ")),
        };
        let field = self.field;
        self.out.error("unknown_topic", field, span, format!("no detector knows the topic `{topic}`")).help(help);
    }

    /// Checks the literals of `value` against the closed set of `subject`, if it has one.
    fn closed(&mut self, subject: &Expr, value: &Expr) {
        let texts: Vec<&str> = match &value.kind {
            ExprKind::Literal(Literal::Text(text)) => vec![text],
            ExprKind::Literal(Literal::Texts(texts)) => texts.iter().map(String::as_str).collect(),
            _ => return,
        };
        let tools = self.scope.tools;
        let catalogue = |of: fn(&Tool) -> Option<&str>| tools.iter().filter_map(of).collect::<BTreeSet<_>>();
        let (code, known): (&'static str, BTreeSet<&str>) = match &subject.kind {
            ExprKind::Field(Field::ToolName) => ("unknown_tool", catalogue(|t| Some(&t.name))),
            ExprKind::Field(Field::ToolAction) => ("unknown_word", catalogue(|t| t.action.as_deref())),
            ExprKind::Field(Field::ToolTarget) => ("unknown_word", catalogue(|t| t.target.as_deref())),
            ExprKind::Field(Field::ToolServer) => ("unknown_word", catalogue(|t| t.server.as_deref())),
            ExprKind::Field(Field::ToolEffect) => ("unknown_word", Effect::ALL.iter().map(|e| e.as_str()).collect()),
            ExprKind::Field(Field::TimeWeekday) => ("unknown_word", WEEKDAYS.iter().copied().collect()),
            ExprKind::Field(Field::Lane) => ("unknown_word", Lane::ALL.iter().map(|l| l.as_str()).collect()),
            ExprKind::Field(Field::TimeDate) => {
                for text in texts.into_iter().filter(|t| Date::parse(t, "UTC").is_none()) {
                    let field = self.field;
                    self.out
                        .error("bad_date", field, value.span, format!("`{text}` is no date"))
                        .help("dates are written `\"2026-12-01\"`");
                }
                return;
            }
            ExprKind::Member if self.member.as_ref().is_some_and(|(_, topics)| *topics) => {
                for text in texts {
                    self.topic(text, value.span);
                }
                return;
            }
            _ => return,
        };
        for text in texts.into_iter().filter(|t| !known.contains(t)) {
            let help = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "the catalogue under `tools` names none".to_owned(),
                None => format!("known: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("`{text}` is not among the values this field can have");
            let field = self.field;
            self.out.error(code, field, value.span, message).help(help);
        }
    }

    fn call(&mut self, target: Option<&Raw>, name: &str, arguments: &[Raw], at: &Range<usize>) -> Option<Expr> {
        let on_session = target.is_some_and(|t| matches!(&t.kind, RawKind::Name(n) if n == "session"));
        match (target, name, arguments) {
            (Some(_), "called" | "count", [tool]) if on_session => {
                let RawKind::Text(tool_name) = &tool.kind else {
                    self.error("condition_type", &tool.at, "the tool is named by a text")
                        .help("write its key in double quotes: `session.called(\"order_read\")`");
                    return None;
                };
                let known = self.scope.tools.iter().map(|t| t.name.as_str());
                if !known.clone().any(|k| k == tool_name) {
                    let help = nearest(tool_name, known)
                        .map_or_else(|| "list it under `tools`".to_owned(), |near| format!("did you mean `{near}`?"));
                    self.error("unknown_tool", &tool.at, format!("the catalogue has no tool `{tool_name}`")).help(help);
                    return None;
                }
                let (kind, ty) = if name == "called" {
                    (ExprKind::Called(tool_name.clone()), Type::Bool)
                } else {
                    (ExprKind::CallCount(tool_name.clone()), Type::Number)
                };
                Some(self.node(kind, ty, at))
            }
            (Some(target), "size", []) => {
                let inner = self.expr(target)?;
                if !matches!(inner.ty, Type::Text | Type::Texts | Type::Numbers | Type::Scalar) {
                    self.error("condition_type", &target.at, format!("{} has no size", inner.ty.as_str()))
                        .help("texts have characters, lists have members");
                    return None;
                }
                Some(self.node(ExprKind::Size(Box::new(inner)), Type::Number, at))
            }
            (Some(target), "startsWith" | "endsWith" | "contains", [other]) => {
                let (a, b) = (self.wanted(target, Type::Text), self.wanted(other, Type::Text));
                let (a, b) = (Box::new(a?), Box::new(b?));
                let kind = match name {
                    "startsWith" => ExprKind::StartsWith(a, b),
                    "endsWith" => ExprKind::EndsWith(a, b),
                    _ => ExprKind::Contains(a, b),
                };
                Some(self.node(kind, Type::Bool, at))
            }
            (Some(target), "exists" | "all", [variable, body]) => self.quantified(name, target, variable, body, at),
            _ => {
                const KNOWN: &[&str] = &["size", "startsWith", "endsWith", "contains", "exists", "all", "called", "count"];
                let help = match nearest(name, KNOWN.iter().copied()) {
                    Some(near) if near != name => format!("did you mean `{near}`?"),
                    _ => "there is `x.size()`, `x.startsWith(y)`, `x.endsWith(y)`, `x.contains(y)`, `list.exists(x, …)`, \
                          `list.all(x, …)`, `session.called(\"tool\")` and `session.count(\"tool\")`"
                        .to_owned(),
                };
                self.error("unknown_function", at, format!("there is no function `{name}` of this form")).help(help);
                None
            }
        }
    }

    fn quantified(&mut self, name: &str, target: &Raw, variable: &Raw, body: &Raw, at: &Range<usize>) -> Option<Expr> {
        let list = self.wanted(target, Type::Texts)?;
        let RawKind::Name(variable_name) = &variable.kind else {
            self.error("condition_syntax", &variable.at, "the member is named by a plain name, as in `topics.exists(t, …)`");
            return None;
        };
        if self.member.is_some() {
            self.error("condition_syntax", at, "`exists` and `all` cannot stand inside each other");
            return None;
        }
        let taken = FIELDS.iter().map(|(n, _)| *n).chain(self.scope.facts.keys().map(String::as_str));
        if taken.into_iter().any(|n| n == variable_name || n.split('.').next() == Some(variable_name)) {
            self.error("condition_syntax", &variable.at, format!("`{variable_name}` is already a field"));
            return None;
        }
        self.member = Some((variable_name.clone(), matches!(list.kind, ExprKind::Field(Field::Topics))));
        let body = self.wanted(body, Type::Bool);
        self.member = None;
        let quantifier = if name == "exists" { Quantifier::Exists } else { Quantifier::All };
        Some(self.node(ExprKind::Quantified(quantifier, Box::new(list), Box::new(body?)), Type::Bool, at))
    }
}

/// The two families of binary operators that are typed alike.
enum ExprKindOf {
    Compare(CompareOp),
    Arith(ArithOp),
}
