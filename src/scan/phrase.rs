//! Many phrases as one tree of bytes.
//!
//! A phrase matches whole words only, ASCII case ignored; between its words stands any run of at most
//! [`GAP_MAX`] bytes of white space and punctuation. ASCII letters and digits and all other characters
//! but Unicode's general punctuation belong to words.

use super::byteset::{ByteSet, in_set, put, set_of};
use super::opening::{GAP, OPENING, Opening, Prefixes};
use super::regex::View;

/// Most bytes between two words of a phrase.
pub(super) const GAP_MAX: usize = 8;

/// Bytes beyond a phrase that decide whether its last word ends: the longest gap character.
pub(super) const AHEAD: usize = 3;

/// What a phrase belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A pattern.
    Pattern(u32),
    /// A group of weighted phrases, by its running number.
    Group(u32),
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// Per node: first edge, and first owner; one more at the end.
    nodes: Vec<(u32, u32)>,
    edges: Vec<(u8, u32)>,
    owners: Vec<Owner>,
    /// Hashes of the heads of first words.
    heads: Prefixes,
    /// Hashes of openings.
    openings: Prefixes,
    /// Hashes of phrases that are too short for an opening, each with the gap behind it.
    short: Prefixes,
    /// Hashes of what openings begin with, up to each of their gaps.
    starts: Prefixes,
    first: [bool; 256],
}

/// What became of an attempt at one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Decided; what was found has been given.
    Done,
    /// More text is needed.
    Open,
}

/// The length of the gap character at `at` of `bytes`, 0 if there is none.
pub(super) fn gap_at(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b) if b.is_ascii() => usize::from(!b.is_ascii_alphanumeric()),
        Some(0xC2) => usize::from(bytes.get(at + 1) == Some(&0xA0)) * 2,
        Some(0xE2) => usize::from(bytes.get(at + 1) == Some(&0x80)) * 3,
        _ => 0,
    }
}

/// Whether a gap, or nothing, stands before `at`.
pub(super) fn gap_before(view: View<'_>, at: usize) -> bool {
    let Some(before) = view.before(at) else { return true };
    if before.is_ascii() {
        return !before.is_ascii_alphanumeric();
    }
    let index = at - view.base;
    [2, 3].into_iter().any(|len| index >= len && gap_at(view.bytes, index - len) == len)
}

