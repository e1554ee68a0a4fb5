//! The promises of the scanner: equal to a naive search, equal for every cut, nothing late, little held back.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::pass::Pass;
use super::pattern::{Group, Kind, Pattern, Topic, Verify, Weighted, Window};
use super::regex::Machine;
use super::span::{Hit, join_pieces};
use super::{Scanner, Scratch, check};
use crate::base::limits::HITS_MAX;
use crate::base::names::DataCategory;

pub(super) fn pattern(label: &str, kind: Kind, verify: Option<Verify>) -> Pattern {
    Pattern {
        label: label.into(),
        detector: label.into(),
        pack: "own".into(),
        kind,
        verify,
        score_bp: 9_000,
        category: DataCategory::Public,
        context: None,
        bytes_max: None,
    }
}

fn regex(text: &str) -> Pattern {
    pattern(text, Kind::Regex(text.into()), None)
}

fn phrases(list: &[&str]) -> Pattern {
    pattern("phrases", Kind::Phrases(list.iter().map(|p| (*p).into()).collect()), None)
}

fn scan(scanner: &Scanner, text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    scanner.scan_as_it_stands(text, &mut Scratch::new(scanner), &mut hits);
    hits
}

/// A text in chunks, as it stands.
struct Plain<'a>(&'a Scanner, Pass);

impl<'a> Plain<'a> {
    fn new(scanner: &'a Scanner) -> Self {
        let mut pass = Pass::default();
        pass.reset(scanner);
        Self(scanner, pass)
    }

    fn push(&mut self, chunk: &str, hits: &mut Vec<Hit>) -> usize {
        self.1.push(self.0, chunk, false, hits)
    }

    fn finish(&mut self, hits: &mut Vec<Hit>) {
        self.1.push(self.0, "", true, hits);
    }
}

/// The hits of a text cut at these places, joined; checks that nothing is late and order is kept.
fn cut(scanner: &Arc<Scanner>, text: &str, cuts: &[usize]) -> Vec<Hit> {
    let mut stream = Plain::new(scanner);
    let mut hits: Vec<Hit> = Vec::new();
    let (mut from, mut safe) = (0, 0);
    for &to in cuts.iter().chain([&text.len()]) {
        let known = hits.len();
        let now = stream.push(&text[from..to], &mut hits);
        assert!(now >= safe && now <= to, "safe place went from {safe} to {now} of {to} in {text:?}");
        assert!(to - now <= scanner.hold_back_max(), "held back {} of {text:?}", to - now);
        for hit in &hits[known..] {
            assert!(hit.start >= safe && hit.start < now, "{hit:?} came late or early: {safe}..{now} in {text:?}");
        }
        (from, safe) = (to, now);
    }
    let known = hits.len();
    stream.finish(&mut hits);
    assert!(hits[known..].iter().all(|hit| hit.start >= safe), "late at the end in {text:?}");
    assert!(hits.is_sorted_by_key(|hit| (hit.start, hit.end, hit.pattern)), "{hits:?}");
    let mut scratch = Scratch::new(scanner);
    scanner.scan_as_it_stands(text, &mut scratch, &mut Vec::new());
    assert_eq!(stream.1.state.topics(), scratch.topics_as_it_stands(), "topics of {text:?} cut at {cuts:?}");
    join_pieces(&mut hits);
    hits
}

fn every_single_cut(scanner: &Arc<Scanner>, text: &str) {
    let whole = scan(scanner, text);
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for at in &places {
        assert_eq!(cut(scanner, text, &[*at]), whole, "{text:?} cut at {at}");
    }
    assert_eq!(cut(scanner, text, &places), whole, "{text:?} cut everywhere");
}

