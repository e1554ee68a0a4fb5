//! A foreign document that is taken apart: what was not taken in the end was not carried.

use serde_json::{Map, Value};

/// A value of the foreign document that the draft does not carry as it stood.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Left {
    /// Where it stands in the foreign document; empty: nowhere, something is missing there.
    pub path: String,
    /// Why, and what to do.
    pub why: String,
}

/// A foreign document.
#[derive(Debug)]
pub(super) struct Foreign {
    value: Value,
    left: Vec<Left>,
}

impl Foreign {
    pub(super) fn new(value: Value) -> Self {
        Self { value, left: Vec::new() }
    }

    /// Whether there is a value at this path (`scope.taskTypes`).
    pub(super) fn has(&self, path: &str) -> bool {
        path.split('.').try_fold(&self.value, |at, key| at.get(key)).is_some()
    }

    /// Takes the value at this path out of the document.
    pub(super) fn take(&mut self, path: &str) -> Option<Value> {
        let (above, key) = path.rsplit_once('.').map_or((None, path), |(above, key)| (Some(above), key));
        let start = Some(&mut self.value);
        let map = above.into_iter().flat_map(|p| p.split('.')).fold(start, |at, key| at?.get_mut(key))?;
        map.as_object_mut()?.remove(key)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        let value = self.take(path)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.leave(path, "it is no text");
        }
        text
    }

    /// Takes a number.
    pub(super) fn number(&mut self, path: &str) -> Option<Value> {
        let value = self.take(path)?;
        if !value.is_number() {
            self.leave(path, "it is no number");
            return None;
        }
        Some(value)
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, path: &str) -> Option<Vec<String>> {
        let value = self.take(path)?;
        let texts: Option<Vec<String>> =
            value.as_array().and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.leave(path, "it is no list of texts");
        }
        texts
    }

    /// Takes a map of shares; its keys as they are spelt here.
    pub(super) fn shares(&mut self, path: &str, spelt: impl Fn(&str) -> String) -> Option<Value> {
        let Value::Object(map) = self.take(path)? else {
            self.leave(path, "it is no map");
            return None;
        };
        let own: Map<String, Value> = map.into_iter().map(|(key, share)| (spelt(&key), share)).collect();
        (!own.is_empty()).then_some(Value::Object(own))
    }

    /// Takes a list of maps, each as a document of its own with its path.
    pub(super) fn maps(&mut self, path: &str) -> Vec<(String, Foreign)> {
        let Some(Value::Array(items)) = self.take(path) else { return Vec::new() };
        items.into_iter().enumerate().map(|(n, item)| (format!("{path}[{n}]"), Foreign::new(item))).collect()
    }

    /// Says that something was not carried as it stood.
    pub(super) fn leave(&mut self, path: &str, why: impl Into<String>) {
        self.left.push(Left { path: path.to_owned(), why: why.into() });
    }

    /// What a part of this document left, and what nobody took of it.
    pub(super) fn close(&mut self, path: &str, part: Self) {
        let rest = part.finish();
        self.left.extend(rest.into_iter().map(|left| match left.path.as_str() {
            "" => Left { path: path.to_owned(), ..left },
            below => Left { path: format!("{path}.{below}"), ..left },
        }));
    }

    /// Everything that was not carried.
    pub(super) fn finish(mut self) -> Vec<Left> {
        let mut rest = Vec::new();
        leaves(&self.value, "", &mut rest);
        self.left.extend(rest.into_iter().map(|path| Left { path, why: "this format has no word for it".to_owned() }));
        self.left
    }
}

/// The paths of all scalars.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, out);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}[{n}]"), out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}
