//! `facts`: which header of which hop tells the guard what.

use http::HeaderName;
use ipnet::IpNet;

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{Node, Value};
use crate::base::limits::CONFIG_ENTRIES_MAX;

use super::read::Section;
use super::value::network;

/// A fact and the header that carries it. It counts only from a listed hop, on the inbound lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSource {
    /// Name of the fact, as in the pact.
    pub fact: String,
    /// The header.
    pub header: HeaderName,
    /// The hops it is believed from.
    pub from: Vec<IpNet>,
}

/// What happens when a pact needs a fact that nothing here tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FactsMissing {
    /// The pact is not loaded.
    #[default]
    Error,
    /// The pact is loaded; the fact counts as unknown.
    Accept,
}

/// Reads `facts_missing`.
pub(super) fn missing(root: &Section<'_>, out: &mut Diagnostics) -> FactsMissing {
    root.word("facts_missing", &[("error", FactsMissing::Error), ("accept", FactsMissing::Accept)], FactsMissing::Error, out)
}

/// Reads the map.
pub(super) fn read(root: &Section<'_>, out: &mut Diagnostics) -> Vec<FactSource> {
    let Some(node) = root.node("facts") else { return Vec::new() };
    if !matches!(node.value, Value::Map(_)) {
        root.wrong("facts", node, "a map from fact to source", out);
        return Vec::new();
    }
    let mut sources = Vec::new();
    for (key, value) in node.entries() {
        if !is_fact(&key.text) {
            out.error("bad_name", format!("facts.{}", key.text), key.span, format!("`{}` is not the name of a fact", key.text))
                .help("dotted lower-case words, such as task.type or caller.account_holder_verified");
        }
        sources.extend(one(&key.text, value, out));
    }
    sources
}

fn one(fact: &str, node: &Node, out: &mut Diagnostics) -> Option<FactSource> {
    let section = Section::open(Some(node), format!("facts.{fact}"), &["header", "from", "claim", "mtls"], out);
    let instead = "{header: x-name, from: [the addresses of the hop that sets it]}";
    section.refuse("claim", "facts from token claims are not in this build", instead, out);
    section.refuse("mtls", "facts from client certificates are not in this build", instead, out);
    if section.node("claim").or_else(|| section.node("mtls")).is_some() || !section.given() {
        return None;
    }
    let header = header(&section, out);
    let mut from = Vec::new();
    for item in section.list("from", CONFIG_ENTRIES_MAX, out) {
        match item.text().and_then(network) {
            Some(known) => from.push(known),
            None => {
                section.wrong("from", item, "a list of networks", out).help("such as 10.0.0.0/8, ::1/128 or 127.0.0.1");
            }
        }
    }
    if section.node("from").is_none() {
        out.error("missing", section.at("from"), section.span(), format!("`{fact}` names no hop that may tell it"))
            .help("from: [10.0.0.0/8], the addresses of the gateway that sets the header");
    }
    Some(FactSource { fact: fact.to_owned(), header: header?, from })
}

fn header(section: &Section<'_>, out: &mut Diagnostics) -> Option<HeaderName> {
    let Some(text) = section.text("header", out) else {
        if section.node("header").is_none() {
            out.error("missing", section.at("header"), section.span(), "the header that carries the fact is missing")
                .help("header: x-task-type");
        }
        return None;
    };
    let header = HeaderName::try_from(text).ok();
    let span = section.node("header").map_or_else(|| section.span(), |n| n.span);
    match &header {
        None => {
            out.error("bad_header", section.at("header"), span, format!("`{text}` is not a header name"))
                .help("such as x-task-type");
        }
        // Secrets pass untouched and are never looked at.
        Some(h) if [http::header::AUTHORIZATION, http::header::COOKIE, http::header::PROXY_AUTHORIZATION].contains(h) => {
            out.error("bad_header", section.at("header"), span, format!("`{text}` carries secrets and is never read"))
                .help("let the gateway put the fact into a header of its own");
        }
        Some(_) => {}
    }
    header
}

fn is_fact(name: &str) -> bool {
    name.len() <= 64
        && name.split('.').all(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
}
