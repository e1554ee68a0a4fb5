//! The hash tree of RFC 6962 and 9162: append, root, inclusion and consistency.
//!
//! Leaf = SHA-256(0x00 ‖ bytes), node = SHA-256(0x01 ‖ left ‖ right), empty tree = SHA-256(""). Checking
//! a proof never panics and never overflows, whatever it is given.

use sha2::Digest as _;

use crate::seal::Digest;

/// Hash of a leaf.
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::new().chain_update([0]).chain_update(bytes).finalize().into())
}

/// Hash of a node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut message = [1u8; 65];
    for (to, from) in message.iter_mut().skip(1).zip(left.0.iter().chain(&right.0)) {
        *to = *from;
    }
    Digest(sha2::Sha256::digest(message).into())
}

/// Root of the empty tree.
pub fn empty_root() -> Digest {
    crate::seal::digest(b"")
}

/// A tree that only grows. Holds one hash per set bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the perfect subtrees, largest first.
    peaks: Vec<Digest>,
}

impl Tree {
    /// The tree of so many leaves with these peaks; `None` if there cannot be so many.
    pub fn of_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// Root over a list of leaf hashes.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree.root()
}

/// The largest power of two below `size`; `size` is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// What is known of a tree: the peaks over its first leaves, and every leaf after them.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The leaves that are known only together.
    pub before: Tree,
    /// The leaves after them.
    pub leaves: Vec<Digest>,
}

