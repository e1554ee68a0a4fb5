//! What one log says of others: which log it took up and how that stood, and what retention removed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::evidence::record::RecordId;
use crate::seal::Digest;

/// What the successor says of a log.
#[derive(Clone, Debug)]
pub(crate) struct Heir {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) clean: bool,
    pub(crate) signed: Option<(u64, Digest)>,
    /// Exchanges that it closed as unknown, and how many beyond the list.
    pub(crate) closed: BTreeSet<RecordId>,
    pub(crate) closed_more: u64,
    /// Indices that it declares as damaged.
    pub(crate) missing: bool,
}

/// What one log says of others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) prev: Option<(String, Heir)>,
    pub(crate) pruned: Gone,
}

/// What records declare as removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone {
    /// By retention: of each log, by its origin, up to which sizes, with the root there.
    pruned: BTreeMap<String, BTreeMap<u64, Option<Digest>>>,
    /// By erasure: the id of the log, and the index.
    erased: BTreeSet<(String, u64)>,
}

impl Gone {
    pub(crate) fn add(&mut self, other: &Self) {
        for (origin, sizes) in &other.pruned {
            self.pruned.entry(origin.clone()).or_default().extend(sizes);
        }
        self.erased.extend(other.erased.iter().cloned());
    }

    /// Records of a log that are declared as removed, from its front.
    pub(crate) fn up_to(&self, origin: &str) -> u64 {
        self.pruned.get(origin).and_then(|sizes| sizes.keys().last().copied()).unwrap_or(0)
    }

    /// The sizes up to which records of a log are declared as removed, with the roots there.
    pub(super) fn of(&self, origin: &str) -> Option<&BTreeMap<u64, Option<Digest>>> {
        self.pruned.get(origin)
    }

    /// Whether a record is declared as erased, by the id of its log.
    pub(super) fn erased(&self, log: &str, index: u64) -> bool {
        self.erased.contains(&(log.to_owned(), index))
    }

    /// Takes in what an `erasure` record declares.
    pub(super) fn forget(&mut self, record: &Value) {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        if let (Some("erased"), Some(log), Some(index)) =
            (text("state"), text("target"), record.get("index").and_then(Value::as_u64))
        {
            self.erased.insert((log.to_owned(), index));
        }
    }

    /// Takes in what a `config.change` record declares.
    pub(super) fn take(&mut self, record: &Value) {
        for pruned in record.get("pruned").and_then(Value::as_array).into_iter().flatten() {
            let origin = pruned.get("origin").and_then(Value::as_str);
            if let (Some(origin), Some(size)) = (origin, pruned.get("size").and_then(Value::as_u64)) {
                let root = pruned.get("root").and_then(Value::as_str).and_then(Digest::parse_base64url);
                self.pruned.entry(origin.to_owned()).or_default().insert(size, root);
            }
        }
    }
}

/// What `log.open` says of the log before it.
pub(super) fn heir(prev: &Value) -> Option<(String, Heir)> {
    let root = |key: &str| Digest::parse_base64url(prev.get(key)?.as_str()?);
    Some((
        prev.get("origin")?.as_str()?.to_owned(),
        Heir {
            size: prev.get("size")?.as_u64()?,
            root: root("root")?,
            clean: prev.get("clean").and_then(Value::as_bool).unwrap_or(false),
            signed: prev.get("signed_size").and_then(Value::as_u64).zip(root("signed_root")),
            closed: BTreeSet::new(),
            closed_more: 0,
            missing: false,
        },
    ))
}
