//! One signature of a party, and the bytes that it covers.

use crate::seal::{Digest, SealError, Signature, VerifyingKey, canon};

use super::trust::Role;

/// First line of the signed bytes.
const FIRST_LINE: &str = "servanda pact v1\n";

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

    /// The signed bytes.
    pub(super) fn message(&self, document: &Digest) -> Result<Vec<u8>, SealError> {
        let mut out = format!("{FIRST_LINE}{}\n", document.hex()).into_bytes();
        out.extend(canon::to_canonical(&self.head())?);
        Ok(out)
    }
}
