//! A schema in a document to its compiled form; what is outside the profile is a mistake with a place.

use crate::base::diagnostic::{Diagnostics, nearest};
use crate::base::document::{Node, Value};
use crate::base::limits::{PATTERN_COMPILED_MAX, PATTERN_MAX, SCHEMA_DEPTH_MAX};
use crate::pact::decimal::Decimal;

use super::schema::{Constant, Kind, Pattern, Schema};

const KEYWORDS: &[&str] = &[
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "required",
    "properties",
    "additionalProperties",
    "items",
];

/// Compiles the schema of a call's arguments. `field` is the path of the node.
pub fn compile(node: &Node, field: &str, out: &mut Diagnostics) -> Option<Schema> {
    let before = out.errors();
    let mut schema = subschema(node, field, 0, out)?;
    if schema.kinds == 0 {
        schema.kinds = Kind::Object.bit();
    } else if schema.kinds != Kind::Object.bit() {
        out.error("args_schema", field, node.span, "the arguments of a call are an object")
            .help("describe its members: `properties: {amount: {…}}`");
    }
    (out.errors() == before).then_some(schema)
}

fn subschema(node: &Node, field: &str, depth: usize, out: &mut Diagnostics) -> Option<Schema> {
    let Value::Map(entries) = &node.value else {
        if let Value::Bool(any) = node.value {
            return Some(Schema { never: !any, ..Schema::default() });
        }
        out.error("args_schema", field, node.span, format!("a schema is a map, not {}", node.kind()));
        return None;
    };
    if depth > SCHEMA_DEPTH_MAX {
        out.error("args_schema", field, node.span, format!("the schema is nested deeper than {SCHEMA_DEPTH_MAX}"));
        return None;
    }
    let mut schema = Schema::default();
    let mut explicit = None;
    let mut implied: Vec<(&str, Kind)> = Vec::new();
    for (key, value) in entries {
        let path = format!("{field}.{}", key.text);
        let mut take = Take { value, path: &path, out: &mut *out };
        match key.text.as_str() {
            "type" => explicit = take.kinds(),
            "enum" => schema.one_of = take.constants(),
            "const" => schema.one_of = take.constant(value).map(|c| vec![c]),
            "minimum" => schema.minimum = take.number(),
            "maximum" => schema.maximum = take.number(),
            "exclusiveMinimum" => schema.above = take.number(),
            "exclusiveMaximum" => schema.below = take.number(),
            "minLength" => schema.min_length = take.length(),
            "maxLength" => schema.max_length = take.length(),
            "pattern" => schema.pattern = take.pattern(),
            "required" => schema.required = take.names(),
            "properties" => {
                let Value::Map(properties) = &value.value else {
                    take.wrong("a map of names to schemas");
                    continue;
                };
                for (name, member) in properties {
                    let member = subschema(member, &format!("{path}.{}", name.text), depth + 1, out);
                    schema.properties.extend(member.map(|member| (name.text.clone(), member)));
                }
                schema.properties.sort_by(|a, b| a.0.cmp(&b.0));
            }
            "additionalProperties" => schema.additional = subschema(value, &path, depth + 1, out).map(Box::new),
            "items" => schema.items = subschema(value, &path, depth + 1, out).map(Box::new),
            other => {
                let help = nearest(other, KEYWORDS.iter().copied()).map_or_else(
                    || format!("the profile has {}; other demands are written as `require`", KEYWORDS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                out.error("args_schema", path, key.span, format!("`{other}` is outside the profile of argument schemas"))
                    .help(help);
                continue;
            }
        }
        implied.extend(implies(&key.text).map(|kind| (key.text.as_str(), kind)));
    }
    schema.kinds = kinds(node, field, explicit, &implied, out);
    Some(schema)
}

/// The type that a keyword implies.
fn implies(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Kind::Number,
        "minLength" | "maxLength" | "pattern" => Kind::String,
        "required" | "properties" | "additionalProperties" => Kind::Object,
        "items" => Kind::Array,
        _ => return None,
    })
}

