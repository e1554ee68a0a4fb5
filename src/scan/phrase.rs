//! Many phrases as one tree of bytes.
//!
//! A phrase matches whole words only, ASCII case ignored; between its words stands any run of at most
//! [`GAP_MAX`] bytes of white space and punctuation. ASCII letters and digits and all other characters
//! but Unicode's general punctuation belong to words.

use super::byteset::{ByteSet, put, set_of};
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
    /// One more at the end.
    nodes: Vec<Node>,
    /// By node, in order of classes.
    edges: Vec<(u8, u32)>,
    /// By node with many edges and class: the next node, the root for none.
    rows: Vec<u32>,
    owners: Vec<Owner>,
    /// By byte, its class: of one that no phrase has [`NONE`], of ASCII that is a gap [`GAP`].
    classes: Box<[u8; 256]>,
    /// By class, its byte, in lower case.
    bytes: Vec<u8>,
}

/// A node.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Its first edge, and its first owner; those of the next node end them.
    edges: u32,
    owners: u32,
    /// One past the number of its row; naught where edges are gone through.
    row: u32,
    /// Whether a phrase that holds text back ends here or behind it.
    holds: bool,
}

/// The class of bytes in no phrase, and of gaps.
const NONE: u8 = 0;
const GAP: u8 = 1;

/// Edges that are gone through one by one.
const EDGES_FEW: usize = 2;

