//! `routes`: what is done with a verdict on a listener, and by whom the rollout is owned.

use std::time::Duration;

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{Node, Value};
use crate::base::limits::CONFIG_ENTRIES_MAX;
use crate::base::names::Mode;
use crate::guard::{BlockAs, Durability, Expired, ToolsChanged, Uninspected, Unread};

use super::listen::Listener;
use super::read::Section;

/// What holds for the listeners a route matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The listener; none for all that no other route names.
    pub listener: Option<String>,
    /// What is done with a verdict.
    pub mode: Mode,
    /// How a block is worded.
    pub block_as: BlockAs,
    /// What is done with what no detector can read.
    pub uninspected: Uninspected,
    /// What waits for the evidence log.
    pub durability: Durability,
    /// What is done with an exchange whose pact is over.
    pub expired: Expired,
    /// What is done with a tool whose definition has changed.
    pub tools_changed: ToolsChanged,
    /// Who owns the rollout and how it grows.
    pub rollout: Rollout,
}

impl Route {
    /// The route of a listener that none is written for.
    pub fn new(mode: Mode) -> Self {
        Self {
            listener: None,
            mode,
            block_as: BlockAs::default(),
            uninspected: Uninspected::default(),
            durability: Durability::default(),
            expired: Expired::Refuse,
            tools_changed: ToolsChanged::Remove,
            rollout: Rollout::default(),
        }
    }
}

/// Who owns a rollout and how it grows; told by `report`, without effect on traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    /// The workflow it belongs to.
    pub workflow: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What shows that it works.
    pub proof: Option<String>,
    /// When it is looked at again.
    pub review: Option<Review>,
    /// What must hold before it grows.
    pub expand_when: Option<ExpandWhen>,
}

/// When a rollout is looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The next date, as `YYYY-MM-DD`.
    pub next: Option<String>,
    /// The step from review to review.
    pub every: Option<Duration>,
}

/// What must hold before a rollout grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpandWhen {
    /// Days in the present mode.
    pub mode_days: Option<u64>,
    /// Most critical violations.
    pub violations_critical: Option<u64>,
    /// Most gaps in the evidence.
    pub evidence_gaps: Option<u64>,
}

/// Reads the list.
pub(super) fn read(root: &Section<'_>, listeners: &[Listener], out: &mut Diagnostics) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (index, item) in root.list("routes", CONFIG_ENTRIES_MAX, out).iter().enumerate() {
        let path = format!("routes[{index}]");
        let route = one(item, &path, listeners, out);
        if routes.iter().any(|r| r.listener == route.listener) {
            let which = route.listener.as_deref().map_or("every listener".to_owned(), |name| format!("listener `{name}`"));
            out.error("duplicate", path, item.span, format!("a second route for {which}")).help("keep one of them");
        }
        routes.push(route);
    }
    routes
}

fn one(node: &Node, path: &str, listeners: &[Listener], out: &mut Diagnostics) -> Route {
    const KEYS: &[&str] = &[
        "match",
        "mode",
        "owner",
        "proof",
        "review",
        "expand_when",
        "workflow",
        "block_as",
        "uninspected",
        "websocket",
        "durability",
        "expired",
        "tools_changed",
    ];
    let section = Section::open(Some(node), path, KEYS, out);
    if let Some(websocket) = section.node("websocket")
        && websocket.text() == Some("inspect")
    {
        section.refuse("websocket", "WebSocket frames cannot be inspected in this build", "websocket: refuse", out);
    } else {
        section.word("websocket", &[("refuse", ())], (), out);
    }
    Route {
        listener: matched(&section, listeners, out),
        mode: section.word("mode", &Mode::ALL.iter().map(|m| (m.as_str(), *m)).collect::<Vec<_>>(), Mode::Enforce, out),
        block_as: section.word(
            "block_as",
            &[("auto", BlockAs::Auto), ("refusal", BlockAs::Refusal), ("error", BlockAs::Error)],
            BlockAs::Auto,
            out,
        ),
        uninspected: uninspected(&section, out),
        durability: section.word(
            "durability",
            &[("default", Durability::Default), ("strict", Durability::Strict), ("fast", Durability::Fast)],
            Durability::Default,
            out,
        ),
        expired: section.word(
            "expired",
            &Expired::ALL.iter().map(|e| (e.as_str(), *e)).collect::<Vec<_>>(),
            Expired::Refuse,
            out,
        ),
        tools_changed: section.word(
            "tools_changed",
            &ToolsChanged::ALL.iter().map(|t| (t.as_str(), *t)).collect::<Vec<_>>(),
            ToolsChanged::Remove,
            out,
        ),
        rollout: rollout(&section, out),
    }
}

