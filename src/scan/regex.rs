//! One regular expression as an anchored automaton that can be stopped and taken up again.
//!
//! Promises: every step costs one table look-up; a run from one start reads at most the longest match
//! and one byte; what is reported is the longest match from that start. A run that dies proves that no
//! match begins there; one that reaches the end of what has arrived is open, and only then. The tables
//! have a size limit; a regular expression that would need more is refused.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{Hir, HirKind};

use crate::base::limits::{PATTERN_COMPILED_MAX, PATTERN_MAX, STREAM_HOLD_MAX};

use super::ahead::Ahead;
use super::byteset::{ByteSet, in_set, put, set_of};

/// Bytes of a run that are always free; what is read beyond them in vain counts against a budget.
pub(super) const FREE_STEPS: usize = 128;

/// Bytes read in vain that a pattern may spend for each byte of text, and at the outset.
const BUDGET_RATE: u64 = 64;
const BUDGET_START: u64 = 1 << 18;

/// Bytes that are rare in ordinary text: a pattern that needs one is looked for from there.
const RARE: &[u8] = b"@~";

/// What can stand before a start, as far as an automaton tells it apart.
const BEFORE: [Option<u8>; 5] = [None, Some(b'\n'), Some(b'\r'), Some(b'a'), Some(b' ')];

/// What can be wrong with one expression.
#[derive(Debug)]
pub(super) struct RegexFault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

fn fault(code: &'static str, message: impl Into<String>, help: Option<&'static str>) -> RegexFault {
    RegexFault { code, message: message.into(), help }
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Machine {
    dfa: dense::DFA<Vec<u32>>,
    /// The states before the first byte, by [`BEFORE`].
    starts: [Option<StateID>; BEFORE.len()],
    /// What is looked at before a run is begun.
    pub(super) ahead: Ahead,
    /// Longest match in bytes.
    pub(super) bytes_max: usize,
    /// Fewest bytes of a match, as far as a run is free: without so many before the end of a text none need be begun.
    pub(super) shortest: usize,
    /// A rare byte that each match has, and how many bytes at most stand before it.
    pub(super) guard: Option<(u8, usize)>,
    /// First bytes after a byte that is not, and that is, an ASCII word byte.
    first: [ByteSet; 2],
    /// The pairs of bytes that a match can begin with, by the same: any of the one set, and any of the other.
    pairs: [Vec<(ByteSet, ByteSet)>; 2],
}

/// An attempt at one start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Where it began.
    pub(super) start: usize,
    /// The next byte it reads.
    at: usize,
    /// The end of the longest match so far.
    pub(super) end: Option<usize>,
    state: StateID,
    done: bool,
    /// Whether it was given up for want of budget.
    pub(super) starved: bool,
}

impl Run {
    /// Bytes read beyond what became a match.
    pub(super) fn wasted(&self) -> u64 {
        let wasted = self.at.saturating_sub(self.end.unwrap_or(self.start));
        if wasted > FREE_STEPS { wasted as u64 } else { 0 }
    }

    /// Bytes read.
    pub(super) fn steps(&self) -> u64 {
        (self.at - self.start) as u64
    }
}

/// The text as far as it has arrived, without what is no longer needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'t> {
    /// The bytes at hand.
    pub(super) bytes: &'t [u8],
    /// Where they begin in the text.
    pub(super) base: usize,
    /// Whether the text ends with them.
    pub(super) last: bool,
}

impl View<'_> {
    /// One past the last byte at hand.
    pub(super) fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    /// Whether the text ends within so many bytes from a place.
    pub(super) fn ends_within(&self, bytes: usize, start: usize) -> bool {
        self.last && self.end().saturating_sub(start) < bytes
    }

    /// The byte at a place of the text.
    pub(super) fn get(&self, at: usize) -> Option<u8> {
        self.bytes.get(at.wrapping_sub(self.base)).copied()
    }

    /// The byte before a place of the text.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|before| self.get(before))
    }
}

