//! Hosts named in a text, and rules over them.
//!
//! Finds every URL and every bare host with a known suffix, and says which host a client would connect
//! to: authority only, user info dropped, names in lower case without a final dot, IPv4 in every notation
//! that resolvers accept (decimal, octal, hexadecimal, short), IPv6 in brackets, back slashes read as
//! slashes as browsers do. A name with characters beyond ASCII is given in lower case and Unicode form
//! when it is not already punycode; rules compare both sides after the same treatment. What looks like a
//! URL and has no host that can be read is given with an empty host, so that no list allows it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest name of a host (RFC 1035).
const NAME_MAX: usize = 253;

/// Bytes looked at for one authority.
const AUTHORITY_MAX: usize = 1024;

/// A host that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRef {
    /// First byte of what names it: the scheme of a URL, or the host itself.
    pub start: usize,
    /// One past the last byte of the authority.
    pub end: usize,
    /// The host as a client would resolve it: lower-case name without a final dot, or an address
    /// in canonical form (IPv6 without brackets). Empty if it cannot be read.
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
        name.match_indices('.').any(|(at, _)| at > 0 && name.get(at + 1..).is_some_and(|rest| self.set.contains(rest)))
    }
}

/// Adds every host named in `text` to `out`, in order of place.
pub fn find(text: &str, suffixes: &Suffixes, out: &mut Vec<HostRef>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    // Up to where a path and a query reach, in which only whole URLs count.
    let mut path_end = 0;
    while let Some(&byte) = bytes.get(at) {
        // A URL: scheme, colon, two slashes of either kind; or two slashes alone.
        if byte == b':' && slashes(bytes, at + 1) >= 2 {
            let start = scheme_start(bytes, at);
            if start < at {
                let from = at + 1 + slashes(bytes, at + 1);
                drop_from(out, start);
                at = url(text, start, Some(at), from, out);
                let rest = bytes.get(at..).unwrap_or_default();
                path_end = at
                    + rest
                        .iter()
                        .position(|b| *b <= b' ' || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'`'))
                        .unwrap_or(rest.len());
                continue;
            }
        } else if at < path_end {
            // Not a place where a host of its own begins.
        } else if matches!(byte, b'/' | b'\\') && slashes(bytes, at) == 2 && opens(bytes, at) {
            let next = url(text, at, None, at + 2, out);
            if out
                .last()
                .is_some_and(|host| host.start == at && (host.host.is_empty() || !(host.address || suffixes.knows(&host.host))))
            {
                out.pop();
            }
            at = next.max(at + 2);
            continue;
        } else if is_name(byte)
            && at.checked_sub(1).and_then(|i| bytes.get(i)).is_none_or(|b| !is_name(*b) && !matches!(b, b'.' | b'@'))
        {
            at = bare(text, at, suffixes, out);
            continue;
        }
        at += 1;
    }
}

/// Takes back bare hosts that turned out to lie in a scheme.
fn drop_from(out: &mut Vec<HostRef>, start: usize) {
    while out.last().is_some_and(|host| host.end > start) {
        out.pop();
    }
}

fn slashes(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|b| matches!(b, b'/' | b'\\')).count()
}

/// Whether a reference may begin here: at the start, or after a mark that opens one.
fn opens(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_none_or(|b| matches!(b, b' ' | b'\n' | b'\t' | b'"' | b'\'' | b'(' | b'=' | b'<'))
}

fn scheme_start(bytes: &[u8], colon: usize) -> usize {
    let room = colon.saturating_sub(32);
    let scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let length = bytes.get(room..colon).unwrap_or_default().iter().rev().take_while(|b| scheme(b)).count();
    let from = colon - length;
    let lead = bytes.get(from..colon).unwrap_or_default().iter().take_while(|b| !b.is_ascii_alphabetic()).count();
    from + lead
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || !byte.is_ascii()
}

/// Reads the authority at `from`; gives where the search goes on.
fn url(text: &str, start: usize, colon: Option<usize>, from: usize, out: &mut Vec<HostRef>) -> usize {
    let bytes = text.as_bytes();
    let rest = bytes.get(from..(from + AUTHORITY_MAX).min(bytes.len())).unwrap_or_default();
    let length = rest
        .iter()
        .position(|b| {
            matches!(b, b'/' | b'\\' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^') || *b <= b' '
        })
        .unwrap_or(rest.len());
    let mut end = from + length;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let whole = text.get(from..end).unwrap_or_default();
    // What a sentence puts behind a URL is not of it.
    let authority = whole.trim_end_matches([',', ';', '!', ')', '*', ':', '.']);
    let end = from + authority.len();
    let place = authority.rsplit('@').next().unwrap_or_default();
    let scheme = colon.and_then(|colon| text.get(start..colon)).map(str::to_ascii_lowercase);
    if place.is_empty() && scheme.as_deref() == Some("file") {
        return end.max(from);
    }
    let (host, port) = split_port(place);
    let (host, address) = host.and_then(canonical).unwrap_or_default();
    out.push(HostRef { start, end, host, address, port, scheme });
    end.max(from)
}

/// The host, none if it cannot be read, and the port of an authority without user info.
fn split_port(place: &str) -> (Option<&str>, Option<u16>) {
    if let Some(rest) = place.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else { return (None, None) };
        let host = place.get(..inside.len() + 2);
        return match after.strip_prefix(':') {
            None if after.is_empty() => (host, None),
            Some(port) => port.parse().map_or((None, None), |port| (host, Some(port))),
            None => (None, None),
        };
    }
    match place.split_once(':') {
        None => (Some(place), None),
        Some((host, "")) => (Some(host), None),
        Some((host, port)) => port.parse().map_or((None, None), |port| (Some(host), Some(port))),
    }
}

