//! Many phrases as one tree of bytes.
//!
//! A phrase matches whole words only, ASCII case ignored; between its words stands any run of at most
//! [`GAP_MAX`] bytes of white space and punctuation. ASCII letters and digits and all other characters
//! but Unicode's general punctuation belong to words.

use std::collections::HashMap;

use super::regex::View;

/// Most bytes between two words of a phrase.
pub(super) const GAP_MAX: usize = 8;

/// Bytes beyond a phrase that decide whether its last word ends: the longest gap character.
pub(super) const AHEAD: usize = 3;

/// The byte that stands for a gap in the tree.
const GAP: u8 = b' ';

/// What a phrase belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A pattern.
    Pattern(u32),
    /// A weighted phrase of a topic, by its running number.
    Topic(u32),
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// Per node: first edge, and first owner; one more at the end.
    nodes: Vec<(u32, u32)>,
    edges: Vec<(u8, u32)>,
    owners: Vec<Owner>,
    /// Hashes of the heads of first words.
    heads: Bits,
    /// Of those, the heads of phrases that are too short for an opening.
    short: Bits,
    /// Hashes of openings.
    openings: Bits,
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

/// The most bytes a phrase can cover.
pub(super) fn bytes_max(words: &[Vec<u8>]) -> usize {
    words.iter().map(Vec::len).sum::<usize>() + words.len().saturating_sub(1) * GAP_MAX
}

#[derive(Default)]
struct Draft {
    edges: Vec<(u8, usize)>,
    owners: Vec<Owner>,
}

impl Tree {
    /// Builds the tree.
    pub(super) fn new(phrases: &[(Vec<Vec<u8>>, Owner)]) -> Self {
        let mut drafts = vec![Draft::default()];
        let mut known: HashMap<(usize, u8), usize> = HashMap::new();
        let (mut heads, mut short, mut openings) = (Bits::default(), Bits::default(), Bits::default());
        let mut first = [false; 256];
        for (words, owner) in phrases {
            let mut at = 0;
            for byte in words.join(&GAP) {
                let fresh = drafts.len();
                let next = *known.entry((at, byte)).or_insert(fresh);
                if next == fresh {
                    drafts.push(Draft::default());
                    if let Some(draft) = drafts.get_mut(at) {
                        draft.edges.push((byte, fresh));
                    }
                }
                at = next;
            }
            if let Some(draft) = drafts.get_mut(at)
                && !draft.owners.contains(owner)
            {
                draft.owners.push(*owner);
            }
            if let Some(word) = words.first() {
                let head = u64::from(head(word, 0));
                heads.put(head);
                // The end of a phrase is a gap too.
                let whole = [words.join(&GAP).as_slice(), &[GAP]].concat();
                match whole.first_chunk::<OPENING>() {
                    Some(eight) => openings.put(u64::from_le_bytes(*eight)),
                    None => short.put(head),
                }
                if let Some(slot) = word.first().and_then(|b| first.get_mut(usize::from(*b))) {
                    *slot = true;
                }
            }
        }
        let mut tree = Self {
            nodes: Vec::with_capacity(drafts.len() + 1),
            edges: Vec::new(),
            owners: Vec::new(),
            heads,
            short,
            openings,
            first,
        };
        for mut draft in drafts {
            tree.nodes.push((tree.edges.len() as u32, tree.owners.len() as u32));
            draft.edges.sort_unstable();
            tree.edges.extend(draft.edges.into_iter().map(|(byte, node)| (byte, node as u32)));
            tree.owners.extend(draft.owners);
        }
        tree.nodes.push((tree.edges.len() as u32, tree.owners.len() as u32));
        tree
    }

    /// Whether a phrase can begin with this byte.
    pub(super) fn can_begin(&self, byte: u8) -> bool {
        self.first.get(usize::from(byte.to_ascii_lowercase())).copied().unwrap_or(false)
    }

