//! Weighted phrases of a pack: groups, word lists they take in, threshold and window.

use std::collections::BTreeMap;

use super::{Reader, items, join};
use crate::base::document::{Node, Value};
use crate::scan::pattern::{Group, Weighted, Window};

/// Word lists by name.
pub(super) type Lists = BTreeMap<String, Vec<String>>;

const GROUP_KEYS: &[&str] = &["weight", "any", "of"];

impl Reader<'_> {
    /// The word lists of a pack.
    pub(super) fn lists_of(&mut self, root: &Node) -> Lists {
        let entries = root.get("lists").map(Node::entries).unwrap_or_default();
        entries.iter().map(|(key, node)| (key.text.clone(), self.texts(node, &join("lists", &key.text)))).collect()
    }

    /// Groups, threshold and window of an entry or a topic.
    pub(super) fn weighted(&mut self, node: &Node, field: &str, window: Window) -> Option<Weighted> {
        let at = join(field, "threshold");
        let Some(threshold) = node.get("threshold") else {
            self.out.error("missing_key", at, node.span, "`threshold` is missing");
            return None;
        };
        let threshold = self.whole(threshold, &at).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        if threshold.is_none() {
            self.out.error("threshold", at, node.span, "`threshold` is a whole number from 1");
        }
        let window = node.get("window").map_or(Some(window), |node| self.window(node, &join(field, "window")));
        let mut groups = self.single(node, field);
        for (index, group) in items(node, "groups").iter().enumerate() {
            groups.extend(self.group(group, &format!("{field}.groups[{index}]")));
        }
        if groups.is_empty() {
            let message =
                "weighted phrases are `phrases`, a map from weight to a list, or `groups`, each a `weight` with `any` or `of`";
            self.out.error("missing_key", join(field, "groups"), node.span, message);
        }
        Some(Weighted { groups, threshold: threshold?, window: window? })
    }

    /// Phrases that count each on its own.
    fn single(&mut self, node: &Node, field: &str) -> Vec<Group> {
        let field = join(field, "phrases");
        let mut groups = Vec::new();
        for (weight, list) in node.get("phrases").map(Node::entries).unwrap_or_default() {
            let Ok(weight) = weight.text.parse::<i32>() else {
                let message = format!("weight `{}` is no whole number", weight.text);
                self.out.error("type", &field, weight.span, message);
                continue;
            };
            groups.extend(self.texts(list, &field).into_iter().map(|phrase| Group { weight, phrases: vec![phrase] }));
        }
        groups
    }

    fn group(&mut self, node: &Node, field: &str) -> Option<Group> {
        self.keys(node, field, GROUP_KEYS);
        let mut phrases = node.get("any").map(|any| self.texts(any, &join(field, "any"))).unwrap_or_default();
        for name in node.get("of").map(|of| self.texts(of, &join(field, "of"))).unwrap_or_default() {
            if let Some(list) = self.lists.get(&name) {
                phrases.extend(list.iter().cloned());
                continue;
            }
            let known: Vec<&str> = self.lists.keys().map(String::as_str).collect();
            let message = format!("there is no list `{name}`; there are: {}", known.join(", "));
            self.out.error("unknown_word", join(field, "of"), node.span, message);
        }
        if phrases.is_empty() {
            self.out.error(
                "missing_key",
                join(field, "any"),
                node.span,
                "a group needs phrases: `any`, or `of` with names of `lists`",
            );
        }
        let weight = match node.get("weight").map(|n| &n.value) {
            Some(Value::Int(weight)) => i32::try_from(*weight).ok(),
            _ => None,
        };
        if weight.is_none() {
            self.out.error("type", join(field, "weight"), node.span, "`weight` is a whole number");
        }
        Some(Group { weight: weight?, phrases })
    }

    fn window(&mut self, node: &Node, field: &str) -> Option<Window> {
        let window = match &node.value {
            Value::Text(text) if text == "sentence" => Some(Window::Sentence),
            Value::Text(text) if text == "text" => Some(Window::Text),
            Value::Int(bytes) => u32::try_from(*bytes).ok().filter(|bytes| *bytes > 0).map(Window::Bytes),
            _ => None,
        };
        if window.is_none() {
            self.out.error("unknown_word", field, node.span, "`window` is `sentence`, `text`, or a number of bytes");
        }
        window
    }
}
