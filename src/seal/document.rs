//! A `did:web` document to the keys that sign for its identity.
//!
//! Promises: only a document that names the very identity counts, and of it only Ed25519 keys of its own, in
//! the two forms that are written today (`publicKeyMultibase` of a Multikey, `publicKeyJwk` of kind OKP). Where
//! it says by `assertionMethod` which keys sign, the others are left out. What it does not do: fetch anything,
//! or say who counts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::canon::SealError;
use super::did::check;
use super::encode;
use super::key::VerifyingKey;
use crate::base::limits::{DID_DOCUMENT_KEYS_MAX, DID_DOCUMENT_MAX};

/// Where the document of a `did:web` lies: `https` alone.
///
/// # Errors
/// It is no `did:web`.
pub fn place(did: &str) -> Result<String, SealError> {
    check(did)?;
    let rest = did.strip_prefix("did:web:").ok_or(SealError::BadDid("only a did:web has a document"))?;
    let (host, path) = rest.split_once(':').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.replace("%3A", ":");
    match path {
        Some(path) if path.split(':').any(|segment| matches!(segment, "." | "..") || segment.contains('%')) => {
            Err(SealError::BadDid("a path segment that names another place"))
        }
        Some(path) => Ok(format!("https://{host}/{}/did.json", path.replace(':', "/"))),
        None => Ok(format!("https://{host}/.well-known/did.json")),
    }
}

/// The keys that sign for `did`, by its document. Never none.
///
/// # Errors
/// It is no document of this identity, or holds no key that we read.
pub fn keys(did: &str, document: &[u8]) -> Result<Vec<VerifyingKey>, SealError> {
    if document.len() > DID_DOCUMENT_MAX {
        return Err(SealError::BadDid("its document is too large"));
    }
    let document: Value = serde_json::from_slice(document).map_err(|_| SealError::BadDid("its document is no JSON"))?;
    if document.get("id").and_then(Value::as_str) != Some(did) {
        return Err(SealError::BadDid("its document speaks of another identity"));
    }
    let methods = list(&document, "verificationMethod")?;
    let signing = document.get("assertionMethod").map(|_| list(&document, "assertionMethod")).transpose()?;
    let named: Option<BTreeSet<String>> =
        signing.map(|list| list.iter().filter_map(Value::as_str).map(|id| whole(did, id)).collect());
    let within = signing.into_iter().flatten().filter_map(Value::as_object);
    let beside = methods.iter().filter_map(Value::as_object).filter(|method| {
        let id = method.get("id").and_then(Value::as_str).map(|id| whole(did, id));
        named.as_ref().is_none_or(|named| id.is_some_and(|id| named.contains(&id)))
    });
    let mut keys = Vec::new();
    for method in within.chain(beside) {
        if let Some(key) = key(did, method)?
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(SealError::BadDid("its document has no Ed25519 key that signs for it")) } else { Ok(keys) }
}

fn list<'d>(document: &'d Value, name: &str) -> Result<&'d [Value], SealError> {
    match document.get(name) {
        None => Ok(&[]),
        Some(Value::Array(list)) if list.len() <= DID_DOCUMENT_KEYS_MAX => Ok(list),
        Some(Value::Array(_)) => Err(SealError::BadDid("its document has too many keys")),
        Some(_) => Err(SealError::BadDid("its document names keys otherwise than in a list")),
    }
}

/// `#key-1` within the document of a DID is `did:…#key-1`.
fn whole(did: &str, id: &str) -> String {
    if id.starts_with('#') { format!("{did}{id}") } else { id.to_owned() }
}

