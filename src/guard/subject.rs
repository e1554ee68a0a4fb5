//! Whose exchange this is: which session, and which facts a trusted caller told.
//!
//! A fact counts only from a header of a listed hop; from anyone else the header is taken off before the
//! agent sees it, so that nobody downstream mistakes it for verified. Facts are read on the inbound lane
//! and reach other lanes through the session.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::headers::SESSION;
use crate::base::names::Lane;
use crate::engine::facts::{Fact, FactValue, Facts};
use crate::engine::session::{SessionHandle, Sessions};
use crate::pact::decimal::Decimal;

/// Longest session key and fact value taken from a header, in bytes.
const VALUE_MAX: usize = 256;

/// What stands before the session that an inbound guard hands on where its caller tells none: it lasts for one exchange.
pub(crate) const OF_EXCHANGE: &str = "exchange:";

/// The address at the other end of the connection. The server puts it into the request's extensions;
/// without it no hop is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Where one fact comes from.
#[derive(Clone, Debug)]
pub struct FactSource {
    /// The name, as in the pact.
    pub fact: String,
    /// What its value is read as.
    pub kind: FactKind,
    /// The header that carries it.
    pub header: HeaderName,
    /// The hops that may tell it.
    pub from: Vec<IpNet>,
}

/// What a fact's value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// Any text.
    Text,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Bool,
}

impl FactKind {
    /// The kind with this name in a pact. Unknown names are text.
    pub fn parse(name: &str) -> Self {
        match name {
            "number" => Self::Number,
            "bool" => Self::Bool,
            _ => Self::Text,
        }
    }

    /// Reads a value. None where it is not of this kind: then the fact is absent, the stricter case.
    fn read(self, text: &str) -> Option<FactValue> {
        let text = text.trim();
        match self {
            _ if text.len() > VALUE_MAX => None,
            Self::Text => Some(FactValue::Text(text.into())),
            Self::Number => Decimal::parse(text).map(FactValue::Number),
            Self::Bool => text.parse().ok().map(FactValue::Bool),
        }
    }
}

/// Whose exchange this is.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) session_key: Option<String>,
    /// The key came in a header of ours, and goes on in it.
    pub(crate) by_header: bool,
    pub(crate) session: SessionHandle,
    pub(crate) facts: Facts,
}

impl Subject {
    /// Goes on in the session of a conversation that the protocol names, unless a header has told the session. Says
    /// whether it does. The key is the caller's word, as that of the header is: it joins what he says himself.
    pub(crate) fn converse(&mut self, lane: Lane, protocol: &str, conversation: &str, sessions: &Sessions) -> bool {
        if self.session_key.is_some() || conversation.is_empty() || conversation.len() > VALUE_MAX {
            return false;
        }
        let key = format!("{protocol}:{conversation}");
        self.session = sessions.open(&key);
        let facts = &self.facts;
        self.session.update(|session| {
            if lane == Lane::Inbound {
                session.keep_facts(facts);
            }
            session.begin_turn();
        });
        self.session_key = Some(key);
        true
    }
}

/// Reads the subject off a request head, and takes off the headers that no listed hop sent.
pub(crate) fn resolve(
    lane: Lane,
    peer: Option<Peer>,
    headers: &mut HeaderMap,
    sources: &[FactSource],
    sessions: &Sessions,
) -> Subject {
    let session_key = headers.get(&SESSION).and_then(session_key);
    let session = session_key.as_deref().map_or_else(SessionHandle::alone, |key| sessions.open(key));
    let facts = if lane == Lane::Inbound {
        let facts = read(sources, peer.map(|p| p.0.ip()), headers);
        session.update(|s| s.keep_facts(&facts));
        facts
    } else {
        session.view().facts().clone()
    };
    session.update(crate::engine::session::Session::begin_turn);
    Subject { by_header: session_key.is_some(), session_key, session, facts }
}

fn session_key(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    (!text.is_empty() && text.len() <= VALUE_MAX).then(|| text.to_owned())
}

