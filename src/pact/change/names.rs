//! Who is bound, and what the words of a pact mean: subject, packs, facts, tools, own detectors.
//!
//! A name that is new and that nothing which stood before can use changes nothing by itself; what is said
//! with it is judged where it is said.

use std::collections::BTreeMap;

use crate::base::names::{DataCategory, Stage};
use crate::base::verdict::Act;
use crate::pact::model::{Check, Detector, DetectorKind, FactType, Pact, Predicate, ReviewOn, Runtime, SetCheck};
use crate::pact::model::{SetKind, Subject, Tool};

use super::guard::reads_catalogue;
use super::report::{Change, Direction, Level, value};
use super::sets;

pub(super) fn compare(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    subject(&was.subject, &is.subject, out);
    runtimes(was, is, out);
    packs(&was.packs, &is.packs, out);
    facts(was, is, out);
    tools(was, is, out);
    detectors(was, is, out);
}

fn subject(was: &Subject, is: &Subject, out: &mut Vec<Change>) {
    let mut party = |key: &str, old: Option<&String>, new: Option<&String>| {
        let change = value(format!("subject.{key}"), old, new, Direction::NotComparable);
        // A draft that names nobody yet is bound to nobody yet.
        let level = if old.is_some() { Level::Other } else { Level::Major };
        out.extend(change.map(|c| match level {
            Level::Other => c.at(level).because("another identity is another pact"),
            _ => c,
        }));
    };
    party("agent", was.agent.as_ref(), is.agent.as_ref());
    party("agent_key", was.agent_key.as_ref(), is.agent_key.as_ref());
    party("counterparty", was.counterparty.as_ref(), is.counterparty.as_ref());
    let mut other = |key: &str, old: Option<&String>, new: Option<&String>| {
        out.extend(value(format!("subject.{key}"), old, new, Direction::NotComparable));
    };
    other("guarantor", was.guarantor.as_ref(), is.guarantor.as_ref());
    other("capability", was.capability.as_ref(), is.capability.as_ref());
    other("archetype", was.archetype.as_ref(), is.archetype.as_ref());
    other("credential", was.credential.as_ref(), is.credential.as_ref());
}

fn told(runtime: &Runtime) -> String {
    let Runtime { model, model_version, config_hash } = runtime;
    let version = model_version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
    let hash = config_hash.as_deref().map(|h| format!(" ({h})")).unwrap_or_default();
    format!("{model}{version}{hash}")
}

/// Runtimes: one more is minor unless the pact asks for a review of it; where none is named any may run.
fn runtimes(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    let (old, new) = (&was.subject.runtimes, &is.subject.runtimes);
    let path = "subject.runtimes";
    if old.is_empty() != new.is_empty() {
        let direction = if old.is_empty() { Direction::Tighter } else { Direction::Looser };
        let list = |r: &[Runtime]| r.iter().map(told).collect::<Vec<_>>();
        out.push(Change::told(path, Level::Major, direction, sets::told(&list(old), &list(new))));
        return;
    }
    for runtime in old.iter().filter(|r| !new.contains(r)) {
        out.push(Change::told(path, Level::Major, Direction::Tighter, format!("drops {}", told(runtime))));
    }
    for runtime in new.iter().filter(|r| !old.contains(r)) {
        let change = Change::told(path, Level::Minor, Direction::Looser, format!("adds {}", told(runtime)));
        out.push(match reviewed(runtime, old, &was.renewal.review_on) {
            Some(word) => change.at(Level::Major).because(format!("`{word}` stands in `renewal.review_on`")),
            None => change,
        });
    }
}

/// The review that this runtime calls for beside the old ones, if the pact asks for it.
fn reviewed(runtime: &Runtime, old: &[Runtime], on: &[ReviewOn]) -> Option<ReviewOn> {
    let major = |r: &Runtime| r.model_version.as_deref().map(|v| v.split('.').next().unwrap_or(v).to_owned());
    let same_model = |r: &&Runtime| r.model == runtime.model;
    let known_major = old.iter().filter(same_model).any(|r| major(r) == major(runtime));
    let known_model = old.iter().filter(same_model).any(|r| r.model_version == runtime.model_version);
    let known_config = old.iter().any(|r| r.config_hash == runtime.config_hash);
    on.iter().copied().find(|word| match word {
        ReviewOn::ModelMajor => !known_major,
        ReviewOn::ModelChange => !known_model,
        ReviewOn::ConfigChange => !known_config,
        ReviewOn::Regulation => false,
    })
}

