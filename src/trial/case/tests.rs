//! Cases and lines, played.

use super::*;
use crate::pact::Packs;
use crate::trial::jsonl::LineJudge;

const PACT: &str = r#"
format: 1
pact: toy
version: "1.0.0"
facts: {caller.known: bool, task.amount: number}
tools:
  look: {action: read, target: order, effect: read}
  pay:  {action: write, target: order, effect: external}
detectors:
  rival: {phrases: ["Globex"]}
  number: {regex: '\b[0-9]{4}-[0-9]{4}\b', bytes_max: 9}
predicates:
  - {id: rivals, dimension: safety, severity: minor, at: response, check: {match: [own.rival]}}
  - {id: numbers, dimension: safety, severity: major, at: response, check: {match: [own.number]}, act: redact}
  - id: size
    dimension: safety
    severity: critical
    at: call
    where: 'tool.name == "pay"'
    check: {args: {properties: {amount: {type: number, maximum: 500}}, required: [amount]}}
    act: hold
  - {id: order, dimension: safety, severity: major, at: call, where: 'tool.name == "pay"', check: {require: 'session.called("look")'}}
  - {id: known, dimension: safety, severity: minor, at: request, check: {require: 'caller.known'}}
cases:
  - {name: rival, at: response, text: "try Globex", expect: flag, predicate: rivals}
  - {name: number, at: response, text: "it is 1234-5678", expect: redact}
  - {name: in order, events: [{at: call, tool: look}, {at: call, tool: pay, args: {amount: 5}}], expect: allow}
  - {name: too much, events: [{at: call, tool: look}, {at: call, tool: pay, args: {amount: 501}}], expect: hold, predicate: size}
  - {name: known, facts: {caller.known: true}, events: [{at: request, text: hello}], expect: allow}
  - {name: wrong act, at: response, text: "all fine", expect: block}
  - {name: wrong predicate, at: response, text: "try Globex", expect: flag, predicate: numbers}
  - {name: refused on the way, events: [{at: call, tool: pay, args: {amount: 5}}, {at: call, tool: look}], expect: allow}
"#;

fn judged() -> (Arc<Program>, Vec<Case>) {
    let (checked, mistakes) = crate::pact::read(PACT, Packs::shipped());
    let checked = checked.unwrap_or_else(|| panic!("{}", mistakes.render("toy", PACT)));
    let program = crate::program::compile::compile_one(&checked, false, Packs::shipped()).unwrap();
    (Arc::new(program), checked.pact().cases.clone())
}

#[test]
fn cases_hold_or_say_why() {
    let (program, cases) = judged();
    let outcomes = run(&program, &cases, 0);
    let failed: Vec<(&str, &str)> = outcomes.cases.iter().filter_map(|c| Some((c.name.as_str(), c.why.as_deref()?))).collect();
    assert_eq!(
        failed,
        [
            ("wrong act", "expected block, got allow (nothing was breached)"),
            ("wrong predicate", "`numbers` is not among the breached predicates: rivals"),
            ("refused on the way", "event 1 at call was refused (block) by order; only the last may be"),
        ]
    );
    assert!(!outcomes.passed());
    assert_eq!(outcomes.untried, ["known"]);
}

#[test]
fn lines_of_judge() {
    let (program, _) = judged();
    let judge = LineJudge::new(program);
    let line = |text: &str| judge.line(text, 0).unwrap();
    assert_eq!(
        line(r#"{"id":7,"events":[{"at":"response","text":"no. 1234-5678"}],"more":1}"#),
        r#"{"id":7,"verdict":"redact","events":[{"act":"redact","violations":[{"predicate":"numbers","severity":"major","detector":"own.number","act":"redact","count":1}],"text":"no. [own.number]"}]}"#
    );
    assert_eq!(
        line(r#"{"id":"a","events":[{"at":"request","text":"hi","facts":{"caller.known":true}}]}"#),
        r#"{"id":"a","verdict":"allow","events":[{"act":"allow","violations":[],"text":"hi"}]}"#
    );
    // Sessions are shared by lines; a held call is not released.
    let pay = r#"{"session":"s","events":[{"at":"call","tool":"pay","args":{"amount":5}}]}"#;
    assert!(line(pay).starts_with(r#"{"verdict":"block""#));
    assert!(line(r#"{"session":"s","events":[{"at":"call","tool":"look"}]}"#).starts_with(r#"{"verdict":"allow""#));
    assert!(line(pay).starts_with(r#"{"verdict":"allow""#));
    assert!(line(&pay.replace("\"s\"", "\"t\"")).starts_with(r#"{"verdict":"block""#));
    let held = line(r#"{"session":"s","events":[{"at":"call","tool":"pay","args":"{\"amount\": 501}"}]}"#);
    assert!(held.contains(r#""verdict":"hold""#) && held.contains(r#""reason":"approval_unavailable""#), "{held}");
    for bad in ["", "{}", "[]", r#"{"events":[{"at":"nowhere"}]}"#, r#"{"events":[{"at":"window"}]}"#] {
        assert!(judge.line(bad, 0).is_err(), "{bad}");
    }
}

#[test]
fn every_template_keeps_its_own_cases() {
    for (name, text) in crate::pact::template::TEMPLATES {
        let (checked, mistakes) = crate::pact::read(text, Packs::shipped());
        let checked = checked.unwrap_or_else(|| panic!("{}", mistakes.render(name, text)));
        let program = crate::program::compile::compile_one(&checked, false, Packs::shipped()).unwrap();
        let outcomes = run(&Arc::new(program), &checked.pact().cases, 1_780_272_000_000_000);
        let failed: Vec<String> =
            outcomes.cases.iter().filter_map(|c| Some(format!("{}: {}", c.name, c.why.as_deref()?))).collect();
        assert!(failed.is_empty(), "{name}: {failed:#?}");
    }
}