/// Whether a byte belongs to an ASCII word.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Machine {
    /// Compiles an expression.
    pub(super) fn new(text: &str, bytes_max: Option<usize>) -> Result<Self, RegexFault> {
        let hir = parse(text)?;
        let properties = hir.properties();
        if properties.minimum_len().is_none_or(|len| len == 0) {
            return Err(fault("regex_empty", "it matches the empty text", Some("let it need at least one byte")));
        }
        let bytes_max = match (properties.maximum_len(), bytes_max) {
            (Some(finite), Some(declared)) => finite.min(declared),
            (Some(finite), None) => finite,
            (None, Some(declared)) => declared,
            (None, None) => {
                return Err(fault(
                    "regex_unbounded",
                    "it has no longest match, so a stream could be held back without end",
                    Some("give repetitions an upper bound, as in `{1,40}`, or set `bytes_max`"),
                ));
            }
        };
        if bytes_max > STREAM_HOLD_MAX || properties.minimum_len().is_some_and(|len| len > bytes_max) {
            let message = format!("its matches do not fit `bytes_max` {bytes_max} (at most {STREAM_HOLD_MAX})");
            return Err(fault("bytes_max", message, None));
        }
        let too_large =
            |what: String| fault("regex_too_large", what, Some("lower its counts, or use ASCII classes such as `[a-z]`"));
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(true).nfa_size_limit(Some(PATTERN_COMPILED_MAX)))
            .build_from_hir(&hir)
            .map_err(|_| too_large("it needs too much memory".to_owned()))?;
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Anchored)
                    .accelerate(false)
                    .dfa_size_limit(Some(PATTERN_COMPILED_MAX))
                    .determinize_size_limit(Some(8 * PATTERN_COMPILED_MAX)),
            )
            .build_from_nfa(&nfa)
            .map_err(|_| too_large(format!("its table would be larger than {PATTERN_COMPILED_MAX} bytes")))?;
        let guard = guard(&hir).filter(|(_, within)| *within < FREE_STEPS);
        let starts = BEFORE.map(|before| dfa.start_state(&start::Config::new().anchored(Anchored::Yes).look_behind(before)).ok());
        let known: Vec<StateID> = starts.into_iter().flatten().collect();
        let shortest = properties.minimum_len().unwrap_or_default();
        let ahead = Ahead::new(&dfa, nfa.byte_classes(), &known, shortest);
        let mut machine = Self {
            dfa,
            starts,
            ahead,
            bytes_max,
            shortest: shortest.min(FREE_STEPS),
            guard,
            first: [[0; 4]; 2],
            pairs: Default::default(),
        };
        machine.first = [machine.first_bytes(false), machine.first_bytes(true)];
        machine.pairs = [machine.find_pairs(false), machine.find_pairs(true)];
        Ok(machine)
    }

    /// Its automaton.
    pub(super) fn dfa(&self) -> &dense::DFA<Vec<u32>> {
        &self.dfa
    }

    fn start(&self, before: Option<u8>) -> Option<StateID> {
        let class = match before {
            None => 0,
            Some(b'\n') => 1,
            Some(b'\r') => 2,
            Some(byte) if is_word(byte) => 3,
            Some(_) => 4,
        };
        self.starts.get(class).copied().flatten()
    }

    /// The states that a run can be in before its first byte, by whether a word byte stands before it.
    pub(super) fn starts(&self, word: bool) -> impl Iterator<Item = StateID> {
        let before: &[Option<u8>] = if word { &[Some(b'a')] } else { &[None, Some(b'\n'), Some(b'\r'), Some(b' ')] };
        before.iter().filter_map(|b| self.start(*b))
    }

    fn next_alive(&self, state: StateID, byte: u8) -> Option<StateID> {
        let next = self.dfa.next_state(state, byte);
        (!self.dfa.is_dead_state(next) && !self.dfa.is_quit_state(next)).then_some(next)
    }

    fn first_bytes(&self, word: bool) -> ByteSet {
        set_of((0..=u8::MAX).filter(|byte| self.starts(word).any(|state| self.next_alive(state, *byte).is_some())))
    }

    /// Whether a match can begin with `byte` after a word byte or not.
    pub(super) fn can_begin(&self, word: bool, byte: u8) -> bool {
        in_set(&self.firsts(word), byte)
    }

    /// The pairs of bytes that a match can begin with after a word byte or not.
    fn find_pairs(&self, word: bool) -> Vec<(ByteSet, ByteSet)> {
        let mut firsts: Vec<(StateID, ByteSet)> = Vec::new();
        for start in self.starts(word) {
            for one in 0..=u8::MAX {
                let Some(first) = self.next_alive(start, one) else { continue };
                match firsts.iter_mut().find(|(known, _)| *known == first) {
                    Some((_, set)) => put(set, one),
                    None => firsts.push((first, set_of([one]))),
                }
            }
        }
        let twos = |first| (0..=u8::MAX).filter(move |two| self.next_alive(first, *two).is_some());
        firsts.into_iter().map(|(first, ones)| (ones, set_of(twos(first)))).collect()
    }

    /// The pairs of bytes that a match can begin with after a word byte or not: any of the one set, and any of the other.
    pub(super) fn pairs(&self, word: bool) -> &[(ByteSet, ByteSet)] {
        self.pairs.get(usize::from(word)).map_or(&[], Vec::as_slice)
    }

    /// The bytes that a match can begin with after a word byte or not.
    pub(super) fn firsts(&self, word: bool) -> ByteSet {
        self.first.get(usize::from(word)).copied().unwrap_or_default()
    }

    /// An attempt at `start`.
    pub(super) fn begin(&self, view: View<'_>, start: usize) -> Run {
        let state = self.start(view.before(start));
        Run { start, at: start, end: None, state: state.unwrap_or_default(), done: state.is_none(), starved: false }
    }

    /// Takes an attempt as far as the text has arrived; whether it is decided. `spent` is what the
    /// pattern has read in vain so far.
    pub(super) fn drive(&self, run: &mut Run, view: View<'_>, spent: u64) -> bool {
        if run.done {
            return true;
        }
        let limit = run.start.saturating_add(self.bytes_max).saturating_add(1);
        let free = run.start.saturating_add(FREE_STEPS).min(limit);
        run.done = self.stretch(run, view, free);
        if !run.done && run.at == free {
            if free == limit {
                run.done = true;
            } else if spent > BUDGET_START + BUDGET_RATE * run.start as u64 {
                run.done = true;
                run.starved = true;
            }
        }
        if !run.done && run.at >= free {
            run.done = self.stretch(run, view, limit) || run.at == limit;
        }
        if !run.done && view.last {
            if self.dfa.is_match_state(self.dfa.next_eoi_state(run.state)) {
                run.end = Some(run.at);
            }
            run.done = true;
        }
        run.done
    }

    /// Reads up to `limit` or the end of what has arrived; whether the run died.
    fn stretch(&self, run: &mut Run, view: View<'_>, limit: usize) -> bool {
        let from = run.at - view.base;
        let to = limit.saturating_sub(view.base).min(view.bytes.len());
        let mut state = run.state;
        for &byte in view.bytes.get(from..to).unwrap_or_default() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_match_state(state) {
                    run.end = Some(run.at);
                } else {
                    run.at += 1;
                    return true;
                }
            }
            run.at += 1;
        }
        run.state = state;
        false
    }
}

