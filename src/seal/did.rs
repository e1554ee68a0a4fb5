//! DIDs to verifying keys.
//!
//! `did:key` carries its key. `did:web` names a place whose content can change, so it is answered only
//! from a table of pinned keys that is handed in; nothing here touches the network. What a fetched document
//! says is read in [`document`](super::document).

use std::collections::BTreeMap;

use super::canon::SealError;
use super::key::VerifyingKey;

/// Longest DID that is read.
pub const DID_MAX: usize = 256;

/// Keys pinned for the DIDs that do not carry their own.
#[derive(Clone, Debug, Default)]
pub struct PinnedKeys {
    keys: BTreeMap<String, Vec<VerifyingKey>>,
}

impl PinnedKeys {
    /// Adds a key of `did`.
    pub fn pin(&mut self, did: impl Into<String>, key: VerifyingKey) {
        let keys = self.keys.entry(did.into()).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// The keys that speak for `did`: its own for `did:key`, the pinned ones for `did:web`.
    pub fn resolve(&self, did: &str) -> Result<Vec<VerifyingKey>, SealError> {
        if did.starts_with("did:key:") {
            return did_key(did).map(|key| vec![key]);
        }
        check(did)?;
        self.keys.get(did).filter(|keys| !keys.is_empty()).cloned().ok_or(SealError::BadDid("no key is pinned for it"))
    }
}

/// The key inside a `did:key`.
pub fn did_key(did: &str) -> Result<VerifyingKey, SealError> {
    let multibase = did.strip_prefix("did:key:").ok_or(SealError::BadDid("expected did:key:z6Mk…"))?;
    VerifyingKey::parse(multibase)
}

/// Whether `did` is a `did:key` or a `did:web` that we read. No fragment, query or path.
pub fn check(did: &str) -> Result<(), SealError> {
    if did.len() > DID_MAX {
        return Err(SealError::BadDid("longer than 256 bytes"));
    }
    if did.starts_with("did:key:") {
        return did_key(did).map(drop);
    }
    let rest = did.strip_prefix("did:web:").ok_or(SealError::BadDid("expected did:key:… or did:web:…"))?;
    let mut segments = rest.split(':');
    let host = segments.next().unwrap_or_default();
    let (name, port) = host.split_once("%3A").map_or((host, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !name.split('.').all(label) {
        return Err(SealError::BadDid("the host of a did:web is written in lower case, labels parted by dots"));
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|n| n > 0 && port.len() <= 5 && !port.starts_with(['0', '+']))) {
        return Err(SealError::BadDid("the port of a did:web is a number after %3A"));
    }
    let character = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'%');
    if !segments.all(|segment| !segment.is_empty() && segment.bytes().all(character)) {
        return Err(SealError::BadDid("a path segment of a did:web holds letters, digits, dot, dash, underscore or %"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::key::SigningKey;

    #[test]
    fn did_key_carries_its_key() {
        let key = SigningKey::from_seed(&[7; 32]).verifying();
        assert_eq!(did_key(&key.did_key()).unwrap(), key);
        assert_eq!(PinnedKeys::default().resolve(&key.did_key()).unwrap(), [key]);
        assert!(did_key(&format!("{}#x", key.did_key())).is_err());
    }

    #[test]
    fn did_web_is_answered_from_the_table_alone() {
        let key = SigningKey::from_seed(&[7; 32]).verifying();
        let mut pinned = PinnedKeys::default();
        assert!(pinned.resolve("did:web:acme.example").is_err());
        pinned.pin("did:web:acme.example", key);
        pinned.pin("did:web:acme.example", key);
        assert_eq!(pinned.resolve("did:web:acme.example").unwrap(), [key]);
        assert!(pinned.resolve("did:web:acme.example:other").is_err());
    }

    #[test]
    fn shapes() {
        for good in ["did:web:acme.example", "did:web:acme.example:agents:support", "did:web:localhost%3A8443:a.b_c"] {
            check(good).unwrap();
        }
        for bad in [
            "",
            "did:web:",
            "did:web:Acme.example",
            "did:web:a..b",
            "did:web:a::b",
            "did:web:a%3A0",
            "did:web:a/b",
            "did:x:a",
            "web",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&format!("did:web:{}", "a".repeat(300))).is_err());
    }
}
