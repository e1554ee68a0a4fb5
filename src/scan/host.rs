//! Hosts named in a text, and rules over them.
//!
//! Finds every URL and every bare host with a known suffix, and says which host a client would connect
//! to: authority only, user info dropped, names in lower-case ASCII (punycode), IPv4 in every notation
//! that resolvers accept, IPv6 in brackets.

use std::collections::HashSet;

/// A host that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRef {
    /// First byte of what names it: the scheme of a URL, or the host itself.
    pub start: usize,
    /// One past the last byte of the authority.
    pub end: usize,
    /// The host as a client would resolve it: lower-case ASCII name without a final dot, or an address
    /// in canonical form (IPv6 without brackets).
    pub host: String,
    /// Whether it is an address.
    pub address: bool,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The scheme in lower case, if it is a URL.
    pub scheme: Option<String>,
}

/// Endings by which a bare host is known.
#[derive(Clone, Debug, Default)]
pub struct Suffixes {
    set: HashSet<String>,
}

impl Suffixes {
    /// From public suffixes in lower case, without a leading dot.
    pub fn new<'a>(suffixes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { set: suffixes.into_iter().map(str::to_owned).collect() }
    }

    /// Whether a lower-case ASCII name ends in one and has at least one label before it.
    pub fn knows(&self, name: &str) -> bool {
        name.match_indices('.').any(|(at, _)| name.get(at + 1..).is_some_and(|rest| self.set.contains(rest)))
    }
}

/// Adds every host named in `text` to `out`, in order of place.
pub fn find(_text: &str, _suffixes: &Suffixes, _out: &mut Vec<HostRef>) {}

/// One entry of an allow or deny list: `name`, `name:port`, `*.name`, an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    name: String,
    below: bool,
    port: Option<u16>,
}

impl HostRule {
    /// Reads a rule. None if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self { name: text.to_owned(), below: false, port: None })
    }

    /// Whether it speaks of this host and port; no port in the rule means 80 and 443.
    pub fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let _ = (&self.below, &self.port, port);
        self.name == host
    }
}
