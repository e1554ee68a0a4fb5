//! Many phrases as one tree of bytes.
//!
//! A phrase matches whole words only, ASCII case ignored; between its words stands any run of at most
//! [`GAP_MAX`] bytes of white space and punctuation. ASCII letters and digits and all other characters
//! but Unicode's general punctuation belong to words.

use std::collections::BTreeMap;

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
    /// Hashes of openings, and where in the tree each leads.
    openings: Prefixes,
    doors: Doors,
    /// Hashes of phrases that are too short for an opening, each with the gap behind it.
    short: Prefixes,
    /// Hashes of what openings begin with, up to each of their gaps.
    starts: Prefixes,
    first: [bool; 256],
}

/// Where a walk begins: a node, and how many bytes lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Door {
    node: u32,
    bytes: usize,
}

impl Door {
    /// The first byte of a phrase.
    pub(super) const ROOT: Self = Self { node: 0, bytes: 0 };
}

/// How many bytes of an opening lead to its door: of a gap at its end only the walk knows the length.
fn door_bytes(opening: u64) -> usize {
    OPENING - usize::from(opening >> (8 * (OPENING - 1)) == u64::from(GAP))
}

/// By opening, the node that it leads to: most walks end soon behind it. The root where a phrase ends within.
#[derive(Debug)]
struct Doors {
    /// Twice as many places as openings at least, each at the first free one from that of its hash. No opening is naught.
    places: Box<[(u64, u32)]>,
}

impl Doors {
    fn new(openings: &BTreeMap<u64, u32>) -> Self {
        let mut places = vec![(0, 0); (openings.len() * 2).next_power_of_two()].into_boxed_slice();
        for (opening, node) in openings {
            let free = Self::way(*opening, places.len()).find(|at| places.get(*at).is_some_and(|place| place.0 == 0));
            free.and_then(|at| places.get_mut(at)).into_iter().for_each(|place| *place = (*opening, *node));
        }
        Self { places }
    }

    /// The places of an opening, in order.
    fn way(opening: u64, places: usize) -> impl Iterator<Item = usize> {
        let first = (opening.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
        (0..places).map(move |step| first.wrapping_add(step) & (places - 1))
    }

    fn get(&self, opening: u64) -> Option<Door> {
        let mut way = Self::way(opening, self.places.len()).map_while(|at| self.places.get(at));
        match way.find(|place| place.0 == opening || place.0 == 0)? {
            (0, _) => None,
            (_, 0) => Some(Door::ROOT),
            (_, node) => Some(Door { node: *node, bytes: door_bytes(opening) }),
        }
    }
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
        // By node, whether a phrase ends there: one that begins another comes before it.
        let (mut doors, mut ended) = (BTreeMap::new(), vec![false]);
        let mut first = [false; 256];
        for (phrase, owner) in &joined {
            let shared = phrase.iter().zip(last).take_while(|(one, two)| one == two).count();
            path.truncate(shared + 1);
            for byte in phrase.iter().skip(shared) {
                edges.push((path.last().copied().unwrap_or_default(), (*byte, nodes)));
                path.push(nodes);
                ended.push(false);
                nodes += 1;
            }
            last = phrase;
            let end = path.last().copied().unwrap_or_default();
            if !owners.iter().rev().take_while(|(node, _)| *node == end).any(|(_, known)| known == owner) {
                owners.push((end, *owner));
            }
            ended.get_mut(end as usize).into_iter().for_each(|ended| *ended = true);
            heads.put(u64::from(head(phrase, 0)));
            // The end of a phrase is a gap too.
            let closed = [phrase.as_slice(), &[GAP]].concat();
            match closed.first_chunk::<OPENING>() {
                Some(eight) => {
                    let opening = u64::from_le_bytes(*eight);
                    openings.put(opening);
                    let within = (1..door_bytes(opening)).filter(|at| eight.get(*at) == Some(&GAP));
                    let node = |at: usize| path.get(at).copied().unwrap_or_default();
                    let ends = within.map(node).any(|node| ended.get(node as usize) == Some(&true));
                    doors.insert(opening, if ends { 0 } else { node(door_bytes(opening)) });
                }
                None => short.put(short_key(&closed)),
            }
            let gaps = closed.iter().take(OPENING).enumerate().filter(|(_, byte)| **byte == GAP);
            gaps.for_each(|(at, _)| starts.put(short_key(closed.get(..=at).unwrap_or_default())));
            if let Some(slot) = phrase.first().and_then(|b| first.get_mut(usize::from(*b))) {
                *slot = true;
            }
        }
        let (edges, edges_from) = by_node(&edges, nodes as usize);
        let (owners, owners_from) = by_node(&owners, nodes as usize);
        let nodes = edges_from.into_iter().zip(owners_from).collect();
        let doors = Doors::new(&doors);
        Self { nodes, edges, owners, heads, openings, doors, short, starts, first }
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

    /// Where a walk from `at` begins, where `opening` is the fold; nowhere if no phrase begins there. Never wrongly nowhere.
    #[inline]
    pub(super) fn door(&self, view: View<'_>, at: usize, opening: Option<Opening>) -> Option<Door> {
        let Some(opening) = opening else { return self.may_begin_slowly(view, at).then_some(Door::ROOT) };
        // Of a gap of more than one byte only the walk knows the length: what stands before its second byte counts.
        let plain = opening.up_to_second_gap();
        let begun = match plain {
            OPENING if self.openings.has(opening.folded) => self.doors.get(opening.folded),
            OPENING => None,
            _ => self.starts.has(opening.first(plain)).then_some(Door::ROOT),
        };
        begun.or_else(|| opening.any_end(plain, |key| self.short.has(key)).then_some(Door::ROOT))
    }

    /// Whether a phrase may begin at the end of the text, and where it is not ASCII.
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

    /// Follows the text from `start`, where a word begins, through its door, and gives every phrase found there with its
    /// end, shorter ones first. Nothing is given by an open walk. Counts its steps.
    pub(super) fn walk(
        &self,
        view: View<'_>,
        (start, door): (usize, Door),
        found: &mut Vec<(Owner, usize)>,
        steps: &mut u64,
    ) -> Walk {
        let bytes = view.bytes;
        let begin = start - view.base;
        let mut at = begin + door.bytes;
        let mut node = door.node;
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
