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
fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}

/// Audit path of leaf `index` in the tree over `leaves`; `None` if there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut at, mut path) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at_checked(split(part.len()))?;
        if at < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            at -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Proof that the tree over `leaves` extends the one over its first `old`; `None` if `old` is larger.
pub fn consistency_proof(leaves: &[Digest], old: usize) -> Option<Vec<Digest>> {
    if old > leaves.len() {
        return None;
    }
    if old == 0 || old == leaves.len() {
        return Some(Vec::new());
    }
    let (mut part, mut at, mut whole, mut path) = (leaves, old, true, Vec::new());
    while at != part.len() {
        let (left, right) = part.split_at_checked(split(part.len()))?;
        if at <= left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            at -= left.len();
            part = right;
            whole = false;
        }
    }
    if !whole {
        path.push(root(part));
    }
    path.reverse();
    Some(path)
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
                let path = inclusion_proof(&all, index).unwrap();
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
            assert_eq!(inclusion_proof(&all, size), None);
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
                let path = consistency_proof(&all, old).unwrap();
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
            assert_eq!(consistency_proof(&all, size + 1), None);
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
