//! From a trust file that names documents to one that has their keys.

use std::fmt::Debug;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::base::limits::DID_DOCUMENT_MAX;
use crate::pact::TrustFile;
use crate::pact::trust::{Document, Identity, TrustedKey};
use crate::seal::{VerifyingKey, document};

use super::cache::{self, Fetched};

/// Brings the bytes at an address, or says why not. It may wait, though never for long.
pub(crate) trait Fetch: Debug + Send + Sync {
    /// What lies at `url`.
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String>;
}

/// How documents are found.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    /// The folder of the trust file: from there the names of pinned documents are taken.
    pub(crate) beside: &'a Path,
    /// Where fetched documents are kept, if they are.
    pub(crate) cache: Option<PathBuf>,
    /// Fetches.
    pub(crate) fetch: &'a dyn Fetch,
    /// Unix seconds.
    pub(crate) now: i64,
}

impl Resolver<'_> {
    /// Gives every identity the keys of its document. Gives what people should know.
    ///
    /// # Errors
    /// A document cannot be had; whose, and why.
    pub(crate) fn resolve(&self, trust: &mut TrustFile) -> Result<Vec<String>, String> {
        let mut notes = Vec::new();
        for (did, identity) in &mut trust.identities {
            let found = match identity.document.clone() {
                None => continue,
                Some(Document::Pinned(file)) => pinned(did, &self.beside.join(file)),
                Some(Document::Fetched(max_age)) => self.fetched(did, max_age.about_seconds(), &mut notes),
            };
            let keys = found.map_err(|why| format!("{did}: {why}"))?;
            add(identity, keys);
        }
        Ok(notes)
    }

    /// What is kept, while it is young; else what is there now; else, told, what is kept.
    fn fetched(&self, did: &str, max_age: u64, notes: &mut Vec<String>) -> Result<Vec<VerifyingKey>, String> {
        let kept = self.cache.as_deref().and_then(|dir| cache::read(dir, did));
        let kept = kept.and_then(|f| Some((f.at, document::keys(did, f.document.as_bytes()).ok()?)));
        // What is dated in the future was written by another clock, and is as good as old.
        let young = |at: i64| u64::try_from(self.now.saturating_sub(at)).is_ok_and(|age| age < max_age);
        if let Some((_, keys)) = kept.as_ref().filter(|(at, _)| young(*at)) {
            return Ok(keys.clone());
        }
        match self.fresh(did) {
            Ok(keys) => Ok(keys),
            Err(why) => match kept {
                Some((at, keys)) => {
                    let since = jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string());
                    let note = format!("the document of {did} is that of {since}: {why}");
                    tracing::warn!("{note}");
                    notes.push(note);
                    Ok(keys)
                }
                None => Err(why),
            },
        }
    }

    fn fresh(&self, did: &str) -> Result<Vec<VerifyingKey>, String> {
        let url = document::place(did).map_err(|e| e.to_string())?;
        let bytes = self.fetch.fetch(&url).map_err(|why| format!("{url} cannot be fetched: {why}"))?;
        let keys = document::keys(did, &bytes).map_err(|e| format!("{url}: {e}"))?;
        if let (Some(dir), Ok(document)) = (&self.cache, String::from_utf8(bytes)) {
            let fetched = Fetched { did: did.to_owned(), at: self.now, document };
            if let Err(error) = cache::write(dir, &fetched) {
                tracing::warn!(%error, dir = %dir.display(), "a fetched document cannot be kept");
            }
        }
        Ok(keys)
    }
}

fn pinned(did: &str, path: &Path) -> Result<Vec<VerifyingKey>, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
    file.take(DID_DOCUMENT_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    document::keys(did, &bytes).map_err(|e| wrong(e.to_string()))
}

