//! Pacts that cannot be kept together: a task that one of them refuses, lists of the allowed that share no member.
//!
//! Looked at are promises that hold without a condition and on every lane, and whose breach is refused. What two pacts
//! allow only under conditions may still never meet; that shows when it is judged, and never as too little.

use std::collections::BTreeSet;

use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::verdict::Act;
use crate::pact::model::{Check, Pact, Predicate, SetCheck, SetKind};
use crate::scan::host::HostRule;

/// A pact among those that govern the same tasks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Governed<'a> {
    /// Its place in the portfolio.
    pub(super) at: usize,
    /// Place of its entry.
    pub(super) span: Span,
    /// What it says.
    pub(super) pact: &'a Pact,
}

impl<'a> Governed<'a> {
    /// Its unconditional sets of a kind, each with its predicate.
    fn sets(self, kind: SetKind) -> impl Iterator<Item = (&'a Predicate, &'a SetCheck)> {
        let free = |p: &&Predicate| p.when.is_none() && p.unless.is_none() && p.lanes.is_none();
        self.pact.predicates.iter().filter(free).flat_map(move |predicate| {
            predicate.checks.iter().filter_map(move |check| match &check.check {
                Check::Set(set) if set.kind == kind && check.stages.iter().any(|(_, act)| *act >= Act::Hold) => {
                    Some((predicate, set))
                }
                _ => None,
            })
        })
    }

    /// What it allows of a kind; none where it says nothing.
    fn allowed(self, kind: SetKind) -> Option<Allowed> {
        let sets = self.sets(kind).filter_map(|(_, set)| Some(Allowed::of(self.pact, set, set.allow.as_deref()?)));
        sets.reduce(|a, b| a.and(&b))
    }
}

/// Labels that are allowed.
#[derive(Clone, Debug)]
enum Allowed {
    /// By word; tools by every name on the wire.
    Words(BTreeSet<String>),
    /// Hosts.
    Hosts(Vec<HostRule>),
}

impl Allowed {
    fn of(pact: &Pact, set: &SetCheck, allow: &[String]) -> Self {
        if matches!(set.kind, SetKind::Host | SetKind::LinkHost) {
            return Self::Hosts(allow.iter().filter_map(|text| HostRule::parse(text)).collect());
        }
        let kept = allow.iter().filter(|word| !set.deny.contains(word));
        if set.kind != SetKind::Tool {
            return Self::Words(kept.cloned().collect());
        }
        let tools = kept.filter_map(|key| pact.tools.iter().find(|tool| tool.name == *key));
        Self::Words(tools.flat_map(|tool| tool.aliases.iter().chain([&tool.name]).cloned()).collect())
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Words(words) => words.is_empty(),
            Self::Hosts(hosts) => hosts.is_empty(),
        }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Words(a), Self::Words(b)) => Self::Words(a.intersection(b).cloned().collect()),
            (Self::Hosts(a), Self::Hosts(b)) => {
                Self::Hosts(a.iter().filter(|one| b.iter().any(|other| one.overlaps(other))).cloned().collect())
            }
            _ => self.clone(),
        }
    }
}

/// Kinds of labels whose lists must share a member.
const KINDS: [SetKind; 6] = [SetKind::Tool, SetKind::Action, SetKind::Target, SetKind::Host, SetKind::LinkHost, SetKind::Data];

/// Tells what keeps these pacts from being kept together for tasks of these types; none: for every task.
pub(super) fn told(pacts: &[Governed<'_>], tasks: &[&str], out: &mut Diagnostics) {
    for task in tasks {
        refused(pacts, task, out);
    }
    for kind in KINDS.into_iter().chain(tasks.is_empty().then_some(SetKind::Task)) {
        disjoint(pacts, kind, tasks, out);
    }
}

/// A task that stands under a pact which itself refuses it.
fn refused(pacts: &[Governed<'_>], task: &str, out: &mut Diagnostics) {
    for governed in pacts {
        let refuses = |set: &SetCheck| {
            set.deny.iter().any(|t| t == task) || set.allow.as_ref().is_some_and(|allow| !allow.iter().any(|t| t == task))
        };
        let Some((predicate, _)) = governed.sets(SetKind::Task).find(|(_, set)| refuses(set)) else { continue };
        let id = &governed.pact.id;
        let others: Vec<String> =
            pacts.iter().filter(|other| other.at != governed.at).map(|other| format!("`{}`", other.pact.id)).collect();
        let beside = if others.is_empty() { String::new() } else { format!(" beside {}", others.join(", ")) };
        out.error(
            "no_task_left",
            format!("pacts[{}].tasks", governed.at),
            governed.span,
            format!("`{task}` stands under `{id}`{beside}, and `{id}/{}` refuses it: it could never be allowed", predicate.id),
        )
        .help(format!("take `{task}` out of what stands under `{id}`, or allow it there"));
    }
}

/// Lists of the allowed that share no member.
fn disjoint(pacts: &[Governed<'_>], kind: SetKind, tasks: &[&str], out: &mut Diagnostics) {
    let lists: Vec<(Governed<'_>, Allowed)> =
        pacts.iter().filter_map(|g| Some((*g, g.allowed(kind)?))).filter(|(_, allowed)| !allowed.is_empty()).collect();
    let mut lists = lists.iter();
    let Some((first, allowed)) = lists.next() else { return };
    let mut left = allowed.clone();
    let mut before = vec![(*first, allowed)];
    for (governed, allowed) in lists {
        left = left.and(allowed);
        if left.is_empty() {
            let against = before.iter().find(|(_, other)| allowed.and(other).is_empty());
            let names: Vec<String> = match against {
                Some((other, _)) => vec![format!("`{}`", other.pact.id)],
                None => before.iter().map(|(other, _)| format!("`{}`", other.pact.id)).collect(),
            };
            let of = if tasks.is_empty() { "every task".to_owned() } else { format!("`{}`", tasks.join("`, `")) };
            out.error(
                "nothing_left",
                format!("pacts[{}]", governed.at),
                governed.span,
                format!(
                    "{} and `{}` both govern {of}, and no {kind} is allowed by {}: nothing could ever pass",
                    names.join(", "),
                    governed.pact.id,
                    if names.len() == 1 { "both" } else { "all" }
                ),
            )
            .help("let their tasks differ, or allow something in common");
            return;
        }
        before.push((*governed, allowed));
    }
}
