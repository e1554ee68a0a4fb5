//! Digests, Ed25519 keys and signatures.
//!
//! Promises: verification is strict (canonical encodings, no small-order points), a secret key is
//! wiped when dropped, and neither `Debug` nor any error shows it. A key file is one line: the secret
//! key in multibase, readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ed25519_dalek::Signer as _;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::canon::SealError;
use super::encode;

/// Multicodec of an Ed25519 public key, as a varint.
const PUBLIC: [u8; 2] = [0xed, 0x01];
/// Multicodec of an Ed25519 secret key, as a varint.
const SECRET: [u8; 2] = [0x80, 0x26];
/// A key file longer than this is none.
const FILE_MAX: u64 = 256;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The SHA-256 digest of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

impl Digest {
    /// As lower-case hex.
    pub fn hex(&self) -> String {
        encode::hex(&self.0)
    }

    /// As unpadded base64url: 43 characters.
    pub fn base64url(&self) -> String {
        encode::base64url(&self.0)
    }

    /// Reads what [`Self::base64url`] writes.
    pub fn parse_base64url(text: &str) -> Option<Self> {
        encode::parse_base64url(text)?.try_into().ok().map(Self)
    }

    /// Reads what [`Self::hex`] writes.
    pub fn parse_hex(text: &str) -> Option<Self> {
        encode::parse_hex(text)?.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({})", self.base64url())
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base64url())
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_base64url(&text).ok_or_else(|| serde::de::Error::custom("expected 43 characters of base64url"))
    }
}

/// A secret Ed25519 key. Wiped when dropped; not cloneable, so that it has one owner.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A fresh key from the operating system's random source.
    pub fn generate() -> Result<Self, SealError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| SealError::NoRandom)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a key file.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let io = |error| SealError::File(path.to_owned(), error);
        // Room for the whole file at once: a buffer that grows would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(FILE_MAX as usize + 1));
        File::open(path).map_err(io)?.take(FILE_MAX + 1).read_to_string(&mut text).map_err(io)?;
        Self::parse(text.trim_end())
    }

    /// Reads a secret key in multibase (`z3u2…`).
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bad = || SealError::BadKey("expected a secret key in multibase (z3u2…)");
        let base58 = text.strip_prefix('z').filter(|t| t.len() <= 64).ok_or_else(bad)?;
        let bytes = Zeroizing::new(bs58::decode(base58).into_vec().map_err(|_| bad())?);
        let seed = bytes.strip_prefix(&SECRET).and_then(|b| <&[u8; 32]>::try_from(b).ok()).ok_or_else(bad)?;
        Ok(Self::from_seed(seed))
    }

    /// Writes a new key file that only its owner may read; one that exists is never overwritten.
    pub fn to_file(&self, path: &Path) -> Result<(), SealError> {
        let io = |error| SealError::File(path.to_owned(), error);
        let mut bytes = Zeroizing::new([0u8; 34]);
        for (to, from) in bytes.iter_mut().zip(SECRET.iter().chain(self.0.as_bytes())) {
            *to = *from;
        }
        let text = Zeroizing::new(format!("z{}\n", Zeroizing::new(bs58::encode(bytes.as_ref()).into_string()).as_str()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
    }

    /// The public half.
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `message`. Deterministic: the same key and bytes give the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying())
    }
}

/// A public Ed25519 key, known to be canonically encoded and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SealError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| SealError::BadKey("not a point of the curve"))?;
        if key.is_weak() {
            return Err(SealError::BadKey("a point of small order"));
        }
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(SealError::BadKey("not the canonical encoding of its point"));
        }
        Ok(Self(key))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Reads multibase (`z6Mk…`).
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bad = || SealError::BadKey("expected an Ed25519 key in multibase (z6Mk…)");
        let base58 = text.strip_prefix('z').filter(|t| t.len() <= 64).ok_or_else(bad)?;
        let bytes = bs58::decode(base58).into_vec().map_err(|_| bad())?;
        let key = bytes.strip_prefix(&PUBLIC).and_then(|b| <&[u8; 32]>::try_from(b).ok()).ok_or_else(bad)?;
        Self::from_bytes(key)
    }

    /// As multibase (`z6Mk…`).
    pub fn multibase(&self) -> String {
        let bytes: Vec<u8> = PUBLIC.iter().chain(self.as_bytes()).copied().collect();
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// As `did:key:z6Mk…`.
    pub fn did_key(&self) -> String {
        format!("did:key:{}", self.multibase())
    }

    /// Whether `signature` was made over `message` by the secret half, checked strictly.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SealError> {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).map_err(|_| SealError::BadSignature)
    }
}

impl std::fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.multibase())
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl serde::Serialize for VerifyingKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for VerifyingKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature. Its bytes identify nothing: compare what was signed, not the signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// As unpadded base64url.
    pub fn base64url(&self) -> String {
        encode::base64url(&self.0)
    }

    /// Reads what [`Self::base64url`] writes.
    pub fn parse_base64url(text: &str) -> Option<Self> {
        encode::parse_base64url(text)?.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({})", self.base64url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_text() {
        // The first test vector of the did:key method.
        let text = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        let key = VerifyingKey::parse(text).unwrap();
        assert_eq!(encode::hex(key.as_bytes()), "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
        assert_eq!(key.multibase(), text);
        assert_eq!(SigningKey::from_seed(&[0; 32]).verifying(), key);
        for bad in ["", "z", "6MkiTBz1", "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW", "zzzzzzzzzzzzzzzz"] {
            assert!(VerifyingKey::parse(bad).is_err());
        }
    }

    #[test]
    fn weak_and_crooked_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert!(VerifyingKey::from_bytes(&identity).is_err());
        assert!(VerifyingKey::from_bytes(&[0; 32]).is_err());
        // p + 3, a second encoding of y = 3 if that is a point at all; never accepted.
        let mut crooked = [0xff; 32];
        crooked[31] = 0x7f;
        for low in 0xed..=0xff {
            crooked[0] = low;
            assert!(VerifyingKey::from_bytes(&crooked).is_err(), "{low:x}");
        }
    }

    #[test]
    fn a_signature_fits_one_message() {
        let key = SigningKey::generate().unwrap();
        let signature = key.sign(b"message");
        assert_eq!(signature, key.sign(b"message"));
        key.verifying().verify(b"message", &signature).unwrap();
        assert!(key.verifying().verify(b"messagf", &signature).is_err());
        for bit in 0..512 {
            let mut bytes = signature.0;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(key.verifying().verify(b"message", &Signature(bytes)).is_err(), "bit {bit}");
        }
    }

    /// S + L verifies for a careless verifier; here it must not.
    #[test]
    fn signatures_are_not_malleable() {
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = SigningKey::generate().unwrap();
        let mut signature = key.sign(b"m");
        let mut carry = 0u16;
        for (s, l) in signature.0[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            *s = sum as u8;
            carry = sum >> 8;
        }
        assert!(key.verifying().verify(b"m", &signature).is_err());
    }

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let key = SigningKey::generate().unwrap();
        key.to_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::from_file(&path).unwrap().verifying(), key.verifying());
        assert!(matches!(key.to_file(&path), Err(SealError::File(..))));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("z3u2"), "{text}");
        assert!(!format!("{key:?}").contains(text.trim().trim_start_matches("z3u2")));
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        assert!(SigningKey::from_file(&path).is_err());
    }
}