/// The words of a phrase, folded.
pub(super) fn words(phrase: &str) -> Vec<Vec<u8>> {
    let bytes = phrase.as_bytes();
    let mut words = vec![Vec::new()];
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let gap = gap_at(bytes, at);
        if gap > 0 {
            words.push(Vec::new());
            at += gap;
        } else {
            if let Some(word) = words.last_mut() {
                word.push(byte.to_ascii_lowercase());
            }
            at += 1;
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a text as phrases see them, ASCII letters in lower case.
pub fn words_of(text: &str) -> Vec<String> {
    words(text).into_iter().filter_map(|word| String::from_utf8(word).ok()).collect()
}

/// The most bytes a phrase can cover.
pub(super) fn bytes_max(words: &[Vec<u8>]) -> usize {
    words.iter().map(Vec::len).sum::<usize>() + words.len().saturating_sub(1) * GAP_MAX
}

/// What is noted of nodes as they come, in the order of nodes, and where that of each begins; of one node the order stays.
fn by_node<T: Copy>(noted: &[(u32, T)], nodes: usize) -> (Vec<T>, Vec<u32>) {
    let mut starts = vec![0; nodes + 1];
    for (node, _) in noted {
        starts.get_mut(*node as usize + 1).into_iter().for_each(|count| *count += 1);
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut next = starts.clone();
    let mut out: Vec<T> = noted.iter().map(|(_, what)| *what).collect();
    for (node, what) in noted {
        if let Some(at) = next.get_mut(*node as usize)
            && let Some(slot) = out.get_mut(*at as usize)
        {
            *slot = *what;
            *at += 1;
        }
    }
    (out, starts)
}

impl Tree {
    /// Builds the tree.
    pub(super) fn new(phrases: &[(Vec<Vec<u8>>, Owner)]) -> Self {
        let mut joined: Vec<(Vec<u8>, Owner)> = phrases.iter().map(|(words, owner)| (words.join(&GAP), *owner)).collect();
        joined.sort_by(|one, two| one.0.cmp(&two.0));
        let (mut nodes, mut edges, mut owners) = (1u32, Vec::new(), Vec::new());
        // The nodes of the phrase before: in order, each phrase shares its beginning with that one.
        let (mut path, mut last): (Vec<u32>, &[u8]) = (vec![0], &[]);
        let set = || Prefixes::new(16);
        let (mut heads, mut short, mut openings, mut starts) = (set(), set(), set(), set());
        let mut first = [false; 256];
        for (phrase, owner) in &joined {
            let shared = phrase.iter().zip(last).take_while(|(one, two)| one == two).count();
            path.truncate(shared + 1);
            for byte in phrase.iter().skip(shared) {
                edges.push((path.last().copied().unwrap_or_default(), (*byte, nodes)));
                path.push(nodes);
                nodes += 1;
            }
            last = phrase;
            let end = path.last().copied().unwrap_or_default();
            if !owners.iter().rev().take_while(|(node, _)| *node == end).any(|(_, known)| known == owner) {
                owners.push((end, *owner));
            }
            heads.put(u64::from(head(phrase, 0)));
            // The end of a phrase is a gap too.
            let ended = [phrase.as_slice(), &[GAP]].concat();
            match ended.first_chunk::<OPENING>() {
                Some(eight) => openings.put(u64::from_le_bytes(*eight)),
                None => short.put(short_key(&ended)),
            }
            let gaps = ended.iter().take(OPENING).enumerate().filter(|(_, byte)| **byte == GAP);
            gaps.for_each(|(at, _)| starts.put(short_key(ended.get(..=at).unwrap_or_default())));
            if let Some(slot) = phrase.first().and_then(|b| first.get_mut(usize::from(*b))) {
                *slot = true;
            }
        }
        let (edges, edges_from) = by_node(&edges, nodes as usize);
        let (owners, owners_from) = by_node(&owners, nodes as usize);
        let nodes = edges_from.into_iter().zip(owners_from).collect();
        Self { nodes, edges, owners, heads, openings, short, starts, first }
    }

    /// The bytes that a phrase can begin with.
    pub(super) fn firsts(&self) -> ByteSet {
        set_of((0..=u8::MAX).filter(|byte| self.first.get(usize::from(byte.to_ascii_lowercase())) == Some(&true)))
    }

    /// The pairs of bytes that a phrase can begin with: any of the one set, and any of the other.
    pub(super) fn pairs(&self) -> Vec<(ByteSet, ByteSet)> {
        let both = |byte: u8| [byte, byte.to_ascii_uppercase()];
        let gaps = || (0..=u8::MAX).filter(|byte| !byte.is_ascii_alphanumeric());
        let mut pairs = Vec::new();
        for &(one, node) in self.edges(0) {
            let mut twos = set_of(self.edges(node).iter().flat_map(|(two, _)| both(*two)));
            // After a word of one letter: of a phrase, or a phrase of its own.
            if in_set(&twos, GAP) || !self.owners(node).is_empty() {
                gaps().for_each(|gap| put(&mut twos, gap));
            }
            pairs.push((set_of(both(one)), twos));
        }
        pairs
    }

    /// Whether the bytes at `at`, of which `opening` is the fold, look like the beginning of a phrase. Never wrongly no.
    #[inline]
    pub(super) fn may_begin(&self, view: View<'_>, at: usize, opening: Option<Opening>) -> bool {
        let Some(opening) = opening else { return self.may_begin_slowly(view, at) };
        // Of a gap of more than one byte only the walk knows the length: what stands before its second byte counts.
        let plain = opening.up_to_second_gap();
        let begun = match plain {
            OPENING => self.openings.has(opening.folded),
            _ => self.starts.has(opening.first(plain)),
        };
        begun || opening.any_end(plain, |key| self.short.has(key))
    }

    /// The same at the end of the text, and where it is not ASCII.
    fn may_begin_slowly(&self, view: View<'_>, at: usize) -> bool {
        if !view.last && at + HEAD > view.bytes.len() {
            return true;
        }
        let head = u64::from(head(view.bytes, at));
        self.heads.has(head)
    }

    fn edges(&self, node: u32) -> &[(u8, u32)] {
        let from = self.nodes.get(node as usize).map_or(0, |n| n.0 as usize);
        let to = self.nodes.get(node as usize + 1).map_or(0, |n| n.0 as usize);
        self.edges.get(from..to).unwrap_or_default()
    }

    fn owners(&self, node: u32) -> &[Owner] {
        let from = self.nodes.get(node as usize).map_or(0, |n| n.1 as usize);
        let to = self.nodes.get(node as usize + 1).map_or(0, |n| n.1 as usize);
        self.owners.get(from..to).unwrap_or_default()
    }

    fn step(&self, node: u32, byte: u8) -> Option<u32> {
        let edges = self.edges(node);
        if edges.len() > 8 {
            return edges.binary_search_by_key(&byte, |e| e.0).ok().and_then(|at| edges.get(at)).map(|e| e.1);
        }
        edges.iter().find(|e| e.0 == byte).map(|e| e.1)
    }

    /// Follows the text from `start`, where a word begins, and gives every phrase found there with its
    /// end, shorter ones first. Nothing is given by an open walk. Counts its steps.
    pub(super) fn walk(&self, view: View<'_>, start: usize, found: &mut Vec<(Owner, usize)>, steps: &mut u64) -> Walk {
        let bytes = view.bytes;
        let begin = start - view.base;
        let mut at = begin;
        let mut node = 0;
        found.clear();
        let open = loop {
            let Some(&byte) = bytes.get(at) else {
                // At the end of what has arrived: open if more could come of it.
                if !view.last {
                    break !self.owners(node).is_empty() || !self.edges(node).is_empty();
                }
                found.extend(self.owners(node).iter().map(|owner| (*owner, view.base + at)));
                break false;
            };
            let mut gap = gap_at(bytes, at);
            if gap == 0 {
                match self.step(node, byte.to_ascii_lowercase()) {
                    Some(next) => node = next,
                    None => break false,
                }
                at += 1;
                continue;
            }
            found.extend(self.owners(node).iter().map(|owner| (*owner, view.base + at)));
            let Some(next) = self.step(node, GAP) else { break false };
            let from = at;
            while gap > 0 && at + gap - from <= GAP_MAX {
                at += gap;
                gap = gap_at(bytes, at);
            }
            if gap > 0 {
                break false;
            }
            node = next;
        };
        *steps += (at - begin) as u64;
        if open {
            found.clear();
            return Walk::Open;
        }
        Walk::Done
    }
}

/// Fewer bytes than an opening has, as [`Opening::first`] gives them.
fn short_key(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// Bytes of a head.
const HEAD: usize = 4;

/// The first four bytes of the word at `at`, folded; what follows the word counts as blanks.
fn head(bytes: &[u8], at: usize) -> u32 {
    let mut key = 0x2020_2020;
    for (shift, place) in (at..at + HEAD).enumerate() {
        let Some(&byte) = bytes.get(place) else { break };
        if gap_at(bytes, place) > 0 {
            break;
        }
        key = key & !(0xFF << (8 * shift)) | u32::from(byte.to_ascii_lowercase()) << (8 * shift);
    }
    key
}