/// What each pattern alone finds, in the plainest way there is.
fn naive(patterns: &[Pattern], text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let mut add =
            |start, end| hits.push(Hit { start, end, pattern: index as u32, score_bp: pattern.score_bp, continues: false });
        match &pattern.kind {
            Kind::Phrases(list) => {
                let mut next = 0;
                let words = naive_words(text);
                for at in 0..words.len() {
                    let best = list.iter().filter_map(|phrase| naive_phrase(phrase, text, &words[at..])).max();
                    if let Some(end) = best
                        && words[at].0 >= next
                    {
                        add(words[at].0, end);
                        next = end;
                    }
                }
            }
            Kind::Weighted(weighted) => naive_weighted(weighted, text).into_iter().for_each(|(start, end)| add(start, end)),
            Kind::Regex(regex) | Kind::Long { open: regex, .. } => {
                let regex =
                    regex::Regex::new(&regex.replace(r"\b", r"(?-u:\b)").replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]"))
                        .unwrap();
                let mut at = 0;
                while let Some(found) = regex.find_at(text, at) {
                    let place = match pattern.verify {
                        None => Some((found.start(), found.end())),
                        Some(verify) => check::verify(verify, text.as_bytes(), (found.start(), found.end())),
                    };
                    at = match place {
                        Some((start, mut end)) => {
                            if let Kind::Long { close, .. } = &pattern.kind {
                                end = text[end..].find(close.as_str()).map_or(text.len(), |at| end + at + close.len());
                            }
                            add(start, end);
                            end.max(found.start() + 1)
                        }
                        None => found.start() + text[found.start()..].chars().next().unwrap().len_utf8(),
                    };
                }
            }
        }
    }
    hits.sort_unstable();
    hits
}

/// Where sums tip over, by counting anew at each phrase.
fn naive_weighted(weighted: &Weighted, text: &str) -> Vec<(usize, usize)> {
    let within = match weighted.window {
        Window::Text => usize::MAX,
        Window::Bytes(bytes) => bytes as usize,
        Window::Sentence => 240,
    };
    let one_sentence = |from: usize, to: usize| {
        let ends = |(at, c): (usize, char)| match c {
            '.' | '!' | '?' => text[at + 1..].chars().next().is_none_or(|n| n.is_ascii_whitespace() || "\"')]}*".contains(n)),
            '\n' => text[at + 1..].starts_with('\n') || text[at + 1..].starts_with("\r\n"),
            _ => "。！？".contains(c),
        };
        weighted.window != Window::Sentence || !text[from..to].char_indices().any(|(at, c)| ends((from + at, c)))
    };
    let (mut found, mut seen): (Vec<_>, Vec<(usize, usize)>) = Default::default();
    let words = naive_words(text);
    for at in 0..words.len() {
        let start = words[at].0;
        let mut here = Vec::new();
        for (index, group) in weighted.groups.iter().enumerate() {
            here.extend(group.phrases.iter().filter_map(|p| naive_phrase(p, text, &words[at..])).map(|end| (end, index)));
        }
        here.sort_unstable();
        here.dedup();
        for (end, index) in here.into_iter().rev() {
            seen.retain(|(place, _)| start - place <= within && one_sentence(*place, start));
            let known = seen.iter().any(|(_, other)| *other == index);
            seen.push((start, index));
            let groups: std::collections::BTreeSet<usize> = seen.iter().map(|(_, index)| *index).collect();
            let sum: i32 = groups.iter().map(|index| weighted.groups[*index].weight).sum();
            if !known && sum >= weighted.threshold as i32 {
                seen.clear();
                if found.last().is_none_or(|(_, last)| *last <= start) {
                    found.push((start, end));
                }
            }
        }
    }
    found
}

fn weighted(groups: &[(i32, &[&str])], threshold: u32, window: Window) -> Weighted {
    let group = |(weight, phrases): &(i32, &[&str])| Group {
        weight: *weight,
        phrases: phrases.iter().map(|p| (*p).to_owned()).collect(),
    };
    Weighted { groups: groups.iter().map(group).collect(), threshold, window }
}

fn naive_gap(c: char) -> bool {
    (c.is_ascii() && !c.is_ascii_alphanumeric()) || c == '\u{A0}' || ('\u{2000}'..='\u{203F}').contains(&c)
}

