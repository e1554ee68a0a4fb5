//! What becomes of header fields on the way through.
//!
//! Hop-by-hop fields (RFC 9110 §7.6.1) end here, both ways. `Authorization`, keys and cookies pass
//! untouched. On the inbound lane the agent is told its caller: `x-forwarded-for` is appended,
//! `x-forwarded-host` and `x-forwarded-proto` are set where absent. On the model lane nothing about the
//! caller is added, since a provider has no claim to it.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, Entry, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Whether a list field has a token, in any case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|t| t.eq_ignore_ascii_case(token))
}

/// The tokens of a list field.
pub(super) fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .filter(|t| !t.is_empty())
}

/// Removes what belongs to this hop: the fixed list, and every field that `Connection` names. `TE`
/// stays as `trailers` where the sender takes trailers.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(&CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(|t| HeaderName::try_from(t).ok()).collect();
        // Host and length stay what they are: who could take them away could change what is read.
        for name in named.iter().filter(|n| **n != HOST && **n != CONTENT_LENGTH && **n != TE) {
            headers.remove(name);
        }
    }
    if headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
    }
    if headers.contains_key(&TE) {
        let trailers = has_token(headers, &TE, "trailers");
        headers.remove(&TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Makes a request's fields those of the next hop. `Host` is left to the client, which writes the
/// upstream's authority.
pub(super) fn request(headers: &mut HeaderMap) -> Option<HeaderValue> {
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    join_cookies(headers);
    headers.remove(HOST)
}

/// HTTP/2 may split cookies over fields; HTTP/1.1 knows one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined: Vec<u8> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(mut value) = HeaderValue::from_bytes(&joined) {
        value.set_sensitive(true);
        headers.insert(COOKIE, value);
    }
}

/// Tells the agent its caller.
pub(super) fn forwarded(headers: &mut HeaderMap, peer: Option<IpAddr>, host: Option<HeaderValue>) {
    if let Some(peer) = peer {
        let peer = peer.to_canonical().to_string();
        let before: Vec<&str> = tokens(headers, &FORWARDED_FOR).collect();
        let line = if before.is_empty() { peer } else { format!("{}, {peer}", before.join(", ")) };
        if let Ok(value) = HeaderValue::from_str(&line) {
            headers.insert(FORWARDED_FOR, value);
        }
    }
    if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    if let Entry::Vacant(vacant) = headers.entry(FORWARDED_PROTO) {
        vacant.insert(HeaderValue::from_static("http"));
    }
}

/// Fields that decide framing, routing, authority or meaning may not come late.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    const NEVER: [&str; 22] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-forwarded-for",
    ];
    if trailers.keys().any(|name| NEVER.contains(&name.as_str())) {
        for name in NEVER {
            trailers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_belongs_to_a_hop_ends_there() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Own"),
            ("connection", "content-length, host"),
            ("keep-alive", "timeout=5"),
            ("x-own", "1"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("proxy-authorization", "Basic eA=="),
            ("content-length", "3"),
            ("host", "a"),
            ("authorization", "Bearer k"),
            ("trailer", "x-sum"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(
            headers,
            map(&[
                ("te", "trailers"),
                ("content-length", "3"),
                ("host", "a"),
                ("authorization", "Bearer k"),
                ("trailer", "x-sum")
            ])
        );
    }

    #[test]
    fn cookies_of_http2_are_joined() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
        request(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn the_agent_learns_its_caller() {
        let mut headers = map(&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")]);
        forwarded(&mut headers, Some("::ffff:10.0.0.1".parse().unwrap()), Some(HeaderValue::from_static("agent.example")));
        assert_eq!(
            headers,
            map(&[
                ("x-forwarded-for", "203.0.113.9, 10.0.0.1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "agent.example")
            ])
        );
    }

    #[test]
    fn trailers_decide_nothing() {
        let mut trailers = map(&[("x-sum", "1"), ("authorization", "Bearer k"), ("content-length", "0")]);
        clean_trailers(&mut trailers);
        assert_eq!(trailers, map(&[("x-sum", "1")]));
    }
}
