//! Batches read back, and nothing else does.

use super::*;
use crate::base::limits::{BATCH_MAX, RECORD_HARD_MAX};
use crate::evidence::merkle::leaf_hash;
use crate::evidence::note::NoteKey;
use crate::seal::SigningKey;

struct Keys {
    root: SigningKey,
    own: SigningKey,
    card: LogCard,
}

fn keys() -> Keys {
    let (root, own) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let origin = "servanda.local/evidence/test/00000000-aabbccddeeff".to_owned();
    let key = NoteKey::new(&origin, own.verifying()).unwrap();
    let delegation = Delegation { origin: origin.clone(), key, from: 1, until: 2, build: None };
    let delegation = note::sign(&delegation.text(), "servanda.local/evidence/test/root", &root).unwrap();
    Keys { root, own, card: LogCard { origin, delegation } }
}

fn head(keys: &Keys, tree: &Tree) -> Vec<u8> {
    let head = Checkpoint { origin: keys.card.origin.clone(), size: tree.size(), root: tree.root() };
    note::sign(&head.text(), &keys.card.origin, &keys.own).unwrap().into_bytes()
}

fn batch(keys: &Keys, tree: &mut Tree, records: u64, headed: bool) -> Batch {
    let mut builder = Builder::new(&keys.card.log(), tree);
    for n in 0..records {
        builder.push(tree, FrameKind::Record, format!("{{\"n\":{n}}}").as_bytes());
    }
    let head = headed.then(|| head(keys, tree));
    builder.end(&keys.card, tree, head.as_deref()).unwrap()
}

#[test]
fn a_batch_reads_back_with_its_records_and_its_head() {
    let keys = keys();
    let mut tree = Tree::default();
    for (records, headed) in [(1, true), (7, false), (1024, true)] {
        let made = batch(&keys, &mut tree, records, headed);
        let read = Batch::parse(made.wire()).unwrap();
        assert_eq!(read, made);
        assert_eq!((read.count(), read.size(), read.root()), (records, tree.size(), tree.root()));
        assert_eq!(read.head().is_some(), headed);
        assert_eq!(read.records().map(|(index, _)| index).collect::<Vec<_>>(), (read.first()..tree.size()).collect::<Vec<_>>());
        let key = NoteKey::new("servanda.local/evidence/test/root", keys.root.verifying()).unwrap();
        assert!(note::open(read.card().delegation.as_bytes(), &[&key]).is_ok());
        assert_eq!(Batch::of_segment(&read.card(), read.first(), read.segment().to_vec()).unwrap(), read);
    }
}

#[test]
fn halves_are_the_same_records() {
    let keys = keys();
    let mut tree = Tree::default();
    batch(&keys, &mut tree, 5, true);
    let whole = batch(&keys, &mut tree, 9, true);
    let (left, right) = whole.halves().unwrap();
    assert_eq!((left.first(), left.last(), right.first(), right.last()), (5, 8, 9, 13));
    let both: Vec<_> = left.records().chain(right.records()).map(|(_, r)| r.to_vec()).collect();
    assert_eq!(both, whole.records().map(|(_, r)| r.to_vec()).collect::<Vec<_>>());
    assert_eq!((right.root(), right.head(), left.head()), (whole.root(), whole.head(), None));
    for half in [&left, &right] {
        assert_eq!(&Batch::parse(half.wire()).unwrap(), half);
    }
    assert!(batch(&keys, &mut tree, 1, false).halves().is_none());
}

#[test]
fn what_was_changed_is_no_batch() {
    let keys = keys();
    let mut tree = Tree::default();
    batch(&keys, &mut tree, 3, true);
    let good = batch(&keys, &mut tree, 3, true);
    for cut in 0..good.wire().len() {
        assert!(Batch::parse(&good.wire()[..cut]).is_err(), "{cut}");
    }
    // A flipped bit in the text changes what is said, in the packed part what is there. Only spare bits of the
    // compression may be without a meaning: then the same is said.
    for bit in 0..good.wire().len() * 8 {
        let mut bad = good.wire().to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = Batch::parse(&bad) {
            assert_eq!((read.id(), read.segment(), read.origin()), (good.id(), good.segment(), good.origin()), "bit {bit}");
        }
    }
    // A head of another tree, a commit of other records, and records that are none of a batch.
    let mut other = Tree::default();
    other.push(leaf_hash(b"another"));
    let mut builder = Builder::new(&keys.card.log(), &Tree::default());
    let mut own = Tree::default();
    builder.push(&mut own, FrameKind::Record, b"{}");
    let forged = builder.end(&keys.card, &own, Some(&head(&keys, &other))).unwrap();
    assert!(Batch::parse(forged.wire()).is_err());
    assert!(Batch::of_segment(&keys.card, 0, good.segment().to_vec()).is_err());
    assert!(Builder::new(&keys.card.log(), &own).end(&keys.card, &own, None).is_err());
}

#[test]
fn a_bomb_is_not_unpacked() {
    let keys = keys();
    let good = batch(&keys, &mut Tree::default(), 1, true);
    let end = good.wire().windows(2).position(|two| two == b"\n\n").unwrap() + 2;
    let mut bomb = good.wire()[..end].to_vec();
    bomb.extend(zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap());
    assert!(bomb.len() < 10 << 10);
    assert!(Batch::parse(&bomb).unwrap_err().to_string().contains("unpacked"));
}

/// Cut by construction below what brokers take, however the records are and however badly they compress.
#[test]
fn no_batch_is_larger_than_a_message_may_be() {
    let keys = keys();
    let mut dice = 1u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let roll = |dice: &mut u64| {
            *dice ^= *dice << 13;
            *dice ^= *dice >> 7;
            *dice ^= *dice << 17;
            *dice as u8
        };
        (0..length).map(|_| roll(&mut dice)).collect()
    };
    for sizes in [vec![RECORD_HARD_MAX], vec![1], vec![767], vec![769, 1], vec![16 << 10, 40], vec![600]] {
        let mut tree = Tree::default();
        for n in 0..3u64 {
            tree.push(leaf_hash(&n.to_le_bytes()));
        }
        let mut builder = Builder::new(&keys.card.log(), &tree);
        for size in sizes.iter().cycle() {
            let record = noise(*size);
            if !builder.has_room(record.len()) {
                break;
            }
            builder.push(&mut tree, FrameKind::Record, &record);
        }
        let made = builder.end(&keys.card, &tree, Some(&head(&keys, &tree))).unwrap();
        assert!(made.wire().len() <= BATCH_MAX, "{sizes:?}: {}", made.wire().len());
        assert_eq!(Batch::parse(made.wire()).unwrap(), made);
    }
}
