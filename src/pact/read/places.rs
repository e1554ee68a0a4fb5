//! Where things stand in the document: rules across sections tell a mistake at the value that is wrong,
//! not at the section in which it lies.

use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::document::{Key, Node, Value};
use crate::pact::constraint::{self, Constraint};
use crate::pact::model::Predicate;

use super::cursor::{At, Reader};

/// The document, asked by path.
#[derive(Clone, Copy)]
pub(super) struct Places<'r, 'n> {
    root: &'r At<'n>,
}

impl<'r, 'n> Places<'r, 'n> {
    pub(super) fn new(root: &'r At<'n>) -> Self {
        Self { root }
    }

    /// The value at a path of keys, or the nearest one above it that is there.
    pub(super) fn at(self, path: &[&str]) -> At<'n> {
        below(self.root.clone(), path)
    }

    /// The key at a path: where a section is named that lacks something.
    pub(super) fn key(self, path: &[&str]) -> (Option<&'n Key>, At<'n>) {
        let Some((last, parents)) = path.split_last() else { return (None, self.root.clone()) };
        let parent = self.at(parents);
        let key = parent.node.entries().iter().map(|(key, _)| key).find(|key| key.text == *last);
        let value = parent.get(last).unwrap_or(parent);
        (key, value)
    }

    /// The entry of a predicate.
    pub(super) fn predicate(self, predicate: &Predicate) -> At<'n> {
        let list = self.at(&["predicates"]);
        let Value::List(items) = &list.node.value else { return list };
        let own = |at: &At<'n>| ["id", "constraint"].iter().filter_map(|k| at.get(k)).any(|v| v.node.span == predicate.span);
        let mut entries = items.iter().enumerate().map(|(n, node)| At { node, path: format!("{}[{n}]", list.path) });
        entries.find(|at| own(at) || at.node.span == predicate.span).unwrap_or_else(|| list.clone())
    }

    /// Every id that the document gives a predicate, whether it could be read or not: a rule for one that is
    /// wrong in itself is not told of again.
    pub(super) fn ids(self) -> Vec<String> {
        let list = self.at(&["predicates"]);
        let Value::List(items) = &list.node.value else { return Vec::new() };
        let id = |node: &Node| {
            let constraint = node.get("constraint").and_then(Node::text).and_then(constraint::get);
            node.get("id").and_then(Node::text).map(str::to_owned).or_else(|| constraint.map(Constraint::default_id))
        };
        items.iter().filter_map(id).collect()
    }

    /// A value inside the entry of a predicate, or the nearest one above it that is there.
    pub(super) fn inside(self, predicate: &Predicate, path: &[&str]) -> At<'n> {
        below(self.predicate(predicate), path)
    }

    /// The id of a predicate, or the constraint that gives it one.
    pub(super) fn name(self, predicate: &Predicate) -> At<'n> {
        let entry = self.predicate(predicate);
        entry.get("id").or_else(|| entry.get("constraint")).unwrap_or(entry)
    }
}

fn below<'n>(mut at: At<'n>, path: &[&str]) -> At<'n> {
    for key in path {
        let Some(next) = at.get(key) else { break };
        at = next;
    }
    at
}

impl Reader<'_> {
    /// An error at a key: what is named there lacks something.
    pub(super) fn error_at_key(
        &mut self,
        code: &'static str,
        (key, at): &(Option<&Key>, At<'_>),
        message: impl Into<String>,
    ) -> &mut Diagnostics {
        let span: Span = key.map_or(at.node.span, |key| key.span);
        self.out.error(code, at.path.clone(), span, message)
    }
}