/// What words mean: another major version of a pack may mean anything.
fn packs(was: &BTreeMap<String, u32>, is: &BTreeMap<String, u32>, out: &mut Vec<Change>) {
    for (name, new) in is {
        let path = format!("packs.{name}");
        match was.get(name) {
            Some(old) if old != new => out.push(Change::of(path, Direction::NotComparable, old, new)),
            Some(_) => {}
            None => out.push(Change::told(path, Level::Minor, Direction::Neutral, format!("adds version {new}"))),
        }
    }
    for (name, old) in was.iter().filter(|(name, _)| !is.contains_key(*name)) {
        out.push(Change::told(format!("packs.{name}"), Level::Major, Direction::Neutral, format!("drops version {old}")));
    }
}

fn fact_type(ty: &FactType) -> String {
    match ty {
        FactType::Text => "text".to_owned(),
        FactType::Bool => "true or false".to_owned(),
        FactType::Number { unit: None } => "a number".to_owned(),
        FactType::Number { unit: Some(unit) } => format!("a number of {unit}"),
    }
}

fn facts(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    for (name, new) in &is.facts {
        let path = format!("facts.{name}");
        match was.facts.get(name) {
            Some(old) if old != new => {
                out.push(Change::of(path, Direction::NotComparable, &fact_type(old), &fact_type(new)));
            }
            Some(_) => {}
            None => out.push(Change::told(path, Level::Minor, Direction::Neutral, format!("adds {}", fact_type(new)))),
        }
    }
    for name in was.facts.keys().filter(|name| !is.facts.contains_key(*name)) {
        out.push(Change::told(format!("facts.{name}"), Level::Major, Direction::Neutral, "is no longer told"));
    }
}

/// Whether a predicate blocks every call of a tool that is not in the list, whatever else is the case.
fn blocks_all_but(predicate: &Predicate) -> impl Iterator<Item = &[String]> {
    let bare = predicate.when.is_none() && predicate.unless.is_none() && predicate.lanes.is_none();
    let checks = predicate.checks.iter().filter(move |c| bare && c.stages.contains(&(Stage::Call, Act::Block)));
    checks.filter_map(|c| match &c.check {
        Check::Set(SetCheck { kind: SetKind::Tool, allow: Some(allow), .. }) => Some(allow.as_slice()),
        _ => None,
    })
}

/// Whether every call of this tool is blocked.
pub(super) fn blocked(pact: &Pact, tool: &str) -> bool {
    pact.predicates.iter().flat_map(blocks_all_but).any(|allow| !allow.iter().any(|t| t == tool))
}

/// The lists of tools that are allowed, each with the predicate that has it.
pub(super) fn tool_lists(pact: &Pact) -> impl Iterator<Item = (&Predicate, &SetCheck)> {
    pact.predicates.iter().flat_map(|p| {
        p.checks.iter().filter_map(move |c| match &c.check {
            Check::Set(set) if set.kind == SetKind::Tool && set.allow.is_some() => Some((p, set)),
            _ => None,
        })
    })
}

/// Whether results of tools are judged by what the catalogue says of them.
fn results_by_catalogue(pact: &Pact) -> bool {
    let by_data = |check: &Check| matches!(check, Check::Flow(_)) || matches!(check, Check::Set(s) if s.kind == SetKind::Data);
    pact.predicates.iter().flat_map(|p| &p.checks).any(|c| by_data(&c.check)) || reads_catalogue(pact, &[Stage::Result])
}

