//! Canonical bytes, keys and identities: nothing is signed but canonical bytes.
