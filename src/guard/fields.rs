//! Header fields of an answer: what a client may show is judged like any text.
//!
//! A value is redacted in place; a field that may not pass refuses the answer. Not looked at: credentials
//! and cookies, which are never read here, and fields that are made of numbers, ids and directives.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::exchange::Exchange;
use super::headers;
use super::refused::Refused;
use crate::base::verdict::Act;
use crate::engine::event::{Event, EventText};
use crate::engine::judge::{Place, redacted};
use crate::engine::placing::MessagePart;

/// Shortest value that is looked at. Nothing that a detector finds is shorter.
const VALUE_MIN: usize = 6;

/// Values of digits up to this length are counters and times.
const DIGITS_MAX: usize = 12;

/// Fields with a fixed grammar. Sorted.
const KNOWN: [&str; 41] = [
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "cf-ray",
    "connection",
    "content-digest",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "digest",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "mcp-session-id",
    "nel",
    "pragma",
    "proxy-authenticate",
    "report-to",
    "repr-digest",
    "request-id",
    "retry-after",
    "server",
    "signature",
    "signature-input",
    "strict-transport-security",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "vary",
    "via",
    "www-authenticate",
];

/// Beginnings and ends of names whose values are numbers, ids and directives of the platform.
const PREFIXES: [&str; 6] = ["access-control-", "anthropic-", "openai-", "x-envoy-", "x-ratelimit-", "x-servanda-"];
const SUFFIXES: [&str; 2] = ["-request-id", "-trace-id"];

/// Judges the fields of an answer and redacts them. What is given back refuses the answer; the fields that
/// broke the rule are gone then.
pub(super) fn judge(exchange: &mut Exchange, headers: &mut HeaderMap) -> Option<Refused> {
    let telling = |(name, value): &(&HeaderName, &HeaderValue)| is_telling(name, value);
    let found: Vec<(HeaderName, HeaderValue)> =
        headers.iter().filter(telling).map(|(name, value)| (name.clone(), value.clone())).collect();
    if found.is_empty() {
        return None;
    }
    let placed = exchange.place(MessagePart::Answer)?;
    let values: Vec<_> = found.iter().map(|(_, value)| String::from_utf8_lossy(value.as_bytes())).collect();
    let texts: Vec<EventText<'_>> = values.iter().map(|text| EventText::new(text)).collect();
    let event = Event::new(placed.stage, exchange.lane(), exchange.now_us()).texts(&texts).measures(exchange.measures());
    let judgement = exchange.judge(&event);
    if !exchange.acts() || judgement.act < Act::Redact {
        return None;
    }
    if judgement.refuses() {
        // Which of them it was is known by place only for redactions: none of them goes out.
        for (name, _) in &found {
            headers.remove(name);
        }
        return Some(Refused::by(placed.stage, &judgement));
    }
    for (at, ((name, value), text)) in found.iter().zip(&values).enumerate() {
        let new = redacted(text, &judgement.redactions, Place::Text(at));
        if new.as_bytes() == value.as_bytes() {
            continue;
        }
        match HeaderValue::from_str(&new) {
            Ok(new) => replace(headers, name, value, &new),
            Err(_) => drop(headers.remove(name)),
        }
    }
    None
}

/// Puts a value in the place of another; the name's other values stay.
fn replace(headers: &mut HeaderMap, name: &HeaderName, old: &HeaderValue, new: &HeaderValue) {
    let values: Vec<HeaderValue> =
        headers.get_all(name).iter().map(|value| if value == old { new.clone() } else { value.clone() }).collect();
    headers.remove(name);
    for value in values {
        headers.append(name.clone(), value);
    }
}

/// Whether a field has a fixed grammar, in which nobody speaks.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.binary_search(&name).is_ok()
}

fn is_telling(name: &HeaderName, value: &HeaderValue) -> bool {
    let (name, value) = (name.as_str(), value.as_bytes());
    let silent = is_known(name)
        || headers::is_credential(name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    let count = value.len() <= DIGITS_MAX && value.iter().all(u8::is_ascii_digit);
    value.len() >= VALUE_MIN && !silent && !count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_told_apart() {
        assert!(KNOWN.is_sorted());
        let telling = |name: &'static str, value: &'static str| {
            is_telling(&HeaderName::from_static(name), &HeaderValue::from_static(value))
        };
        assert!(
            telling("x-note", "4111 1111 1111 1111")
                && telling("location", "https://example.net/")
                && telling("x-n", "4111111111111111")
        );
        for (name, value) in [
            ("x-note", "short"),
            ("x-reset", "1795219200"),
            ("set-cookie", "session=1"),
            ("x-request-id", "req_123456"),
            ("x-auth-token", "abcdefgh"),
            ("openai-organization", "some-name"),
        ] {
            assert!(!telling(name, value), "{name}");
        }
    }
}