fn read(sources: &[FactSource], peer: Option<IpAddr>, headers: &mut HeaderMap) -> Facts {
    let mut facts = Facts::new();
    for source in sources {
        let trusted = peer.is_some_and(|ip| source.from.iter().any(|net| net.contains(&canonical(ip))));
        if !trusted {
            headers.remove(&source.header);
        }
        let mut values = headers.get_all(&source.header).iter();
        // Two values are a contradiction that someone may have planted: neither counts.
        let value = match (values.next(), values.next()) {
            (Some(one), None) => one.to_str().ok().and_then(|text| source.kind.read(text)),
            _ => None,
        };
        facts.set(source.fact.as_str(), value.map_or(Fact::Absent, Fact::Present));
    }
    facts
}

/// An IPv4 address is the same hop when it arrives on a dual-stack socket.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<FactSource> {
        let source = |fact: &str, kind, header: &'static str| FactSource {
            fact: fact.into(),
            kind,
            header: HeaderName::from_static(header),
            from: vec!["10.0.0.0/8".parse().unwrap()],
        };
        vec![source("task.type", FactKind::Text, "x-task-type"), source("task.amount", FactKind::Number, "x-amount")]
    }

    fn facts_from(peer: &str, pairs: &[(&'static str, &str)]) -> (Facts, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = Some(Peer(peer.parse().unwrap()));
        let subject = resolve(Lane::Inbound, peer, &mut headers, &sources(), &Sessions::default());
        (subject.facts, headers)
    }

    #[test]
    fn a_listed_hop_is_believed() {
        let (facts, _) = facts_from("10.1.2.3:5", &[("x-task-type", "refund"), ("x-amount", "12.5")]);
        assert_eq!(facts.get("task.type").value().unwrap().text(), Some("refund"));
        assert_eq!(facts.get("task.amount"), &Fact::Present(FactValue::Number(Decimal::parse("12.5").unwrap())));
        let (facts, _) = facts_from("[::ffff:10.1.2.3]:5", &[("x-task-type", "refund")]);
        assert!(facts.get("task.type").value().is_some());
    }

    #[test]
    fn a_stranger_is_not_and_his_header_goes_no_further() {
        let (facts, headers) = facts_from("192.0.2.1:5", &[("x-task-type", "refund")]);
        assert_eq!(facts.get("task.type"), &Fact::Absent);
        assert!(headers.is_empty());
    }

    #[test]
    fn contradiction_and_nonsense_are_absent() {
        let (facts, _) = facts_from("10.1.2.3:5", &[("x-task-type", "a"), ("x-task-type", "b"), ("x-amount", "much")]);
        assert_eq!((facts.get("task.type"), facts.get("task.amount")), (&Fact::Absent, &Fact::Absent));
    }

    #[test]
    fn a_conversation_is_a_session_unless_a_header_tells_one() {
        let sessions = Sessions::default();
        let begin = |headers: &mut HeaderMap| resolve(Lane::Tools, None, headers, &[], &sessions);
        for turns in [1, 2] {
            let mut subject = begin(&mut HeaderMap::new());
            assert!(subject.converse(Lane::Tools, "a2a", "c-1", &sessions) && !subject.by_header);
            assert_eq!((subject.session_key.as_deref(), subject.session.view().turns()), (Some("a2a:c-1"), turns));
        }
        let mut headers = HeaderMap::new();
        headers.insert(SESSION, "s1".parse().unwrap());
        let mut subject = begin(&mut headers);
        assert!(!subject.converse(Lane::Tools, "a2a", "c-1", &sessions) && subject.by_header);
        assert_eq!(subject.session_key.as_deref(), Some("s1"));
        assert!(!begin(&mut HeaderMap::new()).converse(Lane::Tools, "a2a", &"c".repeat(VALUE_MAX + 1), &sessions));
    }

    #[test]
    fn facts_reach_other_lanes_by_the_session() {
        let sessions = Sessions::default();
        let mut headers = HeaderMap::new();
        headers.insert(SESSION, "s1".parse().unwrap());
        headers.insert("x-task-type", "refund".parse().unwrap());
        let peer = Some(Peer("10.0.0.1:1".parse().unwrap()));
        resolve(Lane::Inbound, peer, &mut headers.clone(), &sources(), &sessions);
        let model = resolve(Lane::Model, None, &mut headers, &sources(), &sessions);
        assert_eq!(model.facts.get("task.type").value().unwrap().text(), Some("refund"));
        assert_eq!(model.session.view().turns(), 2);
    }
}