/// The key of one method; none where it is of a kind that we do not read, another's, or no longer good.
fn key(did: &str, method: &Map<String, Value>) -> Result<Option<VerifyingKey>, SealError> {
    let text = |name: &str| method.get(name).and_then(Value::as_str);
    let own = text("controller") == Some(did) && text("id").is_some_and(|id| whole(did, id).starts_with(&format!("{did}#")));
    let over = method.contains_key("revoked") || method.contains_key("expires");
    if !own || over {
        return Ok(None);
    }
    match text("type") {
        Some("Multikey" | "Ed25519VerificationKey2020") => {
            // Other curves have other prefixes, and are not ours to read.
            Ok(text("publicKeyMultibase").and_then(|multibase| VerifyingKey::parse(multibase).ok()))
        }
        Some("JsonWebKey2020" | "JsonWebKey") => {
            let Some(jwk) = method.get("publicKeyJwk").and_then(Value::as_object) else { return Ok(None) };
            if jwk.contains_key("d") {
                return Err(SealError::BadDid("its document shows a secret key, which anybody may use now"));
            }
            let text = |name: &str| jwk.get(name).and_then(Value::as_str);
            if (text("kty"), text("crv")) != (Some("OKP"), Some("Ed25519")) {
                return Ok(None);
            }
            let bytes = text("x").and_then(encode::parse_base64url).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            Ok(bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::seal::key::SigningKey;

    const DID: &str = "did:web:acme.example:shop";

    fn signing(seed: u8) -> VerifyingKey {
        SigningKey::from_seed(&[seed; 32]).verifying()
    }

    fn multikey(id: &str, seed: u8) -> Value {
        json!({"id": id, "type": "Multikey", "controller": DID, "publicKeyMultibase": signing(seed).multibase()})
    }

    fn jwk(id: &str, seed: u8) -> Value {
        let x = encode::base64url(signing(seed).as_bytes());
        json!({"id": id, "type": "JsonWebKey2020", "controller": DID, "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": x}})
    }

    fn read(document: &Value) -> Result<Vec<VerifyingKey>, SealError> {
        keys(DID, document.to_string().as_bytes())
    }

    #[test]
    fn places() {
        for (did, wanted) in [
            ("did:web:acme.example", "https://acme.example/.well-known/did.json"),
            ("did:web:acme.example%3A8443", "https://acme.example:8443/.well-known/did.json"),
            ("did:web:acme.example:agents:support", "https://acme.example/agents/support/did.json"),
            ("did:web:localhost%3A3000:a.b_c", "https://localhost:3000/a.b_c/did.json"),
        ] {
            assert_eq!(place(did).unwrap(), wanted);
        }
        let key = signing(1).did_key();
        for bad in [key.as_str(), "did:web:a.example:..:b", "did:web:a.example:%2e%2e", "did:web:a/b", "did:web:user@host", "web"]
        {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_forms_of_a_key_are_read() {
        let document = json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": DID,
            "verificationMethod": [multikey("#one", 1), jwk(&format!("{DID}#two"), 2), multikey("#again", 1)],
        });
        assert_eq!(read(&document).unwrap(), [signing(1), signing(2)]);
    }

    #[test]
    fn where_it_says_which_keys_sign_the_others_do_not() {
        let document = json!({
            "id": DID,
            "verificationMethod": [multikey("#sign", 1), multikey("#login", 2)],
            "authentication": ["#login"],
            "assertionMethod": [format!("{DID}#sign"), multikey("#inside", 3)],
        });
        let read_keys = read(&document).unwrap();
        assert!(read_keys.contains(&signing(1)) && read_keys.contains(&signing(3)) && read_keys.len() == 2);
        let document = json!({"id": DID, "verificationMethod": [multikey("#login", 2)], "assertionMethod": []});
        assert!(read(&document).is_err());
    }

    #[test]
    fn what_is_not_its_own_or_not_good_does_not_count() {
        let mut other = multikey("#a", 1);
        other["controller"] = "did:web:other.example".into();
        let mut foreign = multikey("did:web:other.example#a", 1);
        foreign["controller"] = DID.into();
        let mut revoked = multikey("#b", 1);
        revoked["revoked"] = "2026-01-01T00:00:00Z".into();
        let mut curve = jwk("#c", 1);
        curve["publicKeyJwk"]["crv"] = "X25519".into();
        let mut short = jwk("#d", 1);
        short["publicKeyJwk"]["x"] = "AAAA".into();
        let kind =
            json!({"id": "#e", "type": "EcdsaSecp256k1VerificationKey2019", "controller": DID, "publicKeyMultibase": "zQ3s"});
        let nameless = json!({"type": "Multikey", "controller": DID, "publicKeyMultibase": signing(1).multibase()});
        for method in [other, foreign, revoked, curve, short, kind, nameless, json!("#f"), json!(null)] {
            let error = read(&json!({"id": DID, "verificationMethod": [method]})).unwrap_err().to_string();
            assert!(error.contains("no Ed25519 key"), "{method}: {error}");
        }
    }

    #[test]
    fn hostile_documents_are_refused() {
        let mut secret = jwk("#a", 1);
        secret["publicKeyJwk"]["d"] = "AAAA".into();
        let many: Vec<Value> = (0..=DID_DOCUMENT_KEYS_MAX).map(|n| multikey(&format!("#{n}"), 1)).collect();
        for (document, why) in [
            (json!({"id": "did:web:acme.example", "verificationMethod": [multikey("#a", 1)]}), "another identity"),
            (json!({"verificationMethod": [multikey("#a", 1)]}), "another identity"),
            (json!([]), "another identity"),
            (json!({"id": DID, "verificationMethod": [secret]}), "secret key"),
            (json!({"id": DID, "verificationMethod": many}), "too many"),
            (json!({"id": DID, "verificationMethod": {"a": 1}}), "in a list"),
        ] {
            let error = read(&document).unwrap_err().to_string();
            assert!(error.contains(why), "{document}: {error}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for bytes in ["".as_bytes(), b"{", b"<html>", &[0xff], deep.get(..60_000).unwrap_or_default().as_bytes()] {
            assert!(keys(DID, bytes).unwrap_err().to_string().contains("no JSON"));
        }
        assert!(keys(DID, &vec![b' '; DID_DOCUMENT_MAX + 1]).unwrap_err().to_string().contains("too large"));
    }
}
