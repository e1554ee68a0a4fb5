//! Which of two schemas allows less, and where they differ.

use super::schema::{Kind, Schema};

impl Schema {
    /// Whether everything that this schema allows the other allows as well, as far as their form tells.
    pub fn within(&self, other: &Self) -> bool {
        if self.never {
            return true;
        }
        if other.never {
            return false;
        }
        // Nought stands for every kind, and a number may be whole.
        let whole = if other.kinds & Kind::Number.bit() == 0 { 0 } else { Kind::Integer.bit() };
        let kinds = other.kinds == 0 || (self.kinds != 0 && self.kinds & !(other.kinds | whole) == 0);
        let one_of = match (&self.one_of, &other.one_of) {
            (_, None) => true,
            (Some(own), Some(other)) => own.iter().all(|c| other.contains(c)),
            (None, Some(_)) => false,
        };
        kinds
            && one_of
            && self.numbers_within(other)
            && other.min_length.is_none_or(|o| self.min_length.is_some_and(|s| s >= o))
            && other.max_length.is_none_or(|o| self.max_length.is_some_and(|s| s <= o))
            && (other.pattern.is_none() || self.pattern == other.pattern)
            && other.required.iter().all(|name| self.required.contains(name))
            && self.members_within(other)
            && match (&self.items, &other.items) {
                (_, None) => true,
                (Some(own), Some(other)) => own.within(other),
                (None, Some(other)) => Self::default().within(other),
            }
    }

    /// Bounds on numbers; a closed bound is an open one a little further out.
    fn numbers_within(&self, other: &Self) -> bool {
        let above = |least| self.minimum.is_some_and(|m| m > least) || self.above.is_some_and(|m| m >= least);
        let from = |least| self.minimum.is_some_and(|m| m >= least) || self.above.is_some_and(|m| m >= least);
        let below = |most| self.maximum.is_some_and(|m| m < most) || self.below.is_some_and(|m| m <= most);
        let up_to = |most| self.maximum.is_some_and(|m| m <= most) || self.below.is_some_and(|m| m <= most);
        other.above.is_none_or(above)
            && other.minimum.is_none_or(from)
            && other.below.is_none_or(below)
            && other.maximum.is_none_or(up_to)
    }

    fn members_within(&self, other: &Self) -> bool {
        let any = Self::default();
        let names = self.properties.iter().chain(&other.properties).map(|(name, _)| name);
        let others = |schema: &Self| schema.additional.as_deref().cloned().unwrap_or_default();
        let member = |schema: &Self, name: &String| {
            let own = schema.properties.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone());
            own.unwrap_or_else(|| others(schema))
        };
        names.into_iter().all(|name| member(self, name).within(&member(other, name)))
            && (others(other) == any || others(self).within(&others(other)))
    }
}

impl Schema {
    /// What became of each keyword, by the path of the argument: `amount.maximum: 500 becomes 300`.
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let mut out = Vec::new();
        self.changes_at("", new, &mut out);
        out
    }

    fn changes_at(&self, path: &str, new: &Self, out: &mut Vec<String>) {
        let mut told = |keyword: &str, old: Option<String>, new: Option<String>| {
            let absent = || "nothing".to_owned();
            if old != new {
                out.push(format!("{path}{keyword}: {} becomes {}", old.unwrap_or_else(absent), new.unwrap_or_else(absent)));
            }
        };
        let kinds = |schema: &Self| {
            let named = Kind::ALL.iter().filter(|k| schema.kinds & k.bit() != 0).map(|k| k.as_str());
            (schema.kinds != 0).then(|| named.collect::<Vec<_>>().join(" or "))
        };
        told("type", kinds(self), kinds(new));
        let constants =
            |schema: &Self| schema.one_of.as_ref().map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        told("enum", constants(self).map(|l| l.join(", ")), constants(new).map(|l| l.join(", ")));
        told("minimum", self.minimum.map(|n| n.to_string()), new.minimum.map(|n| n.to_string()));
        told("maximum", self.maximum.map(|n| n.to_string()), new.maximum.map(|n| n.to_string()));
        told("exclusiveMinimum", self.above.map(|n| n.to_string()), new.above.map(|n| n.to_string()));
        told("exclusiveMaximum", self.below.map(|n| n.to_string()), new.below.map(|n| n.to_string()));
        told("minLength", self.min_length.map(|n| n.to_string()), new.min_length.map(|n| n.to_string()));
        told("maxLength", self.max_length.map(|n| n.to_string()), new.max_length.map(|n| n.to_string()));
        let pattern = |schema: &Self| schema.pattern.as_ref().map(|p| p.regex.as_str().to_owned());
        told("pattern", pattern(self), pattern(new));
        let required = |schema: &Self| (!schema.required.is_empty()).then(|| schema.required.join(", "));
        told("required", required(self), required(new));
        let shut = |schema: &Self| schema.additional.as_deref().map(|s| if s.never { "none" } else { "some" }.to_owned());
        told("additionalProperties", shut(self), shut(new));
        let any = Self::default();
        let names: std::collections::BTreeSet<&String> =
            self.properties.iter().chain(&new.properties).map(|(name, _)| name).collect();
        for name in names {
            let of = |schema: &Self| schema.properties.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone());
            of(self).unwrap_or_default().changes_at(&format!("{path}{name}."), &of(new).unwrap_or_default(), out);
        }
        let items = |schema: &Self| schema.items.as_deref().cloned();
        if self.items != new.items {
            let (old, new) = (items(self).unwrap_or_else(|| any.clone()), items(new).unwrap_or(any));
            old.changes_at(&format!("{path}items."), &new, out);
        }
    }
}