    /// Calls `each` with every pair of bytes that a phrase can begin with.
    pub(super) fn pairs(&self, mut each: impl FnMut(u8, u8)) {
        let upper = |byte: u8| byte.to_ascii_uppercase();
        for &(one, node) in self.edges(0) {
            for &(two, _) in self.edges(node) {
                for first in [one, upper(one)] {
                    if two == GAP {
                        (0..=u8::MAX).filter(|b| !b.is_ascii_alphanumeric()).for_each(|gap| each(first, gap));
                    } else {
                        each(first, two);
                        each(first, upper(two));
                    }
                }
            }
            // A word of one letter that is a phrase of its own.
            if !self.owners(node).is_empty() {
                for first in [one, upper(one)] {
                    (0..=u8::MAX).filter(|b| !b.is_ascii_alphanumeric()).for_each(|gap| each(first, gap));
                }
            }
        }
    }

    /// Whether the bytes at `at` look like the beginning of a phrase. Never wrongly no.
    #[inline]
    pub(super) fn may_begin(&self, view: View<'_>, at: usize) -> bool {
        if let Some(eight) = view.bytes.get(at..).and_then(<[u8]>::first_chunk)
            && let Some((folded, gaps)) = fold_ascii(u64::from_le_bytes(*eight))
        {
            // Of a gap of more than one byte only the walk knows the length.
            return if gaps & gaps >> 8 == 0 {
                self.openings.has(folded) || self.short.has(until_gap(folded, gaps))
            } else {
                self.heads.has(until_gap(folded, gaps))
            };
        }
        self.may_begin_slowly(view, at)
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

/// Bytes of a head, and of an opening.
const HEAD: usize = 4;
const OPENING: usize = 8;

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

const TOPS: u64 = u64::from_le_bytes([0x80; 8]);

/// Eight ASCII bytes as phrases see them, letters in lower case and every gap as [`GAP`], and the top bit
/// of each byte that is a gap. None if they are not ASCII. All eight at once: no byte carries into the next.
#[inline]
fn fold_ascii(word: u64) -> Option<(u64, u64)> {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    if word & TOPS != 0 {
        return None;
    }
    let lower = word | all(0x20);
    let letters = (lower + all(0x80 - b'a')) & !(lower + all(0x7F - b'z')) & TOPS;
    let digits = (word + all(0x80 - b'0')) & !(word + all(0x7F - b'9')) & TOPS;
    let whole = |tops: u64| (tops >> 7) * 0xFF;
    let gaps = !(letters | digits) & TOPS;
    Some((lower & whole(letters) | word & whole(digits) | all(GAP) & whole(gaps), gaps))
}

/// The head of a folded opening.
#[inline]
fn until_gap(folded: u64, gaps: u64) -> u64 {
    let kept = (1u64 << ((gaps as u32).trailing_zeros() & !7)) - 1;
    folded & kept | u64::from(u32::from_le_bytes([GAP; HEAD])) & !kept
}

/// A set of hashes that never wrongly says no.
#[derive(Debug)]
struct Bits(Box<[u64; 1024]>);

impl Default for Bits {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl Bits {
    fn put(&mut self, key: u64) {
        let hash = hash(key);
        if let Some(bits) = self.0.get_mut(hash >> 6) {
            *bits |= 1 << (hash & 63);
        }
    }

    fn has(&self, key: u64) -> bool {
        let hash = hash(key);
        self.0.get(hash >> 6).is_some_and(|bits| bits >> (hash & 63) & 1 == 1)
    }
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_at_once_fold_as_one_by_one() {
        for byte in 0..=0x7F_u8 {
            for place in 0..8 {
                let mut eight = *b"aZ0 z9A_";
                eight[place] = byte;
                let (folded, gaps) = fold_ascii(u64::from_le_bytes(eight)).unwrap();
                for (at, (was, is)) in eight.iter().zip(folded.to_le_bytes()).enumerate() {
                    let gap = !was.is_ascii_alphanumeric();
                    assert_eq!(is, if gap { GAP } else { was.to_ascii_lowercase() }, "{byte:#x} at {place}");
                    assert_eq!(gaps >> (8 * at + 7) & 1 == 1, gap, "{byte:#x} at {place}");
                }
                assert_eq!(until_gap(folded, gaps), u64::from(head(&eight, 0)), "{byte:#x} at {place}");
            }
        }
        assert_eq!(fold_ascii(u64::from_le_bytes(*b"abc\xC2\xA0def")), None);
    }
}