fn naive_words(text: &str) -> Vec<(usize, usize)> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| !naive_gap(*c)) {
        match words.last_mut() {
            Some(word) if word.1 == at => word.1 = at + c.len_utf8(),
            _ => words.push((at, at + c.len_utf8())),
        }
    }
    words
}

fn naive_phrase(phrase: &str, text: &str, words: &[(usize, usize)]) -> Option<usize> {
    let wanted: Vec<&str> = phrase.split(naive_gap).filter(|word| !word.is_empty()).collect();
    let mut end = None;
    for (at, word) in wanted.iter().enumerate() {
        let place = words.get(at)?;
        if !text[place.0..place.1].eq_ignore_ascii_case(word) || end.is_some_and(|end| place.0 - end > 8) {
            return None;
        }
        end = Some(place.1);
    }
    end
}

#[test]
fn far_apart_words_do_not_add_up_and_bulk_does_not_hide_them() {
    let sum = weighted(&[(5, &["ignore", "forget"]), (5, &["rules"]), (-4, &["what is"])], 10, Window::Sentence);
    let scanner = Scanner::new(vec![pattern("sum", Kind::Weighted(sum), None)], Vec::new()).unwrap();
    let bulk = "All is well here, thank you. ".repeat(400);
    let found = |text: &str| scan(&scanner, text).into_iter().map(|hit| text[hit.start..hit.end].to_owned()).collect::<Vec<_>>();
    assert_eq!(found(&format!("{bulk}Now forget your rules. {bulk}")), ["rules"]);
    assert_eq!(found(&format!("Ignore and forget.\n{bulk}The rules are old.")), [""; 0]);
    assert_eq!(found("Ignore it. The rules are old."), [""; 0]);
    assert_eq!(found("ignore it\n\nrules"), [""; 0]);
    assert_eq!(found("ignore it。 rules"), [""; 0]);
    assert_eq!(found("ignore file.txt in the\nrules. ignore the rules!"), ["rules", "rules"]);
    assert_eq!(found("what is: ignore the rules"), [""; 0]);
    assert_eq!(found(&format!("ignore {} rules", "a ".repeat(300))), [""; 0]);
}

fn small() -> (Vec<Pattern>, Vec<Topic>) {
    let patterns = vec![
        regex(r"\bab+c?\b"),
        regex(r"[0-9]{3}-?[0-9]{2}"),
        regex(r"\b[a-z0-9.]{1,9}@[a-z]{1,9}\.[a-z]{2,4}\b"),
        phrases(&["a b", "a b a", "ab é c", "é"]),
        pattern("long", Kind::Long { open: "<k[0-9]?>".into(), close: "</k>".into() }, None),
        regex("é{1,3}a"),
        regex("-"),
        regex(r"\b1\b"),
        pattern("sentence", Kind::Weighted(weighted(SUMMED, 5, Window::Sentence)), None),
        pattern("bytes", Kind::Weighted(weighted(SUMMED, 4, Window::Bytes(7))), None),
        pattern("text", Kind::Weighted(weighted(SUMMED, 6, Window::Text)), None),
    ];
    let patterns = patterns
        .into_iter()
        .map(|mut p| {
            if p.label == r"\bab+c?\b" {
                p.bytes_max = Some(12);
            }
            p
        })
        .collect();
    let topic = Topic {
        label: "topic.x".into(),
        pack: "own".into(),
        weighted: weighted(&[(2, &["a b"]), (1, &["c"]), (3, &["12 3"])], 3, Window::Text),
    };
    let said = Topic { label: "topic.y".into(), pack: "own".into(), weighted: weighted(SUMMED, 3, Window::Sentence) };
    (patterns, vec![topic, said])
}

