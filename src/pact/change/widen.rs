//! What a standing consent covers: more of the same, under the same promises.

use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::pact::condition::order::value;
use crate::pact::condition::{Field, Literal};
use crate::pact::model::{Check, FlowCheck, FlowLabel, Pact, Predicate, Results, SetCheck, SetKind, Tool};

use super::predicate::flat;
use super::sets;

/// What is known of an event in which this member of such a list is used.
fn known(pact: &Pact, kind: SetKind, member: &str) -> impl Fn(&Field) -> Option<Literal> {
    let tool: Option<Tool> = pact.tools.iter().find(|t| kind == SetKind::Tool && t.name == member).cloned();
    let member = member.to_owned();
    // A host with a star or a port stands for several.
    let plain = kind != SetKind::Host || !member.contains(['*', ':']);
    move |field| {
        let text = |text: Option<&str>| text.map(|t| Literal::Text(t.to_owned()));
        match (kind, field) {
            (SetKind::Task, Field::Fact(name)) if name == "task.type" => text(Some(&member)),
            (SetKind::Host, Field::HostName) if plain => text(Some(&member)),
            (SetKind::Target, Field::ToolTarget) | (SetKind::Action, Field::ToolAction) | (SetKind::Tool, Field::ToolName) => {
                text(Some(&member))
            }
            (_, field) => {
                let tool = tool.as_ref()?;
                match field {
                    Field::ToolAction => text(tool.action.as_deref()),
                    Field::ToolTarget => text(tool.target.as_deref()),
                    Field::ToolEffect => text(Some(tool.effect.as_str())),
                    Field::ToolReversible => Some(Literal::Bool(tool.reversible)),
                    Field::ToolServer => text(tool.server.as_deref()),
                    _ => None,
                }
            }
        }
    }
}

/// How surely a predicate applies where this member is used: its `where`, and its `unless` turned round.
fn governs(pact: &Pact, predicate: &Predicate, kind: SetKind, member: &str) -> (Option<bool>, Option<bool>) {
    let known = known(pact, kind, member);
    let applies = predicate.when.as_ref().map_or(Some(true), |e| value(e, &known));
    let exempt = predicate.unless.as_ref().map_or(Some(false), |e| value(e, &known));
    (applies, exempt.map(|e| !e))
}

/// False, unknown, true as numbers.
fn rank(truth: Option<bool>) -> u8 {
    truth.map_or(1, |t| if t { 2 } else { 0 })
}

/// Whether data of this tool is what the flow speaks of.
fn flows(pact: &Pact, flow: &FlowCheck, tool: &str) -> bool {
    let tool = pact.tools.iter().find(|t| t.name == tool);
    flow.from.iter().any(|label| match label {
        FlowLabel::Untrusted => tool.is_none_or(|t| t.results == Results::Untrusted),
        FlowLabel::Tool(name) => tool.is_some_and(|t| t.name == *name),
        FlowLabel::Data(category) => tool.is_some_and(|t| t.data.contains(category)),
    })
}

/// Whether a check is a list that only allows more. None: it is something else. An error says what the new
/// members escape.
pub(super) fn allow_grows(was: &Pact, is: &Pact, old: &Check, new: &Check) -> Option<Result<(), String>> {
    let (Check::Set(old), Check::Set(new)) = (old, new) else { return None };
    let (Some(before), Some(after)) = (&old.allow, &new.allow) else { return None };
    let same_denied = sets::within(&old.deny, &new.deny) && sets::within(&new.deny, &old.deny);
    if old.kind != new.kind || !same_denied || !sets::within(before, after) {
        return None;
    }
    if before.is_empty() {
        return Some(Err("nothing was allowed before".to_owned()));
    }
    let mut fresh = after.iter().filter(|m| !before.contains(m));
    let escape = fresh.find_map(|member| escapes(was, is, old.kind, before, member));
    Some(escape.map_or(Ok(()), Err))
}

/// A predicate that governed an old member and does not govern the new one as surely.
fn escapes(was: &Pact, is: &Pact, kind: SetKind, before: &[String], member: &str) -> Option<String> {
    for old in &was.predicates {
        let Some(new) = is.predicate(&old.id) else { continue };
        let now = governs(is, new, kind, member);
        for other in before {
            let before = governs(was, old, kind, other);
            let governed = rank(before.0) > 0 && rank(before.1) > 0;
            let less = rank(now.0) < rank(before.0) || rank(now.1) < rank(before.1);
            if governed && less {
                return Some(format!("`{member}` does not fall under `{}` as `{other}` does", old.id));
            }
            let unflown = |check: &Check| matches!(check, Check::Flow(f) if flows(was, f, other) && !flows(is, f, member));
            if kind == SetKind::Tool && flat(old).iter().any(|at| unflown(at.check)) {
                return Some(format!("what `{member}` returns does not fall under `{}` as that of `{other}` does", old.id));
            }
        }
    }
    None
}

/// Whether a new predicate takes nothing away from anybody: why it does not, or why it does.
pub(super) fn harmless(was: &Pact, is: &Pact, new: &Predicate) -> Result<&'static str, &'static str> {
    let consequence = is.consequence(new);
    let free = consequence.forfeit.is_none()
        && consequence.score.is_none()
        && consequence.pause.is_none()
        && consequence.review.is_none();
    let flags = !new.unread_block && flat(new).iter().all(|at| at.act <= Act::Flag);
    if flags && free {
        return Ok("it only flags, and nothing follows from it");
    }
    if only_fresh(was, is, new) {
        return Ok("it governs only what is newly allowed");
    }
    Err(if flags { "something follows from a violation of it" } else { "it does more than flag" })
}

/// Whether a predicate never applies to what was allowed before.
fn only_fresh(was: &Pact, is: &Pact, new: &Predicate) -> bool {
    let calls_only = new.stages() == [Stage::Call];
    was.predicates.iter().filter(|p| p.when.is_none() && p.unless.is_none() && p.lanes.is_none()).any(|p| {
        flat(p).iter().any(|at| {
            let Check::Set(SetCheck { kind, allow: Some(before), .. }) = at.check else { return false };
            let closed = match kind {
                SetKind::Tool => calls_only && at.stage == Stage::Call,
                SetKind::Task => at.stage == Stage::Request,
                _ => false,
            };
            closed
                && at.act == Act::Block
                && !before.is_empty()
                && before.iter().all(|m| governs(is, new, *kind, m).0 == Some(false))
        })
    })
}
