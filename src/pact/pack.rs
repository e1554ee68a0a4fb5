//! Detector packs: what the names in a pact mean, as data files with versions.
//!
//! A pack is one YAML document: entries (one detector each), topics, host suffixes. Promises: every
//! mistake of a file is told with its place; a pack that loads has unique detector ids and closed words
//! only; its digest is that of the file's bytes. Whether a regular expression can be built is told by
//! the scanner, and whether a pack finds what it says by [`Pack::test`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::base::diagnostic::{Diagnostics, Span, nearest};
use crate::base::document::{self, Node, Value};
use crate::base::limits::CONTEXT_AFTER_MAX;
use crate::base::names::DataCategory;
use crate::scan::pattern::{Context, Kind, Pattern, Topic, Verify, Window};
use crate::scan::{Machines, ScanError, Scanner, Scratch};
use weighted::Lists;

/// The packs that come with the binary, as (file name, text).
pub const SHIPPED: &[(&str, &str)] = &[
    ("pii.yaml", include_str!("../../invariants/pii.yaml")),
    ("secrets.yaml", include_str!("../../invariants/secrets.yaml")),
    ("injection.yaml", include_str!("../../invariants/injection.yaml")),
    ("impersonation.yaml", include_str!("../../invariants/impersonation.yaml")),
    ("danger.yaml", include_str!("../../invariants/danger.yaml")),
    ("citations.yaml", include_str!("../../invariants/citations.yaml")),
    ("channels.yaml", include_str!("../../invariants/channels.yaml")),
    ("topics.yaml", include_str!("../../invariants/topics.yaml")),
    ("hosts.yaml", include_str!("../../invariants/hosts.yaml")),
];

/// Packs by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packs {
    list: Vec<Pack>,
    machines: Machines,
}

/// One pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its name, as pacts list it.
    pub name: String,
    /// Its own version (semver).
    pub version: String,
    /// Digest of the file, as `sha256:` and hexadecimal digits.
    pub digest: String,
    /// What it is for, in one sentence.
    pub about: String,
    /// Its detectors.
    pub entries: Vec<Entry>,
    /// Its topics.
    pub topics: Vec<TopicEntry>,
    /// Endings by which a bare host is known: public suffixes.
    pub suffixes: Vec<String>,
}

/// A detector with where it comes from and what it must and must not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the scanner is given.
    pub pattern: Pattern,
    /// Where it holds: `any`, or a country or language code.
    pub locale: String,
    /// The source of the rule.
    pub source: String,
    /// Texts in which it must find something.
    pub examples: Vec<String>,
    /// Texts in which it must find nothing.
    pub near_misses: Vec<String>,
}

/// A topic with what must and must not speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicEntry {
    /// What the scanner is given.
    pub topic: Topic,
    /// The language of its phrases.
    pub locale: String,
    /// The source of the phrases.
    pub source: String,
    /// Texts that speak of it.
    pub examples: Vec<String>,
    /// Texts that do not.
    pub near_misses: Vec<String>,
}

/// An example that a pack does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The detector or topic.
    pub detector: String,
    /// The text.
    pub text: String,
    /// Whether something should have been found.
    pub wanted: bool,
}