impl Known {
    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.before.size + self.leaves.len() as u64
    }

    /// Root over the leaves from `first` up to `end`, of which there is at least one; `None` where it is not known.
    fn root(&self, first: u64, end: u64) -> Option<Digest> {
        if end <= self.before.size {
            // Only a peak itself is known of what lies before.
            let mut at = 0;
            for (bit, peak) in (0..u64::BITS).rev().filter(|bit| self.before.size >> bit & 1 == 1).zip(&self.before.peaks) {
                if at == first && end - first == 1 << bit {
                    return Some(*peak);
                }
                at += 1 << bit;
            }
        }
        if first >= self.before.size {
            let place = |at: u64| usize::try_from(at - self.before.size).ok();
            return Some(root(self.leaves.get(place(first)?..place(end)?)?));
        }
        if end - first < 2 {
            return None;
        }
        let middle = first + split(end - first);
        Some(node_hash(&self.root(first, middle)?, &self.root(middle, end)?))
    }

    /// Audit path of leaf `index` in the tree of the first `size` leaves; `None` if there is no such leaf, or
    /// it is not known by itself.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() || index < self.before.size {
            return None;
        }
        let (mut first, mut end, mut path) = (0, size, Vec::new());
        while end - first > 1 {
            let middle = first + split(end - first);
            if index < middle {
                path.push(self.root(middle, end)?);
                end = middle;
            } else {
                path.push(self.root(first, middle)?);
                first = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// Proof that the tree of the first `size` leaves extends the one of the first `old`; `None` if `old` is
    /// larger, or what is between is not known.
    pub fn consistency_proof(&self, old: u64, size: u64) -> Option<Vec<Digest>> {
        if old > size || size > self.size() {
            return None;
        }
        if old == 0 || old == size {
            return Some(Vec::new());
        }
        let (mut first, mut end, mut whole, mut path) = (0, size, true, Vec::new());
        while old != end {
            let middle = first + split(end - first);
            if old <= middle {
                path.push(self.root(middle, end)?);
                end = middle;
            } else {
                path.push(self.root(first, middle)?);
                first = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(self.root(first, end)?);
        }
        path.reverse();
        Some(path)
    }
}

/// Whether `path` proves that `leaf` stands at `index` of the tree with this size and root.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, path: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut at, mut last) = (*leaf, index, size - 1);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            node = node_hash(sibling, &node);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// Whether `path` proves that the tree (`new_size`, `new_root`) extends (`old_size`, `old_root`).
pub fn verify_consistency(old_size: u64, old_root: &Digest, new_size: u64, new_root: &Digest, path: &[Digest]) -> bool {
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let mut path = path.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut old, mut new) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// All that is known when the first `before` leaves are gone.
    fn known(all: &[Digest], before: usize) -> Known {
        let mut tree = Tree::default();
        all[..before].iter().for_each(|leaf| tree.push(*leaf));
        assert_eq!(Tree::of_peaks(before as u64, tree.peaks().to_vec()), Some(tree.clone()));
        Known { before: tree, leaves: all[before..].to_vec() }
    }

    /// What is still known gives the same proofs, wherever the front was taken away.
    #[test]
    fn proofs_do_not_need_the_front() {
        let all = leaves(45);
        let whole = known(&all, 0);
        for before in 0..=45u64 {
            let part = known(&all, before as usize);
            for size in 0..=45 {
                for at in 0..=size {
                    let inclusion = part.inclusion_proof(at, size);
                    assert_eq!(inclusion, whole.inclusion_proof(at, size).filter(|_| at >= before && size > before));
                    if size >= before && at >= before {
                        assert_eq!(part.consistency_proof(at, size), whole.consistency_proof(at, size), "{before} {at} {size}");
                    }
                }
            }
        }
        assert_eq!(Tree::of_peaks(3, vec![all[0]]), None);
    }

    /// The definition of RFC 9162, section 2.1.1, word for word.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
            }
        }
    }

    #[test]
    fn known_roots() {
        assert_eq!(empty_root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(leaf_hash(b"").hex(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(leaf_hash(b"L123456").hex(), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
    }

    #[test]
    fn grows_as_defined() {
        let all = leaves(300);
        let mut tree = Tree::default();
        for size in 0..=300 {
            assert_eq!(tree.root(), naive(&all[..size]), "size {size}");
            assert_eq!(tree.size(), size as u64);
            if size < 300 {
                tree.push(all[size]);
            }
        }
    }

    #[test]
    fn inclusion_holds_and_breaks() {
        for size in (1..=66).chain([255, 256, 257, 300]) {
            let all = leaves(size);
            let root = naive(&all);
            for index in 0..size {
                let path = known(&all, 0).inclusion_proof(index as u64, size as u64).unwrap();
                let holds = |leaf: &Digest, index: usize, size: usize, path: &[Digest], root: &Digest| {
                    verify_inclusion(leaf, index as u64, size as u64, path, root)
                };
                assert!(holds(&all[index], index, size, &path, &root), "{index} of {size}");
                assert!(!holds(&all[index], index + 1, size, &path, &root));
                assert!(!holds(&all[(index + 1) % size], index, size, &path, &root) || size == 1);
                let mut longer = path.clone();
                longer.push(root);
                assert!(!holds(&all[index], index, size, &longer, &root));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!holds(&all[index], index, size, shorter, &root));
                }
                if size <= 20 {
                    for (at, byte) in (0..path.len()).flat_map(|at| (0..32).map(move |byte| (at, byte))) {
                        let mut bad = path.clone();
                        bad[at].0[byte] ^= 1;
                        assert!(!holds(&all[index], index, size, &bad, &root));
                    }
                }
            }
            assert_eq!(known(&all, 0).inclusion_proof(size as u64, size as u64), None);
        }
        let root = empty_root();
        for (index, size) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (u64::MAX - 1, u64::MAX), (0, u64::MAX), (1 << 62, 1 << 63)] {
            assert!(!verify_inclusion(&root, index, size, &[root; 3], &root));
            assert!(!verify_inclusion(&root, index, size, &[root; 70], &root));
        }
    }

    #[test]
    fn consistency_holds_and_breaks() {
        for size in (0..=40).chain([255, 256, 257]) {
            let all = leaves(size);
            let root = naive(&all);
            for old in 0..=size {
                let path = known(&all, 0).consistency_proof(old as u64, size as u64).unwrap();
                let old_root = naive(&all[..old]);
                let holds = |old: usize, old_root: &Digest, path: &[Digest]| {
                    verify_consistency(old as u64, old_root, size as u64, &root, path)
                };
                assert!(holds(old, &old_root, &path), "{old} to {size}");
                let mut other = old_root;
                other.0[0] ^= 1;
                assert!(!holds(old, &other, &path));
                let mut longer = path.clone();
                longer.push(root);
                assert!(!holds(old, &old_root, &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!holds(old, &old_root, shorter));
                }
                if size <= 20 {
                    for (at, byte) in (0..path.len()).flat_map(|at| (0..32).map(move |byte| (at, byte))) {
                        let mut bad = path.clone();
                        bad[at].0[byte] ^= 1;
                        assert!(!holds(old, &old_root, &bad));
                    }
                }
            }
            assert_eq!(known(&all, 0).consistency_proof(size as u64 + 1, size as u64), None);
        }
        let root = empty_root();
        for (old, new) in [(1, 0), (u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
            assert!(!verify_consistency(old, &root, new, &root, &[root; 70]));
        }
    }

    /// A record that looks like two hashes is still a leaf.
    #[test]
    fn leaves_and_nodes_are_apart() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let bytes: Vec<u8> = a.0.iter().chain(&b.0).copied().collect();
        assert_ne!(leaf_hash(&bytes), node_hash(&a, &b));
    }
}