fn add(identity: &mut Identity, keys: Vec<VerifyingKey>) {
    for key in keys {
        // What the trust file says of a key itself, such as until when it counts, stands.
        if !identity.keys.iter().any(|known| known.key == key) {
            identity.keys.push(TrustedKey { key, from: None, until: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::pact::{Role, read_trust};
    use crate::seal::SigningKey;

    const DID: &str = "did:web:acme.example:shop";
    const NOW: i64 = 1_790_000_000;

    /// A world of one document.
    #[derive(Debug, Default)]
    struct World {
        document: Option<String>,
        asked: Mutex<Vec<String>>,
    }

    impl Fetch for World {
        fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
            self.asked.lock().unwrap().push(url.to_owned());
            self.document.clone().map(String::into_bytes).ok_or_else(|| "the host is down".to_owned())
        }
    }

    fn key(seed: u8) -> VerifyingKey {
        SigningKey::from_seed(&[seed; 32]).verifying()
    }

    fn document(did: &str, seed: u8) -> String {
        let method =
            serde_json::json!({"id": "#k", "type": "Multikey", "controller": did, "publicKeyMultibase": key(seed).multibase()});
        serde_json::json!({"id": did, "verificationMethod": [method]}).to_string()
    }

    fn world(seed: u8) -> World {
        World { document: Some(document(DID, seed)), ..World::default() }
    }

    fn trust(how: &str) -> TrustFile {
        let text = format!("identities: [{{did: '{DID}', {how}, roles: [counterparty]}}]\n");
        let (trust, out) = read_trust(&text);
        trust.unwrap_or_else(|| panic!("{}", out.render("trust", &text)))
    }

    /// The keys that count, and what is told; or why there are none.
    fn resolve(how: &str, dir: &Path, world: &World, now: i64) -> Result<(TrustFile, Vec<String>), String> {
        let mut trust = trust(how);
        let notes = Resolver { beside: dir, cache: Some(dir.join("cache")), fetch: world, now }.resolve(&mut trust)?;
        Ok((trust, notes))
    }

    fn counts(trust: &TrustFile, seed: u8) -> bool {
        trust.allows(DID, &key(seed), Role::Counterparty, NOW)
    }

    #[test]
    fn a_pinned_document_gives_its_keys_to_its_identity_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shop.json"), document(DID, 1)).unwrap();
        let world = world(9);
        let (trust, _) = resolve("document: shop.json", dir.path(), &world, NOW).unwrap();
        assert!(counts(&trust, 1) && !counts(&trust, 9));
        assert!(!trust.allows(DID, &key(1), Role::Agent, NOW), "the role is the trust file's to give");
        assert!(!trust.allows("did:web:acme.example", &key(1), Role::Counterparty, NOW));
        assert!(world.asked.lock().unwrap().is_empty(), "what is pinned is not fetched");
        std::fs::write(dir.path().join("shop.json"), document("did:web:other.example", 1)).unwrap();
        let error = resolve("document: shop.json", dir.path(), &world, NOW).unwrap_err();
        assert!(error.contains("shop.json") && error.contains("another identity"), "{error}");
        let error = resolve("document: none.json", dir.path(), &world, NOW).unwrap_err();
        assert!(error.contains(DID) && error.contains("none.json"), "{error}");
    }

    #[test]
    fn a_fetched_document_is_kept_and_asked_anew_when_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let how = "fetch: {max_age: 1h}";
        let first = world(1);
        assert!(counts(&resolve(how, dir.path(), &first, NOW).unwrap().0, 1));
        assert_eq!(*first.asked.lock().unwrap(), ["https://acme.example/shop/did.json"]);
        let second = world(2);
        let (trust, notes) = resolve(how, dir.path(), &second, NOW + 3_599).unwrap();
        assert!(counts(&trust, 1) && notes.is_empty() && second.asked.lock().unwrap().is_empty());
        let (trust, notes) = resolve(how, dir.path(), &second, NOW + 3_600).unwrap();
        assert!(counts(&trust, 2) && !counts(&trust, 1) && notes.is_empty());
    }

    #[test]
    fn an_old_document_is_used_and_told_while_it_cannot_be_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let how = "fetch: {max_age: 1h}";
        resolve(how, dir.path(), &world(1), NOW).unwrap();
        for down in [World::default(), World { document: Some("<html>".to_owned()), ..World::default() }] {
            let (trust, notes) = resolve(how, dir.path(), &down, NOW + 86_400).unwrap();
            assert!(counts(&trust, 1) && notes.len() == 1 && notes[0].contains("2026-09-21"), "{notes:?}");
        }
        // A clock that was set back makes nothing young.
        let (_, notes) = resolve(how, dir.path(), &World::default(), NOW - 86_400).unwrap();
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn without_any_document_there_are_no_keys_and_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let error = resolve("fetch: {}", dir.path(), &World::default(), NOW).unwrap_err();
        assert!(error.contains(DID) && error.contains("the host is down"), "{error}");
        // Neither from a cache that somebody wrote into.
        resolve("fetch: {}", dir.path(), &world(1), NOW).unwrap();
        let file = std::fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
        for text in ["", "{", &std::fs::read_to_string(&file).unwrap().replace(DID, "did:web:other.example")] {
            std::fs::write(&file, text).unwrap();
            assert!(resolve("fetch: {}", dir.path(), &World::default(), NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_trust_file_says_of_a_key_stands() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shop.json"), document(DID, 1)).unwrap();
        let how = format!("document: shop.json, keys: [{{key: {}, until: 2020-01-01}}]", key(1).multibase());
        let (trust, _) = resolve(&how, dir.path(), &World::default(), NOW).unwrap();
        assert!(!counts(&trust, 1));
    }
}
