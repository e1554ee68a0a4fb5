//! Notices, approvals, reinstatements and subscriptions as text.

use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::document::{self, Node};
use crate::base::names::is_id;
use crate::pact::model::{Runtime, TerminateOn};
use crate::pact::statement::{
    Accepts, Approval, KeyChange, Notice, NoticeChange, Reinstatement, SignedStatement, Statement, StatementKind, Subscription,
};
use crate::pact::term::{Date, SemVer};
use crate::pact::trust::Role;
use crate::seal::VerifyingKey;

use super::cursor::{At, Reader};
use super::{subject, trust};

const NOTICE: &[&str] = &[
    "notice",
    "pact",
    "version",
    "agent",
    "counterparty",
    "runtime",
    "key",
    "rollback",
    "termination",
    "extension",
    "reason",
    "signatures",
];
const CHANGES: &[&str] = &["runtime", "key", "rollback", "termination", "extension"];
const APPROVAL: &[&str] = &["approval", "pact", "version", "predicate", "record", "call", "decision", "approver", "signatures"];
const REINSTATEMENT: &[&str] = &["reinstatement", "pact", "version", "agent", "record", "reason", "by", "role", "signatures"];
const SUBSCRIPTION: &[&str] = &["subscription", "pact", "agent", "counterparty", "accepts", "signatures"];

/// The kind of statement that a document is, by its first word; none for a pact.
pub fn statement_kind(node: &Node) -> Option<StatementKind> {
    StatementKind::ALL.iter().copied().find(|kind| node.get(kind.as_str()).is_some() && node.get("format").is_none())
}

/// Reads a statement; every mistake is told at once.
pub fn read_statement(text: &str) -> (Option<SignedStatement>, Diagnostics) {
    let node = match document::parse(text) {
        Ok(node) => node,
        Err(mistakes) => return (None, mistakes),
    };
    let mut r = Reader { source: text, out: Diagnostics::default() };
    let root = At { node: &node, path: String::new() };
    let read = whole(&mut r, &root);
    r.out.sort();
    if r.out.has_errors() { (None, r.out) } else { (read, r.out) }
}

fn whole(r: &mut Reader<'_>, root: &At<'_>) -> Option<SignedStatement> {
    if !r.is_map(root) {
        return None;
    }
    let Some(kind) = statement_kind(root.node) else {
        let words: Vec<String> = StatementKind::ALL.iter().map(|k| format!("`{k}: 1`")).collect();
        r.error("missing_key", root, "this says not what it is").help(format!("begin with one of {}", words.join(", ")));
        return None;
    };
    if let Some(grammar) = root.get(kind.as_str())
        && r.count(&grammar).is_some_and(|n| n != 1)
    {
        r.error("bad_format", &grammar, format!("this build reads `{kind}: 1`")).help(format!("write `{kind}: 1`"));
    }
    super::whole::numbers(r, root);
    let statement = match kind {
        StatementKind::Notice => notice(r, root).map(|n| Statement::Notice(Box::new(n))),
        StatementKind::Approval => approval(r, root).map(Statement::Approval),
        StatementKind::Reinstatement => reinstatement(r, root).map(Statement::Reinstatement),
        StatementKind::Subscription => subscription(r, root).map(Statement::Subscription),
    };
    let signatures = root.get("signatures").map(|s| trust::signatures(r, &s)).unwrap_or_default();
    if r.out.has_errors() {
        return None;
    }
    let mut document = root.node.to_json();
    if let Some(map) = document.as_object_mut() {
        map.remove("signatures");
    }
    match SignedStatement::new(statement?, &document, signatures) {
        Ok(signed) => Some(signed),
        Err(error) => {
            r.out.error("not_canonical", "", Span::default(), format!("the document has no canonical form: {error}"));
            None
        }
    }
}

fn pact(r: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
    let place = r.needed(at, "pact", "the pact it speaks of")?;
    let text = r.text(&place)?;
    if !is_id(text) {
        r.error("bad_id", &place, format!("`{text}` is no id of a pact"))
            .help("a lower-case letter, then letters, digits and `-`, 63 at most");
    }
    Some(text.to_owned())
}