/// Whether a label lies under a prefix: the same, or below it at a dot.
pub fn under(label: &str, prefix: &str) -> bool {
    label.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Packs {
    /// The packs that come with the binary.
    pub fn shipped() -> &'static Self {
        static PACKS: LazyLock<Packs> = LazyLock::new(|| Packs::load(SHIPPED.iter().copied()).unwrap_or_default());
        &PACKS
    }

    /// Reads packs from (file name, text).
    ///
    /// # Errors
    /// The mistakes of each file that has some, by file name.
    pub fn load<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<(String, Diagnostics)>> {
        let mut packs = Self::default();
        let mut faults = Vec::new();
        for (name, text) in texts {
            let mut out = Diagnostics::default();
            if let Some(pack) = read(text, &mut out) {
                packs.insert(pack, &mut out);
            }
            if out.has_errors() {
                out.sort();
                faults.push((name.to_owned(), out));
            }
        }
        if faults.is_empty() { Ok(packs) } else { Err(faults) }
    }

    /// These packs, with `others` taking the place of those of the same name.
    #[must_use]
    pub fn overlaid(mut self, others: Self) -> Self {
        self.list.retain(|pack| others.get(&pack.name).is_none());
        self.list.extend(others.list);
        self
    }

    fn insert(&mut self, pack: Pack, out: &mut Diagnostics) {
        if self.get(&pack.name).is_some() {
            out.error("duplicate_pack", "pack", Span::default(), format!("there is already a pack `{}`", pack.name));
        }
        for entry in &pack.entries {
            if self.entries().any(|(_, other)| other.pattern.detector == entry.pattern.detector) {
                let message = format!("another pack has a detector `{}`", entry.pattern.detector);
                out.error("duplicate_id", "entries", Span::default(), message);
            }
        }
        self.list.push(pack);
    }

    /// The packs, in order of loading.
    #[expect(clippy::iter_without_into_iter, reason = "packs are asked by name; a loop over them is rare")]
    pub fn iter(&self) -> std::slice::Iter<'_, Pack> {
        self.list.iter()
    }

    /// A pack by name.
    pub fn get(&self, name: &str) -> Option<&Pack> {
        self.list.iter().find(|pack| pack.name == name)
    }

    /// Every detector with its pack.
    pub fn entries(&self) -> impl Iterator<Item = (&Pack, &Entry)> {
        self.list.iter().flat_map(|pack| pack.entries.iter().map(move |entry| (pack, entry)))
    }

    /// The detectors whose label lies under `prefix`: `pii`, `secret.aws_access_key`.
    pub fn select<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (&'p Pack, &'p Entry)> {
        self.entries().filter(move |(_, entry)| under(&entry.pattern.label, prefix))
    }

    /// Every topic with its pack.
    pub fn topics(&self) -> impl Iterator<Item = (&Pack, &TopicEntry)> {
        self.list.iter().flat_map(|pack| pack.topics.iter().map(move |topic| (pack, topic)))
    }

    /// A topic by its label, with or without `topic.` before it.
    pub fn topic(&self, label: &str) -> Option<(&Pack, &TopicEntry)> {
        let label = label.strip_prefix("topic.").unwrap_or(label);
        self.topics().find(|(_, entry)| entry.topic.label.strip_prefix("topic.") == Some(label))
    }

    /// Every label of detectors and topics, sorted, once each.
    pub fn labels(&self) -> BTreeSet<&str> {
        let detectors = self.entries().map(|(_, entry)| entry.pattern.label.as_str());
        detectors.chain(self.topics().map(|(_, entry)| entry.topic.label.as_str())).collect()
    }

    /// The compiled expressions of programs with these packs.
    pub fn machines(&self) -> &Machines {
        &self.machines
    }

    /// Every host suffix.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        self.list.iter().flat_map(|pack| pack.suffixes.iter().map(String::as_str))
    }

    /// One scanner of everything.
    ///
    /// # Errors
    /// The first detector that cannot be built.
    pub fn scanner(&self) -> Result<Scanner, ScanError> {
        Scanner::sharing(
            &self.machines,
            self.entries().map(|(_, entry)| entry.pattern.clone()).collect(),
            self.topics().map(|(_, entry)| entry.topic.clone()).collect(),
        )
    }
}

impl Pack {
    /// Runs every example and near miss, each against its own detector.
    ///
    /// # Errors
    /// The first detector that cannot be built.
    pub fn test(&self) -> Result<Vec<Miss>, ScanError> {
        let mut misses = Vec::new();
        let mut hits = Vec::new();
        for entry in &self.entries {
            let scanner = Scanner::new(vec![entry.pattern.clone()], Vec::new())?;
            let mut scratch = Scratch::new(&scanner);
            for (text, wanted) in wanted(&entry.examples, &entry.near_misses) {
                hits.clear();
                scanner.scan(text, &mut scratch, &mut hits);
                if hits.is_empty() == wanted {
                    misses.push(Miss { detector: entry.pattern.detector.clone(), text: text.to_owned(), wanted });
                }
            }
        }
        for entry in &self.topics {
            let scanner = Scanner::new(Vec::new(), vec![entry.topic.clone()])?;
            let mut scratch = Scratch::new(&scanner);
            for (text, wanted) in wanted(&entry.examples, &entry.near_misses) {
                if scanner.topics(text, &mut scratch).is_empty() == wanted {
                    misses.push(Miss { detector: entry.topic.label.clone(), text: text.to_owned(), wanted });
                }
            }
        }
        Ok(misses)
    }
}

