//! One signature of a party, and the bytes that it covers.

use crate::seal::{Digest, SealError, Signature, VerifyingKey, canon};

use super::trust::Role;

/// One signature of a party.
#[derive(Clone, Debug, PartialEq)]
pub struct PactSignature {
    /// Unix seconds.
    pub at: i64,
    /// DID of who signed.
    pub by: String,
    /// The key that was used.
    pub key: VerifyingKey,
    /// As what.
    pub role: Role,
    /// Over the signed bytes.
    pub signature: Signature,
}

impl PactSignature {
    /// The fields but the signature, as they are signed and printed.
    pub(super) fn head(&self) -> serde_json::Value {
        serde_json::json!({"at": self.at, "by": self.by, "key": self.key.multibase(), "role": self.role.as_str()})
    }

    /// The signed bytes of a document whose kind has this first line.
    pub(super) fn message(&self, first_line: &str, document: &Digest) -> Result<Vec<u8>, SealError> {
        let mut out = format!("{first_line}{}\n", document.hex()).into_bytes();
        out.extend(canon::to_canonical(&self.head())?);
        Ok(out)
    }
}

/// A document from its canonical form with its signatures, as JSON for people to read.
pub(super) fn sealed_json(canonical: &[u8], signatures: &[PactSignature]) -> Result<String, SealError> {
    let broken = || SealError::NotCanonical { at: 0, why: "the document is no JSON object" };
    let mut document: serde_json::Value = serde_json::from_slice(canonical).map_err(|_| broken())?;
    let signatures = signatures.iter().map(|s| {
        let mut out = s.head();
        if let Some(map) = out.as_object_mut() {
            map.insert("signature".to_owned(), s.signature.base64url().into());
        }
        out
    });
    let signatures: Vec<_> = signatures.collect();
    document.as_object_mut().ok_or_else(broken)?.insert("signatures".to_owned(), signatures.into());
    let mut text = serde_json::to_string_pretty(&document).map_err(|_| broken())?;
    text.push('\n');
    Ok(text)
}
