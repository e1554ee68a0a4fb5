//! Seals: canonical bytes, digests, Ed25519 keys and the DIDs that name them.
//!
//! Promise of the folder: nothing is signed but canonical bytes behind a fixed first line, every
//! signature is checked strictly, and a secret key is wiped when it is dropped and never printed.

pub mod canon;
pub mod did;
pub mod document;
pub mod encode;
pub mod key;

pub use canon::SealError;
pub use key::{Digest, Signature, SigningKey, VerifyingKey, digest};
