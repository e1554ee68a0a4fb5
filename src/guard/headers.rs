//! The guard's own headers, and the ones it must touch on others' messages.
//!
//! Authorization, keys and cookies are never read here: they pass untouched and appear nowhere.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::base::names::{Mode, UnjudgedReason};
use crate::base::verdict::{Act, Unjudged};

/// The act, or `streaming` at the head of a stream.
pub const VERDICT: HeaderName = HeaderName::from_static("x-servanda-verdict");
/// The record's id: a receipt.
pub const RECORD: HeaderName = HeaderName::from_static("x-servanda-record");
/// The log that record stands in.
pub const LOG: HeaderName = HeaderName::from_static("x-servanda-log");
/// Why something was not inspected.
pub const UNJUDGED: HeaderName = HeaderName::from_static("x-servanda-unjudged");
/// The pact in force.
pub const PACT: HeaderName = HeaderName::from_static("x-servanda-pact");
/// The predicate that intervened.
pub const PREDICATE: HeaderName = HeaderName::from_static("x-servanda-predicate");
/// The mode of the route.
pub const MODE: HeaderName = HeaderName::from_static("x-servanda-mode");
/// The session, from and to others.
pub const SESSION: HeaderName = HeaderName::from_static("x-servanda-session");

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// How all of ours begin.
const PREFIX: &str = "x-servanda-";
const OURS: [HeaderName; 7] = [VERDICT, RECORD, LOG, UNJUDGED, PACT, PREDICATE, MODE];

/// What the guard says of one exchange.
#[derive(Debug)]
pub(crate) struct Stamp<'a> {
    pub(crate) verdict: &'a str,
    pub(crate) record: &'a str,
    pub(crate) log: Option<&'a str>,
    pub(crate) pact: &'a str,
    pub(crate) mode: Mode,
    pub(crate) predicate: Option<&'a str>,
    pub(crate) unjudged: &'a [Unjudged],
}

impl Stamp<'_> {
    /// Writes the stamp over whatever the upstream claimed under our names.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        clear(headers);
        let mut set = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        set(VERDICT, self.verdict);
        set(RECORD, self.record);
        set(PACT, self.pact);
        set(MODE, self.mode.as_str());
        if let Some(log) = self.log {
            set(LOG, log);
        }
        if let Some(predicate) = self.predicate {
            set(PREDICATE, predicate);
        }
        if !self.unjudged.is_empty() {
            set(UNJUDGED, &reasons(self.unjudged));
        }
    }
}

/// Marks an answer to a message that was refused before there was an exchange.
pub fn refused_early(headers: &mut HeaderMap, record: &str, log: &str, mode: Mode) {
    for (name, text) in [(VERDICT, Act::Block.as_str()), (RECORD, record), (LOG, log), (MODE, mode.as_str())] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    final_refusal(headers);
}

/// Removes what others sent under our names: only the guard speaks for the guard.
pub(crate) fn clear(headers: &mut HeaderMap) {
    if headers.keys().any(|name| name.as_str().starts_with(PREFIX)) {
        for name in &OURS {
            headers.remove(name);
        }
    }
}

/// Marks a policy refusal: repeating it cannot help, and no cache may keep it.
pub(crate) fn final_refusal(headers: &mut HeaderMap) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The body changed: what described the old one no longer holds.
pub(crate) fn body_changed(headers: &mut HeaderMap, length: Option<usize>) {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::ETAG] {
        headers.remove(name);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Names of headers and parameters that hold what opens something, in lower case, and how others of them end.
const CREDENTIALS: [&str; 15] = [
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "dpop",
    "key",
    "proxy-authorization",
    "set-cookie",
    "sig",
    "signature",
    "token",
    "x-apikey",
    "x-functions-key",
    "x-ms-client-principal",
];
const CREDENTIALS_END: [&str; 7] =
    ["-api-key", "-assertion", "-oidc-accesstoken", "-oidc-data", "-subscription-key", "-token", "_token"];

/// Whether a header or a parameter of the query, by its name in lower case, holds what opens something: never read.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name) || CREDENTIALS_END.iter().any(|end| name.ends_with(end))
}

/// Whether a signature or digest covers the body, so that editing it would break what others rely on.
pub(crate) fn body_is_signed(headers: &HeaderMap) -> bool {
    const SIGNS: [&str; 6] =
        ["content-digest", "digest", "content-md5", "signature-input", "x-amz-content-sha256", "repr-digest"];
    headers.keys().any(|name| SIGNS.contains(&name.as_str()))
}

/// Restricts what the upstream may answer with to what the guard can undo (RFC 9110 §12.5.3).
pub(crate) fn restrict_accept_encoding(headers: &mut HeaderMap) {
    let Some(wanted) = joined(headers, &header::ACCEPT_ENCODING) else {
        return;
    };
    let known = |item: &&str| {
        let coding = item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(coding.as_str(), "gzip" | "x-gzip" | "deflate" | "br" | "zstd" | "identity")
    };
    let items: Vec<&str> = wanted.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    if items.iter().all(known) {
        return;
    }
    let kept: Vec<&str> = items.into_iter().filter(|item| known(item)).collect();
    let value = if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") };
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(header::ACCEPT_ENCODING, value);
    }
}

/// All values of a header as one comma-separated list.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    let first = values.next()?;
    Some(values.fold(first.to_owned(), |list, next| list + ", " + next))
}

/// The distinct reasons, in order of the closed list.
fn reasons(unjudged: &[Unjudged]) -> String {
    let mut present: Vec<UnjudgedReason> = unjudged.iter().map(|u| u.reason).collect();
    present.sort_unstable();
    present.dedup();
    present.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
        restrict_accept_encoding(&mut headers);
        headers[header::ACCEPT_ENCODING].to_str().unwrap().to_owned()
    }

    #[test]
    fn only_codings_we_undo_are_offered() {
        assert_eq!(accept("gzip, deflate"), "gzip, deflate");
        assert_eq!(accept("gzip;q=1.0, compress, *;q=0.1"), "gzip;q=1.0");
        assert_eq!(accept("dcb, dcz"), "identity");
    }

    #[test]
    fn the_upstream_cannot_speak_for_the_guard() {
        let mut headers = HeaderMap::new();
        headers.insert(PREDICATE, "forged".parse().unwrap());
        let unjudged = [
            Unjudged { reason: UnjudgedReason::Media, what: "image".into() },
            Unjudged { reason: UnjudgedReason::OverLimit, what: "body".into() },
            Unjudged { reason: UnjudgedReason::Media, what: "audio".into() },
        ];
        Stamp {
            verdict: "allow",
            record: "r",
            log: None,
            pact: "p@1",
            mode: Mode::Enforce,
            predicate: None,
            unjudged: &unjudged,
        }
        .put(&mut headers);
        assert!(!headers.contains_key(PREDICATE));
        assert_eq!(headers[UNJUDGED], "over_limit,media");
    }
}