fn wanted<'a>(examples: &'a [String], near_misses: &'a [String]) -> impl Iterator<Item = (&'a str, bool)> {
    examples.iter().map(|text| (text.as_str(), true)).chain(near_misses.iter().map(|text| (text.as_str(), false)))
}

const PACK_KEYS: &[&str] = &["pack", "version", "about", "lists", "entries", "topics", "suffixes"];
const ENTRY_KEYS: &[&str] = &[
    "label",
    "id",
    "regex",
    "phrases",
    "groups",
    "threshold",
    "window",
    "open",
    "close",
    "names",
    "value",
    "verify",
    "context",
    "bytes_max",
    "score",
    "category",
    "locale",
    "source",
    "examples",
    "near_misses",
];
const TOPIC_KEYS: &[&str] = &["label", "threshold", "window", "phrases", "groups", "locale", "source", "examples", "near_misses"];
const CONTEXT_KEYS: &[&str] = &["words", "not", "after", "score", "alone"];

fn read(text: &str, out: &mut Diagnostics) -> Option<Pack> {
    let root = match document::parse(text) {
        Ok(root) => root,
        Err(mistakes) => {
            out.extend(mistakes);
            return None;
        }
    };
    let mut reader = Reader { out, lists: Lists::new() };
    reader.keys(&root, "", PACK_KEYS);
    let name = reader.text(&root, "", "pack");
    let version = reader.text(&root, "", "version");
    let about = reader.text(&root, "", "about");
    let mut pack = Pack {
        digest: format!("sha256:{}", hex(&Sha256::digest(text.as_bytes()))),
        name: name.clone(),
        version,
        about,
        entries: Vec::new(),
        topics: Vec::new(),
        suffixes: root.get("suffixes").map(|node| reader.texts(node, "suffixes")).unwrap_or_default(),
    };
    reader.lists = reader.lists_of(&root);
    let mut ids = BTreeSet::new();
    for (index, node) in items(&root, "entries").iter().enumerate() {
        let field = format!("entries[{index}]");
        if let Some(entry) = reader.entry(node, &field, &name) {
            if !ids.insert(entry.pattern.detector.clone()) {
                let message = format!("id `{}` stands twice", entry.pattern.detector);
                reader.out.error("duplicate_id", format!("{field}.id"), node.span, message);
            }
            pack.entries.push(entry);
        }
    }
    for (index, node) in items(&root, "topics").iter().enumerate() {
        pack.topics.extend(reader.topic(node, &format!("topics[{index}]"), &name));
    }
    (!out.has_errors()).then_some(pack)
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key).map(|n| &n.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|d| char::from_digit(u32::from(d), 16)).collect()
}

/// Bytes that name, sign and what stands between may have before an assigned value.
const ASSIGNMENT_MAX: usize = 96;

/// The longest match of an assignment of such a value, if it has one.
fn assignment_max(value: &str) -> Option<usize> {
    let longest = regex_syntax::parse(value).ok()?.properties().maximum_len()?;
    Some(longest + ASSIGNMENT_MAX)
}

/// The expression of an assignment: one of these names, more of the name, a sign, and a value of this form.
fn assignment(names: &[String], value: &str) -> String {
    // Words of a name are parted as programs part them: `azure devops`, `AZURE_DEVOPS`, `azureDevops`.
    let parted = |name: &String| {
        let words = name.split([' ', '_', '-', '.']).filter(|word| !word.is_empty());
        words.map(regex_syntax::escape).collect::<Vec<_>>().join("[ _.-]{0,2}")
    };
    let names: Vec<String> = names.iter().map(parted).collect();
    // Repetitions without an upper bound keep the automaton small; `bytes_max` bounds the whole.
    let sign = r#"["'`\\\])]*(?:[ \t]+string)?[ \t]*(?:=>|[.:?|+]*=|\|\||:|>|,|\()[ \t\r\n]*["'`\\]*"#;
    format!(r"(?i-u:{})[A-Za-z0-9_.-]*{sign}(?:{value})", names.join("|"))
}

