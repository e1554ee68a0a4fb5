//! A document walked key by key: closed keys, wanted types, and every mistake with its place.

use crate::base::diagnostic::{Diagnostics, nearest};
use crate::base::document::{Key, Node, Value};
use crate::pact::decimal::Decimal;
use crate::pact::model::Share;
use crate::pact::place::Anchor;
use crate::pact::term::{Period, Window};

/// A node with the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct At<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> At<'n> {
    /// The value of a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| Self { node, path: join(&self.path, key) })
    }

    /// The entries of a map; none, if this is no map.
    pub(super) fn entries(&self) -> Vec<(&'n Key, Self)> {
        self.node.entries().iter().map(|(key, node)| (key, Self { node, path: join(&self.path, &key.text) })).collect()
    }

    /// The members of a list; of anything else itself.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => {
                items.iter().enumerate().map(|(n, node)| Self { node, path: format!("{}[{n}]", self.path) }).collect()
            }
            _ => vec![self.clone()],
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A word that stands where another section's business begins.
pub(super) struct Foreign {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Looks a key up in the table of confusions of a section.
pub(super) type Confusions = fn(&str) -> Option<Foreign>;

pub(super) struct Reader<'a> {
    pub(super) source: &'a str,
    pub(super) out: Diagnostics,
}

impl<'a> Reader<'a> {
    pub(super) fn error(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) -> &mut Diagnostics {
        self.out.error(code, at.path.clone(), at.node.span, message)
    }

    pub(super) fn warning(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) -> &mut Diagnostics {
        self.out.warning(code, at.path.clone(), at.node.span, message)
    }

    /// Whether this is a map; its keys are held against the closed list, after the confusions.
    pub(super) fn map(&mut self, at: &At<'_>, keys: &[&str], confusions: Option<Confusions>) -> bool {
        if !self.is_map(at) {
            return false;
        }
        for (key, _) in at.node.entries() {
            if !keys.contains(&key.text.as_str()) {
                self.stranger(at, key, keys, confusions);
            }
        }
        true
    }

    /// Whether this is a map with keys of the author's choice.
    pub(super) fn is_map(&mut self, at: &At<'_>) -> bool {
        let is = matches!(at.node.value, Value::Map(_));
        if !is {
            self.wrong(at, "a map");
        }
        is
    }

    pub(super) fn stranger(&mut self, at: &At<'_>, key: &Key, keys: &[&str], confusions: Option<Confusions>) {
        let path = join(&at.path, &key.text);
        if let Some(foreign) = confusions.and_then(|table| table(&key.text)) {
            self.out.error(foreign.code, path, key.span, foreign.message).help(foreign.help);
            return;
        }
        let help = nearest(&key.text, keys.iter().copied())
            .map_or_else(|| format!("keys here: {}", keys.join(", ")), |near| format!("did you mean `{near}`?"));
        self.out.error("unknown_key", path, key.span, format!("unknown key `{}`", key.text)).help(help);
    }

    pub(super) fn wrong(&mut self, at: &At<'_>, wanted: &str) {
        let message = if at.node.value == Value::Null {
            format!("{wanted} is needed here, and nothing stands here")
        } else {
            format!("{wanted} is needed here, not {}", at.node.kind())
        };
        let help = match wanted {
            "a map" => "keys with their values: `key: value`",
            "a list" => "members in brackets: `[a, b]`, or each on a line of its own after `- `",
            "text" => "write a text, in quotes where YAML would read it as something else",
            "true or false" => "write `true` or `false`, without quotes",
            _ => "write the number, without quotes",
        };
        self.error("wrong_type", at, message).help(help);
    }

