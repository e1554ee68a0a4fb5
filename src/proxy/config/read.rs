//! Reading one section of the tree: known keys, typed values, mistakes with a place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::diagnostic::{Diagnostics, Span, nearest};
use crate::base::document::{Node, Value};

use super::value;

/// A map of the document with its dotted path.
#[derive(Clone, Debug)]
pub(super) struct Section<'n> {
    node: Option<&'n Node>,
    path: String,
}

impl<'n> Section<'n> {
    /// The section of a node that may be missing. What is no map, and every key that is not in `keys`,
    /// is a mistake.
    pub(super) fn open(node: Option<&'n Node>, path: impl Into<String>, keys: &[&str], out: &mut Diagnostics) -> Self {
        let path = path.into();
        let node = node.filter(|n| !matches!(n.value, Value::Null));
        let Some(found) = node else { return Self { node: None, path } };
        if !matches!(found.value, Value::Map(_)) {
            out.error("wrong_type", path.clone(), found.span, format!("`{path}` must be a map, not {}", found.kind()));
            return Self { node: None, path };
        }
        for (key, _) in found.entries().iter().filter(|(k, _)| !keys.contains(&k.text.as_str())) {
            let full = join(&path, &key.text);
            out.error("unknown_key", full, key.span, format!("unknown key `{}`", key.text)).help(
                match nearest(&key.text, keys.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", keys.join(", ")),
                },
            );
        }
        Self { node, path }
    }

    /// The dotted path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Where the section stands; the start of the document where it is missing.
    pub(super) fn span(&self) -> Span {
        self.node.map_or_else(Span::default, |n| n.span)
    }

    /// Whether the section is written at all.
    pub(super) fn given(&self) -> bool {
        self.node.is_some()
    }

    /// The value of a key, if it is there and not null.
    pub(super) fn node(&self, key: &str) -> Option<&'n Node> {
        self.node.and_then(|n| n.get(key)).filter(|n| !matches!(n.value, Value::Null))
    }

    /// The items of a list; one that is no list is a mistake.
    pub(super) fn list(&self, key: &str, most: usize, out: &mut Diagnostics) -> &'n [Node] {
        let Some(node) = self.node(key) else { return &[] };
        let Value::List(items) = &node.value else {
            self.wrong(key, node, "a list", out);
            return &[];
        };
        if items.len() > most {
            out.error("too_many", self.at(key), node.span, format!("{} entries; the limit is {most}", items.len()));
        }
        items
    }

    /// Text.
    pub(super) fn text(&self, key: &str, out: &mut Diagnostics) -> Option<&'n str> {
        let node = self.node(key)?;
        if node.text().is_none() {
            self.wrong(key, node, "text", out).help("put it in quotes");
        }
        node.text().filter(|t| !t.is_empty())
    }

    /// Texts of a list.
    pub(super) fn texts(&self, key: &str, most: usize, out: &mut Diagnostics) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(key, most, out) {
            match item.text() {
                Some(text) => texts.push(text.to_owned()),
                None => {
                    self.wrong(key, item, "a list of text", out);
                }
            }
        }
        texts
    }

    /// A path, relative ones taken from `base`.
    pub(super) fn path(&self, key: &str, base: &Path, out: &mut Diagnostics) -> Option<PathBuf> {
        self.text(key, out).map(|text| base.join(text))
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(&self, key: &str, all: &[(&str, T)], default: T, out: &mut Diagnostics) -> T {
        let Some(node) = self.node(key) else { return default };
        let known = || all.iter().map(|(word, _)| *word);
        let Some(text) = node.text() else {
            self.wrong(key, node, &known().collect::<Vec<_>>().join(" | "), out);
            return default;
        };
        if let Some((_, member)) = all.iter().find(|(word, _)| *word == text) {
            return *member;
        }
        out.error("unknown_word", self.at(key), node.span, format!("`{text}` is not a value of `{key}`")).help(
            match nearest(text, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", known().collect::<Vec<_>>().join(", ")),
            },
        );
        default
    }

    /// A duration above zero.
    pub(super) fn duration(&self, key: &str, default: Duration, out: &mut Diagnostics) -> Duration {
        let Some(node) = self.node(key) else { return default };
        match node.text().and_then(value::duration) {
            Some(duration) if !duration.is_zero() => duration,
            _ => {
                self.wrong(key, node, "a duration above zero", out).help("such as 500ms, 5s, 5m, 2h or 7d");
                default
            }
        }
    }

    /// A size in bytes above zero.
    pub(super) fn size(&self, key: &str, default: u64, out: &mut Diagnostics) -> u64 {
        let Some(node) = self.node(key) else { return default };
        let bytes = match &node.value {
            Value::Int(bytes) => u64::try_from(*bytes).ok(),
            Value::Text(text) => value::size(text),
            _ => None,
        };
        bytes.filter(|b| *b > 0).unwrap_or_else(|| {
            self.wrong(key, node, "a size above zero", out).help("such as 65536, 64KiB, 32MiB or 10GiB");
            default
        })
    }

    /// A whole number within a range.
    pub(super) fn count(&self, key: &str, range: std::ops::RangeInclusive<u64>, out: &mut Diagnostics) -> Option<u64> {
        let node = self.node(key)?;
        let number = if let Value::Int(number) = node.value { u64::try_from(number).ok() } else { None };
        let number = number.filter(|n| range.contains(n));
        if number.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(key, node, &wanted, out);
        }
        number
    }

    /// A key whose work this build does not do: refused where it is written.
    pub(super) fn refuse(&self, key: &str, why: &str, instead: &str, out: &mut Diagnostics) {
        if let Some(node) = self.node(key) {
            out.error("not_in_this_build", self.at(key), node.span, why.to_owned()).help(instead.to_owned());
        }
    }

    /// A value of the wrong kind.
    pub(super) fn wrong<'o>(&self, key: &str, node: &Node, wanted: &str, out: &'o mut Diagnostics) -> &'o mut Diagnostics {
        let found = match &node.value {
            Value::Text(text) => format!("`{}`", text.chars().take(80).collect::<String>()),
            Value::Int(number) => format!("`{number}`"),
            _ => node.kind().to_owned(),
        };
        out.error("wrong_type", self.at(key), node.span, format!("`{}` must be {wanted}, not {found}", self.at(key)))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