fn semver(r: &mut Reader<'_>, at: &At<'_>) -> Option<SemVer> {
    let text = r.text(at)?;
    let version = SemVer::parse(text);
    if version.is_none() {
        r.error("bad_version", at, format!("`{text}` is no version")).help("major, minor and patch: `\"1.0.0\"`");
    }
    version
}

fn version(r: &mut Reader<'_>, at: &At<'_>) -> Option<SemVer> {
    let place = r.needed(at, "version", "the version in force")?;
    semver(r, &place)
}

fn party(r: &mut Reader<'_>, at: &At<'_>, key: &str, why: &str) -> Option<String> {
    let place = r.needed(at, key, why)?;
    subject::did(r, &place)
}

fn words(r: &mut Reader<'_>, at: &At<'_>, key: &str, why: &str) -> Option<String> {
    let place = r.needed(at, key, why)?;
    r.text(&place).map(str::to_owned)
}

fn day(r: &mut Reader<'_>, at: &At<'_>, key: &str, why: &str) -> Option<Date> {
    let place = r.needed(at, key, why)?;
    let text = r.text(&place)?;
    let date = Date::parse(text, "UTC");
    if date.is_none() {
        r.error("bad_date", &place, format!("`{text}` is no date"))
            .help("year, month and day: `2026-12-01`; it begins at 00:00 UTC");
    }
    date
}

fn notice(r: &mut Reader<'_>, at: &At<'_>) -> Option<Notice> {
    r.map(at, NOTICE, None);
    let (pact, version) = (pact(r, at), version(r, at));
    let agent = party(r, at, "agent", "who promises");
    let counterparty = party(r, at, "counterparty", "to whom");
    let reason = at.get("reason").and_then(|v| r.text(&v).map(str::to_owned));
    let found: Vec<At<'_>> = CHANGES.iter().filter_map(|key| at.get(key)).collect();
    let change = match &found[..] {
        [one] => change(r, one, [agent.as_deref(), counterparty.as_deref()], version),
        [] => {
            r.error("missing_key", at, "a notice that announces nothing").help(format!("one of {}", CHANGES.join(", ")));
            None
        }
        [_, second, ..] => {
            let key = at.node.entries().iter().map(|(key, _)| key).find(|key| key.text == second.path);
            r.error_at_key("two_checks", &(key, second.clone()), "a notice announces one thing")
                .help("write a notice of its own for it");
            None
        }
    };
    Some(Notice { pact: pact?, version: version?, agent: agent?, counterparty: counterparty?, change: change?, reason })
}

fn change(r: &mut Reader<'_>, at: &At<'_>, parties: [Option<&str>; 2], in_force: Option<SemVer>) -> Option<NoticeChange> {
    match at.path.as_str() {
        "runtime" => {
            let runtime: Option<Runtime> = subject::runtime(r, at);
            runtime.map(NoticeChange::Runtime)
        }
        "key" => {
            r.map(at, &["of", "key", "replaces", "from"], None);
            let of = party(r, at, "of", "whose key");
            if let (Some(of), Some(place)) = (&of, at.get("of"))
                && of.starts_with("did:key:")
            {
                r.error("C5", &place, "a did:key is its key; another key is another identity")
                    .help("another identity is another pact: write and sign a new one");
            }
            let mut key = |name: &str| {
                let place = r.needed(at, name, "a key in multibase, as `servanda keygen` prints it")?;
                let text = r.text(&place)?;
                let key = VerifyingKey::parse(text).ok();
                if key.is_none() {
                    r.error("bad_key", &place, format!("`{text}` is no Ed25519 key in multibase"))
                        .help("`servanda keygen` prints one: `z6Mk…`");
                }
                key
            };
            let (new, old) = (key("key"), key("replaces"));
            if new.is_some() && new == old {
                r.error("contradiction", at, "the new key is the old one").help("make another with `servanda keygen`");
            }
            let from = day(r, at, "from", "from which day the new key signs");
            if let (Some(of), Some(place)) = (&of, at.get("of"))
                && !parties.contains(&Some(of.as_str()))
            {
                r.error("wrong_party", &place, format!("`{of}` is no party of this notice"))
                    .help("the agent or the counterparty, as named above");
            }
            Some(NoticeChange::Key(Box::new(KeyChange { of: of?, key: new?, replaces: old?, from: from? })))
        }
        "rollback" => {
            r.map(at, &["to"], None);
            let to = r.needed(at, "to", "to which version")?;
            let version = semver(r, &to);
            if version.is_some() && version >= in_force {
                r.error("contradiction", &to, "back goes to a version below the one in force").help("name an older version");
            }
            version.map(|to| NoticeChange::Rollback { to })
        }
        "termination" => {
            r.map(at, &["on", "because"], None);
            let on = day(r, at, "on", "on which day the pact ends");
            let because = at.get("because").and_then(|v| r.word(&v, TerminateOn::WORDS, |w| w)).map(str::to_owned);
            Some(NoticeChange::Termination { on: on?, because })
        }
        _ => {
            r.map(at, &["until"], None);
            day(r, at, "until", "until which day").map(|until| NoticeChange::Extension { until })
        }
    }
}

