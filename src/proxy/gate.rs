//! What no request may be, whatever the pact says: checked on the head before anything reads the body.
//!
//! A request whose authority or path two readers could take differently is refused in every mode, as is
//! what this build cannot look into: tunnels and switched protocols.

use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::base::limits::HEAD_FIELDS_MAX;

use super::headers;
use super::problem::Problem;

/// Whether the request may go on.
///
/// # Errors
/// Why not, as the answer to give.
pub(super) fn check(method: &Method, uri: &Uri, version: Version, fields: &HeaderMap) -> Result<(), Problem> {
    if *method == Method::CONNECT {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "connect", "this is a reverse proxy: it opens no tunnels"));
    }
    // HTTP/1.1 has this limit in its reader, HTTP/2 only one of bytes.
    if fields.len() > HEAD_FIELDS_MAX {
        let why = format!("the head has {} fields; the limit is {HEAD_FIELDS_MAX}", fields.len());
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_fields", why));
    }
    upgrade(fields)?;
    once(fields)?;
    authority(uri, version, fields)?;
    target(uri)
}

/// `h2c` may be ignored (RFC 9110 §7.8), and common clients offer it unasked; anything else would open a
/// channel that nobody judges.
fn upgrade(fields: &HeaderMap) -> Result<(), Problem> {
    if !fields.contains_key(&UPGRADE) {
        return Ok(());
    }
    let asked = headers::has_token(fields, &CONNECTION, "upgrade");
    let only_h2c = headers::tokens(fields, &UPGRADE).all(|protocol| protocol.eq_ignore_ascii_case("h2c"));
    if asked && !only_h2c {
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "websocket",
            "WebSocket and other switched protocols cannot be inspected and are refused; use plain HTTP or server-sent events",
        ));
    }
    Ok(())
}

/// Fields that decide who asks, whereto and how the body is read may be given once: of two, readers take
/// the first, the last or both.
fn once(fields: &HeaderMap) -> Result<(), Problem> {
    const ONCE: [&str; 10] = [
        "authorization",
        "content-encoding",
        "content-type",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "origin",
        "x-api-key",
        "x-servanda-session",
    ];
    // Mostly no field at all is there twice.
    if fields.len() == fields.keys_len() {
        return Ok(());
    }
    match ONCE.iter().find(|name| fields.get_all(**name).iter().nth(1).is_some()) {
        None => Ok(()),
        Some(name) => Err(Problem::bad_request("two_fields", format!("the request has two `{name}` fields"))),
    }
}

/// One authority, named once or the same each time.
fn authority(uri: &Uri, version: Version, fields: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = fields.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Problem::bad_request("two_hosts", "the request has two Host fields"));
    }
    if host.is_none() && version == Version::HTTP_11 {
        return Err(Problem::bad_request("no_host", "the request has no Host field"));
    }
    if let Some(host) = host
        && !host.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]!$&'()*+,;=%".contains(b))
    {
        return Err(Problem::bad_request("bad_host", "the Host field is not a host"));
    }
    if let (Some(named), Some(host)) = (uri.authority(), host) {
        let same = host.to_str().is_ok_and(|host| host.eq_ignore_ascii_case(named.as_str()));
        if !same {
            return Err(Problem::bad_request("two_hosts", "the request target and the Host field name different hosts"));
        }
    }
    match uri.scheme_str() {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(Problem::bad_request("bad_target", "the request target has another scheme than http or https")),
    }
}

/// A path that every reader takes the same way: absolute, without dot segments in any spelling.
fn target(uri: &Uri) -> Result<(), Problem> {
    let path = uri.path();
    if !path.starts_with('/') {
        return Err(Problem::bad_request("bad_target", "the request target is not a path"));
    }
    if path.split('/').any(is_dots) {
        return Err(Problem::bad_request(
            "dot_segments",
            "the path has dot segments: two readers could take it for different paths",
        ));
    }
    Ok(())
}

/// `.` or `..`, plain or percent-encoded.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0u8;
    while let Some(after) = rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E")) {
        rest = after;
        dots = dots.saturating_add(1);
    }
    rest.is_empty() && (1..=2).contains(&dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(method: &str, uri: &str, version: Version, fields: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        check(&method.parse().unwrap(), &uri.parse().unwrap(), version, &map).err().map(|p| p.code)
    }

    #[test]
    fn authorities() {
        let at = |uri, fields: &[(&'static str, &'static str)]| code("GET", uri, Version::HTTP_11, fields);
        assert_eq!(at("/", &[("host", "h:80")]), None);
        assert_eq!(at("http://H/x", &[("host", "h")]), None);
        assert_eq!(at("/", &[]), Some("no_host"));
        assert_eq!(code("GET", "/", Version::HTTP_10, &[]), None);
        assert_eq!(code("GET", "http://h/", Version::HTTP_2, &[]), None);
        assert_eq!(code("GET", "http://h/", Version::HTTP_2, &[("host", "other")]), Some("two_hosts"));
        assert_eq!(at("/", &[("host", "a"), ("host", "a")]), Some("two_hosts"));
        assert_eq!(at("http://a/", &[("host", "b")]), Some("two_hosts"));
        assert_eq!(at("/", &[("host", "a/b")]), Some("bad_host"));
        assert_eq!(at("ftp://a/", &[("host", "a")]), Some("bad_target"));
    }

    #[test]
    fn fields_that_decide_come_once() {
        let at = |fields: &[(&'static str, &'static str)]| code("GET", "/", Version::HTTP_11, fields);
        for name in ["authorization", "origin", "content-type", "mcp-name"] {
            assert_eq!(at(&[("host", "h"), (name, "a"), (name, "a")]), Some("two_fields"), "{name}");
        }
        assert_eq!(at(&[("host", "h"), ("accept", "a"), ("accept", "b"), ("authorization", "a")]), None);
    }

    #[test]
    fn targets() {
        let at = |uri| code("GET", uri, Version::HTTP_11, &[("host", "h")]);
        for fine in ["/", "/a.b/..c/...", "/a//b", "/a%2Fb", "/?x=../.."] {
            assert_eq!(at(fine), None, "{fine}");
        }
        for bad in ["/..", "/a/../b", "/a/./b", "/a/%2e%2E/b", "/a/.%2e"] {
            assert_eq!(at(bad), Some("dot_segments"), "{bad}");
        }
        assert_eq!(code("OPTIONS", "*", Version::HTTP_11, &[("host", "h")]), Some("bad_target"));
    }

    #[test]
    fn tunnels_and_switches() {
        let upgrade =
            |protocol| code("GET", "/", Version::HTTP_11, &[("host", "h"), ("connection", "Upgrade"), ("upgrade", protocol)]);
        assert_eq!(code("CONNECT", "h:443", Version::HTTP_11, &[("host", "h:443")]), Some("connect"));
        assert_eq!(upgrade("websocket"), Some("websocket"));
        assert_eq!(upgrade("h2c, websocket"), Some("websocket"));
        assert_eq!(upgrade("h2c"), None);
    }
}