fn tools(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    for new in &is.tools {
        if let Some(old) = was.tools.iter().find(|t| t.name == new.name) {
            tool(old, new, out);
            continue;
        }
        // Before, the name was outside every allow; if that blocked its calls, nothing of it was seen.
        let unseen = blocked(was, &new.name) && !results_by_catalogue(was) && !results_by_catalogue(is);
        let direction = if unseen { Direction::Neutral } else { Direction::NotComparable };
        let gained = tool_lists(is).any(|(p, set)| {
            let has = |set: &SetCheck| set.allow.iter().flatten().any(|t| *t == new.name);
            has(set) && was.predicate(&p.id).is_some()
        });
        let change = Change::told(format!("tools.{}", new.name), Level::Minor, direction, "adds it to the catalogue");
        out.push(if gained {
            change
        } else {
            change.at(Level::Major).because("a tool of the catalogue is no longer external and untrusted by default")
        });
    }
    for old in was.tools.iter().filter(|t| !is.tools.iter().any(|n| n.name == t.name)) {
        let unseen = blocked(is, &old.name) && !results_by_catalogue(was) && !results_by_catalogue(is);
        let direction = if unseen { Direction::Neutral } else { Direction::NotComparable };
        let path = format!("tools.{}", old.name);
        out.push(Change::told(path, Level::Major, direction, "drops it from the catalogue"));
    }
}

fn tool(old: &Tool, new: &Tool, out: &mut Vec<Change>) {
    let path = |key: &str| format!("tools.{}.{key}", new.name);
    let any = Direction::NotComparable;
    out.extend(value(path("action"), old.action.as_ref(), new.action.as_ref(), any));
    out.extend(value(path("target"), old.target.as_ref(), new.target.as_ref(), any));
    out.extend(value(path("effect"), Some(&old.effect), Some(&new.effect), any));
    out.extend(value(path("results"), Some(&old.results), Some(&new.results), any));
    out.extend(value(path("reversible"), Some(&old.reversible), Some(&new.reversible), any));
    out.extend(value(path("server"), old.server.as_ref(), new.server.as_ref(), any));
    out.extend(sets::change(&path("data"), &old.data, &new.data, any));
    out.extend(sets::change(&path("aliases"), &old.aliases, &new.aliases, any));
}

/// Whether a predicate of the pact looks at what this detector finds.
fn looks_at(pact: &Pact, detector: &Detector) -> bool {
    let label = format!("own.{}", detector.name);
    pact.predicates.iter().flat_map(|p| &p.checks).any(|c| match &c.check {
        Check::Match(check) => check.means(&label),
        Check::Set(set) => set.kind == SetKind::Data && detector.category != DataCategory::Public,
        _ => false,
    })
}

fn detectors(was: &Pact, is: &Pact, out: &mut Vec<Change>) {
    for new in &is.detectors {
        let path = format!("detectors.{}", new.name);
        let Some(old) = was.detectors.iter().find(|d| d.name == new.name) else {
            // What stood before may find more by it: `own` means every own detector.
            let seen = was.predicates.iter().any(|p| is.predicate(&p.id).is_some()) && looks_at(was, new);
            let (level, direction) = if seen { (Level::Major, Direction::Tighter) } else { (Level::Minor, Direction::Neutral) };
            out.push(Change::told(path, level, direction, "adds a detector of its own"));
            continue;
        };
        match (&old.kind, &new.kind) {
            (DetectorKind::Phrases(old), DetectorKind::Phrases(new)) => {
                let (old, new) = (folded(old), folded(new));
                out.extend(sets::change(&format!("{path}.phrases"), &old, &new, Direction::Tighter));
            }
            (old, new) if old != new => {
                out.push(Change::told(&path, Level::Major, Direction::NotComparable, "finds something else"));
            }
            _ => {}
        }
        out.extend(value(format!("{path}.category"), Some(&old.category), Some(&new.category), Direction::NotComparable));
    }
    for old in was.detectors.iter().filter(|d| !is.detectors.iter().any(|n| n.name == d.name)) {
        let direction = if looks_at(was, old) { Direction::Looser } else { Direction::Neutral };
        out.push(Change::told(format!("detectors.{}", old.name), Level::Major, direction, "drops the detector"));
    }
}

/// Phrases are found in any case.
fn folded(phrases: &[String]) -> Vec<String> {
    phrases.iter().map(|p| p.to_lowercase()).collect()
}
