//! The trust file as text, and the signatures of a sealed pact.

use crate::base::diagnostic::Diagnostics;
use crate::base::document;
use crate::pact::signature::PactSignature;
use crate::pact::term::{Date, Period};
use crate::pact::trust::{CredentialStatus, Document, Identity, Role, TrustFile, TrustedKey, TrustedPack};
use crate::seal::{Signature, VerifyingKey, did as dids};

use super::cursor::{At, Reader};
use super::subject::did;

/// Reads a trust file; every mistake is told at once.
pub fn read_trust(text: &str) -> (Option<TrustFile>, Diagnostics) {
    let node = match document::parse(text) {
        Ok(node) => node,
        Err(mistakes) => return (None, mistakes),
    };
    let mut r = Reader { source: text, out: Diagnostics::default() };
    let root = At { node: &node, path: String::new() };
    let mut out = TrustFile::default();
    if r.map(&root, &["identities", "credentials", "packs", "images"], None) {
        for item in root.get("identities").map_or_else(Vec::new, |i| r.list(&i, false)) {
            identity(&mut r, &item, &mut out);
        }
        for item in root.get("credentials").map_or_else(Vec::new, |c| r.list(&c, false)) {
            if !r.map(&item, &["id", "status"], None) {
                continue;
            }
            let id = r.needed(&item, "id", "which credential").and_then(|i| r.text(&i).map(str::to_owned));
            let status = r.needed(&item, "status", "active, suspended, revoked or expired");
            let status = status.and_then(|s| r.word(&s, CredentialStatus::ALL, CredentialStatus::as_str));
            if let (Some(id), Some(status)) = (id, status)
                && out.credentials.insert(id.clone(), status).is_some()
            {
                r.error("duplicate_id", &item, format!("the credential `{id}` stands twice"));
            }
        }
        for item in root.get("packs").map_or_else(Vec::new, |p| r.list(&p, false)) {
            if !r.map(&item, &["pack", "version", "digest"], None) {
                continue;
            }
            let mut text =
                |key| r.needed(&item, key, "a pack is trusted by its digest").and_then(|n| r.text(&n).map(str::to_owned));
            if let (Some(pack), Some(version), Some(digest)) = (text("pack"), text("version"), text("digest")) {
                out.packs.push(TrustedPack { pack, version, digest });
            }
        }
        for item in root.get("images").map_or_else(Vec::new, |i| r.list(&i, true)) {
            out.images.extend(did(&mut r, &item));
        }
    }
    r.out.sort();
    if r.out.has_errors() { (None, r.out) } else { (Some(out), r.out) }
}

fn identity(r: &mut Reader<'_>, at: &At<'_>, out: &mut TrustFile) {
    if !r.map(at, &["did", "keys", "document", "fetch", "roles"], None) {
        return;
    }
    let Some(place) = r.needed(at, "did", "who") else { return };
    let Some(name) = did(r, &place) else { return };
    let mut identity = Identity::default();
    // A did:key carries its key.
    if let Ok(key) = dids::did_key(&name)
        && at.get("keys").is_none()
    {
        identity.keys.push(TrustedKey { key, from: None, until: None });
    }
    for item in at.get("keys").map_or_else(Vec::new, |k| r.list(&k, false)) {
        if !r.map(&item, &["key", "from", "until"], None) {
            continue;
        }
        let Some(place) = r.needed(&item, "key", "multibase, as `servanda keygen` prints it") else { continue };
        let Some(text) = r.text(&place) else { continue };
        let Ok(key) = VerifyingKey::parse(text) else {
            r.error("bad_key", &place, "no Ed25519 key in multibase");
            continue;
        };
        let mut date = |name: &str| {
            let place = item.get(name)?;
            let date = r.text(&place).and_then(|t| Date::parse(t, "UTC"));
            if date.is_none() {
                r.error("bad_date", &place, "no date").help("`2026-12-01`; it begins at 00:00 UTC");
            }
            date
        };
        let (from, until) = (date("from"), date("until"));
        identity.keys.push(TrustedKey { key, from, until });
    }
    identity.document = document(r, at, &name);
    if identity.keys.is_empty() && identity.document.is_none() {
        r.error("missing_key", at, "an identity without keys can sign nothing").help("add `keys: [{key: z6Mk…}]`");
    }
    if let Some(roles) = r.needed(at, "roles", "agent, counterparty, guarantor, approver, judge or image") {
        identity.roles = r.words(&roles, true, Role::ALL, Role::as_str);
    }
    if out.identities.insert(name.clone(), identity).is_some() {
        r.error("duplicate_id", &place, format!("`{name}` stands twice")).help("list its keys under one entry");
    }
}

/// Where the document of a `did:web` is found: pinned, or fetched.
fn document(r: &mut Reader<'_>, at: &At<'_>, did: &str) -> Option<Document> {
    let (pinned, fetched) = (at.get("document"), at.get("fetch"));
    let place = pinned.as_ref().or(fetched.as_ref())?;
    if !did.starts_with("did:web:") {
        r.error("contradiction", place, "only a did:web has a document").help("list its keys under `keys`");
        return None;
    }
    if pinned.is_some() && fetched.is_some() {
        r.error("contradiction", place, "a document is pinned or fetched").help("leave out `fetch` to use the file alone");
        return None;
    }
    if let Some(file) = pinned {
        return r.text(&file).map(|file| Document::Pinned(file.to_owned()));
    }
    let fetch = fetched?;
    if !r.map(&fetch, &["max_age"], None) {
        return None;
    }
    let day = Some(Period { months: 0, seconds: 86_400 });
    fetch.get("max_age").map_or(day, |age| r.period(&age)).map(Document::Fetched)
}

/// The signatures of a sealed pact; their form only.
pub(super) fn signatures(r: &mut Reader<'_>, at: &At<'_>) -> Vec<PactSignature> {
    let mut out = Vec::new();
    for item in r.list(at, false) {
        if !r.map(&item, &["at", "by", "key", "role", "signature"], None) {
            continue;
        }
        let why = "a signature says when, by whom, with which key and in which role";
        let time = r.needed(&item, "at", why).and_then(|t| r.count(&t)).and_then(|t| i64::try_from(t).ok());
        let by = r.needed(&item, "by", why).and_then(|b| did(r, &b));
        let key = r.needed(&item, "key", why).and_then(|k| {
            let key = r.text(&k).and_then(|t| VerifyingKey::parse(t).ok());
            if key.is_none() {
                r.error("bad_key", &k, "no Ed25519 key in multibase");
            }
            key
        });
        let role = r.needed(&item, "role", why).and_then(|p| r.word(&p, Role::ALL, Role::as_str));
        let signature = r.needed(&item, "signature", why).and_then(|s| {
            let signature = r.text(&s).and_then(Signature::parse_base64url);
            if signature.is_none() {
                r.error("bad_signature", &s, "no Ed25519 signature in base64url");
            }
            signature
        });
        if let (Some(at), Some(by), Some(key), Some(role), Some(signature)) = (time, by, key, role, signature) {
            out.push(PactSignature { at, by, key, role, signature });
        }
    }
    out
}
