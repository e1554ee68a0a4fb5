//! The scanner: all patterns of a program over a text.

use std::sync::Arc;

use super::dictionary::Dictionary;
use super::filter::Filter;
use super::machines::Machines;
use super::pattern::{Kind, Pattern, Topic, Weighted};
use super::phrase::{self, Owner, Tree};
use super::regex::{Machine, View};
use super::tally::{Rules, Target};
use super::{check, context, regex::RegexFault};

/// Longest literal that can close a long form.
const CLOSE_MAX: usize = 64;

/// Why a set of patterns cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// The detector at fault.
    pub detector: String,
    /// Stable code: `regex_syntax`, `regex_too_long`, `regex_too_large`, `regex_unbounded`,
    /// `regex_empty`, `bytes_max`, `phrase_empty`, `close`, `too_many`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "detector `{}`: {}", self.detector, self.message)
    }
}

impl std::error::Error for ScanError {}

fn error(detector: &str, fault: RegexFault) -> ScanError {
    ScanError { detector: detector.to_owned(), code: fault.code, message: fault.message, help: fault.help.map(str::to_owned) }
}

/// Adds the phrases of groups numbered from `first`. Gives the most bytes one can cover.
fn weigh(name: &str, weighted: &Weighted, first: u32, phrases: &mut Vec<(Vec<Vec<u8>>, Owner)>) -> Result<usize, ScanError> {
    let mut longest = 0;
    for (group, number) in weighted.groups.iter().zip(first..) {
        for text in &group.phrases {
            let words = phrase::words(text);
            if words.is_empty() {
                let message = format!("phrase `{text}` has no word");
                return Err(error(name, RegexFault { code: "phrase_empty", message, help: None }));
            }
            longest = longest.max(phrase::bytes_max(&words));
            phrases.push((words, Owner::Group(number)));
        }
    }
    Ok(longest)
}

/// What patterns come to one by one, before they are looked for together.
#[derive(Default)]
struct Parts {
    machines: Vec<Option<Arc<Machine>>>,
    phrases: Vec<(Vec<Vec<u8>>, Owner)>,
    rules: Rules,
    holds: Vec<usize>,
}

impl Parts {
    /// Takes in the pattern with this index.
    fn add(&mut self, pattern: &Pattern, index: usize, shared: &Machines) -> Result<(), ScanError> {
        let fail = |code, message: &str| error(&pattern.detector, RegexFault { code, message: message.to_owned(), help: None });
        if index > usize::from(u16::MAX) / 2 {
            return Err(fail("too_many", "there are too many patterns"));
        }
        let (machine, hold) = match &pattern.kind {
            Kind::Regex(text) | Kind::Long { open: text, .. } => {
                let machine = shared.get(text, pattern.bytes_max).map_err(|fault| error(&pattern.detector, fault))?;
                let context = pattern.context.as_ref().map_or(0, context::look_ahead);
                let ahead = pattern.verify.map_or(0, check::look_ahead).max(context).max(1);
                if let Kind::Long { close, .. } = &pattern.kind
                    && !(1..=CLOSE_MAX).contains(&close.len())
                {
                    return Err(fail("close", "its close is empty or longer than 64 bytes"));
                }
                let hold = machine.bytes_max + ahead;
                (Some(machine), hold)
            }
            Kind::Phrases(list) => {
                let mut longest = 0;
                for text in list {
                    let words = phrase::words(text);
                    if words.is_empty() {
                        return Err(fail("phrase_empty", &format!("phrase `{text}` has no word")));
                    }
                    longest = longest.max(phrase::bytes_max(&words));
                    self.phrases.push((words, Owner::Pattern(index as u32)));
                }
                (None, longest + phrase::AHEAD)
            }
            Kind::Weighted(weighted) => {
                let first = self.rules.enter(Target::Pattern(index as u32), weighted);
                (None, weigh(&pattern.detector, weighted, first, &mut self.phrases)? + phrase::AHEAD)
            }
        };
        self.machines.push(machine);
        self.holds.push(hold);
        Ok(())
    }
}