/// The host in the one form that rules compare, and whether it is an address. None if it is no host.
fn canonical(host: &str) -> Option<(String, bool)> {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inside.split('%').next()?.parse().ok()?;
        // An IPv4 address in IPv6 clothes is the IPv4 address.
        let text = address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string());
        return Some((text, true));
    }
    let decoded = percent_decoded(host)?;
    let mut name: String = decoded.chars().filter_map(fold).flat_map(char::to_lowercase).collect();
    if name.ends_with('.') {
        name.pop();
    }
    let label = |label: &str| !label.is_empty() && label.len() <= 63 * 4;
    if name.is_empty() || name.len() > NAME_MAX || !name.split('.').all(label) || !name.bytes().all(|b| is_name(b) || b == b'.') {
        return None;
    }
    if let Some(address) = ipv4(&name) {
        return address.map(|address| (address.to_string(), true));
    }
    Some((name, false))
}

/// Full-width letters, the other full stops and characters without width, as IDNA maps them.
fn fold(c: char) -> Option<char> {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0),
        '\u{3002}' | '\u{FF61}' => Some('.'),
        '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' => None,
        _ => Some(c),
    }
}

fn percent_decoded(host: &str) -> Option<String> {
    if !host.contains('%') {
        return Some(host.to_owned());
    }
    let mut out = Vec::with_capacity(host.len());
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
            out.push((digit(bytes.next())? * 16 + digit(bytes.next())?) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// An IPv4 address in any notation of the URL standard. None if the name is none; `Some(None)` if it ends in
/// a number and is no address, which clients refuse.
#[expect(clippy::option_option, reason = "not an address, and a broken one, are two answers")]
fn ipv4(name: &str) -> Option<Option<Ipv4Addr>> {
    let parts: Vec<&str> = name.split('.').collect();
    let last = parts.last()?;
    if number(last).is_none() && !last.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let Some(numbers) = parts.iter().map(|part| number(part)).collect::<Option<Vec<u64>>>() else { return Some(None) };
    let (end, lead) = numbers.split_last()?;
    if lead.len() > 3 || lead.iter().any(|part| *part > 255) || *end >= 1 << (8 * (4 - lead.len())) {
        return Some(None);
    }
    let mut value = *end;
    for (at, part) in lead.iter().enumerate() {
        value += part << (8 * (3 - at));
    }
    Some(u32::try_from(value).ok().map(Ipv4Addr::from))
}

fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (part.get(1..)?, 8),
        None => (part, 10),
    };
    match digits {
        "" if radix == 16 => Some(0),
        _ => u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+')),
    }
}

