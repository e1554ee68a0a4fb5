//! What trusted callers told the guard: typed values by name, each present, absent, or without a source.
//!
//! A fact *without a source* is one that nothing in this deployment could supply; an *absent* one has a
//! source that was silent in this exchange. Both are unknown to a condition; only an absent one makes
//! `set: task` with `allow` a breach, since a promise nobody can measure is a finding of the load instead.

use std::sync::Arc;

use crate::pact::decimal::Decimal;
use crate::pact::model;

/// The value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue {
    /// True or false.
    Bool(bool),
    /// A number, exact.
    Number(Decimal),
    /// A text.
    Text(Arc<str>),
    /// A list of texts.
    Texts(Arc<[Arc<str>]>),
}

impl FactValue {
    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl From<&model::FactValue> for FactValue {
    fn from(value: &model::FactValue) -> Self {
        match value {
            model::FactValue::Text(text) => Self::Text(text.as_str().into()),
            model::FactValue::Bool(b) => Self::Bool(*b),
            model::FactValue::Number(n) => Self::Number(*n),
        }
    }
}

/// What is known of one fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Told by a trusted source.
    Present(FactValue),
    /// The source is configured and said nothing.
    Absent,
    /// No source is configured.
    NoSource,
}

impl Fact {
    /// The value, if present.
    pub fn value(&self) -> Option<&FactValue> {
        if let Self::Present(value) = self { Some(value) } else { None }
    }
}

/// The facts of one exchange. A name never set has no source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Sorted by name.
    list: Vec<(Arc<str>, Fact)>,
}

impl Facts {
    /// No fact has a source.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a fact, replacing what was there.
    pub fn set(&mut self, name: impl Into<Arc<str>>, fact: Fact) -> &mut Self {
        let name = name.into();
        match self.list.binary_search_by(|(n, _)| n.as_ref().cmp(&name)) {
            Ok(at) => {
                if let Some(slot) = self.list.get_mut(at) {
                    slot.1 = fact;
                }
            }
            Err(at) => self.list.insert(at, (name, fact)),
        }
        self
    }

    /// Sets a fact that a source told.
    pub fn present(&mut self, name: impl Into<Arc<str>>, value: FactValue) -> &mut Self {
        self.set(name, Fact::Present(value))
    }

    /// Sets a fact whose source was silent.
    pub fn absent(&mut self, name: impl Into<Arc<str>>) -> &mut Self {
        self.set(name, Fact::Absent)
    }

    /// What is known of the fact with this name.
    pub fn get(&self, name: &str) -> &Fact {
        match self.list.binary_search_by(|(n, _)| n.as_ref().cmp(name)) {
            Ok(at) => self.list.get(at).map_or(&Fact::NoSource, |(_, fact)| fact),
            Err(_) => &Fact::NoSource,
        }
    }

    /// The task type, where it is told.
    pub fn task(&self) -> Option<&str> {
        self.get("task.type").value().and_then(FactValue::text)
    }

    /// All that were set, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.list.iter().map(|(name, fact)| (name.as_ref(), fact))
    }

    /// Whether none was set.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_set_has_no_source() {
        let mut facts = Facts::new();
        facts.present("task.type", FactValue::Text("x".into())).absent("task.amount");
        assert_eq!(facts.get("caller.id"), &Fact::NoSource);
        assert_eq!(facts.get("task.amount"), &Fact::Absent);
        facts.present("task.amount", FactValue::Number(Decimal::from(3)));
        assert_eq!(facts.get("task.amount").value(), Some(&FactValue::Number(Decimal::from(3))));
        assert_eq!(facts.iter().count(), 2);
    }
}
