//! The subject: who promises to whom. Nothing about behaviour may stand there.

use crate::pact::model::{Runtime, Subject};
use crate::seal::{VerifyingKey, did as dids};

use super::confusions;
use super::cursor::{At, Reader};

pub(super) fn subject(r: &mut Reader<'_>, at: &At<'_>) -> Subject {
    const KEYS: &[&str] =
        &["agent", "agent_key", "runtimes", "counterparty", "guarantor", "capability", "archetype", "credential"];
    let mut out = Subject::default();
    if !r.map(at, KEYS, Some(confusions::in_subject)) {
        return out;
    }
    let mut party = |key: &str| at.get(key).and_then(|v| did(r, &v));
    out.agent = party("agent");
    out.counterparty = party("counterparty");
    out.guarantor = party("guarantor");
    if let Some(key) = at.get("agent_key")
        && let Some(text) = r.text(&key)
    {
        if VerifyingKey::parse(text).is_ok() {
            out.agent_key = Some(text.to_owned());
        } else {
            r.error("bad_key", &key, format!("`{text}` is no Ed25519 key in multibase"))
                .help("`servanda keygen` prints one: `z6Mk…`");
        }
    }
    let mut label = |key: &str| {
        let value = at.get(key)?;
        let text = r.text(&value)?;
        if confusions::is_prose(text) {
            r.error("C2", &value, format!("`{key}` is a name; this reads like a promise"))
                .help("write what the agent does as `predicates`; the subject only names the parties");
            return None;
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !text.bytes().all(plain) || text.len() > 63 {
            r.error("bad_name", &value, format!("`{text}` is no name")).help("lower-case letters, digits, `-` and `_`");
            return None;
        }
        Some(text.to_owned())
    };
    out.capability = label("capability");
    out.archetype = label("archetype");
    for item in at.get("runtimes").map_or_else(Vec::new, |v| r.list(&v, false)) {
        out.runtimes.extend(runtime(r, &item));
    }
    if let Some(credential) = at.get("credential")
        && r.map(&credential, &["id"], Some(confusions::in_subject))
        && let Some(id) = r.needed(&credential, "id", "the trust file says the status of a credential by its id")
    {
        out.credential = r.text(&id).map(str::to_owned);
    }
    if let Some(place) = at.get("guarantor").filter(|_| out.agent.is_some() && out.agent == out.guarantor) {
        r.error("same_party", &place, "the agent cannot guarantee for itself").help("name somebody else, or drop it");
    }
    out
}

/// One runtime: model, version, configuration.
pub(super) fn runtime(r: &mut Reader<'_>, at: &At<'_>) -> Option<Runtime> {
    if !r.map(at, &["model", "model_version", "config_hash"], Some(confusions::in_subject)) {
        return None;
    }
    let model = r.needed(at, "model", "a runtime is named by its model")?;
    let mut text = |v: Option<At<'_>>| v.and_then(|v| r.text(&v).map(str::to_owned));
    let model = text(Some(model));
    let (model_version, config_hash) = (text(at.get("model_version")), text(at.get("config_hash")));
    if let (Some(hash), Some(place)) = (&config_hash, at.get("config_hash")) {
        let hex = hash.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            r.error("bad_digest", &place, "this is no digest").help("`sha256:` and 64 hexadecimal digits in lower case");
        }
    }
    model.map(|model| Runtime { model, model_version, config_hash })
}

/// A DID that this build can read.
pub(super) fn did(r: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
    let text = r.text(at)?;
    if confusions::is_prose(text) {
        r.error("C2", at, "a party is named here; this reads like a promise")
            .help("write what the agent does as `predicates`, and name the party by its DID");
        return None;
    }
    match dids::check(text) {
        Ok(()) => Some(text.to_owned()),
        Err(error) => {
            let report = r.error("bad_did", at, format!("`{text}` names nobody: {error}"));
            report.help("`did:web:vendor.example:agents:support`, or the `did:key:z6Mk…` that `servanda keygen` prints");
            None
        }
    }
}