/// Reads a bare host that begins at `start`; gives where the search goes on.
fn bare(text: &str, start: usize, suffixes: &Suffixes, out: &mut Vec<HostRef>) -> usize {
    let bytes = text.as_bytes();
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(|b| !is_name(*b) && *b != b'.').unwrap_or(rest.len());
    let mut end = start + length;
    while end > start && bytes.get(end - 1) == Some(&b'.') {
        end -= 1;
    }
    let next = (start + length).max(start + 1);
    let name = text.get(start..end).unwrap_or_default();
    if bytes.get(start + length) == Some(&b'@') || name.len() > NAME_MAX {
        return next;
    }
    let Some((host, address)) = canonical(name) else { return next };
    let quad = address && name.bytes().filter(|b| *b == b'.').count() == 3;
    if !(quad || (!address && suffixes.knows(&host))) {
        return next;
    }
    let digits = bytes.get(end + 1..).unwrap_or_default().iter().take(6).take_while(|b| b.is_ascii_digit()).count();
    let port =
        (bytes.get(end) == Some(&b':')).then(|| text.get(end + 1..end + 1 + digits).and_then(|p| p.parse().ok())).flatten();
    let end = if port.is_some() { end + 1 + digits } else { end };
    out.push(HostRef { start, end, host, address, port, scheme: None });
    end.max(next)
}

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
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let bare_v6 = rest.parse::<Ipv6Addr>().is_ok();
        let (host, port) = if bare_v6 { (Some(rest), None) } else { split_port(rest) };
        let host = host?;
        let (name, address) = if bare_v6 { canonical(&format!("[{host}]"))? } else { canonical(host)? };
        (!(below && address || rest.ends_with(':'))).then_some(Self { name, below, port })
    }

    /// Whether some host is meant by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let under = |name: &str, top: &Self| {
            top.below && name.strip_suffix(top.name.as_str()).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        };
        let named = match (self.below, other.below) {
            (false, false) => self.name == other.name,
            (true, false) => under(&other.name, self),
            (false, true) => under(&self.name, other),
            (true, true) => self.name == other.name || under(&other.name, self) || under(&self.name, other),
        };
        let ports = |rule: &Self| rule.port.map_or([80, 443], |port| [port, port]);
        named && ports(self).iter().any(|port| ports(other).contains(port))
    }

    /// Whether it speaks of this host, as [`HostRef`] gives it, and port; no port in the rule means 80 and
    /// 443, no port of the host means that of its scheme, which is one of them unless the caller knows better.
    pub fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let named = if self.below {
            host.strip_suffix(self.name.as_str()).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
        } else {
            host == self.name
        };
        named
            && match (self.port, port) {
                (Some(wanted), Some(port)) => wanted == port,
                (Some(wanted), None) => matches!(wanted, 80 | 443),
                (None, port) => port.is_none_or(|port| matches!(port, 80 | 443)),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffixes() -> Suffixes {
        Suffixes::new(["com", "example", "co.uk", "io"])
    }

    fn hosts(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        find(text, &suffixes(), &mut out);
        for host in &out {
            assert!(text.is_char_boundary(host.start) && text.is_char_boundary(host.end) && host.start < host.end, "{host:?}");
        }
        out.into_iter().map(|h| h.port.map_or(h.host.clone(), |port| format!("{}:{port}", h.host))).collect()
    }

    #[test]
    fn the_host_is_what_a_client_connects_to() {
        for (text, wanted) in [
            ("see https://API.Acme.example/v1?x=a.com", vec!["api.acme.example"]),
            ("https://good.com@evil.io/", vec!["evil.io"]),
            ("https://good.com:x@evil.io:8443/", vec!["evil.io:8443"]),
            ("https:\\\\evil.io\\good.com", vec!["evil.io"]),
            ("http://evil.io\\@good.com/", vec!["evil.io"]),
            ("https://a.io/?to=https://evil.io/&b.com", vec!["a.io", "evil.io"]),
            ("https://evil.io./x", vec!["evil.io"]),
            ("https://evil.io.", vec!["evil.io"]),
            ("http://2130706433/", vec!["127.0.0.1"]),
            ("http://0x7f.1/", vec!["127.0.0.1"]),
            ("http://017700000001", vec!["127.0.0.1"]),
            ("http://127.1:80", vec!["127.0.0.1:80"]),
            ("http://[::1]:8080/", vec!["::1:8080"]),
            ("http://[::ffff:10.0.0.1]", vec!["10.0.0.1"]),
            ("http://1.2.3.999/", vec![""]),
            ("ftp://b\u{fc}cher.example", vec!["b\u{fc}cher.example"]),
            ("http://\u{ff45}vil\u{3002}io", vec!["evil.io"]),
            ("http://%65vil.io", vec!["evil.io"]),
            ("go to evil.io:8080, or shop.co.uk.", vec!["evil.io:8080", "shop.co.uk"]),
            ("at 10.0.0.1 now", vec!["10.0.0.1"]),
            ("\"//cdn.evil.io/x.js\"", vec!["cdn.evil.io"]),
            ("jane@acme.com wrote main.rs and 3.14 e.g. this", vec![]),
            ("a // comment", vec![]),
            ("localhost is http://localhost:3000", vec!["localhost:3000"]),
            ("postgres://u:p@db.internal:5432/x", vec!["db.internal:5432"]),
        ] {
            assert_eq!(hosts(text), wanted, "{text}");
        }
    }

    #[test]
    fn rules_are_exact() {
        let rule = |text: &str| HostRule::parse(text).unwrap();
        assert!(rule("api.acme.example").matches("api.acme.example", None));
        assert!(rule("api.acme.example").matches("api.acme.example", Some(443)));
        assert!(!rule("api.acme.example").matches("api.acme.example", Some(8443)));
        assert!(!rule("acme.example").matches("evilacme.example", None));
        assert!(rule("*.stripe.com:443").matches("a.b.stripe.com", Some(443)));
        assert!(!rule("*.stripe.com").matches("stripe.com", None));
        assert!(!rule("*.stripe.com").matches("notstripe.com", None));
        assert!(rule("API.acme.example.").matches("api.acme.example", None));
        assert!(rule("[::1]:8080").matches("::1", Some(8080)) && rule("::1").matches("::1", None));
        for (one, other, overlap) in [
            ("a.example", "a.example:443", true),
            ("a.example:8443", "a.example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "*.b.a.example", true),
            ("*.a.example", "*.b.example", false),
            ("*.a.example", "x.evila.example", false),
        ] {
            assert_eq!((rule(one).overlaps(&rule(other)), rule(other).overlaps(&rule(one))), (overlap, overlap), "{one} {other}");
        }
        for bad in ["", "*", "*.", "*.10.0.0.1", "a b", "x:y", "a..b", "http://x"] {
            assert_eq!(HostRule::parse(bad), None, "{bad}");
        }
    }
}