fn kinds(node: &Node, field: &str, explicit: Option<u8>, implied: &[(&str, Kind)], out: &mut Diagnostics) -> u8 {
    let Some((word, kind)) = implied.first() else { return explicit.unwrap_or(0) };
    let allowed = if *kind == Kind::Number { Kind::Number.bit() | Kind::Integer.bit() } else { kind.bit() };
    if let Some((other, _)) = implied.iter().find(|(_, k)| k != kind) {
        let message = format!("`{word}` and `{other}` belong to different types; no value meets both");
        out.error("args_schema", field, node.span, message);
    } else if let Some(explicit) = explicit {
        if explicit & !allowed != 0 {
            let message = format!("`{word}` implies its type; `type` names others beside it");
            out.error("args_schema", field, node.span, message)
                .help("drop `type`, or the types that the keyword says nothing about");
        }
        return explicit;
    }
    allowed
}

struct Take<'a> {
    value: &'a Node,
    path: &'a str,
    out: &'a mut Diagnostics,
}

impl Take<'_> {
    fn wrong(&mut self, wanted: &str) {
        let message = format!("{wanted} is needed here, not {}", self.value.kind());
        self.out.error("args_schema", self.path, self.value.span, message);
    }

    fn number(&mut self) -> Option<Decimal> {
        let number = decimal(self.value);
        if number.is_none() {
            self.wrong("a number");
        }
        number
    }

    fn length(&mut self) -> Option<usize> {
        let length = decimal(self.value).and_then(|n| usize::try_from(n.to_i64()?).ok());
        if length.is_none() {
            self.wrong("a whole number, not negative,");
        }
        length
    }

    fn kinds(&mut self) -> Option<u8> {
        let names = match &self.value.value {
            Value::List(items) if !items.is_empty() => items.iter().collect(),
            _ => vec![self.value],
        };
        let mut bits = 0;
        for name in names {
            let text = if name.value == Value::Null { Some("null") } else { name.text() };
            if let Some(kind) = text.and_then(Kind::parse) {
                bits |= kind.bit();
            } else {
                self.out
                    .error("args_schema", self.path, name.span, "no type of JSON")
                    .help("one of null, boolean, integer, number, string, array, object");
            }
        }
        (bits != 0).then_some(bits)
    }

    fn constant(&mut self, node: &Node) -> Option<Constant> {
        let constant = match &node.value {
            Value::Null => Some(Constant::Null),
            Value::Bool(b) => Some(Constant::Bool(*b)),
            Value::Text(t) => Some(Constant::Text(t.clone())),
            Value::Int(_) | Value::Float(..) => decimal(node).map(Constant::Number),
            Value::List(_) | Value::Map(_) => None,
        };
        if constant.is_none() {
            self.out.error("args_schema", self.path, node.span, "only scalars can be named here");
        }
        constant
    }

    fn constants(&mut self) -> Option<Vec<Constant>> {
        let Value::List(items) = &self.value.value else {
            self.wrong("a list of scalars");
            return None;
        };
        if items.is_empty() {
            self.wrong("at least one value");
        }
        Some(items.iter().filter_map(|item| self.constant(item)).collect())
    }

    fn names(&mut self) -> Vec<String> {
        let Value::List(items) = &self.value.value else {
            self.wrong("a list of names");
            return Vec::new();
        };
        let names: Vec<String> = items.iter().filter_map(|item| item.text().map(str::to_owned)).collect();
        if names.len() != items.len() {
            self.wrong("a list of names");
        }
        names
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let Some(text) = self.value.text().filter(|t| t.len() <= PATTERN_MAX) else {
            self.wrong("a regular expression");
            return None;
        };
        match regex::RegexBuilder::new(text).size_limit(PATTERN_COMPILED_MAX).build() {
            Ok(regex) => Some(Pattern { regex }),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.out
                    .error("args_schema", self.path, self.value.span, format!("the pattern cannot be used: {reason}"))
                    .help("patterns run in linear time: no look-around, no back references");
                None
            }
        }
    }
}

/// A number as written.
fn decimal(node: &Node) -> Option<Decimal> {
    match &node.value {
        Value::Int(n) => Some(Decimal::from(*n)),
        Value::Float(_, text) => Decimal::parse(text).filter(Decimal::is_whole),
        _ => None,
    }
}