/// Parses an expression; Perl classes and word boundaries are made ASCII.
fn parse(text: &str) -> Result<Hir, RegexFault> {
    if text.len() > PATTERN_MAX {
        return Err(fault("regex_too_long", format!("it is longer than {PATTERN_MAX} bytes"), None));
    }
    let syntax = |error: String| fault("regex_syntax", error, None);
    let tree = |text: &str| ast::parse::Parser::new().parse(text).map_err(|e| syntax(e.kind().to_string()));
    let ascii = to_ascii(text, &tree(text)?);
    regex_syntax::hir::translate::Translator::new()
        .translate(&ascii, &tree(&ascii)?)
        .map_err(|error| syntax(error.kind().to_string()))
}

/// The expression with `\d \w \s \b` and their opposites spelt out in ASCII.
fn to_ascii(text: &str, tree: &Ast) -> String {
    struct Finder(Vec<(usize, usize, Option<&'static str>)>);
    impl Finder {
        fn perl(&mut self, class: &ast::ClassPerl) {
            let spelt = match (&class.kind, class.negated) {
                (ast::ClassPerlKind::Digit, false) => "[0-9]",
                (ast::ClassPerlKind::Digit, true) => "[^0-9]",
                (ast::ClassPerlKind::Space, false) => r"[\t\n\v\f\r\x20]",
                (ast::ClassPerlKind::Space, true) => r"[^\t\n\v\f\r\x20]",
                (ast::ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
                (ast::ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
            };
            self.0.push((class.span.start.offset, class.span.end.offset, Some(spelt)));
        }
    }
    impl ast::Visitor for Finder {
        type Output = Vec<(usize, usize, Option<&'static str>)>;
        type Err = ();

        fn finish(self) -> Result<Self::Output, ()> {
            Ok(self.0)
        }

        fn visit_pre(&mut self, tree: &Ast) -> Result<(), ()> {
            match tree {
                Ast::ClassPerl(class) => self.perl(class),
                Ast::Assertion(at) => {
                    use ast::AssertionKind::{EndLine, EndText, StartLine, StartText};
                    if !matches!(at.kind, StartLine | EndLine | StartText | EndText) {
                        self.0.push((at.span.start.offset, at.span.end.offset, None));
                    }
                }
                _ => {}
            }
            Ok(())
        }

        fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), ()> {
            if let ast::ClassSetItem::Perl(class) = item {
                self.perl(class);
            }
            Ok(())
        }
    }
    let mut places = ast::visit(tree, Finder(Vec::new())).unwrap_or_default();
    places.sort_unstable();
    let mut out = String::with_capacity(text.len() * 2);
    let mut done = 0;
    for (start, end, spelt) in places {
        out.push_str(text.get(done..start).unwrap_or_default());
        if let Some(spelt) = spelt {
            out.push_str(spelt);
        } else {
            out.push_str("(?-u:");
            out.push_str(text.get(start..end).unwrap_or_default());
            out.push(')');
        }
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// A rare byte that every match has, with the most bytes that can stand before its first place.
fn guard(hir: &Hir) -> Option<(u8, usize)> {
    RARE.iter().find_map(|&byte| {
        let mut within = 0usize;
        let parts = if let HirKind::Concat(parts) = hir.kind() { parts.as_slice() } else { std::slice::from_ref(hir) };
        for part in parts {
            if let HirKind::Literal(literal) = part.kind()
                && let Some(at) = literal.0.iter().position(|b| *b == byte)
            {
                return Some((byte, within + at));
            }
            within = within.checked_add(part.properties().maximum_len()?)?;
        }
        None
    })
}