/// All patterns of a program: immutable, shared by `Arc`.
#[derive(Debug)]
pub struct Scanner {
    pub(super) patterns: Vec<Pattern>,
    pub(super) topics: Vec<Topic>,
    /// By pattern; none for phrases.
    machines: Vec<Option<Arc<Machine>>>,
    /// The patterns that are looked for from a rare byte.
    pub(super) guarded: Vec<u32>,
    pub(super) filter: Filter,
    pub(super) tree: Tree,
    pub(super) rules: Rules,
    holds: Vec<usize>,
    dictionary: Dictionary,
}

impl Scanner {
    /// Builds the scanner.
    ///
    /// # Errors
    /// The first pattern that cannot be built, and why.
    pub fn new(patterns: Vec<Pattern>, topics: Vec<Topic>) -> Result<Self, ScanError> {
        Self::sharing(&Machines::default(), patterns, topics)
    }

    /// Builds the scanner with expressions that others have compiled already.
    ///
    /// # Errors
    /// As [`Scanner::new`].
    pub fn sharing(shared: &Machines, patterns: Vec<Pattern>, topics: Vec<Topic>) -> Result<Self, ScanError> {
        let mut parts = Parts::default();
        for (index, pattern) in patterns.iter().enumerate() {
            parts.add(pattern, index, shared)?;
        }
        let Parts { machines, mut phrases, mut rules, holds } = parts;
        for (index, topic) in topics.iter().enumerate() {
            let first = rules.enter(Target::Topic(index as u32), &topic.weighted);
            weigh(&topic.label, &topic.weighted, first, &mut phrases)?;
        }
        let dictionary = Dictionary::new(phrases.iter().flat_map(|(words, _)| words).map(Vec::as_slice));
        let tree = Tree::new(&phrases, |owner| rules.holds(owner));
        let filter = Filter::new(&machines, &patterns, &tree);
        let is_guarded =
            |index: &u32| machines.get(*index as usize).is_some_and(|m| m.as_ref().is_some_and(|m| m.guard.is_some()));
        let guarded = (0..patterns.len() as u32).filter(is_guarded).collect();
        Ok(Self { patterns, topics, machines, guarded, filter, tree, rules, holds, dictionary })
    }

    /// Checks one pattern as [`Scanner::new`] would, without building a scanner.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub fn check(pattern: &Pattern) -> Result<(), ScanError> {
        Parts::default().add(pattern, 0, &Machines::default())
    }

    pub(super) fn machine(&self, pattern: u32) -> Option<&Machine> {
        self.machines.get(pattern as usize).and_then(Option::as_deref)
    }

    /// How long the opening is of a long form that begins at `at`; none for any other pattern.
    pub(super) fn opening(&self, pattern: u32, bytes: &[u8], at: usize) -> Option<usize> {
        let long = self.patterns.get(pattern as usize).is_some_and(|p| matches!(p.kind, Kind::Long { .. }));
        let machine = self.machine(pattern).filter(|_| long)?;
        let view = View { bytes, base: 0, last: true };
        let mut run = machine.begin(view, at);
        machine.drive(&mut run, view, 0);
        run.end.map(|end| end - at)
    }

    /// The words of all phrases.
    pub(super) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// A pattern by the index a hit carries.
    pub fn pattern(&self, index: u32) -> Option<&Pattern> {
        self.patterns.get(index as usize)
    }

    /// A topic by its index.
    pub fn topic(&self, index: u32) -> Option<&Topic> {
        self.topics.get(index as usize)
    }

    /// Every pattern, in order of index.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Most bytes that a pattern can hold back in a stream: longest match and look-ahead. Of text in disguise
    /// they count as it reads.
    pub fn hold_back(&self, pattern: u32) -> usize {
        self.holds.get(pattern as usize).copied().unwrap_or_default()
    }

    /// The largest of all hold-backs. Topics hold nothing back.
    pub fn hold_back_max(&self) -> usize {
        self.holds.iter().copied().max().unwrap_or_default()
    }
}
