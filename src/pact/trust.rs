//! The trust file: who counts. A key printed in a pact proves nothing.

use std::collections::BTreeMap;

use crate::base::names::words;
use crate::seal::VerifyingKey;

use super::pack::Pack;
use super::term::{Date, Period};

words! {
    /// What somebody may sign as.
    Role {
        /// The agent of a pact.
        Agent = "agent",
        /// The counterparty of a pact.
        Counterparty = "counterparty",
        /// The guarantor of a pact.
        Guarantor = "guarantor",
        /// Releases what is held.
        Approver = "approver",
        /// Gives verdicts.
        Judge = "judge",
        /// Signs images.
        Image = "image",
    }
}

words! {
    /// Status of a credential.
    CredentialStatus {
        /// Good.
        Active = "active",
        /// Not now.
        Suspended = "suspended",
        /// Never again.
        Revoked = "revoked",
        /// No longer.
        Expired = "expired",
    }
}

/// Whom and what this deployment trusts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustFile {
    /// Identities by DID.
    pub identities: BTreeMap<String, Identity>,
    /// Status of credentials by id.
    pub credentials: BTreeMap<String, CredentialStatus>,
    /// Packs besides those that come with the binary.
    pub packs: Vec<TrustedPack>,
    /// DIDs that may sign images; empty: an image is a cache and is compared with its sources.
    pub images: Vec<String>,
}

/// Somebody who counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The keys, each with the time in which its signatures count.
    pub keys: Vec<TrustedKey>,
    /// What they may sign as.
    pub roles: Vec<Role>,
    /// Where further keys of theirs stand. Whoever reads the file has yet to look there.
    pub document: Option<Document>,
}

/// Where the `did:web` document of an identity is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// In this file; a relative name is taken from the folder of the trust file.
    Pinned(String),
    /// Where the DID says; what was fetched is good for so long.
    Fetched(Period),
}

/// A key and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedKey {
    /// The key.
    pub key: VerifyingKey,
    /// From when, inclusive; none: always.
    pub from: Option<Date>,
    /// Until when, exclusive; none: for good.
    pub until: Option<Date>,
}

/// A pack that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedPack {
    /// Its name.
    pub pack: String,
    /// Its version.
    pub version: String,
    /// `sha256:…` of its file.
    pub digest: String,
}

impl TrustFile {
    /// Whether a signature of this key, made at this time, counts for this identity in this role.
    pub fn allows(&self, did: &str, key: &VerifyingKey, role: Role, at: i64) -> bool {
        self.identities.get(did).is_some_and(|identity| {
            identity.roles.contains(&role)
                && identity.keys.iter().any(|k| {
                    k.key == *key && k.from.is_none_or(|from| from.at <= at) && k.until.is_none_or(|until| at < until.at)
                })
        })
    }

    /// Has an identity sign with a new key from a day on, and with the old one only before it. What the file says of
    /// the new key stands. An identity that the file does not know stays unknown.
    pub(super) fn replace_key(&mut self, did: &str, old: &VerifyingKey, new: VerifyingKey, from: Date) {
        let Some(identity) = self.identities.get_mut(did) else { return };
        for key in identity.keys.iter_mut().filter(|k| k.key == *old) {
            key.until = Some(key.until.map_or(from, |until| until.min(from)));
        }
        if !identity.keys.iter().any(|k| k.key == new) {
            identity.keys.push(TrustedKey { key: new, from: Some(from), until: None });
        }
    }

    /// Whether a pack that did not come with the binary may be used.
    pub fn allows_pack(&self, pack: &Pack) -> bool {
        self.packs.iter().any(|p| p.pack == pack.name && p.version == pack.version && p.digest == pack.digest)
    }
}