fn matched(section: &Section<'_>, listeners: &[Listener], out: &mut Diagnostics) -> Option<String> {
    let rule = Section::open(section.node("match"), section.at("match"), &["listener"], out);
    let name = rule.text("listener", out)?;
    if !listeners.is_empty() && !listeners.iter().any(|l| l.name == name) {
        let span = rule.node("listener").map_or_else(|| rule.span(), |n| n.span);
        let known: Vec<&str> = listeners.iter().map(|l| l.name.as_str()).collect();
        out.error("unknown_listener", rule.at("listener"), span, format!("no listener is named `{name}`"))
            .help(format!("named above: {}", known.join(", ")));
    }
    Some(name.to_owned())
}

fn uninspected(section: &Section<'_>, out: &mut Diagnostics) -> Uninspected {
    const KEYS: &[&str] = &["media", "encrypted", "over_limit", "undecodable", "unknown_event", "detector_error"];
    const PLAIN: &[(&str, Unread)] = &[("pass", Unread::Pass), ("block", Unread::Block)];
    const EVENT: &[(&str, Unread)] =
        &[("pass", Unread::Pass), ("pass_unless_text", Unread::PassUnlessText), ("block", Unread::Block)];
    let table = Section::open(section.node("uninspected"), section.at("uninspected"), KEYS, out);
    let default = Uninspected::default();
    Uninspected {
        media: table.word("media", PLAIN, default.media, out),
        encrypted: table.word("encrypted", PLAIN, default.encrypted, out),
        over_limit: table.word("over_limit", PLAIN, default.over_limit, out),
        undecodable: table.word("undecodable", PLAIN, default.undecodable, out),
        unknown_event: table.word("unknown_event", EVENT, default.unknown_event, out),
        detector_error: table.word("detector_error", PLAIN, default.detector_error, out),
    }
}

fn rollout(section: &Section<'_>, out: &mut Diagnostics) -> Rollout {
    let text = |key: &str, out: &mut Diagnostics| section.text(key, out).map(str::to_owned);
    let review = Section::open(section.node("review"), section.at("review"), &["next", "every"], out);
    let expand = Section::open(
        section.node("expand_when"),
        section.at("expand_when"),
        &["mode_days", "violations_critical", "evidence_gaps"],
        out,
    );
    Rollout {
        workflow: text("workflow", out),
        owner: text("owner", out),
        proof: text("proof", out),
        review: review.given().then(|| Review {
            next: date(&review, "next", out),
            every: review.node("every").map(|_| review.duration("every", Duration::from_hours(30 * 24), out)),
        }),
        expand_when: expand.given().then(|| ExpandWhen {
            mode_days: expand.count("mode_days", 0..=3_650, out),
            violations_critical: expand.count("violations_critical", 0..=u64::from(u32::MAX), out),
            evidence_gaps: expand.count("evidence_gaps", 0..=u64::from(u32::MAX), out),
        }),
    }
}

fn date(section: &Section<'_>, key: &str, out: &mut Diagnostics) -> Option<String> {
    let node = section.node(key)?;
    let date = match &node.value {
        Value::Text(text) => text.parse::<jiff::civil::Date>().ok(),
        _ => None,
    };
    if date.is_none() {
        section.wrong(key, node, "a date", out).help("such as 2027-01-15");
    }
    date.map(|d| d.to_string())
}