struct Reader<'o> {
    out: &'o mut Diagnostics,
    /// The word lists of the pack, which groups take in by name.
    lists: Lists,
}

impl Reader<'_> {
    fn keys(&mut self, node: &Node, field: &str, known: &[&str]) {
        if !matches!(node.value, Value::Map(_)) {
            self.out.error("type", field, node.span, format!("expected a map, found {}", node.kind()));
        }
        for (key, _) in node.entries() {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let diagnostic =
                self.out.error("unknown_key", join(field, &key.text), key.span, format!("unknown key `{}`", key.text));
            if let Some(near) = nearest(&key.text, known.iter().copied()) {
                diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
    }

    fn text(&mut self, node: &Node, field: &str, key: &str) -> String {
        let Some(value) = node.get(key) else {
            self.out.error("missing_key", join(field, key), node.span, format!("`{key}` is missing"));
            return String::new();
        };
        if let Some(text) = value.text() {
            return text.to_owned();
        }
        self.out.error("type", join(field, key), value.span, format!("expected text, found {}", value.kind()));
        String::new()
    }

    /// A list of texts; one that is a list itself is put together from its parts.
    fn texts(&mut self, node: &Node, field: &str) -> Vec<String> {
        let Value::List(items) = &node.value else {
            self.out.error("type", field, node.span, format!("expected a list, found {}", node.kind()));
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push(text.clone()),
                Value::List(parts) if parts.iter().all(|part| part.text().is_some()) => {
                    texts.push(parts.iter().filter_map(Node::text).collect());
                }
                _ => {
                    self.out
                        .error("type", field, item.span, format!("expected text, found {}", item.kind()))
                        .help("put it in quotes");
                }
            }
        }
        texts
    }

    fn word<T>(&mut self, node: &Node, field: &str, parse: fn(&str) -> Option<T>, all: &[&str]) -> Option<T> {
        let text = node.text().unwrap_or_default();
        let found = parse(text);
        if found.is_none() {
            let message = format!("`{text}` is none of {}", all.join(", "));
            self.out.error("unknown_word", field, node.span, message);
        }
        found
    }

    fn whole(&mut self, node: &Node, field: &str) -> Option<usize> {
        if let Value::Int(value) = node.value
            && let Ok(value) = usize::try_from(value)
        {
            return Some(value);
        }
        self.out.error("type", field, node.span, format!("expected a whole number, found {}", node.kind()));
        None
    }

    fn kind(&mut self, node: &Node, field: &str) -> Option<Kind> {
        let (regex, phrases) = (node.get("regex"), node.get("phrases"));
        let (open, close) = (node.get("open"), node.get("close"));
        if node.get("threshold").is_some() && regex.or(open).or(close).is_none() {
            return self.weighted(node, field, Window::Sentence).map(Kind::Weighted);
        }
        if let (Some(names), Some(_), None, None, None, None) =
            (node.get("names"), node.get("value"), regex, phrases, open, close)
        {
            return Some(Kind::Regex(assignment(&self.texts(names, &join(field, "names")), &self.text(node, field, "value"))));
        }
        match (regex, phrases, open, close) {
            (Some(_), None, None, None) => Some(Kind::Regex(self.text(node, field, "regex"))),
            (None, Some(phrases), None, None) => Some(Kind::Phrases(self.texts(phrases, &join(field, "phrases")))),
            (None, None, Some(_), Some(_)) => {
                Some(Kind::Long { open: self.text(node, field, "open"), close: self.text(node, field, "close") })
            }
            _ => {
                self.out
                    .error(
                        "kind",
                        field,
                        node.span,
                        "an entry has exactly one of `regex`, `phrases`, `open` with `close`, `groups` with `threshold`, and `names` with `value`",
                    )
                    .help("keep one of them");
                None
            }
        }
    }

    fn entry(&mut self, node: &Node, field: &str, pack: &str) -> Option<Entry> {
        self.keys(node, field, ENTRY_KEYS);
        let verify_words: Vec<&str> = Verify::ALL.iter().map(|v| v.as_str()).collect();
        let category_words: Vec<&str> = DataCategory::ALL.iter().map(|c| c.as_str()).collect();
        let kind = self.kind(node, field);
        let label = self.text(node, field, "label");
        let detector = node.get("id").map_or_else(|| label.clone(), |_| self.text(node, field, "id"));
        let named = node.get("names").map(|_| Verify::NamedSecret);
        let verify =
            node.get("verify").and_then(|v| self.word(v, &join(field, "verify"), Verify::parse, &verify_words)).or(named);
        let category = node
            .get("category")
            .map_or(Some(DataCategory::Public), |c| self.word(c, &join(field, "category"), DataCategory::parse, &category_words));
        let bytes_max = node.get("bytes_max").and_then(|n| self.whole(n, &join(field, "bytes_max")));
        let bytes_max = bytes_max.or_else(|| node.get("value").and_then(Node::text).and_then(assignment_max));
        let context = node.get("context").and_then(|n| self.context(n, &join(field, "context")));
        if context.is_some() && node.get("regex").is_none() {
            self.out.error("context", join(field, "context"), node.span, "`context` stands only beside `regex`");
        }
        let score_bp = self.score(node, field, "score").unwrap_or_default();
        let (locale, source) = (self.text(node, field, "locale"), self.text(node, field, "source"));
        let (examples, near_misses) = self.cases(node, field);
        let (pack, kind, category) = (pack.to_owned(), kind?, category?);
        let pattern = Pattern { label, detector, pack, kind, verify, score_bp, category, context, bytes_max };
        Some(Entry { pattern, locale, source, examples, near_misses })
    }

    /// A share, in hundredths of a percent.
    fn score(&mut self, node: &Node, field: &str, key: &str) -> Option<u16> {
        let score = node.get(key).and_then(Node::number).filter(|score| (0.0..=1.0).contains(score));
        if score.is_none() {
            self.out.error("score", join(field, key), node.span, format!("`{key}` is a number from 0 to 1"));
        }
        score.map(|score| (score * 10_000.0).round() as u16)
    }

    fn context(&mut self, node: &Node, field: &str) -> Option<Context> {
        self.keys(node, field, CONTEXT_KEYS);
        let mut words = |key: &str| node.get(key).map(|n| self.texts(n, &join(field, key))).unwrap_or_default();
        let (words, not) = (words("words"), words("not"));
        let after = node.get("after").and_then(|n| self.whole(n, &join(field, "after"))).unwrap_or_default();
        if after > CONTEXT_AFTER_MAX || words.iter().chain(&not).any(|word| word.is_empty() || word.len() > CONTEXT_AFTER_MAX) {
            let message = format!("`after` and every word have at most {CONTEXT_AFTER_MAX} bytes, and no word is empty");
            self.out.error("context", field, node.span, message);
        }
        let lone_bp = node.get("alone").and_then(|_| self.score(node, field, "alone"));
        let score_bp = self.score(node, field, "score")?;
        Some(Context { words, not, after, score_bp, lone_bp })
    }

    fn topic(&mut self, node: &Node, field: &str, pack: &str) -> Option<TopicEntry> {
        self.keys(node, field, TOPIC_KEYS);
        let label = self.text(node, field, "label");
        let weighted = self.weighted(node, field, Window::Text)?;
        let (locale, source) = (self.text(node, field, "locale"), self.text(node, field, "source"));
        let (examples, near_misses) = self.cases(node, field);
        let topic = Topic { label, pack: pack.to_owned(), weighted };
        Some(TopicEntry { topic, locale, source, examples, near_misses })
    }

    fn cases(&mut self, node: &Node, field: &str) -> (Vec<String>, Vec<String>) {
        let mut list = |key: &str| node.get(key).map(|n| self.texts(n, &join(field, key))).unwrap_or_default();
        (list("examples"), list("near_misses"))
    }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

pub mod train;
mod weighted;

#[cfg(test)]
mod tests;