/// What became of an attempt at one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Decided; what was found has been given.
    Done,
    /// More text is needed; whether something could come of it that holds text back.
    Open { holds: bool },
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
    /// Builds the tree. `holds` tells which phrases text is held back for.
    pub(super) fn new(phrases: &[(Vec<Vec<u8>>, Owner)], holds: impl Fn(Owner) -> bool) -> Self {
        let mut classes = Box::new([NONE; 256]);
        let mut bytes = vec![b'\0', b' '];
        for (class, byte) in classes.iter_mut().zip(0..0x80u8) {
            *class = if byte.is_ascii_alphanumeric() { NONE } else { GAP };
        }
        for byte in phrases.iter().flat_map(|(words, _)| words.iter().flatten()) {
            let class = bytes.len() as u8;
            let mut give = |byte: u8| match classes.get_mut(usize::from(byte)) {
                Some(slot) if *slot == NONE => {
                    *slot = class;
                    true
                }
                _ => false,
            };
            if give(*byte) {
                give(byte.to_ascii_uppercase());
                bytes.push(*byte);
            }
        }
        let class = |byte: &u8| classes.get(usize::from(*byte)).copied().unwrap_or_default();
        let path = |words: &[Vec<u8>]| {
            words.iter().map(|word| word.iter().map(class).collect::<Vec<u8>>()).collect::<Vec<_>>().join(&GAP)
        };
        let mut joined: Vec<(Vec<u8>, Owner)> = phrases.iter().map(|(words, owner)| (path(words), *owner)).collect();
        joined.sort_by(|one, two| one.0.cmp(&two.0));
        let (mut count, mut edges, mut owners) = (1u32, Vec::new(), Vec::new());
        let mut holding = vec![false];
        // The nodes of the phrase before: in order, each phrase shares its beginning with that one.
        let (mut nodes, mut last): (Vec<u32>, &[u8]) = (vec![0], &[]);
        for (phrase, owner) in &joined {
            let shared = phrase.iter().zip(last).take_while(|(one, two)| one == two).count();
            nodes.truncate(shared + 1);
            for class in phrase.iter().skip(shared) {
                edges.push((nodes.last().copied().unwrap_or_default(), (*class, count)));
                nodes.push(count);
                holding.push(false);
                count += 1;
            }
            last = phrase;
            let end = nodes.last().copied().unwrap_or_default();
            if !owners.iter().rev().take_while(|(node, _)| *node == end).any(|(_, known)| known == owner) {
                owners.push((end, *owner));
            }
            if holds(*owner) {
                for node in &nodes {
                    holding.get_mut(*node as usize).into_iter().for_each(|holds| *holds = true);
                }
            }
        }
        let (edges, edges_from) = by_node(&edges, count as usize);
        let (owners, owners_from) = by_node(&owners, count as usize);
        let node = |((edges, owners), holds)| Node { edges, owners, row: 0, holds };
        let nodes = edges_from.into_iter().zip(owners_from).zip(holding.into_iter().chain([false])).map(node).collect();
        let mut tree = Self { nodes, edges, rows: Vec::new(), owners, classes, bytes };
        tree.lay_rows();
        tree
    }

    /// Gives each node of many edges a row.
    fn lay_rows(&mut self) {
        let width = self.bytes.len();
        for node in 0..self.nodes.len() {
            let edges = self.edges(node as u32);
            if edges.len() <= EDGES_FEW {
                continue;
            }
            let mut row = vec![0; width];
            for (class, next) in edges {
                row.get_mut(usize::from(*class)).into_iter().for_each(|slot| *slot = *next);
            }
            self.rows.extend(row);
            let number = (self.rows.len() / width) as u32;
            self.nodes.get_mut(node).into_iter().for_each(|node| node.row = number);
        }
    }

    /// The byte of a class, in both cases.
    fn both(&self, class: u8) -> [u8; 2] {
        let byte = self.bytes.get(usize::from(class)).copied().unwrap_or_default();
        [byte, byte.to_ascii_uppercase()]
    }

    /// The bytes that a phrase can begin with.
    pub(super) fn firsts(&self) -> ByteSet {
        set_of(self.edges(0).iter().flat_map(|(one, _)| self.both(*one)))
    }

    /// The pairs of bytes that a phrase can begin with: any of the one set, and any of the other.
    pub(super) fn pairs(&self) -> Vec<(ByteSet, ByteSet)> {
        let gaps = || (0..=u8::MAX).filter(|byte| !byte.is_ascii_alphanumeric());
        let mut pairs = Vec::new();
        for &(one, node) in self.edges(0) {
            let next = self.edges(node);
            let mut twos = set_of(next.iter().flat_map(|(two, _)| self.both(*two)));
            // After a word of one letter: of a phrase, or a phrase of its own.
            if next.iter().any(|(two, _)| *two == GAP) || !self.owners(node).is_empty() {
                gaps().for_each(|gap| put(&mut twos, gap));
            }
            pairs.push((set_of(self.both(one)), twos));
        }
        pairs
    }

    fn edges(&self, node: u32) -> &[(u8, u32)] {
        match self.nodes.get(node as usize..) {
            Some([node, next, ..]) => self.edges.get(node.edges as usize..next.edges as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    fn owners(&self, node: u32) -> &[Owner] {
        match self.nodes.get(node as usize..) {
            Some([node, next, ..]) => self.owners.get(node.owners as usize..next.owners as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    #[inline]
    fn step(&self, node: u32, class: u8) -> Option<u32> {
        let row = self.nodes.get(node as usize)?.row as usize;
        if row == 0 {
            return self.edges(node).iter().find(|edge| edge.0 == class).map(|edge| edge.1);
        }
        self.rows.get((row - 1) * self.bytes.len() + usize::from(class)).copied().filter(|next| *next != 0)
    }

    /// Follows the text from `start`, where a word begins, and gives every phrase found there with its end, shorter ones
    /// first. Nothing is given by an open walk. Counts its steps.
    pub(super) fn walk(
        &self,
        view: View<'_>,
        start: usize,
        found: &mut Vec<(Owner, usize)>,
        steps: &mut u64,
        holds: impl Fn(Owner) -> bool,
    ) -> Walk {
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
            let class = self.classes.get(usize::from(byte)).copied().unwrap_or_default();
            let mut gap = if byte.is_ascii() { usize::from(class == GAP) } else { gap_at(bytes, at) };
            if gap == 0 {
                match self.step(node, class) {
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
        if !open {
            return Walk::Done;
        }
        let ended = found.drain(..).any(|(owner, _)| holds(owner));
        Walk::Open { holds: ended || self.nodes.get(node as usize).is_some_and(|node| node.holds) }
    }
}
