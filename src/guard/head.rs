//! What stands in the head of a request beside its body: header values, path and query.
//!
//! Judged by the rules of the stage that the request's text has, pattern by pattern. None of it is rewritten: another
//! path is another request, and a header may be signed; so what a rule would redact refuses the request. Not looked
//! at: credentials, which are never read; facts that the deployment takes from a listed hop; framing, and what
//! hops note of each other, such as addresses and trace ids.

use std::borrow::Cow;

use http::request::Parts;

use super::exchange::Exchange;
use super::fields;
use super::headers;
use super::refused::Refused;
use crate::engine::event::HeadText;
use crate::engine::placing::MessagePart;
use crate::protocol::{Adapter, form};

/// What hops note of a request.
const HOPS: [&str; 13] = [
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "host",
    "true-client-ip",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
];
const HOPS_BEGIN: [&str; 4] = ["x-b3-", "x-envoy-", "x-forwarded-", "x-servanda-"];
const HOPS_END: [&str; 3] = ["-correlation-id", "-request-id", "-trace-id"];

/// Judges the head of a request. What is given back refuses it. `mirroring` is the protocol that holds headers against
/// the body, where there is a body that it has read: what such a header repeats is judged there, and rewritten with it.
pub(super) fn judge(exchange: &mut Exchange, head: &Parts, mirroring: Option<&dyn Adapter>) -> Option<Refused> {
    let placed = exchange.place(MessagePart::RequestText)?;
    let mirrored = |name: &str| mirroring.is_some_and(|adapter| adapter.mirrors(name));
    let judged = |name: &str| !(is_of_hops(name) || fields::is_known(name) || headers::is_credential(name) || mirrored(name));
    let fields = head.headers.iter().filter(|(name, _)| judged(name.as_str()) && !exchange.is_fact(name));
    let fields: Vec<(&str, Cow<'_, str>)> =
        fields.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let path = form::path(head.uri.path());
    let query: Vec<_> = head.uri.query().map(form::parameters).into_iter().flatten().collect();
    let mut texts = Vec::with_capacity(fields.len() + 1 + query.len());
    texts.extend(fields.iter().map(|(name, value)| HeadText { place: name, name, text: value }));
    texts.push(HeadText { place: "path", name: "", text: &path });
    texts.extend(query.iter().map(|(name, value)| {
        let opens = headers::is_credential(&name.to_ascii_lowercase());
        HeadText { place: "query", name, text: if opens { "" } else { value } }
    }));
    let judgement = exchange.judge_head(placed.stage, &texts);
    (exchange.acts() && judgement.refuses()).then(|| Refused::by(placed.stage, &judgement))
}

fn is_of_hops(name: &str) -> bool {
    HOPS.contains(&name)
        || HOPS_BEGIN.iter().any(|begin| name.starts_with(begin))
        || HOPS_END.iter().any(|end| name.ends_with(end))
}