fn approval(r: &mut Reader<'_>, at: &At<'_>) -> Option<Approval> {
    r.map(at, APPROVAL, None);
    let (pact, version) = (pact(r, at), version(r, at));
    let predicate = words(r, at, "predicate", "the predicate that held the call");
    let record = words(r, at, "record", "the record of the hold, so that it counts once");
    let call = words(r, at, "call", "the commitment to the call, so that no other passes by it");
    let decision = r.needed(at, "decision", "approve or deny").and_then(|d| r.word(&d, &["approve", "deny"], |w| w));
    let approver = party(r, at, "approver", "who says so");
    Some(Approval {
        pact: pact?,
        version: version?,
        predicate: predicate?,
        record: record?,
        call: call?,
        approve: decision? == "approve",
        approver: approver?,
    })
}

fn reinstatement(r: &mut Reader<'_>, at: &At<'_>) -> Option<Reinstatement> {
    const ROLES: &[Role] = &[Role::Counterparty, Role::Guarantor, Role::Approver, Role::Judge];
    r.map(at, REINSTATEMENT, None);
    let (pact, version) = (pact(r, at), version(r, at));
    let agent = party(r, at, "agent", "who was suspended");
    let record = words(r, at, "record", "the record of the suspension, so that it counts once");
    let reason = words(r, at, "reason", "why it may work again");
    let by = party(r, at, "by", "who says so");
    let role = r.needed(at, "role", "as what").and_then(|v| r.word(&v, ROLES, Role::as_str));
    if by.is_some() && by == agent {
        let place = at.get("by").unwrap_or_else(|| at.clone());
        r.error("same_party", &place, "the agent cannot reinstate itself").help("it is for those whom the penalty names");
    }
    Some(Reinstatement { pact: pact?, version: version?, agent: agent?, record: record?, reason: reason?, by: by?, role: role? })
}

fn subscription(r: &mut Reader<'_>, at: &At<'_>) -> Option<Subscription> {
    r.map(at, SUBSCRIPTION, None);
    let pact = pact(r, at);
    let agent = party(r, at, "agent", "who promises");
    let counterparty = party(r, at, "counterparty", "who accepts");
    let accepts = r.needed(at, "accepts", "which versions").and_then(|v| {
        let text = r.text(&v)?;
        let accepts = Accepts::parse(text);
        if accepts.is_none() {
            r.error("bad_version", &v, format!("`{text}` is no set of versions"))
                .help("`\"2.1.0\"` exactly, `\"^2.1.0\"` below the next major, `\">=2.1.0\"` all greater ones");
        }
        accepts
    });
    Some(Subscription { pact: pact?, agent: agent?, counterparty: counterparty?, accepts: accepts? })
}