    pub(super) fn text<'n>(&mut self, at: &At<'n>) -> Option<&'n str> {
        match &at.node.value {
            Value::Text(text) if !text.trim().is_empty() => return Some(text),
            Value::Text(_) => {
                self.error("wrong_type", at, "an empty text").help("write something, or drop the key");
            }
            Value::Int(_) | Value::Float(..) | Value::Bool(_) | Value::Null
                if at.node.plain && at.node.span.end > at.node.span.start =>
            {
                let written = self.source.get(at.node.span.start..at.node.span.end).unwrap_or_default().to_owned();
                let message = format!("text is needed here; YAML reads `{written}` as {}", at.node.kind());
                self.error("yaml_trap", at, message).help(format!("quote it: \"{written}\""));
            }
            _ => self.wrong(at, "text"),
        }
        None
    }

    pub(super) fn bool(&mut self, at: &At<'_>) -> Option<bool> {
        if let Value::Bool(b) = at.node.value {
            return Some(b);
        }
        match at.node.text().map(str::to_ascii_lowercase).as_deref() {
            Some(word @ ("yes" | "no" | "on" | "off")) if at.node.plain => {
                let means = if matches!(word, "yes" | "on") { "true" } else { "false" };
                self.error("yaml_trap", at, format!("`{word}` is text in YAML 1.2")).help(format!("write `{means}`"));
            }
            _ => self.wrong(at, "true or false"),
        }
        None
    }

    pub(super) fn number(&mut self, at: &At<'_>) -> Option<Decimal> {
        let number = match &at.node.value {
            Value::Int(n) => Some(Decimal::from(*n)),
            Value::Float(_, text) => Decimal::parse(text).filter(Decimal::is_whole),
            _ => None,
        };
        if number.is_none() {
            self.wrong(at, "a number");
        }
        number
    }

    /// A whole number, not negative.
    pub(super) fn count(&mut self, at: &At<'_>) -> Option<u64> {
        // `1.0` has the canonical form of `1`, and what is signed is that.
        let count = match &at.node.value {
            Value::Int(n) => u64::try_from(*n).ok(),
            Value::Float(_, text) => Decimal::parse(text).and_then(|n| n.to_i64()).and_then(|n| u64::try_from(n).ok()),
            _ => None,
        };
        if count.is_none() {
            self.wrong(at, "a whole number, not negative,");
        }
        count
    }

    /// The same, for what is small by nature.
    pub(super) fn small(&mut self, at: &At<'_>) -> Option<u32> {
        let count = self.count(at)?;
        let small = u32::try_from(count).ok();
        if small.is_none() {
            self.error("out_of_range", at, "far too large").help("a number below four billion");
        }
        small
    }

    pub(super) fn share(&mut self, at: &At<'_>) -> Option<Share> {
        let number = self.number(at)?;
        let millionths = number.checked_mul(Decimal::from(1_000_000)).and_then(|n| n.to_i64());
        match millionths.and_then(|n| u32::try_from(n).ok()).map(Share) {
            Some(share) if share <= Share::ONE => Some(share),
            _ => {
                let report = self.error("out_of_range", at, "a share lies between 0 and 1, with at most six places");
                if number > Decimal::from(1) && number <= Decimal::from(100) {
                    let share = number.checked_mul(Decimal::parse("0.01").unwrap_or(Decimal::ZERO));
                    report.help(share.map_or_else(String::new, |share| format!("write `{share}` for {number} %")));
                }
                None
            }
        }
    }

    pub(super) fn period(&mut self, at: &At<'_>) -> Option<Period> {
        let period = at.node.text().and_then(Period::parse);
        if period.is_none() {
            let written = at.node.number().is_some().then(|| self.source.get(at.node.span.start..at.node.span.end)).flatten();
            let unit = written.map_or_else(String::new, |n| format!("; {n} of what? `{n}h` are hours"));
            self.error("bad_duration", at, format!("this is no duration{unit}"))
                .help("a whole number and a unit: `90s 30m 24h 7d 2w 6mo`");
        }
        period
    }

    pub(super) fn window(&mut self, at: &At<'_>) -> Option<Window> {
        let window = at.node.text().and_then(Window::parse);
        if window.is_none() {
            self.error("bad_duration", at, "this is no window").help("a duration such as `24h`, or a count such as `100n`");
        }
        window
    }

    /// A word of a closed list.
    pub(super) fn word<T: Copy>(&mut self, at: &At<'_>, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
        let text = self.text(at)?;
        let found = all.iter().copied().find(|w| name(*w) == text);
        if found.is_none() {
            let known: Vec<&str> = all.iter().map(|w| name(*w)).collect();
            let help = nearest(text, known.iter().copied())
                .map_or_else(|| format!("one of {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            self.error("unknown_word", at, format!("`{text}` has no meaning here")).help(help);
        }
        found
    }

    /// The members of a list; one scalar where `single` counts as a list of it.
    pub(super) fn list<'n>(&mut self, at: &At<'n>, single: bool) -> Vec<At<'n>> {
        match &at.node.value {
            Value::List(items) => {
                items.iter().enumerate().map(|(n, node)| At { node, path: format!("{}[{n}]", at.path) }).collect()
            }
            Value::Text(_) if single => vec![at.clone()],
            _ => {
                self.wrong(at, "a list");
                Vec::new()
            }
        }
    }

    pub(super) fn texts(&mut self, at: &At<'_>, single: bool) -> Vec<String> {
        self.list(at, single).iter().filter_map(|item| self.text(item).map(str::to_owned)).collect()
    }

    pub(super) fn words<T: Copy>(&mut self, at: &At<'_>, single: bool, all: &[T], name: fn(T) -> &'static str) -> Vec<T> {
        self.list(at, single).iter().filter_map(|item| self.word(item, all, name)).collect()
    }

    /// The value of a key that must be there.
    pub(super) fn needed<'n>(&mut self, at: &At<'n>, key: &str, why: &str) -> Option<At<'n>> {
        let found = at.get(key);
        if found.is_none() {
            self.out
                .error("missing_key", join(&at.path, key), at.node.span, format!("`{key}` is missing: {why}"))
                .help(format!("add `{key}: …`"));
        }
        found
    }

    /// Names that must be known: the wrong one with the nearest right one.
    pub(super) fn known<'k>(
        &mut self,
        code: &'static str,
        at: &At<'_>,
        text: &str,
        what: &str,
        known: impl Iterator<Item = &'k str>,
    ) {
        let known: Vec<&str> = known.collect();
        if known.contains(&text) {
            return;
        }
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("there is no {what} yet"),
            None => format!("known: {}", known.iter().take(12).copied().collect::<Vec<_>>().join(", ")),
        };
        self.error(code, at, format!("there is no {what} `{text}`")).help(help);
    }

    pub(super) fn anchor<'s>(&self, at: &At<'_>) -> Anchor<'s>
    where
        'a: 's,
    {
        Anchor::new(self.source, at.node)
    }
}