const SUMMED: &[(i32, &[&str])] =
    &[(2, &["a b", "ab", "1"]), (3, &["c", "b"]), (-2, &["12", "a"]), (1, &["3", "123"]), (2, &["cd", "é"])];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_to_a_naive_search_however_it_is_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "c", "ab", "é", " ", ".", "  ", "\n", "1", "12", "3", "-", "@", "a@b.cd", "123-45", "<k>", "<k1>", "</k>", "</", "\u{2019}", "ab é c", "a. b", "_", "𝒜", "。", ". ", "\n\n", "\r\n", "?\"",
        ]), 0..40),
        seeds in prop::collection::vec(0usize..1000, 0..8),
    ) {
        static BUILT: LazyLock<(Vec<Pattern>, Arc<Scanner>)> = LazyLock::new(|| {
            let (patterns, topics) = small();
            (patterns.clone(), Arc::new(Scanner::new(patterns, topics).unwrap()))
        });
        let (patterns, scanner) = &*BUILT;
        let text: String = pieces.concat();
        let whole = scan(scanner, &text);
        prop_assert_eq!(&whole, &naive(patterns, &text), "{:?}", text);
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if !places.is_empty() {
            let mut cuts: Vec<usize> = seeds.iter().map(|seed| places[seed % places.len()]).collect();
            cuts.sort_unstable();
            prop_assert_eq!(&cut(scanner, &text, &cuts), &whole, "{:?} cut at {:?}", text, cuts);
            prop_assert_eq!(&cut(scanner, &text, &places), &whole, "{:?} cut everywhere", text);
        }
    }
}

/// Patterns that begin with a digit: what is looked at before they are tried must lose none of them.
fn numbers() -> Vec<Pattern> {
    let of = |text: &str, verify| pattern(text, Kind::Regex(text.into()), verify);
    vec![
        of(r"\b\d{9}\b", None),
        of(r"\b\d{4,6}\b", Some(Verify::Alone)),
        of(r"(?:\+|\(|\b)\d(?:[ .()/-]{0,2}\d){5,14}\b", Some(Verify::Phone)),
        of(r"\b\d{3}[- .]?\d{2}[- .]?\d{4}\b", Some(Verify::UsSsn)),
        of(r"\b\d(?:[ .-]?\d){7,8}\b", Some(Verify::AuTfn)),
        of(r"-?\b\d{1,2}\.\d{3,8}[,;]? ?-?\d{1,3}\.\d{3,8}\b", Some(Verify::Coordinates)),
        of(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", Some(Verify::Ipv4)),
        of(r"\d{3}x", None),
        of(r"\b[1-4]{2}/[0-7]{1,13}é", None),
        of(r"\b\d{13,19}\b", Some(Verify::PaymentCard)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_found_as_by_a_naive_search(
        pieces in prop::collection::vec((prop::sample::select(vec![
            "", " ", ".", "-", "/", ":", ",", "(", ")", "x", "_", "é", "\n", "+", ", -", "ssn ", "tel 0", "4111111111111111", "078-05-1120", "0.", " 1.", "02079460958",
        ]), "[0-9]{0,20}"), 0..12),
        seed in 0usize..1000,
    ) {
        static BUILT: LazyLock<(Vec<Pattern>, Arc<Scanner>)> =
            LazyLock::new(|| (numbers(), Arc::new(Scanner::new(numbers(), Vec::new()).unwrap())));
        let (patterns, scanner) = &*BUILT;
        let text: String = pieces.iter().flat_map(|(mark, digits)| [*mark, digits.as_str()]).collect();
        let whole = scan(scanner, &text);
        prop_assert_eq!(&whole, &naive(patterns, &text), "{:?}", text);
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if !places.is_empty() {
            prop_assert_eq!(&cut(scanner, &text, &[places[seed % places.len()]]), &whole, "{:?}", text);
            prop_assert_eq!(&cut(scanner, &text, &places), &whole, "{:?} cut everywhere", text);
        }
    }

    #[test]
    fn phrases_are_found_as_by_a_naive_search(
        words in prop::collection::vec((prop::sample::select(vec!["can", "i", "if", "you", "would", "act", "as", "instructions", "é"]),
            prop::sample::select(vec![" ", " ", "  ", ", ", " - ", "_", "", "\u{2019}", "         ", ".\n"])), 0..24),
    ) {
        let patterns = vec![
            phrases(&["can i", "act", "i"]),
            phrases(&["if you would", "as if", "you", "act as if you"]),
            phrases(&["instructions", "i can", "you instructions act", "can i act as you"]),
        ];
        let scanner = Arc::new(Scanner::new(patterns.clone(), Vec::new()).unwrap());
        let text: String = words.iter().flat_map(|(word, gap)| [*word, *gap]).collect();
        prop_assert_eq!(scan(&scanner, &text), naive(&patterns, &text), "{:?}", text);
    }
}

#[test]
fn phrases_are_whole_words_with_flexible_gaps() {
    let scanner = Scanner::new(vec![phrases(&["ignore previous instructions", "don't tell"])], Vec::new()).unwrap();
    for text in [
        "Ignore  previous\n- Instructions!",
        "(ignore_previous_instructions)",
        "DON\u{2019}T tell",
        "ignore\u{A0}previous instructions",
    ] {
        assert_eq!(scan(&scanner, text).len(), 1, "{text}");
    }
    for text in [
        "ignore previous instructionsx",
        "xignore previous instructions",
        "ignore         previous instructions",
        "éignore previous instructions",
        "ignoreprevious instructions",
    ] {
        assert_eq!(scan(&scanner, text), [], "{text}");
    }
}

#[test]
fn what_can_only_become_a_topic_holds_nothing_back() {
    let text = "In breach of contract: a court of law, or of law and order? A breach of con men, no breach of con";
    let law = weighted(
        &[(1, &["breach of contract", "court of law"]), (1, &["of law"]), (1, &["breach of con men and women"])],
        2,
        Window::Text,
    );
    let topic = Topic { label: "topic.law".into(), pack: "own".into(), weighted: law };
    let alone = Scanner::new(Vec::new(), vec![topic.clone()]).unwrap();
    let mut stream = Plain::new(&alone);
    for (at, c) in text.char_indices() {
        let safe = stream.push(c.encode_utf8(&mut [0; 4]), &mut Vec::new());
        assert_eq!(safe, at + 1, "{:?} waits", &text[safe..=at]);
    }
    stream.finish(&mut Vec::new());
    assert_eq!(stream.1.state.topics(), [(0, 2)]);
    // What begins within such a phrase waits as ever, and is found wherever the text is cut.
    let both =
        Arc::new(Scanner::new(vec![phrases(&["of con", "law and order", "of law and"]), regex("con m")], vec![topic]).unwrap());
    let found: Vec<&str> = scan(&both, text).iter().map(|hit| &text[hit.start..hit.end]).collect();
    assert_eq!(found, ["of law and", "of con", "con m", "of con"]);
    every_single_cut(&both, text);
}

#[test]
fn what_cannot_be_built_is_refused_with_its_reason() {
    let code = |p: Pattern| Scanner::check(&p).map_err(|e| e.code);
    assert_eq!(code(regex("a+")), Err("regex_unbounded"));
    assert_eq!(code(Pattern { bytes_max: Some(10), ..regex("a+") }), Ok(()));
    assert_eq!(code(Pattern { bytes_max: Some(2), ..regex("abc") }), Err("bytes_max"));
    assert_eq!(code(regex("a?")), Err("regex_empty"));
    assert_eq!(code(regex("(")), Err("regex_syntax"));
    assert_eq!(code(regex(r"(a)\1")), Err("regex_syntax"));
    assert_eq!(code(regex(r"\p{L}{1,900}x")), Err("regex_too_large"));
    assert_eq!(code(phrases(&["…"])), Err("phrase_empty"));
    let scanner = Scanner::new(vec![regex(r"TCK-\d{6}")], Vec::new()).unwrap();
    assert_eq!((scanner.hold_back(0), scanner.hold_back_max()), (11, 11));
}

#[test]
fn a_longer_match_than_declared_is_shortened() {
    let long = Pattern { bytes_max: Some(4), ..regex("[a-z]+") };
    let scanner = Arc::new(Scanner::new(vec![long], Vec::new()).unwrap());
    let places: Vec<_> = scan(&scanner, "abcdefghij").iter().map(|h| (h.start, h.end)).collect();
    assert_eq!(places, [(0, 4), (4, 8), (8, 10)]);
    every_single_cut(&scanner, "abcdefghij kl");
}

#[test]
fn perl_classes_and_boundaries_are_ascii() {
    let scanner = Scanner::new(vec![regex(r"\b\d{2}[\d\w]x\b")], Vec::new()).unwrap();
    assert_eq!(scan(&scanner, "é12ax").len(), 1);
    assert_eq!(scan(&scanner, "١٢ax"), []);
}

#[test]
fn hits_beyond_the_ceiling_are_counted() {
    let scanner = Arc::new(Scanner::new(vec![regex("a"), regex("ab")], Vec::new()).unwrap());
    let text = "ab ".repeat(HITS_MAX);
    let mut hits = Vec::new();
    let more = scanner.scan_as_it_stands(&text, &mut Scratch::default(), &mut hits);
    assert_eq!((hits.len(), more), (HITS_MAX, HITS_MAX as u64));
    let mut streamed = Vec::new();
    let mut stream = Plain::new(&scanner);
    for chunk in text.as_bytes().chunks(7) {
        stream.push(std::str::from_utf8(chunk).unwrap(), &mut streamed);
    }
    stream.finish(&mut streamed);
    assert_eq!((streamed, stream.1.state.more), (hits, more));
}

#[test]
fn vain_steps_have_a_budget_and_are_linear() {
    let hungry = regex(r"a[a-z]{1,3000}!");
    let scanner = Arc::new(Scanner::new(vec![hungry], Vec::new()).unwrap());
    let mut scratch = Scratch::new(&scanner);
    let steps = |len: usize, scratch: &mut Scratch| {
        scanner.scan_as_it_stands(&"a".repeat(len), scratch, &mut Vec::new());
        scratch.steps()
    };
    let (one, two) = (steps(100_000, &mut scratch), steps(200_000, &mut scratch));
    assert!(scratch.starved());
    assert!(two <= one * 22 / 10 && two < 200_000 * 256, "{one} {two}");
    let text = "a".repeat(20_000);
    let mut stream = Plain::new(&scanner);
    for chunk in text.as_bytes().chunks(1_000) {
        stream.push(std::str::from_utf8(chunk).unwrap(), &mut Vec::new());
    }
    stream.finish(&mut Vec::new());
    scanner.scan_as_it_stands(&text, &mut scratch, &mut Vec::new());
    assert_eq!(stream.1.state.starved, scratch.starved());
}

fn fits(expression: &str, text: &str) -> bool {
    Machine::new(expression, None).unwrap().ahead.fits(text.as_bytes(), 0)
}

#[test]
fn looks_refuse_what_cannot_match_and_nothing_else() {
    assert!(fits("key-[a-z]{4}-[0-9]{4}", "key-abcd-0123"));
    assert!(!fits("key-[a-z]{4}-[0-9]{4}", "key-abcdx0123"));
    assert!(!fits("key-[a-z]{4}-[0-9]{4}", "key+abcd-0123"));
    assert!(fits("(?:ab|xyz)[0-9]{4}-", "ab0123-"), "branches of two lengths");
    assert!(fits("(?:ab|xyz)[0-9]{4}-", "xyz0123-"));
    assert!(!fits("(?:ab|xyz)[0-9]{4}-", "xyzabcde"));
}

#[test]
fn what_has_not_arrived_fits() {
    assert!(fits("key-[a-z]{4}-[0-9]{4}", "key-ab"));
    assert!(fits("key-[a-z]{4}-[0-9]{4}", ""));
}

#[test]
fn an_expression_without_ascii_beginning_is_built_and_found() {
    let scanner = Scanner::new(vec![regex(r"\x{200B}{3}abc"), regex(r"ab\bcd")], Vec::new()).unwrap();
    let text = "abcd ab cd \u{200B}\u{200B}\u{200B}abc";
    assert_eq!(scan(&scanner, text).iter().map(|hit| (hit.pattern, hit.start)).collect::<Vec<_>>(), [(0, 11)]);
}
